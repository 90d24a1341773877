"""Aff-Wild2: labels per frame as files of the corpus folder, two people in a video, test lists without labels."""

import csv
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mertools import Corpus, get_track
from mertools.corpora import CORPORA, Maker, Prepared, prepare
from mertools.corpora.affwild2 import HEADERS, _per_frame
from mertools.errors import CorpusError, MachineError
from mertools.labels import ABAW_EXPRESSIONS

ANNOTATIONS = "6th ABAW Annotations"


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    folder = tmp_path / "raw"
    CORPORA.get("affwild2")().fake(folder)
    return folder


def frames(corpus: Corpus, name: str) -> list[list[str]]:
    with (corpus.folder / corpus.clip(name).cells["labels"]).open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def test_expressions_of_each_frame(raw: Path, tmp_path: Path) -> None:
    prepare("affwild2", raw, tmp_path / "out")
    corpus = Corpus.read(tmp_path / "out")
    assert frames(corpus, "1-30") == [
        ["frame", "expression"],
        ["1", "Neutral"],
        ["2", "Happiness"],
        ["3", ""],
        ["4", "Other"],
    ]
    assert corpus.clip("1-30").cells["n_annotated"] == "3"
    assert {s.name: s.role for s in corpus.splits} == {"train": "train", "val": "validation", "test": "candidate"}
    assert "labels" not in {k for k, v in corpus.clip("4").cells.items() if v}


def test_two_people_share_a_video_and_have_crops_of_their_own(raw: Path, tmp_path: Path) -> None:
    corpus = prepare("affwild2", raw, tmp_path / "out").corpus
    left, right = corpus.clip("2-30_left"), corpus.clip("2-30_right")
    assert left.video == right.video == raw / "batch1" / "2-30.mp4"
    assert (left.cells["source"], left.cells["side"], right.cells["side"]) == ("2-30", "left", "right")
    assert left.cells["faces"] == "cropped_aligned/2-30_left"
    assert "faces" not in right.cells


def test_each_task_has_the_targets_of_its_track_and_empty_cells_for_marks(raw: Path, tmp_path: Path) -> None:
    for task in HEADERS:
        corpus = prepare("affwild2", raw, tmp_path / task, task=task).corpus
        track = get_track(f"abaw6-{task}")
        assert [(t.name, t.kind, t.classes, t.range, t.per) for t in corpus.targets] == [
            (t.name, t.kind, t.classes, t.range, t.per) for t in track.targets
        ]
        assert set(track.test_splits) | set(track.train_splits) <= {s.name for s in corpus.splits}
        rows = frames(corpus, "3")
        assert rows[0] == ["frame", *(t.name for t in corpus.targets)]
        if task == "va":
            assert rows[1:] == [["1", "0.1", "-0.2"], ["2", "", ""], ["3", "0.5", "0.25"], ["4", "1", "-1"]]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(-1, 7), max_size=30))
def test_every_line_becomes_a_row_of_its_frame(tmp_path: Path, marks: list[int]) -> None:
    path = tmp_path / "v.txt"
    path.write_text("\n".join([",".join(ABAW_EXPRESSIONS), *map(str, marks)]) + "\n")
    text, n_annotated = _per_frame(path, "expr")
    expected = [f"{i},{ABAW_EXPRESSIONS[m] if m >= 0 else ''}" for i, m in enumerate(marks, start=1)]
    assert text.splitlines() == ["frame,expression", *expected]
    assert n_annotated == sum(m >= 0 for m in marks)


@pytest.mark.parametrize(
    ("task", "content", "code"),
    [
        ("expr", "Neutral,Anger\n0\n", "MER-C220"),
        ("expr", ",".join((*ABAW_EXPRESSIONS[1:], "Neutral")) + "\n0\n", "MER-C220"),
        ("expr", "", "MER-C220"),
        ("expr", ",".join(ABAW_EXPRESSIONS) + "\n8\n", "MER-C221"),
        ("expr", ",".join(ABAW_EXPRESSIONS) + "\n0,1\n", "MER-C201"),
        ("va", "valence,arousal\n0.5\n", "MER-C201"),
        ("va", "valence,arousal\n0.5,1.5\n", "MER-C205"),
        ("au", ",".join(HEADERS["au"]) + "\n" + ",".join("2" * 12) + "\n", "MER-C221"),
    ],
)
def test_each_bad_annotation_has_its_code_and_leaves_nothing(
    raw: Path, tmp_path: Path, task: str, content: str, code: str
) -> None:
    folder = {"expr": "EXPR_Recognition", "va": "VA_Estimation", "au": "AU_Detection"}[task]
    (raw / ANNOTATIONS / f"{folder}_Challenge" / "Train_Set" / "1-30.txt").write_text(content)
    with pytest.raises(CorpusError) as raised:
        prepare("affwild2", raw, tmp_path / "out", task=task)
    assert raised.value.code == code
    assert not (tmp_path / "out").exists()


def test_lists_of_two_challenges_are_not_mixed(raw: Path, tmp_path: Path) -> None:
    (raw / "EXPR_test_set_release.txt").write_text("3\n")
    with pytest.raises(CorpusError, match="annotated in") as raised:
        prepare("affwild2", raw, tmp_path / "out")
    assert raised.value.code == "MER-C222"
    other = raw / "5th" / "EXPR_Classification_Challenge" / "Train_Set" / "3.txt"
    other.parent.mkdir(parents=True)
    other.write_text(",".join(ABAW_EXPRESSIONS) + "\n0\n")
    with pytest.raises(CorpusError, match="two annotations") as raised:
        prepare("affwild2", raw, tmp_path / "out")
    assert raised.value.code == "MER-C222"


def test_a_sample_file_is_a_test_list_too_and_none_is_told(raw: Path, tmp_path: Path) -> None:
    (raw / "EXPR_test_set_release.txt").unlink()
    made = prepare("affwild2", raw, tmp_path / "none")
    assert any("no list of test videos" in w for w in made.warnings)
    assert not (tmp_path / "none" / "labels" / "expr" / "4.csv").exists()
    sample = f"image_location,{','.join(ABAW_EXPRESSIONS)}\n4/00001.jpg,\n4/00002.jpg,\n"
    (raw / "CVPR_6th_ABAW_Expr_test_set_sample.txt").write_text(sample)
    corpus = prepare("affwild2", raw, tmp_path / "out").corpus
    assert [c.name for c in corpus.select(["test"])] == ["4"]


def test_files_are_written_before_the_manifest_and_none_outside(raw: Path, tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "blocked").mkdir()
    (tmp_path / "blocked" / "labels").write_text("in the way")
    with pytest.raises(MachineError):
        prepare("affwild2", raw, tmp_path / "blocked")
    assert not (tmp_path / "blocked" / "clips.csv").exists()
    maker: type[Maker] = CORPORA.get("affwild2")
    real = maker.make

    def escaping(self: Maker, raw: Path, out: Path, options: object) -> Prepared:
        made = real(self, raw, out, options)
        return Prepared(made.corpus, made.warnings, {"../outside.csv": "x"})

    monkeypatch.setattr(maker, "make", escaping)
    with pytest.raises(CorpusError, match="MER-C294"):
        prepare("affwild2", raw, tmp_path / "out")
    assert not (tmp_path / "outside.csv").exists()
