"""``ef_lstm``: rows of all spaces concatenated, one LSTM of several layers over them (early fusion; MER2024 baseline).

For any number of spaces M ≥ 1; the reference has three, concatenated as text, audio, video.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from baselines import MODELS
from baselines.models.base import Batch, FusionConfig, FusionModel
from baselines.models.layers import Dropout, last_rows
from baselines.models.sequences import aligned


@dataclass(frozen=True)
class EFLSTMConfig(FusionConfig):
    """Options of `EFLSTM`.

    Attributes:
        dropout: probability p of dropping an element between two LSTMs, and around the last linear layer.
        n_layers: number of LSTMs on top of each other, at least 1.
    """

    n_layers: int = 2

    def __post_init__(self) -> None:
        """Check ranges."""
        super().__post_init__()
        if self.n_layers < 1:
            raise ValueError("n_layers must be at least 1")


@MODELS.register("ef_lstm", summary="rows of all spaces concatenated, stacked LSTMs (frame level, aligned)")
class EFLSTM(FusionModel):
    """Fused = dropout(ReLU(W dropout(h))), h the top LSTM's state after the clip's last row.

    Where a clip lacks a space, that part of its rows is zero.
    """

    Config: ClassVar = EFLSTMConfig
    levels: ClassVar = ("frame",)
    aligned: ClassVar = True
    deviations: ClassVar = "zeros stand before shorter clips and are run through the LSTM"
    search_space: ClassVar = {
        "hidden_dim": (128, 256, 512, 1024),
        "dropout": (0.2, 0.3, 0.4, 0.5),
        "n_layers": (2, 3, 4),
        "lr": (1e-3, 1e-4),
    }

    config: EFLSTMConfig

    @property
    def fused_dim(self) -> int:
        """F = h."""
        return self.config.hidden_dim

    def build(self) -> None:
        """LSTMs and the last linear layer."""
        h = self.config.hidden_dim
        widths = [sum(self.dims)] + [h] * (self.config.n_layers - 1)
        self.lstms = nn.ModuleList(nn.LSTM(width, h, batch_first=True) for width in widths)
        self.dropout = Dropout(self.config.dropout)
        self.linear = nn.Linear(h, h)

    def fuse(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """State after the last row."""
        clips = aligned(batch, through_padding=self.config.reference)
        x = torch.cat(clips.rows, dim=-1)  # (B, T, ΣD)
        for number, lstm in enumerate(self.lstms):
            x, _ = lstm(self.dropout(x) if number else x)  # (B, T, h)
        last = last_rows(x, clips.mask)
        return self.dropout(torch.relu(self.linear(self.dropout(last)))), x.new_zeros(())
