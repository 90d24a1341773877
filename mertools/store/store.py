"""`Store`: the embedding store as its users see it."""

from __future__ import annotations

import logging
import os
import threading
from collections import OrderedDict
from collections.abc import Iterable
from pathlib import Path
from time import monotonic
from types import TracebackType
from typing import Any

import numpy as np

from mertools.errors import StoreError, did_you_mean
from mertools.status import Status
from mertools.store import layout as layouts
from mertools.store import verify as checks
from mertools.store.collect import Collected, collect
from mertools.store.filesystem import is_network, locked
from mertools.store.index import Index
from mertools.store.layout import Layout
from mertools.store.lookup import find_space
from mertools.store.media_cache import MediaCache
from mertools.store.npy import Exported, Imported, export_npy, import_npy
from mertools.store.rebuild import rebuild as rebuild_from_shards
from mertools.store.records import Embedding, Level, MediaFacts, Problem, Row, Space, SpaceSpec
from mertools.store.shards import Shard
from mertools.store.writer import FLUSH_BYTES, Writer

_OPEN_SHARDS = 256
_TRUST_S = 0.1  # asking SQLite whether anything changed costs as much as several reads
_log = logging.getLogger("mertools.store")


def open_store(
    path: str | os.PathLike[str], *, create: bool = False, read_only: bool = False, rebuild: bool = False
) -> Store:
    """Open an embedding store.

    A store in a folder that may not be written is opened read-only. If the index was lost it is made anew from the
    shards, which takes about a second per thousand shards.

    Args:
        path: the store's folder.
        create: make the store if there is none.
        read_only: refuse to change anything.
        rebuild: make the index anew from the shards first, also if it is damaged (it is then put aside).

    Raises:
        StoreError: ``MER-V001`` if there is no store, ``MER-V002`` if it needs another release, ``MER-V003`` if the
            folder is something else, ``MER-V011`` if the index is damaged.
        MachineError: if the store cannot be created.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder, open_store(folder, create=True) as store:
        ...     store.spaces()
        []
    """
    layout = Layout(Path(path).absolute())
    if create and not read_only:
        layouts.create(layout)
    layouts.check(layout)
    return Store(layout.root, read_only=read_only or not os.access(layout.root, os.W_OK), rebuild=rebuild)


class Store:
    """An open embedding store; a context manager. Use `open_store`.

    Safe for several threads; may be pickled or inherited by a fork (it reopens by path). Embeddings that were read stay
    valid after the store is closed and after their rows are replaced.

    Args:
        root: the store's folder, already checked.
        read_only: refuse to change anything.
        rebuild: make the index anew first.
    """

    def __init__(self, root: Path, *, read_only: bool = False, rebuild: bool = False) -> None:
        self.path = root
        self.read_only = read_only
        self.layout = Layout(root)
        self.network = is_network(root)
        self.index = Index(self.layout, read_only=read_only, network=self.network)
        self._media = MediaCache(self.index)
        self._lock = threading.RLock()
        self._tables: dict[str, _Table] = {}
        self._known: dict[str, Space] = {}
        self._shards: OrderedDict[str, Shard] = OrderedDict()
        if rebuild:
            self.rebuild_index()
        self._ensure_index()

    def spaces(self) -> list[Space]:
        """All spaces, by extractor, level and fingerprint.

        Raises:
            StoreError: ``MER-V004`` if the description of a space is damaged.
        """
        found = [layouts.read_space(path) for path in layouts.space_files(self.layout)]
        self._known = {space.fingerprint: space for space in found}
        return sorted(found, key=lambda space: (space.extractor, space.level, space.fingerprint))

    def space(self, space: str | Space, *, level: Level | None = None) -> Space:
        """Find one space.

        Args:
            space: a space, a fingerprint or the start of one (four digits or more), ``NAME@FINGERPRINT``, or an
                extractor's name that only one space of the store has.
            level: look among spaces of this level only.

        Raises:
            StoreError: ``MER-V007`` if there is none, ``MER-V008`` if there are several; the message lists them.
        """
        if isinstance(space, Space):
            return space
        if level is None and space in self._known:
            return self._known[space]
        return find_space(self.spaces(), space, level, self.path)

    def declare(self, spec: SpaceSpec) -> Space:
        """Make the space that `spec` describes, if it is not there; harmless if several processes do it at once."""
        self._refuse_if_read_only()
        layouts.write_space(self.layout, spec)
        space = layouts.read_space(self.layout.space(spec.fingerprint))
        self._known[space.fingerprint] = space
        return space

    def status(self, space: str | Space) -> dict[str, tuple[str, str]]:
        """Status and reason of every clip of a space."""
        return {clip: (row.status, row.reason) for clip, row in self.rows(space).items()}

    def rows(self, space: str | Space) -> dict[str, Row]:
        """The index rows of a space by clip, in order of entry."""
        return dict(self._table(self.space(space).fingerprint).rows)

    def read(self, space: str | Space, clip: str, *, verify: bool = False) -> Embedding:
        """The embedding of one clip, as read-only views of the shard.

        What another process has replaced within the last tenth of a second may still be seen as it was.

        Args:
            space: the space.
            clip: name of the clip.
            verify: check the values against their checksum first.

        Raises:
            StoreError: ``MER-V012`` if the clip is not in the space, ``MER-V013`` if it is there as a failure,
                ``MER-V014`` if its shard is gone or damaged.
        """
        found = self._known.get(space) if isinstance(space, str) else space
        if found is None:
            found = self.space(space)
        table = self._tables.get(found.fingerprint)
        if table is None or monotonic() - table.checked > _TRUST_S:
            table = self._table(found.fingerprint)
        row = table.rows.get(clip)
        if row is None or row.status != "ok":
            table = self._table(found.fingerprint)
            row = table.rows.get(clip)
            if row is None or row.status != "ok":
                raise self._absent(found, clip, row, table)
        try:
            return self._embedding(found.fingerprint, clip, row, table, verify)
        except FileNotFoundError:  # another process has just collected the shard: look again
            table = self._table(found.fingerprint, forget=True)
            row = table.rows[clip]
            try:
                return self._embedding(found.fingerprint, clip, row, table, verify)
            except FileNotFoundError as error:
                raise self._damaged(found.fingerprint, clip, f"its shard {error.filename} is gone") from None

    def read_all(
        self, space: str | Space, clips: Iterable[str] | None = None, *, verify: bool = False
    ) -> dict[str, Embedding]:
        """The embeddings of many clips; those without one (failures, unknown names) are left out.

        Args:
            space: the space.
            clips: names; all clips of the space if None.
            verify: check the values against their checksums.

        Raises:
            StoreError: ``MER-V014`` if a shard is gone or damaged.
        """
        found = self.space(space)
        rows = self._table(found.fingerprint).rows
        names = list(rows) if clips is None else clips
        return {
            clip: self.read(found, clip, verify=verify) for clip in names if clip in rows and rows[clip].status == "ok"
        }

    def writer(self, space: str | Space, *, flush_bytes: int = FLUSH_BYTES) -> Writer:
        """A writer to a space; any number of them, in any number of processes, may be at work.

        Args:
            space: the space; it must have been declared.
            flush_bytes: how many bytes of values to buffer.

        Raises:
            StoreError: ``MER-V005`` if the store is read-only.
        """
        self._refuse_if_read_only()
        return Writer(self.layout, self.index, self.space(space), flush_bytes=flush_bytes, written=self._forget_version)

    def media_facts(self, path: str | os.PathLike[str]) -> MediaFacts | None:
        """What is known about a media file; None if nothing, or if its size or modification time has changed."""
        return self._media.get(Path(path))

    def remember_media(
        self, path: str | os.PathLike[str], facts: MediaFacts, *, stat: os.stat_result | None = None
    ) -> None:
        """Keep facts about a media file for `media_facts`; written in batches, and not precious.

        Args:
            path: the file.
            facts: what was found.
            stat: state of the file when it was read; its present state if None.
        """
        if not self.read_only:
            self._media.put(Path(path), facts, stat)

    def verify(self, *, deep: bool = False) -> list[Problem]:
        """Check the index against the shards; with `deep`, every byte of every shard against its checksum."""
        return checks.verify(self, deep=deep)

    def rebuild_index(self) -> list[Problem]:
        """Make the index anew from the shards; shards that cannot be read are left out and reported."""
        self._refuse_if_read_only()
        with locked(self.layout.lock):
            problems = rebuild_from_shards(self)
        self._forget()
        return problems

    def gc(self, *, dry_run: bool = False, damaged: bool = False) -> Collected:
        """Remove what no row needs; safe while writers and readers are at work.

        Args:
            dry_run: only say what would be done.
            damaged: also check every byte, drop rows that are damaged, and move their shards to ``STORE/damaged``.
        """
        self._refuse_if_read_only()
        try:
            return collect(self, dry_run=dry_run, damaged=damaged)
        finally:
            self._forget()

    def import_npy(self, folder: str | os.PathLike[str], **options: Any) -> Imported:
        """Bring one of MERTools' folders of npy files into the store: see `mertools.store.npy.import_npy`."""
        self._refuse_if_read_only()
        return import_npy(self, Path(folder), **options)

    def export_npy(self, space: str | Space, out: str | os.PathLike[str], **options: Any) -> Exported:
        """Write a space as a folder of npy files that MERTools reads: see `mertools.store.npy.export_npy`."""
        return export_npy(self, space, Path(out), **options)

    def close(self) -> None:
        """Write what is buffered about media, and close."""
        with self._lock:
            if not self.read_only:
                self._media.flush()
            self._shards.clear()
            self._tables.clear()
            self.index.close()

    def __enter__(self) -> Store:
        """The store itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        self.close()

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled as its path."""
        return _reopen, (self.path, self.read_only)

    def __repr__(self) -> str:
        """Path and mode."""
        return f"Store({str(self.path)!r}{', read_only=True' if self.read_only else ''})"

    def open_shard(self, space: str, name: str) -> Shard:
        """An open shard, from the cache of open shards.

        Raises:
            FileNotFoundError: if it is gone.
        """
        with self._lock:
            shard = self._shards.get(name)
            if shard is None:
                shard = self._shards[name] = Shard(self.layout.shard(space, name))
                while len(self._shards) > _OPEN_SHARDS:
                    self._shards.popitem(last=False)
            else:
                self._shards.move_to_end(name)
            return shard

    def read_row(self, space: str, clip: str, row: Row, *, verify: bool = False) -> Embedding:
        """The embedding that a row of the index means, whether or not a newer row has replaced it."""
        return self._embedding(space, clip, row, self._table(space), verify)

    def _embedding(self, space: str, clip: str, row: Row, table: _Table, verify: bool) -> Embedding:
        shard = table.open.get(row.shard)
        if shard is None:
            _, name, size, crc = table.shards[row.shard]
            shard = self.open_shard(space, name)
            if shard.size != size or shard.header_crc32() != crc:
                raise self._damaged(space, clip, f"its shard {shard.path} has changed since it was written")
            table.keep(row.shard, shard)
        n_rows, dim, offset = row.n_rows, row.dim, row.offset
        if verify and shard.crc32(offset, row.n_bytes) != row.crc32:
            raise self._damaged(space, clip, f"its bytes in the shard {shard.path} do not have their checksum")
        try:
            times_s = np.frombuffer(shard.bytes, _TIMES, n_rows, offset)
            values = np.frombuffer(shard.bytes, row.dtype, n_rows * dim, offset + 8 * n_rows)
            return Embedding(values.reshape(n_rows, dim), times_s)
        except (ValueError, TypeError) as error:
            raise self._damaged(space, clip, f"the index does not fit the shard {shard.path} ({error})") from None

    def _table(self, space: str, *, forget: bool = False) -> _Table:
        version = self.index.data_version()
        table = self._tables.get(space)
        if table is not None and table.version == version and not forget:
            table.checked = monotonic()
            return table
        with self._lock:
            epoch = self.index.epoch()
            if table is None or table.epoch != epoch or forget:
                table = _Table(epoch)
            fresh = self.index.rows(space, table.last_shard)
            table = table.extended(fresh, self.index.shards(space), version)
            self._tables[space] = table
            return table

    def _forget_version(self) -> None:
        """Our own commits do not change SQLite's data version; look again at the next read."""
        for table in self._tables.values():
            table.version, table.checked = (-1, -1), 0.0

    def _forget(self) -> None:
        self._tables.clear()
        self._shards.clear()

    def _ensure_index(self) -> None:
        if self.index.is_made():
            return
        if self.read_only:
            raise StoreError(
                "MER-V009",
                f"the store {self.path} has no index, and it may not be written here.",
                "Open it once where it may be written; the index is then made anew from the shards.",
            )
        with locked(self.layout.lock):
            if not self.index.is_made():
                for problem in rebuild_from_shards(self):
                    _log.warning("%s", problem)

    def _refuse_if_read_only(self) -> None:
        if self.read_only:
            raise StoreError(
                "MER-V005",
                f"the store {self.path} is open for reading only.",
                "Open it without read_only, in a folder that may be written.",
            )

    def _absent(self, space: Space, clip: str, row: Row | None, table: _Table) -> StoreError:
        if row is None:
            return StoreError(
                "MER-V012",
                f"{space} has no clip '{clip}'.{did_you_mean(clip, table.rows)}",
                "Extract it, or look at `mertools store show`.",
            )
        return StoreError(
            "MER-V013",
            f"{space} has no embedding of clip '{clip}': {row.status} ({row.reason or 'no reason given'}).",
            f"Mend the clip, then: mertools extract ... --retry {Status(row.status)}",
        )

    def _damaged(self, space: str, clip: str, what: str) -> StoreError:
        return StoreError(
            "MER-V014",
            f"the embedding of clip '{clip}' in space {space} is damaged: {what}.",
            f"Run: mertools store gc {self.path} --damaged; then extract again.",
        )


class _Table:
    """What is known of one space: rows by clip, shards by number, shards in use."""

    def __init__(self, epoch: str) -> None:
        self.epoch = epoch
        self.version = (-1, -1)
        self.checked = 0.0
        self.rows: dict[str, Row] = {}
        self.shards: dict[int, tuple[str, str, int, int]] = {}
        self.open: OrderedDict[int, Shard] = OrderedDict()
        self.last_shard = 0

    def extended(
        self, rows: dict[str, Row], shards: dict[int, tuple[str, str, int, int]], version: tuple[int, int]
    ) -> _Table:
        """A new table with further rows; readers of the old one are not disturbed."""
        table = _Table(self.epoch)
        table.version, table.checked = version, monotonic()
        table.rows = {**self.rows, **rows} if rows else self.rows
        table.shards, table.open = shards, self.open
        table.last_shard = max([self.last_shard, *(row.shard for row in rows.values())])
        return table

    def keep(self, number: int, shard: Shard) -> None:
        """Remember an open shard, and let go of the one opened longest ago."""
        self.open[number] = shard
        while len(self.open) > _OPEN_SHARDS:
            self.open.popitem(last=False)


_TIMES = np.dtype("<f8")


def _reopen(path: Path, read_only: bool) -> Store:
    return open_store(path, read_only=read_only)
