"""What reaches Lightning's trainer, where curves go, and several processes."""

import importlib.util
import inspect
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from baselines import loggers, module, train
from baselines.data import Table
from baselines.jobs import Job, Watch, run_alone
from baselines.levels import alignment_of, load_clips, settle
from baselines.loggers import logger_name, make_logger
from baselines.members import Task
from baselines.models.attention import Attention
from baselines.module import share
from baselines.options import TrainOptions
from baselines.population.plan import may_be_stacked
from baselines.spaces import find_features
from baselines.trainer_options import OWNED, PASSED, gather, several_devices, trainer_arguments
from mertools.cli import main
from mertools.config import load_yaml
from mertools.corpus import Corpus
from mertools.errors import ConfigError, MissingDependencyError
from mertools.store import open_store

FACE = "face/made-up"
ROWS = ("face/rows", "audio/rows", "text/rows")


@pytest.fixture
def seen_by_trainer(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What `lightning.Trainer` is given while the test runs; it trains as usual."""
    given: list[dict[str, Any]] = []
    real = module.Trainer

    def recording(**arguments: Any) -> Any:
        given.append(arguments)
        return real(**arguments)

    monkeypatch.setattr(module, "Trainer", recording)
    return given


def test_every_argument_of_the_trainer_is_either_passed_or_accounted_for() -> None:
    from lightning import Trainer

    names = set(inspect.signature(Trainer.__init__).parameters) - {"self"}
    assert set(PASSED) | set(OWNED) >= names
    assert not set(PASSED) & set(OWNED)
    assert set(PASSED) <= names


def test_words_become_what_yaml_says_they_are() -> None:
    found = gather(
        {"trainer.precision": "bf16-mixed", "trainer.devices": "[0, 1]", "lr": "0.1", "trainer": {"devices": 4}}
    )
    assert found == {"lr": "0.1", "trainer": {"devices": [0, 1], "precision": "bf16-mixed"}}
    assert gather({"trainer.limit_train_batches": "0.5"})["trainer"] == {"limit_train_batches": 0.5}
    assert gather({"epochs": "3"}) == {"epochs": "3"}
    assert gather({"trainer.max_epochs": "3"}) == {"epochs": 3}
    assert gather({"trainer.max_epochs": "3", "epochs": "3"}) == {"epochs": "3"}


@pytest.mark.parametrize(
    ("values", "code", "said"),
    [
        ({"trainer.max_epoch": "3"}, "MER-T086", "Did you mean 'max_epochs'"),
        ({"trainer.callbacks": "x"}, "MER-T085", "callbacks are Python objects"),
        ({"trainer.logger": "x"}, "MER-T085", "logger=tensorboard"),
        ({"trainer.precision": "bf16-true"}, "MER-T087", "precision=bf16-true"),
        ({"trainer.strategy": "fsdp"}, "MER-T087", "strategy=fsdp"),
        ({"trainer.devices": "0"}, "MER-T087", "devices=0"),
        ({"trainer.devices": "two"}, "MER-T087", "devices=two"),
        ({"trainer.accumulate_grad_batches": "1.5"}, "MER-T087", "accumulate_grad_batches=1.5"),
        ({"trainer.max_epochs": "true"}, "MER-T087", "max_epochs=True"),
        ({"trainer.max_epochs": "3", "epochs": 4}, "MER-T084", "differ"),
        ({"trainer": "devices=2"}, "MER-T083", "not a mapping"),
    ],
)
def test_arguments_that_cannot_be_passed_are_refused(values: dict[str, Any], code: str, said: str) -> None:
    with pytest.raises(ConfigError, match=f"{code}.*{said}"):
        gather(values)


def test_processes_are_spawned_for_a_training_and_end_with_it() -> None:
    assert trainer_arguments({}) == {"devices": 1}
    assert trainer_arguments({"strategy": "ddp"}) == {"devices": 1}
    for devices in (2, [0, 1], "auto"):
        assert several_devices({"devices": devices})
        assert trainer_arguments({"devices": devices, "strategy": "ddp"})["strategy"] == "ddp_spawn"
    assert trainer_arguments({"devices": 2, "strategy": "ddp_fork"})["strategy"] == "ddp_fork"
    assert not several_devices({"devices": [1]})


@given(st.integers(1, 40), st.integers(1, 5))
def test_shares_of_a_batch_cover_it_and_weigh_as_the_whole(n_clips: int, world_size: int) -> None:
    index = torch.randperm(n_clips)
    values = torch.arange(n_clips, dtype=torch.float64)
    shares = [share(index, rank, world_size) for rank in range(world_size)]
    used = torch.cat([own for own, weight in shares if weight])
    assert sorted(used.tolist()) == list(range(n_clips))
    assert all(len(own) for own, _ in shares)
    averaged = sum(values[own].mean() * weight for own, weight in shares) / world_size
    assert float(averaged) == pytest.approx(float(values.mean()))


def test_arguments_reach_the_trainer(
    corpus: Corpus, tmp_path: Path, quick: dict[str, Any], seen_by_trainer: list[dict[str, Any]]
) -> None:
    run = train(
        corpus, [FACE], "attention", tmp_path / "run", target="discrete", grad_clip=0.5,
        **{**quick, "epochs": 5, "trainer.max_epochs": 5, "trainer.accumulate_grad_batches": "2"},
        **{"trainer.precision": "bf16-mixed"},
    )  # fmt: skip
    assert len(seen_by_trainer) == 2
    for arguments in seen_by_trainer:
        assert arguments["max_epochs"] == 5
        assert arguments["accumulate_grad_batches"] == 2
        assert arguments["precision"] == "bf16-mixed"
        assert arguments["gradient_clip_val"] == 0.5
        assert arguments["gradient_clip_algorithm"] == "value"
        assert arguments["logger"] is False
    recipe = load_yaml(run.folder / "recipe.yaml")["options"]
    assert recipe["trainer"] == {"accumulate_grad_batches": 2, "precision": "bf16-mixed"}
    assert recipe["epochs"] == 5


def test_gradients_are_not_cut_unless_asked_for(
    corpus: Corpus, tmp_path: Path, quick: dict[str, Any], seen_by_trainer: list[dict[str, Any]]
) -> None:
    train(corpus, [FACE], "attention", tmp_path / "run", target="discrete", **quick)
    assert not any(name.startswith("gradient") for arguments in seen_by_trainer for name in arguments)


def words(corpus: Corpus, out: Path, *more: str) -> list[str]:
    return [
        "train", "--corpus", str(corpus.folder), "--features", FACE, "--model", "attention", "--target", "discrete",
        "--folds", "2", "--out", str(out), *more, "hidden_dim=8", "selection=last",
    ]  # fmt: skip


def test_the_verb_train_passes_arguments_and_a_recipe_repeats_them(
    corpus: Corpus, tmp_path: Path, seen_by_trainer: list[dict[str, Any]]
) -> None:
    assert (
        main(words(corpus, tmp_path / "run", "--trainer.max_epochs=2", "--trainer.accumulate_grad_batches", "2")) == 0
    )
    recipe = str(tmp_path / "run" / "recipe.yaml")
    assert main(["train", "--recipe", recipe, "--out", str(tmp_path / "again"), "--trainer.max_epochs", "1"]) == 0
    assert [a["max_epochs"] for a in seen_by_trainer] == [2, 2, 1, 1]
    assert [a["accumulate_grad_batches"] for a in seen_by_trainer] == [2, 2, 2, 2]


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ("--trainer.max_epoch=2", "MER-R011"),
        ("--trainer.callbacks=x", "MER-T085"),
        ("--trainer.precision=64", "MER-T087"),
        ("trainer.nothing=1", "MER-T086"),
        ("trainer=5", "MER-T083"),
        ("logger=paper", "MER-R004"),
    ],
)
def test_wrong_words_exit_with_two(
    corpus: Corpus, tmp_path: Path, capsys: pytest.CaptureFixture[str], more: str, code: str
) -> None:
    assert main(words(corpus, tmp_path / "run", more)) == 2
    assert capsys.readouterr().err.startswith(code)
    assert not (tmp_path / "run").exists()


def installed(monkeypatch: pytest.MonkeyPatch, *packages: str) -> None:
    monkeypatch.setattr(loggers, "find_spec", lambda name: name if name in packages else None)


def test_rows_have_curves_by_default_and_single_embeddings_have_none(monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, "tensorboard")
    assert logger_name(TrainOptions(level="frame")) == "tensorboard"
    assert logger_name(TrainOptions(level="utterance")) == "none"
    assert logger_name(TrainOptions(level="utterance", logger="tensorboard")) == "tensorboard"
    assert logger_name(TrainOptions(level="frame", logger="none")) == "none"
    installed(monkeypatch)
    assert logger_name(TrainOptions(level="frame")) == "none"


@pytest.mark.parametrize("name", ["tensorboard", "wandb", "mlflow"])
def test_a_logger_that_is_not_installed_is_refused_with_the_command_before_anything_is_read(
    corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    installed(monkeypatch)
    with pytest.raises(MissingDependencyError, match="MER-T088") as refused:
        train(corpus, ["face/nobody"], "attention", tmp_path / "run", target="discrete", logger=name)
    assert f"pip install 'mertools[{name}]'" in refused.value.hint


@pytest.mark.parametrize(("name", "made_as"), [("wandb", "WandbLogger"), ("mlflow", "MLFlowLogger")])
def test_services_are_made_by_name_and_write_into_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, made_as: str
) -> None:
    from lightning.pytorch import loggers as of_lightning

    installed(monkeypatch, name)
    monkeypatch.setattr(of_lightning, made_as, lambda *a, **kw: SimpleNamespace(positional=a, named=kw))
    made: Any = make_logger(TrainOptions(logger=name), tmp_path / "logs", "fold0-seed0")
    assert "fold0-seed0" in made.named.values()
    place = made.named.get("save_dir") or made.named["tracking_uri"]
    assert str(tmp_path / "logs") in str(place)


@pytest.mark.skipif(importlib.util.find_spec("tensorboard") is None, reason="needs tensorboard")
def test_curves_of_every_training_lie_in_the_run_and_hold_the_losses(framed: Corpus, tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run = train(
        framed, ROWS, "attention", tmp_path / "run", target="discrete", level="frame", folds="2", epochs=3, hidden_dim=8
    )
    folders = sorted(p.name for p in (run.folder / "logs").iterdir())
    assert folders == ["fold0-seed0", "fold0-seed0-search", "fold1-seed0", "fold1-seed0-search"]
    curves = EventAccumulator(str(run.folder / "logs" / "fold1-seed0-search"))
    curves.Reload()
    scores = [event.value for event in curves.Scalars("score/watched")]
    np.testing.assert_allclose(scores, run.members[1].scores, rtol=1e-5)
    assert len(curves.Scalars("loss/train")) == len(scores)


def test_trainings_on_single_embeddings_leave_no_curves(trained: Any) -> None:
    assert not (trained.folder / "logs").exists()


def job_of(corpus: Corpus, *, watch: bool = False, **options: Any) -> Job:
    settings = settle(TrainOptions(level="frame", selection="last", batch_size=7, **options), "attention", Attention)
    with open_store(corpus.folder / "store", read_only=True) as store:
        features = find_features(store, ROWS, corpus.folder, level="frame")
        targets = tuple(corpus.targets)
        table = load_clips(store, features, corpus, corpus.select(["train"]), targets, alignment_of(settings, features))
    task = Task("attention", {"hidden_dim": 8, "dropout": 0.0}, targets, settings)
    rows = np.arange(0, 60)
    return Job(task, table, rows, 0, 0, 3, Watch(np.arange(60, 72), 3) if watch else None)


def test_what_only_lightning_does_is_trained_one_by_one(framed: Corpus) -> None:
    rows = job_of(framed, stack=2)
    assert not may_be_stacked(rows)
    single = replace(rows.task.options, level="utterance", alignment="")
    names, here = rows.table.names, rows.table.present[:, :1]
    means = Table(names, (np.zeros((len(names), 3), np.float32),), here, rows.table.annotations)
    for change, stacked in (({}, True), ({"trainer": {"devices": 2}}, False), ({"logger": "tensorboard"}, False)):
        task = replace(rows.task, options=replace(single, **change))
        assert may_be_stacked(replace(rows, task=task, table=means)) == stacked


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_two_processes_train_what_one_does(framed: Corpus) -> None:
    one = run_alone(job_of(framed, watch=True))
    two = run_alone(job_of(framed, watch=True, trainer={"devices": 2, "strategy": "ddp"}))
    np.testing.assert_allclose(two.scores, one.scores, rtol=1e-5)
    for (name, a), b in zip(one.model.state_dict().items(), two.model.state_dict().values(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5, err_msg=name)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_loss_that_is_no_number_in_a_process_is_one_error(framed: Corpus) -> None:
    from mertools.errors import TrainingError

    with pytest.raises(TrainingError, match=r"MER-T089.*MER-T013"):
        run_alone(job_of(framed, lr=1e30, trainer={"devices": 2}))
