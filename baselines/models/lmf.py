"""``lmf``: low-rank multimodal fusion (Liu et al., ACL 2018, https://aclanthology.org/P18-1209)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from baselines import MODELS
from baselines.models.base import Batch, FusionConfig, FusionModel
from baselines.models.blocks import FRAME_DEVIATION, with_one
from baselines.models.layers import encode_present, unimodal_encoders


@dataclass(frozen=True)
class LowRankConfig(FusionConfig):
    """Options of ``lmf``.

    Attributes:
        hidden_dim: as in `FusionConfig`; at least 2, since the fused width is half of it.
        rank: number R ≥ 1 of factors per space.
    """

    rank: int = 4

    def __post_init__(self) -> None:
        """Check ranges."""
        super().__post_init__()
        if self.hidden_dim < 2:
            raise ValueError("hidden_dim must be at least 2")
        if self.rank < 1:
            raise ValueError("rank must be at least 1")


@MODELS.register("lmf", summary="low-rank multimodal fusion: sum over ranks of products over spaces")
class LowRankFusion(FusionModel):
    """With g_m = [1; H_m]: fused = Σ_r w_r · (g_1 W_{1,r}) ∘ … ∘ (g_M W_{M,r}) + b.

    A missing embedding enters as g_m = [1; 0]: its factor is the constant first row of W_{m,r}, as if the outer product
    that is factorised here had been taken over the other spaces alone. The product does not depend on the order of
    spaces.
    """

    Config: ClassVar[type[LowRankConfig]] = LowRankConfig
    config: LowRankConfig
    levels: ClassVar = ("utterance", "frame")
    deviations: ClassVar = FRAME_DEVIATION
    search_space: ClassVar = {
        "hidden_dim": (32, 64, 128, 256),
        "dropout": (0.2, 0.3, 0.4, 0.5),
        "rank": (3, 4, 5, 6),
        "lr": (1e-3, 1e-4),
    }

    @property
    def fused_dim(self) -> int:
        """F = h / 2."""
        return self.config.hidden_dim // 2

    def build(self) -> None:
        """M encoders, the factors of each, the weights of the ranks, the bias."""
        h, rank = self.config.hidden_dim, self.config.rank
        self.encoders = unimodal_encoders(
            self.level, self.dims, h, self.config.dropout, reference=self.config.reference
        )
        self.factors = nn.ParameterList(torch.empty(rank, h + 1, self.fused_dim) for _ in self.dims)
        self.rank_weights = nn.Parameter(torch.empty(1, rank))
        self.bias = nn.Parameter(torch.zeros(1, self.fused_dim))
        for parameter in (*self.factors, self.rank_weights):
            nn.init.xavier_normal_(parameter)

    def fuse(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Weighted sum over ranks."""
        H = encode_present(self.encoders, batch)  # (B, M, h)
        product = torch.einsum("bi,rio->bro", with_one(H[:, 0]), self.factors[0])  # (B, R, h / 2)
        for m in range(1, len(self.dims)):
            product = product * torch.einsum("bi,rio->bro", with_one(H[:, m]), self.factors[m])
        return (self.rank_weights @ product).squeeze(1) + self.bias, H.new_zeros(())
