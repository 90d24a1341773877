"""Floors are what trivial predictions get, for every kind of column."""

from dataclasses import replace

import numpy as np
import pytest

from mertools.metrics import METRICS, Metric
from mertools.metrics.base import Runs
from mertools.tracks.columns import objects
from submissions import floors as module
from submissions.floors import floors

WORDS = ["happy", "sad", "angry", "calm", "bored", "proud", "shy", "tired"]


def overlap_rows(truth: np.ndarray, prediction: np.ndarray, *, weight: float = 1.0) -> np.ndarray:
    """1, precision and recall of each row; stops where words are predicted and none is true, as MER2024's scorer."""
    rows = []
    for true, said in zip(truth, prediction, strict=True):
        pairs = list(zip(true, said, strict=True)) if isinstance(true, Runs) else [(true, said)]
        if any(b and not a for a, b in pairs):
            raise ZeroDivisionError
        shares = [(len({*a} & {*b}) / len(b), len({*a} & {*b}) / len(a)) if b else (0, 0) for a, b in pairs]
        rows.append([1, *(weight * np.mean(shares, axis=0))])
    return np.array(rows, float)


def overlap_from(sums: np.ndarray) -> np.ndarray:
    """F of the two means, which is not a mean over rows."""
    precision, recall = sums[..., 1] / sums[..., 0], sums[..., 2] / sums[..., 0]
    return np.divide(2 * precision * recall, precision + recall, out=np.zeros_like(recall), where=recall > 0)


def overlap_metric() -> Metric:
    def function(truth, prediction, *, weight=1.0):
        return float(overlap_from(overlap_rows(truth, prediction, weight=weight).sum(axis=0)))

    return replace(
        METRICS.get("waf"),
        name="overlap",
        inputs=("labels",),
        function=function,
        statistics=overlap_rows,
        from_sums=overlap_from,
        needs=("weight",),
    ).bind(weight=1.0)


def word_columns(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    share = np.array([8, 6, 4, 2, 2, 1, 1, 1]) / 25
    return tuple(
        objects([tuple(rng.choice(WORDS, rng.integers(1, 4), replace=False, p=share).tolist()) for _ in range(n)])
        for _ in range(2)
    )


def columns(metric: Metric, n: int, seed: int = 0) -> dict:
    rng = np.random.default_rng(seed)
    made = {}
    for kind in metric.inputs:
        if kind == "classes":
            made[kind] = (rng.choice(6, n, p=[0.4, 0.2, 0.1, 0.1, 0.1, 0.1]), rng.integers(0, 6, n))
        elif kind == "flags":
            made[kind] = ((rng.random((n, 3)) < [0.2, 0.5, 0.8]).astype(int), rng.integers(0, 2, (n, 3)))
        elif kind == "preference":
            made[kind] = tuple(rng.choice(["a1", "a2", "same"], n, p=[0.3, 0.6, 0.1]) for _ in range(2))
        elif kind == "labels":
            made[kind] = word_columns(n, seed)
        else:
            shape = (n, 2) if kind == "values" else n
            truth = rng.normal(1, 2, shape)
            made[kind] = (truth, truth + rng.normal(0, 1, shape))
    return made


NAMES = [name for name in METRICS.names() if not METRICS.get(name).needs and "labels" not in METRICS.get(name).inputs]


@pytest.mark.parametrize("name", NAMES)
def test_every_metric_has_floors_that_know_nothing_of_the_clips(name: str) -> None:
    metric = METRICS.get(name)
    found = floors(metric, columns(metric, 80))
    assert {"prior_draw", "shuffled"} < set(found)
    low, high = metric.range
    for floor in found.values():
        assert np.isnan(floor.value) or low <= floor.value <= high
    assert found["shuffled"].spread > 0


@pytest.mark.parametrize("name", NAMES)
def test_drawn_floors_are_those_of_a_slow_loop(name: str) -> None:
    metric = METRICS.get(name)
    given = columns(metric, 60)
    found = floors(metric, given)
    rng = np.random.default_rng(7)
    for which, side in (("prior_draw", 0), ("shuffled", 1)):
        loop = []
        for _ in range(200):
            pick = rng.integers(0, 60, 60) if side == 0 else rng.permutation(60)
            loop.append(metric(*[c for kind in metric.inputs for c in (given[kind][0], given[kind][side][pick])]))
        error = 5 * np.std(loop) * np.sqrt(1 / 100 + 1 / 200)
        assert found[which].value == pytest.approx(np.mean(loop), abs=error)
        assert found[which].spread == pytest.approx(np.std(loop), rel=0.35)


def test_long_columns_are_drawn_in_part_with_the_same_result(monkeypatch: pytest.MonkeyPatch) -> None:
    metric = METRICS.get("waf")
    given = columns(metric, 3000)
    whole = floors(metric, given)
    monkeypatch.setattr(module, "ROWS_PER_DRAW", 500)
    part = floors(metric, given)
    for name in ("prior_draw", "shuffled"):
        assert part[name].value == pytest.approx(whole[name].value, abs=0.005)
        assert part[name].spread == pytest.approx(whole[name].spread, rel=0.4)


def test_constants_of_each_kind() -> None:
    waf, rmse, au = METRICS.get("waf"), METRICS.get("mean_rmse"), METRICS.get("au_f1")
    truth = np.array([2, 2, 1, 0])
    found = floors(waf, {"classes": (truth, truth)})
    assert found["majority_class"].value == waf(truth, [2, 2, 2, 2])
    words = np.array(["sad", "sad", "angry", "happy"])
    assert floors(waf, {"classes": (words, words)})["majority_class"].value == waf(words, ["sad"] * 4)
    values = np.array([[0.0, 1.0], [2.0, 5.0]])
    found = floors(rmse, {"values": (values, values)})
    assert found["mean_values"].value == rmse(values, [[1.0, 3.0], [1.0, 3.0]])
    flags = np.array([[1, 0], [1, 0], [0, 1]])
    found = floors(au, {"flags": (flags, flags)})
    assert found["majority_class"].value == au(flags, [[1, 0]] * 3)
    assert found["all_set"].value == au(flags, np.ones((3, 2)))
    ties = np.array(["a1", "a2", "a2", "same"])
    found = floors(METRICS.get("prefer_waf2"), {"preference": (ties, ties)})
    assert found["always_a1"].value == METRICS.get("prefer_waf2")(ties, ["a1"] * 4)


def test_constants_come_from_the_training_set_where_it_is_given() -> None:
    combined = METRICS.get("mer2023_combined")
    truth, values = np.array([0, 0, 1]), np.array([1.0, 2.0, 3.0])
    given = {"classes": (truth, truth), "value": (values, values)}
    found = floors(combined, given, train={"classes": np.array([1, 1, 0]), "value": np.array([0.0])})
    assert found["majority_class"].value == combined(truth, [1, 1, 1], values, [0.0] * 3)
    assert found["mean_valence"].value == combined(truth, truth, values, [0.0] * 3)
    alone = floors(combined, given)
    assert alone["majority_class"].value == combined(truth, [0, 0, 0], values, [2.0] * 3)


def test_the_constant_set_is_the_best_a_greedy_loop_finds() -> None:
    metric = overlap_metric()
    truth, said = word_columns(120)
    found = floors(metric, {"labels": (truth, said)})["best_constant_set_of_truth"]
    best, value = (), -1.0
    while True:
        tries = {w: metric(truth, objects([(*best, w)] * 120)) for w in WORDS if w not in best}
        word = max(tries, key=tries.get)
        if tries[word] <= value:
            break
        best, value = (*best, word), tries[word]
    assert (found.words, found.value) == (best, pytest.approx(value))
    assert found.value > metric(truth, objects([("tired",)] * 120))


def test_the_constant_set_is_learned_from_the_training_set_and_called_so() -> None:
    metric = overlap_metric()
    truth, said = word_columns(50)
    found = floors(metric, {"labels": (truth, said)}, train={"labels": objects([("tired",), ("tired", "sad")])})
    assert "best_constant_set_of_truth" not in found
    assert found["best_constant_set"].words[0] == "tired"
    assert found["best_constant_set"].value == metric(truth, objects([found["best_constant_set"].words] * 50))


def test_runs_and_rows_without_true_words_have_floors_too() -> None:
    metric = overlap_metric()
    truth = objects([Runs([("sad",), ("sad", "low")]), Runs([(), ()]), Runs([("happy",), ("happy",)])] * 5)
    said = objects([Runs([("sad",), ("sad",)]), Runs([(), ()]), Runs([("angry",), ("happy",)])] * 5)
    found = floors(metric, {"labels": (truth, said)})
    assert set(found) == {"best_constant_set_of_truth", "prior_draw", "shuffled"}
    assert all(0 < floor.value < 1 for floor in found.values())


def test_floors_of_words_are_those_of_a_slow_loop() -> None:
    metric = overlap_metric()
    truth, said = word_columns(500)
    found = floors(metric, {"labels": (truth, said)})
    rng = np.random.default_rng(3)
    loop = [metric(truth, said[rng.permutation(500)]) for _ in range(60)]
    assert found["shuffled"].value == pytest.approx(np.mean(loop), abs=0.03)
    assert found["shuffled"].spread == pytest.approx(np.std(loop), rel=0.6)


def test_the_same_seed_gives_the_same_floors() -> None:
    metric = METRICS.get("waf")
    given = columns(metric, 100)
    assert floors(metric, given, seed=3) == floors(metric, given, seed=3)
    assert floors(metric, given, seed=3) != floors(metric, given, seed=4)
