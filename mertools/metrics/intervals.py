"""Confidence intervals that resample groups, because clips of one speaker are not independent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy.typing as npt

from mertools.metrics.base import Metric
from mertools.metrics.groups import group_sums
from mertools.metrics.paired import PairedTest, compare_all, holm, paired_test
from mertools.metrics.resampling import FEW_GROUPS, Method, ends

__all__ = ["FEW_GROUPS", "Interval", "PairedTest", "compare_all", "group_sums", "holm", "interval", "paired_test"]


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
    method: Method
    level: float
    n_draws: int


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
    """Confidence interval by resampling groups: BCa bootstrap, or jackknife-t below 20 groups.

    Clips of one speaker (or source, or video) are alike; an interval that resamples clips covers the true value far too
    seldom then. See `mertools.metrics.resampling.ends` for the two methods.

    Args:
        metric: the metric.
        columns: its arguments, truth and prediction of each input, each with N rows.
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
    found = ends(metric.from_sums, sums, level=level, n_draws=n_draws, seed=seed)
    bottom, top = metric.range
    low, high = max(found.low, bottom), min(found.high, top)
    if found.method == "none":
        low = high = float("nan")
    return Interval(low, high, unit, len(sums), found.method, level, found.n_draws)
