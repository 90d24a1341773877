"""Werewolf-XL: lists of HiCMAE, three values, folds by game."""

from pathlib import Path

import pytest

from mertools import Corpus
from mertools.corpora import CORPORA, prepare
from mertools.errors import CorpusError


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    folder = tmp_path / "raw"
    CORPORA.get("werewolf-xl")().fake(folder)
    return folder


def test_values_folds_and_games(raw: Path, tmp_path: Path) -> None:
    prepare("werewolf-xl", raw, tmp_path / "out")
    corpus = Corpus.read(tmp_path / "out")
    assert [t.name for t in corpus.targets] == ["value_1", "value_2", "value_3"]
    clip = corpus.clip("01_01_10")
    assert [corpus.annotations(t.name, [clip])[0] for t in corpus.targets] == [0.5, 0.25, -1.0]
    assert {c.cells["source"]: c.cells["fold"] for c in corpus.clips} == {
        "01": "1",
        "07": "2",
        "13": "3",
        "19": "4",
        "25": "5",
    }
    assert clip.cells["faces"] == "openface/01_01_10/01_01_10_aligned"


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("/data/x /data/01_01_10.wav 0.5 0.25 high", "MER-C205"),
        ("/data/x /data/01_01_10.wav 0.5 0.25", "MER-C201"),
        ("/data/x /data/01_01_10.wav 0.5 0.25 0.25", "MER-C204"),
        ("/data/x /data/07_01_10.wav 0.5 0.25 -1.0", "MER-C209"),
    ],
)
def test_each_bad_line_has_its_code(raw: Path, tmp_path: Path, line: str, code: str) -> None:
    (raw / "split01" / "test.csv").write_text(line + "\n")
    with pytest.raises(CorpusError) as raised:
        prepare("werewolf-xl", raw, tmp_path / "out")
    assert raised.value.code == code


def test_the_lists_are_asked_for(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"split01/test\.csv"):
        prepare("werewolf-xl", tmp_path, tmp_path / "out")
