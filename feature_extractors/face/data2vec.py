"""Data2vec for images (Baevski et al., 2022): the sum over all tokens of the last hidden layer, of every frame.

MERTools sums the tokens of an image where others average them or take the first; the class token takes part. The last
hidden layer is that before a final layer norm, if the checkpoint has one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from feature_extractors.base import PublishedShape
from feature_extractors.face.image_model import ImageModel
from feature_extractors.pretrained import Checkpoint, n_parameters, published_config, register_family

if TYPE_CHECKING:
    import torch

_LAYER_NORM = ("layernorm.weight", "layernorm.bias")


class Data2vecVision(ImageModel):
    """One row per crop: the sum of 197 tokens for crops of 224 pixels."""

    model_types = ("data2vec-vision",)
    # the final norm is behind the rows; the place of a masked patch is for pre-training
    unused = (*_LAYER_NORM, "mask_token")

    @classmethod
    def published_shape(cls, facts: Mapping[str, Any]) -> PublishedShape | None:
        """Two frames through the encoder; see `Extractor.published_shape`."""
        if not facts["architecture"]:
            return None
        import torch
        from transformers import Data2VecVisionModel

        with torch.device("meta"):
            model = Data2VecVisionModel(published_config(facts)).eval()
            rows, dim = _sum_of_tokens(model, torch.zeros(2, 3, 224, 224)).shape
        return PublishedShape(dim, rows, 2, len(model.encoder.layer), n_parameters(model))

    @property
    def dim(self) -> int:
        """Width of the hidden layers."""
        return int(self.architecture.hidden_size)

    def build(self) -> Any:
        """The encoder, without its head."""
        from transformers import Data2VecVisionModel

        return self.from_folder(Data2VecVisionModel)

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        """The sum over tokens, ``(B, D)``."""
        return _sum_of_tokens(self.model, frames)


def _sum_of_tokens(model: Any, frames: torch.Tensor) -> torch.Tensor:
    # The encoder's own output: which entry of a tuple of hidden states is before the norm depends on the library.
    tokens = model.encoder(model.embeddings(frames)[0], resolution=frames.shape[2:]).last_hidden_state  # (B, N, D)
    total: torch.Tensor = tokens.float().sum(1)
    return total


register_family(
    Data2vecVision,
    "face/data2vec-vision",
    "data2vec image encoder, sum over tokens",
    [
        Checkpoint(
            "face/data2vec-vision-base",
            "facebook/data2vec-vision-base-ft1k",
            768,
            "Apache-2.0",
            ("ImageNet-1k, 1.28 million images, with labels",),
            n_layers=12,
            architecture={
                "model_type": "data2vec-vision",
                "use_relative_position_bias": True,
                "use_mean_pooling": True,
            },
            summary="data2vec image encoder tuned on ImageNet, sum over tokens",
        ),
    ],
)
