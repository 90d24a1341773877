"""Confidence intervals and paired tests that resample groups, because clips of one speaker are not independent.

The whole metric is recomputed for every resampled corpus from its additive form, a draw being a weight per group:
``weights (B, G) @ sums (G, K)``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal

import numpy as np
import numpy.typing as npt

from mertools.metrics.base import Array, Metric, ShapeError

FEW_GROUPS = 20
_CHUNK = 1 << 21  # weights held at once


@dataclass(frozen=True)
class Interval:
    """A confidence interval of a metric.

    Attributes:
        low: lower end; NaN if no interval can be given (fewer than two groups, or the metric is undefined).
        high: upper end.
        unit: what was resampled: ``speaker``, ``source``, ``clip``, ...
        n_groups: how many of them there are.
        method: ``bca`` (bias-corrected and accelerated bootstrap), ``jackknife-t`` (few groups) or ``none``.
        level: nominal coverage.
        n_draws: resampled corpora behind it; 0 for the jackknife.
    """

    low: float
    high: float
    unit: str
    n_groups: int
    method: Literal["bca", "jackknife-t", "none"]
    level: float
    n_draws: int


@dataclass(frozen=True)
class PairedTest:
    """A randomisation test between two predictions for the same clips.

    Attributes:
        difference: metric of the first minus metric of the second.
        p: two-sided p-value ``(1 + b) / (1 + m)``: b of m random swaps differ at least as much.
        unit: what was swapped as a whole.
        n_groups: how many of them there are.
        n_swaps: m.
    """

    difference: float
    p: float
    unit: str
    n_groups: int
    n_swaps: int


def interval(
    metric: Metric,
    columns: Sequence[npt.ArrayLike],
    groups: npt.ArrayLike | None = None,
    *,
    unit: str = "clip",
    level: float = 0.95,
    n_draws: int = 1000,
    seed: int = 0,
) -> Interval:
    """Confidence interval by resampling groups: BCa bootstrap (Efron, 1987), or jackknife-t below 20 groups.

    Args:
        metric: the metric.
        columns: its arguments, truth and prediction of each input, each ``(N,)``.
        groups: group of each clip, ``(N,)``; each clip its own group unless given.
        unit: what a group is, for the record.
        level: nominal coverage, in (0, 1).
        n_draws: resampled corpora.
        seed: of the draws.

    Returns:
        The interval, cut to the metric's range.

    Raises:
        ShapeError: if `groups` has another length than the columns.
    """
    sums = group_sums(metric, columns, groups)
    n_groups = len(sums)
    value = float(metric.from_sums(sums.sum(axis=0)))
    left_out = metric.from_sums(sums.sum(axis=0) - sums) if n_groups > 1 else np.array([np.nan])
    if n_groups < FEW_GROUPS:
        low, high = _jackknife_t(value, left_out, level)
        method: Literal["bca", "jackknife-t", "none"] = "jackknife-t"
        n_draws = 0
    else:
        low, high = _bca(value, _draws(metric, sums, n_draws, seed), left_out, level)
        method = "bca"
    if np.isnan(low) or np.isnan(high):
        return Interval(float("nan"), float("nan"), unit, n_groups, "none", level, n_draws)
    bottom, top = metric.range
    return Interval(max(low, bottom), min(high, top), unit, n_groups, method, level, n_draws)


def paired_test(
    metric: Metric,
    first: Sequence[npt.ArrayLike],
    second: Sequence[npt.ArrayLike],
    groups: npt.ArrayLike | None = None,
    *,
    unit: str = "clip",
    n_swaps: int = 9999,
    seed: int = 0,
) -> PairedTest:
    """Randomisation test that swaps the two predictions of whole groups.

    Args:
        metric: the metric.
        first: arguments of the metric for one prediction, each ``(N,)``.
        second: the same for the other; the truth columns must be equal.
        groups: group of each clip, ``(N,)``; each clip its own group unless given.
        unit: what a group is, for the record.
        n_swaps: random swaps.
        seed: of the swaps.

    Raises:
        ShapeError: if lengths differ.
    """
    a, b = _group_sums_of_both(metric, first, second, groups)
    total_a, total_b, exchange = a.sum(axis=0), b.sum(axis=0), b - a
    difference = float(metric.from_sums(total_a) - metric.from_sums(total_b))
    rng = np.random.default_rng(seed)
    extreme = 0
    for size in _chunks(n_swaps, len(a)):
        moved = rng.integers(0, 2, (size, len(a)), dtype=np.uint8).astype(np.float64) @ exchange
        swapped = metric.from_sums(total_a + moved) - metric.from_sums(total_b - moved)
        extreme += int(np.sum(np.abs(swapped) >= abs(difference) - 1e-12))
    return PairedTest(difference, (1 + extreme) / (1 + n_swaps), unit, len(a), n_swaps)


def group_sums(metric: Metric, columns: Sequence[npt.ArrayLike], groups: npt.ArrayLike | None = None) -> Array:
    """Additive statistics summed per group, ``(G, K)``, groups in sorted order.

    Raises:
        ShapeError: if `groups` has another length than the columns.
    """
    return _sum_by(metric.statistics(*columns), groups)


def _group_sums_of_both(
    metric: Metric, first: Sequence[npt.ArrayLike], second: Sequence[npt.ArrayLike], groups: npt.ArrayLike | None
) -> tuple[Array, Array]:
    """Statistics of both predictions in one coordinate system: computed together, then split."""
    n = len(np.asarray(first[0]))
    if any(len(np.asarray(column)) != n for column in (*first, *second)):
        raise ShapeError("the two predictions differ in length.")
    rows = metric.statistics(*[np.concatenate([x, y]) for x, y in zip(first, second, strict=True)])
    return _sum_by(rows[:n], groups), _sum_by(rows[n:], groups)


def _sum_by(rows: Array, groups: npt.ArrayLike | None) -> Array:
    if groups is None:
        return rows
    keys = np.asarray(groups)
    if keys.shape != (len(rows),):
        raise ShapeError(f"groups have shape {keys.shape}, expected ({len(rows)},).")
    known, index = np.unique(keys, return_inverse=True)
    return np.stack([np.bincount(index, column, minlength=len(known)) for column in rows.T], axis=1)


def _draws(metric: Metric, sums: Array, n_draws: int, seed: int) -> Array:
    """The metric of `n_draws` corpora made of groups drawn with replacement, ``(n_draws,)``."""
    rng = np.random.default_rng(seed)
    n = len(sums)
    values = []
    for size in _chunks(n_draws, n):
        picks = rng.integers(0, n, (size, n)) + n * np.arange(size)[:, None]
        weights = np.bincount(picks.ravel(), minlength=size * n).reshape(size, n).astype(np.float64)
        values.append(metric.from_sums(weights @ sums))
    return np.concatenate(values)


def _chunks(total: int, width: int) -> Iterator[int]:
    size = max(1, _CHUNK // width)
    for start in range(0, total, size):
        yield min(size, total - start)


def _bca(value: float, draws: Array, left_out: Array, level: float) -> tuple[float, float]:
    draws = draws[~np.isnan(draws)]
    left_out = left_out[~np.isnan(left_out)]
    if np.isnan(value) or len(draws) < 2 or len(left_out) < 2:
        return float("nan"), float("nan")
    tolerance = 1e-12 * max(1.0, abs(value))  # sums in another order must not break ties
    below = np.mean(draws < value - tolerance) + 0.5 * np.mean(np.abs(draws - value) <= tolerance)
    normal = NormalDist()
    bias = normal.inv_cdf(float(np.clip(below, 0.5 / len(draws), 1 - 0.5 / len(draws))))
    influence = left_out.mean() - left_out
    spread = float(np.sum(influence**2)) ** 1.5
    acceleration = float(np.sum(influence**3)) / (6 * spread) if spread > 0 else 0.0
    ends = []
    for tail in ((1 - level) / 2, (1 + level) / 2):
        z = bias + normal.inv_cdf(tail)
        ends.append(normal.cdf(bias + z / (1 - acceleration * z)))
    low, high = np.quantile(draws, ends)
    return float(low), float(high)


def _jackknife_t(value: float, left_out: Array, level: float) -> tuple[float, float]:
    from scipy.special import stdtrit

    n = len(left_out)
    if n < 2 or np.isnan(value) or np.isnan(left_out).any():
        return float("nan"), float("nan")
    error = np.sqrt((n - 1) / n * np.sum((left_out - left_out.mean()) ** 2))
    reach = float(stdtrit(n - 1, (1 + level) / 2) * error)
    return value - reach, value + reach
