"""Signatures kept on disk beside the corpus, so that each clip is decoded once.

``CORPUS_DIR/leaks-cache/`` holds files of some hundred signatures each, keyed by the digest of the media; safe to
delete, whole or in part. Files that are damaged or of another revision are passed over.
"""

from __future__ import annotations

import io
import json
import os
import threading
import uuid
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from mertools.errors import MachineError
from mertools.files import write_bytes_atomically
from mertools.leaks.bits import Code
from mertools.leaks.signature import REVISION, Signature
from mertools.media import media_digest

FOLDER = "leaks-cache"
BATCH = 256

_MODALITIES = ("picture", "sound")
_PLANES = ("signs", "known", "weak")


class SignatureCache:
    """Signatures of one corpus, in memory and on disk. Thread-safe.

    Args:
        folder: the cache folder, made if absent; None keeps nothing on disk.

    Raises:
        MachineError: if the folder cannot be made or written.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._signatures: dict[str, Signature] = {}
        self._files: dict[str, tuple[int, int, str]] = {}
        self._new: list[Signature] = []
        self._new_files: dict[str, tuple[int, int, str]] = {}
        if folder is not None:
            _make(folder)
            for path in sorted(folder.glob(f"r{REVISION}-*.npz")):
                self._load(path)

    def digest(self, path: Path) -> str:
        """The digest of a file; not read again while its size and modification time stay as they were.

        Raises:
            MediaError: if it is missing or may not be read.
        """
        name = os.path.abspath(path)
        try:
            before = os.stat(path)
        except OSError:
            return media_digest(path)  # says what is wrong
        with self._lock:
            size, mtime_ns, digest = self._files.get(name, (0, 0, ""))
        if digest and (size, mtime_ns) == (before.st_size, before.st_mtime_ns):
            return digest
        digest = media_digest(path)
        with self._lock:
            self._files[name] = self._new_files[name] = (before.st_size, before.st_mtime_ns, digest)
        return digest

    def get(self, key: str) -> Signature | None:
        """The signature of that key, if there is one."""
        with self._lock:
            return self._signatures.get(key)

    def put(self, signature: Signature) -> None:
        """Keep a signature; one with problems only in memory, as the next attempt may fare better.

        Raises:
            MachineError: if the disk is full or the folder may not be written.
        """
        with self._lock:
            self._signatures[signature.key] = signature
            if signature.problems:
                return
            self._new.append(signature)
            full = len(self._new) >= BATCH
        if full:
            self.flush()

    def flush(self) -> None:
        """Write what is new.

        Raises:
            MachineError: if the disk is full or the folder may not be written.
        """
        with self._lock:
            new, self._new = self._new, []
            files, self._new_files = self._new_files, {}
        if self._folder is not None and (new or files):
            write_bytes_atomically(self._folder / f"r{REVISION}-{uuid.uuid4().hex[:16]}.npz", _as_bytes(new, files))

    def _load(self, path: Path) -> None:
        try:
            signatures, files = _from_file(path)
        except (OSError, ValueError, KeyError, TypeError, IndexError, EOFError, zipfile.BadZipFile):
            return
        self._signatures.update((s.key, s) for s in signatures)
        self._files.update(files)


def _make(folder: Path) -> None:
    try:
        folder.mkdir(exist_ok=True)
        refusal = "" if os.access(folder, os.W_OK) else "it may not be written"
    except OSError as error:
        refusal = error.strerror or str(error)
    if refusal:
        raise MachineError(
            "MER-C383", f"{folder} cannot keep signatures: {refusal}.", "Make it writable, or search with --no-cache."
        )


def _as_bytes(signatures: Iterable[Signature], files: dict[str, tuple[int, int, str]]) -> bytes:
    table: list[dict[str, Any]] = []
    planes: dict[str, list[np.ndarray]] = {f"{m}_{p}": [] for m in _MODALITIES for p in _PLANES}
    for signature in signatures:
        row: dict[str, Any] = {"key": signature.key}
        for modality in _MODALITIES:
            code: Code | None = getattr(signature, modality)
            if code is not None:
                row[modality] = [len(code), code.n_bits, code.rate_hz]
                for plane in _PLANES:
                    planes[f"{modality}_{plane}"].append(getattr(code, plane))
        table.append(row)
    named = {os.fsencode(path).hex(): facts for path, facts in files.items()}
    header = json.dumps({"signatures": table, "files": named}).encode()
    arrays = {name: np.concatenate(some) for name, some in planes.items() if some}
    out = io.BytesIO()
    np.savez(out, header=np.frombuffer(header, np.uint8), **arrays)  # type: ignore[arg-type]
    return out.getvalue()


def _from_file(path: Path) -> tuple[list[Signature], dict[str, tuple[int, int, str]]]:
    with np.load(path, allow_pickle=False) as archive:
        header = json.loads(archive["header"].tobytes())
        arrays = {name: archive[name] for name in archive.files if name != "header"}
    at = dict.fromkeys(_MODALITIES, 0)
    signatures = []
    for row in header["signatures"]:
        codes: dict[str, Code] = {}
        for modality in _MODALITIES:
            if modality in row:
                n_rows, n_bits, rate_hz = row[modality]
                begin, at[modality] = at[modality], at[modality] + n_rows
                planes = [arrays[f"{modality}_{plane}"][begin : begin + n_rows] for plane in _PLANES]
                if any(len(plane) != n_rows for plane in planes):
                    raise ValueError("cut short")
                codes[modality] = Code(planes[0], planes[1], planes[2], n_bits, rate_hz)
        signatures.append(Signature(str(row["key"]), codes.get("picture"), codes.get("sound")))
    files = {
        os.fsdecode(bytes.fromhex(name)): (int(size), int(mtime_ns), str(digest))
        for name, (size, mtime_ns, digest) in header["files"].items()
    }
    return signatures, files
