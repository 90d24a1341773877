"""``tfn``: tensor fusion network (Zadeh et al., EMNLP 2017, https://aclanthology.org/D17-1115).

Its first layer reads the outer product of all encodings, (h + 1)^M numbers: 275 million parameters for three spaces at
h = 128. The published draws are h = 64 and h = 128; the default is h = 32. ``lmf`` is its low-rank form.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from baselines import MODELS
from baselines.models.base import Batch, FusionConfig, FusionModel
from baselines.models.blocks import FRAME_DEVIATION, published_order, with_one
from baselines.models.layers import Dropout, encode_present, unimodal_encoders
from mertools.errors import ConfigError

_NUMBERS_AT_ONCE = 2**24
"""Size of the outer products that are held at a time where no gradient needs them (64 MiB in single precision)."""


@dataclass(frozen=True)
class TensorFusionConfig(FusionConfig):
    """Options of ``tfn``.

    Attributes:
        hidden_dim: width h of the encoders; the first layer has (h + 1)^M · h weights.
        max_parameters: refuse to build a first layer of more weights than this; the default admits the largest
            published one (h = 128, three spaces).
    """

    hidden_dim: int = 32
    max_parameters: int = 300_000_000

    def __post_init__(self) -> None:
        """Check ranges."""
        super().__post_init__()
        if self.max_parameters < 1:
            raise ValueError("max_parameters must be at least 1")


@MODELS.register("tfn", summary="tensor fusion: outer product of all encodings (many parameters)")
class TensorFusion(FusionModel):
    """With g_m = [1; H_m]: g_1 ⊗ … ⊗ g_M → dropout → Linear((h + 1)^M, h), ReLU → Linear(h, h), ReLU.

    Three spaces named audio, text, video are multiplied as published: audio, video, text; any other number as named. A
    missing embedding enters as g_m = [1; 0], which leaves the outer product of the other spaces.
    """

    Config: ClassVar[type[TensorFusionConfig]] = TensorFusionConfig
    config: TensorFusionConfig
    levels: ClassVar = ("utterance", "frame")
    n_spaces: ClassVar = (1, 2, 3, 4)
    deviations: ClassVar = FRAME_DEVIATION
    search_space: ClassVar = {"hidden_dim": (64, 128), "dropout": (0.2, 0.3, 0.4, 0.5), "lr": (1e-3, 1e-4)}

    @property
    def fused_dim(self) -> int:
        """F = h."""
        return self.config.hidden_dim

    def build(self) -> None:
        """M encoders, the layer over the outer product, a second layer.

        Raises:
            ConfigError: if the layer over the outer product is larger than ``max_parameters``.
        """
        h, p, n_spaces = self.config.hidden_dim, self.config.dropout, len(self.dims)
        self.outer_dim = (h + 1) ** n_spaces
        if self.outer_dim * h > self.config.max_parameters:
            raise ConfigError(
                "MER-T018",
                f"tfn with {n_spaces} spaces and hidden_dim={h} has a layer of {self.outer_dim * h:,} weights, and at"
                f" most {self.config.max_parameters:,} are allowed.",
                "Lower hidden_dim, name fewer spaces, raise max_parameters, or take lmf, its low-rank form.",
            )
        self.encoders = unimodal_encoders(self.level, self.dims, h, p, reference=self.config.reference)
        self.order = published_order(n_spaces, (0, 2, 1))
        self.dropout = Dropout(p)
        self.first = nn.Linear(self.outer_dim, h)
        self.second = nn.Linear(h, h)

    def fuse(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Two layers on the outer product."""
        H = encode_present(self.encoders, batch)  # (B, M, h)
        # in evaluation a few clips at a time: the outer products of a whole split would fill the memory
        at_once = len(H) if self.training else max(1, _NUMBERS_AT_ONCE // self.outer_dim)
        hidden = torch.cat([self.first(self.dropout(self._outer(rows))) for rows in H.split(at_once)])
        return self.second(hidden.relu()).relu(), H.new_zeros(())

    def _outer(self, H: Tensor) -> Tensor:
        """``(B, M, h)`` -> ``(B, (h + 1)^M)``, the first space varying slowest."""
        product = with_one(H[:, self.order[0]])
        for m in self.order[1:]:
            product = (product.unsqueeze(2) * with_one(H[:, m]).unsqueeze(1)).flatten(1)
        return product
