"""Training one member: one fold with one seed, from the training part to a model that predicts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from baselines import create_model
from baselines.data import Table
from baselines.fitted import Fitted, fit
from baselines.models.base import FusionModel
from baselines.models.layers import seed_dropout
from baselines.module import EpochSearch, FusionModule, Optimisation, Order, Part, run_trainer
from baselines.options import TrainOptions
from baselines.protocol import inner_split
from baselines.streams import Streams
from mertools.errors import TrainingError

if TYPE_CHECKING:
    from mertools.targets import Target

EVALUATION_BATCH = 8192
"""Clips per forward pass when nothing is learned."""


@dataclass(frozen=True)
class Member:
    """One trained model and everything it needs to predict.

    Attributes:
        fold: number of the fold.
        seed: seed of the repeat.
        epochs: epochs it was trained for.
        inner_losses: held-out loss after each epoch of the search for `epochs`; empty with ``selection=last``.
        fitted: scaling and priors of the fold's training part.
        model: the network, in evaluation mode.
    """

    fold: int
    seed: int
    epochs: int
    inner_losses: tuple[float, ...]
    fitted: Fitted
    model: FusionModel


@dataclass(frozen=True)
class Task:
    """What all members of a run have in common."""

    model: str
    config: Mapping[str, Any]
    targets: tuple[Target, ...]
    options: TrainOptions

    @property
    def heads(self) -> dict[str, int]:
        """Outputs per target."""
        return {t.name: len(t.classes) if t.kind == "classes" else 1 for t in self.targets}


def fit_member(
    task: Task, table: Table, strata: np.ndarray, groups: np.ndarray | None, *, fold: int, seed: int
) -> Member:
    """Fit one member on `table`, the training part of a fold; nothing else is looked at.

    With ``selection=inner`` a first training on a part of the training part finds the number of epochs, a second one
    starts anew on all of it.

    Args:
        task: model, targets and options.
        table: the training part.
        strata: ``(N,)`` what the inner split spreads evenly.
        groups: ``(N,)`` what the inner split keeps together; None = clips.
        fold: number of the fold.
        seed: seed of the repeat.
    """
    streams = task.options.streams(seed)
    epochs: int = task.options.epochs
    losses: tuple[float, ...] = ()
    if task.options.selection == "inner":
        inner, held = inner_split(task.options.inner_parts, strata, groups, streams.numpy("selection", fold))
        search = _search(task, table.rows(inner), table.rows(held), streams, fold)
        epochs, losses = search.best_epochs, tuple(search.losses)
    fitted, module = _fitted_module(task, table, streams, fold)
    _train(task, module, streams, fold, epochs)
    return Member(fold, seed, epochs, losses, fitted, module.model.cpu().eval())


def predict_table(member: Member, table: Table, targets: Sequence[Target]) -> dict[str, np.ndarray]:
    """Predict every clip of `table` with one member.

    A clip without any embedding gets what the training part says about clips in general: the relative frequency of the
    classes, the mean of the values.

    Returns:
        Per target: probabilities ``(N, C)`` float64 that sum to 1, or values ``(N,)`` within the target's range.
    """
    batch = member.fitted.batch(table)
    starts = range(0, max(len(table), 1), EVALUATION_BATCH)
    with torch.inference_mode():
        outputs = [member.model(batch.rows(slice(start, start + EVALUATION_BATCH))).heads for start in starts]
    unseen = ~table.present.any(axis=1)
    found = {}
    for target in targets:
        logits = torch.cat([heads[target.name] for heads in outputs]).double()
        if target.kind == "classes":
            values = torch.softmax(logits, dim=1).numpy()
            values[unseen] = member.fitted.priors[target.name]
        else:
            mean, scale = member.fitted.values[target.name]
            values = logits.squeeze(-1).numpy() * scale + mean
            values[unseen] = mean
            values = np.clip(values, *target.range) if target.range else values
        found[target.name] = values
    return found


def average(predictions: Sequence[Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Mean of probabilities (not logits) and values over members."""
    return {target: np.mean([p[target] for p in predictions], axis=0) for target in predictions[0]}


@contextmanager
def small_network_settings(threads: int) -> Iterator[None]:
    """Torch as small networks want it on CPU: few threads, denormal numbers flushed; as before afterwards.

    Adam's moments decay into denormal numbers as training converges, which slows every step (by a third at the size of
    MER2023's baseline).
    """
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)
        torch.set_num_threads(before)


def _search(task: Task, inner: Table, held: Table, streams: Streams, fold: int) -> EpochSearch:
    fitted, module = _fitted_module(task, inner, streams, fold)
    held = held.rows(held.present.any(axis=1) & held.annotated())
    if not len(held):
        raise TrainingError(
            "MER-T014",
            f"no clip of the inner split of fold {fold} has both an embedding and an annotation.",
            "Use selection=last with epochs=N, or fewer folds.",
        )
    search = EpochSearch(_part(fitted, held).to(_device(task)), task.options.patience)
    _train(task, module, streams, fold, task.options.epochs, search)
    return search


def _fitted_module(task: Task, table: Table, streams: Streams, fold: int) -> tuple[Fitted, FusionModule]:
    options = task.options
    table = table.rows(table.present.any(axis=1) & table.annotated())
    if not len(table):
        raise TrainingError(
            "MER-T015",
            f"no clip of the training part of fold {fold} has both an embedding and an annotation.",
            "`mertools store show` tells the statuses of the spaces.",
        )
    fitted = fit(table, task.targets, standardise=options.standardise, pca=options.pca)
    with streams.initialising(fold):
        model = create_model(task.model, dims=tuple(p.dim for p in fitted.projections), heads=task.heads, **task.config)
    assert isinstance(model, FusionModel)  # noqa: S101 - checked when the run was planned
    seed_dropout(model, streams.torch("dropout", fold, device=_device(task)))
    optimisation = Optimisation(options.lr, options.weight_decay, options.value_weight)
    return fitted, FusionModule(model, _part(fitted, table).to(_device(task)), optimisation)


def _train(
    task: Task, module: FusionModule, streams: Streams, fold: int, epochs: int, search: EpochSearch | None = None
) -> None:
    order = Order(len(module.part), task.options.batch_size, streams.torch("order", fold))
    module.train()
    run_trainer(module, order, epochs=epochs, device=_device(task), callbacks=[search] if search else None)


def _part(fitted: Fitted, table: Table) -> Part:
    return Part(fitted.batch(table), fitted.annotations(table))


def _device(task: Task) -> str:
    return task.options.device
