"""The encoder of VideoMAE (Tong et al., 2022): a transformer over tubelets, attention over space and time at once.

Names of parameters are those of the authors' checkpoints (github.com/MCG-NJU/VideoMAE), which MERTools' models for
faces share: queries and values have a bias, keys have none, positions are sines and cosines and not stored.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

HEAD_WIDTH = 64
"""Of every published size."""


@dataclass(frozen=True)
class VideoMaeShape:
    """Sizes of an encoder.

    Attributes:
        dim: width of the tokens.
        depth: blocks.
        heads: of attention.
        hidden: width inside a block's perceptron.
        size: side of the frames in pixels.
        patch: side of a patch in pixels.
        frames: that are seen at once.
        tubelet: frames of a token.
    """

    dim: int = 768
    depth: int = 12
    heads: int = 12
    hidden: int = 3072
    size: int = 224
    patch: int = 16
    frames: int = 16
    tubelet: int = 2

    @property
    def n_tokens(self) -> int:
        """Tokens of a window."""
        return self.frames // self.tubelet * (self.size // self.patch) ** 2

    @classmethod
    def of_state(cls, state: Mapping[str, torch.Tensor], *, size: int, heads: int | None = None) -> VideoMaeShape:
        """The sizes that parameters tell; those of the input they do not.

        Args:
            state: parameters by name.
            size: side of the frames in pixels.
            heads: of attention; as many as of width 64 if None.

        Raises:
            ValueError: naming a parameter that should tell a size and does not.
        """
        expected = {"patch_embed.proj.weight": 5, "blocks.0.mlp.fc1.weight": 2}
        for name, n_axes in expected.items():
            if name not in state or state[name].ndim != n_axes:
                raise ValueError(f"{name} of {n_axes} axes")
        dim, _, tubelet, patch, _ = state["patch_embed.proj.weight"].shape
        blocks = {name.split(".")[1] for name in state if name.startswith("blocks.")}
        hidden = state["blocks.0.mlp.fc1.weight"].shape[0]
        return cls(dim, len(blocks), heads or max(dim // HEAD_WIDTH, 1), hidden, size, patch, tubelet=tubelet)


class VideoMaeEncoder(nn.Module):
    """Frames to tokens, after the final layer norm.

    Args:
        shape: the sizes.
    """

    def __init__(self, shape: VideoMaeShape) -> None:
        super().__init__()
        self.shape = shape
        self.patch_embed = _Tubelets(shape)
        positions = sine_positions(shape.n_tokens, shape.dim)
        self.register_buffer("positions", positions, persistent=False)
        self.blocks = nn.ModuleList([_Block(shape) for _ in range(shape.depth)])
        self.norm = nn.LayerNorm(shape.dim, eps=1e-6)

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        """Tokens of windows.

        Args:
            frames: ``(B, frames, 3, size, size)``, normalised.

        Returns:
            ``(B, N, dim)``, tokens in the order time, row, column.
        """
        tokens = self.patch_embed(frames) + self.positions  # (B, N, dim)
        for block in self.blocks:
            tokens = block(tokens)
        normed: torch.Tensor = self.norm(tokens)
        return normed


class _Tubelets(nn.Module):
    def __init__(self, shape: VideoMaeShape) -> None:
        super().__init__()
        window = (shape.tubelet, shape.patch, shape.patch)
        self.proj = nn.Conv3d(3, shape.dim, window, stride=window)

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        tokens: torch.Tensor = self.proj(frames.transpose(1, 2)).flatten(2).transpose(1, 2)
        return tokens


class _Attention(nn.Module):
    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim, bias=False)
        self.q_bias = nn.Parameter(torch.zeros(dim))
        self.v_bias = nn.Parameter(torch.zeros(dim))
        self.proj = nn.Linear(dim, dim)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        bias = torch.cat([self.q_bias, torch.zeros_like(self.q_bias), self.v_bias])
        mixed = functional.linear(tokens, self.qkv.weight, bias)  # (B, N, 3 * dim)
        query, key, value = mixed.unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)  # (B, heads, N, width) each
        attended = functional.scaled_dot_product_attention(query, key, value)
        projected: torch.Tensor = self.proj(attended.transpose(1, 2).flatten(2))
        return projected


class _Mlp(nn.Module):
    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(dim, hidden)
        self.fc2 = nn.Linear(hidden, dim)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        projected: torch.Tensor = self.fc2(functional.gelu(self.fc1(tokens)))
        return projected


class _Block(nn.Module):
    def __init__(self, shape: VideoMaeShape) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(shape.dim, eps=1e-6)
        self.attn = _Attention(shape.dim, shape.heads)
        self.norm2 = nn.LayerNorm(shape.dim, eps=1e-6)
        self.mlp = _Mlp(shape.dim, shape.hidden)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        tokens = tokens + self.attn(self.norm1(tokens))
        return tokens + self.mlp(self.norm2(tokens))


def sine_positions(n_tokens: int, dim: int) -> torch.Tensor:
    """Positions as in "Attention is all you need" (Vaswani et al., 2017), sines and cosines interleaved.

    Args:
        n_tokens: positions, counted over time, row and column.
        dim: width.

    Returns:
        ``(n_tokens, dim)`` float32, computed in float64.
    """
    channel = torch.arange(dim)
    rate = 10_000.0 ** (-2 * (channel // 2).double() / dim)
    angle = torch.arange(n_tokens).double()[:, None] * rate
    return torch.where(channel % 2 == 0, angle.sin(), angle.cos()).float()
