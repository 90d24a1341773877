"""``attention``: encoders per space, raw attention scores over them, weighted sum (the MER2023-MER2026 baseline).

Written for any number of spaces M ≥ 1; the reference has exactly three. As in the reference's code (not its paper) the
scores pass no softmax; ``softmax=True`` is the paper's formula.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from baselines import MODELS
from baselines.models.base import Batch, FusionConfig, FusionModel
from baselines.models.blocks import FRAME_DEVIATION
from baselines.models.layers import MLPEncoder, encode_present, unimodal_encoders


@dataclass(frozen=True)
class AttentionConfig(FusionConfig):
    """Options of ``attention``.

    Attributes:
        softmax: whether the scores of the spaces that a clip has pass a softmax, as in the paper; the published code
            uses them raw.
    """

    softmax: bool = False


@MODELS.register("attention", summary="encoder per space, attention scores (softmax optional), weighted sum")
class Attention(FusionModel):
    """With H_m the encoding of space m: s = W · MLP([H_1; …; H_M]), fused = Σ_m s_m H_m.

    A missing embedding contributes neither encoding nor score. The spaces are concatenated as they were named.
    """

    Config: ClassVar[type[AttentionConfig]] = AttentionConfig
    config: AttentionConfig
    levels: ClassVar = ("utterance", "frame")
    deviations: ClassVar = FRAME_DEVIATION
    search_space: ClassVar = {"hidden_dim": (64, 128, 256), "dropout": (0.2, 0.3, 0.4, 0.5), "lr": (1e-3, 1e-4)}

    @property
    def fused_dim(self) -> int:
        """F = h."""
        return self.config.hidden_dim

    def build(self) -> None:
        """M encoders, the encoder of the scores, the scores."""
        h, p, n_spaces = self.config.hidden_dim, self.config.dropout, len(self.dims)
        self.encoders = unimodal_encoders(self.level, self.dims, h, p, reference=self.config.reference)
        self.attention = MLPEncoder(n_spaces * h, h, p)
        self.scores = nn.Linear(h, n_spaces)

    def fuse(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Weighted sum of encodings."""
        H = encode_present(self.encoders, batch)  # (B, M, h)
        s = self.scores(self.attention(H.flatten(1)))  # (B, M)
        if self.config.softmax:
            s = torch.where(batch.present, s, torch.finfo(s.dtype).min).softmax(dim=1)
        s = s * batch.present
        return (s.unsqueeze(-1) * H).sum(dim=1), H.new_zeros(())
