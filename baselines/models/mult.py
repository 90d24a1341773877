"""``mult``: multimodal transformer (Tsai et al., ACL 2019), as MERBench has it.

Every space attends to every other one, at its own rate of rows: spaces need not be aligned. For any number of spaces
M ≥ 1 (all ordered pairs); the reference has three, in the order text, audio, video.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import linear, pad, scaled_dot_product_attention

from baselines import MODELS
from baselines.models.base import Batch, FusionConfig, FusionModel
from baselines.models.layers import Dropout, last_rows
from baselines.models.sequences import in_published_order, unaligned

SELF_LAYERS = 3
"""A space's own transformer has at least so many layers, as published."""


@dataclass(frozen=True)
class MulTConfig(FusionConfig):
    """Options of `MulT`.

    Attributes:
        hidden_dim: width h of a space's rows, a multiple of `n_heads`, even.
        dropout: probability p of dropping an element of inputs, attention weights, inner layers and residual branches.
        n_layers: layers of each transformer, at least 1; a space's own transformer has at least three.
        n_heads: heads of every attention, at least 1.
        kernel: rows that the first convolution sees, at least 1. T rows become T - kernel + 1; a clip with fewer rows
            than the kernel is filled up with zero rows behind it and becomes one row.
        positions: whether sines and cosines of the row's number are added to it. Off as published: then order is known
            only from what a row may attend to.
    """

    dropout: float = 0.1
    n_layers: int = 4
    n_heads: int = 8
    kernel: int = 1
    positions: bool = False

    def __post_init__(self) -> None:
        """Check ranges."""
        super().__post_init__()
        for name in ("n_layers", "n_heads", "kernel"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1")
        if self.hidden_dim % self.n_heads or self.hidden_dim % 2:
            raise ValueError(f"hidden_dim must be even and a multiple of n_heads ({self.n_heads})")


class MultiHeadAttention(nn.Module):
    """Attention with several heads; queries, keys and values come from one joint layer.

    Args:
        width: of rows.
        n_heads: how many heads share it.
        dropout: p of dropping an attention weight.
    """

    def __init__(self, width: int, n_heads: int, dropout: float) -> None:
        super().__init__()
        self.joint = _linear(width, 3 * width)
        self.output = _linear(width, width)
        self.dropout = Dropout(dropout)
        self.n_heads = n_heads

    def forward(self, q: Tensor, k: Tensor, v: Tensor, allowed: Tensor) -> Tensor:
        """``(B, T, W)``, twice ``(B, S, W)`` and ``(B, 1, T, S)`` bool -> ``(B, T, W)``."""
        weights, biases = self.joint.weight.chunk(3), self.joint.bias.chunk(3)
        q, k, v = (self._split(linear(x, w, b)) for x, w, b in zip((q, k, v), weights, biases, strict=True))
        if self.training and self.dropout.p > 0:  # the fused kernel would draw from torch's global generator
            scores = q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])
            mixed = self.dropout(scores.masked_fill(~allowed, float("-inf")).softmax(dim=-1)) @ v
        else:
            mixed = scaled_dot_product_attention(q, k, v, attn_mask=allowed)
        return self.output(mixed.transpose(1, 2).flatten(2))

    def _split(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.n_heads, -1)).transpose(1, 2)  # (B, heads, T, W / heads)


class Layer(nn.Module):
    """Pre-norm layer: x += drop(attention(LN x, LN k, LN v)), then x += drop(W drop(ReLU(W LN x))), inner width 4 W."""

    def __init__(self, width: int, n_heads: int, dropout: float) -> None:
        super().__init__()
        self.norm_rows, self.norm_inner = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = MultiHeadAttention(width, n_heads, dropout)
        self.inner, self.outer = _linear(width, 4 * width), _linear(4 * width, width)
        self.dropout = Dropout(dropout)

    def forward(self, x: Tensor, k: Tensor, v: Tensor, allowed: Tensor) -> Tensor:
        """``(B, T, W)``, twice ``(B, S, W)`` and ``(B, 1, T, S)`` bool -> ``(B, T, W)``; all three may be the same."""
        q = self.norm_rows(x)
        k_normed = q if k is x else self.norm_rows(k)
        v_normed = k_normed if v is k else self.norm_rows(v)
        x = x + self.dropout(self.attention(q, k_normed, v_normed, allowed))
        return x + self.dropout(self.outer(self.dropout(torch.relu(self.inner(self.norm_inner(x))))))


class Transformer(nn.Module):
    """Layers of attention from one sequence to another one (`forward`), or to itself (`last`).

    Args:
        width: of rows.
        n_layers: how many layers.
        config: heads, dropout, positions.
    """

    def __init__(self, width: int, n_layers: int, config: MulTConfig) -> None:
        super().__init__()
        self.layers = nn.ModuleList(Layer(width, config.n_heads, config.dropout) for _ in range(n_layers))
        self.norm = nn.LayerNorm(width)
        self.dropout = Dropout(config.dropout)
        self.positions = config.positions

    def forward(self, x: Tensor, source: Tensor, allowed: Tensor) -> Tensor:
        """Rows that attended to another sequence, ``(B, T, W)``.

        Args:
            x: ``(B, T, W)``.
            source: ``(B, S, W)``, what is attended to, the same in every layer.
            allowed: ``(B, 1, T, S)`` bool, what a row may attend to.
        """
        x, source = self.dropout(self._scaled(x)), self._scaled(source)
        k, v = self.dropout(source), self.dropout(source)  # dropped independently, as published
        for layer in self.layers:
            x = layer(x, k, v, allowed)
        return self.norm(x)

    def last(self, x: Tensor, mask: Tensor) -> Tensor:
        """Each clip's last row, ``(B, W)``, after the rows ``(B, T, W)`` attended to themselves and those before.

        Of the last layer nothing but that row is computed.
        """
        x, allowed = self.dropout(self._scaled(x)), may_attend(mask, mask)
        for layer in self.layers[:-1]:
            x = layer(x, x, x, allowed)
        row = last_rows(x, mask).unsqueeze(1)  # (B, 1, W)
        return self.norm(self.layers[-1](row, x, x, mask[:, None, None])).squeeze(1)

    def _scaled(self, x: Tensor) -> Tensor:
        x = x * math.sqrt(x.shape[-1])
        return x + sinusoids(x.shape[1], x.shape[2], x.device) if self.positions else x


@MODELS.register("mult", summary="a transformer from every space to every other (frame level, aligned or not)")
class MulT(FusionModel):
    """Rows of space m, projected by a convolution, attend to those of each other space; its own transformer follows.

    comb = the last rows of all spaces, r = comb + W₂ drop(ReLU(W₁ comb)), fused = W₃ r. With one space only its own
    transformer is there. What a clip lacks is one row of zeros.

    Row i of a clip with n rows may attend to row j of a space in which the clip has s rows if j ≤ i + abs(n - s) and
    j < s. n and s are the clip's own, so that padding and other clips change nothing.
    """

    Config: ClassVar = MulTConfig
    levels: ClassVar = ("frame",)
    deviations: ClassVar = (
        "zeros stand before shorter clips and are attended to like rows; n and s are those of the longest clip"
    )
    search_space: ClassVar = {
        "hidden_dim": (64, 128, 256),
        "dropout": (0.0, 0.1, 0.2, 0.3),
        "n_layers": (2, 4, 6),
        "kernel": (1, 3),
        "lr": (1e-3, 1e-4),
        "grad_clip": (0.6, 0.8, 1.0),
    }

    config: MulTConfig

    @property
    def fused_dim(self) -> int:
        """F = h / 2."""
        return self.config.hidden_dim // 2

    def build(self) -> None:
        """Projections, a transformer per ordered pair of spaces, one per space, three layers behind them."""
        h, n_spaces, n_layers = self.config.hidden_dim, len(self.dims), self.config.n_layers
        width = max(n_spaces - 1, 1) * h
        dims = in_published_order(self.dims)
        self.projections = nn.ModuleList(nn.Conv1d(dim, h, self.config.kernel, bias=False) for dim in dims)
        self.crossings = nn.ModuleList(
            nn.ModuleList(Transformer(h, n_layers, self.config) for _ in range(n_spaces - 1)) for _ in dims
        )
        self.own = nn.ModuleList(Transformer(width, max(n_layers, SELF_LAYERS), self.config) for _ in dims)
        combined = n_spaces * width
        self.inner, self.outer = nn.Linear(combined, combined), nn.Linear(combined, combined)
        self.dropout = Dropout(self.config.dropout)
        self.output = nn.Linear(combined, self.fused_dim)

    def fuse(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Three layers of the last rows."""
        spaces = [
            self._project(x, mask, projection)
            for (x, mask), projection in zip(
                unaligned(batch, through_padding=self.config.reference), self.projections, strict=True
            )
        ]
        last = []
        for m, (x, mask) in enumerate(spaces):
            others = [space for n, space in enumerate(spaces) if n != m]
            crossed = [
                crossing(x, source, may_attend(mask, other))
                for crossing, (source, other) in zip(self.crossings[m], others, strict=True)
            ]
            last.append(self.own[m].last(torch.cat(crossed or [x], dim=-1), mask))
        combined = torch.cat(last, dim=-1)
        combined = combined + self.outer(self.dropout(torch.relu(self.inner(combined))))
        return self.output(combined), combined.new_zeros(())

    def _project(self, x: Tensor, mask: Tensor, projection: nn.Module) -> tuple[Tensor, Tensor]:
        kernel = self.config.kernel
        x = pad(x, (0, 0, 0, max(kernel - x.shape[1], 0)))
        rows = projection(x.transpose(1, 2)).transpose(1, 2)  # (B, T - kernel + 1, h)
        n_rows = (mask.sum(dim=1) - kernel + 1).clamp(min=1)  # (B,)
        return rows, torch.arange(rows.shape[1], device=x.device) < n_rows[:, None]


def may_attend(queries: Tensor, keys: Tensor) -> Tensor:
    """Masks ``(B, T)`` and ``(B, S)`` of two sequences -> ``(B, 1, T, S)``, see `MulT`; a row may attend to row 0."""
    apart = (queries.sum(dim=1) - keys.sum(dim=1)).abs()  # (B,)
    row, column = torch.arange(queries.shape[1], device=keys.device), torch.arange(keys.shape[1], device=keys.device)
    reach = row + apart[:, None]  # (B, T)
    return ((column <= reach.unsqueeze(-1)) & keys[:, None]).unsqueeze(1)


def sinusoids(n_rows: int, width: int, device: torch.device) -> Tensor:
    """``(T, W)``: sines in the first half of the columns, cosines in the second, wavelengths from 2π to 20000π.

    As Vaswani et al. (2017) define them; the columns stand in another order.
    """
    half = width // 2
    rates = torch.exp(torch.arange(half, device=device) * (-math.log(10_000.0) / half))
    angles = torch.arange(n_rows, device=device)[:, None] * rates
    return torch.cat([angles.sin(), angles.cos()], dim=1)


def _linear(dim: int, out_dim: int) -> nn.Linear:
    layer = nn.Linear(dim, out_dim)
    nn.init.xavier_uniform_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer
