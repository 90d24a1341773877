"""Statistics of a batch in which some rows are missing, for auxiliary losses.

All of them run under ``torch.func.vmap``: rows are weighted, never selected. Gradients are finite everywhere.
"""

from __future__ import annotations

import torch
from torch import Tensor


def masked_mean(x: Tensor, mask: Tensor) -> Tensor:
    """Mean over the rows of ``(B, ...)`` where ``(B,)`` bool is True; zero if there is none."""
    weight = mask.to(x.dtype).view(-1, *[1] * (x.dim() - 1))
    return (x * weight).sum(dim=0) / weight.sum().clamp(min=1)


def safe_norm(x: Tensor) -> Tensor:
    """Euclidean norm over the last axis, whose gradient at zero is zero."""
    squares = x.square().sum(dim=-1)
    positive = squares > 0
    return torch.where(positive, torch.where(positive, squares, 1.0).sqrt(), 0.0)


def unit_rows(x: Tensor) -> Tensor:
    """Rows divided by their norm; zero rows stay zero."""
    return x / safe_norm(x).clamp(min=1e-12).unsqueeze(-1)


def central_moment_discrepancy(a: Tensor, b: Tensor, present_a: Tensor, present_b: Tensor, moments: int = 5) -> Tensor:
    """CMD (Zellinger et al., 2017) of two samples ``(B, D)``.

    The norm of the difference of means, plus for k = 2 … `moments` that of the difference of k-th central moments.
    """
    mean_a, mean_b = masked_mean(a, present_a), masked_mean(b, present_b)
    total = safe_norm(mean_a - mean_b)
    centred_a, centred_b = a - mean_a, b - mean_b
    for k in range(2, moments + 1):
        total = total + safe_norm(masked_mean(centred_a**k, present_a) - masked_mean(centred_b**k, present_b))
    return total


def orthogonality(a: Tensor, b: Tensor, present_a: Tensor, present_b: Tensor) -> Tensor:
    """Mean squared entry of AᵀB with A, B centred over the batch and rows divided by their (constant) norm."""

    def normed(x: Tensor, present: Tensor) -> Tensor:
        centred = (x - masked_mean(x, present)) * present.unsqueeze(-1)
        return centred / (centred.detach().square().sum(dim=-1, keepdim=True).sqrt() + 1e-6)

    return (normed(a, present_a).T @ normed(b, present_b)).square().mean()


def noise_contrastive(x: Tensor, predicted: Tensor, present: Tensor) -> Tensor:
    """Mean over rows of -(x_i · p_i - logsumexp_j x_i · p_j), both sides divided by their norm, no temperature."""
    similarity = unit_rows(x) @ unit_rows(predicted).T  # (B, B)
    others = torch.where(present[None], similarity, -1e30).logsumexp(dim=1)
    return masked_mean(others - similarity.diagonal(), present)
