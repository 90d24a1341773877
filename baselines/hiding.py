"""Modality dropout: spaces of a clip are hidden in training, never all that it has."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def hidden(present: Tensor, chances: Tensor, p: float | Tensor) -> Tensor:
    """Hide each present space with probability `p`; where that hides all of a clip, the luckiest stays.

    Without branches, so that it may be mapped over a stack of members.

    Args:
        present: ``(B, M)`` bool.
        chances: ``(B, M)``, uniform in [0, 1).
        p: probability of hiding.

    Returns:
        ``(B, M)`` bool, a part of `present`; a clip that has spaces keeps at least one.
    """
    tried = torch.where(present, chances, -1.0)
    luckiest = torch.zeros_like(present).scatter(1, tried.argmax(dim=1, keepdim=True), True)
    return present & ((tried >= p) | luckiest)


class ModalityDropout(nn.Module):
    """`hidden` with chances from a generator of its own; does nothing in evaluation.

    Args:
        p: probability of hiding a space, in [0, 1).

    Attributes:
        generator: where chances are drawn from; None = torch's global generator.
    """

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p
        self.generator: torch.Generator | None = None

    def forward(self, present: Tensor) -> Tensor:
        """``(B, M)`` bool -> ``(B, M)`` bool."""
        if not self.training or self.p == 0:
            return present
        chances = torch.empty(present.shape, device=present.device).uniform_(generator=self.generator)
        return hidden(present, chances, self.p)
