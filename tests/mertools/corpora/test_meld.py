"""MELD: names by split, speakers and episodes, mended quotation marks, both layouts, wrong input."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from mertools import Corpus
from mertools.corpora import CORPORA, prepare
from mertools.corpora.fakes import fake_table, fake_video, fake_wav
from mertools.errors import CorpusError


def fake(tmp_path: Path) -> Path:
    raw = tmp_path / "raw"
    raw.mkdir()
    CORPORA.get("meld")().fake(raw)
    return raw


def test_the_same_numbers_in_every_split_are_different_clips(tmp_path: Path) -> None:
    raw = fake(tmp_path)
    prepare("meld", raw, tmp_path / "out")
    corpus = Corpus.read(tmp_path / "out")
    assert [c.name for c in corpus.clips] == [f"{s}_dia0_utt{u}" for s in ("train", "val", "test") for u in (0, 1)]
    assert {s.name: s.role for s in corpus.splits} == {"train": "train", "val": "validation", "test": "test"}
    assert corpus.target("discrete").classes == ("anger", "joy", "sadness", "neutral", "disgust", "fear", "surprise")
    assert corpus.clip("val_dia0_utt1").video == raw / "dev_splits_complete/dia0_utt1.mp4"


def test_speaker_episode_and_dialogue_are_known(tmp_path: Path) -> None:
    cells = prepare("meld", fake(tmp_path), tmp_path / "out").corpus.clip("val_dia0_utt1").cells
    assert (cells["speaker"], cells["source"], cells["dialogue"]) == ("Joey", "s8e21", "val_dia0")


def test_quotation_marks_of_windows_are_mended(tmp_path: Path) -> None:
    corpus = prepare("meld", fake(tmp_path), tmp_path / "out").corpus
    assert corpus.clip("train_dia0_utt1").text() == "Well, 1\u2019s it."


def test_layouts_with_a_folder_per_split_are_read(tmp_path: Path) -> None:
    raw = fake(tmp_path)
    inner = tmp_path / "other" / "MELD.Raw"
    for theirs, folder in (
        ("train", "train_splits"),
        ("dev", "dev_splits_complete"),
        ("test", "output_repeated_splits_test"),
    ):
        shutil.copytree(raw / folder, inner / theirs / folder)
        shutil.copy(raw / f"{theirs}_sent_emo.csv", inner / theirs)
    fake_video(inner / "test/output_repeated_splits_test/final_videos_testdia0_utt0.mp4")
    made = prepare("meld", tmp_path / "other", tmp_path / "out")
    assert len(made.corpus) == 6
    assert all(clip.video for clip in made.corpus.clips)
    assert any("1 media files have no label, left out: test_final_videos_testdia0_utt0." in w for w in made.warnings)


def test_the_processed_layout(tmp_path: Path) -> None:
    folder = tmp_path / "meld-process"
    folder.mkdir()
    np.savez_compressed(
        folder / "label.npz",
        train_corpus={"train_dia1_utt2": {"emo": 1, "val": -10}},
        val_corpus={"val_dia1_utt2": {"emo": 0, "val": -10}},
        test_corpus={"test_dia1_utt2": {"emo": 6, "val": -10}},
    )
    names = [f"{split}_dia1_utt2" for split in ("train", "val", "test")]
    for name in names:
        fake_wav(folder / "subaudio" / f"{name}.wav")
    fake_table(
        folder / "transcription-engchi-polish.csv", [{"name": n, "chinese": "好", "english": "Fine."} for n in names]
    )
    corpus = prepare("meld", folder, tmp_path / "out").corpus
    assert [c.cells["discrete"] for c in corpus.clips] == ["joy", "anger", "surprise"]
    assert corpus.clip("test_dia1_utt2").cells["source"] == "test_dia1"
    assert (corpus.clips[0].text(), corpus.clips[0].text("text_zh")) == ("Fine.", "好")
    assert corpus.transcripts == {"text": "human", "text_zh": "machine translation"}


def test_a_faulty_video_is_kept_and_told(tmp_path: Path) -> None:
    raw = fake(tmp_path)
    (raw / "train_splits/dia0_utt1.mp4").write_bytes(b"broken")
    made = prepare("meld", raw, tmp_path / "out")
    assert "train_dia0_utt1" in {c.name for c in made.corpus.clips}
    assert any("cannot be opened" in w and "train_dia0_utt1" in w for w in made.warnings)


@pytest.mark.parametrize(
    ("change", "code", "says"),
    [
        ({"Emotion": "Joy"}, "MER-C133", "Did you mean 'joy'"),
        ({"Emotion": ""}, "MER-C133", "row 2 ('train_dia0_utt0')"),
        ({"Utterance_ID": "1"}, "MER-C132", "row 3"),
        ({"Speaker": None}, "MER-C131", "'Speaker'"),
    ],
)
def test_each_wrong_table_has_its_code(tmp_path: Path, change: dict[str, str | None], code: str, says: str) -> None:
    raw = fake(tmp_path)
    row = {"Utterance": "a", "Speaker": "b", "Emotion": "joy", "Dialogue_ID": "0", "Utterance_ID": "0"}
    rows = [row, row | {"Utterance_ID": "1"}]
    rows[0] = row | {k: v for k, v in change.items() if v is not None}
    for key in (k for k, v in change.items() if v is None):
        rows = [{k: v for k, v in r.items() if k != key} for r in rows]
    fake_table(raw / "train_sent_emo.csv", rows)
    with pytest.raises(CorpusError) as raised:
        prepare("meld", raw, tmp_path / "out")
    assert raised.value.code == code
    assert says in raised.value.message


def test_a_folder_without_the_training_table_says_what_was_expected(tmp_path: Path) -> None:
    raw = fake(tmp_path)
    (raw / "train_sent_emo.csv").unlink()
    with pytest.raises(CorpusError) as raised:
        prepare("meld", raw, tmp_path / "out")
    assert raised.value.code == "MER-C130"
    assert "train_sent_emo.csv" in raised.value.hint
    assert "dev_sent_emo.csv" in raised.value.message
