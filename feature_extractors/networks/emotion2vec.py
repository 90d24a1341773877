"""emotion2vec (Ma et al., 2024): a data2vec 2.0 encoder of sound with ten utterance tokens.

Names of modules are those of the released state dicts (as read in FunASR's and fairseq's public modules), so that these
load unrenamed; the decoder of pre-training is left out. Unlike the published code, inputs of different length may share
a batch: padding is kept out of the position convolutions and of the attention.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

STRIDES = (5, 2, 2, 2, 2, 2, 2)
_AUDIO = "modality_encoders.AUDIO"


@dataclass(frozen=True)
class Emotion2VecSizes:
    """Sizes of the network; the defaults are those of emotion2vec base.

    Attributes:
        dim: width of the rows.
        heads: of attention.
        hidden: width inside a block.
        prenet_depth: blocks of the context encoder.
        depth: blocks after it.
        extra_tokens: learned tokens before the rows.
        conv_dim: channels of the convolutions.
        kernels: their widths.
        position_kernel: width of the position convolutions.
        position_groups: their groups.
        position_layers: how many there are.
    """

    dim: int = 768
    heads: int = 12
    hidden: int = 3072
    prenet_depth: int = 4
    depth: int = 8
    extra_tokens: int = 10
    conv_dim: int = 512
    kernels: tuple[int, ...] = (10, 3, 3, 3, 3, 2, 2)
    position_kernel: int = 19
    position_groups: int = 16
    position_layers: int = 5

    @classmethod
    def of(cls, state: Mapping[str, Tensor]) -> Emotion2VecSizes:
        """Sizes of released parameters.

        Raises:
            KeyError: naming a parameter that is not there.
        """
        kernels = [
            state[f"{_AUDIO}.local_encoder.conv_layers.{i}.0.weight"].shape[2]
            for i in range(_count(state, f"{_AUDIO}.local_encoder.conv_layers."))
        ]
        convolution = state[f"{_AUDIO}.relative_positional_encoder.1.0.weight"]
        return cls(
            dim=state["blocks.0.norm1.weight"].shape[0],
            heads=state[f"{_AUDIO}.alibi_scale"].numel(),
            hidden=state["blocks.0.mlp.fc1.weight"].shape[0],
            prenet_depth=_count(state, f"{_AUDIO}.context_encoder.blocks."),
            depth=_count(state, "blocks."),
            extra_tokens=state[f"{_AUDIO}.extra_tokens"].shape[1],
            conv_dim=state[f"{_AUDIO}.local_encoder.conv_layers.0.0.weight"].shape[0],
            kernels=tuple(kernels),
            position_kernel=convolution.shape[2],
            position_groups=convolution.shape[0] // convolution.shape[1],
            position_layers=_count(state, f"{_AUDIO}.relative_positional_encoder."),
        )


def _count(state: Mapping[str, Tensor], prefix: str) -> int:
    """How many numbers follow a prefix in the names."""
    return len({key[len(prefix) :].split(".")[0] for key in state if key.startswith(prefix)})


class Attention(nn.Module):
    """Multi-head attention with a bias on the scores."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        """Attend: ``x (B, N, D)``, ``bias (B or 1, H, N, N)``."""
        q, k, v = self.qkv(x).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)  # (B, H, N, D / H) each
        attended = functional.scaled_dot_product_attention(q, k, v, attn_mask=bias.to(q.dtype))
        return self.proj(attended.transpose(1, 2).flatten(2))


class Mlp(nn.Module):
    """Two linear layers."""

    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(dim, hidden)
        self.fc2 = nn.Linear(hidden, dim)

    def forward(self, x: Tensor) -> Tensor:
        """``(B, N, D)`` to ``(B, N, D)``."""
        return self.fc2(functional.gelu(self.fc1(x)))


class Block(nn.Module):
    """A transformer block that normalises after attention and after the linear layers."""

    def __init__(self, dim: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(dim)
        self.attn = Attention(dim, heads)
        self.norm2 = nn.LayerNorm(dim)
        self.mlp = Mlp(dim, hidden)

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        """``(B, N, D)`` to ``(B, N, D)``."""
        x = self.norm1(x + self.attn(x, bias))
        return self.norm2(x + self.mlp(x))


class ContextEncoder(nn.Module):
    """The first blocks, after a norm of their own."""

    def __init__(self, sizes: Emotion2VecSizes) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(sizes.dim)
        self.blocks = _blocks(sizes, sizes.prenet_depth)

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        """``(B, N, D)`` to ``(B, N, D)``."""
        x = self.norm(x)
        for block in self.blocks:
            x = block(x, bias)
        return x


class LocalEncoder(nn.Module):
    """Convolutions with layer norm: 25 ms of sound every 20 ms."""

    def __init__(self, sizes: Emotion2VecSizes) -> None:
        super().__init__()
        channels = (1, *(sizes.conv_dim for _ in sizes.kernels))
        self.conv_layers = nn.ModuleList(
            _numbered(
                {
                    0: nn.Conv1d(channels[i], channels[i + 1], kernel, STRIDES[i], bias=False),
                    2: _numbered({1: nn.LayerNorm(sizes.conv_dim)}),
                }
            )
            for i, kernel in enumerate(sizes.kernels)
        )

    def forward(self, samples: Tensor) -> Tensor:
        """``(B, N)`` to ``(B, T, C)``."""
        x = samples[:, None]
        for layer in self.conv_layers:
            x = layer["0"](x).transpose(1, 2)
            x = functional.gelu(layer["2"]["1"](x)).transpose(1, 2)
        return x.transpose(1, 2)


class AudioEncoder(nn.Module):
    """From samples to the rows that enter the last blocks."""

    def __init__(self, sizes: Emotion2VecSizes) -> None:
        super().__init__()
        self.local_encoder = LocalEncoder(sizes)
        self.project_features = _numbered({1: nn.LayerNorm(sizes.conv_dim), 2: nn.Linear(sizes.conv_dim, sizes.dim)})
        kernel, groups = sizes.position_kernel, sizes.position_groups
        self.relative_positional_encoder = _numbered(
            {
                1 + i: _numbered({0: nn.Conv1d(sizes.dim, sizes.dim, kernel, padding=kernel // 2, groups=groups)})
                for i in range(sizes.position_layers)
            }
        )
        self.extra_tokens = nn.Parameter(torch.zeros(1, sizes.extra_tokens, sizes.dim))
        self.alibi_scale = nn.Parameter(torch.ones(1, 1, sizes.heads, 1, 1))
        self.context_encoder = ContextEncoder(sizes)

    def local(self, samples: Tensor) -> Tensor:
        """Rows before any of them sees another: ``(B, N)`` to ``(B, T, D)``."""
        x = self.project_features["1"](self.local_encoder(samples))
        return self.project_features["2"](x)

    def positions(self, x: Tensor, there: Tensor) -> Tensor:
        """Position code of rows ``(B, T, D)``; the sound ends before rows that are not `there`, ``(B, T, 1)``."""
        for layer in self.relative_positional_encoder.values():
            x = layer["0"]((x * there).transpose(1, 2)).transpose(1, 2)
            x = functional.gelu(functional.layer_norm(x, x.shape[-1:]))
        return x

    def bias(self, there: Tensor, padded: bool) -> Tensor:
        """Bias on the scores of attention, ``(B or 1, H, K + T, K + T)``: distance, none for the K extra tokens."""
        n_rows, n_extra = there.shape[1], self.extra_tokens.shape[1]
        place = torch.arange(n_rows, device=there.device, dtype=torch.float32)
        slopes = torch.tensor(alibi_slopes(self.alibi_scale.shape[2]), device=there.device)
        distance = (place[None] - place[:, None]).abs()
        bias = -distance * slopes[:, None, None] * self.alibi_scale.float().clamp_min(0)[0, 0]  # (H, T, T)
        bias = functional.pad(bias, (n_extra, 0, n_extra, 0))[None]
        if not padded:
            return bias
        seen = functional.pad(there[:, :, 0], (n_extra, 0), value=True)
        return bias.masked_fill(~seen[:, None, None], float("-inf"))

    def forward(self, samples: Tensor, there: Tensor, padded: bool) -> tuple[Tensor, Tensor]:
        """Rows with the extra tokens before them, ``(B, K + T, D)``, and the bias."""
        x = self.local(samples)
        x = x + self.positions(x, there)
        x = torch.cat([self.extra_tokens.expand(len(x), -1, -1).to(x.dtype), x], dim=1)
        bias = self.bias(there, padded)
        return self.context_encoder(x, bias), bias


class Emotion2Vec(nn.Module):
    """The encoder: sound at 16 kHz in, a row every 20 ms out."""

    def __init__(self, sizes: Emotion2VecSizes | None = None) -> None:
        super().__init__()
        sizes = sizes or Emotion2VecSizes()
        self.dim = sizes.dim
        self.n_layers = sizes.prenet_depth + sizes.depth
        self.kernels = sizes.kernels
        self.modality_encoders = nn.ModuleDict({"AUDIO": AudioEncoder(sizes)})
        self.blocks = _blocks(sizes, sizes.depth)

    def forward(self, samples: Tensor, n_rows: Sequence[int]) -> Tensor:
        """Embed sounds.

        Args:
            samples: ``(B, N)`` float32, each of zero mean and unit variance, zeros behind a shorter one.
            n_rows: rows of each sound without its padding.

        Returns:
            ``(B, T, D)``; rows at and behind `n_rows` mean nothing.
        """
        encoder = self.modality_encoders["AUDIO"]
        longest = max(n_rows)
        there = torch.arange(longest, device=samples.device) < torch.tensor(n_rows, device=samples.device)[:, None]
        x, bias = encoder(samples, there[:, :, None], min(n_rows) < longest)
        for block in self.blocks:
            x = block(x, bias)
        return x[:, encoder.extra_tokens.shape[1] :]


def alibi_slopes(heads: int) -> list[float]:
    """How fast the attention of each head falls with distance (Press et al., 2022).

    Example:
        >>> alibi_slopes(4)
        [0.25, 0.0625, 0.015625, 0.00390625]
    """
    power = 2 ** math.floor(math.log2(heads))
    slopes = [2.0 ** (-8 * (i + 1) / power) for i in range(power)]
    if power == heads:
        return slopes
    return slopes + alibi_slopes(2 * power)[::2][: heads - power]


def _blocks(sizes: Emotion2VecSizes, count: int) -> nn.ModuleList:
    return nn.ModuleList(Block(sizes.dim, sizes.heads, sizes.hidden) for _ in range(count))


def _numbered(modules: dict[int, nn.Module]) -> nn.ModuleDict:
    """Modules under the numbers that they have in the released network."""
    return nn.ModuleDict({str(number): module for number, module in modules.items()})
