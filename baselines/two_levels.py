"""Differences between two populations of models, with both sources of chance: which clips, and which seeds.

A run is `S` trainings of one model, each scored on the same `G` groups of clips. Another corpus has other groups,
another training other seeds; an interval that resamples only one of the two is too short. A resampled corpus is a
weight per group, a resampled training a weight per seed::

    weights (B, G) @ sums (S, G, K)  ->  metric (B, S)  ->  weighted mean over seeds (B,)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mertools.metrics.students_t import t_quantile

Array = npt.NDArray[np.float64]
FromSums = Callable[[Array], Array]

LEVEL = 0.95


@dataclass(frozen=True)
class Difference:
    """A difference between two runs: metric of the first minus metric of the second, each the mean over its seeds.

    Attributes:
        value: the difference.
        error: standard error from resampling groups and seeds together.
        low: lower end of the 95 % interval; NaN below two groups.
        high: upper end.
        degrees: degrees of freedom of the interval.
        p: two-sided p-value of no difference.
        group_error: share of `error` that is due to the groups alone.
        seed_error: share of `error` that is due to the seeds alone; 0 where both runs have a single seed.
    """

    value: float
    error: float
    low: float
    high: float
    degrees: float
    p: float
    group_error: float
    seed_error: float

    def p_below(self, threshold: float) -> float:
        """One-sided p-value of the hypothesis that the difference is at most `threshold`."""
        return _tail((self.value - threshold) / self.error, self.degrees) if self.error > 0 else float("nan")


def resampled_means(from_sums: FromSums, sums: Array, group_weights: Array, seed_weights: Array) -> Array:
    """The mean over drawn seeds of the metric on drawn groups.

    Args:
        from_sums: sums ``(..., K)`` -> metric ``(...)``.
        sums: per seed and group, ``(S, G, K)``.
        group_weights: how often each group was drawn, ``(B, G)``.
        seed_weights: how often each seed was drawn, ``(B, S)``.

    Returns:
        One value per draw, ``(B,)``.
    """
    of_seed = np.stack([from_sums(group_weights @ one) for one in sums], axis=1)  # (B, S)
    return np.asarray((of_seed * seed_weights).sum(axis=1) / seed_weights.sum(axis=1))


def difference(from_sums: FromSums, first: Array, second: Array, *, n_draws: int = 2000, seed: int = 0) -> Difference:
    """The difference between two runs on the same groups, with an interval that resamples groups and seeds.

    Groups are drawn once for both runs, because both are scored on them; seeds are drawn for each run by itself. Three
    sets of draws (groups alone, seeds of each run alone, all together) give the parts of the variance. Each part is
    enlarged by ``n / (n - 1)``, since draws of n things spread too little by that; the interval is that of Student's t
    with degrees of freedom after Satterthwaite (1946), and its error the larger of the parts' sum and the joint draws.

    Args:
        from_sums: sums ``(..., K)`` -> metric ``(...)``.
        first: sums of the first run, ``(S, G, K)``.
        second: of the second, ``(S', G, K)``; the same groups in the same order.
        n_draws: of each set.
        seed: of the draws.
    """
    rng = np.random.default_rng(seed)
    n_groups = first.shape[1]
    groups = _weights(rng, n_draws, n_groups)
    drawn = [_weights(rng, n_draws, len(run)) for run in (first, second)]
    evenly = [np.ones((n_draws, len(run))) for run in (first, second)]
    all_groups = np.ones((1, n_groups))

    def mean(run: int, group_weights: Array, seed_weights: Array) -> Array:
        return resampled_means(from_sums, (first, second)[run], group_weights, seed_weights)

    value = float((mean(0, all_groups, evenly[0][:1]) - mean(1, all_groups, evenly[1][:1]))[0])
    by_group = _variance(mean(0, groups, evenly[0]) - mean(1, groups, evenly[1]), n_groups)
    by_seed = [_variance(_seeds_alone(from_sums, run, drawn[i]), len(run)) for i, run in enumerate((first, second))]
    together = float(np.nanvar(mean(0, groups, drawn[0]) - mean(1, groups, drawn[1]), ddof=1))
    parts = [
        (by_group, n_groups - 1),
        *((part, len(run) - 1) for part, run in zip(by_seed, (first, second), strict=True)),
    ]
    total = sum(part for part, _ in parts)
    error = float(np.sqrt(max(total, together)))
    spread = sum(part**2 / degrees for part, degrees in parts if degrees > 0)
    degrees = float(total**2 / spread) if spread > 0 else float("inf")
    if n_groups < 2 or not np.isfinite(value):
        error = degrees = float("nan")
    reach = t_quantile((1 + LEVEL) / 2, degrees) * error if np.isfinite(error) else float("nan")
    if not np.isfinite(error):
        p = float("nan")
    elif error == 0:
        p = 1.0 if value == 0 else float("nan")
    else:
        p = min(1.0, 2 * _tail(abs(value) / error, degrees))
    return Difference(
        value, error, value - reach, value + reach, degrees, p, float(np.sqrt(by_group)), float(np.sqrt(sum(by_seed)))
    )


def _seeds_alone(from_sums: FromSums, sums: Array, seed_weights: Array) -> Array:
    of_seed = np.array([float(from_sums(one.sum(axis=0))) for one in sums])
    return np.asarray((seed_weights @ of_seed) / seed_weights.sum(axis=1))


def _weights(rng: np.random.Generator, n_draws: int, n: int) -> Array:
    """How often each of `n` things is drawn, n times with replacement, ``(n_draws, n)``."""
    return rng.multinomial(n, np.full(n, 1 / n), n_draws).astype(np.float64)


def _variance(draws: Array, n: int) -> float:
    """Variance of draws of `n` things, enlarged by n / (n - 1); 0 for a single thing, whose variance nobody knows."""
    return float(np.nanvar(draws, ddof=1)) * n / (n - 1) if n > 1 else 0.0


def _tail(t: float, degrees: float) -> float:
    """Probability that a t-distributed variable exceeds `t`."""
    from scipy.special import ndtr, stdtr

    return float(stdtr(degrees, -t)) if np.isfinite(degrees) else float(ndtr(-t))
