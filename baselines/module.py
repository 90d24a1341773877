"""The Lightning module that trains one fusion model on tensors in memory.

The module holds the whole training part; a training step gets positions of clips, not clips. A stacked population of
models needs the same three things: a loss per member, an order per member, an optimiser made from `Optimisation`.
"""

from __future__ import annotations

import logging
import re
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import Logger
from torch import Tensor
from torch.multiprocessing import ProcessRaisedException

from baselines.augmentation import mixed
from baselines.frames import FrameClips, forward
from baselines.hiding import ModalityDropout
from baselines.losses import joint_loss
from baselines.models.base import Batch, FusionModel
from baselines.models.dropout import dropout_layers, seed_dropout
from mertools.errors import TrainingError


@dataclass(frozen=True)
class Part:
    """Inputs and goals of N clips, in memory.

    Attributes:
        batch: embeddings of all N clips; at frame level what makes batches of some of them.
        goals: per target: class indices ``(N,)`` int64 (-1 = missing) or standardised values ``(N,)`` (NaN = missing).
        versions: further embeddings of the same clips (corrupted ones), each as long as `batch`.
    """

    batch: Batch | FrameClips
    goals: Mapping[str, Tensor]
    versions: tuple[Batch, ...] = ()

    def __len__(self) -> int:
        """Number of clips."""
        return len(self.batch)

    def rows(self, index: Tensor) -> Part:
        """Some of the clips."""
        goals = {target: goal[index] for target, goal in self.goals.items()}
        return Part(self.batch.rows(index), goals, tuple(version.rows(index) for version in self.versions))

    def to(self, device: torch.device | str) -> Part:
        """The same on another device."""
        goals = {target: goal.to(device) for target, goal in self.goals.items()}
        return Part(self.batch.to(device), goals, tuple(version.to(device) for version in self.versions))


@dataclass(frozen=True)
class Optimisation:
    """How weights move.

    Attributes:
        lr: step size of Adam.
        weight_decay: L2 penalty.
        value_weight: weight of values in the joint loss.
        grad_clip: largest size of an element of a gradient; below 0 = any.
        label_smoothing: of class targets.
        focal: exponent of the focal loss.
        class_weights: per class target the weights of its classes; empty = all equal.
    """

    lr: float
    weight_decay: float
    value_weight: float
    grad_clip: float = -1.0
    label_smoothing: float = 0.0
    focal: float = 0.0
    class_weights: Mapping[str, Tensor] = field(default_factory=dict)


class FusionModule(LightningModule):
    """One model, its training part and its loss.

    Trained in several processes, each takes its share of every batch, weighted so that gradients are those of the whole
    batch (exactly so where all of its clips are annotated).

    Args:
        model: the network.
        part: the clips to train on.
        optimisation: how weights move.
        dropout_seed: of the masks of dropout; each of several processes draws others.
        epochs: most epochs.
        hide: what hides spaces of a clip from the network while it learns.
        choice: draws which version of a clip the network sees; None = torch's global generator.

    Attributes:
        history: ``(epochs,)`` score of watched clips after each epoch, NaN where there is none: a buffer, because
            buffers come back from processes.
    """

    history: Tensor

    def __init__(
        self,
        model: FusionModel,
        part: Part,
        optimisation: Optimisation,
        dropout_seed: int,
        *,
        epochs: int = 0,
        hide: ModalityDropout | None = None,
        choice: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self.model = model
        self.part = part
        self.optimisation = optimisation
        self.dropout_seed = dropout_seed
        self._dropout = dropout_layers(model)
        self.register_buffer("history", torch.full((epochs,), torch.nan, dtype=torch.float64))
        self.hide = hide or ModalityDropout(0.0)
        self.choice = choice
        self._total = torch.zeros(())
        self._n_batches = 0

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Arrive in a process of its own, where Lightning must be told once more to be quiet."""
        _quieten()
        super().__setstate__(state)

    def on_fit_start(self) -> None:
        """In a process of its own: flush denormal numbers, as the one that started it does."""
        if self.trainer.world_size > 1:
            torch.set_flush_denormal(True)

    @property
    def judged(self) -> FusionModel:
        """The network that is scored and kept."""
        return self.model

    def loss(self, part: Part) -> Tensor:
        """What is minimised on `part`, in the module's present mode."""
        how = self.optimisation
        return joint_loss(
            forward(self.model, part.batch),
            part.goals,
            how.value_weight,
            weights=how.class_weights,
            label_smoothing=how.label_smoothing,
            focal=how.focal,
        )

    def training_step(self, index: Tensor, _: int) -> Tensor:
        """Loss of the clips at positions `index`."""
        weight = 1.0
        seed_dropout(self._dropout, self.dropout_seed + self.trainer.global_rank, self.global_step, self.device)
        if self.trainer.world_size > 1:
            index, weight = share(index.cpu(), self.trainer.global_rank, self.trainer.world_size)
        part = self.part.rows(index)
        part = part.to(self.device) if self.trainer.world_size > 1 else part
        loss = self.loss(replace(part, batch=self.shown(part))) * weight
        self._n_batches += 1
        self._total = self._total + loss.detach()
        return loss

    def shown(self, part: Part) -> Batch:
        """What the network sees of clips while it learns: one version of each, with spaces hidden."""
        batch = part.batch
        if part.versions:
            size = (len(part),)
            chosen = torch.randint(len(part.versions) + 1, size, generator=self.choice, device=batch.present.device)
            batch = mixed(batch, part.versions, chosen)
        return replace(batch, present=self.hide(batch.present))

    def on_train_epoch_start(self) -> None:
        """Begin a new sum of losses."""
        self._total = torch.zeros((), device=self.device)
        self._n_batches = 0

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
        if self.logger is not None:
            self.log("loss/train", self._total / max(self._n_batches, 1), rank_zero_only=True)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Adam, with all parameters in one fused step (which cannot cut gradients in mixed precision)."""
        clipped = self.trainer.gradient_clip_val is not None and "mixed" in str(self.trainer.precision)
        return torch.optim.Adam(
            self.model.parameters(),
            self.optimisation.lr,
            weight_decay=self.optimisation.weight_decay,
            fused=not clipped,
        )

    @torch.inference_mode()
    def evaluate(self, part: Part) -> float:
        """Joint loss of `part` without dropout, and without what shapes it for learning: classes weigh alike.

        Where clips have versions, the mean over all of them.
        """
        self.judged.eval()
        part = part.to(self.device)
        weight, versions = self.optimisation.value_weight, (part.batch, *part.versions)
        losses = [float(joint_loss(forward(self.judged, batch), part.goals, weight)) for batch in versions]
        self.model.train()
        return sum(losses) / len(losses)

    @torch.inference_mode()
    def outputs(self, part: Part) -> dict[str, Tensor]:
        """What the heads say of `part` without dropout."""
        self.judged.eval()
        heads = forward(self.judged, part.to(self.device).batch).heads
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
        if len(self.scores) <= len(pl_module.history):
            pl_module.history[len(self.scores) - 1] = self.scores[-1]
        if trainer.logger is not None:
            pl_module.log("score/watched", self.scores[-1], rank_zero_only=True)
        if self.keep and self.best_epochs == len(self.scores):
            self.weights = {name: value.detach().clone() for name, value in pl_module.judged.state_dict().items()}
        trainer.should_stop = len(self.scores) - self.best_epochs >= self.patience

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Give the network the weights of the best epoch, if they are kept."""
        if self.weights:
            pl_module.judged.load_state_dict(self.weights)


def share(index: Tensor, rank: int, world_size: int) -> tuple[Tensor, float]:
    """The positions of a batch that one of several processes takes, and the weight of its loss.

    Gradients are averaged over processes, and losses are means over clips: a share of n of N clips weighs
    ``n · world_size / N``. A process for which nothing is left takes a clip at weight zero.
    """
    own = index[rank::world_size]
    if not len(own):
        return index[:1], 0.0
    return own, len(own) * world_size / len(index)


def run_trainer(
    module: LightningModule,
    batches: Iterable[Any],
    *,
    epochs: int,
    device: str,
    callbacks: list[Callback] | None = None,
    logger: Logger | None = None,
    arguments: Mapping[str, Any] | None = None,
    grad_clip: float = -1.0,
) -> None:
    """Train `module` for at most `epochs` epochs: no checkpoint of Lightning's, and unless asked for no word.

    Args:
        module: the network, or several, with the training part.
        batches: what makes an epoch.
        epochs: most epochs.
        device: ``cpu`` or ``cuda``.
        callbacks: more of them.
        logger: where curves go.
        arguments: of ``lightning.Trainer``, from `baselines.trainer_options.trainer_arguments`.
        grad_clip: largest size of an element of a gradient; below 0 = any.

    Raises:
        KeyboardInterrupt: if the user stopped it (Lightning turns that into an exit of its own).
        TrainingError: if the loss becomes NaN or infinite, or a process of the training fails.
    """
    settings: dict[str, Any] = {
        "accelerator": "gpu" if device == "cuda" else "cpu",
        "devices": 1,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        **({"gradient_clip_val": grad_clip, "gradient_clip_algorithm": "value"} if grad_clip > 0 else {}),
        **(arguments or {}),
    }
    with warnings.catch_warnings():
        _quieten()
        trainer = Trainer(
            max_epochs=epochs,
            callbacks=callbacks,
            logger=logger or False,
            enable_checkpointing=False,
            num_sanity_val_steps=0,
            use_distributed_sampler=False,
            **settings,
        )
        try:
            with _tensors_shared_as_files():
                trainer.fit(module, batches)
        except ProcessRaisedException as error:
            raise _in_words(str(error)) from None
        except SystemExit as stop:
            if isinstance(stop.__context__, KeyboardInterrupt):
                raise KeyboardInterrupt from None
            raise
    for search in callbacks or []:
        if (
            isinstance(search, EpochSearch) and isinstance(module, FusionModule) and not search.scores
        ):  # it was at work in other processes
            search.scores = module.history[~module.history.isnan()].tolist()


def _quieten() -> None:
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="lightning")


@contextmanager
def _tensors_shared_as_files() -> Iterator[None]:
    """Tensors that two layers hold (an LSTM's weights) cannot be passed to a process by file descriptor."""
    before = torch.multiprocessing.get_sharing_strategy()
    torch.multiprocessing.set_sharing_strategy("file_system")
    try:
        yield
    finally:
        torch.multiprocessing.set_sharing_strategy(before)


def _in_words(traceback: str) -> TrainingError:
    last = traceback.strip().splitlines()[-1]
    found = re.search(r"TrainingError: (.*)", last)
    return TrainingError(
        "MER-T089",
        f"a process of the training failed: {found.group(1) if found else last}",
        "trainer.devices=1 runs the training in one process.",
    )
