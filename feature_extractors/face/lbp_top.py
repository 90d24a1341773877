"""Local binary patterns on three orthogonal planes (Zhao and Pietikainen, 2007): how the skin's texture moves.

Needs no weights. Around every pixel of every frame, eight neighbours on an ellipse in the planes XY, XT and YT are
compared with it; the signs make a pattern, and patterns with at most two changes around the ellipse ("uniform") have
a bin each, all others share one: 59 bins. A row holds the histograms of one frame, per plane and block of the face.
All frames have equally many pixels, so the mean over the rows is LBP-TOP of the whole clip.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import cos, pi, sin

import numpy as np

from feature_extractors import EXTRACTORS
from feature_extractors.base import Extractor, FaceConfig, FaceCrops, Level, Rows
from feature_extractors.face.hog import grey_crops
from mertools.errors import ExtractionError

N_POINTS = 8
N_BINS = 59
PLANES = ("xy", "xt", "yt")
TOLERANCE = 1e-3
"""Grey levels by which a neighbour may be darker and still count as equal: interpolation rounds."""

_SLAB = 16  # frames per pass: keeps the working set in the cache


@dataclass(frozen=True)
class LbpTopConfig(FaceConfig):
    """Options of `LbpTop`.

    Attributes:
        size: side in pixels that crops of another size are brought to.
        blocks: along each side of the face.
        radius: of the ellipse in space, pixels.
        radius_t: of the ellipse in time, frames.
    """

    size: int = 112
    blocks: int = 4
    radius: int = 1
    radius_t: int = 1


@EXTRACTORS.register(
    "face/lbp-top",
    summary="local binary patterns on three orthogonal planes of the aligned face; needs no weights",
    dim=2832,
    rate_hz=None,
    hub_id="",
    padding_invariant=True,
    trained_on=[],
    defaults={},
)
class LbpTop(Extractor[FaceCrops]):
    """One row of histograms per crop, each summing to 1; at the ends of the clip the outermost frame is repeated."""

    modality = "face"
    Config = LbpTopConfig
    batch_cost = 1024.0
    config: LbpTopConfig

    def __init__(self, name: str, config: LbpTopConfig, facts: dict[str, object]) -> None:
        super().__init__(name, config, facts)
        smallest = min(config.blocks, config.radius, config.radius_t)
        if smallest < 1 or config.size - 2 * config.radius < config.blocks:
            raise ExtractionError(
                "MER-E155",
                f"{name}: a crop of {config.size} px has no room for {config.blocks} x {config.blocks} blocks with "
                f"radius {config.radius} (radius_t {config.radius_t}).",
                "Choose size - 2 * radius >= blocks, and all of them at least 1, e.g. size=112:blocks=4:radius=1.",
            )

    @property
    def dim(self) -> int:
        """Planes x blocks x bins."""
        return len(PLANES) * self.config.blocks**2 * N_BINS

    @property
    def padding_invariant(self) -> bool:
        """Every clip is computed on its own."""
        return True

    def cost(self, length: int) -> float:
        """One unit per crop."""
        return float(length)

    def embed(self, batch: Sequence[FaceCrops], level: Level) -> list[Rows]:
        """One row per crop, at the crop's time: plane, block row, block column, bin."""
        config = self.config
        return [
            Rows(
                lbp_top(grey_crops(crops.pixels, config.size), config.blocks, config.radius, config.radius_t),
                crops.times_s,
            )
            for crops in batch
        ]


def lbp_top(grey: np.ndarray, blocks: int, radius: int, radius_t: int) -> np.ndarray:
    """Histograms of uniform patterns of every frame of a clip.

    Args:
        grey: ``(T, H, W)`` uint8, consecutive frames.
        blocks: along each side; they share the pixels out whose neighbours all lie within the frame.
        radius: of the ellipse in space, pixels.
        radius_t: of the ellipse in time, frames.

    Returns:
        ``(T, 3 * blocks**2 * 59)`` float32, order plane (XY, XT, YT), block row, block column, bin; each histogram
        sums to 1.
    """
    n, height, width = grey.shape
    padded = np.pad(grey, ((radius_t, radius_t), (0, 0), (0, 0)), mode="edge")
    block = _blocks(height - 2 * radius, blocks)[:, None] * blocks + _blocks(width - 2 * radius, blocks)
    counts = np.bincount(block.ravel(), minlength=blocks**2)
    rows = np.empty((n, len(PLANES), blocks**2, N_BINS), np.float32)
    for start in range(0, n, _SLAB):
        stop = min(start + _SLAB, n)
        volume = padded[start : stop + 2 * radius_t].astype(np.float32)
        frames = np.arange(stop - start)[:, None, None] * blocks**2
        for place, plane in enumerate(PLANES):
            bins = _uniform_bins()[_patterns(volume, plane, radius, radius_t)]
            flat = (frames + block) * N_BINS + bins
            sums = np.bincount(flat.ravel(), minlength=(stop - start) * blocks**2 * N_BINS)
            rows[start:stop, place] = sums.reshape(stop - start, blocks**2, N_BINS) / counts[:, None]
    return rows.reshape(n, -1)


def _patterns(volume: np.ndarray, plane: str, radius: int, radius_t: int) -> np.ndarray:
    """Pattern 0-255 of the inner pixels of the inner frames."""
    t, y, x = (size - 2 * r for size, r in zip(volume.shape, (radius_t, radius, radius), strict=True))
    centre = volume[radius_t : radius_t + t, radius : radius + y, radius : radius + x] - np.float32(TOLERANCE)
    patterns: np.ndarray = np.zeros((t, y, x), np.uint8)
    for point, corners in enumerate(_neighbours(plane, radius, radius_t)):
        value: np.ndarray = np.zeros((), np.float32)
        for weight, dt, dy, dx in corners:
            at = (radius_t + dt, radius + dy, radius + dx)
            value = value + np.float32(weight) * volume[at[0] : at[0] + t, at[1] : at[1] + y, at[2] : at[2] + x]
        patterns |= (value >= centre).astype(np.uint8) << point
    return patterns


def _neighbours(plane: str, radius: int, radius_t: int) -> Iterator[list[tuple[float, int, int, int]]]:
    """Per neighbour, the corners of its grid cell as (weight, dt, dy, dx); bilinear, without those of weight 0."""
    axes = {"xy": (2, 1), "xt": (2, 0), "yt": (1, 0)}[plane]
    radii = (radius_t, radius, radius)
    for point in range(N_POINTS):
        angle = 2 * pi * point / N_POINTS
        # Rounding makes a neighbour that lies on the grid one pixel instead of four, one of them beyond the edge.
        first, second = round(radii[axes[0]] * cos(angle), 9), round(radii[axes[1]] * sin(angle), 9)
        corners = []
        for a, weight_a in _grid(first):
            for b, weight_b in _grid(second):
                step = [0, 0, 0]
                step[axes[0]], step[axes[1]] = a, b
                corners.append((weight_a * weight_b, *step))
        yield corners  # type: ignore[misc]  # a tuple of four


def _grid(position: float) -> list[tuple[int, float]]:
    low = int(np.floor(position))
    share = position - low
    return [(low, 1.0)] if share == 0 else [(low, 1.0 - share), (low + 1, share)]


def _blocks(length: int, blocks: int) -> np.ndarray:
    """Block of each of `length` positions; sizes differ by at most one."""
    return np.arange(length) * blocks // length


@lru_cache(maxsize=1)
def _uniform_bins() -> np.ndarray:
    """Bin of every pattern: uniform ones in ascending order, then one for all others."""
    changes = [bin(pattern ^ (pattern >> 1 | (pattern & 1) << (N_POINTS - 1))).count("1") for pattern in range(256)]
    uniform = [pattern for pattern in range(256) if changes[pattern] <= 2]
    bins = np.full(256, len(uniform))
    bins[uniform] = np.arange(len(uniform))
    return bins
