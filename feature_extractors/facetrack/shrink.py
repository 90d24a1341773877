"""What the decoder's process does for face tracking: make frames small enough to send and to search."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from mertools.media import Frames

THUMBNAIL = 32
"""Side of the grey thumbnails by which cuts between shots are seen, in pixels."""


@dataclass(frozen=True)
class Shrunk:
    """A chunk of frames, made small.

    Attributes:
        small: ``(T, h, w, 3)`` uint8, RGB, long side at most the tracker's `side`.
        thumbnails: ``(T, 32, 32)`` uint8, grey.
        index: ``(T,)`` int64, position of each frame in the clip.
        times_s: ``(T,)`` float64.
        width: of the full frame in pixels.
        height: of the full frame in pixels.
    """

    small: np.ndarray
    thumbnails: np.ndarray
    index: np.ndarray
    times_s: np.ndarray
    width: int
    height: int


@dataclass(frozen=True)
class Shrinker:
    """Picklable callable for ``session.map_frames``: a chunk of frames to a chunk of small frames. Needs no torch.

    Attributes:
        side: long side of the small frames in pixels; smaller frames keep their size.
    """

    side: int

    def __call__(self, frames: Frames) -> Shrunk:
        """Shrink one chunk."""
        count, height, width = frames.pixels.shape[:3]
        size = small_size(width, height, self.side)
        small = np.empty((count, size[1], size[0], 3), np.uint8)
        thumbnails = np.empty((count, THUMBNAIL, THUMBNAIL), np.uint8)
        for i, pixels in enumerate(frames.pixels):
            small[i] = pixels if size == (width, height) else cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
            tiny = cv2.resize(small[i], (THUMBNAIL, THUMBNAIL), interpolation=cv2.INTER_AREA)
            thumbnails[i] = cv2.cvtColor(tiny, cv2.COLOR_RGB2GRAY)
        return Shrunk(small, thumbnails, frames.index, frames.times_s, width, height)


def small_size(width: int, height: int, side: int) -> tuple[int, int]:
    """Width and height of a frame whose long side is brought down to `side`; never enlarged, never below 1."""
    scale = min(1.0, side / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))
