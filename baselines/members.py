"""Members of a run: trained models that predict. Nothing here needs Lightning, whose import takes seconds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
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
        scores: score of the clips that chose `epochs` after each epoch of that search, higher is better (minus the
            joint loss, where the loss decides); empty if nothing was searched for.
        fitted: scaling and priors of the fold's training part.
        model: the network, in evaluation mode.
        config: options of the model.
    """

    fold: int
    seed: int
    epochs: int
    scores: tuple[float, ...]
    fitted: Fitted
    model: FusionModel
    config: Mapping[str, Any] = field(default_factory=dict)


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
    heads = {target.name: torch.cat([output[target.name] for output in outputs]) for target in targets}
    return decode(heads, member.fitted, ~batch.present.any(dim=1).numpy(), targets)


def decode(
    heads: Mapping[str, torch.Tensor], fitted: Fitted, unseen: np.ndarray, targets: Sequence[Target]
) -> dict[str, np.ndarray]:
    """Outputs of a network as probabilities and values.

    Args:
        heads: per target logits ``(N, C)``, or standardised values ``(N, 1)``.
        fitted: what undoes the standardisation, and what is said of clips that were not seen.
        unseen: ``(N,)`` bool, clips without any embedding.
        targets: of kinds classes and value.

    Returns:
        Per target: probabilities ``(N, C)`` float64 that sum to 1, or values ``(N,)`` within the target's range.
    """
    found = {}
    for target in targets:
        logits = heads[target.name].double().cpu()
        if target.kind == "classes":
            values = torch.softmax(logits, dim=1).numpy()
            values[unseen] = fitted.priors[target.name]
        else:
            mean, scale = fitted.values[target.name]
            values = logits.squeeze(-1).numpy() * scale + mean
            values[unseen] = mean
            values = np.clip(values, *target.range) if target.range else values
        found[target.name] = values
    return found


def average(predictions: Sequence[Mapping[str, np.ndarray]], *, logits: bool = False) -> dict[str, np.ndarray]:
    """Mean of probabilities and values over members.

    Args:
        predictions: of each member.
        logits: whether logits are averaged instead of probabilities.
    """
    return {target: _mean([p[target] for p in predictions], logits) for target in predictions[0]}


def _mean(found: Sequence[np.ndarray], logits: bool) -> np.ndarray:
    if not logits or found[0].ndim == 1:
        mean: np.ndarray = np.mean(found, axis=0)
        return mean
    # Logits and logarithms of probabilities differ by a number per clip and member, which softmax takes out again.
    logs = np.mean([np.log(np.maximum(p, np.finfo(np.float64).tiny)) for p in found], axis=0)
    raised = np.exp(logs - logs.max(axis=1, keepdims=True))
    together: np.ndarray = raised / raised.sum(axis=1, keepdims=True)
    return together


@contextmanager
def small_network_settings(threads: int) -> Iterator[None]:
    """Torch as small networks want it on CPU: few threads, denormal numbers flushed; as before afterwards.

    Adam's moments decay into denormal numbers as training converges, which slows every step (by a third at the size of
    MER2023's baseline).
    """
    before = torch.get_num_threads()
    torch.set_num_threads(threads or 1)
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)
        torch.set_num_threads(before)
