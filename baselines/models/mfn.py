"""``mfn``: memory fusion network (Zadeh et al., AAAI 2018), as MERBench has it.

One LSTM per space; at every step the attention over what changed in all cells writes to a common memory. For any
number of spaces M ≥ 1; the reference has three, concatenated as text, audio, video.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from baselines import MODELS
from baselines.models.base import Batch, FusionConfig, FusionModel
from baselines.models.layers import last_rows
from baselines.models.recurrent import GatedMemory, LSTMStates, two_layers
from baselines.models.sequences import Sequences, aligned, in_published_order


@dataclass(frozen=True)
class MemoryConfig(FusionConfig):
    """Options of models with a memory.

    Attributes:
        hidden_dim: width h of the LSTMs and of the networks around the memory, even (half of it is the fused width).
        dropout: probability p of dropping an element between the layers of those networks.
        mem_dim: width of the memory, at least 1.
    """

    mem_dim: int = 128

    def __post_init__(self) -> None:
        """Check ranges."""
        super().__post_init__()
        if self.hidden_dim % 2:
            raise ValueError("hidden_dim must be even")
        if self.mem_dim < 1:
            raise ValueError("mem_dim must be at least 1")


class MemoryFusion(nn.Module):
    """The network up to its last states: M sequences -> [h_1; …; h_M; u] after each clip's last row.

    With c_t the cells of all M LSTMs, q_t = [c_{t-1}; c_t], a_t = softmax(f(q_t)) ⊙ q_t over the 2 M h elements; a_t
    goes to the memory. None of this depends on the memory, so it is computed for all steps at once.

    Args:
        dims: D of each space, in the order of the sequences.
        hidden_dim: h.
        mem_dim: width of the memory.
        dropout: p.
    """

    def __init__(self, dims: Sequence[int], hidden_dim: int, mem_dim: int, dropout: float) -> None:
        super().__init__()
        width = 2 * len(dims) * hidden_dim
        self.lstms = LSTMStates(dims, hidden_dim)
        self.attention = two_layers(width, hidden_dim, width, dropout)
        self.memory = GatedMemory(width, hidden_dim, mem_dim, dropout)
        self.width = len(dims) * hidden_dim + mem_dim

    def forward(self, clips: Sequences) -> Tensor:
        """``(B, M h + mem)``."""
        hidden, cells = (states.flatten(2) for states in self.lstms(clips.rows))  # (B, T, M h)
        before = pad(cells, (0, 0, 1, 0))[:, :-1]  # the cells start at zero
        q = torch.cat([before, cells], dim=-1)  # (B, T, 2 M h)
        attended = self.attention(q).softmax(dim=-1) * q
        return torch.cat([last_rows(hidden, clips.mask), self.memory(attended, clips.mask)], dim=-1)


@MODELS.register("mfn", summary="an LSTM per space, attention over their cells, gated memory (frame level, aligned)")
class MFN(FusionModel):
    """Fused = two layers of [h_1; …; h_M; u], the LSTMs' states and the memory after the clip's last row.

    Where a clip lacks a space, its rows there are zeros.
    """

    Config: ClassVar = MemoryConfig
    levels: ClassVar = ("frame",)
    aligned: ClassVar = True
    deviations: ClassVar = "zeros stand before shorter clips and are run through the LSTMs and the memory"
    search_space: ClassVar = {
        "hidden_dim": (128, 256),
        "dropout": (0.0, 0.3, 0.5, 0.7),
        "lr": (1e-3, 1e-4),
    }

    config: MemoryConfig

    @property
    def fused_dim(self) -> int:
        """F = h / 2."""
        return self.config.hidden_dim // 2

    def build(self) -> None:
        """The memory fusion and two layers behind it."""
        h, p = self.config.hidden_dim, self.config.dropout
        self.memory = MemoryFusion(in_published_order(self.dims), h, self.config.mem_dim, p)
        self.output = two_layers(self.memory.width, h, self.fused_dim, p)

    def fuse(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Two layers of states and memory."""
        last = self.memory(aligned(batch, through_padding=self.config.reference))
        return self.output(last), last.new_zeros(())
