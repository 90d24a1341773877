"""AVCAffe: self-reports of a task hold for its pieces; parts by person."""

from pathlib import Path

import pytest

from mertools import Corpus
from mertools.corpora import CORPORA, prepare
from mertools.corpora.fakes import fake_video
from mertools.errors import CorpusError


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    folder = tmp_path / "raw"
    CORPORA.get("avcaffe")().fake(folder)
    return folder


def test_reports_parts_and_people(raw: Path, tmp_path: Path) -> None:
    prepare("avcaffe", raw, tmp_path / "out")
    corpus = Corpus.read(tmp_path / "out")
    assert corpus.target("arousal_class").classes == ("Excited", "Wide-awake", "Neutral", "Dull", "Calm")
    assert corpus.target("valence_class").classes == ("Pleasant", "Pleased", "Neutral", "Unsatisfied", "Unpleasant")
    assert corpus.target("effort").range == (0, 21)
    assert {s.name: s.role for s in corpus.splits} == {"train": "train", "val": "test"}
    assert {c.cells["speaker"] for c in corpus.select(["val"])} == {"aiim001"}
    clip = corpus.clip("aiim003_task_1_002")
    facts = {"source": "aiim003_task_1", "arousal_class": "Wide-awake", "mental_demand": "12", "speech": "no"}
    assert {key: clip.cells[key] for key in facts} == facts
    assert corpus.clip("aiim003_task_1_001").cells["speech"] == "yes"


def test_pieces_may_bear_any_name_and_whole_recordings_are_another_corpus(raw: Path, tmp_path: Path) -> None:
    for person in ("aiim003", "aiim004"):
        fake_video(raw / "videos" / "shorter_segments" / person / "task_1" / "piece7.avi")
        fake_video(raw / "videos" / "per_participant_per_task" / person / f"{person}_task_1.mp4")
    names = [c.name for c in prepare("avcaffe", raw, tmp_path / "pieces").corpus.clips]
    assert {"aiim003_task_1__piece7", "aiim004_task_1__piece7"} < set(names)
    assert len(names) == 8
    whole = prepare("avcaffe", raw, tmp_path / "whole", clips="whole")
    assert [c.name for c in whole.corpus.clips] == ["aiim003_task_1", "aiim004_task_1"]
    assert any("published are 950" in w for w in whole.warnings)


def test_what_has_no_report_or_no_part_is_told(raw: Path, tmp_path: Path) -> None:
    fake_video(raw / "videos" / "shorter_segments" / "aiim004" / "task_9" / "aiim004_task_9_001.avi")
    (raw / "info" / "train.txt").write_text("aiim003\n")
    made = prepare("avcaffe", raw, tmp_path / "out")
    assert any("without a report" in w and "aiim004_task_9_001" in w for w in made.warnings)
    assert any("1 people stand in no list" in w and "aiim004" in w for w in made.warnings)


@pytest.mark.parametrize(
    ("file", "content", "code"),
    [
        ("ground_truths/arousal.txt", "aiim001_task_1, Thrilled\n", "MER-C203"),
        ("ground_truths/effort.txt", "aiim001_task_1, 22\n", "MER-C205"),
        ("ground_truths/effort.txt", "somebody, 2\n", "MER-C201"),
        ("ground_truths/effort.txt", "aiim001_task_1, 2\naiim001_task_1, 3\n", "MER-C204"),
        ("info/val.txt", "aiim003\n", "MER-C204"),
        ("info/val.txt", "somebody\n", "MER-C201"),
        ("info/val.txt", None, "MER-C200"),
        ("ground_truths/effort.txt", None, "MER-C200"),
    ],
)
def test_each_bad_file_has_its_code(raw: Path, tmp_path: Path, file: str, content: str | None, code: str) -> None:
    if content is None:
        (raw / file).unlink()
    else:
        (raw / file).write_text(content)
    with pytest.raises(CorpusError) as raised:
        prepare("avcaffe", raw, tmp_path / "out")
    assert raised.value.code == code
