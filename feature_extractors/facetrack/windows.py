"""A clip as windows of a fixed number of frames, whatever the size of the chunks it arrives in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from feature_extractors.facetrack.scenes import Scenes
from feature_extractors.facetrack.shrink import Shrunk


@dataclass(frozen=True)
class Window:
    """Consecutive frames.

    Attributes:
        small: ``(n, h, w, 3)`` uint8, RGB.
        index: ``(n,)`` int64, position of each frame in the clip.
        times_s: ``(n,)`` float64.
        scene: ``(n,)`` int64, the shot each frame belongs to.
    """

    small: np.ndarray
    index: np.ndarray
    times_s: np.ndarray
    scene: np.ndarray


def windows(chunks: Iterable[Shrunk], step: int) -> Iterator[Window]:
    """Windows of `step` + 1 frames, each beginning with the last frame of the one before; the last may be shorter."""
    scenes = Scenes()
    parts: list[Window] = []
    for chunk in chunks:
        scene = np.array([scenes.add(thumbnail) for thumbnail in chunk.thumbnails], np.int64)
        parts.append(Window(chunk.small, chunk.index, chunk.times_s, scene))
        while sum(len(part.index) for part in parts) > step + 1:
            whole = _joined(parts)
            yield _part(whole, 0, step + 1)
            parts = [_part(whole, step, len(whole.index))]
    whole = _joined(parts)
    if len(whole.index):
        yield _part(whole, 0, len(whole.index))


def _joined(parts: list[Window]) -> Window:
    if not parts:
        return Window(np.zeros((0, 1, 1, 3), np.uint8), *(np.zeros(0, np.int64) for _ in range(3)))
    return Window(
        np.concatenate([part.small for part in parts]),
        np.concatenate([part.index for part in parts]),
        np.concatenate([part.times_s for part in parts]),
        np.concatenate([part.scene for part in parts]),
    )


def _part(whole: Window, start: int, stop: int) -> Window:
    piece = slice(start, stop)
    return Window(whole.small[piece], whole.index[piece], whole.times_s[piece], whole.scene[piece])
