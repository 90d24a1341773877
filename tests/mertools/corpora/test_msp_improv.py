"""MSP-IMPROV: the evaluation file, classes and dimensions, sessions and speakers."""

from pathlib import Path

import pytest

from mertools import Corpus
from mertools.corpora import CORPORA, prepare
from mertools.corpora.fakes import fake_text, fake_wav
from mertools.errors import CorpusError

TURN = "S01A-F01-P-FM01"


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    folder = tmp_path / "raw"
    CORPORA.get("msp-improv")().fake(folder)
    return folder


def test_classes_dimensions_and_people(raw: Path, tmp_path: Path) -> None:
    fake_text(raw / "Text" / f"MSP-IMPROV-{TURN}.txt", "How can I not?\n")
    prepare("msp-improv", raw, tmp_path / "out")
    corpus = Corpus.read(tmp_path / "out")
    assert corpus.target("discrete").classes == ("anger", "happiness", "neutral", "sadness")
    assert corpus.target("dominance").range == (1, 5)
    assert corpus.annotations("discrete", corpus.clips)[:6] == ["anger", "happiness", "neutral", "sadness", None, None]
    clip = corpus.clip(f"MSP-IMPROV-{TURN}")
    facts = {"arousal": "3.9", "valence": "3.1", "dominance": "3.5", "session": "1", "speaker": "F01", "sex": "female"}
    assert {key: clip.cells[key] for key in facts} == facts
    assert clip.text() == "How can I not?"
    assert corpus.clips[1].cells["dominance"] == "", "NaN is no number"
    assert {c.cells["session"] for c in corpus.clips} == {"1", "2"}
    stored = prepare("msp-improv", raw, tmp_path / "stored", activation="stored").corpus
    assert stored.clip(f"MSP-IMPROV-{TURN}").cells["arousal"] == "2.1"


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        (f"{TURN}.avi; A;", f"{TURN}.avi; Q;", "MER-C203"),
        ("V:3.1", "V:6.1", "MER-C205"),
        (f"{TURN}.avi; A;", f"{TURN}.mov; A;", "MER-C201"),
        ("F01-P-FM02", "F01-P-FM01", "MER-C204"),
        ("UTD-IMPROV-", "", "MER-C201"),
    ],
)
def test_each_bad_line_has_its_code(raw: Path, tmp_path: Path, old: str, new: str, code: str) -> None:
    path = raw / "Evaluation.txt"
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(CorpusError) as raised:
        prepare("msp-improv", raw, tmp_path / "out")
    assert raised.value.code == code
    assert not (tmp_path / "out").exists()


def test_turns_without_evaluation_are_told_and_a_missing_file_is_named(raw: Path, tmp_path: Path) -> None:
    fake_wav(raw / "session3" / "MSP-IMPROV-S20H-M03-T-MM09.wav")
    made = prepare("msp-improv", raw, tmp_path / "out")
    assert any("not in the evaluation file" in w and "M03" in w for w in made.warnings)
    (raw / "Evaluation.txt").unlink()
    with pytest.raises(CorpusError, match=r"Evaluation\.txt") as raised:
        prepare("msp-improv", raw, tmp_path / "none")
    assert raised.value.code == "MER-C200"
