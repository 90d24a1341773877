"""Paired tests swap whole groups, keep their level, and say what they could have found."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest, norm, t

from mertools.metrics import METRICS, ShapeError
from mertools.metrics.intervals import interval
from mertools.metrics.paired import compare_all, holm, paired_test, power_factor

WAF, ACC, CCC = METRICS.get("waf"), METRICS.get("accuracy"), METRICS.get("ccc")


def labels(n: int, seed: int = 0, right: float = 0.7) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    truth = np.random.default_rng(0).integers(0, 6, n)
    return truth, np.where(rng.random(n) < right, truth, rng.integers(0, 6, n))


def test_the_paired_test_agrees_with_all_swaps() -> None:
    truth, first = labels(40, right=0.8)
    _, second = labels(40, seed=9, right=0.5)
    groups = np.arange(40) % 8
    found = paired_test(WAF, [truth, first], [truth, second], groups, unit="speaker", n_swaps=20_000)
    gap = WAF(truth, first) - WAF(truth, second)
    extreme = 0
    for swap in itertools.product([False, True], repeat=8):
        moved = np.array(swap)[groups]
        a, b = np.where(moved, second, first), np.where(moved, first, second)
        extreme += abs(WAF(truth, a) - WAF(truth, b)) >= abs(gap) - 1e-12
    assert found.difference == pytest.approx(gap, abs=1e-12)
    assert found.p == pytest.approx(extreme / 256, abs=0.015)
    assert (found.n_groups, found.unit) == (8, "speaker")


def test_the_paired_test_is_never_zero_and_never_above_one() -> None:
    truth, said = labels(300, right=0.9)
    wrong = (truth + 1) % 6
    assert paired_test(WAF, [truth, said], [truth, wrong], n_swaps=99).p == 0.01
    assert paired_test(WAF, [truth, said], [truth, said], n_swaps=99).p == 1.0


def test_the_paired_test_keeps_its_level_without_a_difference() -> None:
    """Two predictions equally good: p below 0.1 in about a tenth of the cases, with whole groups swapped."""
    low = 0
    for seed in range(300):
        rng = np.random.default_rng(seed)
        truth = rng.integers(0, 6, 120)
        groups = np.repeat(np.arange(12), 10)
        ability = np.clip(0.6 + 0.25 * rng.normal(size=(2, 12)), 0, 1)
        said = [np.where(rng.random(120) < ability[i][groups], truth, rng.integers(0, 6, 120)) for i in (0, 1)]
        low += paired_test(ACC, [truth, said[0]], [truth, said[1]], groups, n_swaps=199, seed=seed).p <= 0.1
    assert 0.05 <= low / 300 <= 0.15


def test_many_clips_that_fall_into_few_cells_are_swapped_one_by_one() -> None:
    """McNemar's exact test: 12 of 18 clips on which the two differ are right in the first."""
    truth, first, second = np.zeros(400, int), np.zeros(400, int), np.zeros(400, int)
    second[:12], first[12:18] = 1, 1
    found = paired_test(ACC, [truth, first], [truth, second], n_swaps=20_000)
    assert found.p == pytest.approx(binomtest(12, 18).pvalue, abs=0.015)


def test_the_interval_and_standard_error_of_the_difference_are_those_of_a_slow_loop() -> None:
    truth, first = labels(120, right=0.8)
    _, second = labels(120, seed=5, right=0.6)
    groups = np.arange(120) % 8
    found = paired_test(WAF, [truth, first], [truth, second], groups, n_swaps=9)
    gaps = []
    for g in range(8):
        kept = groups != g
        gaps.append(WAF(truth[kept], first[kept]) - WAF(truth[kept], second[kept]))
    error = np.sqrt(7 / 8 * ((np.array(gaps) - np.mean(gaps)) ** 2).sum())
    reach = t.ppf(0.975, 7) * error
    assert (found.low, found.high) == pytest.approx((found.difference - reach, found.difference + reach))
    assert found.detectable == pytest.approx((t.ppf(0.975, 7) + t.ppf(0.8, 7)) * error)


def test_the_difference_from_a_perfect_prediction_has_the_interval_of_the_other() -> None:
    truth, said = labels(300)
    found = paired_test(ACC, [truth, truth], [truth, said], n_swaps=9, n_draws=20_000)
    alone = interval(ACC, [truth, said], n_draws=20_000)
    assert (found.low, found.high) == pytest.approx((1 - alone.high, 1 - alone.low), abs=1 / 300 + 1e-9)


def test_predictions_may_hold_classes_that_the_other_does_not() -> None:
    truth = np.array(["a", "b", "a", "b"] * 10)
    first, second = truth.copy(), np.array(["c", "b", "a", "d"] * 10)
    found = paired_test(WAF, [truth, first], [truth, second], n_swaps=99)
    assert found.difference == pytest.approx(WAF(truth, first) - WAF(truth, second), abs=1e-12)


def test_a_large_gap_is_separable_and_a_small_one_is_not() -> None:
    truth, good = labels(500, right=0.9)
    _, bad = labels(500, seed=3, right=0.5)
    clear = paired_test(ACC, [truth, good], [truth, bad])
    assert clear.separable
    assert clear.low <= clear.difference <= clear.high
    near = good.copy()
    near[:3] = (truth[:3] + 1) % 6
    close = paired_test(ACC, [truth, good], [truth, near])
    assert 0 < close.difference < close.detectable
    assert not close.separable


def test_a_significant_gap_below_the_detectable_one_is_not_separable() -> None:
    """Seven clips of 400 for one, none for the other: p is 1/64, but 2.65 standard errors are less than 2.8."""
    truth = np.zeros(400, int)
    second = truth.copy()
    second[:7] = 1
    found = paired_test(ACC, [truth, truth], [truth, second])
    assert found.p < 0.05
    assert 0 < found.difference < found.detectable
    assert not found.separable


@pytest.mark.parametrize("metric", [CCC], ids=lambda metric: metric.name)
def test_an_undefined_difference_has_no_p_value(metric) -> None:
    same = np.ones(30)
    found = paired_test(metric, [same, same], [same, same], n_swaps=99)
    assert np.isnan(found.difference)
    assert np.isnan(found.p)
    assert not found.separable


def test_one_group_is_never_separable() -> None:
    truth, good = labels(50, right=1.0)
    found = paired_test(ACC, [truth, good], [truth, (good + 1) % 6], np.zeros(50))
    assert found.p == 1.0
    assert np.isnan(found.detectable)
    assert not found.separable


def test_lengths_that_differ_are_refused() -> None:
    truth, said = labels(30)
    with pytest.raises(ShapeError, match=r"\[29, 30\] rows"):
        paired_test(WAF, [truth, said], [truth[1:], said[1:]])
    with pytest.raises(ShapeError):
        paired_test(WAF, [truth, said], [truth, said], np.zeros(29))


def test_several_predictions_are_compared_in_pairs_or_with_one() -> None:
    truth, _ = labels(300)
    said = {name: [truth, labels(300, seed, right)[1]] for name, seed, right in [("a", 1, 0.8), ("b", 2, 0.7)]}
    said["c"] = [truth, labels(300, 3, 0.6)[1]]
    every = compare_all(WAF, said, n_swaps=999)
    assert list(every) == [("a", "b"), ("a", "c"), ("b", "c")]
    assert [found.p_adjusted for found in every.values()] == holm([found.p for found in every.values()])
    assert every["a", "c"].difference == paired_test(WAF, said["a"], said["c"], n_swaps=999).difference
    against = compare_all(WAF, said, reference="b", n_swaps=999)
    assert list(against) == [("b", "a"), ("b", "c")]
    assert against["b", "a"].difference == pytest.approx(-every["a", "b"].difference, abs=1e-12)
    with pytest.raises(KeyError):
        compare_all(WAF, said, reference="d")


def test_the_power_factor_is_that_of_the_normal_distribution_and_of_t_with_few_groups() -> None:
    assert power_factor(20) == pytest.approx(norm.ppf(0.975) + norm.ppf(0.8))
    assert power_factor(19) == pytest.approx(t.ppf(0.975, 18) + t.ppf(0.8, 18))
    assert np.isnan(power_factor(1))


def slow_holm(p_values: list[float]) -> list[float]:
    """Step down: the smallest times m, the next times m - 1, ..., never below the one before."""
    left = sorted(range(len(p_values)), key=lambda i: p_values[i])
    adjusted, floor = {}, 0.0
    for rank, i in enumerate(left):
        floor = max(floor, min(1.0, (len(p_values) - rank) * p_values[i]))
        adjusted[i] = floor
    return [adjusted[i] for i in range(len(p_values))]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.floats(0, 1), max_size=12))
def test_holm_is_the_step_down_rule(p_values: list[float]) -> None:
    found = holm(p_values)
    assert found == pytest.approx(slow_holm(p_values), abs=1e-12)
    assert all(p <= adjusted <= 1 for p, adjusted in zip(p_values, found, strict=True))


def test_a_test_that_could_not_be_made_stays_so_and_counts() -> None:
    found = holm([0.01, float("nan"), 0.04])
    assert found[0] == pytest.approx(0.03)
    assert np.isnan(found[1])
    assert found[2] == pytest.approx(0.08)


@pytest.mark.slow
def test_the_interval_of_a_difference_covers_the_true_one() -> None:
    """24 speakers of 20 clips; two systems that are right on 0.7 and 0.6 of them, alike within a speaker."""
    covered = 0
    for seed in range(500):
        rng = np.random.default_rng(seed)
        speaker = np.repeat(np.arange(24), 20)
        truth = rng.integers(0, 6, 480)
        said = []
        for right in (0.7, 0.6):
            hit = rng.random(480) < rng.beta(4 * right, 4 * (1 - right), 24)[speaker]
            said.append([truth, np.where(hit, truth, (truth + rng.integers(1, 6, 480)) % 6)])
        found = paired_test(ACC, *said, speaker, n_swaps=1, seed=seed)
        covered += found.low <= 0.1 <= found.high
    assert 0.92 <= covered / 500 <= 0.975
