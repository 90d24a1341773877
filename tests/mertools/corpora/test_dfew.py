"""DFEW: label order from 1, five folds, names of five digits."""

from pathlib import Path

import pytest

from mertools import Corpus
from mertools.corpora import CORPORA, prepare
from mertools.corpora.fakes import fake_image, fake_table, fake_video
from mertools.errors import CorpusError

ORDER = ("happy", "sad", "neutral", "angry", "surprise", "disgust", "fear")


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    folder = tmp_path / "raw"
    CORPORA.get("dfew")().fake(folder)
    return folder


def list_of(raw: Path, fold: int, part: str = "test") -> Path:
    return raw / "EmoLabel_DataSplit" / f"{part}(single-labeled)" / f"set_{fold}.csv"


def test_labels_count_from_one_and_the_fold_is_the_test_list(raw: Path, tmp_path: Path) -> None:
    prepare("dfew", raw, tmp_path / "out")
    corpus = Corpus.read(tmp_path / "out")
    assert corpus.target("discrete").classes == ORDER
    assert [c.name for c in corpus.clips] == [f"{n:05d}" for n in range(1, 11)]
    assert [c.cells["discrete"] for c in corpus.clips] == [ORDER[n % 7] for n in range(1, 11)]
    assert [c.cells["fold"] for c in corpus.clips] == list("1234512345")
    assert corpus.clip("00001").cells["faces"] == "Clip/clip_224x224/00001"
    assert corpus.clip("00010").video == raw / "Clip/original/10.mp4"


def test_a_list_that_counts_from_zero_is_refused(raw: Path, tmp_path: Path) -> None:
    fake_table(list_of(raw, 1), [{"video_name": 1, "label": 0}, {"video_name": 6, "label": 6}])
    with pytest.raises(CorpusError, match=r"set_1\.csv, line 2: '0'") as raised:
        prepare("dfew", raw, tmp_path / "out")
    assert raised.value.code == "MER-C203"
    assert not (tmp_path / "out").exists()


def test_folders_of_frames_are_enough_but_the_stretched_ones_are_doubted(raw: Path, tmp_path: Path) -> None:
    (raw / "Clip" / "original" / "2.mp4").unlink()
    fake_image(raw / "Clip" / "clip_224x224_16f" / "00002" / "1.jpg")
    fake_image(raw / "Clip" / "clip_224x224_16f" / "00001" / "1.jpg")
    made = prepare("dfew", raw, tmp_path / "out")
    assert made.corpus.clip("00002").cells["faces"] == "Clip/clip_224x224_16f/00002"
    assert made.corpus.clip("00001").cells["faces"] == "Clip/clip_224x224/00001"
    assert any(w.startswith("1 clips have only the 16-frame version") for w in made.warnings)


def test_clips_without_media_and_media_without_label_are_told(raw: Path, tmp_path: Path) -> None:
    (raw / "Clip" / "original" / "3.mp4").unlink()
    fake_video(raw / "Clip" / "original" / "16000.mp4")
    made = prepare("dfew", raw, tmp_path / "out")
    assert len(made.corpus) == 9
    assert any("no media" in w and "00003" in w for w in made.warnings)
    assert any("no single label" in w and "16000" in w for w in made.warnings)
    assert any("published are 11697" in w for w in made.warnings)


@pytest.mark.parametrize(
    ("rows", "code"),
    [
        ([{"video_name": 2, "label": 3}], "MER-C209"),
        ([{"video_name": 1, "label": 5}], "MER-C204"),
        ([{"video_name": "film", "label": 1}], "MER-C201"),
        ([{"clip": 1, "label": 1}], "MER-C202"),
    ],
)
def test_each_bad_list_has_its_code(raw: Path, tmp_path: Path, rows: list[dict[str, object]], code: str) -> None:
    fake_table(list_of(raw, 1), rows)
    with pytest.raises(CorpusError) as raised:
        prepare("dfew", raw, tmp_path / "out")
    assert raised.value.code == code


def test_without_lists_the_expected_file_is_named(tmp_path: Path) -> None:
    fake_video(tmp_path / "raw" / "Clip" / "original" / "1.mp4")
    with pytest.raises(CorpusError, match=r"EmoLabel_DataSplit/test\(single-labeled\)/set_1\.csv") as raised:
        prepare("dfew", tmp_path / "raw", tmp_path / "out")
    assert raised.value.code == "MER-C200"
