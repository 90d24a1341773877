"""Histograms of oriented gradients (Dalal and Triggs, 2005): where edges of mouth, eyes and brows run.

Needs no weights. The definition is that of `skimage.feature.hog` on the grey crop (unsigned gradients, hard bins,
L2-Hys blocks), computed for a whole stack of crops at once: pixels are integers, so direction and magnitude of every
possible gradient come from a table.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from feature_extractors import EXTRACTORS
from feature_extractors.base import Extractor, FaceConfig, FaceCrops, Level, Rows
from mertools.errors import ExtractionError

_EPSILON = 1e-5  # of the block norms, as in scikit-image
_CLIP = 0.2  # largest entry of a block after the first normalisation (the "Hys" of L2-Hys)
_SLAB = 32  # crops per pass: keeps the working set in the cache


@dataclass(frozen=True)
class HogConfig(FaceConfig):
    """Options of `Hog`.

    Attributes:
        size: side in pixels that crops of another size are brought to.
        cell: side of a cell in pixels; 14 divides 112, and 8 x 8 cells still separate mouth corners, lips and brows.
        block: cells along the side of a block, the neighbourhood over which contrast is normalised.
        orientations: directions in half a turn.
    """

    size: int = 112
    cell: int = 14
    block: int = 2
    orientations: int = 9


@EXTRACTORS.register(
    "face/hog",
    summary="histograms of oriented gradients of the aligned face; needs no weights",
    dim=1764,
    rate_hz=None,
    hub_id="",
    padding_invariant=True,
    trained_on=[],
    defaults={},
)
class Hog(Extractor[FaceCrops]):
    """One row of block-normalised gradient histograms per crop; values in [0, 1]."""

    modality = "face"
    Config = HogConfig
    chunk_rows = 256
    batch_cost = 1024.0
    config: HogConfig

    def __init__(self, name: str, config: HogConfig, facts: dict[str, object]) -> None:
        super().__init__(name, config, facts)
        if min(config.cell, config.block, config.orientations) < 1 or config.size < config.cell * config.block:
            raise ExtractionError(
                "MER-E101",
                f"{name}: a crop of {config.size} px has no room for a block of {config.block} x {config.block} cells "
                f"of {config.cell} px with {config.orientations} orientations.",
                "Choose size >= cell * block, and all of them at least 1, e.g. size=112:cell=14:block=2.",
            )

    @property
    def dim(self) -> int:
        """Blocks x cells per block x orientations."""
        blocks = self.config.size // self.config.cell - self.config.block + 1
        return (blocks * self.config.block) ** 2 * self.config.orientations

    @property
    def padding_invariant(self) -> bool:
        """Every crop is computed on its own."""
        return True

    def cost(self, length: int) -> float:
        """One unit per crop."""
        return float(length)

    def embed(self, batch: Sequence[FaceCrops], level: Level) -> list[Rows]:
        """One row per crop, at the crop's time."""
        return [Rows(self._rows(crops.pixels), crops.times_s) for crops in batch]

    def _rows(self, pixels: np.ndarray) -> np.ndarray:
        rows = np.empty((len(pixels), self.dim), np.float32)
        for start in range(0, len(pixels), _SLAB):
            grey = grey_crops(pixels[start : start + _SLAB], self.config.size)
            rows[start : start + _SLAB] = hog(grey, self.config.cell, self.config.block, self.config.orientations)
        return rows


def grey_crops(pixels: np.ndarray, size: int) -> np.ndarray:
    """Luma of RGB crops, brought to ``size x size``: ``(T, H, W, 3)`` uint8 to ``(T, size, size)`` uint8."""
    import cv2

    grey = np.empty((len(pixels), size, size), np.uint8)
    for row, crop in zip(grey, pixels, strict=True):
        luma = cv2.cvtColor(np.ascontiguousarray(crop), cv2.COLOR_RGB2GRAY)
        row[:] = luma if luma.shape == row.shape else cv2.resize(luma, (size, size), interpolation=cv2.INTER_AREA)
    return grey


def hog(grey: np.ndarray, cell: int, block: int, orientations: int) -> np.ndarray:
    """Histograms of oriented gradients of a stack of grey images.

    Args:
        grey: ``(T, H, W)`` uint8.
        cell: side of a cell in pixels; pixels beyond the last whole cell are not used.
        block: side of a block in cells; blocks move by one cell.
        orientations: bins in half a turn.

    Returns:
        ``(T, D)`` float32 in [0, 1], the order of `skimage.feature.hog`: block row, block column, cell row, cell
        column, orientation.
    """
    n, height, width = grey.shape
    rows, columns = height // cell, width // cell
    direction, magnitude = _gradient_tables(orientations)
    values = grey.astype(np.int32)
    gradient = np.zeros((2, n, height, width), np.int32)  # the outermost pixels have none
    gradient[0, :, 1:-1] = values[:, 2:] - values[:, :-2]
    gradient[1, :, :, 1:-1] = values[:, :, 2:] - values[:, :, :-2]
    code = ((gradient[0] + 255) * 511 + gradient[1] + 255)[:, : rows * cell, : columns * cell]
    cells = (np.arange(n)[:, None, None] * rows + (np.arange(rows * cell) // cell)[None, :, None]) * columns
    bins = (cells + (np.arange(columns * cell) // cell)[None, None, :]) * orientations + direction[code]
    sums = np.bincount(bins.ravel(), magnitude[code].ravel(), minlength=n * rows * columns * orientations)
    histograms = (sums / cell**2).reshape(n, rows, columns, orientations)
    # (T, block rows, block columns, orientations, cell row, cell column)
    blocks = np.lib.stride_tricks.sliding_window_view(histograms, (block, block), axis=(1, 2))
    blocks = np.moveaxis(blocks, 3, -1).reshape(n, rows - block + 1, columns - block + 1, -1)
    blocks = np.minimum(blocks / _block_norm(blocks), _CLIP)
    rows_of_blocks: np.ndarray = (blocks / _block_norm(blocks)).reshape(n, -1).astype(np.float32)
    return rows_of_blocks


def _block_norm(blocks: np.ndarray) -> np.ndarray:
    norm: np.ndarray = np.sqrt(np.square(blocks).sum(-1, keepdims=True) + _EPSILON**2)
    return norm


@lru_cache(maxsize=4)
def _gradient_tables(orientations: int) -> tuple[np.ndarray, np.ndarray]:
    """Direction bin and magnitude of every gradient of uint8; (row, column) is at (row + 255) * 511 + column + 255."""
    steps = np.arange(-255, 256, dtype=np.float64)
    row, column = steps[:, None], steps[None, :]
    angle = np.rad2deg(np.arctan2(row, column)) % 180.0
    direction = np.minimum((angle / (180.0 / orientations)).astype(np.intp), orientations - 1)
    return direction.ravel(), np.hypot(row, column).ravel()
