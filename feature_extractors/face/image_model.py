"""What image models share: crops are prepared as the checkpoint says, and every crop gives one row."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from feature_extractors.base import FaceConfig, FaceCrops, Level, Rows, WeightsConfig
from feature_extractors.face.preprocessing import ImagePreprocessing
from feature_extractors.pretrained import Pretrained

if TYPE_CHECKING:
    import torch

PREPROCESSOR = "preprocessor_config.json"
CPU_BATCH = 16
"""Frames of a forward pass on a CPU; larger batches leave its cache."""


@dataclass(frozen=True)
class ImageModelConfig(WeightsConfig, FaceConfig):
    """Options of faces and of weights."""


class FaceModel(Pretrained[FaceCrops]):
    """Base of models that see crops as a checkpoint's image processor prepares them."""

    modality = "face"
    Config = ImageModelConfig
    needed: ClassVar[tuple[str, ...]] = ("config.json", PREPROCESSOR)
    checked = ("preprocessing",)
    config: ImageModelConfig

    @property
    def padding_invariant(self) -> bool:
        """Every clip is computed on its own."""
        return True

    def cost(self, length: int) -> float:
        """One unit per crop."""
        return float(length)

    @cached_property
    def preprocessing(self) -> ImagePreprocessing:
        """What the checkpoint does to frames."""
        return ImagePreprocessing.read(self.weights.read_json(PREPROCESSOR), str(self.weights.folder / PREPROCESSOR))


class ImageModel(FaceModel):
    """Base of models of single images; a family says how frames become rows (`forward`)."""

    chunk_rows: ClassVar[int | None] = 256
    batch_cost = 256.0

    @abstractmethod
    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        """One row per frame.

        Args:
            frames: ``(B, 3, height, width)`` float32, normalised, on the device.

        Returns:
            ``(B, D)``.
        """

    def embed(self, batch: Sequence[FaceCrops], level: Level) -> list[Rows]:
        """One row per crop, at the crop's time."""
        import torch

        frames = torch.cat([self.preprocessing(crops.pixels) for crops in batch])
        step = int(self.batch_cost) if self.on_gpu else CPU_BATCH
        rows = []
        for start in range(0, len(frames), step):
            with self.computing():
                part = self.preprocessing.normalise(frames[start : start + step].to(self.device))
                rows.append(self.forward(part).float().cpu().numpy())
        values = np.concatenate(rows)
        ends = np.cumsum([len(crops) for crops in batch])
        return [Rows(v, c.times_s) for v, c in zip(np.split(values, ends[:-1]), batch, strict=True)]
