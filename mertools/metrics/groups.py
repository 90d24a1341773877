"""From columns of clips to sums per group: what intervals and tests resample, because clips of one group are alike."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from mertools.metrics.base import Array, Metric, ShapeError, Statistics, encode


def group_sums(metric: Metric, columns: Sequence[npt.ArrayLike], groups: npt.ArrayLike | None = None) -> Array:
    """Additive statistics summed per group.

    Args:
        metric: the metric.
        columns: its arguments, each with N rows.
        groups: group of each row, ``(N,)``; each row its own group unless given.

    Returns:
        ``(G, K)`` float64, groups in sorted order.

    Raises:
        ShapeError: if `groups` has another length than the columns.
    """
    if groups is None:
        return metric.statistics(*columns)
    index, n_groups = _indexed(groups, len(np.asarray(columns[0])))
    return _sums(metric, columns, index, n_groups)


def group_sums_of_both(
    metric: Metric,
    first: Sequence[npt.ArrayLike],
    second: Sequence[npt.ArrayLike],
    groups: npt.ArrayLike | None = None,
) -> tuple[Array, Array]:
    """Sums of two predictions in one coordinate system (the same classes, the same origin), each ``(G, K)``.

    Raises:
        ShapeError: if the two differ in length, or `groups` in length from them.
    """
    lengths = {len(np.asarray(column)) for column in (*first, *second)}
    if len(lengths) != 1 or len(first) != len(second):
        raise ShapeError(f"the two predictions differ in length: {sorted(lengths)} rows.")
    both = [np.concatenate([np.asarray(x), np.asarray(y)]) for x, y in zip(first, second, strict=True)]
    n = lengths.pop()
    if groups is None:
        rows = metric.statistics(*both)
        return rows[:n], rows[n:]
    index, n_groups = _indexed(groups, n)
    sums = _sums(metric, both, np.concatenate([index, index + n_groups]), 2 * n_groups)
    return sums[:n_groups], sums[n_groups:]


def sum_by(rows: Array, index: Array, n_groups: int) -> Array:
    """Rows ``(N, K)`` summed by group, ``(G, K)``."""
    return np.stack([np.bincount(index, column, minlength=n_groups) for column in rows.T], axis=1)


def _indexed(groups: npt.ArrayLike, n: int) -> tuple[Array, int]:
    keys = np.asarray(groups)
    if keys.shape != (n,):
        raise ShapeError(f"groups have shape {keys.shape}, expected ({n},).")
    known, index = encode(keys)
    return index, len(known)


def _sums(metric: Metric, columns: Sequence[npt.ArrayLike], index: Array, n_groups: int) -> Array:
    by_group: Statistics | None = getattr(metric.statistics, "by_group", None)
    if by_group is not None:
        return by_group(index, n_groups, *columns)
    return sum_by(metric.statistics(*columns), index, n_groups)
