"""One member of a stack: its job, its clips, and how far its training is."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from baselines.models.base import FusionModel
from baselines.models.dropout import dropout_layers, levels, mask_keys
from baselines.population.material import Material, View
from mertools.errors import TrainingError

if TYPE_CHECKING:
    from baselines.jobs import Job

ROWS_OF_BATCH = 32
"""Batches are filled up to multiples of this many rows, so that no member's numbers share a vector register with
another's and its rounding cannot depend on where in the stack it stands."""
ROWS_OF_EVALUATION = 128
"""Likewise for held-out clips; coarser, because each number of rows is recorded anew."""


@dataclass
class Seat:
    """A member in training.

    Attributes:
        job: what is trained.
        number: its place among the results.
        model: its network; the weights stand here at the start and at the end.
        view: how it sees the clips.
        weights: per parameter, while no block holds it.
        moments: first and second moments of Adam, likewise.
        steps: of Adam so far.
        epochs: trained so far.
        scores: of the watched clips after each epoch.
        best: weights of the best epoch, if they are kept.
        error: why it failed.
    """

    job: Job
    number: int
    material: Material
    model: FusionModel = field(init=False)
    view: View = field(init=False)
    weights: list[Tensor] = field(init=False)
    moments: tuple[list[Tensor], list[Tensor]] = field(init=False)
    steps: int = 0
    epochs: int = 0
    scores: list[float] = field(default_factory=list)
    best: list[Tensor] | None = None
    error: TrainingError | None = None

    def __post_init__(self) -> None:
        device, job = self.material.device, self.job
        self.view = self.material.view(job)
        self.model = job.network()
        self.weights = [p.detach().to(device) for p in self.model.parameters()]
        self.moments = tuple([torch.zeros_like(w) for w in self.weights] for _ in range(2))  # type: ignore[assignment]
        self.how = job.optimisation
        self.order = job.order()
        self.levels = levels([layer.p for layer in dropout_layers(self.model)])
        self.held = self._padded(job.watch.rows, ROWS_OF_EVALUATION) if job.watch else None

    @property
    def batch_rows(self) -> int:
        """Rows of a batch, those without a clip included."""
        return math.ceil(self.job.task.options.batch_size / ROWS_OF_BATCH) * ROWS_OF_BATCH

    @property
    def epoch_steps(self) -> int:
        """Steps of an epoch."""
        return len(self.order)

    @property
    def is_done(self) -> bool:
        """Whether its training is over."""
        watch = self.job.watch
        waited = watch is not None and bool(self.scores) and len(self.scores) - self._best_epochs >= watch.patience
        return self.error is not None or self.epochs >= self.job.epochs or waited

    def next_order(self, n_steps: int) -> Tensor:
        """Positions of the clips of the next epoch, ``(n_steps, B)``; a step that is not its own holds no clip."""
        index = torch.full((n_steps, self.batch_rows), self.view.nobody)
        for step, rows in enumerate(self.order):
            index[step, : len(rows)] = torch.from_numpy(self.job.rows)[rows]
        return index

    def next_keys(self, n_steps: int) -> np.ndarray:
        """Keys of dropout of the next epoch, ``(n_steps, L, 2)``."""
        return mask_keys(self.job.dropout_seed, self.steps, n_steps, len(self.levels[0]))

    def end_epoch(self, loss: float) -> None:
        """Count an epoch, or note that its loss is no number."""
        self.epochs += 1
        self.steps += self.epoch_steps
        if not math.isfinite(loss):
            job = self.job
            self.error = TrainingError(
                "MER-T013",
                f"fold {job.fold}, seed {job.seed}: the loss became {loss} in epoch {self.epochs}.",
                f"Lower the step size (lr={self.how.lr:g} now).",
            )

    def note(self, score: float, weights: list[Tensor]) -> None:
        """Note the score of an epoch, and its weights if they are the best and wanted."""
        self.scores.append(score)
        if self.job.watch and self.job.watch.keep and self._best_epochs == len(self.scores):
            if self.best is None:
                self.best = [w.clone() for w in weights]
            else:
                for kept, now in zip(self.best, weights, strict=True):
                    kept.copy_(now)

    @torch.no_grad()
    def trained_model(self) -> FusionModel:
        """The network with its weights, on the CPU, in evaluation mode."""
        for parameter, weight in zip(self.model.parameters(), self.best or self.weights, strict=True):
            parameter.copy_(weight)
        return self.model.eval()

    @property
    def _best_epochs(self) -> int:
        return self.scores.index(max(self.scores)) + 1

    def _padded(self, rows: np.ndarray, multiple: int) -> Tensor:
        index = torch.full((math.ceil(len(rows) / multiple) * multiple,), self.view.nobody)
        index[: len(rows)] = torch.from_numpy(rows)
        return index.to(self.material.device)
