"""Is one prediction better than another? Randomisation tests that swap the two predictions of whole groups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
import numpy.typing as npt

from mertools.metrics.base import Array, Metric
from mertools.metrics.groups import group_sums_of_both
from mertools.metrics.resampling import FEW_GROUPS, chunks, collapsed, ends, standard_error, without_each
from mertools.metrics.students_t import t_quantile

LEVEL = 0.95
POWER = 0.8


@dataclass(frozen=True)
class PairedTest:
    """Two predictions for the same clips, compared by one metric.

    Attributes:
        difference: metric of the first minus metric of the second.
        p: two-sided p-value ``(1 + b) / (1 + m)``: b of m random swaps differ at least as much; NaN where the
            difference is undefined.
        unit: what was swapped as a whole.
        n_groups: how many of them there are.
        n_swaps: m.
        low: lower end of the 95 % interval of the difference, groups resampled; NaN if there is none.
        high: upper end.
        detectable: the smallest true difference that a test of this many groups finds with 80 % power, given how much
            the difference varies between groups here; NaN below two groups.
        p_adjusted: `p` after Holm's correction over the family it was tested in; `p` itself for a single test.
    """

    difference: float
    p: float
    unit: str
    n_groups: int
    n_swaps: int
    low: float = float("nan")
    high: float = float("nan")
    detectable: float = float("nan")
    p_adjusted: float = float("nan")

    @property
    def separable(self) -> bool:
        """Whether the two may be called different: adjusted p below 0.05 and a difference not below `detectable`.

        The second condition is the stricter one (about 2.8 standard errors instead of 2). A test that small differences
        seldom pass finds, when they do pass, mostly exaggerated ones; such a gap is better not reported as a ranking.
        """
        return bool(self.p_adjusted < 1 - LEVEL and abs(self.difference) >= self.detectable)


def paired_test(
    metric: Metric,
    first: Sequence[npt.ArrayLike],
    second: Sequence[npt.ArrayLike],
    groups: npt.ArrayLike | None = None,
    *,
    unit: str = "clip",
    n_swaps: int = 9999,
    n_draws: int = 1000,
    seed: int = 0,
) -> PairedTest:
    """Randomisation test that swaps the two predictions of whole groups, with the interval of the difference.

    Args:
        metric: the metric.
        first: arguments of the metric for one prediction, each with N rows.
        second: the same for the other; the truth columns must be equal.
        groups: group of each clip, ``(N,)``; each clip its own group unless given.
        unit: what a group is, for the record.
        n_swaps: random swaps.
        n_draws: resampled corpora behind the interval.
        seed: of swaps and draws.

    Raises:
        ShapeError: if lengths differ.
    """
    a, b = group_sums_of_both(metric, first, second, groups)
    p = _p_value(metric, a, b, n_swaps, seed)
    width = a.shape[1]

    def difference_from(sums: Array) -> Array:
        return metric.from_sums(sums[..., :width]) - metric.from_sums(sums[..., width:])

    sums = np.hstack([a, b])
    found = ends(difference_from, sums, level=LEVEL, n_draws=n_draws, seed=seed)
    error = standard_error(without_each(difference_from, sums))
    return PairedTest(
        difference=float(difference_from(sums.sum(axis=0))),
        p=p,
        unit=unit,
        n_groups=len(a),
        n_swaps=n_swaps,
        low=found.low,
        high=found.high,
        detectable=power_factor(len(a)) * error,
        p_adjusted=p,
    )


def compare_all(
    metric: Metric,
    predictions: Mapping[str, Sequence[npt.ArrayLike]],
    groups: npt.ArrayLike | None = None,
    *,
    reference: str | None = None,
    unit: str = "clip",
    n_swaps: int = 9999,
    n_draws: int = 1000,
    seed: int = 0,
) -> dict[tuple[str, str], PairedTest]:
    """Compare several predictions for the same clips; p-values are adjusted over all comparisons (Holm).

    Args:
        metric: the metric.
        predictions: name of a prediction -> arguments of the metric; the truth columns must be equal.
        groups: group of each clip, ``(N,)``; each clip its own group unless given.
        reference: compare this one with each of the others; every pair unless given.
        unit: what a group is, for the record.
        n_swaps: random swaps of each test.
        n_draws: resampled corpora behind each interval.
        seed: of swaps and draws.

    Returns:
        ``(first, second)`` -> its test, in the order of `predictions`.

    Raises:
        ShapeError: if lengths differ.
        KeyError: if `reference` is none of the predictions.
    """
    if reference is None:
        pairs = list(combinations(predictions, 2))
    else:
        pairs = [(reference, other) for other in predictions if other != reference]
    tests = [
        paired_test(
            metric, predictions[a], predictions[b], groups, unit=unit, n_swaps=n_swaps, n_draws=n_draws, seed=seed
        )
        for a, b in pairs
    ]
    adjusted = holm([test.p for test in tests])
    return {pair: replace(test, p_adjusted=p) for pair, test, p in zip(pairs, tests, adjusted, strict=True)}


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values adjusted for having been looked at together (Holm, 1979); the chance of any false alarm is kept.

    Args:
        p_values: of a family of tests, each in [0, 1]; NaN for a test that could not be made, which counts as a member.

    Returns:
        Adjusted p-values in the same order, each in [0, 1] and not below its own.

    Example:
        >>> holm([0.01, 0.04, 0.03])
        [0.03, 0.06, 0.06]
    """
    p = np.asarray(p_values, float)
    order = np.argsort(p, kind="stable")  # NaN last
    steps = p[order] * (len(p) - np.arange(len(p)))
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return [float(value) for value in adjusted]


def power_factor(n_groups: int, *, level: float = LEVEL, power: float = POWER) -> float:
    """How many standard errors a true difference must span to be found with `power`: about 2.8.

    Quantiles are normal ones, below 20 groups those of Student's t.

    Example:
        >>> round(power_factor(400), 3), round(power_factor(10), 3)
        (2.802, 3.146)
    """
    degrees = n_groups - 1 if n_groups < FEW_GROUPS else float("inf")
    if degrees < 1:
        return float("nan")
    return t_quantile((1 + level) / 2, degrees) + t_quantile(power, degrees)


def _p_value(metric: Metric, a: Array, b: Array, n_swaps: int, seed: int) -> float:
    total_a, total_b, exchange = a.sum(axis=0), b.sum(axis=0), b - a
    difference = float(metric.from_sums(total_a) - metric.from_sums(total_b))
    if np.isnan(difference):
        return float("nan")
    rng = np.random.default_rng(seed)
    distinct, counts = collapsed(exchange)
    smaller = 0
    for size in chunks(n_swaps, len(distinct)):
        shape = (size, len(distinct))
        if len(distinct) < len(a):
            swaps = rng.binomial(counts, 0.5, shape)
        else:
            swaps = rng.integers(0, 2, shape, dtype=np.uint8)
        moved = swaps.astype(np.float64) @ distinct
        swapped = metric.from_sums(total_a + moved) - metric.from_sums(total_b - moved)
        smaller += int(np.sum(np.abs(swapped) < abs(difference) - 1e-12))  # undefined ones count as extreme
    return (1 + n_swaps - smaller) / (1 + n_swaps)
