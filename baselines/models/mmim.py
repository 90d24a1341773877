"""``mmim``: fusion that keeps information about its inputs (Han et al., EMNLP 2021, https://aclanthology.org/2021.emnlp-main.723).

The publication trains in two stages in turn: first the estimate of an entropy with an optimiser of its own, then the
task. The MER benchmark kept one stage: a lower bound of the information that pairs of encodings share, and contrastive
prediction of each encoding from the fused one. That one stage is what stands here; alternating optimisers have no place
in a loss that is one sum.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.linalg import vector_norm

from baselines import MODELS
from baselines.models.base import Batch, FusionConfig, FusionModel
from baselines.models.blocks import FRAME_DEVIATION, masked_mean
from baselines.models.layers import Dropout, encode_present, unimodal_encoders
from mertools.errors import ConfigError


@dataclass(frozen=True)
class MmimConfig(FusionConfig):
    """Options of ``mmim``.

    Attributes:
        dropout: as in `FusionConfig`; published from 0 to 0.3.
        cpc_layers: number ≥ 1 of linear layers that predict an encoding from the fused one.
        alpha: weight ≥ 0 of the contrastive losses.
        beta: weight ≥ 0 of the lower bounds.
        main: position, counted from 1, of the space that the lower bounds start from; 0 = the second of three (text,
            as published, where the spaces are audio, text, video), the first otherwise.
    """

    dropout: float = 0.1
    cpc_layers: int = 2
    alpha: float = 0.1
    beta: float = 0.1
    main: int = 0

    def __post_init__(self) -> None:
        """Check ranges."""
        super().__post_init__()
        if self.cpc_layers < 1:
            raise ValueError("cpc_layers must be at least 1")
        if min(self.alpha, self.beta) < 0:
            raise ValueError("alpha and beta must not be negative")
        if self.main < 0:
            raise ValueError("main must not be negative")


class LowerBound(nn.Module):
    """How well a Gaussian whose mean and log-variance are read from x foretells y (Barber and Agakov, 2003).

    lld = mean over clips of Σ_i -(μ_i - y_i)² / (2 exp v_i) - v_i / 2, the log-likelihood without its constant, where v
    passes a tanh: neither a growing nor a shrinking variance raises it above h / 2.

    Args:
        dim: h.
        reference: leave out the term -v_i / 2 and the tanh: then lld can be raised to its limit by growing v. An
            entropy head that is never used (Linear(h, h // 4)) stands in the parameters, as in the published code.
    """

    def __init__(self, dim: int, *, reference: bool) -> None:
        super().__init__()
        self.reference = reference
        self.mean = nn.Sequential(nn.Linear(dim, dim), nn.ReLU(), nn.Linear(dim, dim))
        self.log_variance = nn.Sequential(nn.Linear(dim, dim), nn.ReLU(), nn.Linear(dim, dim))
        if reference:
            self.entropy = nn.Linear(dim, dim // 4)

    def forward(self, x: Tensor, y: Tensor, counts: Tensor) -> Tensor:
        """``(B, h)``, ``(B, h)`` and the clips that count, ``(B,)`` bool -> lld, scalar."""
        v = self.log_variance(x)
        if not self.reference:
            v = v.tanh()
        terms = -(self.mean(x) - y).square() / (2 * v.exp())
        if not self.reference:
            terms = terms - v / 2
        return masked_mean(terms.sum(dim=1), counts)


class Contrast(nn.Sequential):
    """Predicts an encoding from the fused one: Linear; with n > 1 layers Linear, Tanh, n - 1 times Linear."""

    def __init__(self, dim: int, n_layers: int) -> None:
        later = [nn.Linear(dim, dim) for _ in range(n_layers - 1)]
        super().__init__(nn.Linear(dim, dim), *([nn.Tanh(), *later] if later else []))

    def loss(self, x: Tensor, z: Tensor, counts: Tensor) -> Tensor:
        """Mean of -(x·x̂ - log Σ_j exp x·x̂_j) over the clips that count, with unit vectors x and x̂ = self(z).

        Args:
            x: encodings, ``(B, h)``.
            z: fused, ``(B, h)``.
            counts: ``(B,)`` bool; clips that do not count are no negatives either.
        """
        x, predicted = _unit(x), _unit(self(z))
        scores = x @ predicted.transpose(0, 1)  # (B, B), in [-1, 1]
        others = torch.where(counts, scores, -1e4).logsumexp(dim=1)  # exp(-1e4) is zero, and has a gradient
        return masked_mean(others - (x * predicted).sum(dim=1), counts)


def _unit(x: Tensor) -> Tensor:
    """Rows divided by their norm; rows of zeros, which an encoder that ends in ReLU can make, stay zeros."""
    norm = vector_norm(x, dim=1, keepdim=True)
    return x / torch.where(norm > 0, norm, 1.0)


@MODELS.register("mmim", summary="tanh layers on all encodings, bounds on the information they keep (one stage)")
class Mmim(FusionModel):
    """fused z = tanh(L2 tanh(L1 dropout([H_main; …]))), loss = α Σ_m NCE_m - β Σ_{m ≠ main} lld(H_main → H_m).

    The main space comes first in the concatenation, the others follow as named: for spaces named audio, text, video and
    main text that is the published order text, audio, video. A missing embedding is a stretch of zeros; either loss is
    a mean over the clips that have the spaces in question.
    """

    Config: ClassVar[type[MmimConfig]] = MmimConfig
    config: MmimConfig
    levels: ClassVar = ("utterance", "frame")
    deviations: ClassVar = (
        "the lower bounds have no log-variance term and no tanh, so that growing variances raise them; an entropy head "
        f"of (M - 1) (h + 1) (h // 4) parameters is never used; {FRAME_DEVIATION}"
    )
    search_space: ClassVar = {
        "hidden_dim": (64, 128, 256),
        "dropout": (0.0, 0.1, 0.2, 0.3),
        "cpc_layers": (1, 2, 3, 4),
        "alpha": (0.0, 0.1, 0.2),
        "beta": (0.0, 0.1, 0.2),
        "grad_clip": (0.6, 0.8, 1.0),
        "lr": (1e-3, 1e-4),
    }

    @property
    def fused_dim(self) -> int:
        """F = h."""
        return self.config.hidden_dim

    def build(self) -> None:
        """M encoders, the two fusing layers, a bound per other space, a contrast per space.

        Raises:
            ConfigError: if there is no space number ``main``.
        """
        c, n_spaces = self.config, len(self.dims)
        if c.main > n_spaces:
            raise ConfigError(
                "MER-T017",
                f"main={c.main} is no space of {n_spaces}; spaces are counted from 1 as --features names them.",
                f"Give main a value from 1 to {n_spaces}, or leave it out.",
            )
        self.main = c.main - 1 if c.main else int(n_spaces == 3)
        self.others = tuple(m for m in range(n_spaces) if m != self.main)
        h = c.hidden_dim
        self.encoders = unimodal_encoders(self.level, self.dims, h, c.dropout, reference=c.reference)
        self.fusion = nn.Sequential(
            Dropout(c.dropout), nn.Linear(n_spaces * h, h), nn.Tanh(), nn.Linear(h, h), nn.Tanh()
        )
        self.bounds = nn.ModuleList(LowerBound(h, reference=c.reference) for _ in self.others)
        self.contrasts = nn.ModuleList(Contrast(h, c.cpc_layers) for _ in self.dims)

    def fuse(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """The fused embedding; contrastive losses and lower bounds."""
        H, present = encode_present(self.encoders, batch), batch.present
        z = self.fusion(H[:, (self.main, *self.others)].flatten(1))
        contrast = bound = z.new_zeros(())
        for m, layer in enumerate(self.contrasts):
            contrast = contrast + layer.loss(H[:, m], z, present[:, m])
        for m, layer in zip(self.others, self.bounds, strict=True):
            bound = bound + layer(H[:, self.main], H[:, m], present[:, self.main] & present[:, m])
        return z, self.config.alpha * contrast - self.config.beta * bound
