"""Baichuan and Baichuan 2 (Baichuan Inc., 2023), 7B and 13B: LLaMA's blocks with one matrix for query, key and value.

The 7B models turn query and key by their position as LLaMA does; the 13B models have no positions and add a slope
times the distance to each head's scores instead (ALiBi; Press, Smith and Lewis, 2021). Published code exists only as
files that come with the weights and would have to be run. Written from the papers and from facts of those files: the
names of the parameters (``model.layers.N.self_attn.W_pack.weight``, ...), that a configuration with
``max_position_embeddings`` is one of the 7B kind, and that the last hidden state is behind the final norm.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from transformers import PreTrainedConfig, PreTrainedModel
from transformers.modeling_outputs import BaseModelOutput


class BaichuanConfig(PreTrainedConfig):
    """Configuration, as published: ``max_position_embeddings`` is there for the 7B kind only."""

    model_type = "baichuan"

    def __init__(
        self,
        vocab_size: int = 64_000,
        hidden_size: int = 4096,
        intermediate_size: int = 11_008,
        num_hidden_layers: int = 32,
        num_attention_heads: int = 32,
        max_position_embeddings: int | None = None,
        model_max_length: int = 4096,
        rms_norm_eps: float = 1e-6,
        **others: Any,
    ) -> None:
        self.vocab_size, self.hidden_size, self.intermediate_size = vocab_size, hidden_size, intermediate_size
        self.num_hidden_layers, self.num_attention_heads = num_hidden_layers, num_attention_heads
        self.max_position_embeddings, self.model_max_length = max_position_embeddings, model_max_length
        self.rms_norm_eps = rms_norm_eps
        super().__init__(**others)


class RootMeanSquareNorm(nn.Module):
    """Division by the root of the mean square, in float32, and a weight (Zhang and Sennrich, 2019)."""

    def __init__(self, dim: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(dim))
        self.eps = eps

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Shape ``(..., D)``, kept."""
        exact = x.float()
        normed = exact * torch.rsqrt(exact.square().mean(-1, keepdim=True) + self.eps)
        return self.weight * normed.to(x.dtype)


class _Attention(nn.Module):
    def __init__(self, config: BaichuanConfig) -> None:
        super().__init__()
        self.n_heads = config.num_attention_heads
        self.W_pack = nn.Linear(config.hidden_size, 3 * config.hidden_size, bias=False)
        self.o_proj = nn.Linear(config.hidden_size, config.hidden_size, bias=False)

    def forward(self, x: torch.Tensor, bias: torch.Tensor, turns: tuple[torch.Tensor, torch.Tensor] | None) -> Any:
        b, n, _ = x.shape
        packed = self.W_pack(x).view(b, n, 3, self.n_heads, -1)
        query, key, value = packed.permute(2, 0, 3, 1, 4)  # (B, heads, N, D / heads) each
        if turns is not None:
            query, key = _turned(query, turns), _turned(key, turns)
        mixed = nn.functional.scaled_dot_product_attention(query, key, value, attn_mask=bias.to(query.dtype))
        return self.o_proj(mixed.transpose(1, 2).reshape(b, n, -1))


class _FeedForward(nn.Module):
    def __init__(self, config: BaichuanConfig) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(config.hidden_size, config.intermediate_size, bias=False)
        self.up_proj = nn.Linear(config.hidden_size, config.intermediate_size, bias=False)
        self.down_proj = nn.Linear(config.intermediate_size, config.hidden_size, bias=False)

    def forward(self, x: torch.Tensor) -> Any:
        return self.down_proj(nn.functional.silu(self.gate_proj(x)) * self.up_proj(x))


class BaichuanLayer(nn.Module):
    """One block: norm, attention, sum; norm, gated feed-forward, sum."""

    def __init__(self, config: BaichuanConfig) -> None:
        super().__init__()
        self.self_attn = _Attention(config)
        self.mlp = _FeedForward(config)
        self.input_layernorm = RootMeanSquareNorm(config.hidden_size, config.rms_norm_eps)
        self.post_attention_layernorm = RootMeanSquareNorm(config.hidden_size, config.rms_norm_eps)

    def forward(
        self, x: torch.Tensor, bias: torch.Tensor, turns: tuple[torch.Tensor, torch.Tensor] | None
    ) -> torch.Tensor:
        """Shape ``(B, N, D)``, kept."""
        x = x + self.self_attn(self.input_layernorm(x), bias, turns)
        return x + self.mlp(self.post_attention_layernorm(x))


class BaichuanModel(PreTrainedModel):
    """The network without its head for words."""

    config_class = BaichuanConfig
    base_model_prefix = "model"
    _no_split_modules = ["BaichuanLayer"]  # noqa: RUF012  (as transformers declares it)
    config: BaichuanConfig

    def __init__(self, config: BaichuanConfig) -> None:
        super().__init__(config)
        self.embed_tokens = nn.Embedding(config.vocab_size, config.hidden_size)
        self.layers = nn.ModuleList([BaichuanLayer(config) for _ in range(config.num_hidden_layers)])
        self.norm = RootMeanSquareNorm(config.hidden_size, config.rms_norm_eps)
        self.post_init()

    def forward(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        output_hidden_states: bool = False,
    ) -> BaseModelOutput:
        """Hidden states of all layers.

        Args:
            input_ids: ``(B, N)``.
            attention_mask: ``(B, N)``, 1 where a token is; filling stands behind the tokens.
            output_hidden_states: whether the states of all layers are kept.
        """
        x = self.embed_tokens(input_ids)  # (B, N, D)
        n = input_ids.shape[1]
        rotary = self.config.max_position_embeddings is not None
        turns = _turns(n, self.config.hidden_size // self.config.num_attention_heads, x.device) if rotary else None
        bias = _causal_bias(n, x.device)[None, None]
        if not rotary:
            bias = bias + _distances(n, self.config.num_attention_heads, x.device)[None]
        if attention_mask is not None:
            bias = bias.masked_fill(attention_mask[:, None, None, :] == 0, _MINUS_INFINITY)
            # a row of filling sees at least itself: a softmax over nothing is not a number
            bias = bias.masked_fill(torch.eye(n, dtype=torch.bool, device=x.device), 0.0)
        states = [x]
        for layer in self.layers:
            x = layer(x, bias, turns)
            states.append(x)
        x = states[-1] = self.norm(x)
        return BaseModelOutput(last_hidden_state=x, hidden_states=tuple(states) if output_hidden_states else None)


_MINUS_INFINITY = float("-inf")


def slopes(n_heads: int) -> list[float]:
    """Slope of each head (Press, Smith and Lewis, 2021).

    A geometric series from ``2^(-8/n)`` for n heads, n a power of two; the heads beyond the largest power take every
    second member of the series for twice that power.

    Example:
        >>> slopes(8)[:3]
        [0.5, 0.25, 0.125]
    """
    whole = 1 << (n_heads.bit_length() - 1)
    series = [2 ** (-8 * (i + 1) / whole) for i in range(whole)]
    return series + [2 ** (-8 * (2 * i + 1) / (2 * whole)) for i in range(n_heads - whole)]


def _distances(n: int, n_heads: int, device: torch.device) -> torch.Tensor:
    """``(heads, N, N)``: minus slope times distance; what a row adds to all its scores alike changes nothing."""
    places = torch.arange(n, device=device)
    distance = (places[:, None] - places[None, :]).clamp(min=0)
    return -torch.tensor(slopes(n_heads), device=device)[:, None, None] * distance


def _causal_bias(n: int, device: torch.device) -> torch.Tensor:
    return torch.full((n, n), _MINUS_INFINITY, device=device).triu(1)


def _turns(n: int, dim: int, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Cosine and sine of each position's turns, ``(N, dim)`` each (Su et al., 2021)."""
    rates = 10_000 ** (-torch.arange(0, dim, 2, dtype=torch.float32, device=device) / dim)
    angles = torch.arange(n, dtype=torch.float32, device=device)[:, None] * rates
    angles = torch.cat([angles, angles], -1)
    return angles.cos(), angles.sin()


def _turned(x: torch.Tensor, turns: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
    """Each half of a head's dimensions turned against the other, by position."""
    cosine, sine = turns
    first, second = x.chunk(2, -1)
    return (x * cosine + torch.cat([-second, first], -1) * sine).to(x.dtype)
