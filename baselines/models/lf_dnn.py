"""``lf_dnn``: encodings side by side, two layers on top (late fusion, MER2024-MER2026)."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn

from baselines import MODELS
from baselines.models.base import Batch, FusionModel
from baselines.models.blocks import FRAME_DEVIATION, published_order
from baselines.models.layers import Dropout, encode_present, unimodal_encoders


@MODELS.register("lf_dnn", summary="encodings side by side, two layers on top (late fusion)")
class LateFusion(FusionModel):
    """[H_1; …; H_M] → dropout → Linear(M h, h), ReLU → Linear(h, h), ReLU.

    Three spaces named audio, text, video are concatenated as published: audio, video, text; any other number as named.
    A missing embedding is a stretch of zeros.
    """

    levels: ClassVar = ("utterance", "frame")
    deviations: ClassVar = FRAME_DEVIATION
    search_space: ClassVar = {"hidden_dim": (64, 128, 256), "dropout": (0.2, 0.3, 0.4, 0.5), "lr": (1e-3, 1e-4)}

    @property
    def fused_dim(self) -> int:
        """F = h."""
        return self.config.hidden_dim

    def build(self) -> None:
        """M encoders, the two layers."""
        h, p, n_spaces = self.config.hidden_dim, self.config.dropout, len(self.dims)
        self.encoders = unimodal_encoders(self.level, self.dims, h, p, reference=self.config.reference)
        self.order = published_order(n_spaces, (0, 2, 1))
        self.fusion = nn.Sequential(Dropout(p), nn.Linear(n_spaces * h, h), nn.ReLU(), nn.Linear(h, h), nn.ReLU())

    def fuse(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Two layers on the concatenation."""
        H = encode_present(self.encoders, batch)  # (B, M, h)
        return self.fusion(H[:, self.order].flatten(1)), H.new_zeros(())
