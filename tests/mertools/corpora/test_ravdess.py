"""RAVDESS: files of one utterance are one clip; six folds of four actors."""

from pathlib import Path

import numpy as np
import pytest

from mertools import Corpus
from mertools.corpora import CORPORA, prepare
from mertools.corpora.fakes import fake_video, fake_wav
from mertools.corpora.ravdess import EMOTIONS, _cells
from mertools.errors import CorpusError


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    folder = tmp_path / "raw"
    CORPORA.get("ravdess")().fake(folder)
    return folder


def test_video_and_speech_files_are_paired(raw: Path, tmp_path: Path) -> None:
    fake_video(raw / "Actor_01" / "02-01-01-01-01-01-01.mp4")
    fake_video(raw / "Actor_09" / "02-01-05-02-02-02-09.mp4")
    fake_wav(raw / "Actor_09" / "03-01-05-02-02-02-09.wav")
    fake_wav(raw / "Actor_10" / "03-01-05-02-02-02-10.wav")
    prepare("ravdess", raw, tmp_path / "out")
    corpus = Corpus.read(tmp_path / "out")
    assert len(corpus) == 18
    both = corpus.clip("01-01-01-01-01-01-01")
    assert both.video is not None
    assert both.video.name == "01-01-01-01-01-01-01.mp4", "the audio-visual file goes before the silent one"
    assert both.audio is not None
    silent = corpus.clip("01-01-05-02-02-02-09")
    assert silent.video is not None
    assert silent.video.name == "02-01-05-02-02-02-09.mp4"
    assert corpus.clip("01-01-05-02-02-02-10").video is None
    facts = {"discrete": "angry", "fold": "3", "speaker": "09", "sex": "male", "intensity": "strong"}
    assert {key: silent.cells[key] for key in facts} == facts
    assert silent.text() == "Dogs are sitting by the door."


def test_song_is_a_corpus_of_six_emotions(raw: Path, tmp_path: Path) -> None:
    for emotion in (1, 6):
        fake_wav(raw / "Audio_Song" / f"03-02-{emotion:02d}-01-01-01-24.wav")
    made = prepare("ravdess", raw, tmp_path / "out", channel="song")
    assert [c.name for c in made.corpus.clips] == ["01-02-01-01-01-01-24", "01-02-06-01-01-01-24"]
    assert made.corpus.target("discrete").classes == EMOTIONS[:6]
    assert any("published are 1012" in w for w in made.warnings)


def test_strange_names_are_told_and_a_folder_of_them_is_refused(raw: Path, tmp_path: Path) -> None:
    fake_wav(raw / "01-01-09-01-01-01-01.wav")
    assert any("not named as in RAVDESS" in w for w in prepare("ravdess", raw, tmp_path / "out").warnings)
    with pytest.raises(CorpusError, match="song") as raised:
        prepare("ravdess", raw, tmp_path / "none", channel="song")
    assert raised.value.code == "MER-C207"


def test_two_copies_are_refused(raw: Path, tmp_path: Path) -> None:
    fake_wav(raw / "audio_speech_actors_01-24" / "Actor_01" / "03-01-01-01-01-01-01.wav")
    with pytest.raises(CorpusError) as raised:
        prepare("ravdess", raw, tmp_path / "out")
    assert raised.value.code == "MER-C210"


def test_real_names_have_the_published_labels_and_folds(real_data: Path) -> None:
    with np.load(real_data / "ravdess_av_features" / "ravdess_au_mfcc.npz", allow_pickle=False) as archive:
        columns = {key: archive[key] for key in ("name", "emotion", "emotion_names", "actor", "fold")}
    assert tuple(columns["emotion_names"]) == EMOTIONS
    assert len(columns["name"]) == 1_440
    for row, name in enumerate(columns["name"]):
        cells = _cells(str(name))
        assert cells["discrete"] == EMOTIONS[columns["emotion"][row]]
        assert int(cells["speaker"]) == columns["actor"][row]
        assert int(cells["fold"]) == columns["fold"][row]
