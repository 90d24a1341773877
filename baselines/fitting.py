"""From folds and seeds to members: first the number of epochs is searched for, then all of the part is trained on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from baselines.data import ClipTable
from baselines.jobs import Job, Watch, run_jobs, usable
from baselines.members import Member, Task
from baselines.protocol import Fold, inner_split


@dataclass(frozen=True)
class Request:
    """One member that is wanted.

    Attributes:
        fold: number of the fold.
        seed: seed of the repeat.
        rows: positions of the fold's training part in the table; nothing else is looked at.
        strata: ``(N,)`` of the training part, what the inner split spreads evenly.
        groups: ``(N,)`` of the training part, what the inner split keeps together; None = clips.
    """

    fold: int
    seed: int
    rows: np.ndarray
    strata: np.ndarray
    groups: np.ndarray | None


def fit_members(task: Task, table: ClipTable, requests: Sequence[Request]) -> Iterator[Member]:
    """Fit members, in the order asked for.

    With ``selection=inner`` a first training on a part of the training part finds the number of epochs, a second one
    starts anew on all of it.
    """
    final = [
        Job(
            task,
            table,
            usable(table, request.rows, f"training part of fold {request.fold}"),
            request.seed,
            request.fold,
            task.options.epochs,
        )
        for request in requests
    ]
    if task.options.selection == "last":
        for trained in run_jobs(final):
            yield trained.member()
        return
    searches = [search_job(task, table, request) for request in requests]
    found = [(trained.best_epochs, tuple(-s for s in trained.scores)) for trained in run_jobs(searches)]
    for trained, (_, losses) in zip(
        run_jobs(_with_epochs(job, epochs) for job, (epochs, _) in zip(final, found, strict=True)), found, strict=True
    ):
        yield trained.member(losses)


def search_job(task: Task, table: ClipTable, request: Request) -> Job:
    """The training that finds the number of epochs on an inner split of the training part."""
    options = task.options
    rng = options.streams(request.seed).numpy("selection", request.fold)
    inner, held = inner_split(options.inner_parts, request.strata, request.groups, rng)
    return Job(
        task,
        table,
        usable(table, request.rows[inner], f"training part of fold {request.fold}"),
        request.seed,
        request.fold,
        options.epochs,
        Watch(usable(table, request.rows[held], f"inner split of fold {request.fold}"), options.patience),
    )


def requests_of(
    folds: Sequence[Fold], strata: Sequence[np.ndarray], groups: np.ndarray | None, seeds: Sequence[int]
) -> list[Request]:
    """One request per fold and seed, seeds of a fold together.

    Args:
        folds: of the table.
        strata: per fold, of its training part.
        groups: ``(N,)`` of the table.
        seeds: one per repeat.
    """
    return [
        Request(number, seed, fold.train, strata[number], None if groups is None else groups[fold.train])
        for number, fold in enumerate(folds)
        for seed in seeds
    ]


def _with_epochs(job: Job, epochs: int) -> Job:
    return Job(job.task, job.table, job.rows, job.seed, job.fold, epochs)
