"""Layers that fusion models share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from baselines.models.dropout import Dropout

if TYPE_CHECKING:
    from baselines.models.base import Batch


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


class LSTMEncoder(nn.Module):
    """One-layer LSTM, its state after the clip's last row, dropout, Linear: ``(T, D)`` -> h.

    Args:
        dim: D.
        hidden_dim: h.
        dropout: p.
        through_padding: whether zeros stand before shorter clips and are run through like rows, as the published code
            does; then a clip's encoding depends on the longest clip of its batch.
    """

    def __init__(self, dim: int, hidden_dim: int, dropout: float, *, through_padding: bool = False) -> None:
        super().__init__()
        self.lstm = nn.LSTM(dim, hidden_dim, batch_first=True)
        self.dropout = Dropout(dropout)
        self.linear = nn.Linear(hidden_dim, hidden_dim)
        self.through_padding = through_padding

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """``(B, T, D)`` and ``(B, T)`` -> ``(B, h)``; a clip without rows is encoded as one row of zeros."""
        if self.through_padding:
            states, _ = self.lstm(to_front_padding(x, mask))
            last = states[:, -1]
        else:
            states, _ = self.lstm(x)  # rows behind the last one of a clip cannot reach back to it
            last = last_rows(states, mask)
        return self.linear(self.dropout(last))


def last_rows(x: Tensor, mask: Tensor) -> Tensor:
    """``(B, T, D)`` -> ``(B, D)``: each clip's last row (its first one, if it has none)."""
    last = mask.sum(dim=1).clamp(min=1) - 1
    return x.gather(1, last[:, None, None].expand(-1, 1, x.shape[-1])).squeeze(1)


def to_front_padding(x: Tensor, mask: Tensor) -> Tensor:
    """The same sequences with the padding moved before them."""
    n_rows = x.shape[1]
    shift = n_rows - mask.sum(dim=1, keepdim=True)  # (B, 1)
    source = torch.arange(n_rows, device=x.device)[None] - shift  # (B, T); negative where zeros go
    rows = x.gather(1, source.clamp(min=0).unsqueeze(-1).expand_as(x))
    return torch.where(source.unsqueeze(-1) >= 0, rows, 0.0)


def unimodal_encoders(
    level: str, dims: Sequence[int], hidden_dim: int, dropout: float, *, reference: bool = False
) -> nn.ModuleList:
    """One encoder per space, ``D_m -> h``: MLPs at level utterance, LSTMs at level frame.

    Args:
        level: of the model.
        dims: D of each space.
        hidden_dim: h.
        dropout: p.
        reference: whether LSTMs run through padding as the published code does.
    """
    if level == "utterance":
        return nn.ModuleList(MLPEncoder(dim, hidden_dim, dropout) for dim in dims)
    return nn.ModuleList(LSTMEncoder(dim, hidden_dim, dropout, through_padding=reference) for dim in dims)


def encode_present(encoders: nn.ModuleList, batch: Batch) -> Tensor:
    """Encode each space and mask what is missing.

    Args:
        encoders: one per space, from `unimodal_encoders`.
        batch: of the encoders' level; anything, NaN included, may stand where an embedding is missing.

    Returns:
        ``(B, M, h)``; rows of missing embeddings are exactly zero and carry no gradient to their encoder.
    """
    hidden = []
    for m, (encoder, x) in enumerate(zip(encoders, batch.embeddings, strict=True)):
        here = batch.present[:, m].view(-1, *[1] * (x.dim() - 1))
        clean = torch.where(here, x, 0.0)
        hidden.append(encoder(clean, batch.masks[m]) if batch.masks else encoder(clean))
    return torch.stack(hidden, dim=1) * batch.present.unsqueeze(-1)
