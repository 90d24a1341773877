"""Mean teacher (Tarvainen and Valpola, 2017): a running mean of the weights teaches on clips without labels."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from baselines.models.base import FusionModel
from baselines.module import FusionModule, Part

RAMP_EPOCHS = 10
"""Epochs over which the consistency loss grows to its weight; at first the teacher knows nothing."""


def consistency_loss(
    student: Mapping[str, Tensor], teacher: Mapping[str, Tensor], goals: Mapping[str, Tensor]
) -> Tensor:
    """Mean squared difference of probabilities (class targets) and of standardised values, summed over targets.

    Args:
        student: per target logits ``(B, C)`` or values ``(B, 1)``.
        teacher: likewise; no gradient reaches it.
        goals: of any clips; their type tells class targets (int64) from values.
    """
    total = torch.zeros((), device=next(iter(student.values())).device)
    for target, own in student.items():
        other = teacher[target].detach()
        if goals[target].dtype == torch.int64:
            own, other = own.softmax(dim=1), other.softmax(dim=1)
        total = total + (own - other).square().mean()
    return total


def follow(teacher: Mapping[str, Tensor], student: Mapping[str, Tensor], decay: float | Tensor) -> None:
    """Move the teacher's weights towards the student's: t <- decay t + (1 - decay) s, in place."""
    for name, own in teacher.items():
        if own.dtype.is_floating_point:
            own.copy_(decay * own + (1 - decay) * student[name])
        else:
            own.copy_(student[name])


class TeacherModule(FusionModule):
    """A student that learns from labels and from its teacher; the teacher is what is scored and kept.

    Args:
        *arguments: as of `FusionModule`.
        unlabelled: clips without labels.
        decay: of the running mean, in (0, 1); smaller in the first steps, when the mean is of few.
        weight: of the consistency loss.
        draws: draws the clips without labels of each step.
        **options: as of `FusionModule`.
    """

    def __init__(
        self,
        *arguments: Any,
        unlabelled: Part,
        decay: float,
        weight: float,
        draws: torch.Generator,
        **options: Any,
    ) -> None:
        super().__init__(*arguments, **options)
        self.teacher = copy.deepcopy(self.model).requires_grad_(False).eval()
        self.unlabelled = unlabelled
        self.decay = decay
        self.weight = weight
        self.draws = draws
        self._steps = 0

    @property
    def judged(self) -> FusionModel:
        """The teacher."""
        return self.teacher

    def training_step(self, index: Tensor, number: int) -> Tensor:
        """Loss of labelled clips, and consistency on as many clips without labels."""
        loss = super().training_step(index, number)
        device = self.unlabelled.batch.present.device
        rows = torch.randint(len(self.unlabelled), (len(index),), generator=self.draws, device=device)
        part = self.unlabelled.rows(rows)
        with torch.no_grad():
            taught = self.teacher.eval()(part.batch).heads
        said = self.model(self.shown(part)).heads
        ramp = min(1.0, (self.current_epoch + 1) / RAMP_EPOCHS)
        return loss + self.weight * ramp * consistency_loss(said, taught, part.goals)

    def on_train_batch_end(self, *_: Any) -> None:
        """The teacher follows."""
        self._steps += 1
        decay = min(self.decay, self._steps / (self._steps + 9))
        with torch.no_grad():
            follow(self.teacher.state_dict(), self.model.state_dict(), decay)
