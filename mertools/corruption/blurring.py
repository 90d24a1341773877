"""Blur by a Gaussian pyramid: down and up again, and the picture's size afterwards."""

from __future__ import annotations

from typing import Any

import numpy as np


def blurred(pixels: np.ndarray, factor: int) -> np.ndarray:
    """A picture, halved `k` times and doubled `k` times, where ``factor = 2 ** k`` (OpenCV's pyrDown and pyrUp).

    Halving rounds up, so a size that is no multiple of `factor` grows to the next one: 405 becomes 406 for factor 2
    and 408 for factor 4. The upper left corner stays where it was.

    Args:
        pixels: ``(H, W, 3)`` uint8.
        factor: a power of two; 1 gives the picture back as it is.
    """
    import cv2

    levels = factor.bit_length() - 1
    picture: Any = pixels if not levels else np.ascontiguousarray(pixels)
    for _ in range(levels):
        picture = cv2.pyrDown(picture)
    for _ in range(levels):
        picture = cv2.pyrUp(picture)
    return np.asarray(picture)


def output_size(height: int, width: int, factor: int, *, grown: bool, even: bool) -> tuple[int, int]:
    """Height and width of a corrupted picture.

    Args:
        height: of the source.
        width: of the source.
        factor: blur factor.
        grown: keep what `blurred` grew, as the challenge's script does; else the size of the source.
        even: round up to even numbers, which video codecs want.

    Example:
        >>> output_size(405, 719, 4, grown=True, even=True), output_size(405, 719, 4, grown=False, even=True)
        ((408, 720), (406, 720))
    """
    multiple = factor if grown else 1
    if even and multiple % 2:
        multiple *= 2
    return -(-height // multiple) * multiple, -(-width // multiple) * multiple


def fitted(pixels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A picture of exactly `size` (height, width): cut at the right and below, or its edge repeated there."""
    height, width = size
    cut = pixels[:height, :width]
    lacking = (height - cut.shape[0], width - cut.shape[1])
    if not any(lacking):
        return cut
    return np.pad(cut, ((0, lacking[0]), (0, lacking[1]), (0, 0)), mode="edge")
