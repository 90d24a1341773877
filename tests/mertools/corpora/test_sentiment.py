"""CMU-MOSI, CMU-MOSEI, CH-SIMS, CH-SIMS v2: values, sources, splits by clip and by video, every layout, wrong input."""

from __future__ import annotations

import pickle
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mertools import Corpus
from mertools.corpora import CORPORA, prepare
from mertools.corpora.fakes import fake_table, fake_text, fake_wav
from mertools.corpora.joining import Said
from mertools.corpora.sentiment import split_by_source
from mertools.errors import ConfigError, CorpusError

ALL = ("cmumosi", "cmumosei", "sims", "simsv2")


def fake(name: str, tmp_path: Path) -> Path:
    raw = tmp_path / "raw"
    raw.mkdir()
    CORPORA.get(name)().fake(raw)
    return raw


def processed(folder: Path, **splits: dict[str, Any]) -> Path:
    folder.mkdir(parents=True)
    entries = {f"{s}_corpus": {n: {"emo": 0, "val": v} for n, v in clips.items()} for s, clips in splits.items()}
    np.savez_compressed(folder / "label.npz", **entries)  # type: ignore[arg-type]
    rows = [{"name": n, "chinese": "你好", "english": "hello"} for clips in splits.values() for n in clips]
    fake_table(folder / "transcription-engchi-polish.csv", rows)
    return folder


def refused(name: str, raw: Path, tmp_path: Path, **options: Any) -> CorpusError:
    with pytest.raises(CorpusError) as raised:
        prepare(name, raw, tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()
    return raised.value


@pytest.mark.parametrize("name", ALL)
def test_every_one_has_a_value_a_source_and_official_splits(name: str, tmp_path: Path) -> None:
    prepare(name, fake(name, tmp_path), tmp_path / "out")
    corpus = Corpus.read(tmp_path / "out")
    assert {s.name: s.role for s in corpus.splits} == {"train": "train", "val": "validation", "test": "test"}
    assert corpus.target("valence").range == ((-3.0, 3.0) if name.startswith("cmu") else (-1.0, 1.0))
    for clip in corpus.clips:
        assert clip.name.startswith(clip.cells["source"] + "_")
        assert clip.text()
        assert clip.video
    assert corpus.transcripts["text"] == "human"


@pytest.mark.parametrize("name", ALL)
def test_the_processed_layout_keeps_values_exactly(name: str, tmp_path: Path) -> None:
    values = [np.float64(-0.6), np.float32(0.2), 1.0]
    raw = processed(
        tmp_path / f"{name}-process", train={"aBc_1_1": values[0]}, val={"d_2": values[1]}, test={"e_3": values[2]}
    )
    corpus = prepare(name, tmp_path, tmp_path / "out").corpus
    assert [c.cells["valence"] for c in corpus.clips] == ["-0.6", "0.2", "1.0"]
    assert [c.cells["source"] for c in corpus.clips] == ["aBc_1", "d", "e"]
    spoken, translated = ("hello", "text_zh") if name.startswith("cmu") else ("你好", "text_en")
    assert corpus.clips[0].text() == spoken
    origin = "machine translation" if name.startswith("cmu") else "translation"
    assert corpus.transcripts == {"text": "human", translated: origin}
    assert (raw / "label.npz").is_file()


def test_values_outside_the_scale_are_refused(tmp_path: Path) -> None:
    for name, value in (("cmumosi", 3.2), ("sims", -1.2), ("simsv2", 2.0)):
        processed(tmp_path / name, train={"a_1": value}, val={}, test={})
        error = refused(name, tmp_path / name, tmp_path)
        assert error.code == "MER-C142"
        assert "'a_1'" in error.message


# -- splits ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["sims", "simsv2"])
def test_splits_that_share_videos_are_told_and_can_be_made_disjoint(name: str, tmp_path: Path) -> None:
    clips = {f"video_{v:04d}_{c:04d}": 0.2 for v in range(10) for c in range(6)}
    parts = {
        s: {n: x for n, x in clips.items() if int(n[-1]) in t}
        for s, t in (("train", {0, 1, 2, 3}), ("val", {4}), ("test", {5}))
    }
    processed(tmp_path / "raw", **parts)
    official = prepare(name, tmp_path / "raw", tmp_path / "official")
    assert any("10 of 10 source videos of split test are also in train" in w for w in official.warnings)
    made = prepare(name, tmp_path / "raw", tmp_path / "video", splits="video")
    videos = {s: {c.cells["source"] for c in made.corpus.select([s])} for s in ("train", "val", "test")}
    assert not videos["train"] & videos["test"]
    assert not videos["train"] & videos["val"]
    assert not videos["val"] & videos["test"]
    sizes = Counter(c.split for c in made.corpus.clips)
    assert sizes.total() == 60
    assert all(abs(sizes[s] - len(parts[s])) <= 6 for s in parts)
    assert any("do not compare with published ones" in w for w in made.warnings)
    assert not any("published are" in w for w in made.warnings)
    assert not any("also in train" in w for w in made.warnings)
    again = prepare(name, tmp_path / "raw", tmp_path / "again", splits="video").corpus
    assert [c.split for c in again.clips] == [c.split for c in made.corpus.clips]


@given(st.lists(st.tuples(st.integers(0, 8), st.sampled_from(["train", "val", "test"])), min_size=1, max_size=60))
def test_no_source_is_ever_in_two_splits_and_none_is_lost(drawn: list[tuple[int, str]]) -> None:
    said = {f"c{n}": Said(split, {"source": f"v{video}"}) for n, (video, split) in enumerate(drawn)}
    official = Counter(entry.split for entry in said.values())
    largest = max(Counter(video for video, _ in drawn).values())
    split_by_source(said)
    home: dict[str, str] = {}
    for entry in said.values():
        assert home.setdefault(entry.cells["source"], entry.split) == entry.split
    for split, n in Counter(entry.split for entry in said.values()).items():
        assert n - official[split] < largest, "no split grows by more than one video"


def test_disjoint_corpora_are_not_warned_about(tmp_path: Path) -> None:
    made = prepare("cmumosi", fake("cmumosi", tmp_path), tmp_path / "out")
    assert not any("also in train" in w for w in made.warnings)
    with pytest.raises(ConfigError, match="splits"):
        prepare("cmumosi", tmp_path / "raw", tmp_path / "out", splits="speaker")


def test_signs_of_another_version_are_told(tmp_path: Path) -> None:
    values = [-1.0] * 92 + [0.0] * 14 + [1.0] * 123
    processed(tmp_path / "raw", train={"t_1": 1.0}, val={f"v_{n}": v for n, v in enumerate(values)}, test={})
    made = prepare("cmumosi", tmp_path / "raw", tmp_path / "out")
    assert (
        "split val has the published size, but 92 / 14 / 123 negative / zero / positive clips instead of 92 / 13 / 124."
    ) in made.warnings


# -- MMSA's table ----------------------------------------------------------------------------------------------------


def test_values_of_single_modalities_become_targets_where_they_are_known(tmp_path: Path) -> None:
    corpus = prepare("sims", fake("sims", tmp_path), tmp_path / "out").corpus
    assert [t.name for t in corpus.targets] == ["valence", "valence_text", "valence_audio", "valence_video"]
    clip = corpus.clip("video_0001_0003")
    assert [clip.cells[t.name] for t in corpus.targets] == ["0.0", "0.4", "-0.4", "0.0"]
    assert (clip.text(), clip.text("text_en")) == ("你好", "hello")
    raw = tmp_path / "mmsa"
    row = {"video_id": "video_0001", "clip_id": "7", "text": "好", "label": "-0.2", "label_T": "0.4", "mode": "train"}
    fake_table(raw / "label.csv", [row, row | {"clip_id": "0008", "label_T": ""}])
    fake_wav(raw / "Raw/video_0001/0007.wav")
    corpus = prepare("sims", raw, tmp_path / "table").corpus
    assert [c.name for c in corpus.clips] == ["video_0001_0007", "video_0001_0008"]
    assert corpus.annotations("valence_text", corpus.clips) == [0.4, None]
    assert corpus.clips[0].audio


@pytest.mark.parametrize(
    ("change", "code", "says"),
    [
        ({"mode": "unlabelled"}, "MER-C138", "'unlabelled'"),
        ({"label": "4"}, "MER-C142", "row 2 ('v', '1')"),
        ({"label": "good"}, "MER-C142", "'good'"),
        ({"clip_id": "2"}, "MER-C132", "row 3"),
    ],
)
def test_each_wrong_row_of_a_table_has_its_code(tmp_path: Path, change: dict[str, str], code: str, says: str) -> None:
    row = {"video_id": "v", "clip_id": "1", "text": "x", "label": "1", "mode": "train"}
    fake_table(tmp_path / "raw/label.csv", [row | change, row | {"clip_id": "2"}])
    error = refused("cmumosi", tmp_path / "raw", tmp_path)
    assert error.code == code
    assert says in error.message


def test_a_table_without_its_columns_and_a_strange_folder_say_what_was_expected(tmp_path: Path) -> None:
    fake_table(tmp_path / "raw/label.csv", [{"video_id": "v", "text": "x"}])
    error = refused("cmumosi", tmp_path / "raw", tmp_path)
    assert error.code == "MER-C131"
    assert "clip_id" in error.message
    (tmp_path / "raw/label.csv").rename(tmp_path / "raw/labels.csv")
    error = refused("cmumosi", tmp_path / "raw", tmp_path)
    assert error.code == "MER-C130"
    assert "label.csv with Raw/" in error.hint
    assert "CMUMOSI_features_raw_2way.pkl" in error.hint


# -- CH-SIMS as its authors have it ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("split", "index", "says"),
    [("val", "6", "'6'"), ("val", "-1", "'-1'"), ("test", "0", "video_0001_0001"), ("val", "x", "'x'")],
)
def test_index_files_of_another_version_are_refused(tmp_path: Path, split: str, index: str, says: str) -> None:
    raw = fake("sims", tmp_path)
    fake_table(raw / "metadata" / f"{split}_index.csv", [{"index": index}])
    error = refused("sims", raw, tmp_path)
    assert error.code == "MER-C138"
    assert f"{split}_index.csv, row 2" in error.message
    assert says in error.message


def test_clips_in_no_index_file_are_told_and_a_missing_index_file_is_refused(tmp_path: Path) -> None:
    raw = fake("sims", tmp_path)
    fake_table(raw / "metadata/test_index.csv", [{"index": 2}])
    made = prepare("sims", raw, tmp_path / "fewer")
    assert any("1 clips of label_M.csv are in no index file" in w for w in made.warnings)
    (raw / "metadata/val_index.csv").unlink()
    assert refused("sims", raw, tmp_path).code == "MER-C131"


# -- the label pickles -----------------------------------------------------------------------------------------------


def cmu_pickle(path: Path, *, protocol: int = 2, **change: Any) -> None:
    parts = {
        "ids": {"aBc": ["aBc_1", "aBc_2"], "dEf": ["dEf_1"], "gHi": ["gHi_1"]},
        "values": {"aBc": [-2.4, np.float32(1.5)], "dEf": [0.0], "gHi": np.array([3.0])},
        "unused": {"aBc": np.zeros(3)},
        "sentences": {"aBc": ["so", "and so"], "dEf": ["caf\u00e9"], "gHi": ["yes"]},
        **{"train": {"aBc"}, "val": ["dEf"], "test": {"gHi"}},
    }
    path.write_bytes(pickle.dumps(tuple((parts | change).values()), protocol=protocol))


@pytest.mark.parametrize("protocol", range(6))
def test_the_label_pickle_with_the_official_media(tmp_path: Path, protocol: int) -> None:
    raw = tmp_path / "raw"
    raw.mkdir()
    cmu_pickle(raw / "CMUMOSI_features_raw_2way.pkl", protocol=protocol)
    for name in ("aBc_1", "aBc_2", "gHi_1"):
        fake_wav(raw / "Raw/Audio/WAV_16000/Segmented" / f"{name}.wav")
    corpus = prepare("cmumosi", raw, tmp_path / "out").corpus
    assert [(c.name, c.split, c.cells["valence"]) for c in corpus.clips] == [
        *[("aBc_1", "train", "-2.4"), ("aBc_2", "train", "1.5"), ("dEf_1", "val", "0.0"), ("gHi_1", "test", "3.0")]
    ]
    assert corpus.clip("dEf_1").text() == "café"
    assert corpus.clip("aBc_1").audio
    assert corpus.clip("dEf_1").audio is None


@pytest.mark.parametrize(
    "change",
    [
        {"values": {"aBc": [1.0], "dEf": [0.0], "gHi": [1.0]}},
        {"train": {"elsewhere"}},
        {"test": {"aBc"}},
        {"ids": ["aBc"]},
        {"eighth": 0},
    ],
)
def test_label_pickles_of_another_shape_are_refused(tmp_path: Path, change: dict[str, Any]) -> None:
    (tmp_path / "raw").mkdir()
    cmu_pickle(tmp_path / "raw/CMUMOSI_features_raw_2way.pkl", **change)
    assert refused("cmumosi", tmp_path / "raw", tmp_path).code == "MER-C137"


def test_mosei_clips_are_parts_of_whole_videos(tmp_path: Path) -> None:
    raw = fake("cmumosei", tmp_path)
    path = raw / "Transcript/Segmented/Combined/dEf.txt"
    fake_text(path, path.read_text() + "dEf___2___5.0___4.0___backwards\n\nnot a line\n")
    made = prepare("cmumosei", raw, tmp_path / "out")
    clip = Corpus.read(tmp_path / "out").clip("-aBc_1_1")
    assert clip.video == raw / "Videos/Full/Combined/-aBc_1.mp4"
    assert (clip.start_s, clip.end_s, clip.cells["duration"]) == (0.3, 0.6, "0.300")
    assert clip.cells["source"] == "-aBc_1"
    assert any("2 lines of transcripts have no usable times" in w for w in made.warnings)


def test_corpora_that_hold_each_other_say_so(tmp_path: Path) -> None:
    assert prepare("sims", fake("sims", tmp_path), tmp_path / "out").corpus.seen_in == ("simsv2",)
