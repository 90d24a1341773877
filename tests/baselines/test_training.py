"""`train` as a whole: what it learns, what it must not see, what it writes."""

import csv
import json
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, f1_score, mean_squared_error, recall_score

from baselines import predict, train
from baselines.members import predict_table
from baselines.runs import Run
from mertools.config import load_yaml
from mertools.corpus import Corpus, with_cells
from mertools.errors import MerToolsError, TrainingError
from mertools.store import SpaceSpec, open_store

FACE, AUDIO, NOISE = "face/made-up", "audio/made-up", "audio/noise"


def member_state(run: Run, fold: int) -> dict[str, torch.Tensor]:
    from safetensors.torch import load_file

    return load_file(run.folder / "checkpoints" / f"fold{fold}-seed0.safetensors")


def test_a_run_folder_has_everything(run: Run, corpus: Corpus) -> None:
    again = Run.read(run.folder)
    assert again.metrics == run.metrics
    assert again.metrics["seeds"] == [0, 1]
    assert again.metrics["protocol"] == {
        "kind": "nested",
        "folds": "3",
        "n_folds": 3,
        "groups": "speaker",
        "selection": "inner",
        "select_by": "loss",
        "standardise_by": None,
        "train_splits": ["train"],
    }
    assert again.metrics["interval_unit"] == "speaker"
    assert again.metrics["n_groups"] == 6
    assert again.metrics["interval"]["low"] < again.metrics["metrics"]["waf"] < again.metrics["interval"]["high"]
    assert len(again.metrics["per_fold"]) == 3
    assert again.metrics["coverage"] == dict.fromkeys(again.metrics["features"], 1.0)
    assert not again.metrics["synthetic"]
    assert len(list((run.folder / "checkpoints").glob("*.safetensors"))) == 6
    recipe = load_yaml(run.folder / "recipe.yaml")
    assert recipe["options"]["epochs"] == 12
    assert recipe["options"]["dropout"] == 0.2
    assert not [p for p in run.folder.parent.iterdir() if "unfinished" in p.name]


def test_signal_is_learned_and_metrics_agree_with_scikit_learn(run: Run, corpus: Corpus) -> None:
    assert run.metrics["metrics"]["accuracy"] > 0.8
    oof = run.predictions()
    assert oof.names == tuple(c.name for c in corpus.select(["train"]))
    truth = [c.cells["discrete"] for c in corpus.select(["train"])]
    ensemble = run.metrics["ensemble"]
    assert ensemble["accuracy"] == pytest.approx(accuracy_score(truth, oof.discrete), abs=1e-12)
    assert ensemble["waf"] == pytest.approx(f1_score(truth, oof.discrete, average="weighted"), abs=1e-12)
    assert ensemble["uar"] == pytest.approx(recall_score(truth, oof.discrete, average="macro"), abs=1e-12)
    valence = [float(c.cells["valence"]) for c in corpus.select(["train"])]
    assert ensemble["mse"] == pytest.approx(mean_squared_error(valence, oof.values["valence"]), abs=1e-9)
    np.testing.assert_allclose(oof.probabilities.sum(axis=1), 1, atol=1e-12)


def test_scores_are_means_of_seeds_over_pooled_folds(run: Run, corpus: Corpus) -> None:
    from mertools.predictions import Predictions

    truth = [c.cells["discrete"] for c in corpus.select(["train"])]
    scores = [
        f1_score(
            truth, Predictions.read(run.folder / "predictions" / "seeds" / f"oof-{s}.csv").discrete, average="weighted"
        )
        for s in (0, 1)
    ]
    assert run.metrics["metrics"]["waf"] == pytest.approx(np.mean(scores))
    assert [s["waf"] for s in run.metrics["per_seed"]] == pytest.approx(scores)


def test_a_recipe_repeats_the_run_bit_by_bit(run: Run, corpus: Corpus, tmp_path: Path) -> None:
    recipe = run.recipe
    again = train(
        Corpus.read(recipe.corpus),
        recipe.features,
        recipe.model,
        tmp_path / "again",
        target=recipe.target,
        **(recipe.options or {}),
    )
    assert again.metrics == run.metrics
    for path in sorted(run.folder.rglob("*")):
        if path.is_file() and path.name != "looks.jsonl":  # holds the date
            assert path.read_bytes() == (again.folder / path.relative_to(run.folder)).read_bytes(), path.name


def test_another_seed_changes_the_weights(run: Run) -> None:
    first, second = (m for m in run.members if m.fold == 0)
    assert not torch.equal(*(next(iter(m.model.parameters())) for m in (first, second)))


@pytest.mark.parametrize("stream", ["init_seed", "order_seed", "dropout_seed"])
def test_each_stream_matters_to_the_weights(corpus: Corpus, tmp_path: Path, quick: dict[str, Any], stream: str) -> None:
    options = dict(quick)
    runs = [
        train(corpus, [FACE], "attention", tmp_path / name, target="discrete", **options, **more)
        for name, more in (("a", {}), ("b", {stream: 77}))
    ]
    states = [member_state(r, 0) for r in runs]
    assert not all(torch.equal(states[0][k], states[1][k]) for k in states[0] if k.startswith("model."))
    assert (runs[0].folder / "folds.csv").read_text() == (runs[1].folder / "folds.csv").read_text()


def rewrite(corpus: Corpus, name: str, clips: set[str], change: Callable[[np.ndarray], np.ndarray]) -> None:
    with open_store(corpus.folder / "store") as store:
        space = store.space(name)
        old = store.read_all(space)
        with store.writer(space) as writer:
            for clip in clips:
                writer.add(clip, change(np.array(old[clip].values)), old[clip].times_s)


def test_nothing_fitted_depends_on_the_test_part_of_a_fold(
    corpus: Corpus, tmp_path: Path, fast: dict[str, Any]
) -> None:
    options = {**fast, "folds": "speaker", "pca": 3, "target": ["discrete", "valence"]}
    before = train(corpus, [FACE, AUDIO], "attention", tmp_path / "before", **options)
    left_out = {c.name for c in corpus.select(["train"]) if c.cells["speaker"] == "ben"} | {
        c.name for c in corpus.select(["test1", "candidate"])
    }
    rewrite(corpus, FACE, left_out, lambda v: v * 100 + 7)
    swapped = [
        with_cells(c, discrete="angry", valence="-4.5") if c.name in left_out and c.split == "train" else c
        for c in corpus.clips
    ]
    changed = Corpus(corpus.name, corpus.folder, tuple(swapped), corpus.media_root, corpus.splits, corpus.targets)
    after = train(changed, [FACE, AUDIO], "attention", tmp_path / "after", **options)
    fold = next(f["fold"] for f in before.metrics["per_fold"] if f["left_out"] == "ben")
    states = [member_state(r, fold) for r in (before, after)]
    assert states[0].keys() == states[1].keys()
    for key in states[0]:
        assert torch.equal(states[0][key], states[1][key]), key
    facts = [json.loads((r.folder / "checkpoints" / f"fold{fold}-seed0.json").read_text()) for r in (before, after)]
    assert facts[0] == facts[1]
    assert before.metrics["per_fold"][fold]["metrics"] != after.metrics["per_fold"][fold]["metrics"]
    other = 1 - min(fold, 1)
    assert not all(torch.equal(member_state(before, other)[k], member_state(after, other)[k]) for k in states[0])


@pytest.mark.slow
def test_shuffled_labels_score_at_chance(corpus: Corpus, tmp_path: Path, fast: dict[str, Any]) -> None:
    scores = []
    training = corpus.select(["train"])
    for seed in range(5):
        labels = np.random.default_rng(seed).permutation([c.cells["discrete"] for c in training])
        renamed = dict(zip((c.name for c in training), labels, strict=True))
        clips = tuple(with_cells(c, discrete=str(renamed[c.name])) if c.name in renamed else c for c in corpus.clips)
        shuffled = Corpus(corpus.name, corpus.folder, clips, corpus.media_root, corpus.splits, corpus.targets)
        made = train(
            shuffled, [FACE, AUDIO], "attention", tmp_path / f"r{seed}", target="discrete", folds="3", seed=seed, **fast
        )
        scores.append(made.metrics["metrics"]["accuracy"])
    n = 5 * len(training)
    assert abs(np.mean(scores) - 1 / 3) < 2.6 * np.sqrt((1 / 3) * (2 / 3) / n), scores


def test_noise_scores_near_chance_and_one_space_suffices(corpus: Corpus, tmp_path: Path, fast: dict[str, Any]) -> None:
    made = train(corpus, NOISE, "attention", tmp_path / "run", target="discrete", folds="3", **fast)
    assert made.metrics["metrics"]["accuracy"] < 0.6


def test_test_splits_are_predicted_and_scored_candidates_only_on_request(
    corpus: Corpus, tmp_path: Path, quick: dict[str, Any]
) -> None:
    options = {**quick, "target": "discrete", "epochs": 30, "batch_size": 8, "lr": 3e-3}
    plain = train(corpus, [FACE], "attention", tmp_path / "plain", **options)
    assert list(plain.metrics["splits"]) == ["test1"]
    assert plain.metrics["splits"]["test1"]["metrics"]["accuracy"] > 0.6
    asked = train(corpus, [FACE], "attention", tmp_path / "asked", labels="candidates", **options)
    assert list(asked.metrics["splits"]) == ["test1", "candidate"]
    assert set(asked.metrics["splits"]["candidate"]["metrics"].values()) == {None}
    assert asked.predictions("candidate").names == tuple(c.name for c in corpus.select(["candidate"]))


def test_predict_gives_what_the_training_wrote(run: Run, corpus: Corpus) -> None:
    found, written = predict(run.folder, corpus, "test1"), run.predictions("test1")
    assert found.names == written.names
    np.testing.assert_allclose(found.probabilities, written.probabilities, atol=1e-12)
    np.testing.assert_allclose(found.values["valence"], written.values["valence"], atol=1e-12)
    assert np.all(np.abs(found.values["valence"]) <= 5)


def test_a_clip_without_any_embedding_gets_the_prior(run: Run, corpus: Corpus) -> None:
    name = corpus.select(["test1"])[0].name
    with open_store(corpus.folder / "store") as store:
        for space in (FACE, AUDIO):
            with store.writer(store.space(space)) as writer:
                writer.fail(name, "decode_error", "cut off")
    found = predict(run, corpus, "test1")
    member = run.members[0]
    assert sum(member.fitted.priors["discrete"]) == pytest.approx(1)
    expected = np.mean([m.fitted.priors["discrete"] for m in run.members], axis=0)
    np.testing.assert_allclose(found.probabilities[0], expected)
    assert found.values["valence"][0] == pytest.approx(np.mean([m.fitted.values["valence"][0] for m in run.members]))
    assert not np.allclose(found.probabilities[1], expected)


def test_quintiles_of_a_value_are_those_of_the_training_part(
    corpus: Corpus, tmp_path: Path, fast: dict[str, Any]
) -> None:
    """The inner split spreads values by quintile; annotations of the test part must not move it."""
    options = {**fast, "folds": "speaker", "target": "valence", "epochs": 2, "inner_parts": 2}
    rng = np.random.default_rng(0)
    spread = [with_cells(c, valence=f"{rng.uniform(-3, 3):.3f}") if c.split == "train" else c for c in corpus.clips]
    moved = [with_cells(c, valence="4.5") if c.cells.get("speaker") == "ben" else c for c in spread]
    before, after = (
        train(replace(corpus, clips=tuple(clips)), AUDIO, "attention", tmp_path / name, **options)
        for name, clips in (("before", spread), ("after", moved))
    )
    fold = next(f["fold"] for f in before.metrics["per_fold"] if f["left_out"] == "ben")
    facts = [json.loads((r.folder / "checkpoints" / f"fold{fold}-seed0.json").read_text()) for r in (before, after)]
    assert facts[0] == facts[1]


def test_a_space_that_only_the_test_part_has_does_not_count(
    corpus: Corpus, tmp_path: Path, quick: dict[str, Any]
) -> None:
    """The network of that fold has never seen the space: whatever stands in it, the predictions are the same."""
    training = corpus.select(["train"])
    with open_store(corpus.folder / "store") as store, store.writer(store.space(FACE)) as writer:
        for clip in training:
            if clip.cells["speaker"] != "ben":
                writer.fail(clip.name, "no_face", "none found")
    ben = {c.name for c in training if c.cells["speaker"] == "ben"}
    options = {**quick, "folds": "speaker", "target": "discrete"}
    before = train(corpus, [FACE, AUDIO], "attention", tmp_path / "before", **options).predictions()
    rewrite(corpus, FACE, ben, lambda v: v * 100 + 7)
    made = train(corpus, [FACE, AUDIO], "attention", tmp_path / "after", **options)
    after = made.predictions()
    rows = [i for i, name in enumerate(before.names) if name in ben]
    np.testing.assert_array_equal(before.probabilities[rows], after.probabilities[rows])
    assert [m.fitted.projections[0].seen for m in Run.read(made.folder).members].count(False) == 1


def test_missing_annotations_and_embeddings_are_masked(corpus: Corpus, tmp_path: Path, fast: dict[str, Any]) -> None:
    training = corpus.select(["train"])
    with open_store(corpus.folder / "store") as store, store.writer(store.space(FACE)) as writer:
        for clip in training[::3]:
            writer.fail(clip.name, "no_face", "none found")
    blank = {c.name for c in training[::5]}
    clips = tuple(with_cells(c, valence="") if c.name in blank else c for c in corpus.clips)
    partly = Corpus(corpus.name, corpus.folder, clips, corpus.media_root, corpus.splits, corpus.targets)
    made = train(
        partly, [FACE, AUDIO], "attention", tmp_path / "run", target=["discrete", "valence"], folds="3", **fast
    )
    assert list(made.metrics["coverage"].values()) == [pytest.approx(2 / 3), 1.0]
    assert made.metrics["metrics"]["accuracy"] > 0.6
    assert len(made.predictions().names) == len(training)


def test_the_folds_file_says_who_was_scored_where(run: Run, corpus: Corpus) -> None:
    rows = list(csv.DictReader((run.folder / "folds.csv").open()))
    fold_of_speaker: dict[str, set[str]] = {}
    for row in rows:
        fold_of_speaker.setdefault(corpus.clip(row["name"]).cells["speaker"], set()).add(row["fold"])
    assert len(rows) == 72
    assert all(len(folds) == 1 for folds in fold_of_speaker.values())


def test_predictions_do_not_depend_on_other_clips(run: Run) -> None:
    from baselines.data import Table

    rng = np.random.default_rng(0)
    table = Table(
        tuple("abcdefgh"),
        (rng.normal(size=(8, 8)).astype(np.float32), rng.normal(size=(8, 5)).astype(np.float32)),
        np.ones((8, 2), bool),
        {},
    )
    together = predict_table(run.members[0], table, run.design.targets)
    alone = predict_table(run.members[0], table.rows(np.array([3])), run.design.targets)
    for target, values in together.items():
        np.testing.assert_allclose(alone[target][0], values[3], atol=1e-6)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"features": ["face/made-down"]}, "MER-T006"),
        ({"features": ["face/made-up@0000"]}, "MER-T006"),
        ({"features": [FACE, FACE]}, "MER-T003"),
        ({"target": ["descrete"]}, "MER-C003"),
        ({"target": ()}, "MER-T035"),
        ({"folds": "7"}, "MER-T010"),
        ({"folds": "speker"}, "MER-T033"),
        ({"folds": "track"}, "MER-T032"),
        ({"train_splits": ("candidate",)}, "MER-T030"),
        ({"train_splits": ("trains",)}, "MER-C002"),
        ({"model": "atention"}, "MER-K001"),
        ({"lr": 1e30}, "MER-T013"),
        ({"patiense": 3}, "MER-T001"),
        ({"store": "nowhere"}, "MER-V001"),
    ],
)
def test_wrong_input_is_one_clear_error_and_leaves_nothing(
    corpus: Corpus, tmp_path: Path, quick: dict[str, Any], change: dict[str, Any], code: str
) -> None:
    call: dict[str, Any] = {"features": [FACE], "model": "attention", "target": ["discrete"], **quick, **change}
    with pytest.raises(MerToolsError) as caught:
        train(corpus, call.pop("features"), call.pop("model"), tmp_path / "out" / "run", **call)
    assert caught.value.code == code, caught.value
    assert caught.value.hint
    assert not (tmp_path / "out").exists() or not list((tmp_path / "out").iterdir())


def test_one_class_only_is_refused(corpus: Corpus, tmp_path: Path, quick: dict[str, Any]) -> None:
    clips = tuple(with_cells(c, discrete="sad") if c.split == "train" else c for c in corpus.clips)
    same = Corpus(corpus.name, corpus.folder, clips, corpus.media_root, corpus.splits, corpus.targets)
    with pytest.raises(TrainingError, match=r"fewer than two classes.*found: sad"):
        train(same, [FACE], "attention", tmp_path / "run", target="discrete", **quick)


def test_an_absent_space_lists_what_is_there_and_the_command(corpus: Corpus, tmp_path: Path) -> None:
    with pytest.raises(TrainingError) as caught:
        train(corpus, ["face/made-upp"], "attention", tmp_path / "run", target="discrete")
    assert "audio/made-up, audio/noise, face/made-up" in caught.value.message
    assert "Did you mean 'face/made-up'" in caught.value.message
    assert f"mertools extract {corpus.folder} --with face/made-upp" in caught.value.hint


def test_several_spaces_of_one_name_must_be_told_apart(corpus: Corpus, tmp_path: Path, quick: dict[str, Any]) -> None:
    with open_store(corpus.folder / "store") as store:
        other = store.declare(SpaceSpec(FACE, "utterance", 8, 1, {"size": 9}))
        with store.writer(other) as writer:
            for clip in corpus.clips:
                writer.add(clip.name, np.ones((1, 8), np.float32), np.zeros(1))
    with pytest.raises(TrainingError, match=r"(?s)fits 2 spaces.*size=8.*size=9|size=9.*size=8") as caught:
        train(corpus, [FACE], "attention", tmp_path / "run", target="discrete", **quick)
    assert other.fingerprint in caught.value.message
    for chosen in (f"{FACE}@{other.fingerprint}", f"{FACE}:size=9"):
        made = train(corpus, [chosen], "attention", tmp_path / chosen.replace("/", "-"), target="discrete", **quick)
        assert made.design.features[0].fingerprint == other.fingerprint


@pytest.mark.parametrize("rule", ["mean", "own"])
def test_a_frame_space_serves_where_its_mean_is_allowed(
    corpus: Corpus, tmp_path: Path, quick: dict[str, Any], rule: str
) -> None:
    with open_store(corpus.folder / "store") as store:
        source = store.read_all(store.space(FACE))
        space = store.declare(SpaceSpec("face/frames", "frame", 8, 1, {}, utterance=rule))
        with store.writer(space) as writer:
            for clip, found in source.items():
                spread = np.array([[-1.0], [0.0], [1.0]], np.float32)
                writer.add(clip, found.values + spread, np.arange(3.0))
    call = {"target": "discrete", **quick}
    if rule == "own":
        with pytest.raises(TrainingError, match="frame level only"):
            train(corpus, ["face/frames"], "attention", tmp_path / "run", **call)
        return
    frames = train(corpus, ["face/frames"], "attention", tmp_path / "frames", **call)
    utterances = train(corpus, [FACE], "attention", tmp_path / "utterances", **call)
    np.testing.assert_allclose(frames.predictions().probabilities, utterances.predictions().probabilities, atol=1e-3)


def test_nan_embeddings_are_refused(corpus: Corpus, tmp_path: Path, quick: dict[str, Any]) -> None:
    rewrite(corpus, FACE, {"clip003"}, lambda v: v * np.nan)
    with pytest.raises(TrainingError, match="NaN or infinity for 1 clips, first 'clip003'"):
        train(corpus, [FACE], "attention", tmp_path / "run", target="discrete", **quick)


def test_spaces_trained_on_these_clips_are_refused_unless_allowed(
    corpus: Corpus, tmp_path: Path, quick: dict[str, Any]
) -> None:
    with open_store(corpus.folder / "store") as store:
        source = store.read_all(store.space(FACE))
        space = store.declare(SpaceSpec("face/tuned", "utterance", 8, 1, {}, facts={"trained_on": ["Mother"]}))
        with store.writer(space) as writer:
            for clip, found in source.items():
                writer.add(clip, found.values, found.times_s)
    call = {"target": "discrete", **quick}
    train(corpus, ["face/tuned"], "attention", tmp_path / "fine", **call)
    for tainted in (
        Corpus("mother", corpus.folder, corpus.clips, corpus.media_root, corpus.splits, corpus.targets),
        Corpus("x", corpus.folder, corpus.clips, corpus.media_root, corpus.splits, corpus.targets, seen_in=("mother",)),
    ):
        with pytest.raises(TrainingError, match="MER-T034"):
            train(tainted, ["face/tuned"], "attention", tmp_path / "refused", **call)
        train(tainted, ["face/tuned"], "attention", tmp_path / f"allowed-{tainted.name}", allow_seen=True, **call)


def test_a_finished_run_is_not_overwritten(run: Run, corpus: Corpus, quick: dict[str, Any]) -> None:
    before = (run.folder / "metrics.json").read_bytes()
    with pytest.raises(TrainingError, match="holds a finished run"):
        train(corpus, [FACE], "attention", run.folder, target="discrete", **quick)
    assert (run.folder / "metrics.json").read_bytes() == before


def test_ctrl_c_leaves_no_run_folder_and_is_passed_on(corpus: Corpus, tmp_path: Path, quick: dict[str, Any]) -> None:
    from baselines.module import FusionModule

    epochs = []

    def interrupt(self: FusionModule) -> None:
        epochs.append(1)
        if len(epochs) == 2:
            raise KeyboardInterrupt

    before = signal.getsignal(signal.SIGINT)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FusionModule, "on_train_epoch_start", interrupt)
        with pytest.raises(KeyboardInterrupt):
            train(corpus, [FACE], "attention", tmp_path / "out" / "run", target="discrete", **quick)
    assert not list((tmp_path / "out").iterdir())
    assert signal.getsignal(signal.SIGINT) is before


def test_torch_settings_are_as_before_afterwards(run: Run) -> None:
    assert torch.get_num_threads() == 1
    assert float(torch.tensor(1e-40) * 1) != 0  # denormal numbers are back


def test_a_damaged_run_is_reported(run: Run, corpus: Corpus) -> None:
    (run.folder / "checkpoints" / "fold0-seed0.safetensors").write_bytes(b"junk")
    with pytest.raises(TrainingError, match="MER-T023"):
        predict(run.folder, corpus, "test1")
    (run.folder / "metrics.json").unlink()
    with pytest.raises(TrainingError, match="not a finished run"):
        predict(run.folder, corpus, "test1")


def test_a_run_of_the_first_format_still_predicts(run: Run, corpus: Corpus) -> None:
    """Members had no options of their own then, and kept losses instead of scores."""
    before = predict(run.folder, corpus, "test1")
    for path in (run.folder / "checkpoints").glob("fold*.json"):
        facts = json.loads(path.read_text())
        facts["inner_losses"] = [-score for score in facts.pop("scores")]
        del facts["config"]
        path.write_text(json.dumps(facts))
    path = run.folder / "checkpoints" / "model.json"
    design = json.loads(path.read_text())
    del design["averaging"]
    path.write_text(json.dumps({**design, "format": 1}))
    np.testing.assert_array_equal(predict(run.folder, corpus, "test1").probabilities, before.probabilities)


def test_a_store_without_the_runs_space_is_refused(run: Run, corpus: Corpus, tmp_path: Path) -> None:
    with open_store(tmp_path / "other", create=True) as store:
        space = store.declare(SpaceSpec(FACE, "utterance", 8, 2, {"size": 8}))
        with store.writer(space) as writer:
            writer.add("clip072", np.ones((1, 8), np.float32), np.zeros(1))
    with pytest.raises(TrainingError, match=f"MER-T050.*{space.fingerprint}"):
        predict(run, corpus, "test1", store=tmp_path / "other")


def test_looks_at_the_truth_of_test_splits_are_counted_in_the_run(trained: Run) -> None:
    looks = [json.loads(line) for line in (trained.folder / "looks.jsonl").read_text().splitlines()]
    assert [(look["event"], look["by"], look["split"]) for look in looks] == [("look", "train", "test1")]
    assert looks[0]["value"] == trained.metrics["splits"]["test1"]["metrics"][looks[0]["metric"]]
