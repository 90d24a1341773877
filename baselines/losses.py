"""The joint loss of all heads. A missing annotation never counts.

Nothing here branches on values of tensors: a stack of members is trained through ``torch.func.vmap``, where
`value_weight`, `label_smoothing` and `focal` may be tensors, one number per member.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, log_softmax

from baselines.models.base import Output

ClassWeights = Literal["none", "balanced", "sqrt"]
Scalar = float | Tensor


def class_weights(priors: np.ndarray, kind: ClassWeights) -> np.ndarray:
    r"""Weights of classes from their relative frequencies in the training part.

    Args:
        priors: relative frequencies, shape ``(C,)``.
        kind: ``balanced`` is N / (K n_c) with K the number of classes that occur (as scikit-learn has it), ``sqrt`` its
            square root, ``none`` one for every class.

    Returns:
        Weights ``(C,)`` float32, positive. A class that does not occur weighs 1, which only label smoothing can notice.

    Example:
        >>> class_weights(np.array([0.5, 0.25, 0.25]), "balanced").astype(float).round(3).tolist()
        [0.667, 1.333, 1.333]
    """
    weights = np.ones(len(priors))
    occurs = priors > 0
    if kind != "none":
        weights[occurs] = 1 / (occurs.sum() * priors[occurs])
    return (np.sqrt(weights) if kind == "sqrt" else weights).astype(np.float32)


def classification_loss(
    logits: Tensor, goal: Tensor, weights: Tensor | None = None, label_smoothing: Scalar = 0.0, focal: Scalar = 0.0
) -> Tensor:
    r"""Mean cross-entropy over the clips that are annotated; zero if none is.

    With :math:`p` the softmax of the logits, :math:`y` the class, :math:`w` the weights, :math:`\epsilon` the label
    smoothing and :math:`\gamma` the exponent of the focal loss (Lin et al., 2017), a clip's loss is

    .. math:: -(1 - p_y)^\gamma \left[(1 - \epsilon) w_y \log p_y + \frac{\epsilon}{C} \sum_c w_c \log p_c\right]

    and the mean divides by the sum of :math:`w_y`, as ``torch.nn.functional.cross_entropy`` does.

    Args:
        logits: ``(B, C)``.
        goal: class indices ``(B,)`` int64, -1 = missing.
        weights: ``(C,)``; None = all equal.
        label_smoothing: :math:`\epsilon` in [0, 1).
        focal: :math:`\gamma` ≥ 0.
    """
    known = goal >= 0
    if _is_zero(label_smoothing) and _is_zero(focal) and weights is None:
        return cross_entropy(logits, goal, ignore_index=-1, reduction="sum") / known.sum().clamp(min=1)
    weights = torch.ones_like(logits[0]) if weights is None else weights
    log_p = log_softmax(logits, dim=1)
    index = goal.clamp(min=0)
    log_py = log_p.gather(1, index.unsqueeze(1)).squeeze(1)
    weight = torch.where(known, weights[index], 0.0)
    loss = -weight * log_py
    if not _is_zero(label_smoothing):
        loss = (1 - label_smoothing) * loss - label_smoothing * (weights * log_p).mean(dim=1)
    if not _is_zero(focal):
        # Not 1 - p: its gradient of x ** gamma at a saturated x = 0 would be infinite for gamma < 1.
        loss = loss * (-torch.expm1(log_py)).clamp(min=torch.finfo(logits.dtype).eps) ** focal
    total = weight.sum()
    return torch.where(known, loss, 0.0).sum() / torch.where(total > 0, total, 1.0)


def value_loss(values: Tensor, goal: Tensor) -> Tensor:
    """Mean squared error over the clips that are annotated (NaN = missing); zero if none is.

    Args:
        values: ``(B,)``.
        goal: ``(B,)``.
    """
    present = ~goal.isnan()
    error = torch.where(present, values - goal.nan_to_num(), 0.0)
    return error.square().sum() / present.sum().clamp(min=1)


def joint_loss(
    output: Output,
    goals: Mapping[str, Tensor],
    value_weight: Scalar,
    *,
    weights: Mapping[str, Tensor] | None = None,
    label_smoothing: Scalar = 0.0,
    focal: Scalar = 0.0,
) -> Tensor:
    """Cross-entropy of each class target + `value_weight` × squared error of each value target + the auxiliary loss.

    Each term is a mean over the clips that carry the annotation; a term without any is zero.

    Args:
        output: of a model.
        goals: per target class indices ``(B,)`` int64, or standardised values ``(B,)``.
        value_weight: weight of values.
        weights: per class target the weights of its classes.
        label_smoothing: of class targets.
        focal: exponent of the focal loss of class targets.
    """
    total = output.auxiliary
    for target, logits in output.heads.items():
        goal = goals[target]
        if goal.dtype == torch.int64:
            of_classes = weights.get(target) if weights else None
            total = total + classification_loss(logits, goal, of_classes, label_smoothing, focal)
        else:
            total = total + value_weight * value_loss(logits.squeeze(-1), goal)
    return total


def _is_zero(value: Scalar) -> bool:
    """Whether an option is off for every member; a tensor is never looked into."""
    return not isinstance(value, Tensor) and value == 0
