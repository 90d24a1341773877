"""Self-training and mean teacher: pseudo labels, what they must not touch, what is told of them."""

import csv
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from baselines import material as material_module
from baselines import train
from baselines.data import Table
from baselines.plan import make_plan
from baselines.protocol import Fold
from baselines.runs import Run
from baselines.selftraining import pseudo_labels
from baselines.teacher import consistency_loss, follow
from baselines.unlabelled import joined, open_to
from mertools.cli.train import table as shown
from mertools.corpus import Clip, Corpus, Split, with_cells
from mertools.errors import ConfigError, TrainingError

FACE, AUDIO = "face/made-up", "audio/made-up"


@pytest.fixture
def sparse(corpus: Corpus) -> Corpus:
    """Four speakers are labelled, two and the candidates are not."""
    clips = tuple(
        with_cells(Clip(c.name, "spare", cells=dict(c.cells)), split="spare", discrete="", valence="")
        if c.cells["speaker"] in ("emil", "fay")
        else c
        for c in corpus.clips
    )
    splits = (*corpus.splits, Split("spare", "unlabelled"))
    made = Corpus(corpus.name, corpus.folder, clips, corpus.folder, splits, corpus.targets)
    made.write()
    return Corpus.read(corpus.folder)


def fitted(corpus: Corpus, name: str, options: dict[str, Any], **more: Any) -> Run:
    out = corpus.folder.parent / name
    return train(corpus, [FACE, AUDIO], "attention", out, target="discrete", **{"folds": "2", **options, **more})


@given(st.integers(0, 2**31), st.floats(0, 1), st.integers(2, 5))
def test_pseudo_labels_are_the_most_certain_and_no_class_takes_more_than_its_part(
    seed: int, share: float, n_classes: int
) -> None:
    rng = np.random.default_rng(seed)
    probabilities = rng.dirichlet(np.ones(n_classes) * 0.5, size=60)
    usable, priors = rng.random(60) < 0.8, rng.dirichlet(np.ones(n_classes))
    labels = pseudo_labels(probabilities, usable, share, priors)
    assert (labels[~usable] == -1).all()
    for label in range(n_classes):
        taken, said = labels == label, probabilities.argmax(axis=1) == label
        assert (said | ~taken).all()
        assert taken.sum() <= share * usable.sum() * priors[label] + 0.5
        left = usable & said & ~taken
        if taken.any() and left.any():
            assert probabilities[taken, label].min() >= probabilities[left, label].max()


def test_the_first_round_is_the_plain_training_and_every_round_is_told(sparse: Corpus, fast: dict[str, Any]) -> None:
    plain = fitted(sparse, "plain", fast)
    run = fitted(sparse, "self", fast, self_training=2)
    found = run.metrics["self_training"]
    first = found["rounds"][0]
    assert first["metrics"] == pytest.approx(plain.metrics["metrics"], abs=1e-12)
    assert first["n_pseudo"] == 0
    assert "gain" not in first
    assert 1 <= len(found["rounds"]) <= 3
    for entry in found["rounds"][1:]:
        assert entry["n_pseudo"] > 0
        assert set(entry["gain"]) == {"value", "low", "high", "p"}
    assert found["rounds"][-1]["metrics"] == pytest.approx(run.metrics["metrics"], abs=1e-12)
    again = fitted(sparse, "again", fast, self_training=2)
    assert again.metrics["self_training"] == found
    assert "round 0: waf" in shown(run)


def test_what_a_fold_leaves_out_has_no_say(
    sparse: Corpus, fast: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither labels nor embeddings of the left-out clips change a fold's members, with all of it switched on."""
    from dataclasses import replace

    from safetensors.torch import load_file

    options = {"self_training": 1, "teacher": 0.9, "epochs": 4}
    honest = fitted(sparse, "honest", fast, **options)
    rows = list(csv.DictReader((honest.folder / "folds.csv").open()))
    left_out = {row["name"] for row in rows if row["fold"] == "0"}
    load = material_module.load_clips

    def spoiled(*arguments: Any) -> Table:
        table = load(*arguments)
        mask = np.array([name in left_out for name in table.names])
        for embedding in table.embeddings:
            embedding[mask] = -embedding[mask] * 50
        column = table.annotations.get("discrete")
        wrong = {} if column is None else {"discrete": np.where(mask, (column + 1) % 3, column)}
        return replace(table, annotations=wrong)

    folds = material_module.make_folds
    original: list[Any] = []

    def same_folds(plan: Any, table: Table, settings: Any) -> Any:
        return original[0]

    # Folds are stratified by the very labels that are spoiled below: hold them as they were.
    def noting(plan: Any, table: Table, settings: Any) -> Any:
        original.append(folds(plan, table, settings))
        return original[0]

    monkeypatch.setattr(material_module, "make_folds", noting)
    fitted(sparse, "noted", fast, **options)
    monkeypatch.setattr(material_module, "make_folds", same_folds)
    monkeypatch.setattr(material_module, "load_clips", spoiled)
    again = fitted(sparse, "spoiled", fast, **options)

    def weights(run: Run, fold: int) -> dict[str, torch.Tensor]:
        return load_file(run.folder / "checkpoints" / f"fold{fold}-seed0.safetensors")

    first, second = weights(honest, 0), weights(again, 0)
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert any(not torch.equal(weights(honest, 1)[key], weights(again, 1)[key]) for key in first)


def test_clips_of_a_left_out_speaker_are_closed_to_the_fold() -> None:
    def clips(*speakers: str) -> list[Clip]:
        return [Clip(f"{s}{i}", "x", cells={"speaker": s}) for i, s in enumerate(speakers)]

    fold = Fold("0", np.array([0, 1]), np.array([2, 3]))
    found = open_to(fold, clips("ann", "bob", "cat", "dan"), clips("cat", "eve", "ann", "dan"), "speaker")
    assert found.tolist() == [5, 6]
    nameless = [Clip("n", "x", cells={})]
    assert open_to(fold, clips("ann", "bob", "cat", "dan"), nameless, "speaker").tolist() == [4]


def test_annotations_of_clips_without_labels_are_never_taken_over() -> None:
    table = Table(
        ("a",), (np.ones((1, 2), np.float32),), np.ones((1, 1), bool), {"d": np.array([1]), "v": np.array([0.5])}
    )
    spare = Table(("b",), (np.zeros((1, 2), np.float32),), np.ones((1, 1), bool), {"d": np.array([2])})
    found = joined(table, spare)
    assert found.names == ("a", "b")
    assert found.annotations["d"].tolist() == [1, -1]
    assert np.isnan(found.annotations["v"][1])
    assert found.annotated().tolist() == [True, False]


def test_the_teacher_is_a_running_mean_of_the_student() -> None:
    student, teacher = torch.nn.Linear(3, 2), torch.nn.Linear(3, 2)
    expected = {k: 0.9 * v + 0.1 * student.state_dict()[k] for k, v in teacher.state_dict().items()}
    follow(teacher.state_dict(), student.state_dict(), 0.9)
    for name, value in teacher.state_dict().items():
        torch.testing.assert_close(value, expected[name])


def test_consistency_is_the_squared_difference_of_what_both_say_and_teaches_the_student_alone() -> None:
    own, other = torch.randn(6, 3, requires_grad=True), torch.randn(6, 3, requires_grad=True)
    goals = {"d": torch.full((6,), -1)}
    loss = consistency_loss({"d": own}, {"d": other}, goals)
    expected = (own.softmax(1) - other.softmax(1)).square().mean()
    torch.testing.assert_close(loss, expected)
    loss.backward()
    assert own.grad is not None
    assert other.grad is None


def test_a_mean_teacher_learns_and_repeats(sparse: Corpus, fast: dict[str, Any]) -> None:
    options = {"teacher": 0.95, "modality_dropout": 0.2, "epochs": 25}
    run, again = fitted(sparse, "a", fast, **options), fitted(sparse, "b", fast, **options)
    assert run.metrics["metrics"]["accuracy"] > 0.7
    np.testing.assert_array_equal(run.predictions().probabilities, again.predictions().probabilities)
    without = fitted(sparse, "c", fast, **{**options, "consistency": 0.0})
    assert (without.predictions().probabilities != run.predictions().probabilities).any()


def test_wrong_wishes_are_refused_with_the_way_out(corpus: Corpus, sparse: Corpus, fast: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="selection=inner"):
        fitted(sparse, "x", fast, self_training=1, selection="last")
    with pytest.raises(TrainingError) as found:
        fitted(sparse, "x", fast, teacher=0.9, unlabelled_splits="test1")
    assert found.value.code == "MER-T104"
    bare = Corpus(
        corpus.name, corpus.folder, corpus.select(["train", "test1"]), corpus.folder, corpus.splits[:2], corpus.targets
    )
    with pytest.raises(TrainingError) as found:
        fitted(bare, "x", fast, self_training=1)
    assert found.value.code == "MER-T103"
    with pytest.raises(TrainingError) as found:
        train(sparse, [FACE], "attention", sparse.folder.parent / "x", target="valence", self_training=1, **fast)
    assert found.value.code == "MER-T105"
    assert not (sparse.folder.parent / "x").exists()


def test_a_plan_without_the_options_reads_no_further_clips(corpus: Corpus) -> None:
    from baselines.models.attention import Attention
    from baselines.options import split_options
    from baselines.unlabelled import unlabelled_clips

    options, _ = split_options({}, "attention", Attention)
    assert unlabelled_clips(corpus, make_plan(corpus, None, ["discrete"], options), options) == ()
