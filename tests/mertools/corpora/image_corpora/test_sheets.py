"""Tables and lists as corpora ship them, images found in one walk, and media that a corpus brings inside a table."""

from __future__ import annotations

import contextlib
import csv
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mertools.corpora import CORPORA, Maker, Prepared, prepare
from mertools.corpora.fakes import fake_image
from mertools.corpora.images import find_images, sort_by_folder
from mertools.corpora.sheets import pairs_of, rows_of
from mertools.corpus import Clip, Corpus, Split, Target
from mertools.errors import CorpusError, MachineError

CELL = st.text(st.characters(codec="utf-8", exclude_characters="\0\r\n", exclude_categories=["Cc"]), max_size=8)


def write(path: Path, rows: list[list[str]]) -> Path:
    if path.suffix == ".xlsx":
        from openpyxl import Workbook

        book = Workbook()
        for row in rows:
            book.active.append(row)
        book.save(path)
    else:
        with path.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows(rows)
    return path


@given(table=st.lists(st.tuples(CELL, CELL), max_size=6))
def test_every_cell_below_the_header_comes_back_stripped(
    table: list[tuple[str, str]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    rows = [["a remark"], ["File name", "", "On-Set"], *([first, "x", second] for first, second in table)]
    path = write(tmp_path_factory.mktemp("t") / "t.csv", rows)
    found = list(rows_of(path, {"file": ("Filename",), "onset": ("Onset Frame", "Onset")}))
    assert [(row["file"], row["onset"]) for row in found] == [(a.strip(), b.strip()) for a, b in table]
    assert [row.number for row in found] == list(range(3, 3 + len(table)))


@pytest.mark.parametrize("suffix", ["csv", "xlsx"])
def test_both_kinds_of_table_read_the_same(tmp_path: Path, suffix: str) -> None:
    path = write(tmp_path / f"t.{suffix}", [["Name", "Apex"], ["a", "3"], ["", ""], ["b", "/"]])
    found = [
        (row["name"], row["apex"], row["missing"]) for row in rows_of(path, {"name": ("name",), "apex": ("APEX",)})
    ]
    assert found == [("a", "3", ""), ("b", "/", "")]


def test_of_several_names_of_a_column_the_first_counts(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", [["Objective", "Estimated Emotion", "Emotion"], ["1", "anger", "fear"]])
    (row,) = rows_of(path, {"emotion": ("Estimated Emotion", "Emotion")})
    assert row["emotion"] == "anger"


def test_a_table_whose_header_never_comes_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", [["remark"]] * 50 + [["Name", "Apex"], ["a", "3"]])
    with pytest.raises(CorpusError) as raised:
        list(rows_of(path, {"name": ("Name",), "apex": ("Apex",)}))
    assert raised.value.code == "MER-C284"
    with pytest.raises(CorpusError) as raised:
        list(rows_of(tmp_path / "gone.csv", {"name": ("Name",)}))
    assert raised.value.code == "MER-C282"


@pytest.mark.parametrize(
    ("line", "name", "label"),
    [
        ("a.jpg 1", "a.jpg", "1"),
        ("a b.jpg\tpositive", "a b.jpg", "positive"),
        ("a.jpg, 0", "a.jpg", "0"),
        ("'a.jpg';-1;", "a.jpg", "-1"),
    ],
)
def test_pairs_are_parted_in_any_usual_way(tmp_path: Path, line: str, name: str, label: str) -> None:
    path = tmp_path / "list.txt"
    path.write_text(f"\n{line}\n")
    assert list(pairs_of(path)) == [(2, name, label)]


@settings(max_examples=60, deadline=None)
@given(content=st.binary(max_size=60), suffix=st.sampled_from(["csv", "xlsx", "txt"]))
def test_any_bytes_are_read_or_refused_with_a_code(
    content: bytes, suffix: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("t") / f"t.{suffix}"
    path.write_bytes(content)
    with contextlib.suppress(CorpusError):
        list(pairs_of(path) if suffix == "txt" else rows_of(path, {"a": ("a",)}))


def test_images_are_found_once_hidden_ones_not_and_unreadable_names_are_told(tmp_path: Path) -> None:
    fake_image(tmp_path / "b" / "Happy" / "x.PNG", side=4)
    fake_image(tmp_path / "a" / "x.jpg", side=4)
    (tmp_path / ".cache").mkdir()
    fake_image(tmp_path / ".cache" / "y.jpg", side=4)
    (tmp_path / "labels.csv").write_text("")
    images = find_images(tmp_path)
    assert [path.relative_to(tmp_path).as_posix() for path in images.files] == ["a/x.jpg", "b/Happy/x.PNG"]
    assert images.table("LABELS.csv") == tmp_path / "labels.csv"
    assert images.named("elsewhere/happy/X.png") == tmp_path / "b" / "Happy" / "x.PNG", (
        "longer paths count by their end"
    )
    assert images.named("sad/x.png") is None
    assert images.named("Happy\\X.png") == tmp_path / "b" / "Happy" / "x.PNG"
    assert images.named("x.jpg") == tmp_path / "a" / "x.jpg"
    found, others = sort_by_folder(images, {"happy": "joy"})
    assert [(image.label, image.split) for image in found] == [("joy", "train")]
    assert others == [tmp_path / "a" / "x.jpg"]
    try:
        os.rename(tmp_path / "a" / "x.jpg", os.fsencode(tmp_path) + b"/a/\xff.jpg")
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    assert "not UTF-8" in find_images(tmp_path).warnings[0]


class Inside(Maker):
    """A corpus whose only image lies inside a table."""

    name_of_file = "images/a.png"

    def make(self, raw: Path, out: Path, options: Any) -> Prepared:
        files: Mapping[str, bytes] = {self.name_of_file: b"pixels"}
        clip = Clip("a", "train", out / "images" / "a.png", None, {"discrete": "happy"})
        target = Target("discrete", "classes", classes=("happy",))
        return Prepared(Corpus("inside", out, (clip,), out, (Split("train"),), (target,)), (), files)

    def fake(self, raw: Path) -> dict[str, str]:
        return {}


@pytest.fixture
def inside(monkeypatch: pytest.MonkeyPatch) -> type[Inside]:
    monkeypatch.setattr(CORPORA, "get", lambda name: Inside)
    return Inside


def test_media_inside_a_table_are_written_once(inside: type[Inside], tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()
    out = tmp_path / "out"
    prepare("inside", tmp_path / "raw", out)
    clip = Corpus.read(out).clips[0]
    assert clip.video == out / "images" / "a.png"
    assert clip.video.read_bytes() == b"pixels"
    before = clip.video.stat().st_ino
    prepare("inside", tmp_path / "raw", out)
    assert clip.video.stat().st_ino == before, "an equal file is left alone"
    clip.video.write_bytes(b"damaged")
    prepare("inside", tmp_path / "raw", out)
    assert clip.video.read_bytes() == b"pixels"
    assert os.listdir(clip.video.parent) == ["a.png"], "nothing but the image is left"


def test_a_folder_that_cannot_be_made_is_told_and_no_manifest_is_written(inside: type[Inside], tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "images").write_text("a file where a folder should be")
    with pytest.raises(MachineError, match="could not be written"):
        prepare("inside", tmp_path / "raw", tmp_path / "out")
    assert os.listdir(tmp_path / "out") == ["images"]


@pytest.mark.parametrize("name", ["../a.png", "images/../../a.png", "/tmp/a.png", "."])
def test_media_never_leave_the_corpus_folder(
    inside: type[Inside], tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Inside, "name_of_file", name)
    (tmp_path / "raw").mkdir()
    with pytest.raises(CorpusError) as raised:
        prepare("inside", tmp_path / "raw", tmp_path / "out")
    assert raised.value.code == "MER-C294"
    assert not (tmp_path / "out").exists()
