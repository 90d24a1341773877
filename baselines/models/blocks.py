"""Blocks of fusion models: means over the clips that count, a constant beside an encoding, attention over tokens."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from baselines.models.layers import Dropout

FRAME_DEVIATION = "frame level: padding is run through the LSTM"
"""What ``reference=True`` changes in every model that has LSTM encoders."""


def published_order(n_spaces: int, order: tuple[int, ...]) -> tuple[int, ...]:
    """`order` if there are as many spaces as in the publication, else the order in which the spaces were named.

    Args:
        n_spaces: M.
        order: positions of audio (0), text (1) and video (2), as a published model concatenates them.
    """
    return order if n_spaces == len(order) else tuple(range(n_spaces))


def with_one(x: Tensor) -> Tensor:
    """``(B, h)`` -> ``(B, 1 + h)``: [1; x]; what is missing is encoded as zeros and becomes the neutral [1; 0]."""
    return torch.cat([torch.ones_like(x[:, :1]), x], dim=1)


def masked_mean(x: Tensor, counts: Tensor) -> Tensor:
    """Mean over the clips that count; zero if none does.

    Args:
        x: ``(B, ...)``, finite in every row.
        counts: ``(B,)`` bool.

    Returns:
        ``(...)``.
    """
    weights = counts.to(x.dtype).view(-1, *[1] * (x.dim() - 1))
    return (x * weights).sum(dim=0) / weights.sum().clamp(min=1)


class TransformerLayer(nn.Module):
    """Post-norm encoder layer (Vaswani et al., 2017), as ``nn.TransformerEncoderLayer`` with ReLU computes it.

    Unlike that one it draws its dropout from `Dropout`, and takes a clip of which no token is present.

    Args:
        dim: d, a multiple of `n_heads`.
        n_heads: heads of the attention.
        inner_dim: width between the two layers behind the attention.
        dropout: of attention weights, of the output of either part, and between the two layers.
    """

    def __init__(self, dim: int, n_heads: int, inner_dim: int, dropout: float) -> None:
        super().__init__()
        self.n_heads = n_heads
        self.query_key_value = nn.Linear(dim, 3 * dim)
        self.out = nn.Linear(dim, dim)
        self.norm1 = nn.LayerNorm(dim)
        self.widen = nn.Linear(dim, inner_dim)
        self.narrow = nn.Linear(inner_dim, dim)
        self.norm2 = nn.LayerNorm(dim)
        self.dropout = Dropout(dropout)
        nn.init.xavier_uniform_(self.query_key_value.weight)
        nn.init.zeros_(self.query_key_value.bias)
        nn.init.zeros_(self.out.bias)

    def forward(self, x: Tensor, present: Tensor) -> Tensor:
        """Let tokens attend to the tokens that are present.

        Args:
            x: ``(B, N, d)``, finite.
            present: ``(B, N)`` bool.

        Returns:
            ``(B, N, d)``; rows of tokens that are not present mean nothing.
        """
        x = self.norm1(x + self.dropout(self._attend(x, present)))
        return self.norm2(x + self.dropout(self.narrow(self.dropout(self.widen(x).relu()))))

    def _attend(self, x: Tensor, present: Tensor) -> Tensor:
        n, tokens, dim = x.shape
        heads = self.query_key_value(x).view(n, tokens, 3, self.n_heads, dim // self.n_heads)
        q, k, v = heads.permute(2, 0, 3, 1, 4).unbind(0)  # each (B, heads, N, d / heads)
        scores = q @ k.transpose(-1, -2) * (dim // self.n_heads) ** -0.5
        # a finite stand-in for minus infinity: a clip without any token gets even weights, not NaN
        scores = torch.where(present[:, None, None, :], scores, torch.finfo(scores.dtype).min)
        mixed = self.dropout(scores.softmax(dim=-1)) @ v
        return self.out(mixed.transpose(1, 2).reshape(n, tokens, dim))
