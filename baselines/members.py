"""Members of a run: trained models that predict. Nothing here needs Lightning, whose import takes seconds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from baselines.data import ClipTable
from baselines.fitted import Fitted
from baselines.frames import FrameClips, forward
from baselines.models.base import FusionModel
from baselines.options import TrainOptions

if TYPE_CHECKING:
    from pathlib import Path

    from mertools.targets import Target

EVALUATION_BATCH = 2048
"""Clips per forward pass when nothing is learned."""


@dataclass(frozen=True)
class Member:
    """One trained model and everything it needs to predict.

    Attributes:
        fold: number of the fold.
        seed: seed of the repeat.
        epochs: epochs it was trained for.
        inner_losses: held-out loss after each epoch of the search for `epochs`; empty with ``selection=last``.
        fitted: scaling and priors of the fold's training part.
        model: the network, in evaluation mode.
    """

    fold: int
    seed: int
    epochs: int
    inner_losses: tuple[float, ...]
    fitted: Fitted
    model: FusionModel


@dataclass(frozen=True)
class Task:
    """What all members of a run have in common.

    Attributes:
        model: name of the model.
        config: its options.
        targets: what it learns.
        options: options of training, with `level` and `alignment` settled.
        logs: folder for the curves of its trainings; None = none are kept.
    """

    model: str
    config: Mapping[str, Any]
    targets: tuple[Target, ...]
    options: TrainOptions
    logs: Path | None = None

    @property
    def heads(self) -> dict[str, int]:
        """Outputs per target."""
        return {t.name: len(t.classes) if t.kind == "classes" else 1 for t in self.targets}


def predict_table(member: Member, table: ClipTable, targets: Sequence[Target]) -> dict[str, np.ndarray]:
    """Predict every clip of `table` with one member.

    A clip without any embedding gets what the training part says about clips in general: the relative frequency of the
    classes, the mean of the values.

    Returns:
        Per target: probabilities ``(N, C)`` float64 that sum to 1, or values ``(N,)`` within the target's range.
    """
    batch = member.fitted.batch(table)
    starts = range(0, max(len(table), 1), EVALUATION_BATCH)
    parts = [batch] if isinstance(batch, FrameClips) else [batch.rows(slice(s, s + EVALUATION_BATCH)) for s in starts]
    with torch.inference_mode():
        outputs = [forward(member.model, part).heads for part in parts]
    unseen = ~batch.present.any(dim=1).numpy()
    found = {}
    for target in targets:
        logits = torch.cat([heads[target.name] for heads in outputs]).double()
        if target.kind == "classes":
            values = torch.softmax(logits, dim=1).numpy()
            values[unseen] = member.fitted.priors[target.name]
        else:
            mean, scale = member.fitted.values[target.name]
            values = logits.squeeze(-1).numpy() * scale + mean
            values[unseen] = mean
            values = np.clip(values, *target.range) if target.range else values
        found[target.name] = values
    return found


def average(predictions: Sequence[Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Mean of probabilities (not logits) and values over members."""
    return {target: np.mean([p[target] for p in predictions], axis=0) for target in predictions[0]}


@contextmanager
def small_network_settings(threads: int) -> Iterator[None]:
    """Torch as small networks want it on CPU: few threads, denormal numbers flushed; as before afterwards.

    Adam's moments decay into denormal numbers as training converges, which slows every step (by a third at the size of
    MER2023's baseline).
    """
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)
        torch.set_num_threads(before)
