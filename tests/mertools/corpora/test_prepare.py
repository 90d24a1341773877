"""Raw folders to manifests: any folder of clips, and EmoDB."""

from __future__ import annotations

import csv
import os
import wave
from pathlib import Path

import cv2
import numpy as np
import pytest

from mertools import Corpus, cli
from mertools.corpora import CORPORA, prepare
from mertools.errors import ConfigError, CorpusError


def write_wav(path: Path, seconds: float = 0.1) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(b"\1\0" * int(16_000 * seconds))


def write_rows(path: Path, *rows: dict[str, str]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    folder = tmp_path / "raw"
    for name in ("c", "a", "b"):
        write_wav(folder / "audio" / f"{name}.wav", 0.25)
    (folder / "video").mkdir()
    (folder / "video" / "a.mp4").write_bytes(b"not a video")
    (folder / ".hidden.wav").write_bytes(b"")
    (folder / "notes.txt").write_text("not media")
    return folder


def test_files_of_one_stem_are_one_clip(raw: Path, tmp_path: Path) -> None:
    prepared = prepare("folder", raw, tmp_path / "out")
    corpus = Corpus.read(tmp_path / "out")
    assert [c.name for c in corpus.clips] == ["a", "b", "c"]
    assert corpus.clip("a").video == raw / "video/a.mp4"
    assert corpus.clip("a").audio == raw / "audio/a.wav"
    assert corpus.clip("b").cells["duration"] == "0.250"
    assert corpus.clip("a").cells["duration"] == ""
    assert any("cannot be opened" in w and "a" in w for w in prepared.warnings)
    assert sorted(os.listdir(tmp_path / "out")) == ["clips.csv", "corpus.yaml"], "media are not copied"


def test_a_still_image_lasts_as_long_as_its_sound(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    write_wav(raw / "spoken.wav", 0.25)
    for name in ("spoken.png", "mute.png"):
        cv2.imwrite(str(raw / name), np.zeros((8, 8, 3), np.uint8))
    corpus = prepare("folder", raw, tmp_path / "out").corpus
    assert {c.name: c.cells["duration"] for c in corpus.clips} == {"mute": "0", "spoken": "0.250"}


def test_labels_transcripts_and_splits(raw: Path, tmp_path: Path) -> None:
    write_rows(
        raw / "labels.csv",
        {"name": "a.mp4", "split": "train", "discrete": "sad", "valence": "-1.5", "speaker": "s1"},
        {"name": "b", "split": "test1", "discrete": "happy", "valence": "", "speaker": "s2"},
        {"name": "ghost", "split": "train", "discrete": "sad", "valence": "0", "speaker": "s1"},
    )
    write_rows(raw / "transcripts.csv", {"name": "a", "chinese": "NA", "english": "well"})
    prepared = prepare("folder", raw, tmp_path / "out", valence_range="-5,5", transcript_origin="asr")
    corpus = Corpus.read(tmp_path / "out")
    assert {c.name: c.split for c in corpus.clips} == {"a": "train", "b": "test1", "c": "unlabelled"}
    assert {s.name: s.role for s in corpus.splits} == {"train": "train", "test1": "test", "unlabelled": "unlabelled"}
    assert corpus.target("discrete").classes == ("happy", "sad"), "MER's order"
    assert corpus.target("valence").range == (-5, 5)
    assert corpus.clip("a").text() == "NA"
    assert corpus.clip("a").text("text_en") == "well"
    assert corpus.transcripts == {"text": "asr", "text_en": "asr"}
    assert corpus.clip("b").cells["speaker"] == "s2"
    assert any("ghost" in w for w in prepared.warnings)


@pytest.mark.parametrize(
    ("files", "labels", "code"),
    [
        ([], "", "MER-C101"),
        (["x/a.wav", "y/a.wav"], "", "MER-C102"),
        (["a.mp4", "a.mov"], "", "MER-C102"),
        (["a.wav"], "clip,discrete\na,sad\n", "MER-C103"),
        (["a.wav"], "name,discrete\na,sad,3\n", "MER-C103"),
        (["a.wav"], "name,discrete\na,sad\na,sad\n", "MER-C104"),
        (["a.wav"], "name,discrete\nother,sad\n", "MER-C105"),
        (["a.wav"], "name,valence\na,high\n", "MER-C012"),
    ],
)
def test_each_bad_folder_has_its_code_and_leaves_nothing(
    tmp_path: Path, files: list[str], labels: str, code: str
) -> None:
    raw = tmp_path / "raw"
    raw.mkdir()
    for name in files:
        write_wav(raw / name)
    if labels:
        (raw / "labels.csv").write_text(labels)
    with pytest.raises(CorpusError) as caught:
        prepare("folder", raw, tmp_path / "out")
    assert caught.value.code == code
    assert not (tmp_path / "out").exists()


def test_a_name_that_is_not_text_is_left_out_with_a_warning(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    write_wav(raw / "good.wav")
    try:
        os.rename(raw / "good.wav", os.fsencode(raw) + b"/b\xffd.wav")
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    write_wav(raw / "good.wav")
    prepared = prepare("folder", raw, tmp_path / "out")
    assert [c.name for c in prepared.corpus.clips] == ["good"]
    assert any("not UTF-8" in w for w in prepared.warnings)


def test_a_manifest_edited_by_hand_is_kept_beside_the_new_one(raw: Path, tmp_path: Path) -> None:
    first = prepare("folder", raw, tmp_path / "out")
    manifest = tmp_path / "out" / "clips.csv"
    assert prepare("folder", raw, tmp_path / "out").warnings == first.warnings, "equal files are no news"
    edited = manifest.read_text().replace("train", "test", 1)
    manifest.write_text(edited)
    again = prepare("folder", raw, tmp_path / "out")
    assert (tmp_path / "out" / "clips.csv.old").read_text() == edited
    assert manifest.read_text() != edited
    assert any("clips.csv.old" in warning for warning in again.warnings)


def test_unknown_corpus_option_and_folder(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="Did you mean 'labels'"):
        prepare("folder", tmp_path, tmp_path / "out", label="x.csv")
    with pytest.raises(CorpusError, match="does not exist"):
        prepare("folder", tmp_path / "nowhere", tmp_path / "out")
    write_wav(tmp_path / "raw" / "a.wav")
    with pytest.raises(CorpusError, match="not a range"):
        prepare("folder", tmp_path / "raw", tmp_path / "out", valence_range="5")


def test_emodb_reads_names_and_keeps_the_classes_asked_for(tmp_path: Path) -> None:
    for name in ("03a01Fa", "08a02Nb", "16b10Wb", "13b02Lc", "readme"):
        write_wav(tmp_path / "raw/wav" / f"{name}.wav")
    prepared = prepare("emodb", tmp_path / "raw", tmp_path / "out")
    corpus = Corpus.read(tmp_path / "out")
    assert corpus.target("discrete").classes == ("neutral", "anger", "happiness", "boredom")
    clip = corpus.clip("08a02Nb")
    assert (clip.cells["discrete"], clip.cells["speaker"], clip.cells["sex"]) == ("neutral", "08", "female")
    assert clip.text() == "Das will sie am Mittwoch abgeben."
    assert any("readme" in w for w in prepared.warnings)
    few = prepare("emodb", tmp_path / "raw", tmp_path / "few", classes="anger,neutral").corpus
    assert [c.name for c in few.clips] == ["08a02Nb", "16b10Wb"]
    with pytest.raises(CorpusError, match="Did you mean 'anger'"):
        prepare("emodb", tmp_path / "raw", tmp_path / "none", classes="angre")
    with pytest.raises(CorpusError, match="no EmoDB recordings"):
        prepare("emodb", tmp_path / "raw/wav", tmp_path / "none", classes="fear")


def test_real_emodb_has_its_known_counts(real_data: Path, tmp_path: Path) -> None:
    corpus = prepare("emodb", real_data / "emodb", tmp_path / "out").corpus
    counts = dict.fromkeys(corpus.target("discrete").classes, 0)
    for annotation in corpus.annotations("discrete", corpus.clips):
        counts[str(annotation)] += 1
    assert counts == {"neutral": 79, "anger": 127, "happiness": 71, "sadness": 62}
    assert len({c.cells["speaker"] for c in corpus.clips}) == 10
    with (real_data / "emodb/labels.csv").open() as file:
        official = {Path(row["file"]).stem: row for row in csv.DictReader(file)}
    assert all(official[c.name]["emotion"] == c.cells["discrete"] for c in corpus.clips)
    assert all(official[c.name]["sex"] == c.cells["sex"][0] for c in corpus.clips)


def test_the_verb_prints_counts_and_json(raw: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_rows(raw / "labels.csv", {"name": "a", "discrete": "sad"}, {"name": "b", "discrete": "sad"})
    words = ["prepare", "folder", "--raw", str(raw), "--out", str(tmp_path / "out"), "name=toy"]
    assert cli.main(words) == 0
    out = capsys.readouterr()
    assert "toy: 3 clips" in out.out
    assert "sad 2" in out.out
    assert "warning" in out.err
    assert cli.main([*words, "--json"]) == 0
    assert '"clips": 3' in capsys.readouterr().out


def test_every_corpus_declares_licence_and_summary() -> None:
    for entry in CORPORA.entries():
        assert entry.licence
        assert entry.summary


def test_a_bad_annotation_names_the_users_file(tmp_path: Path) -> None:
    write_wav(tmp_path / "a.wav")
    (tmp_path / "labels.csv").write_text("name,valence\na,high\n")
    with pytest.raises(CorpusError, match=r"labels\.csv: row 2 \('a'\), column valence: 'high'"):
        prepare("folder", tmp_path, tmp_path / "out")


def test_labels_that_differ_by_a_slip_are_doubted(tmp_path: Path) -> None:
    labels = {"a": "happy", "b": "Happy", "c": "suprise", "d": "bored"}
    for name in labels:
        write_wav(tmp_path / f"{name}.wav")
    write_rows(tmp_path / "labels.csv", *({"name": n, "discrete": label} for n, label in labels.items()))
    doubts = [w for w in prepare("folder", tmp_path, tmp_path / "out").warnings if "Did you mean" in w]
    assert len(doubts) == 2
    assert "'Happy'. Did you mean 'happy'?" in doubts[0]
    assert "'suprise'. Did you mean 'surprise'?" in doubts[1]
