"""Recorded groups are read without pickles, in runs or not, and mapped as MER2024's scorer maps them."""

import io
import json
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mertools.errors import SubmissionError
from mertools.metrics import set_overlap
from mertools.metrics.base import Runs
from mertools.wheels import Groups, Wheels
from mertools.wheels.synonyms import parse_groups

GOLDEN = json.loads((Path(__file__).parent / "golden" / "mer2024_ov_cases.json").read_text())
TEXTS = {"clip_a": "[['happy', 'joyful'], ['sad']]", "clip_b": "[['angry', 'mad']]"}


def save(folder: Path, texts: dict[str, str]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        np.save(folder / f"{name}.npy", np.array(text))
    return folder


def refused(path: Path, code: str) -> str:
    with pytest.raises(SubmissionError) as error:
        Groups.read(path)
    assert error.value.code == code
    return error.value.message


@pytest.mark.parametrize("row", GOLDEN["listlist_to_list"], ids=lambda row: row["input"] or "empty")
def test_an_answer_is_read_as_the_organisers_code_reads_it(row) -> None:
    assert [list(group) for group in parse_groups(row["input"])] == row["output"]


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="ab '\"[],\n", max_size=40))
def test_any_answer_has_groups_of_words(text) -> None:
    for group in parse_groups(text):
        assert group
        assert all(word.strip() not in ("", ",") for word in group)


def test_a_folder_of_one_run(tmp_path) -> None:
    groups = Groups.read(save(tmp_path / "openset-synonym", TEXTS))
    assert groups.runs == ({"clip_a": (("happy", "joyful"), ("sad",)), "clip_b": (("angry", "mad"),)},)
    assert Groups.read(tmp_path).runs == groups.runs  # the folder above will do
    assert groups.label == "recorded groups, 1 run over 2 clips"


def test_runs_are_folders_in_the_order_of_their_numbers(tmp_path) -> None:
    for n in (10, 2, 1):
        save(tmp_path / "all" / f"run{n}", {"clip_a": f"[['w{n}']]"})
    assert [run["clip_a"] for run in Groups.read(tmp_path / "all").runs] == [(("w1",),), (("w2",),), (("w10",),)]
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        for file in (tmp_path / "all").rglob("*.npy"):
            archive.write(file, file.relative_to(tmp_path))
    assert Groups.read(tmp_path / "all.zip").runs == Groups.read(tmp_path / "all").runs


def test_runs_of_different_clips_are_refused(tmp_path) -> None:
    save(tmp_path / "run1", TEXTS)
    save(tmp_path / "run2", {"clip_a": "[]"})
    assert "first 'clip_b'" in refused(tmp_path, "MER-S144")


def test_folders_that_are_no_runs_are_refused(tmp_path) -> None:
    save(tmp_path / "run1", TEXTS)
    save(tmp_path / "old", TEXTS)
    assert "'old'" in refused(tmp_path, "MER-S143")


def test_groups_are_written_and_read_back(tmp_path) -> None:
    groups = Groups(({"a": (("x", "y\u2019s"),)}, {"a": ()}), "two")
    groups.write(tmp_path / "groups.jsonl")
    assert Groups.read(tmp_path / "groups.jsonl").runs == groups.runs
    assert Groups.read(tmp_path).runs == groups.runs


@pytest.mark.parametrize(
    "line", ["{", "[]", '{"run": 1}', '{"run": 1, "name": "a", "groups": ["x"]}', '{"run": 1, "name": 2, "groups": []}']
)
def test_a_line_of_another_form_is_named(tmp_path, line) -> None:
    (tmp_path / "g.jsonl").write_text('{"run": 1, "name": "a", "groups": [["x"]]}\n' + line + "\n")
    assert "line 2" in refused(tmp_path / "g.jsonl", "MER-S142")


def test_pickles_are_never_opened(tmp_path) -> None:
    opened = tmp_path / "opened"

    class Bomb:
        def __reduce__(self):
            return (Path.touch, (opened,))

    np.save(tmp_path / "clip_a.npy", np.array(Bomb(), dtype=object), allow_pickle=True)
    assert "pickled objects" in refused(tmp_path, "MER-S142")
    (tmp_path / "clip_a.npy").write_bytes(pickle.dumps(Bomb()))
    assert "no .npy file" in refused(tmp_path, "MER-S142")
    assert not opened.exists()


def npy(dtype: str, shape: str = "()", content: bytes = b"") -> bytes:
    header = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}".encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + content


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (npy("<U500000000"), "cut short"),
        (npy("<U2", content=b"\xff" * 8), "holds no text"),
        (npy("<f8", content=bytes(8)), "float64"),
        (npy("<U1", "(3,)", bytes(12)), "array (3,)"),
        (b"", "no .npy file"),
        (b"PK\x03\x04", "no .npy file"),
        (npy("<U1")[:40], "no .npy file"),
    ],
)
def test_files_that_are_no_text_are_refused(tmp_path, content, said) -> None:
    (tmp_path / "clip_a.npy").write_bytes(content)
    assert said in refused(tmp_path, "MER-S142")


def test_both_byte_orders_are_text(tmp_path) -> None:
    np.save(tmp_path / "a.npy", np.array("[['é']]").astype(">U7"))
    assert Groups.read(tmp_path).runs[0]["a"] == (("é",),)


def test_large_and_damaged_files_are_refused(tmp_path) -> None:
    (tmp_path / "a.npy").write_bytes(bytes(2 << 20))
    assert "a.npy has" in refused(tmp_path, "MER-S147")
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.npy", bytes(2 << 20))
    (tmp_path / "bomb.zip").write_bytes(content.getvalue())
    assert "bomb.zip" in refused(tmp_path / "bomb.zip", "MER-S147")
    (tmp_path / "half.zip").write_bytes(content.getvalue()[:-30])
    assert "no readable zip" in refused(tmp_path / "half.zip", "MER-S142")


def test_nothing_to_read_is_said(tmp_path) -> None:
    assert "does not exist" in refused(tmp_path / "nowhere", "MER-S141")
    assert "no .npy file" in refused(tmp_path, "MER-S141")
    (tmp_path / "g.jsonl").write_text("\n")
    assert "is empty" in refused(tmp_path / "g.jsonl", "MER-S141")


def test_words_are_mapped_with_all_quirks() -> None:
    run = {"a": (("happy", "joy"), ("glad", "joy"), ("Sad", "BLUE"))}
    found = Groups((run,), "x").columns(["z", "a"], [("q",), ("HAPPY", "Joy", "blue")], [("q",), ("sad", "unknown")])
    assert found.rows.tolist() == [1]
    assert found.without == ("z",)
    assert found.truth.tolist() == [("happy", "glad", "blue")]
    assert found.prediction.tolist() == [("sad", "unknown")]


def test_several_runs_make_runs_in_each_row() -> None:
    found = Groups(({"a": (("x", "y"),)}, {"a": ()}), "x").columns(["a"], [("x",)], [("y",)])
    assert isinstance(found.truth[0], Runs)
    assert found.prediction[0] == (("x",), ("y",))
    assert set_overlap(found.truth, found.prediction) == 0.5


def test_groups_for_other_clips_are_refused() -> None:
    groups = Groups(({"a": (), "zz": ()},), "x", "folder")
    with pytest.raises(SubmissionError, match="folder has groups for 1 clips that the truth lacks, first 'zz'"):
        groups.columns(["a"], [()], [()])
    with pytest.raises(SubmissionError, match="none of the 1 clips"):
        Groups(({},), "x").columns(["a"], [()], [()])


def test_groups_without_a_language_model_are_the_same_every_time_and_say_what_they_are() -> None:
    truth, said = [("Happy", "furious", "blorp")], [("joyful", "angry", "blorp", "glum")]
    groups = Groups.offline(["a"], truth, said, Wheels.builtin())
    assert groups.runs == ({"a": (("angry", "furious"), ("blorp",), ("glum",), ("happy", "joyful"))},)
    assert "not official" in groups.label
    swapped = Groups.offline(["a"], [tuple(reversed(truth[0]))], said, Wheels.builtin())
    assert swapped.runs == groups.runs
    found = groups.columns(["a"], truth, said)
    assert set_overlap(found.truth, found.prediction) == pytest.approx((3 / 4 + 1) / 2)
