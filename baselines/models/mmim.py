"""``mmim``: hierarchical mutual information maximisation (Han et al., 2021), in the one stage that baselines use."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from baselines import MODELS
from baselines.models.base import Batch, FusionConfig, FusionModel
from baselines.models.layers import Dropout, encode_present, unimodal_encoders
from baselines.models.statistics import masked_mean, noise_contrastive


@dataclass(frozen=True)
class MmimConfig(FusionConfig):
    """Options of `mmim`.

    Attributes:
        cpc_layers: linear layers that predict an encoding from the fused one, at least 1.
        alpha: weight of the noise-contrastive losses, at least 0.
        beta: weight of the lower bounds on mutual information, at least 0.
        main: position of the space from which the others are predicted; 1 is text among audio, text, video.
    """

    dropout: float = 0.2
    cpc_layers: int = 2
    alpha: float = 0.1
    beta: float = 0.1
    main: int = 1

    def __post_init__(self) -> None:
        """Check ranges.

        Raises:
            ValueError: if a value is out of range (reported as a wrong option).
        """
        super().__post_init__()
        if self.cpc_layers < 1:
            raise ValueError("cpc_layers must be at least 1")
        if min(self.alpha, self.beta, self.main) < 0:
            raise ValueError("alpha, beta and main must not be negative")


@MODELS.register("mmim", summary="fusion that keeps information on each space: two auxiliary losses")
class Mmim(FusionModel):
    """fused = tanh(L2(tanh(L1(dropout([H_main; the others]))))).

    Two losses are added. From the main encoding x each other one, y, is predicted as a normal distribution, whose
    log-likelihood bounds their mutual information from below; and from the fused vector every encoding is told from
    those of other clips (`noise_contrastive`). The log-variance passes a tanh, so that the bound cannot grow without
    limit. Encodings that are missing take no part.
    """

    Config: ClassVar = MmimConfig
    config: MmimConfig
    levels: ClassVar = ("utterance", "frame")
    deviations: ClassVar = (
        "the likelihood lacks its log-variance term and the tanh, so that it can be raised without bound; an entropy "
        "head that nothing uses is there; frame level: padding is run through the LSTM"
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

    @property
    def order(self) -> list[int]:
        """Positions of the spaces, the main one first."""
        main = min(self.config.main, len(self.dims) - 1)
        return [main, *(m for m in range(len(self.dims)) if m != main)]

    def build(self) -> None:
        """Encoders, fusion, predictors of the other encodings and of all of them."""
        h, p = self.config.hidden_dim, self.config.dropout
        self.encoders = unimodal_encoders(self.level, self.dims, h, p, reference=self.config.reference)
        self.fusion = nn.Sequential(Dropout(p), nn.Linear(len(self.dims) * h, h), nn.Tanh(), nn.Linear(h, h), nn.Tanh())
        others = range(len(self.dims) - 1)
        self.means = nn.ModuleList(_two_layers(h) for _ in others)
        self.log_variances = nn.ModuleList(_two_layers(h) for _ in others)
        self.predictors = nn.ModuleList(_predictor(h, self.config.cpc_layers) for _ in self.dims)
        if self.config.reference:
            self.entropy = nn.Linear(h, h // 2)

    def fuse(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """The fused vector, and the two losses."""
        H, present = encode_present(self.encoders, batch), batch.present
        fused: Tensor = self.fusion(H[:, self.order].flatten(1))
        contrast = H.new_zeros(())
        for m, predictor in enumerate(self.predictors):
            contrast = contrast + noise_contrastive(H[:, m], predictor(fused), present[:, m])
        bound = H.new_zeros(())
        main, *others = self.order
        for m, mean, log_variance in zip(others, self.means, self.log_variances, strict=True):
            both = present[:, main] & present[:, m]
            bound = bound + self._likelihood(H[:, m], mean(H[:, main]), log_variance(H[:, main]), both)
        return fused, self.config.alpha * contrast - self.config.beta * bound

    def _likelihood(self, y: Tensor, mean: Tensor, log_variance: Tensor, present: Tensor) -> Tensor:
        """Mean log-likelihood of `y` (without its constant) over the rows that are there."""
        if self.config.reference:
            return masked_mean((-(mean - y).square() / (2 * log_variance.exp())).sum(dim=-1), present)
        log_variance = torch.tanh(log_variance)
        return masked_mean((-(mean - y).square() / (2 * log_variance.exp()) - log_variance / 2).sum(dim=-1), present)


def _two_layers(width: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width))


def _predictor(width: int, n_layers: int) -> nn.Sequential:
    """One Linear; or Linear, tanh and the other Linears without anything between them."""
    layers: list[nn.Module] = [nn.Linear(width, width)]
    if n_layers > 1:
        layers.append(nn.Tanh())
    layers += [nn.Linear(width, width) for _ in range(n_layers - 1)]
    return nn.Sequential(*layers)
