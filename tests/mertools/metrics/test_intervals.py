"""Intervals and paired tests resample groups, never rows."""

import itertools

import numpy as np
import pytest
from scipy.stats import bootstrap, t

from mertools.metrics import METRICS, ShapeError
from mertools.metrics.intervals import FEW_GROUPS, interval, paired_test

WAF, ACC, MSE = METRICS.get("waf"), METRICS.get("accuracy"), METRICS.get("mse")


def labels(n: int, seed: int = 0, right: float = 0.7) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 6, n)
    return truth, np.where(rng.random(n) < right, truth, rng.integers(0, 6, n))


def test_the_bootstrap_agrees_with_scipy_bca() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=80), rng.normal(size=80)
    ours = interval(MSE, [x, y], n_draws=20_000)
    theirs = bootstrap(((x - y) ** 2,), np.mean, n_resamples=20_000, method="BCa", rng=0).confidence_interval
    width = theirs.high - theirs.low
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=0.03 * width)
    assert (ours.method, ours.n_groups, ours.unit) == ("bca", 80, "clip")


def test_few_groups_have_the_jackknife_interval_of_a_slow_loop() -> None:
    truth, said = labels(120)
    groups = np.arange(120) % 7
    found = interval(WAF, [truth, said], groups, unit="speaker")
    left_out = np.array([WAF(truth[groups != g], said[groups != g]) for g in range(7)])
    error = np.sqrt(6 / 7 * ((left_out - left_out.mean()) ** 2).sum())
    reach = t.ppf(0.975, 6) * error
    assert (found.low, found.high) == pytest.approx((WAF(truth, said) - reach, WAF(truth, said) + reach))
    assert (found.method, found.n_groups, found.unit, found.n_draws) == ("jackknife-t", 7, "speaker", 0)


def test_groups_and_not_rows_are_resampled() -> None:
    """Copies of the same clip carry no information: the interval of 30 groups is that of the 30 clips."""
    truth, said = labels(30)
    alone = interval(WAF, [truth, said], seed=4)
    copied = interval(WAF, [np.repeat(truth, 10), np.repeat(said, 10)], np.repeat(np.arange(30), 10), seed=4)
    assert (copied.low, copied.high) == pytest.approx((alone.low, alone.high), abs=1e-12)
    rows = interval(WAF, [np.repeat(truth, 10), np.repeat(said, 10)], seed=4)
    assert rows.high - rows.low < 0.5 * (alone.high - alone.low)


def test_one_group_has_no_interval_and_perfection_a_point() -> None:
    truth, said = labels(40)
    one = interval(WAF, [truth, said], np.zeros(40))
    assert (one.method, one.n_groups) == ("none", 1)
    assert np.isnan(one.low)
    assert np.isnan(one.high)
    perfect = interval(WAF, [truth, truth])
    assert (perfect.low, perfect.high) == (1.0, 1.0)


def test_intervals_are_cut_to_the_range_of_the_metric() -> None:
    truth = np.arange(24) % 6
    said = truth.copy()
    said[:3] = (said[:3] + 1) % 6
    found = interval(ACC, [truth, said], np.repeat(np.arange(6), 4))
    assert found.method == "jackknife-t"
    assert found.high == 1.0


def test_the_same_seed_gives_the_same_interval_and_chunks_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    truth, said = labels(200)
    first = interval(WAF, [truth, said], seed=1)
    assert interval(WAF, [truth, said], seed=1) == first
    assert interval(WAF, [truth, said], seed=2) != first
    monkeypatch.setattr("mertools.metrics.resampling.CHUNK", 1000)
    chunked = interval(WAF, [truth, said], seed=1)
    assert (chunked.low, chunked.high) == pytest.approx((first.low, first.high), abs=1e-12)


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


def test_lengths_that_differ_are_refused() -> None:
    truth, said = labels(30)
    with pytest.raises(ShapeError):
        interval(WAF, [truth, said], np.zeros(29))
    with pytest.raises(ShapeError):
        paired_test(WAF, [truth, said], [truth[1:], said[1:]])


@pytest.mark.slow
@pytest.mark.parametrize(("n_groups", "lowest"), [(10, 0.92), (60, 0.92)])
def test_intervals_cover_the_true_value_where_clips_of_a_speaker_are_alike(n_groups: int, lowest: float) -> None:
    """Within-speaker correlation 0.2 on the latent scale; resampling rows covers far too seldom."""
    simulations, cover, rows = 400, 0, 0
    for seed in range(simulations):
        rng = np.random.default_rng(seed)
        speaker, own = rng.normal(size=(n_groups, 1)), rng.normal(size=(n_groups, 20))
        right = np.sqrt(0.2) * speaker + np.sqrt(0.8) * own < 0.5244005
        truth = rng.integers(0, 6, (n_groups, 20))
        said = np.where(right, truth, (truth + rng.integers(1, 6, truth.shape)) % 6)
        args = [truth.ravel(), said.ravel()]
        ours = interval(ACC, args, np.repeat(np.arange(n_groups), 20), n_draws=600, seed=seed)
        naive = interval(ACC, args, n_draws=200, seed=seed)
        cover += ours.low <= 0.7 <= ours.high
        rows += naive.low <= 0.7 <= naive.high
        assert (ours.method == "bca") == (n_groups >= FEW_GROUPS)
    assert lowest <= cover / simulations <= 0.985
    assert rows / simulations < 0.85
