"""Where things lie in a store's folder, and the format version.

::

    STORE/store.json                                format version
    STORE/index.sqlite                              rows of all spaces
    STORE/spaces/<fingerprint>.json                 what made the embeddings of a space
    STORE/shards/<fingerprint>/<uuid>.safetensors   values and times
    STORE/damaged/                                  shards that `gc --damaged` took out of use
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from mertools.config import from_mapping, to_mapping
from mertools.errors import ConfigError, StoreError
from mertools.files import write_text_atomically
from mertools.store.records import LEVELS, Space, SpaceSpec

FORMAT_VERSION = 1
_FINGERPRINT = re.compile(r"[0-9a-f]{16}")
_SHARD = re.compile(r"[0-9a-f]{32}\.safetensors")


@dataclass(frozen=True)
class Layout:
    """Paths of one store. `root` is the store's folder."""

    root: Path

    @property
    def header(self) -> Path:
        """The file with the format version."""
        return self.root / "store.json"

    @property
    def index(self) -> Path:
        """The SQLite index."""
        return self.root / "index.sqlite"

    @property
    def lock(self) -> Path:
        """Locked while the index is made."""
        return self.root / ".lock"

    @property
    def lease(self) -> Path:
        """Held by the one process that may write the index, on network file systems."""
        return self.root / "index.lease"

    @property
    def spaces(self) -> Path:
        """Folder of the descriptions of spaces."""
        return self.root / "spaces"

    @property
    def damaged(self) -> Path:
        """Folder of shards that were taken out of use."""
        return self.root / "damaged"

    def space(self, fingerprint: str) -> Path:
        """The description of one space."""
        return self.spaces / f"{fingerprint}.json"

    def shards(self, fingerprint: str) -> Path:
        """Folder of the shards of one space."""
        return self.root / "shards" / fingerprint

    def shard(self, fingerprint: str, name: str) -> Path:
        """One shard. Names come from an index that others may have written, so they are checked.

        Raises:
            StoreError: if the name is not that of a shard, e.g. leaves the folder.
        """
        if not _FINGERPRINT.fullmatch(fingerprint) or not _SHARD.fullmatch(name):
            raise StoreError(
                "MER-V011",
                f"the index {self.index} names the shard '{fingerprint}/{name}', which is not a name of a shard.",
                f"Make the index anew: mertools store verify {self.root} --rebuild",
            )
        return self.shards(fingerprint) / name

    def shard_files(self) -> Iterator[tuple[str, Path]]:
        """All published shards as fingerprint and path, in order of name."""
        for folder in self._shard_folders():
            for path in sorted(folder.iterdir()):
                if _SHARD.fullmatch(path.name):
                    yield folder.name, path

    def temporary_files(self) -> Iterator[Path]:
        """Shards that writers have begun and not published."""
        for folder in self._shard_folders():
            yield from sorted(path for path in folder.iterdir() if path.name.endswith(".tmp"))

    def _shard_folders(self) -> list[Path]:
        root = self.root / "shards"
        return sorted(p for p in root.iterdir() if _FINGERPRINT.fullmatch(p.name)) if root.is_dir() else []


def new_shard_name() -> str:
    """A name that no other writer will choose."""
    return f"{uuid4().hex}.safetensors"


def create(layout: Layout) -> None:
    """Make the folder of a new store; harmless if several processes do it at once.

    Raises:
        StoreError: if the folder holds other things.
        MachineError: if it cannot be written.
    """
    if layout.header.exists():
        return
    if layout.root.exists() and not layout.root.is_dir():
        raise StoreError("MER-V003", f"{layout.root} is a file, not a folder.", "Choose another place for the store.")
    ours = {"index.sqlite", "spaces", "shards", "store.json"}
    others = [p.name for p in layout.root.iterdir() if p.name not in ours] if layout.root.is_dir() else []
    others = [name for name in others if not name.startswith((".", "index."))]
    if others:
        raise StoreError(
            "MER-V003",
            f"{layout.root} is not a store: it has no store.json and holds other things ({', '.join(others[:3])}).",
            "Choose an empty or a new folder for the store.",
        )
    write_text_atomically(layout.header, json.dumps({"format": "mertools-store", "version": FORMAT_VERSION}) + "\n")


def check(layout: Layout) -> None:
    """Check that there is a store of a version that this release reads.

    Raises:
        StoreError: ``MER-V001`` if there is none, ``MER-V002`` if another release is needed, ``MER-V003`` if the
            folder is something else.
    """
    if not layout.root.exists():
        raise StoreError(
            "MER-V001",
            f"there is no embedding store at {layout.root}.",
            "Make embeddings first: mertools extract CORPUS_DIR --with NAME,... (its store is CORPUS_DIR/store).",
        )
    try:
        found = json.loads(layout.header.read_text(encoding="utf-8"))
        if found["format"] != "mertools-store" or type(version := found["version"]) is not int:
            raise ValueError("unknown format")
    except (OSError, ValueError, KeyError, TypeError):
        raise StoreError(
            "MER-V003",
            f"{layout.root} is not an embedding store: {layout.header} is absent or is not a store's header.",
            "Check the path; a corpus folder has its store in the folder 'store'.",
        ) from None
    if version > FORMAT_VERSION:
        raise StoreError(
            "MER-V002",
            f"the store {layout.root} has format version {version}; this release reads up to {FORMAT_VERSION}.",
            "Install a newer mertools.",
        )
    if version < FORMAT_VERSION:
        raise StoreError(
            "MER-V002",
            f"the store {layout.root} has format version {version}, which no release has ever written.",
            "Mend store.json, or copy it from another store of this release.",
        )


def write_space(layout: Layout, spec: SpaceSpec) -> None:
    """Write the description of a space, atomically, unless it is there."""
    path = layout.space(spec.fingerprint)
    if not path.exists():
        document = {"fingerprint": spec.fingerprint, **to_mapping(spec)}
        write_text_atomically(path, json.dumps(document, ensure_ascii=False, indent=2) + "\n")


def read_space(path: Path) -> Space:
    """Read the description of a space.

    Raises:
        StoreError: ``MER-V004`` if it cannot be read or its content does not have the fingerprint it claims.
    """
    try:
        document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        claimed = document.pop("fingerprint")
        spec = from_mapping(SpaceSpec, document, "the space")
        if spec.level not in LEVELS or not claimed == spec.fingerprint == path.stem:
            raise ValueError(f"its content has the fingerprint {spec.fingerprint}")
    except (OSError, ValueError, KeyError, AttributeError, TypeError, ConfigError) as error:
        raise StoreError(
            "MER-V004",
            f"{path}, the description of a space, cannot be trusted: {error}.",
            "Restore the file; running the extraction again with the same settings writes it anew.",
        ) from None
    return Space.of(spec)


def space_files(layout: Layout) -> list[Path]:
    """Descriptions of spaces, in order of fingerprint."""
    folder = layout.spaces
    return sorted(p for p in folder.glob("*.json") if _FINGERPRINT.fullmatch(p.stem)) if folder.is_dir() else []


def space_document(space: Space) -> dict[str, Any]:
    """A space as JSON, for people and reports."""
    return {"fingerprint": space.fingerprint, **to_mapping(space.spec)}
