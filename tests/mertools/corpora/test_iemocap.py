"""IEMOCAP: classes by merge, sessions and speakers from names, both layouts and the pickles, wrong input."""

from __future__ import annotations

import os
import pickle
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mertools import Corpus
from mertools.corpora import CORPORA, prepare
from mertools.corpora.fakes import fake_table, fake_text, fake_video, fake_wav
from mertools.errors import CorpusError


def fake(tmp_path: Path) -> Path:
    raw = tmp_path / "raw"
    raw.mkdir()
    CORPORA.get("iemocap")().fake(raw)
    return raw


def processed(folder: Path, labels: dict[str, int], classes: int = 4) -> Path:
    folder.mkdir(parents=True)
    whole = {name: {"emo": label, "val": -10} for name, label in labels.items()}
    np.savez_compressed(folder / f"label_{classes}way.npz", whole_corpus=whole)
    for name in labels:
        fake_wav(folder / "subaudio" / f"{name}.wav")
    return folder


def test_four_classes_merge_excited_into_happy_and_six_do_not(tmp_path: Path) -> None:
    raw = fake(tmp_path)
    four = prepare("iemocap", raw, tmp_path / "four").corpus
    assert four.target("discrete").classes == ("happy", "sad", "neutral", "angry")
    assert Counter(c.cells["discrete"] for c in four.clips) == {"neutral": 2, "happy": 2, "sad": 2}
    six = prepare("iemocap", raw, tmp_path / "six", classes="6").corpus
    assert six.target("discrete").classes == ("happy", "sad", "neutral", "angry", "excited", "frustrated")
    assert Counter(c.cells["discrete"] for c in six.clips) == {"neutral": 2, "excited": 2, "sad": 2}


def test_names_say_session_speaker_dialogue_and_side(tmp_path: Path) -> None:
    corpus = prepare("iemocap", fake(tmp_path), tmp_path / "out").corpus
    cells = corpus.clip("Ses02F_impro01_M001").cells
    assert {k: cells[k] for k in ("session", "speaker", "sex", "source", "side")} == {
        **{"session": "2", "speaker": "Ses02M", "sex": "male", "source": "Ses02F_impro01", "side": "right"}
    }
    assert corpus.clip("Ses02F_impro01_F000").cells["side"] == "left"
    assert {c.cells["speaker"] for c in corpus.clips} == {"Ses01F", "Ses01M", "Ses02F", "Ses02M"}
    assert corpus.clip("Ses01F_impro01_F000").text() == "Excuse me."
    assert corpus.transcripts == {"text": "human"}
    assert [s.role for s in corpus.splits] == ["train"]


def test_values_are_read_on_their_scale_and_utterances_of_other_emotions_are_told(tmp_path: Path) -> None:
    made = prepare("iemocap", fake(tmp_path), tmp_path / "out")
    assert made.corpus.target("valence").range == (1.0, 5.0)
    assert made.corpus.annotations("arousal", [made.corpus.clip("Ses01F_impro01_F002")]) == [3.5]
    assert "2 utterances of other emotions are left out: xxx 2." in made.warnings


def test_a_mean_above_the_scale_widens_the_range_instead_of_failing(tmp_path: Path) -> None:
    raw = fake(tmp_path)
    path = raw / "Session1/dialog/EmoEvaluation/Ses01F_impro01.txt"
    path.write_text(path.read_text().replace("[2.5000, 1.5000", "[5.5000, 1.5000"))
    assert prepare("iemocap", raw, tmp_path / "out").corpus.target("valence").range == (1.0, 5.5)


def test_whole_dialogues_are_cut_by_start_and_end(tmp_path: Path) -> None:
    raw = fake(tmp_path)
    for session in (1, 2):
        fake_video(raw / f"Session{session}/dialog/avi/DivX/Ses0{session}F_impro01.avi")
        (raw / f"Session{session}/dialog/avi/DivX/._Ses0{session}F_impro01.avi").write_bytes(b"rubbish of macOS")
    prepare("iemocap", raw, tmp_path / "out", media="dialogue")
    clip = Corpus.read(tmp_path / "out").clip("Ses01F_impro01_F002")
    assert clip.video == raw / "Session1/dialog/avi/DivX/Ses01F_impro01.avi"
    assert (clip.start_s, clip.end_s, clip.cells["duration"], clip.audio) == (2.0, 3.0, "1.000", None)


def test_the_processed_layout_with_its_repeated_transcript_rows(tmp_path: Path) -> None:
    labels = {"Ses05M_impro03_FXX0": 0, "Ses05F_script03_2_M011": 3, "Ses01F_impro01_F000": 2}
    folder = processed(tmp_path / "iemocap-process", labels)
    row = {"name": "Ses05M_impro03_FXX0", "chinese": "嗯", "english": "Yes, well."}
    other = {"name": "Ses05M_impro03_F001", "chinese": "x", "english": "not labelled"}
    fake_table(folder / "transcription-engchi-polish.csv", [row, row, other])
    fake_video(folder / "subvideo/Ses01F_impro01_F000.mp4")
    fake_video(folder / "subvideo-tgt/Ses01F_impro01_F000.avi")
    corpus = prepare("iemocap", tmp_path, tmp_path / "out").corpus
    assert [c.cells["discrete"] for c in corpus.clips] == ["happy", "angry", "neutral"]
    assert [c.cells["session"] for c in corpus.clips] == ["5", "5", "1"]
    assert corpus.clips[0].text() == "Yes, well.", "the language that is spoken"
    assert corpus.clips[0].text("text_zh") == "嗯"
    video = corpus.clip("Ses01F_impro01_F000").video
    assert video is not None
    assert video.parent.name == "subvideo-tgt", "the half of the picture with the speaker"
    assert [t.name for t in corpus.targets] == ["discrete"]


def test_the_pickle_that_the_label_file_was_made_from_is_read(tmp_path: Path) -> None:
    ids = {"Ses01F_impro01": ["Ses01F_impro01_F000", "Ses01F_impro01_M000"]}
    content = (ids, {"Ses01F_impro01": [4, 5]}, {}, {}, {"Ses01F_impro01"}, set())
    raw = tmp_path / "raw"
    raw.mkdir()
    (raw / "IEMOCAP_features_raw_6way.pkl").write_bytes(pickle.dumps(content, protocol=2))
    for name in ids["Ses01F_impro01"]:
        fake_wav(raw / "subaudio" / f"{name}.wav")
    corpus = prepare("iemocap", raw, tmp_path / "out", classes=6).corpus
    assert [c.cells["discrete"] for c in corpus.clips] == ["excited", "frustrated"]
    for wrong in ((ids, {}), (ids, {"Ses01F_impro01": [4]}, {}, {}, set(), set())):
        (raw / "IEMOCAP_features_raw_6way.pkl").write_bytes(pickle.dumps(wrong))
        with pytest.raises(CorpusError) as raised:
            prepare("iemocap", raw, tmp_path / "out", classes=6)
        assert raised.value.code == "MER-C137"


def test_a_hostile_pickle_is_refused_and_not_run(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> Any:
            return os.mkdir, (str(tmp_path / "canary"),)

    raw = tmp_path / "raw"
    raw.mkdir()
    (raw / "IEMOCAP_features_raw_4way.pkl").write_bytes(pickle.dumps(({}, {}, Evil(), {}, {}, {})))
    with pytest.raises(CorpusError) as raised:
        prepare("iemocap", raw, tmp_path / "out")
    assert raised.value.code == "MER-C121"
    assert not (tmp_path / "canary").exists()


@pytest.mark.parametrize(
    ("labels", "code"),
    [({"Ses01F_impro01_F000": 4}, "MER-C133"), ({"Ses09F_impro01_F000": 1}, "MER-C144"), ({"clip_1": 1}, "MER-C144")],
)
def test_each_wrong_label_has_its_code(tmp_path: Path, labels: dict[str, int], code: str) -> None:
    processed(tmp_path / "raw", labels)
    with pytest.raises(CorpusError) as raised:
        prepare("iemocap", tmp_path / "raw", tmp_path / "out")
    assert raised.value.code == code
    assert next(iter(labels)) in raised.value.message


def test_other_wrong_input(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="classes=5") as raised:
        prepare("iemocap", fake(tmp_path), tmp_path / "out", classes="5")
    assert raised.value.code == "MER-C143"
    empty = tmp_path / "empty"
    fake_text(empty / "Session1/dialog/EmoEvaluation/Ses01F_impro01.txt", "nothing\n")
    with pytest.raises(CorpusError, match="EmoEvaluation") as raised:
        prepare("iemocap", empty, tmp_path / "out")
    assert raised.value.code == "MER-C130"


def test_published_counts_follow_the_classes(tmp_path: Path) -> None:
    raw = fake(tmp_path)
    for classes, count in ((4, 5_531), (6, 7_433)):
        warnings = prepare("iemocap", raw, tmp_path / str(classes), classes=classes).warnings
        assert any(f"6 clips, published are {count}." in w for w in warnings)
