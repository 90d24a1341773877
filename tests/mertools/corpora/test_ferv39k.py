"""FERV39k: lists of all scenes; numbers repeat over scenes."""

from pathlib import Path

import pytest

from mertools import Corpus
from mertools.corpora import CORPORA, prepare
from mertools.errors import CorpusError


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    folder = tmp_path / "raw"
    CORPORA.get("ferv39k")().fake(folder)
    return folder


def lists(raw: Path) -> Path:
    return raw / "4_setups" / "All_scenes"


def test_labels_splits_and_scenes(raw: Path, tmp_path: Path) -> None:
    prepare("ferv39k", raw, tmp_path / "out")
    corpus = Corpus.read(tmp_path / "out")
    order = ("happy", "sad", "neutral", "angry", "surprise", "disgust", "fear")
    assert corpus.target("discrete").classes == order
    assert {s.name: s.role for s in corpus.splits} == {"train": "train", "test": "test"}
    assert [c.cells["discrete"] for c in corpus.select(["test"])] == list(order)
    assert {c.split: c.cells["scene"] for c in corpus.clips} == {"train": "Crime", "test": "Interview"}
    clip = corpus.clip("Crime_Happy_0063")
    assert clip.cells["faces"] == "2_ClipsforFaceCrop/Crime/Happy/0063"
    assert clip.video == raw / "1_Clips/Crime/Happy/0063.mp4"


def test_the_list_says_the_label_not_the_folder(raw: Path, tmp_path: Path) -> None:
    path = lists(raw) / "train_All.csv"
    path.write_text(path.read_text().replace("Crime/Happy/0063 Happy", "Crime/Happy/0063 Fear"))
    assert prepare("ferv39k", raw, tmp_path / "out").corpus.clip("Crime_Happy_0063").cells["discrete"] == "fear"


@pytest.mark.parametrize(
    ("content", "code"),
    [
        ("Crime/Happy/0063 Joy\n", "MER-C203"),
        ("0063 Happy\n", "MER-C201"),
        ("Interview/Happy/0063 Happy\n", "MER-C209"),
        ("Crime/Happy/0063 Happy\nCrime/Happy/0063 Sad\n", "MER-C204"),
        (None, "MER-C200"),
    ],
)
def test_each_bad_list_has_its_code(raw: Path, tmp_path: Path, content: str | None, code: str) -> None:
    path = lists(raw) / "train_All.csv"
    if content is None:
        path.unlink()
    else:
        path.write_text(content)
    with pytest.raises(CorpusError) as raised:
        prepare("ferv39k", raw, tmp_path / "out")
    assert raised.value.code == code
