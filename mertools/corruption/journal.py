"""What is finished: one line of JSON per clip, durable before the clip counts as done."""

from __future__ import annotations

import fcntl
import json
import os
import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from mertools.errors import CorpusError
from mertools.files import disk_problem

JOURNAL_FILE = "corruption.jsonl"


@dataclass(frozen=True)
class Finished:
    """A clip that was corrupted.

    Attributes:
        name: of the clip.
        key: names all that decides how it comes out; see `mertools.corruption.clip`.
        files: size in bytes of each file that was written, by path within the folder.
        video: its video within the folder; empty if it has none.
        audio: its audio file within the folder; empty if it has none.
        cells: further columns of the manifest.
    """

    name: str
    key: str
    files: Mapping[str, int]
    video: str = ""
    audio: str = ""
    cells: Mapping[str, str] = field(default_factory=dict)

    def complete(self, folder: Path) -> bool:
        """Whether all its files are there in full length."""
        try:
            return all((folder / path).stat().st_size == size for path, size in self.files.items())
        except OSError:
            return False


class Journal:
    """The journal of one output folder; a context manager that holds its lock. Thread-safe.

    Args:
        folder: the output folder; made if absent.

    Raises:
        CorpusError: MER-C358 if another run works in this folder.
        MachineError: if the folder may not be written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / JOURNAL_FILE
        self._lock = threading.Lock()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._file = self.path.open("ab+", buffering=0)
        except OSError as error:
            raise disk_problem(error, self.path) from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._file.close()
            raise CorpusError(
                "MER-C358", f"another run is writing into {folder}.", "Wait for it, or name another folder."
            ) from None
        except OSError:
            pass  # a file system without locks
        self.finished = self._read()

    def add(self, clip: Finished) -> None:
        """Note a clip whose files are in place; it is durable when this returns.

        Raises:
            MachineError: if the disk is full.
        """
        with self._lock:
            self._append(clip)
            self.finished[clip.name] = clip

    def forget(self, name: str) -> None:
        """Note that a clip's files are about to be replaced: from now on they prove nothing, even of the same size.

        Raises:
            MachineError: if the disk is full.
        """
        with self._lock:
            if name in self.finished:
                self._append(Finished(name, "", {}))
                del self.finished[name]

    def close(self) -> None:
        """Give the folder free."""
        self._file.close()

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _append(self, clip: Finished) -> None:
        line = json.dumps(asdict(clip), ensure_ascii=True, separators=(",", ":")) + "\n"
        try:
            self._file.write(line.encode())
            os.fsync(self._file.fileno())
        except OSError as error:
            raise disk_problem(error, self.path) from error

    def _read(self) -> dict[str, Finished]:
        """The last line of each clip. A line that was torn by a crash is closed, and counts for nothing."""
        self._file.seek(0)
        content = self._file.read()
        if content and not content.endswith(b"\n"):
            self._file.write(b"\n")
        lines = (_parsed(line) for line in content.splitlines())
        last = {clip.name: clip for clip in lines if clip is not None}
        return {name: clip for name, clip in last.items() if clip.key}


def _parsed(line: bytes) -> Finished | None:
    try:
        values: Any = json.loads(line)
        return Finished(**values) if isinstance(values.get("files"), dict) else None
    except (ValueError, TypeError, AttributeError):
        return None
