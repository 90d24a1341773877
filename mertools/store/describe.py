"""What a space holds, in numbers for people."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from mertools.status import Status
from mertools.store.lookup import flatten
from mertools.store.records import Row, Space

if TYPE_CHECKING:
    from mertools.corpus import Corpus
    from mertools.store.store import Store

_SHOWN = 20


@dataclass(frozen=True)
class Spread:
    """Smallest, middle and largest of some numbers, and their sum."""

    lowest: float
    median: float
    highest: float
    total: float

    @classmethod
    def of(cls, numbers: Iterable[float]) -> Spread | None:
        """The spread; None of nothing."""
        array = np.array(list(numbers), dtype=np.float64)
        return (
            cls(float(array.min()), float(np.median(array)), float(array.max()), float(array.sum()))
            if len(array)
            else None
        )


@dataclass(frozen=True)
class Description:
    """What a space holds.

    Attributes:
        space: the space.
        statuses: number of clips by status.
        n_rows: spread of T over the clips with values.
        rate_hz: spread of rows per second over the clips whose times say.
        dtypes: number of clips by type of their values.
        n_bytes: size of values, times and padding.
        n_shards: number of shards that hold rows.
        n_without_media: rows that do not know which media they were made from.
        duration_s: spread of the length of the media of clips with values, as far as the store knows it.
        coverage: clips with values and clips in all, by split of the corpus; without a corpus, against all clips that
            any space of the store has.
        without_row: clips that were never extracted into this space, of those that coverage counts.
        not_finite: dimensions that hold NaN or infinity in some clip.
        constant: dimensions that have one and the same value everywhere.
        lowest: smallest finite value.
        highest: largest finite value.
        failures: by status other than ok: clips and why.
    """

    space: Space
    statuses: dict[str, int]
    n_rows: Spread | None
    rate_hz: Spread | None
    dtypes: dict[str, int]
    n_bytes: int
    n_shards: int
    n_without_media: int
    duration_s: Spread | None
    coverage: dict[str, tuple[int, int]]
    without_row: tuple[str, ...]
    not_finite: tuple[int, ...]
    constant: tuple[int, ...]
    lowest: float | None
    highest: float | None
    failures: dict[str, dict[str, str]] = field(default_factory=dict)


def describe(store: Store, space: str | Space, corpus: Corpus | None = None) -> Description:
    """Look through all values of a space.

    Args:
        store: the store.
        space: the space.
        corpus: whose clips it should cover.

    Raises:
        StoreError: if a shard is gone or damaged.
    """
    found = store.space(space)
    rows = store.rows(found)
    fine = [row for row in rows.values() if row.status == Status.OK]
    splits = _splits(store, corpus)
    limits = _limits(store, found)
    empty = not limits.seen
    return Description(
        space=found,
        statuses=dict(Counter(row.status for row in rows.values()).most_common()),
        n_rows=Spread.of(row.n_rows for row in fine),
        rate_hz=Spread.of(row.rate_hz for row in fine if row.rate_hz is not None),
        dtypes=dict(Counter(row.dtype for row in fine)),
        n_bytes=sum(row.n_bytes for row in fine),
        n_shards=len({row.shard for row in rows.values()}),
        n_without_media=sum(not row.media for row in rows.values()),
        duration_s=Spread.of(_durations(store, fine)),
        coverage={
            split: (sum(name in rows and rows[name].status == Status.OK for name in names), len(names))
            for split, names in splits.items()
        },
        without_row=tuple(name for names in splits.values() for name in names if name not in rows),
        not_finite=tuple(np.flatnonzero(limits.broken).tolist()),
        constant=() if empty else tuple(np.flatnonzero((limits.low == limits.high) & ~limits.broken).tolist()),
        lowest=_finite(limits.low, np.min),
        highest=_finite(limits.high, np.max),
        failures=_failures(rows),
    )


def _splits(store: Store, corpus: Corpus | None) -> dict[str, list[str]]:
    """Clips that a space should have, by split."""
    if corpus is None:
        return {"": sorted({clip for space in store.spaces() for clip in store.rows(space)})}
    found: dict[str, list[str]] = {}
    for clip in corpus.clips:
        found.setdefault(clip.split, []).append(clip.name)
    return found


_PART = re.compile(r"(.+)\[([\d.e+-]+):([\d.e+-]*)\]")
"""The digest of a part of a file, as the engine writes it: where it starts and ends, in seconds."""


def _durations(store: Store, rows: Iterable[Row]) -> Iterator[float]:
    """Length of the media of each row, for those whose file the store remembers."""
    known = dict(store.index.select("SELECT digest, duration_s FROM media WHERE digest != ''"))
    for row in rows:
        part = _PART.fullmatch(row.media)
        digest, start, end = part.groups() if part else (row.media, "0", "")
        whole = float(end) if end else known.get(digest)
        if whole is not None:
            yield max(whole - float(start), 0.0)


def _failures(rows: dict[str, Row]) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for clip, row in sorted(rows.items()):
        if row.status != Status.OK:
            found.setdefault(str(row.status), {})[clip] = row.reason
    return found


@dataclass
class _Limits:
    """Per dimension: smallest and largest finite value, and whether there are others. ``(D,)`` each."""

    low: np.ndarray
    high: np.ndarray
    broken: np.ndarray
    seen: bool = False


def _limits(store: Store, space: Space) -> _Limits:
    limits = _Limits(np.full(space.dim, np.inf), np.full(space.dim, -np.inf), np.zeros(space.dim, dtype=bool))
    for clip, row in store.rows(space).items():
        if row.status != Status.OK or not row.n_rows:
            continue
        values = store.read(space, clip).values
        finite = np.isfinite(values)
        limits.seen = True
        limits.broken |= ~finite.all(axis=0)
        np.minimum(limits.low, values.min(axis=0, initial=np.inf, where=finite), out=limits.low)
        np.maximum(limits.high, values.max(axis=0, initial=-np.inf, where=finite), out=limits.high)
    return limits


def _finite(values: np.ndarray, reduce: Any) -> float | None:
    finite = values[np.isfinite(values)]
    return float(reduce(finite)) if len(finite) else None


def as_json(found: Description) -> dict[str, Any]:
    """A description for ``--json``."""
    from mertools.store.layout import space_document

    document = {key: value for key, value in vars(found).items() if key != "space"}
    for key in ("n_rows", "rate_hz", "duration_s"):
        document[key] = asdict(document[key]) if document[key] else None
    return {**space_document(found.space), **document}


def as_text(found: Description) -> str:
    """A description for people."""
    space, lines = found.space, [f"{found.space}  level {found.space.level}, D = {found.space.dim}"]
    lines += [f"  {key} = {value!r}" for key, value in flatten(dict(space.spec.settings)).items() if key]
    lines += [f"  ({key} = {short(value)})" for key, value in flatten(dict(space.spec.facts)).items() if key]
    n_clips = sum(found.statuses.values())
    lines.append(f"clips     {n_clips}: " + (", ".join(f"{s} {n}" for s, n in found.statuses.items()) or "none"))
    lines += [
        f"coverage  {_share(n_ok, n)} {split or 'of the clips in the store'}"
        for split, (n_ok, n) in found.coverage.items()
    ]
    if found.without_row:
        lines.append(f"          {len(found.without_row)} never extracted: {_some(found.without_row)}")
    if media := found.duration_s:
        lines.append(
            f"media s   {media.lowest:.4g} to {media.highest:.4g}, median {media.median:.4g}, "
            + (f"{media.total / 3600:.3g} h in all" if media.total >= 3600 else f"{media.total:.4g} in all")
        )
    for label, spread in (("rows T", found.n_rows), ("rate Hz", found.rate_hz)):
        if spread:
            total = f", {spread.total:.0f} in all" if label == "rows T" else ""
            lines.append(f"{label:<9} {spread.lowest:.6g} to {spread.highest:.6g}, median {spread.median:.6g}{total}")
    if found.lowest is not None and found.highest is not None:
        lines.append(f"values    {found.lowest:.6g} to {found.highest:.6g}")
    types = ", ".join(found.dtypes)
    lines.append(f"size      {size_text(found.n_bytes)} in {found.n_shards} shards" + (f", {types}" if types else ""))
    lines.append(f"NaN/inf   {_dimensions(found.not_finite)}")
    lines.append(f"constant  {_dimensions(found.constant)}")
    for status, clips in found.failures.items():
        lines += [f"{status}:", *(f"  {clip}: {reason}" for clip, reason in clips.items())]
    return "\n".join(lines)


def _share(n_ok: int, n: int) -> str:
    return f"{n_ok} of {n} ({n_ok / n:.1%})" if n else "0 of 0"


def _some(names: tuple[str, ...], shown: int = 5) -> str:
    return ", ".join(names[:shown]) + (" ..." if len(names) > shown else "")


def short(value: Any) -> str:
    """A fact for people; lists of hundreds of names stand whole in ``--json`` only."""
    if not isinstance(value, list | tuple) or len(value) <= _SHOWN:
        return repr(value)
    return f"{len(value)} entries: {', '.join(str(entry) for entry in value[:3])} ..."


def _dimensions(dimensions: tuple[int, ...]) -> str:
    if not dimensions:
        return "no dimension"
    shown = ", ".join(str(d) for d in dimensions[:_SHOWN])
    return f"{len(dimensions)} dimensions: {shown}" + (" ..." if len(dimensions) > _SHOWN else "")


def size_text(n_bytes: int) -> str:
    """A size for people, in powers of 1000.

    Example:
        >>> size_text(1_500_000)
        '1.5 MB'
    """
    size, units = float(n_bytes), iter(("B", "kB", "MB", "GB"))
    unit = next(units)
    for larger in units:
        if size < 1000:
            break
        size, unit = size / 1000, larger
    return f"{size:.1f} {unit}" if unit != "B" else f"{n_bytes} B"
