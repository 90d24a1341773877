"""One training of one network, described before it is run: alone, or in a stack with others of its shape."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from baselines import create_model
from baselines.data import Table
from baselines.fitted import Fitted, fit
from baselines.members import Member, Task, decode
from baselines.models.base import FusionModel
from baselines.module import EpochSearch, FusionModule, Optimisation, Order, Part, run_trainer
from baselines.streams import Streams
from mertools.errors import TrainingError

if TYPE_CHECKING:
    from baselines.scoring import Measure


@dataclass(frozen=True)
class Watch:
    """Clips that are not trained on and tell which epoch is best.

    Attributes:
        rows: their positions in the job's table.
        patience: epochs without a better one before the training ends.
        measure: what is best: the highest score; None = the lowest joint loss.
        keep: whether the network keeps the weights of the best epoch, instead of those of the last.
    """

    rows: np.ndarray
    patience: int
    measure: Measure | None = None
    keep: bool = False


@dataclass(frozen=True)
class Job:
    """One training.

    Jobs of one population share their `table`; what differs are rows, seeds and the settings of `task`.

    Attributes:
        task: model, its configuration, targets and options.
        table: embeddings and annotations.
        rows: positions of the clips to train on.
        seed: seed of the repeat.
        fold: number of the fold.
        epochs: most epochs.
        watch: how the best epoch is found; None = all `epochs` are trained and the last counts.
    """

    task: Task
    table: Table
    rows: np.ndarray
    seed: int
    fold: int
    epochs: int
    watch: Watch | None = None

    @cached_property
    def fitted(self) -> Fitted:
        """Scaling and priors of the clips trained on."""
        options = self.task.options
        return fit(
            self.table.rows(self.rows),
            self.task.targets,
            standardise=options.standardise,
            pca=options.pca,
            standardise_values=options.standardise_values,
        )

    @property
    def dims(self) -> tuple[int, ...]:
        """D of each space as the network sees it."""
        return tuple(p.dim for p in self.fitted.projections)

    @property
    def streams(self) -> Streams:
        """Random numbers of the repeat."""
        return self.task.options.streams(self.seed)

    @property
    def optimisation(self) -> Optimisation:
        """How weights move."""
        options = self.task.options
        return Optimisation(options.lr, options.weight_decay, options.value_weight, options.grad_clip)

    @property
    def dropout_seed(self) -> int:
        """Seed of the masks of dropout."""
        return self.streams.number("dropout", self.fold)

    def order(self) -> Order:
        """The order of clips, from its first epoch."""
        return Order(len(self.rows), self.task.options.batch_size, self.streams.torch("order", self.fold))

    def part(self, rows: np.ndarray) -> Part:
        """Inputs and goals of clips at `rows`, scaled by what is fitted on the clips trained on."""
        table = self.table.rows(rows)
        return Part(self.fitted.batch(table), self.fitted.annotations(table))

    def examiner(self, watch: Watch) -> Callable[[FusionModule], float]:
        """What scores the network on the watched clips, higher is better."""
        part = self.part(watch.rows).to(self.task.options.device)
        measure = watch.measure
        if measure is None:
            return lambda module: -module.evaluate(part)
        annotations = self.table.rows(watch.rows).annotations
        unseen = ~part.batch.present.any(dim=1).cpu().numpy()
        return lambda module: measure.goodness(
            annotations, decode(module.outputs(part), self.fitted, unseen, self.task.targets)
        )

    def network(self) -> FusionModel:
        """The network with its initial weights."""
        with self.streams.initialising(self.fold):
            model = create_model(self.task.model, dims=self.dims, heads=self.task.heads, **self.task.config)
        assert isinstance(model, FusionModel)  # noqa: S101 - checked when the run was planned
        return model


@dataclass(frozen=True)
class Trained:
    """What a job leaves behind.

    Attributes:
        job: the job.
        model: the network, on the CPU, in evaluation mode.
        scores: of the watched clips after each epoch that was trained, higher is better (minus the loss, if the loss
            decides); empty without `Watch`.
    """

    job: Job
    model: FusionModel
    scores: tuple[float, ...]

    @property
    def best_epochs(self) -> int:
        """Epochs after which the score was highest (the first of equals); without `Watch` all that were trained."""
        return self.scores.index(max(self.scores)) + 1 if self.scores else self.job.epochs

    @property
    def best_score(self) -> float:
        """The highest score; minus infinity if it was undefined after every epoch."""
        return max(self.scores)

    def member(self, scores: tuple[float, ...] = ()) -> Member:
        """A member of a run; `scores` are those that chose its number of epochs."""
        job = self.job
        return Member(job.fold, job.seed, self.best_epochs, scores, job.fitted, self.model, job.task.config)


def usable(table: Table, rows: np.ndarray, what: str) -> np.ndarray:
    """The positions among `rows` of clips with an embedding and an annotation.

    Raises:
        TrainingError: if there is none.
    """
    mask = table.present.any(axis=1) & table.annotated()
    found: np.ndarray = rows[mask[rows]]
    if not len(found):
        raise TrainingError(
            "MER-T015",
            f"no clip of the {what} has both an embedding and an annotation.",
            "`mertools store show` tells statuses of spaces; selection=last epochs=N needs no inner split.",
        )
    return found


def run_jobs(jobs: Iterable[Job]) -> Iterator[Trained]:
    """Run jobs; results come in the order of the jobs.

    Raises:
        TrainingError: if a loss becomes NaN or infinite.
    """
    for result in try_jobs(jobs):
        if isinstance(result, TrainingError):
            raise result
        yield result


def try_jobs(jobs: Iterable[Job]) -> Iterator[Trained | TrainingError]:
    """As `run_jobs`, but a training that fails leaves its error in its place and the others go on.

    Jobs of one shape run in stacks, as far as their option `stack` allows; the rest runs one by one.
    """
    from baselines.population import StackPlan

    plan = StackPlan(list(jobs))
    for number, job in enumerate(plan.jobs):
        if plan.is_stacked(number):
            yield plan.result(number)
            continue
        try:
            yield run_alone(job)
        except TrainingError as error:
            yield error


def run_alone(job: Job) -> Trained:
    """Run one job by itself, with Lightning.

    Raises:
        TrainingError: if the loss becomes NaN or infinite.
    """
    options = job.task.options
    model = job.network()
    module = FusionModule(model, job.part(job.rows).to(options.device), job.optimisation, job.dropout_seed)
    search = EpochSearch(job.examiner(job.watch), job.watch.patience, keep=job.watch.keep) if job.watch else None
    module.train()
    run_trainer(
        module,
        job.order(),
        epochs=job.epochs,
        device=options.device,
        callbacks=[search] if search else None,
        grad_clip=options.grad_clip,
    )
    if search and search.weights:
        model.load_state_dict(search.weights)
    return Trained(job, model.cpu().eval(), tuple(search.scores) if search else ())
