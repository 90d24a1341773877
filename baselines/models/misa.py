"""``misa``: modality-invariant and -specific representations (Hazarika et al., 2020)."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import ClassVar

import torch
from torch import Tensor, nn

from baselines import MODELS
from baselines.models.base import Batch, FusionConfig, FusionModel
from baselines.models.layers import Dropout, encode_present, unimodal_encoders
from baselines.models.statistics import central_moment_discrepancy, masked_mean, orthogonality

N_HEADS = 2
FEED_FORWARD = 2048
TRANSFORMER_DROPOUT = 0.1


@dataclass(frozen=True)
class MisaConfig(FusionConfig):
    """Options of `misa`; the dropout inside its transformer is 0.1 whatever `dropout` is, as published.

    Attributes:
        sim_weight: of the likeness of shared parts (CMD), at least 0.
        diff_weight: of the difference of private and shared parts, at least 0.
        recon_weight: of the reconstruction from both parts, at least 0.
    """

    sim_weight: float = 0.1
    diff_weight: float = 0.1
    recon_weight: float = 0.1

    def __post_init__(self) -> None:
        """Check ranges.

        Raises:
            ValueError: if a value is out of range (reported as a wrong option).
        """
        super().__post_init__()
        if self.hidden_dim % N_HEADS:
            raise ValueError(f"hidden_dim must be a multiple of {N_HEADS}")
        if min(self.sim_weight, self.diff_weight, self.recon_weight) < 0:
            raise ValueError("sim_weight, diff_weight and recon_weight must not be negative")


class TokenMixer(nn.Module):
    """One post-norm transformer encoder layer over tokens of which some are missing.

    Args:
        dim: width of a token.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.qkv = nn.Linear(dim, 3 * dim)
        nn.init.xavier_uniform_(self.qkv.weight)
        nn.init.zeros_(self.qkv.bias)
        self.out = nn.Linear(dim, dim)
        nn.init.zeros_(self.out.bias)
        self.norm1, self.norm2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.dropout = nn.ModuleList(Dropout(TRANSFORMER_DROPOUT) for _ in range(3))
        self.feed_forward = nn.Sequential(
            nn.Linear(dim, FEED_FORWARD), nn.ReLU(), Dropout(TRANSFORMER_DROPOUT), nn.Linear(FEED_FORWARD, dim)
        )

    def forward(self, x: Tensor, present: Tensor) -> Tensor:
        """``(B, K, D)`` tokens and ``(B, K)`` which of them are there -> ``(B, K, D)``."""
        b, k, d = x.shape
        query, key, value = self.qkv(x).view(b, k, 3, N_HEADS, d // N_HEADS).permute(2, 0, 3, 1, 4)
        scores = query @ key.transpose(-1, -2) / (d // N_HEADS) ** 0.5  # (B, heads, K, K)
        weights = torch.where(present[:, None, None], scores, -1e30).softmax(dim=-1)
        mixed = (self.dropout[0](weights) @ value).transpose(1, 2).reshape(b, k, d)
        x = self.norm1(x + self.dropout[1](self.out(mixed)))
        normed: Tensor = self.norm2(x + self.dropout[2](self.feed_forward(x)))
        return normed


@MODELS.register(
    "misa", summary="private and shared parts of each space, mixed by a transformer; three auxiliary losses"
)
class Misa(FusionModel):
    """U_m = LayerNorm(ReLU(Linear H_m)); private P_m, shared S_m; [P; S] through a transformer layer -> h / 2.

    Tokens stand in the order of the spaces with the first one last: of audio, text, video that is text, video, audio,
    as published. Auxiliary losses are taken over the embeddings that are there.
    """

    Config: ClassVar = MisaConfig
    config: MisaConfig
    levels: ClassVar = ("utterance", "frame")
    deviations: ClassVar = "frame level: padding is run through the LSTM"
    search_space: ClassVar = {
        "hidden_dim": (64, 128, 256),
        "dropout": (0.2, 0.3, 0.4, 0.5),
        "sim_weight": (0.0, 0.1, 0.2),
        "diff_weight": (0.0, 0.1, 0.2),
        "recon_weight": (0.0, 0.1, 0.2),
        "grad_clip": (-1.0, 0.8, 1.0),
        "lr": (1e-3, 1e-4),
    }

    @property
    def fused_dim(self) -> int:
        """F = h / 2."""
        return self.config.hidden_dim // 2

    def build(self) -> None:
        """Encoders, projections, parts, reconstructions, the transformer layer and the fusion."""
        h, p, m = self.config.hidden_dim, self.config.dropout, len(self.dims)
        self.encoders = unimodal_encoders(self.level, self.dims, h, p, reference=self.config.reference)
        self.projections = nn.ModuleList(nn.Sequential(nn.Linear(h, h), nn.ReLU(), nn.LayerNorm(h)) for _ in self.dims)
        self.private = nn.ModuleList(nn.Linear(h, h) for _ in self.dims)
        self.shared = nn.Linear(h, h)
        self.reconstructions = nn.ModuleList(nn.Linear(h, h) for _ in self.dims)
        self.mixer = TokenMixer(h)
        self.fusion = nn.Sequential(
            nn.Linear(2 * m * h, m * h), Dropout(p), nn.ReLU(), nn.Linear(m * h, self.fused_dim)
        )

    def fuse(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Mixed tokens, and the three losses."""
        H, present = encode_present(self.encoders, batch), batch.present
        order = [*range(1, len(self.dims)), 0]
        U = [projection(H[:, m]) for m, projection in enumerate(self.projections)]
        P = [torch.sigmoid(layer(u)) for layer, u in zip(self.private, U, strict=True)]
        S = [torch.sigmoid(self.shared(u)) for u in U]
        tokens = torch.stack([P[m] for m in order] + [S[m] for m in order], dim=1)  # (B, 2 M, h)
        there = torch.cat([present[:, order]] * 2, dim=1)
        mixed = self.mixer(tokens, there) * there.unsqueeze(-1)
        return self.fusion(mixed.flatten(1)), self._auxiliary(U, P, S, present)

    def _auxiliary(self, U: list[Tensor], P: list[Tensor], S: list[Tensor], present: Tensor) -> Tensor:
        config, spaces = self.config, range(len(self.dims))
        recon = [
            masked_mean((layer(P[m] + S[m]) - U[m]).square(), present[:, m]).mean()
            for m, layer in enumerate(self.reconstructions)
        ]
        total = config.recon_weight * sum(recon) / len(recon)
        difference = [orthogonality(P[m], S[m], present[:, m], present[:, m]) for m in spaces]
        pairs = list(combinations(spaces, 2))
        difference += [orthogonality(P[a], P[b], present[:, a], present[:, b]) for a, b in pairs]
        total = total + config.diff_weight * sum(difference)
        if pairs:
            alike = [central_moment_discrepancy(S[a], S[b], present[:, a], present[:, b]) for a, b in pairs]
            total = total + config.sim_weight * sum(alike) / len(pairs)
        return total
