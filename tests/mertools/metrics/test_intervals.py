"""Intervals resample groups, never rows, and cover the truth as often as they say."""

import numpy as np
import pytest
from scipy.stats import bootstrap, t

from mertools.metrics import METRICS, ShapeError, resampling
from mertools.metrics.intervals import FEW_GROUPS, interval

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


def test_equal_rows_are_drawn_together_with_the_same_result(monkeypatch: pytest.MonkeyPatch) -> None:
    truth, said = labels(2000)
    together = interval(WAF, [truth, said], n_draws=20_000)
    rows = WAF.statistics(truth, said)
    distinct, counts = resampling.collapsed(rows)
    assert len(distinct) <= 36
    assert counts.sum() == 2000
    assert counts @ distinct == pytest.approx(rows.sum(axis=0))
    monkeypatch.setattr(resampling, "collapsed", lambda sums: (sums, np.ones(len(sums), int)))
    alone = interval(WAF, [truth, said], n_draws=20_000)
    width = alone.high - alone.low
    assert (together.low, together.high) == pytest.approx((alone.low, alone.high), abs=0.03 * width)


def test_rows_of_which_few_are_equal_stay_as_they_are() -> None:
    rows = np.random.default_rng(0).normal(size=(100, 3))
    rows[50:] = rows[:50]
    distinct, counts = resampling.collapsed(rows)
    assert distinct is rows
    assert counts.tolist() == [1] * 100


def test_lengths_that_differ_are_refused() -> None:
    truth, said = labels(30)
    with pytest.raises(ShapeError):
        interval(WAF, [truth, said], np.zeros(29))


def test_a_single_wrong_group_bends_the_interval_and_does_not_break_it() -> None:
    """The most skewed case there is: all groups perfect but one, which is all wrong."""
    truth = np.tile(np.arange(6), 40)
    groups = np.repeat(np.arange(40), 6)
    said = np.where(groups == 0, (truth + 1) % 6, truth)
    found = interval(ACC, [truth, said], groups)
    assert 0 < found.low < ACC(truth, said) < found.high <= 1.0


RIGHT, ALIKE, CLIPS = 0.7, 0.2, 20
"""Share of right labels, intraclass correlation within a speaker, clips of a speaker."""


def corpus(rng: np.random.Generator, n_groups: int) -> tuple[np.ndarray, dict[str, list[np.ndarray]]]:
    """Speakers that differ: correctness (beta-binomial), true values and errors have intraclass correlation 0.2."""
    n = n_groups * CLIPS
    speaker = np.repeat(np.arange(n_groups), CLIPS)
    truth = rng.choice(6, n, p=[0.3, 0.22, 0.18, 0.14, 0.1, 0.06])
    mass = 1 / ALIKE - 1
    right = rng.random(n) < rng.beta(RIGHT * mass, (1 - RIGHT) * mass, n_groups)[speaker]
    said = np.where(right, truth, (truth + rng.integers(1, 6, n)) % 6)
    values, errors = (
        np.sqrt(ALIKE) * rng.normal(size=n_groups)[speaker] + np.sqrt(1 - ALIKE) * rng.normal(size=n) for _ in range(2)
    )
    return speaker, {"classes": [truth, said], "value": [2 * values, 1.6 * values + errors]}


def arguments(name: str, columns: dict[str, list[np.ndarray]]) -> list[np.ndarray]:
    return [column for kind in METRICS.get(name).inputs for column in columns[kind]]


@pytest.fixture(scope="module")
def population() -> dict[str, list[np.ndarray]]:
    """A corpus of 100,000 speakers: what a metric of it is, is the truth."""
    return corpus(np.random.default_rng(99), 100_000)[1]


def test_the_simulated_speakers_are_as_alike_as_said(population: dict[str, list[np.ndarray]]) -> None:
    truth, said = population["classes"]
    for trait in (truth == said, population["value"][0], population["value"][1] - 0.8 * population["value"][0]):
        by_speaker = trait.astype(float).reshape(-1, CLIPS)
        between, within = by_speaker.mean(axis=1).var(), by_speaker.var(axis=1, ddof=1).mean()
        between -= within / CLIPS
        assert between / (between + within) == pytest.approx(ALIKE, abs=0.01)


def coverage(
    name: str, n_groups: int, simulations: int, population: dict[str, list[np.ndarray]]
) -> tuple[float, float]:
    """Share of simulated corpora whose interval holds the truth: groups resampled, and rows resampled."""
    metric = METRICS.get(name)
    truth = metric(*arguments(name, population))
    groups, rows = 0, 0
    for seed in range(simulations):
        speaker, columns = corpus(np.random.default_rng(seed), n_groups)
        found = interval(metric, arguments(name, columns), speaker, seed=seed)
        groups += found.low <= truth <= found.high
        assert found.method == ("bca" if n_groups >= FEW_GROUPS else "jackknife-t")
        if seed < simulations // 4:
            naive = interval(metric, arguments(name, columns), n_draws=200, seed=seed)
            rows += naive.low <= truth <= naive.high
    return groups / simulations, rows / (simulations // 4)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["waf", "mer2023_combined", "ccc"])
@pytest.mark.parametrize("n_groups", [24, 40])
def test_intervals_cover_the_truth_where_clips_of_a_speaker_are_alike(
    n_groups: int, name: str, population: dict[str, list[np.ndarray]]
) -> None:
    groups, rows = coverage(name, n_groups, 1000, population)
    assert 0.92 <= groups <= 0.97
    assert rows < 0.92


@pytest.mark.slow
@pytest.mark.parametrize("name", ["waf", "mer2023_combined", "ccc"])
@pytest.mark.parametrize("n_groups", [10, 15, 20, 25, 30, 60])
def test_intervals_cover_the_truth_with_few_and_many_speakers(
    n_groups: int, name: str, population: dict[str, list[np.ndarray]]
) -> None:
    assert 0.92 <= coverage(name, n_groups, 1000, population)[0] <= 0.97
