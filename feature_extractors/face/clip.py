"""CLIP (Radford et al., 2021): the image embedding projected into the space shared with text, of every frame."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from feature_extractors.base import PublishedShape
from feature_extractors.face.image_model import ImageModel
from feature_extractors.pretrained import Checkpoint, n_parameters, published_config, register_family

if TYPE_CHECKING:
    import torch


class Clip(ImageModel):
    """One projected image embedding per crop, not normalised to unit length."""

    model_types = ("clip", "clip_vision_model")

    @classmethod
    def published_shape(cls, facts: Mapping[str, Any]) -> PublishedShape | None:
        """Two frames through the image half; see `Extractor.published_shape`."""
        if not facts["architecture"]:
            return None
        import torch
        from transformers import CLIPVisionModelWithProjection

        config = _image_half(published_config(facts))
        with torch.device("meta"):
            model = CLIPVisionModelWithProjection(config).eval()
            output = model(torch.zeros(2, 3, 224, 224), output_hidden_states=True)
        rows, dim = output.image_embeds.shape
        return PublishedShape(dim, rows, 2, len(output.hidden_states) - 1, n_parameters(model))

    @property
    def dim(self) -> int:
        """Width of the space shared with text."""
        return int(self.architecture.projection_dim)

    @cached_property
    def image_architecture(self) -> Any:
        """Configuration of the image half."""
        return _image_half(self.architecture)

    def build(self) -> Any:
        """The image half of CLIP with its projection; the text half is not loaded."""
        from transformers import CLIPVisionModelWithProjection

        return self.from_folder(CLIPVisionModelWithProjection, self.image_architecture)

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        """The projected image embedding, ``(B, D)``."""
        embedding: torch.Tensor = self.model(pixel_values=frames).image_embeds
        return embedding


def _image_half(whole: Any) -> Any:
    """Configuration of the image half; the projection's width is written beside the halves, not inside them."""
    from transformers import CLIPVisionConfig

    if isinstance(whole, CLIPVisionConfig):
        return whole
    return CLIPVisionConfig(**{**whole.vision_config.to_dict(), "projection_dim": whole.projection_dim})


def _published(name: str, dim: int, patch: int, width: int, n_layers: int, heads: int) -> Checkpoint:
    vision = {"hidden_size": width, "num_hidden_layers": n_layers, "num_attention_heads": heads, "patch_size": patch}
    vision |= {"intermediate_size": 4 * width, "image_size": 224}
    architecture = {"model_type": "clip", "projection_dim": dim, "vision_config": vision}
    return Checkpoint(f"face/{name}", f"openai/{name}", dim, "MIT", _SEEN, n_layers=n_layers, architecture=architecture)


_SEEN = ("WebImageText, 400 million captioned images",)

register_family(
    Clip,
    "face/clip",
    "CLIP image embedding",
    [
        _published("clip-vit-base-patch32", 512, 32, 768, 12, 12),
        _published("clip-vit-large-patch14", 768, 14, 1024, 24, 16),
    ],
)
