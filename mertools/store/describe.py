"""What a space holds, and how two spaces differ, in numbers for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from mertools.status import Status
from mertools.store.lookup import flatten
from mertools.store.records import Row, Space

if TYPE_CHECKING:
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
    not_finite: tuple[int, ...]
    constant: tuple[int, ...]
    lowest: float | None
    highest: float | None
    failures: dict[str, dict[str, str]] = field(default_factory=dict)


def describe(store: Store, space: str | Space) -> Description:
    """Look through all values of a space.

    Args:
        store: the store.
        space: the space.

    Raises:
        StoreError: if a shard is gone or damaged.
    """
    found = store.space(space)
    rows = store.rows(found)
    fine = [row for row in rows.values() if row.status == Status.OK]
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
        not_finite=tuple(np.flatnonzero(limits.broken).tolist()),
        constant=() if empty else tuple(np.flatnonzero((limits.low == limits.high) & ~limits.broken).tolist()),
        lowest=_finite(limits.low, np.min),
        highest=_finite(limits.high, np.max),
        failures=_failures(rows),
    )


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


@dataclass(frozen=True)
class Numbers:
    """How the values of two spaces differ over the clips that both have with one shape.

    Attributes:
        n_equal: clips with equal values, bit by bit apart from their type.
        largest: largest absolute difference.
        mean: mean absolute difference.
        relative: largest of ``max|a - b| / max(1, max|a|)`` over the clips.
        relative_clip: the clip where it is found.
        cosine_mean: mean cosine of the angle between rows; None if all rows are zero.
        cosine_lowest: the lowest of them.
    """

    n_equal: int
    largest: float
    mean: float
    relative: float
    relative_clip: str
    cosine_mean: float | None
    cosine_lowest: float | None


@dataclass(frozen=True)
class Comparison:
    """How two spaces differ.

    Attributes:
        first: a space.
        second: another one.
        settings: dotted name of a setting to its two values, where they differ.
        n_common: clips with values in both.
        only_first: clips with values only in the first.
        only_second: clips with values only in the second.
        statuses: clips that are in both with different statuses.
        shapes: clips with values of different shapes.
        numbers: the differences; None if no clip has the same shape in both.
    """

    first: Space
    second: Space
    settings: dict[str, tuple[Any, Any]]
    n_common: int
    only_first: list[str]
    only_second: list[str]
    statuses: dict[str, tuple[str, str]]
    shapes: dict[str, tuple[tuple[int, ...], tuple[int, ...]]]
    numbers: Numbers | None = field(default=None)

    def as_json(self) -> dict[str, Any]:
        """For ``--json``."""
        document = {
            key: getattr(self, key)
            for key in ("settings", "n_common", "only_first", "only_second", "statuses", "shapes")
        }
        numbers = asdict(self.numbers) if self.numbers else None
        return {"first": str(self.first), "second": str(self.second), **document, "numbers": numbers}


def compare(store: Store, first: str | Space, second: str | Space, other: Store | None = None) -> Comparison:
    """How two spaces differ, in settings and, on the clips both have, in numbers.

    Args:
        store: the store of the first space.
        first: a space.
        second: another space.
        other: the store of the second space; the same store if None.

    Raises:
        StoreError: if a space is not there, or a shard is gone or damaged.
    """
    other = other or store
    one, two = store.space(first), other.space(second)
    rows_one, rows_two = store.rows(one), other.rows(two)
    fine_one, fine_two = _fine(rows_one), _fine(rows_two)
    common = [clip for clip in fine_one if clip in fine_two]
    shape = {clip: (_shape(rows_one[clip]), _shape(rows_two[clip])) for clip in common}
    alike = [clip for clip in common if shape[clip][0] == shape[clip][1]]
    return Comparison(
        one,
        two,
        settings=_differing(one, two),
        n_common=len(common),
        only_first=[clip for clip in fine_one if clip not in fine_two],
        only_second=[clip for clip in fine_two if clip not in fine_one],
        statuses={
            clip: (row.status, rows_two[clip].status)
            for clip, row in rows_one.items()
            if clip in rows_two and row.status != rows_two[clip].status
        },
        shapes={clip: shapes for clip, shapes in shape.items() if shapes[0] != shapes[1]},
        numbers=_numbers(store, one, other, two, alike) if alike else None,
    )


def _fine(rows: dict[str, Row]) -> list[str]:
    return [clip for clip, row in rows.items() if row.status == Status.OK]


def _shape(row: Row) -> tuple[int, ...]:
    return row.n_rows, row.dim


def _differing(one: Space, two: Space) -> dict[str, tuple[Any, Any]]:
    flat = flatten(one.spec.identity()), flatten(two.spec.identity())
    return {
        key: (flat[0].get(key), flat[1].get(key))
        for key in sorted({*flat[0], *flat[1]})
        if flat[0].get(key) != flat[1].get(key) or (key in flat[0]) != (key in flat[1])
    }


def _numbers(store: Store, one: Space, other: Store, two: Space, clips: list[str]) -> Numbers | None:
    n_equal, n_values = 0, 0
    total, largest, worst = 0.0, 0.0, (0.0, clips[0])
    cosines: list[np.ndarray] = []
    for clip in clips:
        a = store.read(one, clip).values.astype(np.float64)
        b = other.read(two, clip).values.astype(np.float64)
        n_equal += np.array_equal(a, b, equal_nan=True)
        both = np.isfinite(a) & np.isfinite(b)
        apart = np.abs(np.subtract(a, b, where=both, out=np.zeros_like(a)))
        high = float(apart.max(initial=0.0))
        relative = high / max(1.0, float(np.abs(a).max(initial=0.0, where=both)))
        total, n_values, largest = total + float(apart.sum()), n_values + int(both.sum()), max(largest, high)
        worst = max(worst, (relative, clip), key=lambda pair: pair[0])
        cosines.append(_cosines(np.where(both, a, 0.0), np.where(both, b, 0.0)))
    cosine = np.concatenate(cosines)
    return Numbers(
        n_equal=n_equal,
        largest=largest,
        mean=total / n_values if n_values else 0.0,
        relative=worst[0],
        relative_clip=worst[1],
        cosine_mean=float(cosine.mean()) if len(cosine) else None,
        cosine_lowest=float(cosine.min()) if len(cosine) else None,
    )


def _cosines(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Cosine of the angle between rows that are not zero, ``(<= T,)``, in [-1, 1]."""
    norms = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    used = norms > 0
    cosines: np.ndarray = np.clip((a * b).sum(axis=1)[used] / norms[used], -1.0, 1.0)
    return cosines


def as_json(found: Description) -> dict[str, Any]:
    """A description for ``--json``."""
    from mertools.store.layout import space_document

    document = {key: value for key, value in vars(found).items() if key != "space"}
    for key in ("n_rows", "rate_hz"):
        document[key] = asdict(document[key]) if document[key] else None
    return {**space_document(found.space), **document}


def as_text(found: Description) -> str:
    """A description for people."""
    space, lines = found.space, [f"{found.space}  level {found.space.level}, D = {found.space.dim}"]
    lines += [f"  {key} = {value!r}" for key, value in flatten(dict(space.spec.settings)).items() if key]
    lines += [f"  ({key} = {_short(value)})" for key, value in flatten(dict(space.spec.facts)).items() if key]
    n_clips = sum(found.statuses.values())
    lines.append(f"clips     {n_clips}: " + (", ".join(f"{s} {n}" for s, n in found.statuses.items()) or "none"))
    for label, spread in (("rows T", found.n_rows), ("rate Hz", found.rate_hz)):
        if spread:
            lines.append(f"{label:<9} {spread.lowest:.6g} to {spread.highest:.6g}, median {spread.median:.6g}")
    if found.lowest is not None and found.highest is not None:
        lines.append(f"values    {found.lowest:.6g} to {found.highest:.6g}")
    types = ", ".join(found.dtypes)
    lines.append(f"size      {size_text(found.n_bytes)} in {found.n_shards} shards" + (f", {types}" if types else ""))
    lines.append(f"NaN/inf   {_dimensions(found.not_finite)}")
    lines.append(f"constant  {_dimensions(found.constant)}")
    for status, clips in found.failures.items():
        lines += [f"{status}:", *(f"  {clip}: {reason}" for clip, reason in clips.items())]
    return "\n".join(lines)


def _short(value: Any) -> str:
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
