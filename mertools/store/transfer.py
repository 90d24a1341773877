"""Rows on their way from one store to another: shards made elsewhere, and whole stores that are merged."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from mertools.errors import StoreError
from mertools.status import Status
from mertools.store import shards
from mertools.store.records import Row, Space
from mertools.store.shards import Record

if TYPE_CHECKING:
    from mertools.store.store import Store
    from mertools.store.writer import Writer

TOLERANCE = 1e-5
"""Values of one clip and one media digest that two hosts made differ by less than this times max(1, max|value|)."""


def pack(space: str, records: Sequence[Record]) -> bytes:
    """A shard as bytes, to be sent.

    Args:
        space: fingerprint.
        records: the rows, each clip once.
    """
    _, pieces = shards.encode(space, records)
    return b"".join(pieces)


def unpack(content: bytes | memoryview, space: str) -> Iterator[Record]:
    """The rows of a shard that was made elsewhere, every byte checked.

    Args:
        content: the whole file.
        space: fingerprint of the space that it must belong to.

    Raises:
        StoreError: ``MER-V021`` if it is no sound shard, ``MER-V120`` if it belongs elsewhere or was changed.
    """
    content = memoryview(content)
    header = shards.parse(content, len(content))
    if struct.unpack("<I", content[-4:])[0] != header.crc32 or header.space != space:
        raise _changed(space, "its header does not belong to it")
    for row in header.rows:
        if row.status != Status.OK:
            yield Record(row.clip, row.status, row.reason, row.media, row.written_ns)
            continue
        part = content[row.offset : row.offset + row.n_bytes]
        if zlib.crc32(part) != row.crc32:
            raise _changed(space, f"the bytes of clip '{row.clip}' do not have their checksum")
        times_s = np.frombuffer(content, "<f8", row.n_rows, row.offset)
        values = np.frombuffer(content, row.dtype, row.n_rows * row.dim, row.offset + 8 * row.n_rows)
        values = values.reshape(row.n_rows, row.dim)
        yield Record(row.clip, row.status, row.reason, row.media, row.written_ns, values, times_s)


def put(writer: Writer, record: Record) -> None:
    """Add a row as it is; it becomes the newest of its clip."""
    if record.values is None or record.times_s is None:
        writer.fail(record.clip, record.status, record.reason, media=record.media)
    else:
        writer.add(record.clip, record.values, record.times_s, media=record.media)


@dataclass
class Merged:
    """What `merge` did for one space.

    Attributes:
        space: the space.
        added: clips that were not there.
        replaced: clips that were there otherwise: as failures, or, if that was asked for, with other values.
        unchanged: clips that were there with the same row.
        alike: clips that were there with the same media and values equal within rounding; they were kept.
        conflicts: clips that are there otherwise, and how; they were kept.
    """

    space: Space
    added: int = 0
    replaced: int = 0
    unchanged: int = 0
    alike: int = 0
    conflicts: dict[str, str] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """For ``--json``."""
        return {**asdict(self), "space": str(self.space), "level": self.space.level}


def merge(store: Store, other: Store, spaces: Iterable[Space] | None = None, *, replace: bool = False) -> list[Merged]:
    """Bring the rows of another store into this one; what is there already is not written again.

    Embeddings that both have are the same if their bytes are (checksum), or if they were made from the same media and
    agree within `TOLERANCE`. An embedding goes before a failure, whichever store has it. Anything else is a conflict:
    this store keeps its own unless `replace` is given. A merge that was interrupted is repeated: it goes on where it
    stopped.

    Args:
        store: the store that gets the rows.
        other: the one that has them; it is only read.
        spaces: of the other; all if None.
        replace: take the other's rows where there is a conflict.

    Raises:
        StoreError: ``MER-V121`` if both are the same store, ``MER-V014`` if the other is damaged.
        MachineError: if the disk is full; what was written by then is sound.
    """
    if store.path.resolve() == other.path.resolve():
        raise StoreError("MER-V121", f"{other.path} cannot be merged into itself.", "Name another store.")
    return [_merge_space(store, other, space, replace) for space in (other.spaces() if spaces is None else spaces)]


def _merge_space(store: Store, other: Store, space: Space, replace: bool) -> Merged:
    ours = store.declare(space.spec)
    found = Merged(ours)
    mine = store.rows(ours)
    with store.writer(ours) as writer:
        for clip, row in _by_place(other.rows(space)):
            verdict = _verdict(store, other, ours, clip, mine.get(clip), row)
            if verdict.startswith("conflict") and not replace:
                found.conflicts[clip] = verdict.removeprefix("conflict: ")
            elif verdict in ("unchanged", "alike"):
                setattr(found, verdict, getattr(found, verdict) + 1)
            else:
                put(writer, _record(other, space, clip, row))
                found.added += clip not in mine
                found.replaced += clip in mine
    return found


def _by_place(rows: dict[str, Row]) -> list[tuple[str, Row]]:
    """In the order in which they lie on disk."""
    return sorted(rows.items(), key=lambda item: (item[1].shard, item[1].offset, item[0]))


def _verdict(store: Store, other: Store, space: Space, clip: str, mine: Row | None, row: Row) -> str:
    """``new``, ``better``, ``unchanged``, ``alike`` or ``conflict: ...``."""
    if mine is None:
        return "new"
    if (mine.status == Status.OK) != (row.status == Status.OK):
        return "better" if row.status == Status.OK else "unchanged"
    if mine.status != Status.OK:
        return "unchanged"  # two failures: one is enough
    if (mine.crc32, mine.n_rows, mine.dtype) == (row.crc32, row.n_rows, row.dtype) and mine.media == row.media:
        return "unchanged"
    if mine.media != row.media:
        return f"conflict: made from other media ({mine.media or 'unknown'} here, {row.media or 'unknown'} there)"
    if mine.n_rows != row.n_rows:
        return f"conflict: {mine.n_rows} rows here, {row.n_rows} there, from the same media"
    apart = _apart(store.read(space, clip).values, other.read(space, clip).values)
    if apart <= TOLERANCE:
        return "alike"
    return f"conflict: values from the same media differ by {apart:.3g} relative to max(1, max|value|)"


def _apart(a: np.ndarray, b: np.ndarray) -> float:
    a, b = a.astype(np.float64), b.astype(np.float64)
    if not np.array_equal(np.isfinite(a), np.isfinite(b)):
        return float("inf")
    a, b = np.nan_to_num(a), np.nan_to_num(b)
    return float(np.abs(a - b).max(initial=0.0)) / max(1.0, float(np.abs(a).max(initial=0.0)))


def _record(store: Store, space: Space, clip: str, row: Row) -> Record:
    if row.status != Status.OK:
        return Record(clip, row.status, row.reason, row.media, row.written_ns)
    found = store.read(space, clip, verify=True)
    return Record(clip, row.status, row.reason, row.media, row.written_ns, found.values, found.times_s)


def _changed(space: str, what: str) -> StoreError:
    return StoreError(
        "MER-V120", f"a shard of space {space} was changed on its way: {what}.", "Repeat the transfer or the run."
    )
