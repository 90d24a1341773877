"""``mertools demo`` end to end on a small setting, and on a user's own clips."""

import json
from pathlib import Path
from typing import Any

import pytest

from mertools.cli import main
from mertools.corpus import Corpus

TINY = ["speakers=4", "test_speakers=1", "takes=1", "seconds=1.2", "size=160", "fps=10"]


def walk_demo(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, dict[str, Any]]:
    code = main(["demo", *words, "--json"])
    return code, json.loads(capsys.readouterr().out)


@pytest.mark.slow
def test_the_whole_road_on_few_clips_and_nothing_twice(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "demo"
    code, document = walk_demo(capsys, "--out", str(out), *TINY)
    assert code == 0, document
    assert document["done"]
    assert document["synthetic"]
    assert [s["name"] for s in document["stages"]] == [
        "make clips", "prepare", "extract", "train", "predict test1", "validate", "package", "score", "report",
    ]  # fmt: skip
    corpus = Corpus.read(out / "corpus")
    assert corpus.synthetic
    assert {c.split for c in corpus.clips} == {"train", "test1"}
    assert not any(c.cells.get("discrete") for c in corpus.select(["test1"]))
    metrics = json.loads((out / "run" / "metrics.json").read_text())
    assert metrics["synthetic"] is True
    assert json.loads((out / "run" / "score-test1.json").read_text())["n"] == 6
    assert "Synthetic data." in (out / "report.html").read_text()
    code, again = walk_demo(capsys, "--out", str(out), *TINY)
    assert code == 0
    assert all(s["kept"] for s in again["stages"])


@pytest.mark.slow
def test_the_default_demo_learns_something_and_shuffled_labels_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, document = walk_demo(capsys, "--out", str(tmp_path / "demo"), "--shuffle-labels")
    metrics = json.loads((tmp_path / "demo" / "run" / "metrics.json").read_text())
    assert 0.5 < metrics["metrics"]["waf"] < 0.99  # learnable, not trivial; chance is about 0.17
    assert document["chance"]["passed"], document["chance"]["lines"]
    assert code == 0


@pytest.mark.slow
def test_own_clips_without_labels_end_after_extraction_and_say_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["demo", "--only-clips", "--out", str(tmp_path / "made"), *TINY])
    capsys.readouterr()
    clips = tmp_path / "made" / "raw" / "clips"
    for table in clips.glob("*.*"):
        if table.suffix != ".mp4":
            table.unlink()
    code, document = walk_demo(capsys, "--out", str(tmp_path / "own"), "--data", str(clips))
    assert code == 0
    assert [s["name"] for s in document["stages"]] == ["prepare", "extract"]
    assert "labels.csv" in document["remark"]
    assert not document["synthetic"]


@pytest.mark.slow
def test_own_clips_with_labels_walk_the_whole_road(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["demo", "--only-clips", "--out", str(tmp_path / "made"), *TINY])
    capsys.readouterr()
    clips = tmp_path / "made" / "raw" / "clips"
    (clips / "transcripts.csv").unlink()
    code, document = walk_demo(capsys, "--out", str(tmp_path / "own"), "--data", str(clips))
    assert code == 0
    names = [s["name"] for s in document["stages"]]
    assert names == ["prepare", "extract", "train", "predict test1", "validate", "package", "report"]
    assert not any(s["kept"] for s in document["stages"])
    assert "text/ngram" in document["remark"]
    upload = (tmp_path / "own" / "submission" / "mer2023-multi.csv").read_text().splitlines()
    assert len(upload) == 1 + 6
    _, again = walk_demo(capsys, "--out", str(tmp_path / "own"), "--data", str(clips))
    assert all(s["kept"] for s in again["stages"])


def test_only_clips_makes_clips_and_nothing_else(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, document = walk_demo(
        capsys, "--only-clips", "--out", str(tmp_path), "speakers=2", "test_speakers=1", "takes=1", "seconds=0.8",
        "size=96", "fps=5",
    )  # fmt: skip
    assert code == 0
    assert document["clips"] == 12
    assert [p.name for p in tmp_path.iterdir()] == ["raw"]


@pytest.mark.parametrize(
    "words", [["speekers=3"], ["speakers=many"], ["--data", "x", "speakers=3"], ["--data", "x", "--only-clips"]]
)
def test_wrong_settings_are_one_clear_error(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["demo", "--out", str(tmp_path / "o"), *words]) == 2
    assert "MER-R" in capsys.readouterr().err
    assert not (tmp_path / "o").exists()
