"""Which jobs are trained in which stack, and when."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from baselines import MODELS
from baselines.data import Table
from baselines.options import TrainOptions
from baselines.population.material import share_fitted
from baselines.population.memory import largest_stack
from mertools.errors import TrainingError

if TYPE_CHECKING:
    from baselines.jobs import Job, Trained

STEPS_THAT_PAY = 400
"""Fewest steps of a job for which recording its shape takes less time than it saves."""
FREE_OPTIONS = ("dropout",)
"""Options of models in which members of one stack may differ."""
UNDERSTOOD = frozenset((
    "store", "folds", "group", "train_splits", "test_splits", "labels", "allow_seen", "seed", "repeats", "fold_seed",
    "selection_seed", "init_seed", "order_seed", "dropout_seed", "selection", "inner_parts", "epochs", "patience",
    "batch_size", "lr", "weight_decay", "grad_clip", "value_weight", "standardise", "standardise_values",
    "standardise_by", "whiten", "pca", "stack", "memory", "threads", "device", "protocol", "gap", "select_by",
    "level", "alignment", "step_s", "max_rows", "bucketed", "trainer", "logger",
))  # fmt: skip
"""Options of training that stacks know; where another one is not at its default, jobs run one by one."""


class StackPlan:
    """Jobs dealt to stacks; a stack is trained when the first of its results is asked for.

    Args:
        jobs: any jobs.
    """

    def __init__(self, jobs: Sequence[Job]) -> None:
        self.jobs = list(jobs)
        self._stack_of: dict[int, list[int]] = {}
        self._results: dict[int, Trained | TrainingError] = {}
        groups: dict[tuple[object, ...], list[int]] = {}
        share_fitted([job for job in self.jobs if may_be_stacked(job)])
        for number, job in enumerate(self.jobs):
            if may_be_stacked(job):
                groups.setdefault(company_of(job), []).append(number)
        for members in groups.values():
            size = largest_stack(self.jobs[members[0]])
            for start in range(0, len(members), size):
                stack = members[start : start + size]
                self._stack_of |= dict.fromkeys(stack, stack)

    def is_stacked(self, number: int) -> bool:
        """Whether the job at this place is trained in a stack."""
        return number in self._stack_of

    def stack_of(self, number: int) -> list[int]:
        """The places of the jobs that are trained together with the one at this place, itself included."""
        return self._stack_of[number]

    def result(self, number: int) -> Trained | TrainingError:
        """The result of a stacked job; it is forgotten when it is handed out."""
        if number not in self._results:
            self._train(self.stack_of(number))
        return self._results.pop(number)

    def _train(self, members: Sequence[int]) -> None:
        from baselines.jobs import Trained
        from baselines.population.stack import train_stack

        seats = train_stack([self.jobs[number] for number in members], shape_of(self.jobs[members[0]]))
        for number, seat in zip(members, seats, strict=True):
            self._results[number] = seat.error or Trained(seat.job, seat.trained_model(), tuple(seat.scores))


def may_be_stacked(job: Job) -> bool:
    """Whether a job's model, options and length are such that it is trained in a stack."""
    options = job.task.options
    model: Any = MODELS.get(job.task.model)
    others = (f for f in fields(TrainOptions) if f.name not in UNDERSTOOD)
    n_steps = job.epochs * len(job.order())
    return (
        options.stack != 1
        and "utterance" in model.levels
        and options.level != "frame"
        and not options.trainer  # these are for Lightning, as are curves
        and options.logger in ("", "none")
        and type(job.table) is Table
        and (n_steps >= STEPS_THAT_PAY or options.stack > 1)
        and all(getattr(options, f.name) == f.default for f in others)
    )


def shape_of(job: Job) -> tuple[object, ...]:
    """What tells recordings of a computation apart: the network, up to the options in which members may differ."""
    task = job.task
    config = tuple(sorted((k, _frozen(v)) for k, v in task.config.items() if k not in FREE_OPTIONS))
    dims = job.dims if task.options.pca or task.options.whiten else job.table.dims
    return MODELS.get(task.model), config, dims, tuple(task.heads.items())


def company_of(job: Job) -> tuple[object, ...]:
    """What members of one stack have in common: the shape, and what all of them take from the first."""
    options = job.task.options
    measured = job.watch is not None and job.watch.measure is not None
    shared = (options.batch_size, options.device, options.threads, options.stack, options.memory)
    return *shape_of(job), *shared, id(job.table), measured


def _frozen(value: Any) -> Any:
    if isinstance(value, Mapping):
        return tuple(sorted((k, _frozen(v)) for k, v in value.items()))
    return tuple(_frozen(v) for v in value) if isinstance(value, list | tuple) else value
