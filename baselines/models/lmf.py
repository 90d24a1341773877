"""``lmf``: low-rank multimodal fusion (Liu et al., 2018): the outer product of all encodings, never written out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from baselines import MODELS
from baselines.models.base import Batch, FusionConfig, FusionModel
from baselines.models.layers import encode_present, unimodal_encoders


@dataclass(frozen=True)
class LowRankConfig(FusionConfig):
    """Options of `lmf`.

    Attributes:
        rank: number of factors r that stand for the tensor.
    """

    rank: int = 4

    def __post_init__(self) -> None:
        """Check ranges.

        Raises:
            ValueError: if a value is out of range (reported as a wrong option).
        """
        super().__post_init__()
        if self.rank < 1:
            raise ValueError("rank must be at least 1")


@MODELS.register("lmf", summary="low-rank fusion: product over spaces of projected encodings")
class LowRankFusion(FusionModel):
    """With g_m = [1; H_m]: fused = Σ_r w_r ∏_m (g_m W_{m,r}) + b, of width h / 2. A missing space is g_m = [1; 0]."""

    Config: ClassVar = LowRankConfig
    config: LowRankConfig
    levels: ClassVar = ("utterance", "frame")
    deviations: ClassVar = "frame level: padding is run through the LSTM"
    search_space: ClassVar = {
        "hidden_dim": (32, 64, 128, 256),
        "dropout": (0.2, 0.3, 0.4, 0.5),
        "rank": (3, 4, 5, 6),
        "lr": (1e-3, 1e-4),
    }

    @property
    def fused_dim(self) -> int:
        """F = h / 2."""
        return max(self.config.hidden_dim // 2, 1)

    def build(self) -> None:
        """M encoders, M factors; factors and their weights are drawn as Xavier's normal on the published shapes."""
        h, p, r = self.config.hidden_dim, self.config.dropout, self.config.rank
        self.encoders = unimodal_encoders(self.level, self.dims, h, p, reference=self.config.reference)
        self.factors = nn.ParameterList(torch.empty(r, h + 1, self.fused_dim) for _ in self.dims)
        self.weights = nn.Parameter(torch.empty(1, r))
        self.bias = nn.Parameter(torch.zeros(1, self.fused_dim))
        for parameter in (*self.factors, self.weights):
            nn.init.xavier_normal_(parameter)

    def fuse(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Weighted sum over ranks of products over spaces."""
        H = encode_present(self.encoders, batch)  # (B, M, h)
        g = torch.cat([H.new_ones(H.shape[:2]).unsqueeze(-1), H], dim=-1)  # (B, M, h + 1)
        product: Tensor | None = None
        for m, factor in enumerate(self.factors):
            projected = torch.einsum("bi,rif->rbf", g[:, m], factor)  # (r, B, F)
            product = projected if product is None else product * projected
        assert product is not None  # noqa: S101 - there is at least one space
        fused = torch.einsum("r,rbf->bf", self.weights[0], product) + self.bias
        return fused, H.new_zeros(())
