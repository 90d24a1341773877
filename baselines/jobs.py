"""One training of one network, described before it is run: alone, or in a stack with others of its shape."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from baselines import create_model
from baselines.data import ClipTable
from baselines.fitted import Fitted, fit
from baselines.frames import FrameClips
from baselines.loggers import close_logger, make_logger
from baselines.members import Member, Task
from baselines.models.base import FusionModel
from baselines.models.layers import seed_dropout
from baselines.module import EpochSearch, FusionModule, Optimisation, Order, Part, run_trainer
from baselines.order import BucketedOrder
from baselines.streams import Streams
from baselines.trainer_options import several_devices, trainer_arguments
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
    table: ClipTable
    rows: np.ndarray
    seed: int
    fold: int
    epochs: int
    watch: Watch | None = None

    @cached_property
    def fitted(self) -> Fitted:
        """Scaling and priors of the clips trained on."""
        options = self.task.options
        return fit(self.table.rows(self.rows), self.task.targets, standardise=options.standardise, pca=options.pca)

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
    def name(self) -> str:
        """What its curves are called."""
        return f"fold{self.fold}-seed{self.seed}" + "-search" * (self.watch is not None)

    def part(self, rows: np.ndarray) -> Part:
        """Inputs and goals of clips at `rows`, scaled by what is fitted on the clips trained on."""
        table = self.table.rows(rows)
        return Part(self.fitted.batch(table), self.fitted.annotations(table))

    def network(self) -> FusionModel:
        """The network with its initial weights."""
        task = self.task
        with self.streams.initialising(self.fold):
            model = create_model(task.model, dims=self.dims, heads=task.heads, level=task.options.level, **task.config)
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

    def member(self, inner_losses: tuple[float, ...] = ()) -> Member:
        """A member of a run."""
        job = self.job
        return Member(job.fold, job.seed, self.best_epochs, inner_losses, job.fitted, self.model)


def usable(table: ClipTable, rows: np.ndarray, what: str) -> np.ndarray:
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
    """Run jobs; results come in the order of the jobs."""
    return (run_alone(job) for job in jobs)


def run_alone(job: Job) -> Trained:
    """Run one job by itself, with Lightning.

    Raises:
        TrainingError: if the loss becomes NaN or infinite.
    """
    options = job.task.options
    model = job.network()
    # Processes of their own take clips from memory and put batches on their own device.
    place = "cpu" if several_devices(options.trainer) else options.device
    seed_dropout(model, job.streams.torch("dropout", job.fold, device=options.device))
    part = job.part(job.rows).to(place)
    module = FusionModule(model, part, job.optimisation, epochs=job.epochs)
    search = None
    if job.watch:
        search = EpochSearch(job.part(job.watch.rows).to(place), job.watch.patience)
    module.train()
    generator = job.streams.torch("order", job.fold)
    order = Order(len(job.rows), options.batch_size, generator)
    if options.bucketed and isinstance(part.batch, FrameClips):
        order = BucketedOrder(part.batch.lengths, options.batch_size, generator)
    logger = make_logger(options, job.task.logs, job.name) if job.task.logs else None
    run_trainer(
        module,
        order,
        epochs=job.epochs,
        device=options.device,
        callbacks=[search] if search else None,
        logger=logger,
        arguments=trainer_arguments(options.trainer),
    )
    close_logger(logger)
    return Trained(job, model.cpu().eval(), tuple(-loss for loss in search.losses) if search else ())
