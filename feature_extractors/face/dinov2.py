"""DINOv2 (Oquab et al., 2023): the sum over all tokens of the last hidden layer, of 64 frames spread over the clip.

That layer is the one before the final layer norm, and class token and patches are summed, as the published embeddings
do: values run into hundreds. A clip of fewer frames repeats its last one, which weighs the more in the mean.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from feature_extractors.base import FaceCrops, Level, PublishedShape, Rows
from feature_extractors.face.image_model import ImageModel, ImageModelConfig
from feature_extractors.pretrained import Checkpoint, n_parameters, published_config, register_family
from feature_extractors.sampling import FrameSampler, Uniform
from mertools.errors import ExtractionError

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Dinov2Config(ImageModelConfig):
    """Options of `Dinov2`.

    Attributes:
        frames: frames of every clip, spread over it; the last one is repeated where a clip has fewer.
    """

    frames: int = 64


class Dinov2(ImageModel):
    """One row per sampled frame: the sum of 257 tokens for crops of 224 pixels."""

    Config = Dinov2Config
    chunk_rows = None
    model_types = ("dinov2",)
    unused = ("layernorm.weight", "layernorm.bias", "mask_token")  # behind the rows, and for pre-training
    config: Dinov2Config

    def __init__(self, name: str, config: Dinov2Config, facts: Mapping[str, Any]) -> None:
        super().__init__(name, config, facts)
        if config.frames < 1:
            raise ExtractionError("MER-E170", f"{name}: frames is {config.frames}.", "Expected at least 1, e.g. 64.")

    @classmethod
    def published_shape(cls, facts: Mapping[str, Any]) -> PublishedShape | None:
        """Two frames through the encoder; see `Extractor.published_shape`."""
        if not facts["architecture"]:
            return None
        import torch
        from transformers import Dinov2Model

        with torch.device("meta"):
            model = Dinov2Model(published_config(facts)).eval()
            rows, dim = _sum_of_tokens(model, torch.zeros(2, 3, 224, 224)).shape
        return PublishedShape(dim, rows, 2, len(model.encoder.layer), n_parameters(model))

    @property
    def dim(self) -> int:
        """Width of the hidden layers."""
        return int(self.architecture.hidden_size)

    @property
    def fixed_rows(self) -> int:
        """One per sampled frame."""
        return self.config.frames

    def sampler(self, level: Level) -> FrameSampler:
        """The frames it sees."""
        return Uniform(self.config.frames)

    def cost(self, length: int) -> float:
        """One unit per frame that it sees."""
        return float(min(length, self.config.frames))

    def build(self) -> Any:
        """The encoder."""
        from transformers import Dinov2Model

        return self.from_folder(Dinov2Model)

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        """The sum over tokens, ``(B, D)``."""
        return _sum_of_tokens(self.model, frames)

    def embed(self, batch: Sequence[FaceCrops], level: Level) -> list[Rows]:
        """One row per sampled frame, at the frame's time; a repeated frame is computed once."""
        places = [crops.places(self.sampler(level)) for crops in batch]
        distinct = [np.unique(chosen, return_inverse=True) for chosen in places]
        seen = [FaceCrops(c.pixels[rows], c.times_s[rows]) for c, (rows, _) in zip(batch, distinct, strict=True)]
        found = super().embed(seen, level)
        return [Rows(r.values[back], r.times_s[back]) for r, (_, back) in zip(found, distinct, strict=True)]


def _sum_of_tokens(model: Any, frames: torch.Tensor) -> torch.Tensor:
    # The encoder's own output: which entry of a tuple of hidden states is before the norm depends on the library.
    tokens = model.encoder(model.embeddings(frames)).last_hidden_state  # (B, N, D)
    total: torch.Tensor = tokens.float().sum(1)
    return total


def _published(size: str, dim: int, n_layers: int, heads: int, **more: Any) -> Checkpoint:
    sizes = {"hidden_size": dim, "num_hidden_layers": n_layers, "num_attention_heads": heads, "image_size": 518}
    return Checkpoint(
        f"face/dinov2-{size}",
        f"facebook/dinov2-{size}",
        dim,
        "Apache-2.0",
        ("LVD-142M, 142 million images, without labels",),
        n_layers=n_layers,
        architecture={"model_type": "dinov2", **sizes, **more},
        summary=f"DINOv2 {size}, sum over tokens of 64 frames",
    )


register_family(
    Dinov2,
    "face/dinov2",
    "DINOv2 image encoder, sum over tokens of 64 frames",
    [
        _published("base", 768, 12, 12),
        _published("large", 1024, 24, 16),
        _published("giant", 1536, 40, 24, use_swiglu_ffn=True),
    ],
)
