"""Where the weights of a published model are: a local folder, or a hub id in the local cache.

Nothing here needs a network unless a download is asked for, and nothing runs code that came with the weights.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from mertools.errors import ExtractionError

_SAFETENSORS = ("model.safetensors", "model.safetensors.index.json")
_TORCH = ("pytorch_model.bin", "pytorch_model.bin.index.json")  # read through weights_only=True, never unpickled freely
_READ = 1 << 24


@dataclass(frozen=True)
class Weights:
    """A folder with a published model, checked to be complete.

    Attributes:
        folder: where the files lie.
        name: what the user asked for: a folder or a hub id.
        files: names of the files that hold the parameters.
        others: names of the further files that change numbers (configuration, preprocessing, tokenizer).
    """

    folder: Path
    name: str
    files: tuple[str, ...]
    others: tuple[str, ...]

    @property
    def safetensors(self) -> bool:
        """Whether the parameters are safetensors (else a torch archive)."""
        return self.files[0].endswith(".safetensors")

    @cached_property
    def digest(self) -> str:
        """16 hexadecimal digits of the content of every file that changes numbers; the place does not matter."""
        whole = hashlib.blake2b(digest_size=8)
        for name in sorted((*self.files, *self.others)):
            path = self.folder / name
            facts = path.stat()
            whole.update(name.encode() + b"\0" + _file_digest(path.resolve(), facts.st_size, facts.st_mtime_ns))
        return whole.hexdigest()

    def read_json(self, name: str) -> dict[str, Any]:
        """One of the folder's JSON files.

        Raises:
            ExtractionError: if it is not JSON.
        """
        path = self.folder / name
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise ExtractionError("MER-E114", f"{path} is not JSON: {error}.", "Fetch the file again.") from None
        if not isinstance(content, dict):
            raise ExtractionError("MER-E114", f"{path} holds no JSON object.", "Fetch the file again.")
        return content


def find_weights(
    name: str,
    *,
    extractor: str,
    needed: Sequence[str] = ("config.json",),
    optional: Sequence[str] = (),
    download: bool = False,
) -> Weights:
    """Find a model's folder and check that it is complete.

    Args:
        name: a folder, or a hub id (``owner/model``), looked up in the local cache.
        extractor: who asks, for messages.
        needed: files that must be there beside the parameters; ``a|b`` means one of them.
        optional: files that change numbers if they are there.
        download: whether a hub id that is not in the cache may be fetched.

    Returns:
        The folder with its files; safetensors are preferred to a torch archive.

    Raises:
        ExtractionError: if no weights were named, or files are missing; says which, where they were sought, how to get
            them.
    """
    if not name:
        raise ExtractionError(
            "MER-E110",
            f"{extractor} was given no weights.",
            f"Name a folder or a hub id: {extractor}:weights=FOLDER.",
        )
    folder = _folder(name, extractor, download)
    parameters = _parameter_files(folder)
    others, missing = [], []
    for choice in needed:
        there = [option for option in choice.split("|") if (folder / option).is_file()]
        others += there
        missing += [] if there else [choice.replace("|", " or ")]
    if not parameters:
        missing.append(f"{_SAFETENSORS[0]} or {_TORCH[0]}")
    missing += [file for file in parameters if not (folder / file).is_file()]
    if missing:
        raise ExtractionError(
            "MER-E112", f"{extractor}: {folder} lacks {', '.join(missing)}.", _how_to_get(name, extractor)
        )
    others += [file for file in optional if (folder / file).is_file()]
    return Weights(folder, name, parameters, tuple(dict.fromkeys(others)))


def _folder(name: str, extractor: str, download: bool) -> Path:
    local = Path(name).expanduser()
    if local.is_dir():
        return local
    sought = [str(local.absolute())]
    if _is_hub_id(name):
        if download:
            return _download(name, extractor)
        from huggingface_hub import constants, try_to_load_from_cache

        cached = try_to_load_from_cache(name, "config.json")
        if isinstance(cached, str):
            return Path(cached).parent
        sought.append(f"{constants.HF_HUB_CACHE} (as hub id {name})")
    raise ExtractionError(
        "MER-E111",
        f"{extractor}: the weights '{name}' are not on this machine: no config.json. Looked in: {'; '.join(sought)}.",
        _how_to_get(name, extractor),
    )


def _download(name: str, extractor: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OfflineModeIsEnabled

    patterns = ["*.json", "*.txt", "*.model", "*.safetensors", "pytorch_model*.bin"]
    try:
        return Path(snapshot_download(name, allow_patterns=patterns))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OfflineModeIsEnabled, OSError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ExtractionError(
            "MER-E113",
            f"{extractor}: '{name}' could not be downloaded: {reason}",
            "Check the id and the network, or copy the folder here and give weights=FOLDER.",
        ) from None


def _parameter_files(folder: Path) -> tuple[str, ...]:
    """Files with parameters, an index first followed by the shards it names; empty if there are none."""
    for single, index in (_SAFETENSORS, _TORCH):
        if (folder / single).is_file():
            return (single,)
        if (folder / index).is_file():
            return (*_shards(folder / index), index)
    return ()


def _shards(index: Path) -> list[str]:
    """Files that an index names; they lie beside it.

    Raises:
        ExtractionError: if it is damaged, or names a file elsewhere.
    """
    try:
        shards = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
    except (ValueError, KeyError, TypeError, AttributeError):
        shards = []
    if not shards or not all(isinstance(name, str) and Path(name).name == name for name in shards):
        raise ExtractionError("MER-E214", f"{index} is no index of files that lie beside it.", "Fetch the file again.")
    return shards


def _is_hub_id(name: str) -> bool:
    parts = name.split("/")
    return len(parts) <= 2 and all(part and not part.startswith(".") for part in parts) and "\\" not in name


def _how_to_get(name: str, extractor: str) -> str:
    own = f"give a folder that has them: {extractor}:weights=FOLDER"
    if not _is_hub_id(name) or Path(name).exists():
        return own[0].upper() + own[1:] + "."
    return f"Fetch them with `hf download {name}`, or {extractor}:download=true, or {own}."


@lru_cache(maxsize=256)
def _file_digest(path: Path, size: int, mtime_ns: int) -> bytes:
    """Digest of a file's content; size and time of change are the key under which it is remembered."""
    digest = hashlib.blake2b(digest_size=16)
    for block in _blocks(path):
        digest.update(block)
    return digest.digest()


def _blocks(path: Path) -> Iterable[bytes]:
    with path.open("rb") as file:
        while block := file.read(_READ):
            yield block
