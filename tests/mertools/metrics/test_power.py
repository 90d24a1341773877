"""The detectable difference is one that the paired test does detect, four times out of five."""

from dataclasses import replace

import numpy as np
import pytest

from mertools.errors import ConfigError, UnknownNameError
from mertools.metrics import METRICS
from mertools.metrics.paired import paired_test
from mertools.metrics.power import AGREEMENT, WITHIN_GROUP, WORDS_SPREAD, detectable, draw

METRICS_OF_TRACKS = [
    "waf",
    "accuracy",
    "uar",
    "macro_f1",
    "mer2023_combined",
    "mean_ccc",
    "mean_rmse",
    "au_f1",
    "prefer_waf2",
]


def worse_by(name: str, difference: float) -> float:
    """How much worse the second system must be made for a population difference, by bisection."""
    metric, low = METRICS.get(name), 0.0
    high = 3.0 if metric.inputs == ("values",) else 0.5
    for _ in range(14):
        middle = (low + high) / 2
        first, second = draw(metric, np.random.default_rng(0), 100_000, worse=middle)
        low, high = (low, middle) if abs(metric(*first) - metric(*second)) > difference else (middle, high)
    return middle


@pytest.mark.slow
@pytest.mark.parametrize("name", METRICS_OF_TRACKS)
@pytest.mark.parametrize("n", [150, 500])
def test_the_paired_test_finds_the_stated_difference_in_four_of_five_sets(name: str, n: int) -> None:
    worse = worse_by(name, detectable(name, n))
    found = 0
    for seed in range(300):
        first, second = draw(METRICS.get(name), np.random.default_rng(1000 + seed), n, worse=worse)
        found += paired_test(METRICS.get(name), first, second, n_swaps=199, n_draws=2, seed=seed).p <= 0.05
    assert 0.7 <= found / 300 <= 0.9


@pytest.mark.slow
def test_the_constant_of_open_sets_gives_that_power_too() -> None:
    """Scores of clips in [0, 1] spread as measured, two systems correlated by half; the metric is their mean."""
    mean = replace(
        METRICS.get("mse"),
        statistics=lambda truth, said: np.stack([np.ones(len(said)), said], axis=1),
        from_sums=lambda sums: sums[..., 1] / sums[..., 0],
    )
    n = 332
    gap = (2.802 * WORDS_SPREAD) / np.sqrt(n)
    found, spreads = 0, []
    for seed in range(300):
        rng = np.random.default_rng(seed)
        scores = rng.beta(0.43, 0.37, (3, n))  # mean 0.54, standard deviation 0.37
        alike = rng.random(n) < AGREEMENT
        first, second = scores[0], np.where(alike, scores[0], scores[1]) - gap
        spreads.append(np.std(first - second))
        found += paired_test(mean, [scores[2], first], [scores[2], second], n_swaps=199, n_draws=2).p <= 0.05
    assert np.mean(spreads) == pytest.approx(WORDS_SPREAD, abs=0.02)
    assert 0.7 <= found / 300 <= 0.9


@pytest.mark.parametrize("name", METRICS.names())
def test_every_metric_has_a_detectable_difference_that_shrinks_with_more_clips(name: str) -> None:
    few, many = detectable(name, 400), detectable(name, 1600)
    assert few is not None
    assert many is not None
    assert 2 * many - 1e-12 <= few <= 2.7 * many  # the variance grows a little with the difference
    assert 0.005 < few < 1


def test_nothing_is_said_where_the_number_of_clips_is_unknown() -> None:
    assert detectable("waf", None) is None
    assert detectable("waf", 1) is None
    assert detectable("waf", 100, clips_per_group=80) is None
    with pytest.raises(UnknownNameError):
        detectable("waff", 100)


@pytest.mark.parametrize(
    "wrong", [{"n_classes": 1}, {"n_targets": 0}, {"clips_per_group": 0}, {"clips_per_group": np.nan}, {"spread": 0}]
)
def test_impossible_numbers_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="MER-S114"):
        detectable("waf", 400, **wrong)


def test_very_many_classes_cost_neither_time_nor_memory() -> None:
    assert detectable("waf", 400, n_classes=100_000) == detectable("waf", 400, n_classes=30)


def test_clips_of_one_speaker_cost_power() -> None:
    alone, grouped = detectable("waf", 800), detectable("waf", 800, clips_per_group=20)
    assert 1 <= grouped / (alone * np.sqrt(1 + 19 * WITHIN_GROUP)) <= 1.2
    assert detectable("waf", 200, clips_per_group=20) > 1.05 * 2 * grouped  # ten groups: Student's t


def test_errors_scale_with_the_unit_of_the_values_and_correlations_do_not() -> None:
    assert detectable("mean_rmse", 300, spread=3.0) == pytest.approx(3 * detectable("mean_rmse", 300))
    assert detectable("mean_mse", 300, spread=3.0) == pytest.approx(9 * detectable("mean_mse", 300))
    assert detectable("mean_ccc", 300, spread=3.0) == detectable("mean_ccc", 300)


def test_accuracy_has_the_closed_form_of_mcnemar() -> None:
    """The systems are right on 0.8 and 0.8 - d of the clips; half of the clips they see alike, half independently."""
    d = detectable("accuracy", 400)
    discordant = 0.5 * d + 0.5 * (0.8 * (0.2 + d) + 0.2 * (0.8 - d))
    assert d == pytest.approx(2.802 * np.sqrt((discordant - d**2) / 400), rel=0.05)
