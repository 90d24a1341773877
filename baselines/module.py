"""The Lightning module that trains one fusion model on tensors in memory.

The module holds the whole training part; a training step gets positions of clips, not clips. A stacked population of
models needs the same three things: a loss per member, an order per member, an optimiser made from `Optimisation`.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from torch import Tensor
from torch.nn.functional import cross_entropy

from baselines.models.base import Batch, FusionModel, Output
from baselines.models.dropout import dropout_layers, seed_dropout
from mertools.errors import TrainingError


@dataclass(frozen=True)
class Part:
    """Inputs and goals of N clips, in memory.

    Attributes:
        batch: embeddings of all N clips.
        goals: per target: class indices ``(N,)`` int64 (-1 = missing) or standardised values ``(N,)`` (NaN = missing).
    """

    batch: Batch
    goals: Mapping[str, Tensor]

    def __len__(self) -> int:
        """Number of clips."""
        return len(self.batch)

    def rows(self, index: Tensor) -> Part:
        """Some of the clips."""
        return Part(self.batch.rows(index), {target: goal[index] for target, goal in self.goals.items()})

    def to(self, device: torch.device | str) -> Part:
        """The same on another device."""
        return Part(self.batch.to(device), {target: goal.to(device) for target, goal in self.goals.items()})


@dataclass(frozen=True)
class Optimisation:
    """How weights move.

    Attributes:
        lr: Adam's step size.
        weight_decay: its L2 penalty.
        value_weight: weight of values in the joint loss.
        grad_clip: largest absolute value of a gradient's elements; negative = any.
    """

    lr: float
    weight_decay: float
    value_weight: float
    grad_clip: float = -1.0


def joint_loss(output: Output, goals: Mapping[str, Tensor], value_weight: float) -> Tensor:
    """Cross-entropy of each class target + `value_weight` × squared error of each value target + the auxiliary loss.

    Each term is a mean over the clips that carry the annotation; a term without any is zero.
    """
    total = output.auxiliary
    for target, logits in output.heads.items():
        goal = goals[target]
        if goal.dtype == torch.int64:
            known = (goal >= 0).sum().clamp(min=1)
            total = total + cross_entropy(logits, goal, ignore_index=-1, reduction="sum") / known
        else:
            present = ~goal.isnan()
            error = torch.where(present, logits.squeeze(-1) - goal.nan_to_num(), 0.0)
            total = total + value_weight * error.square().sum() / present.sum().clamp(min=1)
    return total


class FusionModule(LightningModule):
    """One model, its training part and its loss.

    Args:
        model: the network.
        part: the clips to train on.
        optimisation: how weights move.
        dropout_seed: of the masks of dropout.
    """

    def __init__(self, model: FusionModel, part: Part, optimisation: Optimisation, dropout_seed: int) -> None:
        super().__init__()
        self.model = model
        self.part = part
        self.optimisation = optimisation
        self.dropout_seed = dropout_seed
        self._dropout = dropout_layers(model)
        self._total = torch.zeros(())

    def loss(self, part: Part) -> Tensor:
        """Joint loss of `part` in the module's present mode."""
        return joint_loss(self.model(part.batch), part.goals, self.optimisation.value_weight)

    def training_step(self, index: Tensor, _: int) -> Tensor:
        """Joint loss of the clips at positions `index`."""
        seed_dropout(self._dropout, self.dropout_seed, self.global_step, self.device)
        loss = self.loss(self.part.rows(index))
        self._total = self._total + loss.detach()
        return loss

    def on_train_epoch_start(self) -> None:
        """Begin a new sum of losses."""
        self._total = torch.zeros((), device=self.device)

    def on_train_epoch_end(self) -> None:
        """Stop where the loss is no number.

        Raises:
            TrainingError: if the epoch's loss is NaN or infinite.
        """
        if not torch.isfinite(self._total):
            raise TrainingError(
                "MER-T013",
                f"the loss became {self._total.item()} in epoch {self.current_epoch + 1}.",
                f"Lower the step size (lr={self.optimisation.lr:g} now).",
            )

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Adam, with all parameters in one fused step."""
        return torch.optim.Adam(
            self.model.parameters(), self.optimisation.lr, weight_decay=self.optimisation.weight_decay, fused=True
        )

    @torch.inference_mode()
    def evaluate(self, part: Part) -> float:
        """Joint loss of `part` without dropout."""
        self.model.eval()
        loss = float(self.loss(part))
        self.model.train()
        return loss

    @torch.inference_mode()
    def outputs(self, part: Part) -> dict[str, Tensor]:
        """What the heads say of `part` without dropout."""
        self.model.eval()
        heads = self.model(part.batch).heads
        self.model.train()
        return heads


class Order:
    """Positions of N clips in shuffled batches, another order each epoch, from a generator of its own."""

    def __init__(self, n_clips: int, batch_size: int, generator: torch.Generator) -> None:
        self.n_clips = n_clips
        self.batch_size = batch_size
        self.generator = generator

    def __len__(self) -> int:
        """Batches per epoch."""
        return (self.n_clips + self.batch_size - 1) // self.batch_size

    def __iter__(self) -> Iterator[Tensor]:
        """One epoch; drawn when its first batch is asked for, since Lightning makes an iterator that it never uses."""
        yield from torch.randperm(self.n_clips, generator=self.generator).split(self.batch_size)


class EpochSearch(Callback):
    """Watches a score after each epoch and ends the training when it has not risen for `patience` epochs.

    Args:
        examine: what scores the network; higher is better.
        patience: epochs without a better one.
        keep: whether to remember the weights of the best epoch.

    Attributes:
        scores: score after each epoch.
        weights: those of the best epoch; empty unless they are kept.
    """

    def __init__(self, examine: Callable[[FusionModule], float], patience: int, *, keep: bool = False) -> None:
        self.examine = examine
        self.patience = patience
        self.keep = keep
        self.scores: list[float] = []
        self.weights: dict[str, Tensor] = {}

    @property
    def best_epochs(self) -> int:
        """Number of epochs after which the score was highest (the first of equals), counted from 1."""
        return self.scores.index(max(self.scores)) + 1

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Note the score."""
        assert isinstance(pl_module, FusionModule)  # noqa: S101 - the callback is private to this module's training
        self.scores.append(self.examine(pl_module))
        if self.keep and self.best_epochs == len(self.scores):
            self.weights = {name: value.detach().clone() for name, value in pl_module.model.state_dict().items()}
        trainer.should_stop = len(self.scores) - self.best_epochs >= self.patience


def run_trainer(
    module: LightningModule,
    batches: Iterable[Any],
    *,
    epochs: int,
    device: str,
    callbacks: list[Callback] | None = None,
    grad_clip: float = -1.0,
) -> None:
    """Train `module` for at most `epochs` epochs: no logger, no checkpoint, no progress bar, no word on the screen.

    Raises:
        KeyboardInterrupt: if the user stopped it (Lightning turns that into an exit of its own).
    """
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="lightning")
        trainer = Trainer(
            accelerator="gpu" if device == "cuda" else "cpu",
            devices=1,
            max_epochs=epochs,
            callbacks=callbacks,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            gradient_clip_val=None if grad_clip < 0 else grad_clip,
            gradient_clip_algorithm="value",
        )
        try:
            trainer.fit(module, batches)
        except SystemExit as stop:
            if isinstance(stop.__context__, KeyboardInterrupt):
                raise KeyboardInterrupt from None
            raise
