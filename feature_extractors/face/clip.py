"""CLIP (Radford et al., 2021): the image embedding projected into the space shared with text, of every frame."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from feature_extractors.base import FaceConfig, FaceCrops, Level, PublishedShape, Rows, WeightsConfig
from feature_extractors.face.preprocessing import ImagePreprocessing
from feature_extractors.pretrained import Checkpoint, Pretrained, n_parameters, published_config, register_family

_PREPROCESSOR = "preprocessor_config.json"
_CPU_BATCH = 16  # frames; larger batches leave the cache of a CPU


@dataclass(frozen=True)
class ClipConfig(WeightsConfig, FaceConfig):
    """Options of `Clip`: those of faces and of weights."""


class Clip(Pretrained[FaceCrops]):
    """One projected image embedding per crop, not normalised to unit length."""

    modality = "face"
    Config = ClipConfig
    chunk_rows = 256
    batch_cost = 256.0
    model_types = ("clip", "clip_vision_model")
    needed = ("config.json", _PREPROCESSOR)
    checked = ("preprocessing",)
    config: ClipConfig

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

    @property
    def padding_invariant(self) -> bool:
        """Every crop is computed on its own."""
        return True

    def cost(self, length: int) -> float:
        """One unit per crop."""
        return float(length)

    @cached_property
    def preprocessing(self) -> ImagePreprocessing:
        """What the checkpoint does to frames."""
        return ImagePreprocessing.read(self.weights.read_json(_PREPROCESSOR), str(self.weights.folder / _PREPROCESSOR))

    @cached_property
    def image_architecture(self) -> Any:
        """Configuration of the image half."""
        return _image_half(self.architecture)

    def build(self) -> Any:
        """The image half of CLIP with its projection; the text half is not loaded."""
        from transformers import CLIPVisionModelWithProjection

        return self.from_folder(CLIPVisionModelWithProjection, self.image_architecture)

    def embed(self, batch: Sequence[FaceCrops], level: Level) -> list[Rows]:
        """One row per crop, at the crop's time."""
        import torch

        frames = torch.cat([self.preprocessing(crops.pixels) for crops in batch])
        step = int(self.batch_cost) if self.on_gpu else _CPU_BATCH
        rows = []
        for start in range(0, len(frames), step):
            with self.computing():
                part = self.preprocessing.normalise(frames[start : start + step].to(self.device))
                rows.append(self.model(pixel_values=part).image_embeds.float().cpu().numpy())
        values = np.concatenate(rows)
        ends = np.cumsum([len(crops) for crops in batch])
        return [Rows(v, c.times_s) for v, c in zip(np.split(values, ends[:-1]), batch, strict=True)]


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
