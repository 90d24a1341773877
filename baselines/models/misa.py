"""``misa``: modality-invariant and -specific representations (Hazarika et al., ACM MM 2020, https://arxiv.org/abs/2005.03545)."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.linalg import vector_norm

from baselines import MODELS
from baselines.models.base import Batch, FusionConfig, FusionModel
from baselines.models.blocks import FRAME_DEVIATION, TransformerLayer, masked_mean, published_order
from baselines.models.layers import Dropout, encode_present, unimodal_encoders

N_MOMENTS = 5
N_HEADS = 2
INNER_DIM = 2048
TOKEN_DROPOUT = 0.1


@dataclass(frozen=True)
class MisaConfig(FusionConfig):
    """Options of ``misa``.

    Attributes:
        hidden_dim: as in `FusionConfig`; even, since the attention has two heads.
        diff_weight: weight ≥ 0 of the difference loss.
        sim_weight: weight ≥ 0 of the similarity loss.
        recon_weight: weight ≥ 0 of the reconstruction loss.
    """

    diff_weight: float = 0.1
    sim_weight: float = 0.1
    recon_weight: float = 0.1

    def __post_init__(self) -> None:
        """Check ranges."""
        super().__post_init__()
        if self.hidden_dim % N_HEADS:
            raise ValueError("hidden_dim must be even")
        if min(self.diff_weight, self.sim_weight, self.recon_weight) < 0:
            raise ValueError("diff_weight, sim_weight and recon_weight must not be negative")


@MODELS.register("misa", summary="private and shared parts of each space, attention over them, three auxiliary losses")
class Misa(FusionModel):
    """Private parts P_m and shared parts S_m of each space are 2 M tokens of one transformer layer.

    With U_m = LayerNorm(ReLU(Linear_m(H_m))): P_m = σ(Linear_m(U_m)), S_m = σ(Linear(U_m)) with one layer for all
    spaces, R_m = Linear_m(P_m + S_m). fused = MLP of the tokens side by side.

    Tokens stand as P_1 … P_M, S_1 … S_M in the order of the spaces, except that three spaces named audio, text, video
    stand as published: text, video, audio. Tokens of a missing embedding are not attended to and are zeros in the
    concatenation; the auxiliary losses are means over the clips that have the spaces in question, both of them where
    two are compared.
    """

    Config: ClassVar[type[MisaConfig]] = MisaConfig
    config: MisaConfig
    levels: ClassVar = ("utterance", "frame")
    deviations: ClassVar = (
        "no gradient passes the norms in the difference loss, which can shrink the parts to constants; "
        f"{FRAME_DEVIATION}"
    )
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
        """Encoders, projections, private and shared parts, reconstructions, the transformer layer, the fusion."""
        h, p, n = self.config.hidden_dim, self.config.dropout, len(self.dims)
        self.encoders = unimodal_encoders(self.level, self.dims, h, p, reference=self.config.reference)
        self.order = published_order(n, (1, 2, 0))
        self.projections = nn.ModuleList(nn.Sequential(nn.Linear(h, h), nn.ReLU(), nn.LayerNorm(h)) for _ in self.dims)
        self.private = nn.ModuleList(nn.Linear(h, h) for _ in self.dims)
        self.shared = nn.Linear(h, h)
        self.reconstructions = nn.ModuleList(nn.Linear(h, h) for _ in self.dims)
        self.transformer = TransformerLayer(h, N_HEADS, INNER_DIM, TOKEN_DROPOUT)
        self.fusion = nn.Sequential(
            nn.Linear(2 * n * h, n * h), Dropout(p), nn.ReLU(), nn.Linear(n * h, self.fused_dim)
        )

    def fuse(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Attention over the parts; the three losses."""
        H = encode_present(self.encoders, batch).unbind(1)  # M times (B, h)
        U = [project(x) for project, x in zip(self.projections, H, strict=True)]
        P = [private(u).sigmoid() for private, u in zip(self.private, U, strict=True)]
        S = [self.shared(u).sigmoid() for u in U]
        tokens = torch.stack([parts[m] for parts in (P, S) for m in self.order], dim=1)  # (B, 2 M, h)
        here = batch.present[:, self.order].repeat(1, 2)  # (B, 2 M)
        attended = self.transformer(tokens, here) * here.unsqueeze(-1)
        return self.fusion(attended.flatten(1)), self._auxiliary(U, P, S, batch.present)

    def _auxiliary(self, U: list[Tensor], P: list[Tensor], S: list[Tensor], present: Tensor) -> Tensor:
        """Weighted sum of the three losses."""
        c = self.config
        recon = diff = sim = U[0].new_zeros(())
        for m, reconstruct in enumerate(self.reconstructions):
            here = present[:, m]
            recon = recon + masked_mean((reconstruct(P[m] + S[m]) - U[m]).square(), here).mean() / len(U)
            diff = diff + difference(P[m], S[m], here, reference=c.reference)
        pairs = list(combinations(range(len(U)), 2))
        for i, j in pairs:
            both = present[:, i] & present[:, j]
            diff = diff + difference(P[i], P[j], both, reference=c.reference)
            sim = sim + central_moment_discrepancy(S[i], S[j], both) / len(pairs)
        return c.diff_weight * diff + c.sim_weight * sim + c.recon_weight * recon


def difference(a: Tensor, b: Tensor, counts: Tensor, *, reference: bool = False) -> Tensor:
    """How far the columns of `a` and `b` are from orthogonal: mean squared entry of AᵀB.

    A and B are `a` and `b` centred over the batch, each row divided by its norm. The published code lets no gradient
    through the norm. Its gradient then shrinks `a` and `b`, which does not lower the loss before they are constants; at
    the larger published step size they become that.

    Args:
        a: ``(B, h)``.
        b: ``(B, h)``.
        counts: ``(B,)`` bool, the clips that count.
        reference: whether to treat the norms as constants.
    """
    A, B = (_unit_rows((x - masked_mean(x, counts)) * counts.unsqueeze(1), reference=reference) for x in (a, b))
    return (A.transpose(0, 1) @ B).square().mean()


def _unit_rows(x: Tensor, *, reference: bool) -> Tensor:
    norm = vector_norm(x, dim=1, keepdim=True)
    return x / ((norm.detach() if reference else norm) + 1e-6)


def central_moment_discrepancy(a: Tensor, b: Tensor, counts: Tensor) -> Tensor:
    """Distance of two sets of vectors by their mean and their central moments 2 to 5 (Zellinger et al., 2017).

    Args:
        a: ``(B, h)``.
        b: ``(B, h)``.
        counts: ``(B,)`` bool, the clips that count.
    """
    mean_a, mean_b = masked_mean(a, counts), masked_mean(b, counts)
    total = vector_norm(mean_a - mean_b)
    for k in range(2, N_MOMENTS + 1):
        moments = (masked_mean((x - mean).pow(k), counts) for x, mean in ((a, mean_a), (b, mean_b)))
        total = total + vector_norm(next(moments) - next(moments))
    return total
