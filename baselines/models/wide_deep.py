"""``wide_deep``: every embedding goes to the heads directly, and through a small network beside (Cheng et al., 2016).

On corpora of a few thousand clips a regularised linear model on well-scaled embeddings is hard to beat, and what a
network adds lies in how spaces depend on each other. Here the linear model is a path of its own, which the network
corrects. Best with ``whiten=true`` (`baselines.whitening`): then the linear path starts from the geometry of linear
discriminant analysis.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from baselines import MODELS
from baselines.models.base import Batch, FusionModel
from baselines.models.layers import Dropout


@MODELS.register("wide_deep", summary="linear path over all spaces beside a small network; for small corpora")
class WideDeep(FusionModel):
    """With x the concatenation of all embeddings: fused = [drop(x); MLP([GELU(W_1 x_1); …; GELU(W_M x_M)])].

    A missing embedding is a zero in x, which after standardisation is the mean of the training part, and leaves the
    encoding of its space out of the network.
    """

    levels: ClassVar = ("utterance",)
    search_space: ClassVar = {
        "hidden_dim": (32, 64, 128),
        "dropout": (0.2, 0.35, 0.5),
        "lr": (1e-3, 3e-4),
    }

    @property
    def fused_dim(self) -> int:
        """F = ΣD + h."""
        return sum(self.dims) + self.config.hidden_dim

    def build(self) -> None:
        """Dropout of inputs, one layer per space, the network over their concatenation."""
        h, p = self.config.hidden_dim, self.config.dropout
        self.drop = Dropout(p)
        self.encoders = nn.ModuleList(nn.Linear(dim, h) for dim in self.dims)
        self.deep = nn.Sequential(Dropout(p), nn.Linear(h * len(self.dims), h), nn.GELU(), Dropout(p))

    def fuse(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """The embeddings themselves beside what the network makes of them."""
        present = batch.present.unsqueeze(-1)  # (B, M, 1)
        wide = [self.drop(torch.where(present[:, m], x, 0.0)) for m, x in enumerate(batch.embeddings)]
        encoded = [
            nn.functional.gelu(encoder(x)) * present[:, m]
            for m, (encoder, x) in enumerate(zip(self.encoders, wide, strict=True))
        ]
        deep = self.deep(torch.cat(encoded, dim=1))
        return torch.cat([*wide, deep], dim=1), deep.new_zeros(())
