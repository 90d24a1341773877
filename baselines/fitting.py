"""From folds and seeds to members: first the number of epochs is searched for, then all of the part is trained on.

With ``protocol=published`` there is one training per member, and the left-out part chooses the epoch that is kept.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from baselines.data import ClipTable
from baselines.jobs import Job, Trained, Watch, run_jobs, usable
from baselines.members import Member, Task, predict_table
from baselines.protocol import Fold, inner_split
from baselines.runs import stem_of
from baselines.scoring import Measure

if TYPE_CHECKING:
    from baselines.selftraining import Round


@dataclass(frozen=True)
class Request:
    """One member that is wanted.

    Attributes:
        task: model, options and targets.
        fold: number of the fold.
        seed: seed of the repeat.
        rows: positions of the fold's training part in the table; nothing else is looked at, unless `reported` is given.
        strata: ``(N,)`` of the training part, what the inner split spreads evenly.
        groups: ``(N,)`` of the training part, what the inner split keeps together; None = clips.
        epochs: how many to train, if that is known already.
        reported: positions of the left-out part, if that chooses the epoch (``protocol=published``).
        unlabelled: positions of clips without labels that it may learn from; None = none.
    """

    task: Task
    fold: int
    seed: int
    rows: np.ndarray
    strata: np.ndarray
    groups: np.ndarray | None
    epochs: int | None = None
    reported: np.ndarray | None = None
    unlabelled: np.ndarray | None = None

    @property
    def stem(self) -> str:
        """What its files are called."""
        return stem_of(self.fold, self.seed)

    @property
    def is_searched(self) -> bool:
        """Whether a training of its own finds the number of epochs."""
        return self.epochs is None and self.reported is None and self.task.options.selection == "inner"


@dataclass(frozen=True)
class Held:
    """Predictions of clips that were not trained on, by the network of the epoch that they chose.

    Attributes:
        rows: positions of the clips in the table.
        found: per target probabilities ``(N, C)`` or values ``(N,)``.
    """

    rows: np.ndarray
    found: Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Fit:
    """A member, and what its inner split was predicted as; None if there was no inner split.

    `rounds` are those of self-training, the first without pseudo labels; empty without self-training.
    """

    member: Member
    held: Held | None = None
    rounds: tuple[Round, ...] = ()


def fit_members(table: ClipTable, requests: Sequence[Request], measure: Measure | None) -> Iterator[Fit]:
    """Fit members, in the order asked for.

    With ``selection=inner`` a first training on a part of the training part finds the number of epochs, a second one
    starts anew on all of it.

    Args:
        table: embeddings and annotations.
        requests: the members.
        measure: which epoch is best; None = that of the lowest joint loss.
    """
    searched = [request for request in requests if request.is_searched]
    found = [
        (trained.best_epochs, trained.scores, held_predictions(trained))
        for trained in run_jobs([watched_job(table, request, measure, keep=True) for request in searched])
    ]
    of_search = dict(zip(map(id, searched), found, strict=True))
    jobs = [
        watched_job(table, request, measure, keep=True)
        if request.reported is not None
        else _job(table, request, of_search[id(request)][0] if request.is_searched else request.epochs)
        for request in requests
    ]
    for request, trained in zip(requests, run_jobs(jobs), strict=True):
        _, scores, held = of_search.get(id(request), (0, trained.scores, None))
        yield Fit(trained.member(scores), held)


def watched_job(table: ClipTable, request: Request, measure: Measure | None, *, keep: bool = False) -> Job:
    """The training that finds the number of epochs: on an inner split, or on the left-out part if that is reported.

    Args:
        table: embeddings and annotations.
        request: the member it is for.
        measure: which epoch is best; None = that of the lowest joint loss.
        keep: whether the weights of that epoch stay.
    """
    options = request.task.options
    if request.reported is not None:  # without early stopping, as published
        return _job(table, request, None, Watch(request.reported, options.epochs, measure, keep))
    rng = options.streams(request.seed).numpy("selection", request.fold)
    inner, held = inner_split(options.inner_parts, request.strata, request.groups, rng)
    watch = Watch(
        usable(table, request.rows[held], f"inner split of fold {request.fold}"), options.patience, measure, keep
    )
    return _job(table, request, None, watch, request.rows[inner])


def retasked(job: Job, task: Task) -> Job:
    """A job of `watched_job` with other options, on the same clips."""
    assert job.watch is not None  # noqa: S101 - as in `held_predictions`
    patience = task.options.epochs if task.options.protocol == "published" else task.options.patience
    return replace(job, task=task, epochs=task.options.epochs, watch=replace(job.watch, patience=patience))


def held_predictions(trained: Trained) -> Held:
    """Predictions of the clips that a job watched."""
    watch, job = trained.job.watch, trained.job
    assert watch is not None  # noqa: S101 - asked of jobs from `watched_job` only
    return Held(watch.rows, predict_table(trained.member(), job.table.rows(watch.rows), job.task.targets))


def requests_of(
    tasks: Sequence[Task],
    folds: Sequence[Fold],
    strata: Sequence[np.ndarray],
    groups: np.ndarray | None,
    seeds: Sequence[int],
    epochs: Sequence[int] | None = None,
    unlabelled: Sequence[np.ndarray] | None = None,
) -> list[Request]:
    """One request per fold and seed, seeds of a fold together.

    Args:
        tasks: one per fold.
        folds: of the table.
        strata: per fold, of its training part.
        groups: ``(N,)`` of the table.
        seeds: one per repeat.
        epochs: per fold, if known already.
        unlabelled: per fold the positions of clips without labels to learn from.
    """
    return [
        Request(
            task,
            number,
            seed,
            fold.train,
            strata[number],
            None if groups is None else groups[fold.train],
            epochs=epochs[number] if epochs else None,
            reported=fold.test if task.options.protocol == "published" else None,
            unlabelled=unlabelled[number] if unlabelled else None,
        )
        for number, (task, fold) in enumerate(zip(tasks, folds, strict=True))
        for seed in seeds
    ]


def _job(
    table: ClipTable, request: Request, epochs: int | None, watch: Watch | None = None, rows: np.ndarray | None = None
) -> Job:
    where = f"training part of fold {request.fold}"
    return Job(
        request.task,
        table,
        usable(table, request.rows if rows is None else rows, where),
        request.seed,
        request.fold,
        epochs or request.task.options.epochs,
        watch,
        request.unlabelled,
    )
