"""Resampling groups and seeds: against a slow loop over repeated clips, and what the intervals cover."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from baselines.two_levels import difference, resampled_means
from mertools.metrics import METRICS
from mertools.metrics.groups import group_sums


def sums_of(truth: np.ndarray, predictions: list[np.ndarray], groups: np.ndarray) -> np.ndarray:
    """Sums ``(S, G, K)`` of WAF, in one coordinate system."""
    n_groups = int(groups.max()) + 1
    keys = np.concatenate([groups + i * n_groups for i in range(len(predictions))])
    columns = [np.tile(truth, len(predictions)), np.concatenate(predictions)]
    return group_sums(METRICS.get("waf"), columns, keys).reshape(len(predictions), n_groups, -1)


@given(seed=st.integers(0, 10_000), n_groups=st.integers(2, 6), n_seeds=st.integers(1, 4))
@settings(max_examples=30, deadline=None)
def test_weights_stand_for_clips_that_are_repeated(seed: int, n_groups: int, n_seeds: int) -> None:
    rng = np.random.default_rng(seed)
    groups = np.concatenate([np.arange(n_groups), rng.integers(0, n_groups, 20)])
    truth = rng.integers(0, 3, len(groups))
    truth[:3] = np.resize([0, 1, 2], min(3, len(truth)))
    predictions = [
        np.where(rng.random(len(truth)) < 0.6, truth, rng.integers(0, 3, len(truth))) for _ in range(n_seeds)
    ]
    picked_groups = [rng.integers(0, n_groups, n_groups) for _ in range(5)]
    picked_seeds = [rng.integers(0, n_seeds, n_seeds) for _ in range(5)]

    slow = []
    for of_groups, of_seeds in zip(picked_groups, picked_seeds, strict=True):
        clips = np.concatenate([np.flatnonzero(groups == g) for g in of_groups])
        scores = [f1_score(truth[clips], predictions[s][clips], average="weighted", zero_division=0) for s in of_seeds]
        slow.append(np.mean(scores))

    quick = resampled_means(
        METRICS.get("waf").from_sums,
        sums_of(truth, predictions, groups),
        np.stack([np.bincount(p, minlength=n_groups) for p in picked_groups]).astype(float),
        np.stack([np.bincount(p, minlength=n_seeds) for p in picked_seeds]).astype(float),
    )
    assert quick == pytest.approx(slow, abs=1e-12)


def simulated(rng: np.random.Generator, *, gap: float = 0.0, n_groups: int = 30, n_seeds: int = 5) -> list[np.ndarray]:
    """Squared errors as sums ``(S, G, 2)`` of two models with effects of groups, seeds and both."""
    group = rng.normal(0, 0.5, (1, n_groups))
    runs = []
    for shift in (0.0, gap):
        own_group, of_seed = rng.normal(0, 0.2, (1, n_groups)), rng.normal(0, 0.15, (n_seeds, 1))
        error = 3 + group + own_group + of_seed + rng.normal(0, 0.1, (n_seeds, n_groups)) + shift
        runs.append(np.stack([error, np.ones_like(error)], axis=2))
    return runs


def mean_of(sums: np.ndarray) -> np.ndarray:
    return sums[..., 0] / sums[..., 1]


def test_the_difference_is_that_of_means_over_seeds() -> None:
    first, second = simulated(np.random.default_rng(3), gap=0.4)
    found = difference(mean_of, first, second, n_draws=200)
    assert found.value == pytest.approx(first[..., 0].mean() - second[..., 0].mean())
    assert found.low < found.value < found.high
    assert found.group_error > 0
    assert found.seed_error > 0
    assert found.error**2 >= 0.999 * (found.group_error**2 + found.seed_error**2)


def test_turning_the_runs_round_turns_the_sign_and_nothing_else() -> None:
    first, second = simulated(np.random.default_rng(5), gap=0.1)
    one = difference(mean_of, first, second, n_draws=20_000)
    other = difference(mean_of, second, first, n_draws=20_000)
    assert one.value == pytest.approx(-other.value)
    assert one.error == pytest.approx(other.error, rel=0.05)
    assert one.p == pytest.approx(other.p, abs=0.05)


def test_equal_runs_differ_by_nothing() -> None:
    (first, _) = simulated(np.random.default_rng(1), n_seeds=1)
    found = difference(mean_of, first, first.copy(), n_draws=100)
    assert (found.value, found.error, found.p) == (0.0, 0.0, 1.0)


def test_a_single_group_gives_no_interval() -> None:
    first, second = simulated(np.random.default_rng(1), n_groups=1)
    found = difference(mean_of, first, second, n_draws=100)
    assert np.isnan([found.low, found.high, found.p]).all()


def test_more_seeds_make_the_interval_shorter() -> None:
    few, many = (simulated(np.random.default_rng(2), n_seeds=n) for n in (3, 30))
    wide, narrow = (difference(mean_of, *runs, n_draws=1000) for runs in (few, many))
    assert narrow.seed_error < wide.seed_error


@pytest.mark.slow
def test_intervals_cover_the_true_difference_and_false_alarms_are_rare() -> None:
    rng, covered, alarms, n = np.random.default_rng(11), 0, 0, 400
    for number in range(n):
        first, second = simulated(rng)
        found = difference(mean_of, first, second, n_draws=400, seed=number)
        covered += found.low <= 0 <= found.high
        alarms += found.p < 0.05
    assert 0.92 <= covered / n <= 1.0
    assert alarms / n <= 0.08


@pytest.mark.slow
def test_resampling_groups_alone_would_cover_too_seldom() -> None:
    """Why seeds are resampled, too: without them the interval misses far more often than it says."""
    rng, covered, n = np.random.default_rng(12), 0, 300
    for number in range(n):
        first, second = simulated(rng)
        found = difference(mean_of, first, second, n_draws=400, seed=number)
        covered += abs(found.value) <= 2 * found.group_error
    assert covered / n < 0.85
