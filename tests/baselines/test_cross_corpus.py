"""Matrices over corpora: maps, spaces, shared clips, and scores against scikit-learn."""

import csv
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import f1_score

from baselines import train
from baselines.class_maps import ClassMap, CorpusMap, map_names, read_map
from baselines.cross_corpus import Matrix, train_across
from baselines.runs import Run
from mertools.config import dump_yaml, load_yaml
from mertools.corpora import CORPORA
from mertools.corpus import Corpus
from mertools.errors import MerToolsError, TrainingError
from mertools.predictions import Predictions
from mertools.store import SpaceSpec, open_store

FACE, AUDIO = "face/made-up", "audio/made-up"
OPTIONS: dict[str, Any] = {"epochs": 15, "selection": "last", "hidden_dim": 8, "lr": 5e-3, "folds": "3", "repeats": 2}
MAP: dict[str, Any] = {
    "name": "three",
    "target": "discrete",
    "classes": ["sad", "happy"],
    "corpora": {
        "made-up": {"labels": {"angry": None, "happy": "happy", "sad": "sad"}, "test_splits": ["test1"]},
        "other": {"labels": {"fury": None, "joy": "happy", "sad": "sad"}, "train_splits": ["train"]},
    },
}
VALUES: dict[str, Any] = {
    "name": "ranges",
    "target": "valence",
    "range": [-1, 1],
    "metric": "f1_non0",
    "corpora": {"made-up": {"range": [-5, 5]}, "other": {"range": [-5, 5]}},
}


def other_corpus(original: Corpus, folder: Path, change: Callable[[dict[str, Any]], Any] | None = None) -> Corpus:
    """The same clips under other names of labels, as if it were another corpus."""
    shutil.copytree(original.folder, folder)
    header = load_yaml(folder / "corpus.yaml")
    header["name"] = "other"
    header["targets"][0]["classes"] = ["fury", "joy", "sad"]
    if change:
        change(header)
    (folder / "corpus.yaml").write_text(dump_yaml(header))
    text = (folder / "clips.csv").read_text()
    (folder / "clips.csv").write_text(text.replace("angry", "fury").replace("happy", "joy"))
    return Corpus.read(folder)


@pytest.fixture(scope="module")
def others(original: Corpus, tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return other_corpus(original, tmp_path_factory.mktemp("other") / "corpus")


def map_file(folder: Path, content: dict[str, Any]) -> Path:
    path = folder / "map.yaml"
    path.write_text(dump_yaml(content))
    return path


@pytest.fixture(scope="module")
def matrix(original: Corpus, others: Corpus, tmp_path_factory: pytest.TempPathFactory) -> Matrix:
    folder = tmp_path_factory.mktemp("cross")
    return train_across(
        original, [FACE, AUDIO], "attention", folder / "out", test_on=[others], maps=map_file(folder, MAP), each=True,
        **OPTIONS,
    )  # fmt: skip


def test_every_pair_of_corpora_is_scored(matrix: Matrix) -> None:
    assert [(c["train"], c["test"], c["kind"]) for c in matrix.cells] == [
        ("made-up", "made-up", "out of fold"),
        ("made-up", "other", "test on test1"),
        ("other", "made-up", "test on test1"),
        ("other", "other", "out of fold"),
    ]
    assert all(cell["single"]["waf"] > 0.7 for cell in matrix.cells)
    with (matrix.folder / "matrix.csv").open(newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["trained on", "made-up", "other"]
    assert float(rows[1][2]) == matrix.cells[1]["single"]["waf"]
    assert all(name in matrix.text() for name in ("made-up", "other"))


def test_scores_are_those_of_the_predictions_that_are_written(matrix: Matrix, others: Corpus) -> None:
    said = Predictions.read(matrix.folder / "predictions" / "made-up-on-other.csv")
    truth = {c.name: {"joy": "happy"}.get(c.cells["discrete"], c.cells["discrete"]) for c in others.clips}
    kept = [name for name in said.names if truth[name] != "fury"]
    assert len(kept) == len(said.names) == matrix.cells[1]["n_clips"] == 8
    value = f1_score([truth[n] for n in said.names], said.discrete, average="weighted", zero_division=0)
    assert matrix.cells[1]["ensemble"]["waf"] == pytest.approx(value)


def test_the_diagonal_is_what_the_run_says_of_itself(matrix: Matrix) -> None:
    run = Run.read(matrix.folder / "runs" / "made-up")
    assert matrix.cells[0]["single"]["waf"] == pytest.approx(run.metrics["metrics"]["waf"])
    assert matrix.cells[0]["ensemble"]["waf"] == pytest.approx(run.metrics["ensemble"]["waf"])
    assert run.metrics["n_clips"] == 48
    assert run.design.targets[0].classes == ("sad", "happy")


def test_the_mapped_corpus_and_the_run_can_be_used_again(matrix: Matrix, tmp_path: Path) -> None:
    run = Run.read(matrix.folder / "runs" / "made-up")
    corpus = Corpus.read(matrix.folder / "corpora" / "made-up")
    again = train(
        corpus, list(run.recipe.features), "attention", tmp_path / "run", target=["discrete"],
        **{k: v for k, v in (run.recipe.options or {}).items() if v is not None},
    )  # fmt: skip
    assert again.metrics["metrics"] == run.metrics["metrics"]


def test_what_is_trained_is_kept(matrix: Matrix, original: Corpus, others: Corpus, tmp_path: Path) -> None:
    before = (matrix.folder / "runs" / "other" / "metrics.json").stat().st_mtime_ns
    again = train_across(
        original, [FACE, AUDIO], "attention", matrix.folder, test_on=[others], maps=map_file(tmp_path, MAP), each=True,
        **OPTIONS,
    )  # fmt: skip
    assert (matrix.folder / "runs" / "other" / "metrics.json").stat().st_mtime_ns == before
    assert again.cells == matrix.cells


def test_values_are_mapped_linearly_and_the_metric_of_the_map_comes_first(
    original: Corpus, others: Corpus, tmp_path: Path
) -> None:
    found = train_across(
        original, [FACE, AUDIO], "attention", tmp_path / "out", test_on=[others], maps=map_file(tmp_path, VALUES),
        **OPTIONS,
    )  # fmt: skip
    assert found.metric == "f1_non0"
    assert {"ccc", "mse", "pcc", "acc2_non0"} <= set(found.cells[0]["single"])
    mapped = Corpus.read(tmp_path / "out" / "corpora" / "other")
    for before, after in zip(others.clips, mapped.clips, strict=True):
        if before.cells["valence"]:
            assert float(after.cells["valence"]) == pytest.approx(float(before.cells["valence"]) / 5)
    said = Predictions.read(tmp_path / "out" / "predictions" / "made-up-on-other.csv")
    truth = np.array([float(mapped.clip(n).cells["valence"]) for n in said.names])
    there = truth != 0
    value = f1_score(truth[there] > 0, said.values["valence"][there] > 0, average="weighted")
    assert found.cells[1]["ensemble"]["f1_non0"] == pytest.approx(value)


def refused(original: Corpus, other: Corpus, folder: Path, content: Any = None, **changes: Any) -> MerToolsError:
    options = {"maps": map_file(folder, content or MAP), "test_on": [other], **OPTIONS, **changes}
    with pytest.raises(MerToolsError) as caught:
        train_across(original, [FACE, AUDIO], "attention", folder / "out", **options)
    assert not (folder / "out").exists()
    return caught.value


def test_other_spaces_are_refused_and_both_are_named(original: Corpus, others: Corpus, tmp_path: Path) -> None:
    other = Corpus.read(shutil.copytree(others.folder, tmp_path / "corpus"))
    shutil.rmtree(other.folder / "store")
    with open_store(other.folder / "store", create=True) as store:
        space = store.declare(SpaceSpec(FACE, "utterance", 4, 1, {"size": 4}))
        with store.writer(space) as writer:
            for clip in other.clips:
                writer.add(clip.name, np.ones((1, 4), np.float32), np.zeros(1))
    error = refused(original, other, tmp_path)
    assert error.code == "MER-T196"
    assert "(8 dimensions)" in error.message
    assert "(4 dimensions)" in error.message


@pytest.mark.parametrize("column", [True, False])
def test_shared_clips_are_refused(original: Corpus, tmp_path: Path, column: bool) -> None:
    other = other_corpus(original, tmp_path / "corpus", lambda header: header.update(seen_in=["made-up"]))
    if column:
        path = other.folder / "clips.csv"
        head, first, *rest = path.read_text().splitlines()
        lines = [head + ",seen_in", first + ",made-up; x", *(line + "," for line in rest)]
        path.write_text("\n".join(lines) + "\n")
        other = Corpus.read(other.folder)
    error = refused(original, other, tmp_path)
    assert error.code == "MER-T197"
    assert ("1 clips of other" if column else "not which") in error.message


def test_shared_clips_may_be_accepted(original: Corpus, tmp_path: Path) -> None:
    other = other_corpus(original, tmp_path / "corpus", lambda header: header.update(seen_in=["made-up"]))
    found = train_across(
        original, [FACE], "attention", tmp_path / "out", test_on=[other], maps=map_file(tmp_path, MAP),
        allow_seen=True, **OPTIONS,
    )  # fmt: skip
    assert len(found.cells) == 2


def without(*path: str) -> dict[str, Any]:
    import copy

    content = copy.deepcopy(MAP)
    inner: Any = content
    for key in path[:-1]:
        inner = inner[key]
    del inner[path[-1]]
    return content


@pytest.mark.parametrize(
    ("content", "code", "said"),
    [
        (without("corpora", "other"), "MER-T190", "'other'"),
        (without("corpora", "other", "labels", "fury"), "MER-T191", "'fury'"),
        (without("classes"), "MER-T195", "neither"),
        (without("corpora"), "MER-T195", "no class map"),
        ({**MAP, "classes": ["sad", "glad"]}, "MER-T195", "'happy'"),
        ({**MAP, "metric": "acc7"}, "MER-T195", "acc7"),
        ({**VALUES, "range": [1, -1]}, "MER-T195", "empty"),
        ({**VALUES, "corpora": {"made-up": {"range": [-3, 3]}, "other": {"range": [-5, 5]}}}, "MER-T191", "made-up"),
        ({**VALUES, "corpora": {"made-up": {}, "other": {"range": [-5, 5]}}}, "MER-T195", "no range"),
    ],
)
def test_maps_that_do_not_fit_are_explained(
    original: Corpus, others: Corpus, tmp_path: Path, content: dict[str, Any], code: str, said: str
) -> None:
    error = refused(original, others, tmp_path, content)
    assert error.code == code
    assert said in error.message


@pytest.mark.parametrize(
    ("changes", "code"),
    [({"maps": None}, "MER-T194"), ({"maps": "nowhere"}, "MER-T194"), ({"track": "mer2023-multi"}, "MER-T194"),
     ({"target": ["valence"]}, "MER-T194"), ({"test_on": []}, "MER-T194"), ({"epoch": 2}, "MER-T001")],
)  # fmt: skip
def test_wrong_wishes_are_explained(
    original: Corpus, others: Corpus, tmp_path: Path, changes: dict[str, Any], code: str
) -> None:
    assert refused(original, others, tmp_path, **changes).code == code


def test_a_corpus_is_not_tested_on_itself(original: Corpus, tmp_path: Path) -> None:
    assert refused(original, original, tmp_path).code == "MER-T197"


@pytest.mark.parametrize("name", map_names())
def test_shipped_maps_fit_the_corpora_they_name(name: str) -> None:
    found = read_map(name)
    assert found.source
    assert set(found.corpora) <= set(CORPORA.names())
    for entry in found.corpora.values():
        assert set(entry.labels.values()) <= {None, *found.classes}
        assert set(entry.must_tell) <= set(entry.labels)
        if found.classes:
            assert set(found.classes) == set(entry.labels.values()) - {None}


def test_excited_is_dropped_only_where_it_can_be_told_apart(original: Corpus, tmp_path: Path) -> None:
    from dataclasses import replace

    from mertools.targets import Target

    four = replace(original, name="iemocap", targets=(Target("discrete", "classes", ("happy", "sad", "angry")),))
    with pytest.raises(TrainingError, match="tell 'excited' apart") as caught:
        read_map("four-emotions-excited-dropped").apply(four, tmp_path)
    assert caught.value.code == "MER-T192"
    merged = read_map("four-emotions-excited-merged")
    assert merged.apply(four, tmp_path).target("discrete").classes == ("happy", "sad", "neutral", "angry")
    assert merged.corpora["iemocap"].labels["excited"] == "happy"


def test_sentiment_of_sims_is_multiplied_by_three() -> None:
    from mertools.corpus import Clip, Split
    from mertools.targets import Target

    clips = tuple(Clip(f"c{i}", "train", cells={"valence": str(v)}) for i, v in enumerate((-1.0, -0.2, 0.0, 0.6, 1.0)))
    corpus = Corpus(
        "sims", Path("x"), clips, Path("x"), (Split("train"),), (Target("valence", "value", range=(-1.0, 1.0)),)
    )
    mapped = read_map("sentiment-3").apply(corpus, Path("y"))
    assert [float(c.cells["valence"]) for c in mapped.clips] == pytest.approx([-3.0, -0.6, 0.0, 1.8, 3.0])
    assert mapped.target("valence").range == (-3.0, 3.0)


def test_a_map_that_drops_everything_is_refused(original: Corpus, tmp_path: Path) -> None:
    nothing = ClassMap("none", "discrete", {"made-up": CorpusMap(dict.fromkeys(("angry", "happy", "sad")))}, ("x",))
    from dataclasses import replace

    labelled = replace(original, clips=original.select(["train"]))
    with pytest.raises(TrainingError, match="drops every clip"):
        nothing.apply(labelled, tmp_path)
