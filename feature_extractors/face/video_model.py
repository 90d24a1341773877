"""What models of windows share: they see a fixed number of frames at once, and a clip may have many windows."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from feature_extractors.base import FaceCrops
from feature_extractors.face.image_model import FaceModel

if TYPE_CHECKING:
    import torch

CPU_BATCH = 1
"""Windows of a forward pass on a CPU."""
GPU_BATCH = 32
"""On a GPU; those of several clips share a pass."""
SLAB = 256
"""Windows whose frames are prepared together: what a long clip takes is bounded by its crops."""


class VideoModel(FaceModel):
    """Base of the families; a family says how a window becomes rows (`forward`)."""

    chunk_rows = None
    batch_cost = 512.0

    @abstractmethod
    def forward(self, windows: torch.Tensor) -> torch.Tensor:
        """The rows of each window.

        Args:
            windows: ``(B, frames, 3, height, width)`` float32, normalised, on the device.

        Returns:
            ``(B, R, D)``.
        """

    def outputs(self, batch: Sequence[FaceCrops], windows: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Rows of all windows of all clips; windows of the same frames are computed once.

        Only what a forward pass needs is made float32: prepared frames stay bytes, and a window is a choice of them.

        Args:
            batch: the clips.
            windows: per clip, rows of its pixels, ``(W, frames)``.

        Returns:
            Per clip ``(W, R, D)`` float32.
        """
        found = [np.unique(chosen, axis=0, return_inverse=True) for chosen in windows]
        step = GPU_BATCH if self.on_gpu else CPU_BATCH
        rows = []
        parts: list[torch.Tensor] = []
        for window in self._prepared(batch, [distinct for distinct, _ in found]):
            parts.append(window)
            if len(parts) == step:
                rows.append(self._rows(parts))
                parts = []
        if parts:
            rows.append(self._rows(parts))
        values = np.concatenate(rows)
        ends = np.cumsum([len(distinct) for distinct, _ in found])
        split = np.split(values, ends[:-1])
        return [own[back.ravel()] for own, (_, back) in zip(split, found, strict=True)]

    def _prepared(self, batch: Sequence[FaceCrops], windows: Sequence[np.ndarray]) -> Iterator[torch.Tensor]:
        """Windows one by one, ``(frames, 3, height, width)`` uint8; neighbours share their prepared frames."""
        for crops, chosen in zip(batch, windows, strict=True):
            for start in range(0, len(chosen), SLAB):
                slab = chosen[start : start + SLAB]
                seen, rows = np.unique(slab, return_inverse=True)
                frames = self.preprocessing(crops.pixels[seen])
                for window in rows.reshape(slab.shape):
                    yield frames[window]

    def _rows(self, windows: Sequence[torch.Tensor]) -> np.ndarray:
        import torch

        with self.computing():
            part = self.preprocessing.normalise(torch.stack(list(windows)).to(self.device))
            return self.forward(part).float().cpu().numpy()
