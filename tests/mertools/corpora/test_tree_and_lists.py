"""What makers of official layouts share: the walk, label files, folds, and putting clips together."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mertools.corpora.assembling import Row, assemble
from mertools.corpora.fakes import fake_image, fake_text, fake_wav
from mertools.corpora.lists import Part, add_once, join_folds, known_label, number_in, read_lines, read_rows
from mertools.corpora.tree import Found, look_through
from mertools.errors import CorpusError


def stem(place: str) -> str:
    return place.rsplit("/", 1)[-1]


def test_one_walk_finds_media_frames_and_tables_and_passes_over_the_hidden(tmp_path: Path) -> None:
    fake_wav(tmp_path / "a" / "x.wav")
    fake_wav(tmp_path / ".cache" / "x.wav")
    (tmp_path / "a" / "X.FLV").write_bytes(b"")
    for number in (1, 2, 3):
        fake_image(tmp_path / "faces" / "x" / f"{number}.jpg", side=8)
    fake_text(tmp_path / "Lists" / "Set_1.CSV", "a")
    fake_text(tmp_path / "lists" / "unset_1.csv", "a")
    tree = look_through(tmp_path)
    assert [tree.within(p) for p in tree.media] == ["a/X.FLV", "a/x.wav"]
    assert {tree.within(p): n for p, n in tree.frames.items()} == {"faces/x": 3}
    assert [tree.within(p) for p, _ in tree.tables_like(r"set_(\d)\.csv")] == ["Lists/Set_1.CSV"]


def test_a_clip_has_the_media_and_frames_of_its_name(tmp_path: Path) -> None:
    for suffix in (".mp3", ".wav", ".avi"):
        (tmp_path / f"v.1{suffix}").write_bytes(b"")
    fake_image(tmp_path / "old" / "v.1" / "1.png", side=8)
    fake_image(tmp_path / "new" / "v.1" / "1.png", side=8)
    found = look_through(tmp_path).by_clip(stem, lambda place: int("old" in place))
    assert found == {
        "v.1": Found(tmp_path / "v.1.avi", tmp_path / "v.1.wav", tmp_path / "new" / "v.1", 1),
    }, "the wav is preferred to the mp3; a dot is part of the name"


def test_two_files_of_one_format_are_no_guess(tmp_path: Path) -> None:
    for folder in "ab":
        fake_wav(tmp_path / folder / "x.wav")
    with pytest.raises(CorpusError, match="two files would be the audio of clip 'x'") as raised:
        look_through(tmp_path).by_clip(stem)
    assert raised.value.code == "MER-C210"


def test_names_that_are_not_text_are_told(tmp_path: Path) -> None:
    fake_wav(tmp_path / "good.wav")
    try:
        os.rename(fake_wav(tmp_path / "bad.wav"), os.fsencode(tmp_path) + b"/b\xffd.wav")
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    tree = look_through(tmp_path)
    assert [p.name for p in tree.media] == ["good.wav"]
    assert "not text" in tree.warnings[0]


def test_rows_and_media_meet(tmp_path: Path) -> None:
    fake_wav(tmp_path / "a.wav")
    fake_wav(tmp_path / "spare.wav")
    fake_image(tmp_path / "frames" / "b" / "1.jpg", side=8)
    tree = look_through(tmp_path)
    rows = [Row(n, cells={"text": t}) for n, t in (("b", ""), ("a", ""), ("gone", ""), ("told", "hello"))]
    clips, warnings = assemble(rows, tree.by_clip(stem), tree)
    assert [c.name for c in clips] == ["b", "a", "told"], "in the order of the rows; a text is enough"
    assert clips[0].cells == {"text": "", "faces": "frames/b", "n_frames": "1"}
    assert clips[1].cells["duration"] == "0.300"
    assert any("1 labelled clips have no media" in w and "gone" in w for w in warnings)
    assert any("spare" in w for w in warnings)
    with pytest.raises(CorpusError) as raised:
        assemble([Row("x"), Row("y")], tree.by_clip(stem), tree)
    assert raised.value.code == "MER-C206"


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"a,b\n1,2,3\n", "MER-C201"),
        (b'a,b\n"1,2\n', "MER-C201"),
        (b"a,b\n\xff,1\n", "MER-C201"),
        (b"", "MER-C202"),
        (b"a;b\n1;2\n", "MER-C202"),
    ],
)
def test_bad_tables_have_their_codes(tmp_path: Path, content: bytes, code: str) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(content)
    with pytest.raises(CorpusError) as raised:
        read_rows(path, ("a", "b"))
    assert raised.value.code == code
    assert str(path) in raised.value.message


def test_a_good_table_is_read_with_line_numbers(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes("﻿a, b,c\r\n1, x ,\r\n2,y\r\n".encode())
    assert read_rows(path, ("a", "b")) == [(2, {"a": "1", "b": "x", "c": ""}), (3, {"a": "2", "b": "y", "c": ""})]
    path.write_bytes(b"\n one \n\n\xfe\n")
    with pytest.raises(CorpusError, match="not UTF-8"):
        read_lines(path)


@pytest.mark.parametrize(("cell", "good"), [("0", True), ("1.0", True), ("1.1", False), ("nan", False), ("x", False)])
def test_numbers_are_checked(cell: str, good: bool) -> None:
    if good:
        assert number_in(Path("f"), 3, cell, 0, 1) == cell
        return
    with pytest.raises(CorpusError, match="f, line 3") as raised:
        number_in(Path("f"), 3, cell, 0, 1)
    assert raised.value.code == "MER-C205"


def test_an_unknown_label_names_its_line_and_a_near_one() -> None:
    assert known_label(Path("f"), 3, "1", {"1": "happy"}) == "happy"
    with pytest.raises(CorpusError, match=r"f, line 3: 'hapy' .* Did you mean 'happy'") as raised:
        known_label(Path("f"), 3, "hapy", ("happy", "sad"))
    assert raised.value.code == "MER-C203"


def test_a_file_that_contradicts_itself_is_refused() -> None:
    labels: dict[str, str] = {}
    add_once(labels, "a", "happy", Path("f"), 1)
    add_once(labels, "a", "happy", Path("f"), 2)
    with pytest.raises(CorpusError) as raised:
        add_once(labels, "a", "sad", Path("f"), 3)
    assert raised.value.code == "MER-C204"


@given(
    st.dictionaries(st.text("abc", min_size=1, max_size=4), st.tuples(st.sampled_from("xy"), st.sampled_from("123")))
)
def test_folds_are_those_of_the_test_lists(truth: dict[str, tuple[str, str]]) -> None:
    parts = [
        Part(Path(f"{fold}{test}"), fold, test, {n: label for n, (label, f) in truth.items() if (f == fold) == test})
        for fold in "123"
        for test in (False, True)
    ]
    assert join_folds(parts) == (truth, [])
    joined, warnings = join_folds(part for part in parts if part.fold == "1")
    assert joined == {n: (label, "1" if fold == "1" else "") for n, (label, fold) in truth.items()}
    assert bool(warnings) == any(fold != "1" for _, fold in truth.values())


@pytest.mark.parametrize(
    ("parts", "code"),
    [
        ([("1", True, "happy"), ("2", True, "happy")], "MER-C209"),
        ([("1", True, "happy"), ("1", False, "happy")], "MER-C209"),
        ([("1", True, "happy"), ("2", False, "sad")], "MER-C204"),
    ],
)
def test_folds_that_overlap_or_disagree_are_refused(parts: list[tuple[str, bool, str]], code: str) -> None:
    with pytest.raises(CorpusError) as raised:
        join_folds([Part(Path(f"f{i}"), fold, test, {"a": label}) for i, (fold, test, label) in enumerate(parts)])
    assert raised.value.code == code
