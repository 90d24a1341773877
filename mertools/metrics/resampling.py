"""Ends of a confidence interval and standard errors from sums per group.

The whole metric is recomputed for every resampled corpus from its additive form, a draw being a weight per group:
``weights (B, G) @ sums (G, K)``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal

import numpy as np

from mertools.metrics.base import Array
from mertools.metrics.students_t import t_quantile

FEW_GROUPS = 20
CHUNK = 1 << 21  # weights held at once

Method = Literal["bca", "jackknife-t", "none"]


@dataclass(frozen=True)
class Ends:
    """Ends of an interval (NaN if there is none), how they were found, and draws behind them."""

    low: float
    high: float
    method: Method
    n_draws: int


def ends(from_sums: Callable[[Array], Array], sums: Array, *, level: float, n_draws: int, seed: int) -> Ends:
    """Confidence interval of a metric by resampling groups.

    From 20 groups on the bias-corrected and accelerated bootstrap (Efron, 1987) with expanded levels (Hesterberg,
    2015): the spread of draws of G groups is too small by about sqrt((G - 1) / G), and its quantiles are those of a
    normal distribution. So the normal quantile is replaced by that of Student's t with G - 1 degrees of freedom, times
    sqrt(G / (G - 1)), or times the ratio of the jackknife's standard error to the spread of the draws where that is
    larger (at most by a quarter). Below 20 groups the jackknife with Student's t.

    Args:
        from_sums: sums ``(..., K)`` -> metric ``(...)``.
        sums: ``(G, K)``.
        level: nominal coverage, in (0, 1).
        n_draws: resampled corpora.
        seed: of the draws.
    """
    value = float(from_sums(sums.sum(axis=0)))
    if len(sums) < FEW_GROUPS:
        low, high = _jackknife_t(value, without_each(from_sums, sums), level)
        method: Method = "jackknife-t"
        n_draws = 0
    else:
        distinct, counts = collapsed(sums)
        left_out = np.repeat(from_sums(sums.sum(axis=0) - distinct), counts)
        low, high = _bca(value, _draws(from_sums, distinct, counts, n_draws, seed), left_out, level)
        method = "bca"
    if np.isnan(low) or np.isnan(high):
        return Ends(float("nan"), float("nan"), "none", n_draws)
    return Ends(low, high, method, n_draws)


def without_each(from_sums: Callable[[Array], Array], sums: Array) -> Array:
    """The metric without one group after the other, ``(G,)``; NaN for a single group."""
    return from_sums(sums.sum(axis=0) - sums) if len(sums) > 1 else np.array([np.nan])


def standard_error(left_out: Array) -> float:
    """Jackknife standard error from the metric without each group; NaN for fewer than two or undefined ones."""
    n = len(left_out)
    if n < 2:
        return float("nan")
    return float(np.sqrt((n - 1) / n * np.sum((left_out - left_out.mean()) ** 2)))


def chunks(total: int, width: int) -> Iterator[int]:
    """Sizes of parts of `total` draws, so that no more than `CHUNK` numbers are held at once."""
    size = max(1, CHUNK // width)
    for start in range(0, total, size):
        yield min(size, total - start)


def collapsed(sums: Array) -> tuple[Array, Array]:
    """Distinct rows ``(U, K)`` and how often each occurs ``(U,)`` int64; the rows as they are where few are equal.

    Single clips fall into few cells of a confusion matrix: 20,000 of them are 36 rows.
    """
    n, width = sums.shape
    key = sums @ np.random.default_rng(0).random(width)
    _, first, inverse, counts = np.unique(key, return_index=True, return_inverse=True, return_counts=True)
    if len(counts) <= n / 4 and np.array_equal(sums[first][inverse], sums):
        return sums[first], counts
    return sums, np.ones(n, np.int64)


def _draws(from_sums: Callable[[Array], Array], sums: Array, counts: Array, n_draws: int, seed: int) -> Array:
    """The metric of `n_draws` corpora made of groups drawn with replacement, ``(n_draws,)``.

    Args:
        from_sums: sums ``(..., K)`` -> metric ``(...)``.
        sums: distinct rows, ``(U, K)``.
        counts: groups that have each of them, ``(U,)``.
        n_draws: corpora.
        seed: of the draws.
    """
    rng = np.random.default_rng(seed)
    rows, n = len(sums), int(counts.sum())
    values = []
    for size in chunks(n_draws, rows):
        if rows < n:
            weights = rng.multinomial(n, counts / n, size).astype(np.float64)
        else:
            picks = rng.integers(0, n, (size, n)) + n * np.arange(size)[:, None]
            weights = np.bincount(picks.ravel(), minlength=size * n).reshape(size, n).astype(np.float64)
        values.append(from_sums(weights @ sums))
    return np.concatenate(values)


def _bca(value: float, draws: Array, left_out: Array, level: float) -> tuple[float, float]:
    n = len(left_out)
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
    expansion = float(np.sqrt(n / (n - 1)))
    if draws.std() > 0:
        expansion = float(np.clip(standard_error(left_out) / draws.std(), expansion, 1.25 * expansion))
    found = []
    for tail in ((1 - level) / 2, (1 + level) / 2):
        z = bias + expansion * t_quantile(tail, n - 1)
        found.append(normal.cdf(bias + z / max(1 - acceleration * z, 0.1)))
    low, high = np.quantile(draws, found)
    return float(low), float(high)


def _jackknife_t(value: float, left_out: Array, level: float) -> tuple[float, float]:
    reach = standard_error(left_out)
    if np.isnan(value) or np.isnan(reach):
        return float("nan"), float("nan")
    reach *= t_quantile((1 + level) / 2, len(left_out) - 1)
    return value - reach, value + reach
