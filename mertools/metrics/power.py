"""How small a difference between two systems a test set can show, before anyone has predicted anything on it.

A track that scores n clips cannot tell systems apart that differ by less than `detectable`: the paired test of
`mertools.metrics.paired` would find such a difference in fewer than 80 % of all test sets of that size. How much the
difference spreads from clip to clip comes from two made systems (`draw`) at the level of published baselines, by the
delta method on the metric's additive form; open sets of words have a measured constant instead.

All figures take clips as independent, which is optimistic; ``clips_per_group`` says how many share a speaker or source.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np

from mertools.errors import ConfigError
from mertools.metrics.base import METRICS, Array, Metric
from mertools.metrics.paired import power_factor

AGREEMENT = 0.5
"""Correlation of the errors of two systems: with this probability both see a clip alike."""

WITHIN_GROUP = 0.2
"""Intraclass correlation of clips of one group, for the design effect ``1 + (m - 1) * 0.2``."""

SHARE_RIGHT = {"macro_f1": 0.5, "preference": 0.66}
"""Share of right labels by metric or kind; 0.8 elsewhere. Published: MER SEMI 0.86 WAF, MER2023 NOISE about 0.7, ABAW
expression 0.3 to 0.5, EmoPrefer 0.66."""

VALUE = {"spread": 2.0, "slope": 0.85, "noise": 0.9}
"""One value per clip (valence in [-5, 5]): spread of the truth, slope and noise of predictions; MSE 0.9."""

VALUES = {"spread": 1.0, "slope": 0.35, "noise": 0.5}
"""Several values per clip, in standard deviations of the truth: mean CCC 0.5, mean RMSE 0.8."""

FLAGS = {"set": 0.25, "hit": 0.6, "false": 0.25}
"""Action units: share of set flags, found share of them, share of false alarms; mean F1 0.5."""

WORDS_SPREAD = 0.37
"""Open sets of words: standard deviation over clips of the difference of two systems' per-clip scores. That of one
system's scores is 0.365 on the 332 public clips of MER2024 (set overlap; the emotion wheels' F is of the same kind)."""

_ROWS = 4000
_STEP = 1e-4
_WORSE = 0.15
_MOST_CLASSES = 30


def detectable(
    metric: str,
    n: int | None,
    *,
    n_classes: int = 6,
    n_targets: int = 2,
    clips_per_group: float = 1.0,
    spread: float = 1.0,
) -> float | None:
    """The smallest true difference of a metric that the paired test finds with 80 % power at the 5 % level.

    Args:
        metric: name of the metric.
        n: clips that are scored; None if that was not published.
        n_classes: number of classes, where it compares classes; at least 2, more than 30 are taken as 30.
        n_targets: number of targets, where it compares several values or flags; at least 1.
        clips_per_group: mean number of clips of one speaker or source; at least 1.
        spread: standard deviation of the true values in their unit, where it compares several values.

    Returns:
        The difference, in the unit of the metric; None where `n` is unknown or below two groups.

    Raises:
        UnknownNameError: if there is no such metric.
        ConfigError: for numbers outside these ranges.

    Example:
        >>> round(detectable("accuracy", 400), 2)
        0.06
        >>> detectable("accuracy", None) is None
        True
    """
    found = METRICS.get(metric)
    if n_classes < 2 or n_targets < 1 or not clips_per_group >= 1 or not spread > 0:
        raise ConfigError(
            "MER-S114",
            f"n_classes {n_classes}, n_targets {n_targets}, clips_per_group {clips_per_group} and spread {spread} "
            "must be at least 2, 1 and 1, and above 0.",
            "Give the numbers of the track.",
        )
    if n is None or n / clips_per_group < 2:
        return None
    variance, growth = (
        (WORDS_SPREAD**2, 0.0)
        if "labels" in found.inputs
        else _variance(metric, min(n_classes, _MOST_CLASSES), n_targets)
    )
    unit = spread ** (2 if metric == "mean_mse" else 1) if "values" in found.inputs and found.range[1] != 1 else 1.0
    inflation = 1 + (clips_per_group - 1) * WITHIN_GROUP
    reach = power_factor(round(n / clips_per_group)) ** 2 * inflation / n
    # difference**2 = reach * (variance + growth * difference)
    half = reach * growth / 2
    return unit * (half + float(np.sqrt(half**2 + reach * variance)))


def draw(
    metric: Metric, rng: np.random.Generator, n: int, *, worse: float = 0.0, n_classes: int = 6, n_targets: int = 2
) -> tuple[list[Array], list[Array]]:
    """Arguments of `metric` for two made systems on the same n clips.

    Args:
        metric: a metric of classes, values, flags or preferences.
        rng: random numbers.
        n: clips.
        worse: how much worse the second is: by how much it is right less often, or its noise is larger in proportion.
        n_classes: number of classes; the rarest has about a third of the clips of the most frequent.
        n_targets: number of values or flags.

    Returns:
        Truth and prediction of each input for the first system, and for the second.
    """
    first: list[Array] = []
    second: list[Array] = []
    for kind in metric.inputs:
        if kind in ("classes", "preference"):
            right = SHARE_RIGHT.get(metric.name, SHARE_RIGHT.get(kind, 0.8))
            shares = np.ones(2) if kind == "preference" else np.linspace(1.5, 0.5, n_classes)
            truth, said = _labels(rng, n, shares, right, worse)
            if kind == "preference":
                words = np.array(["a1", "a2"])
                truth, said = words[truth], (words[said[0]], words[said[1]])
        elif kind == "flags":
            truth, said = _flags(rng, (n, n_targets), worse)
        else:
            shape, facts = ((n, n_targets), VALUES) if kind == "values" else ((n,), VALUE)
            truth, said = _numbers(rng, shape, facts, worse)
        first += [truth, said[0]]
        second += [truth, said[1]]
    return first, second


@lru_cache(maxsize=256)
def _variance(name: str, n_classes: int, n_targets: int) -> tuple[float, float]:
    """Variance over clips of the influence on the difference of two equal systems, and its growth per difference.

    The worse the second system is, the more clips the two disagree on.
    """
    metric = METRICS.get(name)
    found = []
    for worse in (0.0, _WORSE):
        both = draw(metric, np.random.default_rng(0), _ROWS, worse=worse, n_classes=n_classes, n_targets=n_targets)
        rows = metric.statistics(*[np.concatenate(pair) for pair in zip(*both, strict=True)])
        first, second = rows[:_ROWS], rows[_ROWS:]
        influence = first @ _gradient(metric.from_sums, first) - second @ _gradient(metric.from_sums, second)
        gap = float(metric.from_sums(first.mean(axis=0)) - metric.from_sums(second.mean(axis=0)))
        found.append((float(np.var(influence)), gap))
    (variance, at_equal), (larger, apart) = found
    return variance, max((larger - variance) / abs(apart - at_equal), 0.0)


def _gradient(from_sums: Callable[[Array], Array], rows: Array) -> Array:
    """Derivative of the metric by the means of the statistics, ``(K,)``, by central differences."""
    means = rows.mean(axis=0)
    steps = _STEP * np.eye(len(means))
    # upwards from a mean of 0 only: there are no negative counts
    down = np.where(means > _STEP, _STEP, 0.0) if (rows >= 0).all() else np.full(len(means), _STEP)
    change = from_sums(means + steps) - from_sums(means - np.diag(down))
    found: Array = change / (_STEP + down)
    return found


def _seen_alike(rng: np.random.Generator, shape: tuple[int, ...]) -> tuple[Array, Array]:
    """Uniform numbers of both systems, the same where they see a clip alike."""
    first, other = rng.random(shape), rng.random(shape)
    return first, np.where(rng.random(shape) < AGREEMENT, first, other)


def _labels(
    rng: np.random.Generator, n: int, shares: Array, right: float, worse: float
) -> tuple[Array, tuple[Array, ...]]:
    n_classes = len(shares)
    truth = rng.choice(n_classes, n, p=shares / shares.sum())
    chance, wrong = _seen_alike(rng, (n,)), _seen_alike(rng, (n,))
    said = [
        np.where(u < share, truth, (truth + 1 + (w * (n_classes - 1)).astype(int)) % n_classes)
        for u, w, share in zip(chance, wrong, (right, right - worse), strict=True)
    ]
    return truth, tuple(said)


def _flags(rng: np.random.Generator, shape: tuple[int, ...], worse: float) -> tuple[Array, tuple[Array, ...]]:
    truth = rng.random(shape) < FLAGS["set"]
    said = [
        np.where(truth, u < FLAGS["hit"] - more, u < FLAGS["false"] + more).astype(int)
        for u, more in zip(_seen_alike(rng, shape), (0.0, worse), strict=True)
    ]
    return truth.astype(int), tuple(said)


def _numbers(
    rng: np.random.Generator, shape: tuple[int, ...], facts: dict[str, float], worse: float
) -> tuple[Array, tuple[Array, ...]]:
    truth = rng.normal(0, facts["spread"], shape)
    shared = rng.normal(size=shape) * np.sqrt(AGREEMENT)
    said = [
        facts["slope"] * truth + noise * (shared + np.sqrt(1 - AGREEMENT) * rng.normal(size=shape))
        for noise in (facts["noise"], facts["noise"] * (1 + worse))
    ]
    return truth, tuple(said)
