"""``mertools demo`` end to end on a small setting, and on a user's own clips."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mertools.cli import main
from mertools.cli.demo import extended
from mertools.corpus import Clip, Corpus, Split, Target
from mertools.labels import MER_EMOTIONS
from mertools.recipe import Extract, Prepare, Recipe

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


# -- what a corpus of one's own allows

DATA = Recipe(Path("o"), prepare=Prepare(Path("clips")), extract=Extract(("text/ngram",)))
DISCRETE = Target("discrete", "classes", classes=MER_EMOTIONS)
VALENCE = Target("valence", "value", range=(-5, 5))


def corpus(
    n_labelled: int = 6, speakers: int = 3, splits: tuple[Split, ...] = (Split("train"),), **changes: Any
) -> Corpus:
    clips = tuple(
        Clip(f"c{i}", s.name, cells={"discrete": label, "speaker": f"s{i % speakers}"})
        for s in splits
        for i in range(8)
        for label in ["sad" if s.role == "train" and i < n_labelled else ""]
    )
    return replace(Corpus("c", Path("c"), clips, Path("c"), splits, (DISCRETE,)), **changes)


def test_labels_that_fit_the_track_take_it() -> None:
    both = (Split("train"), Split("test1", "test"))
    recipe, remark = extended(DATA, corpus(splits=both, targets=(DISCRETE, VALENCE)))
    assert recipe.train is not None
    assert recipe.train.track == "mer2023-multi"
    assert recipe.train.folds == "3"
    assert recipe.predict is not None
    assert recipe.predict.splits == ("test1",)
    assert remark == ""


def test_other_labels_are_trained_without_a_track_and_it_is_said() -> None:
    recipe, remark = extended(DATA, corpus())
    assert recipe.train is not None
    assert (recipe.train.track, recipe.train.target) == ("", ("discrete",))
    assert recipe.predict is None
    assert "without a track" in remark


def test_no_labels_or_one_speaker_train_nothing_and_it_is_said() -> None:
    for lacking, word in ((corpus(n_labelled=0), "labels.csv"), (corpus(speakers=1), "one speaker")):
        recipe, remark = extended(DATA, lacking)
        assert recipe.train is None
        assert word in remark
