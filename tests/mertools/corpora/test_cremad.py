"""CREMA-D: names, votes, demographics and folds, against the real tables where they are there."""

import csv
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from mertools import Corpus
from mertools.corpora import CORPORA, prepare
from mertools.corpora.cremad import SENTENCES, _cells, _majority, _name, _votes
from mertools.corpora.fakes import fake_wav
from mertools.corpora.tree import look_through
from mertools.errors import CorpusError


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    folder = tmp_path / "raw"
    CORPORA.get("cremad")().fake(folder)
    return folder


def test_names_and_demographics(raw: Path, tmp_path: Path) -> None:
    prepare("cremad", raw, tmp_path / "out")
    corpus = Corpus.read(tmp_path / "out")
    assert corpus.target("discrete").classes == ("anger", "disgust", "fear", "happiness", "neutral", "sadness")
    clip = corpus.clip("1020_DFA_HAP_XX")
    facts = {"discrete": "happiness", "fold": "2", "speaker": "1020", "sex": "female", "age": "30", "intensity": ""}
    assert {key: clip.cells[key] for key in facts} == facts
    assert clip.text() == "Don't forget a jacket."
    assert float(clip.cells["votes_both_happiness"]) == pytest.approx(6 / 11, abs=1e-4)
    assert corpus.terms.licence.startswith("ODbL")


def test_four_classes_and_broken_clips(raw: Path, tmp_path: Path) -> None:
    fake_wav(raw / "AudioWAV" / "1064_TIE_SAD_XX.wav")
    four = prepare("cremad", raw, tmp_path / "four", classes="4").corpus
    assert four.target("discrete").classes == ("anger", "happiness", "neutral", "sadness")
    assert len(four) == 9
    assert len(prepare("cremad", raw, tmp_path / "drop", broken="drop").corpus) == 12


def test_the_wav_is_preferred_and_a_name_with_one_x_is_mended(raw: Path, tmp_path: Path) -> None:
    fake_wav(raw / "AudioMP3" / "1001_DFA_ANG_XX.mp3")
    fake_wav(raw / "AudioWAV" / "1040_ITH_SAD_X.wav")
    corpus = prepare("cremad", raw, tmp_path / "out").corpus
    assert corpus.clip("1001_DFA_ANG_XX").audio == raw / "AudioWAV" / "1001_DFA_ANG_XX.wav"
    assert corpus.clip("1040_ITH_SAD_XX").cells["fold"] == "3"


def test_a_flash_video_is_read(raw: Path, tmp_path: Path) -> None:
    import av

    path = raw / "VideoFlash" / "1002_DFA_ANG_XX.flv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("flv", rate=Fraction(25))
        stream.width = stream.height = 64
        stream.pix_fmt = "yuv420p"
        for _ in range(5):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="rgb24")))
        container.mux(stream.encode())
    clip = prepare("cremad", raw, tmp_path / "out").corpus.clip("1002_DFA_ANG_XX")
    assert clip.video == path
    assert float(clip.cells["duration"]) > 0


def test_voted_labels_are_those_of_raters_who_saw_and_heard_and_a_tie_is_empty(raw: Path, tmp_path: Path) -> None:
    path = raw / "processedResults" / "tabulatedVotes.csv"
    with path.open() as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        if row["fileName"] == "1001_DFA_ANG_XX":
            row |= dict(zip("ADFHNS", "900000" if row[""][0] != "3" else "050000", strict=True))
        if row["fileName"] == "1001_DFA_DIS_XX" and row[""][0] == "3":
            row |= dict(zip("ADFHNS", "440000", strict=True))
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    made = prepare("cremad", raw, tmp_path / "out", labels="votes")
    assert made.corpus.clip("1001_DFA_ANG_XX").cells["discrete"] == "disgust"
    assert made.corpus.clip("1001_DFA_ANG_XX").cells["intended"] == "anger"
    assert made.corpus.clip("1001_DFA_DIS_XX").cells["discrete"] == ""
    assert any("1 clips have no single most voted emotion" in w for w in made.warnings)


def test_each_bad_folder_has_its_code(raw: Path, tmp_path: Path) -> None:
    path = raw / "processedResults" / "tabulatedVotes.csv"
    whole = path.read_text()

    def code(**options: str) -> str:
        with pytest.raises(CorpusError) as raised:
            prepare("cremad", raw, tmp_path / "out", **options)
        return raised.value.code

    path.write_text(whole.replace("fileName", "file"))
    assert code() == "MER-C202"
    path.write_text(whole.replace("100000", "900000"))
    assert code() == "MER-C201"
    path.write_text(whole.replace(",6,", ",many,"))
    assert code() == "MER-C205"
    path.unlink()
    assert code(labels="votes") == "MER-C200"
    for file in [*raw.rglob("*.wav"), *raw.rglob("*.mp4")]:
        file.rename(file.with_stem("x" + file.stem))
    assert code() == "MER-C207"


def test_real_names_votes_and_folds(real_data: Path) -> None:
    folder = real_data / "cremad_votes"
    with (folder / "SentenceFilenames.csv").open() as file:
        names = [row["Filename"] for row in csv.DictReader(file)]
    assert len(names) == 7_442
    assert all(_name(f"AudioWAV/{name}") == name for name in names)
    assert {name.split("_")[1] for name in names} == set(SENTENCES)
    with (folder / "hicmae_5fold.csv").open() as file:
        folds = {row["name"]: row["test_fold"] for row in csv.DictReader(file)}
    assert len(folds) == 7_437
    assert all(_cells(name, {})["fold"] == fold for name, fold in folds.items())
    votes = _votes(look_through(folder))
    assert votes.keys() == set(names)
    with (folder / "summaryTable.csv").open() as file:
        summary = {row["FileName"]: row["MultiModalVote"] for row in csv.DictReader(file)}
    letters = {"anger": "A", "disgust": "D", "fear": "F", "happiness": "H", "neutral": "N", "sadness": "S", "": ""}
    ours = {name: letters[_majority(votes[name])] for name in names}
    theirs = {name: vote if len(vote) == 1 else "" for name, vote in summary.items()}
    differ = [name for name in names if ours[name] != theirs[name]]
    assert not differ, differ[:5]
