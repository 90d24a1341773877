"""``protocol=published``: what the published baselines do, and that nobody takes it for an honest score."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from baselines import predict, train
from baselines.fitting import Request, fit_members
from baselines.members import Task, average, predict_table
from baselines.options import PUBLISHED, TrainOptions, split_options
from baselines.protocol import published_folds
from baselines.runs import Run
from baselines.scoring import measure_named, measures_of
from mertools.corpus import Corpus, with_cells
from mertools.errors import TrainingError
from mertools.predictions import Predictions
from mertools.tracks import get_track

FACE, AUDIO, NOISE = "face/made-up", "audio/made-up", "audio/noise"
PUBLISH = {"protocol": "published", "folds": "3", "hidden_dim": 8, "epochs": 6, "batch_size": 16, "lr": 3e-3}


@pytest.fixture(scope="module")
def published(original: Corpus, tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("published") / "run"
    return train(original, [FACE, AUDIO], "attention", folder, target=["discrete", "valence"], repeats=2, **PUBLISH)


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 8), st.integers(8, 200), st.integers(0, 1000))
def test_the_last_fold_takes_what_is_left(k: int, n_clips: int, seed: int) -> None:
    folds = published_folds(k, n_clips, np.random.default_rng(seed))
    assert [len(f.test) for f in folds[:-1]] == [n_clips // k] * (k - 1)
    assert sorted(np.concatenate([f.test for f in folds]).tolist()) == list(range(n_clips))
    for fold in folds:
        assert sorted([*fold.train, *fold.test]) == list(range(n_clips))


def test_published_folds_of_mer2023_have_the_published_sizes() -> None:
    folds = published_folds(5, 3373, np.random.default_rng(1))
    assert [len(f.test) for f in folds] == [674, 674, 674, 674, 677]
    assert [len(f.train) for f in folds] == [2699, 2699, 2699, 2699, 2696]
    again, other = (published_folds(5, 3373, np.random.default_rng(s)) for s in (1, 2))
    assert np.array_equal(folds[0].test, again[0].test)
    assert not np.array_equal(folds[0].test, other[0].test)


@pytest.mark.parametrize(("k", "n_clips"), [(1, 10), (11, 10)])
def test_more_folds_than_clips_are_refused(k: int, n_clips: int) -> None:
    with pytest.raises(TrainingError, match="MER-T010"):
        published_folds(k, n_clips, np.random.default_rng(0))


def test_the_protocol_sets_what_is_not_given() -> None:
    from baselines.models.attention import Attention

    options, _ = split_options({"protocol": "published", "lr": "1e-4"}, "attention", Attention)
    assert (options.epochs, options.batch_size, options.weight_decay) == (100, 32, 1e-5)
    assert (options.standardise, options.standardise_values) == (False, False)
    assert options.lr == 1e-4
    nested, _ = split_options({}, "attention", Attention)
    assert all(getattr(nested, key) == getattr(TrainOptions(), key) for key in PUBLISHED)


def test_it_is_marked_and_tells_the_gap(published: Run) -> None:
    metrics = published.metrics
    assert metrics["optimistic"] is True
    assert metrics["protocol"]["selection"] == "reported"
    assert metrics["protocol"]["groups"] == "clip"
    honest = metrics["honest"]["fold_mean"]
    assert set(honest) == set(metrics["metrics"])
    primary = metrics["primary"]
    assert metrics["gap"] == {
        "metric": primary, "value": pytest.approx(metrics["fold_mean"][primary] - honest[primary])
    }  # fmt: skip


def test_the_gap_is_not_computed_when_it_is_not_wanted(corpus: Corpus, tmp_path: Path) -> None:
    made = train(corpus, [FACE], "attention", tmp_path / "run", target="discrete", gap="false", **PUBLISH)
    assert "gap" not in made.metrics
    assert made.metrics["optimistic"]


def test_the_epoch_is_the_first_that_is_best_on_the_reported_fold_and_its_weights_stay(published: Run) -> None:
    for member in published.members:
        assert len(member.scores) == PUBLISH["epochs"]
        assert member.epochs == int(np.argmax(member.scores)) + 1
    folds = (published.folder / "folds.csv").read_text().splitlines()[1:]
    fold_of = {line.split(",")[0]: int(line.split(",")[1]) for line in folds}
    for seed in (0, 1):
        found = Predictions.read(published.folder / "predictions" / "seeds" / f"oof-{seed}.csv")
        truth = {c.name: c.cells["discrete"] for c in Corpus.read(published.recipe.corpus).clips}
        for member in (m for m in published.members if m.seed == seed):
            rows = [i for i, name in enumerate(found.names) if fold_of[name] == member.fold]
            score = f1_score(
                [truth[found.names[i]] for i in rows], [found.discrete[i] for i in rows], average="weighted"
            )
            assert max(member.scores) == pytest.approx(score, abs=1e-12)


def test_scores_are_means_over_folds(published: Run) -> None:
    for name, value in published.metrics["fold_mean"].items():
        assert value == pytest.approx(np.mean([fold["metrics"][name] for fold in published.metrics["per_fold"]]))


def test_test_splits_are_predicted_by_averaged_logits(published: Run, corpus: Corpus) -> None:
    from baselines.data import load_table
    from mertools.store import open_store

    with open_store(corpus.folder / "store") as store:
        table = load_table(store, published.design.features, corpus, corpus.select(["test1"]), ())
    logits, values = [], []
    for member in published.members:
        with torch.inference_mode():
            heads = member.model(member.fitted.batch(table)).heads
        logits.append(heads["discrete"].double().numpy())
        values.append(heads["valence"].double().numpy()[:, 0])
    mean = np.mean(logits, axis=0)
    expected = np.exp(mean) / np.exp(mean).sum(axis=1, keepdims=True)
    for found in (predict(published, corpus, "test1"), published.predictions("test1")):
        np.testing.assert_allclose(found.probabilities, expected, atol=1e-9)
        np.testing.assert_allclose(found.values["valence"], np.mean(np.clip(values, -5, 5), axis=0), atol=1e-9)
    assert published.design.averaging == "logits"


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 5), st.integers(1, 4), st.integers(2, 6), st.integers(0, 1000))
def test_averaging_logits_is_averaging_logits(n_members: int, n_clips: int, n_classes: int, seed: int) -> None:
    logits = np.random.default_rng(seed).normal(size=(n_members, n_clips, n_classes)) * 10

    def softmax(x: np.ndarray) -> np.ndarray:
        return np.exp(x) / np.exp(x).sum(axis=-1, keepdims=True)

    found = average([{"t": softmax(member)} for member in logits], logits=True)["t"]
    np.testing.assert_allclose(found, softmax(logits.mean(axis=0)), atol=1e-9)
    certain = average([{"t": np.eye(n_classes)[:1]}, {"t": np.eye(n_classes)[:1]}], logits=True)["t"]
    np.testing.assert_allclose(certain, np.eye(n_classes)[:1], atol=1e-12)


def test_values_count_in_their_own_unit(published: Run) -> None:
    assert {m.fitted.values["valence"] for m in published.members} == {(0.0, 1.0)}
    assert all(np.all(p.mean == 0) and np.all(p.scale == 1) for m in published.members for p in m.fitted.projections)


def test_a_recipe_repeats_it(published: Run, tmp_path: Path) -> None:
    recipe = published.recipe
    again = train(
        Corpus.read(recipe.corpus), recipe.features, "attention", tmp_path / "run", target=recipe.target,
        **(recipe.options or {}),
    )  # fmt: skip
    assert again.metrics == published.metrics


def test_nested_runs_are_not_optimistic_and_keep_inner_predictions(trained: Run) -> None:
    assert trained.metrics["optimistic"] is False
    for member in trained.members:
        inner = Predictions.read(trained.folder / "predictions" / "inner" / f"fold{member.fold}-seed{member.seed}.csv")
        facts = (trained.folder / "folds.csv").read_text().splitlines()[1:]
        scored = {line.split(",")[0] for line in facts if line.split(",")[1] == str(member.fold)}
        assert len(inner.names) > 0
        assert not set(inner.names) & scored
        assert inner.probabilities.shape == (len(inner.names), 3)


def test_the_metric_that_selects_is_the_tracks(trained: Run) -> None:
    track = get_track("mer2023-multi")
    assert measure_named("", measures_of(track.targets, track)).label == "mer2023_combined"
    semi = get_track("mer2023-semi")
    assert measure_named("", measures_of(semi.targets, semi)).label == "waf"
    assert measure_named("loss", measures_of(semi.targets, semi)) is None
    with pytest.raises(TrainingError, match=r"MER-T120.*'wafe'. Did you mean 'waf'"):
        measure_named("wafe", measures_of(semi.targets, semi))


def test_lower_is_better_where_it_is(trained: Run) -> None:
    by_label = {m.label: m for m in measures_of(trained.design.targets, None)}
    truth, near, far = {"valence": np.zeros(3)}, {"valence": np.full(3, 0.1)}, {"valence": np.full(3, 2.0)}
    mse = by_label["mse"]
    assert mse.goodness(truth, near) > mse.goodness(truth, far)
    assert mse.goodness(truth, {"valence": np.array([0.0, np.nan, 0.0])}) == -np.inf
    assert mse.goodness({"valence": np.full(3, np.nan)}, near) == -np.inf
    assert by_label["ccc"].goodness({"valence": np.zeros(1)}, {"valence": np.zeros(1)}) == -np.inf


@pytest.mark.parametrize("by", ["waf", "mse"])
def test_epochs_may_be_chosen_by_a_metric(corpus: Corpus, tmp_path: Path, fast: dict[str, Any], by: str) -> None:
    made = train(
        corpus, [FACE], "attention", tmp_path / "run", target=["discrete", "valence"], folds="3", select_by=by, **fast
    )
    assert made.metrics["protocol"]["select_by"] == by
    for member in made.members:
        assert member.epochs == int(np.argmax(member.scores)) + 1
        assert all(0 <= s <= 1 for s in member.scores) if by == "waf" else all(s <= 0 for s in member.scores)


def test_an_unknown_metric_leaves_no_folder(corpus: Corpus, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="MER-T120"):
        train(corpus, [FACE], "attention", tmp_path / "run", target="discrete", select_by="wuf")
    assert not (tmp_path / "run").exists()


def test_a_class_that_a_fold_cannot_learn_is_named(
    corpus: Corpus, tmp_path: Path, quick: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    clips = tuple(
        with_cells(c, discrete="happy") if c.cells["discrete"] == "sad" and c.cells["speaker"] != "ben" else c
        for c in corpus.clips
        if c.split == "train"
    )
    options = {**quick, "folds": "speaker"}
    train(replace(corpus, clips=clips), [FACE], "attention", tmp_path / "run", target="discrete", **options)
    assert "fold ben: no clip of discrete 'sad' in its training part" in caplog.text
    assert "fold anna" not in caplog.text


def test_watched_clips_are_predicted_by_the_weights_of_their_epoch(trained: Run, original: Corpus) -> None:
    """The held-out predictions that are kept have exactly the score by which the epoch was chosen."""
    from baselines.material import load_material
    from baselines.plan import make_plan

    options = TrainOptions(folds="3", epochs=6, select_by="waf", batch_size=16, lr=3e-3)
    plan = make_plan(original, None, ["discrete"], options)
    material = load_material(original, [FACE], plan, options)
    task = Task("attention", {"hidden_dim": 8, "dropout": 0.2, "reference": False}, plan.targets, options)
    fold = material.folds[0]
    request = Request(task, 0, 0, fold.train, np.zeros(len(fold.train), int), None)
    measure = measures_of(plan.targets, None)[0]
    (fit,) = fit_members(material.table, [request], measure)
    assert fit.held is not None
    annotations = material.table.rows(fit.held.rows).annotations
    assert measure.goodness(annotations, fit.held.found) == max(fit.member.scores)
    assert not set(fit.held.rows) & set(fold.test)
    predicted = predict_table(fit.member, material.table.rows(fold.test), plan.targets)
    assert predicted["discrete"].shape == (len(fold.test), 3)


def test_undefined_scores_survive_saving(trained: Run, tmp_path: Path) -> None:
    from baselines.runs import load_member, save_member

    member = replace(trained.members[0], scores=(-np.inf, 0.5))
    stem = save_member(tmp_path, member)
    assert json.loads((tmp_path / f"{stem}.json").read_text())["scores"] == [None, 0.5]
    assert load_member(tmp_path, stem, trained.design).scores == (-np.inf, 0.5)
