"""Emotion-wheel scores are the organisers', case by case, and those of a slow loop on any words."""

import csv
import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mertools.errors import ConfigError, SubmissionError
from mertools.metrics import METRICS, ShapeError, case1, case2, wheel_table
from mertools.metrics.base import Runs
from mertools.metrics.intervals import interval
from mertools.metrics.wheel import wheel_rows
from mertools.openset import read_column
from mertools.wheels import Wheels

GOLDEN = json.loads((Path(__file__).parents[1] / "wheels" / "golden" / "wheel_cases.json").read_text())
EXACT = 1e-12
STOPS = {"edge_missing_name": "MER-S132", "edge_open_bracket_only": "MER-S131"}
FINAL = {"2025": "ew2025_f1", "2026": "ew2026_level1_f1"}
EW = METRICS.names("ew20*")


def same(found: float, expected: float | None) -> bool:
    return math.isnan(found) if expected is None else abs(found - expected) <= EXACT


@pytest.fixture(params=["2025", "2026"])
def year(request) -> str:
    return request.param


@pytest.fixture
def official(real_data, year) -> Wheels:
    return Wheels.read(real_data / "emotion_wheel" / year)


def measured(year: str, wheels: Wheels, truth, said) -> dict[str, float]:
    return {name: METRICS.get(name).bind(wheels=wheels)(truth, said) for name in EW if year in name}


@pytest.mark.parametrize("case", GOLDEN["cases"], ids=lambda case: case["id"])
def test_a_recorded_case_has_the_organisers_numbers(case, year, official) -> None:
    expected = case["expected"][year]
    names = list(case["gt"])
    if case["id"] in STOPS:
        assert all("error" in one for one in expected["per_metric"].values())
        with pytest.raises(SubmissionError) as error:
            read_column(case["pred"], names)
        assert error.value.code == STOPS[case["id"]]
        return
    truth, said = read_column(case["gt"], names, whose="true"), read_column(case["pred"], names)
    values = measured(year, official, truth, said)
    for level in (1, 2):
        assert same(values[f"ew{year}_level{level}_f1"], expected[f"level{level}"]["f"])
    for what in ("precision", "recall"):
        assert same(values[f"ew{year}_level1_{what}"], expected["level1"][what])
    if year == "2025":
        both = [expected["level1"]["f"], expected["level2"]["f"]]
        assert same(values["ew2025_f1"], None if None in both else sum(both) / 2)
    table = wheel_table(truth, said, wheels=official)
    found = {f"case3_{w}_level{n}": score for w, levels in table.items() for n, score in levels.items()}
    found |= {"case1": case1(truth, said, wheels=official), "case2": case2(truth, said, wheels=official)}
    assert set(found) == set(expected["per_metric"])
    for name, one in expected["per_metric"].items():
        assert found[name].n == one["n_scored"]
        assert same(found[name].precision, one["precision"] or 0.0)
        assert same(found[name].recall, one["recall"] or 0.0)


def test_the_example_of_mer2024_has_the_organisers_numbers(real_data, year, official) -> None:
    cells = {}
    for file in ("check", "predict"):
        with (real_data / "mer2024_ov" / f"{file}-openset.csv").open() as opened:
            cells[file] = {row["name"]: row["openset"] for row in csv.DictReader(opened)}
    names = list(cells["check"])
    truth, said = (read_column(cells[file], names) for file in ("check", "predict"))
    expected = GOLDEN["ov_store"]["results"][year]
    values = measured(year, official, truth, said)
    assert values[f"ew{year}_level1_f1"] == pytest.approx(expected["level1"]["f"], abs=EXACT)
    assert values[f"ew{year}_level2_f1"] == pytest.approx(expected["level2"]["f"], abs=EXACT)
    assert values[f"ew{year}_level1_precision"] == pytest.approx(expected["level1"]["p"], abs=EXACT)
    assert values[f"ew{year}_level1_recall"] == pytest.approx(expected["level1"]["r"], abs=EXACT)
    finals = {"2025": 0.4890961279190678, "2026": 0.5546077966514373}
    assert values[FINAL[year]] == pytest.approx(finals[year], abs=EXACT)
    table = wheel_table(truth, said, wheels=official)
    for name, one in expected["per_metric"].items():
        reduced = {"case1": case1, "case2": case2}.get(name)
        score = reduced(truth, said, wheels=official) if reduced else table[name[6:12]][int(name[-1])]
        assert score == pytest.approx([one[k] for k in ("precision", "recall", "f1_of_means", "n_scored")], abs=EXACT)


# -- on the built-in wheels, which are always there --------------------------------------------------------------------


def slow(truth, said, wheels: Wheels, wheel: int, level: int) -> tuple[list[float], list[float]]:
    """Precision and recall of the rows that count, by sets of words."""
    precision, recall = [], []
    for true_words, said_words in zip(truth, said, strict=True):
        g = {wheels.cluster(word, wheel, level) for word in true_words} - {None}
        p = {wheels.cluster(word, wheel, level) for word in said_words} - {None}
        if g:
            precision.append(len(g & p) / len(p) if p else 0.0)
            recall.append(len(g & p) / len(g))
    return precision, recall


def harmonic(p: float, r: float, empty: float) -> float:
    return 2 * p * r / (p + r) if p + r else empty


def objects(rows) -> np.ndarray:
    column = np.empty(len(rows), dtype=object)
    column[:] = rows
    return column


VOCABULARY = ["happy", "Sad ", "angry", "furious", "calm", "afraid", "worried", "amazed", "bored", "blorp", "proudly"]
WORDS = st.lists(st.sampled_from(VOCABULARY), max_size=5)
ROWS = st.lists(st.tuples(WORDS, WORDS), min_size=1, max_size=25)


@settings(max_examples=150, deadline=None)
@given(ROWS)
def test_the_scores_are_those_of_a_slow_loop_and_of_their_sums(rows) -> None:
    wheels = Wheels.builtin()
    truth, said = objects([t for t, _ in rows]), objects([s for _, s in rows])
    for name, empty in (("ew2025_f1", float("nan")), ("ew2026_level1_f1", 0.0)):
        by_level = []
        for level in (1, 2) if "2025" in name else (1,):
            scores = [slow(truth, said, wheels, wheel, level) for wheel in range(len(wheels.wheels))]
            f = [harmonic(sum(p) / len(p), sum(r) / len(r), empty) if p else empty for p, r in scores]
            by_level.append(sum(f) / len(f))
        expected = sum(by_level) / len(by_level)
        metric = METRICS.get(name).bind(wheels=wheels)
        assert metric(truth, said) == pytest.approx(expected, abs=EXACT, nan_ok=True)
        sums = metric.statistics(truth, said).sum(axis=0)
        assert sums.shape == (len(wheels.wheels) * 2 * 3,)
        several = metric.from_sums(np.stack([sums, 3 * sums]))
        assert several == pytest.approx([expected, expected], abs=EXACT, nan_ok=True)
        parts = metric.parts(sums, ["openset"])
        assert len(parts) == len(wheels.wheels) * len(by_level)
        assert sum(parts.values()) / len(parts) == pytest.approx(expected, abs=EXACT, nan_ok=True)


def test_nothing_in_common_is_undefined_in_2025_and_zero_in_2026() -> None:
    wheels = Wheels.builtin()
    for truth, said in ((("happy",), ("angry",)), (("blorp",), ("happy",))):
        for name in EW:
            value = METRICS.get(name).bind(wheels=wheels)([truth], [said])
            undefined = "2025" in name and ("_f1" in name or truth == ("blorp",))
            assert math.isnan(value) if undefined else value == 0.0


@pytest.mark.parametrize("name", EW)
def test_a_perfect_prediction_gets_one_and_rows_may_come_in_any_order(name) -> None:
    metric = METRICS.get(name).bind(wheels=Wheels.builtin())
    truth = objects([("happy", "calm"), ("angry",), ("blorp",), (), ("sad", "afraid")])
    said = objects([("happy",), ("angry", "sad"), ("calm",), ("angry",), ()])
    assert metric(truth, truth) == 1.0
    order = np.random.default_rng(0).permutation(5)
    assert metric(truth[order], said[order]) == pytest.approx(metric(truth, said), abs=EXACT)
    assert 0.0 < metric(truth, said) < 1.0


def test_an_interval_holds_the_score() -> None:
    rng = np.random.default_rng(0)
    words = np.array(VOCABULARY)
    truth = objects([tuple(rng.choice(words, 2)) for _ in range(80)])
    said = objects([t if rng.random() < 0.5 else tuple(rng.choice(words, 2)) for t in truth])
    metric = METRICS.get("ew2026_level1_f1").bind(wheels=Wheels.builtin())
    bounds = interval(metric, [truth, said], n_draws=200)
    assert bounds.low < metric(truth, said) < bounds.high


def test_more_than_64_clusters_are_counted() -> None:
    from mertools.wheels.tables import Wheel

    leaves = [("all", f"c{n}", f"leaf{n}") for n in range(150)]
    wheel = Wheel.from_rows("wide", leaves)
    forms = {label: (label,) for label in wheel.level1}
    wheels = Wheels((wheel,), forms, forms, forms, "unknown", "wide")
    score = wheel_table([("leaf149", "leaf3")], [("leaf149", "leaf100", "c100")], wheels=wheels)["wide"][2]
    assert score[:2] == (0.5, 0.5)


def test_a_metric_without_wheels_says_how_to_name_them() -> None:
    with pytest.raises(ConfigError, match="--wheels"):
        METRICS.get("ew2025_f1").bind(wheels=None)


@pytest.mark.parametrize("row", ["happy", ("happy", 3), None, Runs([("happy",)])])
def test_a_row_that_is_no_collection_of_words_is_refused(row) -> None:
    wheels = Wheels.builtin()
    for score in (wheel_rows, case1):
        with pytest.raises(ShapeError, match="collection of words"):
            score([row], [("happy",)], wheels=wheels)
        with pytest.raises(ShapeError):
            score([("happy",)], [("happy",), ("sad",)], wheels=wheels)
        with pytest.raises(ShapeError):
            score([], [], wheels=wheels)
