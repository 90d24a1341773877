"""Set overlap with synonym groups is MER2024's, case by case."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mertools.errors import SubmissionError
from mertools.metrics import METRICS, ShapeError, set_accuracy, set_overlap, set_recall
from mertools.metrics.base import Runs
from mertools.openset import read_column
from mertools.wheels import Groups
from mertools.wheels.synonyms import parse_groups

CASES = json.loads((Path(__file__).parents[1] / "wheels" / "golden" / "mer2024_ov_cases.json").read_text())["cases"]
EXACT = 1e-12
STOPS = {
    "empty_gt": "MER-S140",
    "no_brackets": "MER-S130",
    "missing_pred": "MER-S132",
    "extra_synonym": "MER-S145",
}
NAMES = ("set_accuracy", "set_recall", "set_overlap")


def scored(case) -> list[float]:
    groups = Groups(({name: parse_groups(text) for name, text in case["synonym"].items()},), "recorded")
    names = list(case["gt"])
    truth = read_column(case["gt"], names, "mer2024", whose="true")
    said = read_column(case["pred"], names, "mer2024")
    found = groups.columns(names, truth, said)
    values = [METRICS.get(name)(found.truth, found.prediction) for name in NAMES]
    return [*values, len(found.rows)]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_a_recorded_case_has_the_organisers_numbers(case) -> None:
    if "error" in case["result"]:
        with pytest.raises(SubmissionError) as error:
            scored(case)
        assert error.value.code == STOPS[case["id"]]
    else:
        expected = [case["result"][key] for key in ("accuracy", "recall", "avg", "n_scored")]
        assert scored(case) == pytest.approx(expected, abs=EXACT, rel=0)


def test_the_example_of_mer2024_has_the_published_numbers(real_data) -> None:
    folder = real_data / "mer2024_ov"
    cells = {}
    for file in ("check", "predict"):
        with (folder / f"{file}-openset.csv").open() as opened:
            cells[file] = {row["name"]: row["openset"] for row in csv.DictReader(opened)}
    names = sorted(cells["check"])
    groups = Groups.read(folder / "openset-synonym.zip")
    found = groups.columns(names, *(read_column(cells[file], names, "mer2024") for file in ("check", "predict")))
    values = [METRICS.get(name)(found.truth, found.prediction) for name in NAMES]
    assert values == pytest.approx([0.581777108433735, 0.4977911646586345, 0.5397841365461847], abs=EXACT, rel=0)
    assert found.without == ()
    assert sum(not words for words in found.prediction) == 5
    five = Groups(groups.runs * 5, "five").columns(names, *(read_column(cells[f], names, "mer2024") for f in cells))
    assert set_overlap(five.truth, five.prediction) == pytest.approx(values[2], abs=EXACT)


WORDS = st.lists(st.sampled_from("abcdef"), max_size=5)
ROWS = st.lists(st.tuples(WORDS.filter(bool), WORDS), min_size=1, max_size=20)


@settings(max_examples=200, deadline=None)
@given(ROWS)
def test_the_metrics_are_those_of_a_slow_loop_and_of_their_sums(rows) -> None:
    precision, recall = [], []
    for true, said in rows:
        hits = sum(1 for word in dict.fromkeys(said) if word in true)
        precision.append(hits / len(dict.fromkeys(said)) if said else 0.0)
        recall.append(hits / len(dict.fromkeys(true)))
    expected = [np.mean(precision), np.mean(recall), (np.mean(precision) + np.mean(recall)) / 2]
    truth, said = [t for t, _ in rows], [s for _, s in rows]
    for name, value in zip(NAMES, expected, strict=True):
        found = METRICS.get(name)
        columns = [np.fromiter(map(tuple, side), dtype=object, count=len(rows)) for side in (truth, said)]
        assert found(*columns) == pytest.approx(value, abs=EXACT)
        sums = found.statistics(*columns).sum(axis=0)
        assert float(found.from_sums(np.stack([sums, 2 * sums]))[1]) == pytest.approx(value, abs=EXACT)


def test_several_runs_are_averaged_over_runs() -> None:
    truth = [Runs([("a", "b"), ("a",)])]
    said = [Runs([("a",), ("c",)])]
    assert set_accuracy(truth, said) == 0.5
    assert set_recall(truth, said) == 0.25
    with pytest.raises(ShapeError, match="2 runs in the truth and 1"):
        set_accuracy(truth, [("a",)])


def test_no_statistics_make_no_number() -> None:
    assert np.isnan(METRICS.get("set_overlap").from_sums(np.zeros(3)))


@pytest.mark.parametrize("row", ["happy", 3, ("happy", 3), None])
def test_a_row_that_is_no_collection_of_words_is_refused(row) -> None:
    with pytest.raises(ShapeError, match="collection of words"):
        set_overlap([row], [("happy",)])
    with pytest.raises(ShapeError):
        set_overlap([("a",)], [("a",), ("b",)])
