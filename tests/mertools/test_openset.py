"""Cells are read as the organisers read them, and what is written reads the same everywhere."""

import contextlib
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mertools.errors import SubmissionError
from mertools.openset import PARSERS, cell_problems, format_words, read_column, words_meant

GOLDEN = Path(__file__).parent / "wheels" / "golden"
WHEEL = json.loads((GOLDEN / "wheel_cases.json").read_text())["string_to_list"]
OV = json.loads((GOLDEN / "mer2024_ov_cases.json").read_text())["string_to_list"]
TABLES = [("mer2025", one) for year in WHEEL.values() for one in year] + [("mer2024", one) for one in OV]
CELLS = st.text(alphabet="ab ['\"],;/.\n\t\u2019none", max_size=30)


@pytest.mark.parametrize(("parser", "row"), TABLES, ids=lambda x: repr(x["input"]) if isinstance(x, dict) else x)
def test_a_cell_is_read_as_the_organisers_code_reads_it(parser, row) -> None:
    if isinstance(row["output"], str):
        assert row["output"].startswith("IndexError")
        with pytest.raises(SubmissionError, match="scorer stops"):
            PARSERS[parser](row["input"])
    else:
        assert list(PARSERS[parser](row["input"])) == row["output"]


@pytest.mark.parametrize("cell", ["", "null", "None", "NA", "nan", "n/a", None, float("nan")])
@pytest.mark.parametrize("parser", PARSERS)
def test_what_csv_readers_take_for_nothing_is_no_word(parser, cell) -> None:
    assert PARSERS[parser](cell) == ()


@settings(max_examples=300, deadline=None)
@given(CELLS)
def test_any_cell_is_read_or_refused_with_a_code(cell) -> None:
    for parser in PARSERS.values():
        with contextlib.suppress(SubmissionError):
            assert all(isinstance(word, str) and word.strip() for word in parser(cell))


@settings(max_examples=300, deadline=None)
@given(st.lists(CELLS, max_size=5), st.sampled_from(sorted(PARSERS)))
def test_what_is_written_reads_back_as_the_cleaned_words_and_has_no_problem(words, parser) -> None:
    cell = format_words(words, parser)
    expected = tuple(dict.fromkeys(clean for word in words for clean in words_meant(word)))
    if cell == "[]":
        assert set(expected) <= {"none"}
        expected = ()
    assert PARSERS[parser](cell) == expected
    assert {p.kind for p in cell_problems(cell, parser)} <= {"many"}


def test_words_are_written_plainly() -> None:
    assert format_words(["Happy ", "sad.", "happy", "don't care", "a;b/c"]) == "happy, sad, don\u2019t care, a, b, c"
    assert format_words(["Happy", "sad"], "mer2024") == "['happy', 'sad']"
    assert format_words([]) == format_words(["null"]) == format_words(["[]", " "], "mer2024") == "[]"


KINDS = {
    "unreadable": ("[", "happy"),
    "scored as empty": ("none", "[[a],[b]]"),
    "separator": ("happy; sad", "['happy; sad']"),
    "dot": ("happy, sad.", "['sad.']"),
    "bracket": (" [happy, sad]", "['happy'] ['sad']"),
    "apostrophe": ("don't care", '["don\'t care"]'),
    "letters": ("happy, 高兴", "['高兴']"),
    "duplicate": ("sad, Sad", "['sad', 'Sad']"),
    "many": (",".join("abcdefghijk"), str(list("abcdefghijk"))),
    "long": (",".join(map(str, range(50_000))), str(list(map(str, range(50_000))))),
}


@pytest.mark.parametrize("kind", KINDS)
def test_each_defect_of_a_cell_is_told(kind) -> None:
    for parser, cell in zip(("mer2025", "mer2024"), KINDS[kind], strict=True):
        problems = cell_problems(cell, parser)
        assert kind in {p.kind for p in problems}
        assert len(problems) <= 10
        assert all(len(p.found) < 100 and p.expected for p in problems)


def test_blanks_inside_quotes_matter_in_2024_alone() -> None:
    assert [p.kind for p in cell_problems("[' happy']", "mer2024")] == ["blank"]
    assert cell_problems("[' happy']", "mer2025") == []


@pytest.mark.parametrize("cell", ["happy, sad", "[]", "", "['happy', 'sad']", "looking forward to", "don\u2019t care"])
def test_a_good_cell_has_no_problem(cell) -> None:
    assert [p.kind for p in cell_problems(cell) if cell] == []


def test_a_column_names_the_clip_whose_cell_cannot_be_read() -> None:
    column = read_column({"a": "x, y", "b": None}, ["b", "a"])
    assert column.shape == (2,)
    assert column.tolist() == [(), ("x", "y")]
    with pytest.raises(SubmissionError, match="clip 'c' has no predicted words") as error:
        read_column({}, ["c"])
    assert error.value.code == "MER-S132"
    with pytest.raises(SubmissionError, match=r"clip 'a'.*\["):
        read_column({"a": "["}, ["a"])


def test_lists_are_taken_as_they_are() -> None:
    for parser in PARSERS.values():
        assert parser(["a, b", " c"]) == parser(np.array(["a, b", " c"])) == ("a, b", " c")
        with pytest.raises(SubmissionError):
            parser(3.5)
