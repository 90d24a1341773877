"""How two spaces differ, in settings and in numbers on the clips that both have."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from mertools.status import Status
from mertools.store.lookup import flatten
from mertools.store.records import Row, Space

if TYPE_CHECKING:
    from mertools.store.store import Store


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
        n_dimensions: dimensions in which any clip differs.
        dimension: the one with the largest difference; None if there is none.
        correlation: of all values of the first with those of the second; None if either is constant.
    """

    n_equal: int
    largest: float
    mean: float
    relative: float
    relative_clip: str
    cosine_mean: float | None
    cosine_lowest: float | None
    n_dimensions: int = 0
    dimension: int | None = None
    correlation: float | None = None


@dataclass(frozen=True)
class Comparison:
    """How two spaces differ.

    Attributes:
        first: a space.
        second: another one.
        settings: dotted name of a setting to its two values, where they differ.
        facts: the same of what is recorded only: versions of libraries, where weights came from.
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
    facts: dict[str, tuple[Any, Any]]
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
            for key in ("settings", "facts", "n_common", "only_first", "only_second", "statuses", "shapes")
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
    fine_one, fine_two = _with_values(rows_one), _with_values(rows_two)
    common = [clip for clip in fine_one if clip in fine_two]
    shape = {clip: (_shape(rows_one[clip]), _shape(rows_two[clip])) for clip in common}
    alike = [clip for clip in common if shape[clip][0] == shape[clip][1]]
    return Comparison(
        one,
        two,
        settings=_differing(one.spec.identity(), two.spec.identity()),
        facts=_differing(dict(one.spec.facts), dict(two.spec.facts)),
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


def _with_values(rows: dict[str, Row]) -> list[str]:
    return [clip for clip, row in rows.items() if row.status == Status.OK]


def _shape(row: Row) -> tuple[int, ...]:
    return row.n_rows, row.dim


def _differing(one: dict[str, Any], two: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    flat = flatten(one), flatten(two)
    return {
        key: (flat[0].get(key), flat[1].get(key))
        for key in sorted({*flat[0], *flat[1]})
        if flat[0].get(key) != flat[1].get(key) or (key in flat[0]) != (key in flat[1])
    }


def _numbers(store: Store, one: Space, other: Store, two: Space, clips: list[str]) -> Numbers | None:
    n_equal, n_values = 0, 0
    total, largest, worst = 0.0, 0.0, (0.0, clips[0])
    cosines: list[np.ndarray] = []
    by_dimension = np.zeros(one.dim)
    moments = np.zeros(6)  # n, sums of a, b, a*a, b*b, a*b
    for clip in clips:
        a = store.read(one, clip).values.astype(np.float64)
        b = other.read(two, clip).values.astype(np.float64)
        n_equal += np.array_equal(a, b, equal_nan=True)
        both = np.isfinite(a) & np.isfinite(b)
        apart = np.abs(np.subtract(a, b, where=both, out=np.zeros_like(a)))
        high = float(apart.max(initial=0.0))
        np.maximum(by_dimension, apart.max(axis=0, initial=0.0), out=by_dimension)
        x, y = a[both], b[both]
        moments += [len(x), x.sum(), y.sum(), x @ x, y @ y, x @ y]
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
        n_dimensions=int((by_dimension > 0).sum()),
        dimension=int(by_dimension.argmax()) if by_dimension.any() else None,
        correlation=_correlation(*moments),
    )


def _correlation(n: float, a: float, b: float, aa: float, bb: float, ab: float) -> float | None:
    """Pearson's, from sums; None if either side is constant within rounding."""
    if not n:
        return None
    variances = max(aa - a * a / n, 0.0), max(bb - b * b / n, 0.0)
    if variances[0] <= 1e-12 * aa or variances[1] <= 1e-12 * bb:
        return None
    return float(np.clip((ab - a * b / n) / np.sqrt(variances[0] * variances[1]), -1.0, 1.0))


def _cosines(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Cosine of the angle between rows that are not zero, ``(<= T,)``, in [-1, 1]."""
    norms = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    used = norms > 0
    cosines: np.ndarray = np.clip((a * b).sum(axis=1)[used] / norms[used], -1.0, 1.0)
    return cosines
