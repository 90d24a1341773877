"""One training of one network, described before it is run: alone, or in a stack with others of its shape."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import torch

from baselines import create_model
from baselines.data import ClipTable
from baselines.fitted import Fitted, fit
from baselines.frames import FrameTable
from baselines.hiding import ModalityDropout
from baselines.loggers import close_logger, make_logger
from baselines.losses import class_weights
from baselines.members import Member, Task, decode
from baselines.models.base import FusionModel
from baselines.module import EpochSearch, FusionModule, Optimisation, Order, Part, run_trainer
from baselines.order import BucketedOrder
from baselines.streams import Streams
from baselines.teacher import TeacherModule
from baselines.trainer_options import several_devices, trainer_arguments
from mertools.errors import TrainingError

if TYPE_CHECKING:
    from baselines.scoring import Measure


HIDING = 1
"""Key of the stream ``dropout`` for spaces that are hidden; the layers' masks have none."""

VERSION, TAUGHT = 1, 2
"""Keys of the stream ``order`` for the version of a clip that is shown, and for clips that a teacher teaches on; the
order itself has none."""


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
        unlabelled: positions of clips without labels that a mean teacher teaches on.
    """

    task: Task
    table: ClipTable
    rows: np.ndarray
    seed: int
    fold: int
    epochs: int
    watch: Watch | None = None
    unlabelled: np.ndarray | None = None

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
            whiten=options.whiten,
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
        options, weights = self.task.options, {}
        if options.class_weights != "none":
            weights = {
                target: torch.from_numpy(class_weights(prior, options.class_weights)).to(options.device)
                for target, prior in self.fitted.priors.items()
            }
        return Optimisation(
            options.lr,
            options.weight_decay,
            options.value_weight,
            options.grad_clip,
            options.label_smoothing,
            options.focal,
            weights,
        )

    def hiding(self) -> ModalityDropout:
        """What hides spaces in training, with random numbers of its own."""
        options = self.task.options
        layer = ModalityDropout(options.modality_dropout)
        layer.generator = self.streams.torch("dropout", self.fold, HIDING, device=options.device)
        return layer

    @property
    def dropout_seed(self) -> int:
        """Seed of the masks of dropout."""
        return self.streams.number("dropout", self.fold)

    @property
    def name(self) -> str:
        """What its curves are called."""
        return f"fold{self.fold}-seed{self.seed}" + "-search" * (self.watch is not None)

    @property
    def place(self) -> str:
        """Where its clips lie; processes of their own take them from memory and move batches themselves."""
        options = self.task.options
        return "cpu" if several_devices(options.trainer) else options.device

    def order(self) -> Order:
        """The order of clips, from its first epoch."""
        options, generator = self.task.options, self.streams.torch("order", self.fold)
        table = self.table.rows(self.rows) if options.bucketed else None
        if isinstance(table, FrameTable):
            return BucketedOrder(table.lengths, options.batch_size, generator)
        return Order(len(self.rows), options.batch_size, generator)

    def part(self, rows: np.ndarray) -> Part:
        """Inputs and goals of clips at `rows`, scaled by what is fitted on the clips trained on."""
        table = self.table.rows(rows)
        versions = tuple(self.fitted.batch(version) for version in getattr(table, "versions", ()))
        return Part(self.fitted.batch(table), self.fitted.annotations(table), versions)

    def examiner(self, watch: Watch) -> Examiner:
        """What scores the network on the watched clips, higher is better."""
        return Examiner(self, watch)

    def network(self) -> FusionModel:
        """The network with its initial weights."""
        task = self.task
        with self.streams.initialising(self.fold):
            model = create_model(task.model, dims=self.dims, heads=task.heads, level=task.options.level, **task.config)
        assert isinstance(model, FusionModel)  # noqa: S101 - checked when the run was planned
        return model


class Examiner:
    """Scores a network on watched clips, higher is better; an object, because processes cannot be given functions.

    Args:
        job: what is trained.
        watch: the clips.
    """

    def __init__(self, job: Job, watch: Watch) -> None:
        self.part = job.part(watch.rows).to(job.place)
        self.measure = watch.measure
        self.annotations = job.table.rows(watch.rows).annotations
        self.unseen = ~self.part.batch.present.any(dim=1).cpu().numpy()
        self.fitted, self.targets = job.fitted, job.task.targets

    def __call__(self, module: FusionModule) -> float:
        """The score of the network as it is."""
        if self.measure is None:
            return -module.evaluate(self.part)
        found = decode(module.outputs(self.part), self.fitted, self.unseen, self.targets)
        return self.measure.goodness(self.annotations, found)


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
    module = _module(job, model)
    search = EpochSearch(job.examiner(job.watch), job.watch.patience, keep=job.watch.keep) if job.watch else None
    module.train()
    logger = make_logger(options, job.task.logs, job.name) if job.task.logs else None
    run_trainer(
        module,
        job.order(),
        epochs=job.epochs,
        device=options.device,
        callbacks=[search] if search else None,
        logger=logger,
        arguments=trainer_arguments(options.trainer),
        grad_clip=options.grad_clip,
    )
    close_logger(logger)
    model = module.judged
    return Trained(job, model.cpu().eval(), tuple(search.scores) if search else ())


def _module(job: Job, model: FusionModel) -> FusionModule:
    """The network with its clips and its loss; with a teacher, if there is one."""
    options = job.task.options
    part, choice = (
        job.part(job.rows).to(job.place),
        job.streams.torch("order", job.fold, VERSION, device=options.device),
    )
    arguments = (model, part, job.optimisation, job.dropout_seed)
    if not options.teacher or job.unlabelled is None or not len(job.unlabelled):
        return FusionModule(*arguments, epochs=job.epochs, hide=job.hiding(), choice=choice)
    return TeacherModule(
        *arguments,
        epochs=job.epochs,
        hide=job.hiding(),
        choice=choice,
        unlabelled=job.part(job.unlabelled).to(job.place),
        decay=options.teacher,
        weight=options.consistency,
        draws=job.streams.torch("order", job.fold, TAUGHT, device=options.device),
    )
