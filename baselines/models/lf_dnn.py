"""``lf_dnn``: late fusion by a deep network (Cambria et al., 2017): encodings side by side, two layers."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from baselines import MODELS
from baselines.models.base import Batch, FusionModel
from baselines.models.layers import Dropout, encode_present, unimodal_encoders


@MODELS.register("lf_dnn", summary="encoder per space, concatenation, two layers")
class LateFusion(FusionModel):
    """dropout([H_1; …; H_M]) -> Linear(M h, h), ReLU -> Linear(h, h), ReLU. A missing space is zeros."""

    levels: ClassVar = ("utterance", "frame")
    deviations: ClassVar = "frame level: padding is run through the LSTM"
    search_space: ClassVar = {"hidden_dim": (64, 128, 256), "dropout": (0.2, 0.3, 0.4, 0.5), "lr": (1e-3, 1e-4)}

    @property
    def fused_dim(self) -> int:
        """F = h."""
        return self.config.hidden_dim

    def build(self) -> None:
        """M encoders and two layers."""
        h, p = self.config.hidden_dim, self.config.dropout
        self.encoders = unimodal_encoders(self.level, self.dims, h, p, reference=self.config.reference)
        self.fusion = nn.Sequential(Dropout(p), nn.Linear(len(self.dims) * h, h), nn.ReLU(), nn.Linear(h, h), nn.ReLU())

    def fuse(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Fused encodings."""
        H = encode_present(self.encoders, batch)  # (B, M, h)
        fused: Tensor = self.fusion(H.flatten(1))
        return fused, torch.zeros((), device=H.device)
