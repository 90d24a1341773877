"""Training one member: one fold with one seed, from the training part to a model that predicts."""

from __future__ import annotations

import numpy as np

from baselines import create_model
from baselines.data import Table
from baselines.fitted import Fitted, fit
from baselines.members import Member, Task
from baselines.models.base import FusionModel
from baselines.models.layers import seed_dropout
from baselines.module import EpochSearch, FusionModule, Optimisation, Order, Part, run_trainer
from baselines.protocol import inner_split
from baselines.streams import Streams
from mertools.errors import TrainingError


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


def _search(task: Task, inner: Table, held: Table, streams: Streams, fold: int) -> EpochSearch:
    fitted, module = _fitted_module(task, inner, streams, fold)
    held = _usable(held, f"inner split of fold {fold}")
    search = EpochSearch(_part(fitted, held).to(_device(task)), task.options.patience)
    _train(task, module, streams, fold, task.options.epochs, search)
    return search


def _fitted_module(task: Task, table: Table, streams: Streams, fold: int) -> tuple[Fitted, FusionModule]:
    options = task.options
    table = _usable(table, f"training part of fold {fold}")
    fitted = fit(table, task.targets, standardise=options.standardise, pca=options.pca)
    with streams.initialising(fold):
        model = create_model(task.model, dims=tuple(p.dim for p in fitted.projections), heads=task.heads, **task.config)
    assert isinstance(model, FusionModel)  # noqa: S101 - checked when the run was planned
    seed_dropout(model, streams.torch("dropout", fold, device=_device(task)))
    optimisation = Optimisation(options.lr, options.weight_decay, options.value_weight)
    return fitted, FusionModule(model, _part(fitted, table).to(_device(task)), optimisation)


def _usable(table: Table, what: str) -> Table:
    """The clips with an embedding and an annotation."""
    table = table.rows(table.present.any(axis=1) & table.annotated())
    if not len(table):
        raise TrainingError(
            "MER-T015",
            f"no clip of the {what} has both an embedding and an annotation.",
            "`mertools store show` tells statuses of spaces; selection=last epochs=N needs no inner split.",
        )
    return table


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
