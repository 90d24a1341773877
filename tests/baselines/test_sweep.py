"""`sweep`: what it draws, what it must not see, that it goes on where it stopped."""

import csv
import itertools
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from baselines import MODELS, jobs, predict, sweep, train
from baselines.draws import Range, Space, choose_space
from baselines.jobs import Job, Trained
from baselines.models.attention import Attention
from baselines.models.base import FusionModel
from baselines.proposals import propose, rounds
from baselines.runs import Run
from baselines.study import FACTS, JOURNAL, Study, locked_study, open_study
from mertools.corpus import Corpus, with_cells
from mertools.errors import ConfigError, TrainingError
from mertools.store import open_store

FACE, AUDIO, NOISE = "face/made-up", "audio/made-up", "audio/noise"
SMALL: dict[str, Any] = {
    "target": "discrete",
    "folds": "3",
    "trials": 3,
    "repeats": 2,
    "epochs": 8,
    "batch_size": 16,
    "hidden_dim": [4, 8],
    "dropout": 0.2,
    "lr": [3e-3, 1e-2, 3e-2],
}


@pytest.fixture(scope="module")
def swept(original: Corpus, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return sweep(original, [FACE, AUDIO], "attention", tmp_path_factory.mktemp("swept") / "run", **SMALL)


def contents(folder: Path) -> dict[str, bytes]:
    """Files of a run but those that hold dates."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in ("looks.jsonl", JOURNAL)
    }


def counting(patch: pytest.MonkeyPatch, before: Callable[[int], None] = lambda n: None) -> list[Job]:
    """Note every job that is run; `before` is told how many there were."""
    ran: list[Job] = []
    alone = jobs.run_alone

    def noted(job: Job) -> Trained:
        before(len(ran))
        ran.append(job)
        return alone(job)

    patch.setattr(jobs, "run_alone", noted)
    return ran


# ---- draws


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 4), min_size=1, max_size=4), st.integers(0, 1000))
def test_draws_are_distinct_cover_the_grid_and_depend_on_seed_and_number(lengths: list[int], seed: int) -> None:
    space = Space({f"k{i}": tuple(range(n)) for i, n in enumerate(lengths)})
    points = [tuple(p.values()) for p in space.draws(seed)]
    assert len(points) == space.size == np.prod(lengths)
    assert set(points) == set(itertools.product(*space.dimensions.values()))
    few = [tuple(p.values()) for p in itertools.islice(space.draws(seed), 3)]
    assert few == points[:3]


def test_another_seed_draws_in_another_order() -> None:
    space = Space({"a": tuple(range(50))})
    assert list(space.draws(0)) != list(space.draws(1))


@settings(max_examples=60, deadline=None)
@given(st.floats(1e-6, 1e3), st.floats(1.01, 1e3), st.booleans(), st.floats(0, 1, exclude_max=True))
def test_ranges_stay_inside(low: float, factor: float, log: bool, share: float) -> None:
    found = Range(low, low * factor, log).at(share)
    assert low * (1 - 1e-12) <= found <= low * factor * (1 + 1e-12)


def test_ranges_of_whole_numbers_end() -> None:
    space = Space({"a": Range(1, 3, whole=True), "b": Range(1, 4, log=True, whole=True)})
    assert space.size == 12
    assert len(list(space.draws(0))) == 12
    assert Space({"a": Range(0.0, 1.0)}).size is None


def test_draws_are_spread_evenly() -> None:
    low = [point["a"] for point in itertools.islice(Space({"a": Range(1e-4, 1.0, log=True)}).draws(0), 400)]
    assert np.mean(np.array(low) < 1e-2) == pytest.approx(0.5, abs=0.08)


@pytest.mark.parametrize("model", MODELS.names())
def test_published_spaces_fit_their_models(model: str) -> None:
    model_class = MODELS.get(model)
    if not (isinstance(model_class, type) and issubclass(model_class, FusionModel)):
        pytest.skip("no fusion model")
    if not model_class.search_space:
        pytest.skip("no published space")
    space, fixed = choose_space(model, model_class, None, {})
    assert set(space.dimensions) == set(model_class.search_space)
    assert not fixed


def test_options_replace_add_and_fix_dimensions(tmp_path: Path) -> None:
    options = {"dropout": "0.3", "lr": "[1e-2, 0.01,1e-3]", "batch_size": [8, 16], "seed": 3}
    space, fixed = choose_space("attention", Attention, None, options)
    assert space.dimensions == {"hidden_dim": (64, 128, 256), "lr": (0.01, 0.001), "batch_size": (8, 16)}
    assert fixed == {"dropout": "0.3", "seed": 3}
    (tmp_path / "space.yaml").write_text("lr: {low: 1e-4, high: 1e-2, log: true}\npca: [0, '2']\n")
    space, _ = choose_space("attention", Attention, tmp_path / "space.yaml", {})
    assert space.dimensions == {"lr": Range(1e-4, 1e-2, log=True), "pca": (0, 2)}


@pytest.mark.parametrize(
    ("space", "options", "found"),
    [
        ({"learning": [1, 2]}, {}, r"MER-T121.*'learning' is no option"),
        ({"dropot": [0.1]}, {}, r"MER-T121.*Did you mean 'dropout'"),
        ({"folds": ["3", "5"]}, {}, r"MER-T121.*'folds' says what is trained on"),
        (None, {"seed": [1, 2]}, r"MER-T121.*'seed' says what is trained on"),
        ({"lr": ["fast"]}, {}, r"MER-R004.*lr: 'fast' is not a number"),
        ({"lr": [-1.0]}, {}, r"lr must be positive"),
        ({"dropout": [1.5]}, {}, r"dropout must lie in \[0, 1\)"),
        ({"lr": []}, {}, r"MER-T123"),
        ({"lr": 0.1}, {}, r"MER-T123.*no list"),
        ({"lr": {"low": 1.0, "high": 0.1}}, {}, r"MER-T123.*no range"),
        ({"lr": {"low": 0.1, "high": 1.0, "step": 2}}, {}, r"MER-T123.*no range"),
        ({"standardise": {"low": 0, "high": 1}}, {}, r"MER-T123.*no range"),
        ({}, {}, r"MER-T122"),
        (None, {"hidden_dim": 8, "dropout": 0.1, "lr": 0.1}, r"MER-T122.*every option of it is fixed"),
    ],
)
def test_a_wrong_space_is_refused(space: Any, options: dict[str, Any], found: str) -> None:
    with pytest.raises(ConfigError) as caught:
        choose_space("attention", Attention, space, options)
    assert re.search(found, str(caught.value)), caught.value


def test_a_file_that_is_no_space_is_refused(tmp_path: Path) -> None:
    (tmp_path / "space.yaml").write_text("- lr\n")
    with pytest.raises(ConfigError, match="MER-T123"):
        choose_space("attention", Attention, tmp_path / "space.yaml", {})
    with pytest.raises(ConfigError, match="MER-R005"):
        choose_space("attention", Attention, tmp_path / "absent.yaml", {})


def test_tpe_repeats_itself_and_tries_nothing_twice() -> None:
    space = Space({"a": tuple(range(5)), "b": (0.1, 0.2, 0.3)})
    (first, second) = rounds("tpe", 15)
    before = {n: (p, float(p["a"])) for n, p in zip(first, propose(space, "tpe", 0, first, {}, 0), strict=True)}
    points = propose(space, "tpe", 0, second, before, 0)
    assert points == propose(space, "tpe", 0, second, before, 0)
    everything = [tuple(p.values()) for p in (*(p for p, _ in before.values()), *points)]
    assert len(set(everything)) == space.size


def test_tpe_learns_from_earlier_rounds() -> None:
    space = Space({"x": Range(0.0, 1.0)})
    known: dict[int, Any] = {}
    for numbers in rounds("tpe", 40):
        for number, point in zip(numbers, propose(space, "tpe", 1, numbers, known, 0), strict=True):
            known[number] = (point, -abs(point["x"] - 0.9))
    off = [-score for _, score in known.values()]
    assert np.mean(off[20:]) < 0.5 * np.mean(off[:10])


# ---- a whole sweep


def test_the_run_is_an_ordinary_one(swept: Run, original: Corpus) -> None:
    metrics = swept.metrics
    assert metrics["seeds"] == [1, 2]  # 0 searched
    assert metrics["optimistic"] is False
    assert metrics["protocol"]["select_by"] == "waf"
    assert metrics["search"]["trials"] == 3
    assert metrics["search"]["points"] == 6
    assert [c["fold"] for c in metrics["search"]["chosen"]] == [0, 1, 2]
    assert len(swept.members) == 6
    assert metrics["metrics"]["accuracy"] > 0.7
    found, written = predict(swept.folder, original, "test1"), swept.predictions("test1")
    np.testing.assert_allclose(found.probabilities, written.probabilities, atol=1e-12)


def test_members_have_the_options_and_epochs_that_were_chosen(swept: Run) -> None:
    chosen = {c["fold"]: c for c in swept.metrics["search"]["chosen"]}
    for member in swept.members:
        assert member.epochs == chosen[member.fold]["epochs"]
        assert member.config["hidden_dim"] == chosen[member.fold]["options"]["hidden_dim"]
        assert member.model.config.hidden_dim == member.config["hidden_dim"]


def test_every_trial_is_in_the_table_and_the_best_was_chosen(swept: Run) -> None:
    rows = list(csv.DictReader((swept.folder / "trials.csv").open()))
    assert len(rows) == 9
    assert list(rows[0]) == ["protocol", "trial", "fold", "hidden_dim", "lr", "score", "epochs", "problem"]
    for chosen in swept.metrics["search"]["chosen"]:
        of_fold = [r for r in rows if r["fold"] == str(chosen["fold"])]
        best = max(of_fold, key=lambda r: float(r["score"]))
        assert (int(best["trial"]), float(best["score"])) == (chosen["trial"], chosen["score"])
        assert {k: str(v) for k, v in chosen["options"].items()} == {k: best[k] for k in chosen["options"]}
    assert len({(r["hidden_dim"], r["lr"]) for r in rows}) == 3


def test_inner_predictions_have_the_score_that_chose(swept: Run, original: Corpus) -> None:
    from sklearn.metrics import f1_score

    from mertools.predictions import Predictions

    truth = {c.name: c.cells["discrete"] for c in original.select(["train"])}
    for chosen in swept.metrics["search"]["chosen"]:
        found = Predictions.read(swept.folder / "predictions" / "inner" / f"fold{chosen['fold']}-seed0.csv")
        score = f1_score([truth[n] for n in found.names], found.discrete, average="weighted")
        assert score == pytest.approx(chosen["score"], abs=1e-12)


def test_a_finished_sweep_costs_nothing(swept: Run, original: Corpus, monkeypatch: pytest.MonkeyPatch) -> None:
    before = contents(swept.folder)
    ran = counting(monkeypatch)
    again = sweep(original, [FACE, AUDIO], "attention", swept.folder, **SMALL)
    assert again.metrics == swept.metrics
    assert not ran
    assert contents(swept.folder) == before


@pytest.mark.parametrize("stops", [[0], [4], [9], [13], [2, 5, 11, 14]])
def test_a_sweep_that_was_stopped_goes_on_and_ends_the_same(
    swept: Run, original: Corpus, tmp_path: Path, stops: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """9 trainings search, 3 keep inner predictions, 6 are the members."""
    total = 0
    for stop in stops:
        with monkeypatch.context() as patch:

            def interrupt(ran: int, stop: int = stop, done: int = total) -> None:
                if done + ran == stop:
                    raise KeyboardInterrupt

            total_before = total
            ran = counting(patch, interrupt)
            with pytest.raises(KeyboardInterrupt):
                sweep(original, [FACE, AUDIO], "attention", tmp_path / "run", **SMALL)
            total = total_before + len(ran)
        assert not (tmp_path / "run" / "metrics.json").exists()
    with monkeypatch.context() as patch:
        ran = counting(patch)
        again = sweep(original, [FACE, AUDIO], "attention", tmp_path / "run", **SMALL)
        assert total + len(ran) == 18  # nothing was done twice
    assert again.metrics == swept.metrics
    assert contents(again.folder) == contents(swept.folder)


@pytest.mark.parametrize("sampler", ["random", "tpe"])
def test_stopped_search_draws_the_same(
    original: Corpus, tmp_path: Path, sampler: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = {**SMALL, "trials": 12, "hidden_dim": [2, 3, 4, 5], "epochs": 1, "repeats": 1, "sampler": sampler}
    whole = sweep(original, [FACE], "attention", tmp_path / "whole", **options)

    def interrupt(ran: int) -> None:
        if ran == 32:  # inside TPE's second round
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        counting(patch, interrupt)
        with pytest.raises(KeyboardInterrupt):
            sweep(original, [FACE], "attention", tmp_path / "parts", **options)
    parts = sweep(original, [FACE], "attention", tmp_path / "parts", **options)
    assert contents(parts.folder) == contents(whole.folder)


def test_more_trials_go_on_with_an_unfinished_study(
    original: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = {**SMALL, "epochs": 1, "repeats": 1}

    def interrupt(ran: int) -> None:
        if ran == 10:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        counting(patch, interrupt)
        with pytest.raises(KeyboardInterrupt):
            sweep(original, [FACE], "attention", tmp_path / "a", **{**options, "trials": 3})
    grown = sweep(original, [FACE], "attention", tmp_path / "a", **{**options, "trials": 5})
    whole = sweep(original, [FACE], "attention", tmp_path / "b", **{**options, "trials": 5})
    assert contents(grown.folder) == contents(whole.folder)


def test_no_clip_that_a_fold_left_out_is_seen_by_its_search(
    original: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from baselines.data import Table

    seen: list[tuple[int, set[str], bool]] = []
    alone, rows = jobs.run_alone, Table.rows
    current: list[Job] = []

    def watched(job: Job) -> Trained:
        current.append(job)
        trained = alone(job)
        current.pop()
        return trained

    def noted(self: Table, index: np.ndarray) -> Table:
        found = rows(self, index)
        if current:
            seen.append((current[-1].fold, set(found.names), current[-1].watch is not None))
        return found

    monkeypatch.setattr(jobs, "run_alone", watched)
    monkeypatch.setattr(Table, "rows", noted)
    made = sweep(original, [FACE], "attention", tmp_path / "run", **{**SMALL, "pca": 2})
    fold_of = dict(line.split(",")[:2] for line in (made.folder / "folds.csv").read_text().splitlines()[1:])
    speaker = {c.name: c.cells["speaker"] for c in original.clips}
    assert {searching for _, _, searching in seen} == {True, False}
    for fold, names, _ in seen:
        assert not {name for name in names if fold_of[name] == str(fold)}
    for fold in range(3):
        left_out = {speaker[name] for name, number in fold_of.items() if number == str(fold)}
        assert not left_out & {speaker[name] for number, names, _ in seen if number == fold for name in names}


def test_nothing_that_is_chosen_depends_on_what_a_fold_left_out(corpus: Corpus, tmp_path: Path) -> None:
    options = {**SMALL, "folds": "speaker", "target": ["discrete", "valence"]}
    before = sweep(corpus, [FACE], "attention", tmp_path / "before", **options)
    left_out = {c.name for c in corpus.select(["train"]) if c.cells["speaker"] == "ben"}
    with open_store(corpus.folder / "store") as store:
        space = store.space(FACE)
        old = store.read_all(space)
        with store.writer(space) as writer:
            for name in left_out:
                writer.add(name, np.array(old[name].values) * 50 + 3, old[name].times_s)
    swapped = tuple(with_cells(c, discrete="angry", valence="-4.5") if c.name in left_out else c for c in corpus.clips)
    after = sweep(replace(corpus, clips=swapped), [FACE], "attention", tmp_path / "after", **options)
    fold = next(f["fold"] for f in before.metrics["per_fold"] if f["left_out"] == "ben")
    assert before.metrics["search"]["chosen"][fold] == after.metrics["search"]["chosen"][fold]
    states = [
        {k: v for m in r.members if m.fold == fold for k, v in m.model.state_dict().items()} for r in (before, after)
    ]
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])
    assert before.metrics["search"]["chosen"] != after.metrics["search"]["chosen"]


def test_a_published_sweep_takes_the_best_cross_validation_score(corpus: Corpus, tmp_path: Path) -> None:
    made = sweep(corpus, [FACE], "attention", tmp_path / "run", protocol="published", gap=True, **SMALL)
    rows = [r for r in csv.DictReader((made.folder / "trials.csv").open()) if r["protocol"] == "published"]
    means = [np.mean([float(r["score"]) for r in rows if r["trial"] == str(t)]) for t in range(3)]
    search = made.metrics["search"]
    assert {c["trial"] for c in search["chosen"]} == {int(np.argmax(means))}
    assert search["score"] == pytest.approx(max(means))
    assert made.metrics["optimistic"]
    assert made.metrics["gap"]["value"] == pytest.approx(
        made.metrics["fold_mean"]["waf"] - made.metrics["honest"]["fold_mean"]["waf"]
    )
    assert {r["protocol"] for r in csv.DictReader((made.folder / "trials.csv").open())} == {"published", "nested"}
    assert made.design.averaging == "logits"
    options = made.metrics["search"]["chosen"][0]["options"]
    alone = train(
        corpus, [FACE], "attention", tmp_path / "alone", target="discrete", folds="3", protocol="published", gap=False,
        epochs=8, batch_size=16, seed=1, fold_seed=0, repeats=2, dropout=0.2, **options,
    )  # fmt: skip
    assert alone.metrics["metrics"] == made.metrics["metrics"]
    assert "gap" not in alone.metrics


# ---- what goes wrong


def test_a_grid_smaller_than_the_trials_is_tried_whole(
    corpus: Corpus, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    made = sweep(corpus, [FACE], "attention", tmp_path / "run", **{**SMALL, "trials": 50, "lr": 1e-2, "epochs": 1})
    assert made.metrics["search"]["trials"] == 2
    assert "has 2 points: each is tried once, instead of 50 trials" in caplog.text
    assert "2 seeds" in caplog.text


def test_a_trial_that_fails_is_noted_and_the_others_go_on(corpus: Corpus, tmp_path: Path) -> None:
    options = {**SMALL, "trials": 2, "lr": [1e-2, 1e30], "hidden_dim": 4}
    made = sweep(corpus, [FACE], "attention", tmp_path / "run", **options)
    assert made.metrics["search"]["failed"] == 1
    assert {c["options"]["lr"] for c in made.metrics["search"]["chosen"]} == {1e-2}
    rows = list(csv.DictReader((made.folder / "trials.csv").open()))
    assert all("loss became" in r["problem"] and not r["score"] for r in rows if r["lr"] == "1e+30")
    assert all(not r["problem"] and r["score"] for r in rows if r["lr"] == "0.01")


def test_if_every_trial_fails_nothing_is_chosen(corpus: Corpus, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"MER-T128.*every trial failed on fold 0.*loss became"):
        sweep(corpus, [FACE], "attention", tmp_path / "run", **{**SMALL, "lr": [1e30, 1e31], "hidden_dim": 4})
    assert not (tmp_path / "run" / "metrics.json").exists()


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"lr": [3e-3, 1e-2]}, r"space.lr: \[0.003, 0.01, 0.03\] then, \[0.003, 0.01\] now"),
        ({"epochs": 6}, r"options.epochs: 8 then, 6 now"),
        ({"seed": 1}, r"options.seed: 0 then, 1 now"),
        ({"target": "valence"}, r"targets.*select_by: waf then, ccc now"),
        ({"sampler": "tpe"}, r"sampler: random then, tpe"),
        ({"protocol": "published"}, r"options.protocol: nested then, published now"),
        ({"trials": 4}, r"MER-T129.*trials: 3 then, 4 now"),
        ({"repeats": 3}, r"MER-T129.*repeats: 2 then, 3 now"),
    ],
)
def test_a_study_of_another_search_is_refused_with_what_differs(
    swept: Run, original: Corpus, change: dict[str, Any], found: str
) -> None:
    before = contents(swept.folder)
    with pytest.raises(TrainingError, match=rf"(?s){found}"):
        sweep(original, [FACE, AUDIO], "attention", swept.folder, **{**SMALL, **change})
    with pytest.raises(TrainingError, match=r"(?s)MER-T126.*features"):
        sweep(original, [FACE], "attention", swept.folder, **SMALL)
    assert contents(swept.folder) == before


def test_changed_embeddings_are_noticed(corpus: Corpus, tmp_path: Path) -> None:
    options = {**SMALL, "epochs": 1}
    sweep(corpus, [FACE], "attention", tmp_path / "run", **options)
    with open_store(corpus.folder / "store") as store:
        space = store.space(FACE)
        old = store.read_all(space)
        with store.writer(space) as writer:
            writer.add("clip003", np.array(old["clip003"].values) + 1, old["clip003"].times_s)
    with pytest.raises(TrainingError, match=r"MER-T126.*clips and embeddings"):
        sweep(corpus, [FACE], "attention", tmp_path / "run", **options)


@pytest.mark.parametrize("change", [{"trials": 0}, {"sampler": "grid"}, {"selection": "last"}])
def test_wrong_arguments_are_refused_and_leave_no_folder(
    corpus: Corpus, tmp_path: Path, change: dict[str, Any]
) -> None:
    with pytest.raises(ConfigError, match="MER-T124"):
        sweep(corpus, [FACE], "attention", tmp_path / "run", **{**SMALL, **change})
    assert not (tmp_path / "run").exists()


def test_a_folder_that_holds_something_else_is_left_alone(run: Run, corpus: Corpus, tmp_path: Path) -> None:
    before = contents(run.folder)
    with pytest.raises(TrainingError, match=r"MER-T022.*finished run"):
        sweep(corpus, [FACE], "attention", run.folder, **SMALL)
    assert contents(run.folder) == before
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "a.txt").write_text("mine")
    with pytest.raises(TrainingError, match=r"MER-T022.*holds no study"):
        sweep(corpus, [FACE], "attention", tmp_path / "notes", **SMALL)


def test_two_processes_do_not_share_a_study(tmp_path: Path) -> None:
    with (
        locked_study(tmp_path / "run", {"a": 1}),
        pytest.raises(TrainingError, match="MER-T125"),
        locked_study(tmp_path / "run", {"a": 1}),
    ):
        pass
    with locked_study(tmp_path / "run", {"a": 1}):
        pass


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 400), st.binary(max_size=40).filter(lambda b: b"\n" not in b))
def test_a_torn_record_is_dropped_and_whole_ones_stay(cut: int, junk: bytes) -> None:
    import tempfile

    from baselines.study import Result

    space = Space({"lr": (0.1, 0.2), "hidden_dim": (4, 8)})
    points = list(space.draws(0))
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "run"
        with locked_study(out, {}):
            study = Study(out, space, "nested", 1)
            for n in range(3):
                study.add(Result(n, 0, points[n], 0.5 + n / 10, n + 1))
        journal = out / JOURNAL
        whole = journal.read_bytes()
        start = whole.rstrip(b"\n").rfind(b"\n") + 1
        journal.write_bytes(whole[: start + min(cut, len(whole) - start - 1)] if cut else whole + b'{"op' + junk)
        with locked_study(out, {}):
            again = Study(out, space, "nested", 1)
            kept = 2 if cut else 3
            assert again.results == {k: r for k, r in study.results.items() if k[0] < kept}
            for n in range(kept, 4):
                again.add(Result(n, 0, points[n], 0.5 + n / 10, n + 1))
        with locked_study(out, {}):
            assert len(Study(out, space, "nested", 1).results) == 4


def test_a_file_that_is_no_journal_is_refused(tmp_path: Path) -> None:
    (tmp_path / JOURNAL).write_text("hello\nworld\n")
    with pytest.raises(TrainingError, match="MER-T127"):
        open_study(tmp_path / JOURNAL, "nested-fold0")


def test_facts_that_cannot_be_read_are_refused(swept: Run, original: Corpus, tmp_path: Path) -> None:
    shutil.copytree(swept.folder, tmp_path / "run")
    (tmp_path / "run" / FACTS).write_text("{")
    with pytest.raises(TrainingError, match="MER-T127"):
        sweep(original, [FACE, AUDIO], "attention", tmp_path / "run", **SMALL)


def test_optuna_reads_the_study(swept: Run, tmp_path: Path) -> None:
    """As its dashboard would."""
    import optuna
    from optuna.storages.journal import JournalFileBackend, JournalStorage

    shutil.copy(swept.folder / JOURNAL, tmp_path / JOURNAL)
    storage = JournalStorage(JournalFileBackend(str(tmp_path / JOURNAL)))
    assert optuna.study.get_all_study_names(storage) == [f"nested-fold{fold}" for fold in range(3)]
    study = optuna.load_study(study_name="nested-fold1", storage=storage)
    assert study.best_value == swept.metrics["search"]["chosen"][1]["score"]


# ---- slow


SCRIPT = """
import sys
from baselines import sweep
from mertools.corpus import Corpus

sweep(Corpus.read(sys.argv[1]), ["face/made-up"], "attention", sys.argv[2], target="discrete", folds="3", trials=8,
      repeats=2, epochs=20, batch_size=4, hidden_dim=[4, 8, 16, 32], dropout=0.2, lr=[1e-3, 1e-2])
"""


def lines_of(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.exists() else 0


@pytest.mark.slow
def test_kill_9_loses_at_most_what_was_in_flight(original: Corpus, tmp_path: Path) -> None:
    def start(out: Path) -> subprocess.Popen[bytes]:
        return subprocess.Popen([sys.executable, "-c", SCRIPT, str(original.folder), str(out)])

    whole = start(tmp_path / "whole")
    assert whole.wait() == 0
    out = tmp_path / "parts"
    for more in (4, 12):
        known = lines_of(out / JOURNAL)
        process = start(out)
        while lines_of(out / JOURNAL) < max(known, 3) + more and process.poll() is None:
            time.sleep(0.01)
        assert process.poll() is None, "it was over before it could be killed"
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert lines_of(out / JOURNAL) >= known + more - 3
    assert start(out).wait() == 0
    assert contents(out) == contents(tmp_path / "whole")


def shuffled(corpus: Corpus, seed: int) -> Corpus:
    """Labels permuted within speakers: no fold has more of a class than another, so that chance is a third exactly."""
    rng, renamed = np.random.default_rng(seed), {}
    for speaker in sorted({c.cells["speaker"] for c in corpus.select(["train"])}):
        own = [c for c in corpus.select(["train"]) if c.cells["speaker"] == speaker]
        labels = rng.permutation([c.cells["discrete"] for c in own])
        renamed |= dict(zip((c.name for c in own), map(str, labels), strict=True))
    clips = tuple(with_cells(c, discrete=renamed[c.name]) if c.name in renamed else c for c in corpus.clips)
    return replace(corpus, clips=clips)


@pytest.mark.slow
def test_with_shuffled_labels_nested_scores_are_chance_and_published_ones_are_not(
    original: Corpus, tmp_path: Path
) -> None:
    found: dict[str, list[float]] = {"nested": [], "published": [], "best draw": []}
    options = {"target": "discrete", "folds": "3", "trials": 10, "epochs": 30, "batch_size": 24, "repeats": 1,
               "hidden_dim": [8, 16], "dropout": [0.2, 0.3, 0.5], "lr": [1e-2, 3e-2], "select_by": "accuracy"}  # fmt: skip
    for seed in range(2):
        for protocol in ("nested", "published"):
            made = sweep(
                shuffled(original, seed), [FACE, NOISE], "attention", tmp_path / f"{protocol}{seed}", seed=seed,
                protocol=protocol, standardise=True, weight_decay=1e-3, **options,
            )  # fmt: skip
            found[protocol].append(made.metrics["fold_mean"]["accuracy"])
        found["best draw"].append(made.metrics["search"]["score"])
    n = 2 * len(original.select(["train"]))
    error = np.sqrt((1 / 3) * (2 / 3) / n)
    assert abs(np.mean(found["nested"]) - 1 / 3) < 2.6 * error, found
    assert np.mean(found["published"]) - 1 / 3 > 2.6 * error, found
    assert np.mean(found["best draw"]) - 1 / 3 > 3.5 * error, found
