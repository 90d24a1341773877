"""The preference metric gives what the organisers' code gave on the recorded cases."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mertools import metrics
from mertools.metrics import InputError, ShapeError

RECORDED = json.loads((Path(__file__).parent / "golden" / "preference_cases.json").read_text())
FIGURES = {
    "twoclass": (metrics.prefer_waf2, metrics.prefer_accuracy2),
    "threeclass": (metrics.prefer_waf3, metrics.prefer_accuracy3),
}
STOPS = {"ValueError: Found empty input": "MER-S112", "KeyError": "MER-S111", "ValueError: Found input variables": ""}


@pytest.mark.parametrize("case", RECORDED["cases"], ids=lambda case: case["id"])
@pytest.mark.parametrize("classes", FIGURES)
def test_figures_and_stops_are_those_recorded(case: dict, classes: str) -> None:
    expected = case[classes]
    for name, function in zip(("waf", "acc"), FIGURES[classes], strict=True):
        if len(case["gt"]) != len(case["pred"]):  # the organisers cut to the shorter column, or stop: we always stop
            with pytest.raises(ShapeError):
                function(case["gt"], case["pred"])
        elif "error" in expected:
            code = next(code for start, code in STOPS.items() if expected["error"].startswith(start))
            with pytest.raises(InputError) as raised:
                function(case["gt"], case["pred"])
            assert raised.value.code == code
        else:
            assert function(case["gt"], case["pred"]) == pytest.approx(expected[name], rel=0, abs=1e-12)


@pytest.mark.parametrize("case", RECORDED["postprocess"], ids=lambda case: case["response"] or "empty")
def test_answers_are_read_as_recorded(case: dict[str, str]) -> None:
    assert metrics.preference_of_text(case["response"]) == case["label"]


def slow_preference(response: str) -> str:
    """Begins with one, else the first place at which one stands, else a tie."""
    text = response.lower()
    for label in ("a1", "a2", "same"):
        if text.startswith(label):
            return label
    for i in range(len(text)):
        for label in ("a1", "a2", "same"):
            if text[i:].startswith(label):
                return label
    return "same"


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(["a1", "A2", "same", "a", "1", " is ", "sam", "e", "İ", ""])).map("".join) | st.text())
def test_any_answer_is_read_by_the_rule(response: str) -> None:
    assert metrics.preference_of_text(response) == slow_preference(response)


def test_all_recorded_cases_are_here() -> None:
    assert (len(RECORDED["cases"]), len(RECORDED["postprocess"])) == (14, 15)


def test_an_unknown_preference_is_named_with_its_row() -> None:
    with pytest.raises(InputError, match=r"true preference 'A1' of row 2 .* Did you mean 'a1'"):
        metrics.prefer_waf2(["a2", "A1"], ["a1", "a1"])
    with pytest.raises(InputError, match=r"predicted preference 'tie' of row 1"):
        metrics.prefer_waf3(["a2"], ["tie"])
    with pytest.raises(ValueError, match="all 2 true preferences"):
        metrics.prefer_accuracy2(["same", "same"], ["a1", "a2"])
