"""Giving space back: orphans of crashed writers, replaced rows, many small shards, and, when asked, what is damaged."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mertools.errors import StoreError
from mertools.files import disk_problem
from mertools.status import Status
from mertools.store.filesystem import is_abandoned, locked
from mertools.store.records import Row
from mertools.store.shards import Record, Shard
from mertools.store.writer import FLUSH_BYTES, publish

if TYPE_CHECKING:
    from mertools.store.store import Store

WASTE = 0.2
"""A shard is rewritten when at least this share of it belongs to replaced rows."""
SMALL_BYTES = 1 << 20
MANY_SMALL = 8
"""That many shards below `SMALL_BYTES` in one space are joined."""
_FLUSH_CLIPS = 20_000
_FOREIGN_GRACE_S = 3600.0


@dataclass
class Collected:
    """What `Store.gc` removed, or would remove.

    Attributes:
        temporary: files that dead writers left unfinished.
        orphans: shards that are in no index: a writer died before it entered them.
        replaced: shards all of whose rows were replaced.
        rewritten: shards whose living rows were moved to new ones.
        damaged: shards that were moved to the folder ``damaged``.
        lost: clips that have no row any more, by fingerprint.
        freed_bytes: how much smaller the store is.
        dry_run: whether nothing was changed.
    """

    temporary: list[str] = field(default_factory=list)
    orphans: list[str] = field(default_factory=list)
    replaced: list[str] = field(default_factory=list)
    rewritten: list[str] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)
    lost: dict[str, list[str]] = field(default_factory=dict)
    freed_bytes: int = 0
    dry_run: bool = False

    def as_json(self) -> dict[str, Any]:
        """For ``--json``."""
        return asdict(self)


def collect(store: Store, *, dry_run: bool = False, damaged: bool = False) -> Collected:
    """Remove what no row needs; safe while writers and readers are at work.

    Args:
        store: an open store that may be written.
        dry_run: only say what would be done.
        damaged: also check every byte, drop the rows that are damaged, and move their shards aside.

    Raises:
        StoreError: ``MER-V014`` if a shard that would be rewritten is damaged (then use `damaged`).
    """
    found = Collected(dry_run=dry_run)
    _temporary(store, found)
    if damaged:
        _damaged(store, found)
    _wasteful(store, found)
    _unneeded(store, found)
    return found


def _temporary(store: Store, found: Collected) -> None:
    with locked(store.layout.lock):
        for path in store.layout.temporary_files():
            age_s = time.time() - path.stat().st_mtime
            if is_abandoned(path) and (not store.network or age_s > _FOREIGN_GRACE_S):
                found.temporary.append(path.name)
                _remove(path, found)


def _unneeded(store: Store, found: Collected) -> None:
    """Orphans and shards without living rows. Writers publish under the same write lock, so no orphan is alive."""
    with store.index.transaction() as connection:
        numbered = {name: number for number, (_, name, _, _) in store.index.shards().items()}
        living = {number for (number,) in connection.execute("SELECT DISTINCT shard FROM rows")}
        gone = []
        for _, path in store.layout.shard_files():
            number = numbered.get(path.name)
            if number is None and _is_sound(path):
                found.orphans.append(path.name)
                _remove(path, found)
            elif number is None:  # its clips may be missed: only `damaged` takes it away, and keeps it
                continue
            elif number not in living:
                gone.append(path)
                if not found.dry_run:
                    connection.execute("DELETE FROM shards WHERE id = ?", (number,))
        found.replaced.extend(path.name for path in gone if path.name not in found.rewritten)
    for path in gone:
        _remove(path, found)


def _is_sound(path: Path) -> bool:
    try:
        Shard(path).header()
    except StoreError:
        return False
    return True


def _wasteful(store: Store, found: Collected) -> None:
    """Rewrite shards that are largely dead, and join small ones where there are many."""
    sql = "SELECT shard, count(*), sum(n_bytes) FROM rows GROUP BY shard"
    living = {number: (n_rows, n_bytes) for number, n_rows, n_bytes in store.index.select(sql)}
    chosen: dict[str, dict[int, str]] = {}
    small: dict[str, dict[int, str]] = {}
    for number, (space, name, size, _) in store.index.shards().items():
        if number not in living or name in found.damaged:
            continue
        if _waste(store, space, name, *living[number]) >= WASTE:
            chosen.setdefault(space, {})[number] = name
        elif size < SMALL_BYTES:
            small.setdefault(space, {})[number] = name
    for space, shards in small.items():
        if len(shards) >= MANY_SMALL:
            chosen.setdefault(space, {}).update(shards)
    for space, shards in chosen.items():
        _rewrite(store, space, shards, found)


def _waste(store: Store, space: str, name: str, n_rows: int, n_bytes: int) -> float:
    """Share of a shard that belongs to replaced rows, in bytes, or in rows where it has failures only.

    A shard that cannot be read is left to `verify`.
    """
    try:
        rows = store.open_shard(space, name).header().rows
    except (OSError, StoreError):
        return 0.0
    total = sum(row.n_bytes for row in rows)
    return 1 - n_bytes / total if total else 1 - n_rows / len(rows)


def _rewrite(store: Store, space: str, chosen: dict[int, str], found: Collected, without: Iterable[str] = ()) -> None:
    """Move the living rows of some shards into new ones; the old shards then have no living rows."""
    found.rewritten.extend(chosen.values())
    if found.dry_run:
        return
    skipped = set(without)
    batch: list[Record] = []
    n_bytes = 0
    for clip, row in _living(store, chosen):
        if clip in skipped:
            continue
        batch.append(_record(store, space, clip, row))
        n_bytes += row.n_bytes
        if n_bytes >= FLUSH_BYTES or len(batch) >= _FLUSH_CLIPS:
            publish(store.layout, store.index, space, batch, rewritten=True)
            batch, n_bytes = [], 0
    if batch:
        publish(store.layout, store.index, space, batch, rewritten=True)


def _living(store: Store, chosen: Iterable[int]) -> Iterator[tuple[str, Row]]:
    for number in chosen:
        yield from sorted(store.index.rows_of_shard(number).items(), key=lambda item: item[1].offset)


def _record(store: Store, space: str, clip: str, row: Row) -> Record:
    common = (clip, row.status, row.reason, row.media, row.written_ns)
    if row.status != Status.OK:
        return Record(*common)
    embedding = store.read_row(space, clip, row, verify=True)
    return Record(*common, embedding.values, embedding.times_s)


def _damaged(store: Store, found: Collected) -> None:
    from mertools.store.verify import verify

    whole: dict[tuple[str, str], list[str]] = {}
    for problem in verify(store, deep=True):
        if problem.code in ("MER-V103", "MER-V104", "MER-V106") and problem.shard:
            clips = whole.setdefault((problem.space, problem.shard), [])
            clips.extend([problem.clip] if problem.clip else [])
    numbers = {name: number for number, (_, name, _, _) in store.index.shards().items()}
    for (space, name), clips in whole.items():
        number = numbers.get(name, 0)
        rows = store.index.rows_of_shard(number)
        lost = [clip for clip in clips or rows if clip in rows]
        found.damaged.append(name)
        found.lost.setdefault(space, []).extend(sorted(lost))
        if found.dry_run:
            continue
        if clips:
            _rewrite(store, space, {number: name}, Collected(), without=clips)
        with store.index.transaction() as connection:
            connection.execute("DELETE FROM rows WHERE space = ? AND shard = ?", (space, number))
            connection.execute("DELETE FROM shards WHERE id = ?", (number,))
            store.index.new_epoch(connection)
            _move_aside(store, space, name)


def _move_aside(store: Store, space: str, name: str) -> None:
    path = store.layout.shard(space, name)
    try:
        store.layout.damaged.mkdir(exist_ok=True)
        if path.exists():
            path.rename(store.layout.damaged / f"{space}-{name}")
    except OSError as error:
        raise disk_problem(error, path) from error


def _remove(path: Path, found: Collected) -> None:
    try:
        found.freed_bytes += path.stat().st_size
        if not found.dry_run:
            path.unlink()
    except FileNotFoundError:
        return
    except OSError as error:
        raise disk_problem(error, path) from error
