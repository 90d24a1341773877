"""Predictions in and out of CSV, keyed by name."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mertools.errors import SubmissionError
from mertools.labels import MER_EMOTIONS
from mertools.predictions import Predictions

CELLS = st.text(st.characters(blacklist_categories=("Cs", "Cc")), min_size=1, max_size=8)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_what_is_written_is_read_to_the_last_bit(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    names = tuple(data.draw(st.lists(CELLS, unique=True, max_size=6)))
    n = len(names)
    made = Predictions(
        names,
        MER_EMOTIONS,
        data.draw(arrays(float, (n, 6), elements=st.floats(0, 1))),
        {"valence": data.draw(arrays(float, n, elements=st.floats(allow_nan=False)))} if n else {},
        {"openset": tuple(f"[{data.draw(CELLS)}]" for _ in names)} if n else {},
    )
    path = tmp_path_factory.mktemp("p") / "p.csv"
    made.write(path)
    read = Predictions.read(path)
    assert (read.names, read.labels, read.discrete, read.texts) == (names, MER_EMOTIONS, made.discrete, made.texts)
    assert read.probabilities.tobytes() == made.probabilities.tobytes()
    assert read.probabilities.shape == (n, 6)
    for name, column in made.values.items():
        assert read.values[name].tobytes() == column.tobytes()


def test_the_most_probable_label_is_predicted_and_the_first_of_equals() -> None:
    probabilities = np.array([[0.2, 0.8, 0.0], [0.4, 0.2, 0.4]])
    assert Predictions(("a", "b"), ("x", "y", "z"), probabilities).discrete == ("y", "x")


def test_labels_without_probabilities_are_text(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text("name,discrete\na,sad\n")
    read = Predictions.read(tmp_path / "p.csv")
    assert (read.labels, read.texts) == ((), {"discrete": ("sad",)})


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("name,discrete\na,sad\na,sad\n", "MER-S001"),
        ("clip,discrete\na,sad\n", "MER-S006"),
        ("name,discrete\na\n", "MER-S007"),
        ("name,prob_sad\na,high\n", "MER-S008"),
        ("name,name\na,b\n", "MER-S009"),
        ("name,discrete,prob_sad,prob_happy\na,happy,0.9,0.1\n", "MER-S084"),
        ('name,discrete\n"a,sad\n', "MER-S005"),
        ("", "MER-S006"),
    ],
)
def test_a_file_that_is_none_of_ours_is_refused(text: str, code: str, tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text(text)
    with pytest.raises(SubmissionError) as raised:
        Predictions.read(tmp_path / "p.csv")
    assert raised.value.code == code
    assert "p.csv" in raised.value.message or code == "MER-S001"


def test_a_file_that_is_missing_or_not_utf8_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SubmissionError, match="does not exist"):
        Predictions.read(tmp_path / "none.csv")
    (tmp_path / "p.csv").write_bytes(b"name\n\xff\n")
    with pytest.raises(SubmissionError, match="UTF-8"):
        Predictions.read(tmp_path / "p.csv")


def test_arrays_of_another_length_are_refused() -> None:
    with pytest.raises(SubmissionError, match="shape"):
        Predictions(("a",), ("x", "y"), np.zeros((2, 2)))
    with pytest.raises(SubmissionError, match="'valence' has 2 rows"):
        Predictions(("a",), values={"valence": np.zeros(2)})


@pytest.mark.parametrize(
    "text",
    [
        "name,frame,valence,arousal\nv,1,0.5,-0.25\nv,2,0.5,0.0\n",
        "name,a1,a2,preference\nc,x,y,a1\nc,x,z,a2\n",
        "id,Extraversion,Open Mindedness\np1,0.5,1.5\n",
        'name,openset\nc,"happy, sad"\nd,[]\n',
        "name,description\nc,He smiles.\n",
    ],
)
def test_every_form_of_the_contract_is_read_and_written_again_as_it_was(text: str, tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text(text)
    Predictions.read(tmp_path / "p.csv").write(tmp_path / "q.csv")
    assert (tmp_path / "q.csv").read_text() == text


def test_rows_of_a_clip_are_told_apart_by_their_frames_or_pairs(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text("name,frame,valence\nv,1,0.5\nv,2,0.25\n")
    read = Predictions.read(tmp_path / "p.csv")
    assert read.row_keys == (("v", "1"), ("v", "2"))
    assert list(read.values) == ["valence"]
    (tmp_path / "p.csv").write_text("name,frame,valence\nv,1,0.5\nv,1,0.25\n")
    with pytest.raises(SubmissionError, match="'v 1' 2 times"):
        Predictions.read(tmp_path / "p.csv")
    with pytest.raises(SubmissionError, match="'frame' has 1 rows"):
        Predictions(("v", "v"), keys={"frame": ("1",)})
