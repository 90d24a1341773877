"""``tfn``: tensor fusion network (Zadeh et al., 2017): the outer product of all encodings, written out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from baselines import MODELS
from baselines.models.base import Batch, FusionConfig, FusionModel
from baselines.models.layers import Dropout, encode_present, unimodal_encoders
from mertools.errors import ConfigError

MOST_PARAMETERS = 300_000_000
"""Parameters of the first layer behind the product that are still made; Adam holds three numbers for each."""


@dataclass(frozen=True)
class TensorFusionConfig(FusionConfig):
    """Options of `tfn`; h is 64 by default, since the layer behind the product has (h + 1)^M h parameters."""

    hidden_dim: int = 64


@MODELS.register("tfn", summary="outer product of encodings, two layers; large: lmf is its low-rank form")
class TensorFusion(FusionModel):
    """With g_m = [1; H_m]: dropout(g_1 ⊗ … ⊗ g_M) -> Linear, ReLU -> Linear(h, h), ReLU. Missing: g_m = [1; 0].

    The product of audio, text and video is laid out audio, video, text, as published.
    """

    Config: ClassVar = TensorFusionConfig
    levels: ClassVar = ("utterance", "frame")
    n_spaces: ClassVar = (1, 2, 3)
    deviations: ClassVar = "frame level: padding is run through the LSTM"
    search_space: ClassVar = {"hidden_dim": (64, 128), "dropout": (0.2, 0.3, 0.4, 0.5), "lr": (1e-3, 1e-4)}

    @property
    def fused_dim(self) -> int:
        """F = h."""
        return self.config.hidden_dim

    def build(self) -> None:
        """M encoders and two layers.

        Raises:
            ConfigError: if the first of the two would have more than `MOST_PARAMETERS`.
        """
        h, p = self.config.hidden_dim, self.config.dropout
        width = (h + 1) ** len(self.dims)
        if width * h > MOST_PARAMETERS:
            raise ConfigError(
                "MER-T014",
                f"tfn with hidden_dim={h} and {len(self.dims)} spaces has a layer of {width * h:,} parameters.",
                f"Expected at most {MOST_PARAMETERS:,}: lower hidden_dim, name fewer spaces, or take lmf.",
            )
        self.encoders = unimodal_encoders(self.level, self.dims, h, p, reference=self.config.reference)
        self.fusion = nn.Sequential(Dropout(p), nn.Linear(width, h), nn.ReLU(), nn.Linear(h, h), nn.ReLU())

    def fuse(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Fused outer product."""
        H = encode_present(self.encoders, batch)  # (B, M, h)
        g = torch.cat([H.new_ones(H.shape[:2]).unsqueeze(-1), H], dim=-1)  # (B, M, h + 1)
        product = g[:, 0]
        for m in (0, 2, 1)[1:] if len(self.dims) == 3 else range(1, len(self.dims)):
            product = (product.unsqueeze(-1) * g[:, m].unsqueeze(1)).flatten(1)
        fused: Tensor = self.fusion(product)
        return fused, H.new_zeros(())
