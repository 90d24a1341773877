"""ChatGLM2 and ChatGLM3 (Zeng et al., 2022; THUDM, 2023): a decoder whose heads share two keys and values.

Half of each head's dimensions are turned by position, in pairs of neighbours; the feed-forward is gated. Published
code exists only as files that come with the weights and would have to be run. Written from the papers and from facts
of those files: the names of the parameters (``transformer.encoder.layers.N.self_attention.query_key_value.weight``,
...), and that their last hidden state, unlike that of other decoders, is taken in front of the final norm. Theirs are
time first, ``(N, B, D)``; here they are ``(B, N, D)``.
"""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import nn
from transformers import PreTrainedConfig, PreTrainedModel
from transformers.modeling_outputs import BaseModelOutput

from feature_extractors.networks.baichuan import RootMeanSquareNorm


class ChatGlm2Config(PreTrainedConfig):
    """Configuration, as published."""

    model_type = "chatglm"
    attribute_map: ClassVar[dict[str, str]] = {"num_hidden_layers": "num_layers", "vocab_size": "padded_vocab_size"}

    def __init__(
        self,
        padded_vocab_size: int = 65_024,
        hidden_size: int = 4096,
        ffn_hidden_size: int = 13_696,
        num_layers: int = 28,
        num_attention_heads: int = 32,
        kv_channels: int = 128,
        multi_query_group_num: int = 2,
        layernorm_epsilon: float = 1e-5,
        seq_length: int = 32_768,
        add_qkv_bias: bool = True,
        **others: Any,
    ) -> None:
        self.padded_vocab_size, self.hidden_size, self.ffn_hidden_size = padded_vocab_size, hidden_size, ffn_hidden_size
        self.num_layers, self.num_attention_heads, self.kv_channels = num_layers, num_attention_heads, kv_channels
        self.multi_query_group_num, self.layernorm_epsilon = multi_query_group_num, layernorm_epsilon
        self.seq_length, self.add_qkv_bias = seq_length, add_qkv_bias
        super().__init__(**others)


class _Attention(nn.Module):
    def __init__(self, config: ChatGlm2Config) -> None:
        super().__init__()
        self.n_heads, self.n_groups, self.width = (
            config.num_attention_heads,
            config.multi_query_group_num,
            config.kv_channels,
        )
        wide = self.n_heads * self.width
        self.query_key_value = nn.Linear(
            config.hidden_size, wide + 2 * self.n_groups * self.width, bias=config.add_qkv_bias
        )
        self.dense = nn.Linear(wide, config.hidden_size, bias=False)

    def forward(self, x: torch.Tensor, seen: torch.Tensor, turns: tuple[torch.Tensor, torch.Tensor]) -> Any:
        b, n, _ = x.shape
        heads = self.query_key_value(x).view(b, n, -1, self.width).transpose(1, 2)  # (B, all heads, N, width)
        query, key, value = heads.split([self.n_heads, self.n_groups, self.n_groups], 1)
        query, key = _turned(query, turns), _turned(key, turns)
        each = self.n_heads // self.n_groups
        key, value = key.repeat_interleave(each, 1), value.repeat_interleave(each, 1)
        mixed = nn.functional.scaled_dot_product_attention(query, key, value, attn_mask=seen)
        return self.dense(mixed.transpose(1, 2).reshape(b, n, -1))


class _FeedForward(nn.Module):
    def __init__(self, config: ChatGlm2Config) -> None:
        super().__init__()
        self.dense_h_to_4h = nn.Linear(config.hidden_size, 2 * config.ffn_hidden_size, bias=False)
        self.dense_4h_to_h = nn.Linear(config.ffn_hidden_size, config.hidden_size, bias=False)

    def forward(self, x: torch.Tensor) -> Any:
        gate, content = self.dense_h_to_4h(x).chunk(2, -1)
        return self.dense_4h_to_h(nn.functional.silu(gate) * content)


class GlmBlock(nn.Module):
    """One block: norm, attention, sum; norm, gated feed-forward, sum."""

    def __init__(self, config: ChatGlm2Config) -> None:
        super().__init__()
        self.input_layernorm = RootMeanSquareNorm(config.hidden_size, config.layernorm_epsilon)
        self.self_attention = _Attention(config)
        self.post_attention_layernorm = RootMeanSquareNorm(config.hidden_size, config.layernorm_epsilon)
        self.mlp = _FeedForward(config)

    def forward(self, x: torch.Tensor, seen: torch.Tensor, turns: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
        """Shape ``(B, N, D)``, kept."""
        x = x + self.self_attention(self.input_layernorm(x), seen, turns)
        return x + self.mlp(self.post_attention_layernorm(x))


class _Embedding(nn.Module):
    def __init__(self, config: ChatGlm2Config) -> None:
        super().__init__()
        self.word_embeddings = nn.Embedding(config.padded_vocab_size, config.hidden_size)


class _Encoder(nn.Module):
    def __init__(self, config: ChatGlm2Config) -> None:
        super().__init__()
        self.layers = nn.ModuleList([GlmBlock(config) for _ in range(config.num_layers)])


class ChatGlm2Model(PreTrainedModel):
    """The network without its final norm and its head for words: no published embedding depends on them."""

    config_class = ChatGlm2Config
    base_model_prefix = "transformer"
    _no_split_modules = ["GlmBlock"]  # noqa: RUF012  (as transformers declares it)
    config: ChatGlm2Config

    def __init__(self, config: ChatGlm2Config) -> None:
        super().__init__(config)
        self.embedding = _Embedding(config)
        self.encoder = _Encoder(config)
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
        x = self.embedding.word_embeddings(input_ids)  # (B, N, D)
        n = input_ids.shape[1]
        seen = torch.ones(n, n, dtype=torch.bool, device=x.device).tril()[None, None]  # (B or 1, 1, N, N)
        if attention_mask is not None:
            itself = torch.eye(n, dtype=torch.bool, device=x.device)  # a row of filling sees at least itself
            seen = (seen & (attention_mask[:, None, None, :] == 1)) | itself
        turns = _turns(n, self.config.kv_channels // 2, x.device)
        states = [x]
        for layer in self.encoder.layers:
            x = layer(x, seen, turns)
            states.append(x)
        return BaseModelOutput(last_hidden_state=x, hidden_states=tuple(states) if output_hidden_states else None)


def _turns(n: int, dim: int, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Cosine and sine of each position's turns, ``(N, dim / 2)`` each."""
    rates = 10_000 ** (-torch.arange(0, dim, 2, dtype=torch.float32, device=device) / dim)
    angles = torch.arange(n, dtype=torch.float32, device=device)[:, None] * rates
    return angles.cos(), angles.sin()


def _turned(x: torch.Tensor, turns: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
    """The first half of a head's dimensions turned in pairs of neighbours, by position; the rest kept."""
    cosine, sine = turns
    half = 2 * cosine.shape[-1]
    one, other = x[..., 0:half:2], x[..., 1:half:2]
    turned = torch.stack([one * cosine - other * sine, other * cosine + one * sine], -1).flatten(-2)
    return torch.cat([turned.to(x.dtype), x[..., half:]], -1)
