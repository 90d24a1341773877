"""eNTERFACE'05: the folders say who and what, the file names may lie."""

from pathlib import Path

import pytest

from mertools import Corpus
from mertools.corpora import CORPORA, prepare
from mertools.corpora.enterface import _cells
from mertools.corpora.fakes import fake_video, fake_wav
from mertools.errors import CorpusError


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    folder = tmp_path / "raw"
    CORPORA.get("enterface")().fake(folder)
    return folder


def test_folders_say_subject_emotion_and_sentence(raw: Path, tmp_path: Path) -> None:
    fake_video(raw / "subject_11" / "anger" / "sentence_2" / "s12_an_2.avi")
    fake_wav(raw / "subject_11" / "anger" / "sentence_2" / "s12_an_2.wav")
    prepare("enterface", raw, tmp_path / "out")
    corpus = Corpus.read(tmp_path / "out")
    assert corpus.target("discrete").classes == ("anger", "disgust", "fear", "happiness", "sadness", "surprise")
    clip = corpus.clip("subject_11_anger_2")
    assert clip.video is not None
    assert clip.audio is not None
    facts = {"speaker": "11", "fold": "2", "discrete": "anger", "sentence": "2"}
    assert {key: clip.cells[key] for key in facts} == facts
    assert [c.cells["speaker"] for c in corpus.clips] == ["1"] * 6 + ["11"] + ["12"] * 6, "by number, not by text"


def test_folds_are_those_of_the_published_lists() -> None:
    folds = {n: int(_cells(f"subject_{n}_anger_1")["fold"]) for n in range(1, 45) if n != 6}
    expected = {1: range(1, 11), 2: range(11, 20), 3: range(20, 29), 4: range(29, 38), 5: range(38, 45)}
    assert folds == {n: fold for fold, subjects in expected.items() for n in subjects if n != 6}


def test_uncut_videos_are_left_out_and_told(raw: Path, tmp_path: Path) -> None:
    fake_video(raw / "subject 6" / "anger" / "s6_an.avi")
    made = prepare("enterface", raw, tmp_path / "out")
    assert len(made.corpus) == 12
    assert any("not cut into sentences" in w and "subject 6/anger" in w for w in made.warnings)


def test_bad_folders_are_refused(raw: Path, tmp_path: Path) -> None:
    fake_video(raw / "subject 1" / "anger" / "sentence 1" / "copy.avi")
    with pytest.raises(CorpusError) as raised:
        prepare("enterface", raw, tmp_path / "out")
    assert raised.value.code == "MER-C210"
    with pytest.raises(CorpusError) as raised:
        prepare("enterface", raw / "subject 1", tmp_path / "out")
    assert raised.value.code == "MER-C207"
