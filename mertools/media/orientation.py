"""How stored pixels must be turned and mirrored to stand upright: display matrices and Exif tags."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

_EXIF_TAG = 0x0112


@dataclass(frozen=True)
class Orientation:
    """First swap rows and columns, then mirror left-right, then top-bottom."""

    transpose: bool = False
    flip_x: bool = False
    flip_y: bool = False

    def applied(self, pixels: np.ndarray) -> np.ndarray:
        """Upright pixels ``(H, W, 3)``; a view."""
        if self.transpose:
            pixels = pixels.transpose(1, 0, 2)
        return pixels[:: -1 if self.flip_y else 1, :: -1 if self.flip_x else 1]


_TURNED = {
    0: Orientation(),
    90: Orientation(transpose=True, flip_y=True),  # counter-clockwise
    180: Orientation(flip_x=True, flip_y=True),
    270: Orientation(transpose=True, flip_x=True),
}
_EXIF = {
    1: Orientation(),
    2: Orientation(flip_x=True),
    3: Orientation(flip_x=True, flip_y=True),
    4: Orientation(flip_y=True),
    5: Orientation(transpose=True),
    6: Orientation(transpose=True, flip_x=True),
    7: Orientation(transpose=True, flip_x=True, flip_y=True),
    8: Orientation(transpose=True, flip_y=True),
}


def frame_orientation(frame: Any) -> Orientation:
    """The display matrix of a decoded frame (phones store what the sensor saw), to the nearest quarter turn."""
    try:
        matrix = next((bytes(d) for d in frame.side_data if d.type.name == "DISPLAYMATRIX"), None)
    except ValueError:  # side data of a kind that PyAV does not know: it still tells the angle
        return _TURNED[round(frame.rotation / 90) * 90 % 360]
    if matrix is None:
        return _TURNED[0]
    # The matrix maps (x, y) to x' = a x + c y, y' = b x + d y, with y pointing down.
    a, b, _, c, d = np.frombuffer(matrix, np.int32)[:5].tolist()
    return Orientation(False, a < 0, d < 0) if abs(a) >= abs(c) else Orientation(True, c < 0, b < 0)


def exif_orientation(path: Path) -> Orientation | None:
    """The Exif orientation of a photo; None if it has none."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as image:
            return _EXIF.get(image.getexif().get(_EXIF_TAG, 0))
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError, SyntaxError):
        # What is not for Pillow may still be for FFmpeg.
        return None
