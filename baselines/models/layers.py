"""Layers that fusion models share."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Dropout(nn.Module):
    """Dropout that draws from a generator of its own, so that it disturbs no other stream of random numbers.

    Args:
        p: probability of dropping an element, in [0, 1).

    Attributes:
        generator: where masks are drawn from; None = torch's global generator. `seed_dropout` sets it.
    """

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p
        self.generator: torch.Generator | None = None

    def forward(self, x: Tensor) -> Tensor:
        """`x` with elements dropped and the rest scaled by 1 / (1 - p); unchanged in evaluation."""
        if not self.training or self.p == 0:
            return x
        keep = torch.empty_like(x).bernoulli_(1 - self.p, generator=self.generator)
        return x * keep.div_(1 - self.p)

    def extra_repr(self) -> str:
        """Shown by ``print(model)``."""
        return f"p={self.p}"


def seed_dropout(model: nn.Module, generator: torch.Generator | None) -> None:
    """Let every `Dropout` in `model` draw from `generator`."""
    for layer in model.modules():
        if isinstance(layer, Dropout):
            layer.generator = generator


class MLPEncoder(nn.Sequential):
    """Dropout on the input, then three times (Linear, ReLU): D -> h -> h -> h.

    Args:
        dim: D.
        hidden_dim: h.
        dropout: p.
    """

    def __init__(self, dim: int, hidden_dim: int, dropout: float) -> None:
        super().__init__(
            Dropout(dropout),
            nn.Linear(dim, hidden_dim),
            nn.ReLU(),
            nn.Linear(hidden_dim, hidden_dim),
            nn.ReLU(),
            nn.Linear(hidden_dim, hidden_dim),
            nn.ReLU(),
        )


def encode_present(encoders: nn.ModuleList, embeddings: tuple[Tensor, ...], present: Tensor) -> Tensor:
    """Encode each space and mask what is missing.

    Args:
        encoders: one per space, ``D_m -> h``.
        embeddings: M tensors ``(B, D_m)``; anything, NaN included, may stand where `present` is False.
        present: ``(B, M)`` bool.

    Returns:
        ``(B, M, h)``; rows of missing embeddings are exactly zero and carry no gradient to their encoder.
    """
    hidden = [
        encoder(torch.where(present[:, m, None], x, 0.0))
        for m, (encoder, x) in enumerate(zip(encoders, embeddings, strict=True))
    ]
    return torch.stack(hidden, dim=1) * present.unsqueeze(-1)
