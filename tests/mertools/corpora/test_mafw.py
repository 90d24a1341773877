"""MAFW: the official order of 11 classes, compounds, five folds."""

from pathlib import Path

import pytest

from mertools import Corpus
from mertools.corpora import CORPORA, prepare
from mertools.corpora.fakes import fake_text
from mertools.errors import ConfigError, CorpusError

ORDER = (
    *("anger", "disgust", "fear", "happiness", "neutral", "sadness", "surprise"),
    *("contempt", "anxiety", "helplessness", "disappointment"),
)


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    folder = tmp_path / "raw"
    CORPORA.get("mafw")().fake(folder)
    return folder


def test_the_single_labels_have_the_official_order(raw: Path, tmp_path: Path) -> None:
    prepare("mafw", raw, tmp_path / "out")
    corpus = Corpus.read(tmp_path / "out")
    assert corpus.target("discrete").classes == ORDER
    assert [c.cells["discrete"] for c in corpus.clips] == list(ORDER)
    assert [c.cells["fold"] for c in corpus.clips] == list("12345123451")
    assert corpus.clip("00001").cells["faces"] == "clips_faces/00001"


def test_compounds_are_classes_after_the_single_ones(raw: Path, tmp_path: Path) -> None:
    folder = raw / "Train & Test Set" / "compound" / "no_caption"
    for path in folder.rglob("*.txt"):
        path.write_text(path.read_text().replace("00003.mp4 fear", "00003.mp4 anxiety_fear"))
    made = prepare("mafw", raw, tmp_path / "out", classes="43")
    assert made.corpus.target("discrete").classes == (*ORDER, "anger_disgust", "fear_anxiety")
    assert made.corpus.clip("00002").cells["discrete"] == "anger_disgust"
    assert made.corpus.clip("00003").cells["discrete"] == "fear_anxiety", "the parts stand in the official order"
    assert any("13 classes, published are 43" in w for w in made.warnings)
    assert any("published are 8996" in w for w in made.warnings)


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("00001.mp4 angry", "MER-C203"),
        ("00001.mp4 anger_disgust", "MER-C203"),
        ("00001.mp4", "MER-C201"),
        ("00001.mp4 fear", "MER-C204"),
        ("00002.mp4 disgust", "MER-C209"),
    ],
)
def test_each_bad_line_has_its_code(raw: Path, tmp_path: Path, line: str, code: str) -> None:
    fake_text(raw / "Train & Test Set" / "single" / "no_caption" / "set_1" / "test.txt", line + "\n")
    with pytest.raises(CorpusError) as raised:
        prepare("mafw", raw, tmp_path / "out")
    assert raised.value.code == code


def test_another_number_of_classes_and_a_folder_without_lists_are_refused(tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()
    with pytest.raises(ConfigError, match="is not one of: 11, 43"):
        prepare("mafw", tmp_path / "raw", tmp_path / "out", classes="7")
    with pytest.raises(CorpusError, match=r"compound/no_caption/set_1/test\.txt"):
        prepare("mafw", tmp_path / "raw", tmp_path / "out", classes="43")
