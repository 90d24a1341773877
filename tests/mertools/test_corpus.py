"""The manifest: what is written reads back, and every problem of a bad one is named at once."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mertools.corpus import Clip, Corpus, Split, Target, Terms
from mertools.errors import CorpusError

DISCRETE = Target("discrete", "classes", classes=("neutral", "happy"))
VALENCE = Target("valence", "value", range=(-5, 5))


def corpus_in(folder: Path, *clips: Clip, **fields: object) -> Corpus:
    defaults: dict[str, object] = {
        "splits": (Split("train"), Split("test", "test"), Split("wild", "unlabelled")),
        "targets": (DISCRETE, VALENCE),
    }
    return Corpus("toy", folder / "corpus", clips, folder / "media", **{**defaults, **fields})  # type: ignore[arg-type]


def write_csv(folder: Path, text: str, **fields: object) -> Path:
    """A valid corpus folder whose clips.csv is then replaced by `text`."""
    corpus = corpus_in(folder, Clip("a", "train", folder / "media" / "a.mp4"), **fields)
    corpus.write()
    (corpus.folder / "clips.csv").write_text(text, encoding="utf-8")
    return corpus.folder


def test_what_is_written_reads_back(tmp_path: Path) -> None:
    first = Clip("a", "train", tmp_path / "media/x/a.mp4", None, {"discrete": "happy", "note": "kept, with comma"})
    second = Clip("b", "wild", None, tmp_path / "media/b.wav", {"text": '多模态 "quoted"\nnew line'})
    corpus = corpus_in(
        tmp_path, first, second, terms=Terms("EULA", may_edit=False), seen_in=("mer2023",), transcripts={"text": "asr"}
    )
    corpus.write()
    again = Corpus.read(corpus.folder)
    assert (again.name, again.splits, again.targets) == (corpus.name, corpus.splits, corpus.targets)
    assert (again.terms, again.seen_in, again.transcripts) == (corpus.terms, corpus.seen_in, corpus.transcripts)
    assert [(c.name, c.split, c.video, c.audio) for c in again.clips] == [
        ("a", "train", tmp_path / "media/x/a.mp4", None),
        ("b", "wild", None, tmp_path / "media/b.wav"),
    ]
    assert again.clip("a").cells["note"] == "kept, with comma"
    assert again.clip("b").text() == '多模态 "quoted"\nnew line'


def test_the_folder_may_move_together_with_its_media(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    corpus_in(tmp_path / "one", Clip("a", "train", tmp_path / "one/media/a.mp4")).write()
    os.rename(tmp_path / "one", tmp_path / "two")
    assert Corpus.read(tmp_path / "two/corpus").clip("a").video == tmp_path / "two/media/a.mp4"


@settings(max_examples=40, deadline=None)
@example(cell="before\rafter")
@example(cell='a "quoted", cell\r\nof two lines')
@given(cell=st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=30))
def test_any_text_survives_the_manifest(tmp_path_factory: pytest.TempPathFactory, cell: str) -> None:
    folder = tmp_path_factory.mktemp("corpus")
    corpus = corpus_in(folder, Clip("a", "train", cells={"text": cell}))
    corpus.write()
    assert Corpus.read(corpus.folder).clip("a").cells["text"] == cell


@pytest.mark.parametrize(
    ("csv", "code", "named"),
    [
        ("", "MER-C016", "an empty file"),
        ("name,video\na,a.mp4\n", "MER-C016", "split"),
        ("name,split\n", "MER-C004", "no clips"),
        ("name,split,name\na,train,b\n", "MER-C017", "name"),
        ("name,split\na,train,extra\n", "MER-C018", "line 2"),
        ("name,split\na\n", "MER-C018", "line 2"),
        ("name,split\n,train\n", "MER-C005", "row 2"),
        ("name,split\na,train\na,test\n", "MER-C006", "row 3"),
        ("name,split\n../a,train\n", "MER-C007", "row 2"),
        ("name,split\na,trian\n", "MER-C008", "trian"),
        ("name,split,video\na,train,../../secret.mp4\n", "MER-C009", "leaves the media root"),
        ("name,split,video\na,train,/etc/passwd\n", "MER-C009", "leaves the media root"),
        ("name,split,discrete\na,wild,neutral\n", "MER-C011", "never a placeholder"),
        ("name,split,discrete\na,train,hapy\n", "MER-C012", "Did you mean 'happy'?"),
        ("name,split,valence\na,train,7\n", "MER-C012", "outside [-5, 5]"),
        ("name,split,valence\na,train,nan\n", "MER-C012", "not a finite number"),
        ("name,split,start\na,train,soon\n", "MER-C013", "not a number"),
        ("name,split,start,end\na,train,2,1\n", "MER-C013", "ends at 1 s, but starts at 2 s"),
        ("name,split,end\na,train,0\n", "MER-C013", "ends at 0 s"),
        ("name;split\na;train\n", "MER-C016", "not by ';'"),
        ("name,split\na\n", "MER-C018", "found 1 cells, expected 2"),
    ],
)
def test_each_defect_has_its_code_and_names_its_row(tmp_path: Path, csv: str, code: str, named: str) -> None:
    folder = write_csv(tmp_path, csv)
    with pytest.raises(CorpusError) as caught:
        Corpus.read(folder)
    assert caught.value.code == code
    assert named in str(caught.value)


def test_all_problems_are_reported_at_once(tmp_path: Path) -> None:
    folder = write_csv(tmp_path, "name,split,discrete,valence\na,train,hapy,9\na,nowhere,happy,x\n")
    with pytest.raises(CorpusError, match=r"5 problems") as caught:
        Corpus.read(folder)
    assert all(word in str(caught.value) for word in ("hapy", "9", "row 3", "nowhere", "'x'"))


def test_a_manifest_that_is_not_text_or_not_there(tmp_path: Path) -> None:
    folder = write_csv(tmp_path, "")
    (folder / "clips.csv").write_bytes(b"name,split\n\xff\xfe,train\n")
    with pytest.raises(CorpusError, match="UTF-8"):
        Corpus.read(folder)
    (folder / "clips.csv").unlink()
    with pytest.raises(CorpusError, match=r"clips\.csv does not exist"):
        Corpus.read(folder)
    (folder / "corpus.yaml").unlink()
    with pytest.raises(CorpusError, match="not a corpus folder") as caught:
        Corpus.read(folder)
    assert "mertools prepare folder" in caught.value.hint


@pytest.mark.parametrize(
    ("yaml", "named"),
    [
        ("- a list\n", "not a mapping"),
        ("name: toy\nsplitz: []\n", "Did you mean 'splits'?"),
        ("name: [\n", "not YAML"),
        ("name: toy\ntargets: [{name: x, kind: klasses}]\n", "klasses"),
    ],
)
def test_a_bad_header_is_a_corpus_error(tmp_path: Path, yaml: str, named: str) -> None:
    folder = write_csv(tmp_path, "name,split\na,train\n")
    (folder / "corpus.yaml").write_text(yaml, encoding="utf-8")
    with pytest.raises(CorpusError) as caught:
        Corpus.read(folder)
    assert named in str(caught.value)


def test_a_byte_order_mark_is_no_part_of_the_first_column(tmp_path: Path) -> None:
    folder = write_csv(tmp_path, "\ufeffname,split\na,train\n")
    assert Corpus.read(folder).clips[0].name == "a"


def test_an_invalid_corpus_is_not_written(tmp_path: Path) -> None:
    good = corpus_in(tmp_path, Clip("a", "train"))
    good.write()
    before = (good.folder / "clips.csv").read_bytes()
    with pytest.raises(CorpusError):
        replace(good, clips=(Clip("a", "train"), Clip("a", "train"))).write()
    assert (good.folder / "clips.csv").read_bytes() == before


def test_select_and_lookups(tmp_path: Path) -> None:
    corpus = corpus_in(tmp_path, Clip("a", "train", cells={"discrete": "happy"}), Clip("b", "test"))
    assert [c.name for c in corpus.select(["test"])] == ["b"]
    assert [c.name for c in corpus.select([])] == ["a", "b"]
    with pytest.raises(CorpusError, match="Did you mean 'test'"):
        corpus.select(["tset"])
    with pytest.raises(CorpusError, match="Did you mean 'valence'"):
        corpus.target("valance")
    assert corpus.annotations("discrete", corpus.clips) == ["happy", None]


@pytest.mark.parametrize(
    ("target", "cell", "parsed"),
    [
        (DISCRETE, " happy ", "happy"),
        (DISCRETE, "", None),
        (Target("valence", "value", missing=("-10",)), "-10", None),
        (VALENCE, "-0.25", -0.25),
        (Target("openset", "labels"), "['happy', 'proud']", ("happy", "proud")),
        (Target("openset", "labels"), "happy, proud", ("happy", "proud")),
        (Target("openset", "labels"), "[]", ()),
        (Target("preference", "preference"), "a2", "a2"),
    ],
)
def test_annotations_parse(target: Target, cell: str, parsed: object) -> None:
    assert target.parse(cell) == parsed
