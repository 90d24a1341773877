"""Cuts between shots, seen in thumbnails: a face before a cut and one after it are not one face by place alone."""

from __future__ import annotations

from collections import deque

import numpy as np

MIN_CHANGE = 18.0
"""Mean absolute difference of two thumbnails, in grey levels, below which they are of one scene."""

_TIMES_USUAL = 4.0
_MEMORY = 12
_REMEMBERED_SCENES = 8


class Scenes:
    """Numbers the shots of a clip as its frames come; a shot that comes back (after a flash) has its old number."""

    def __init__(self) -> None:
        self._last: np.ndarray | None = None
        self._changes: deque[float] = deque(maxlen=_MEMORY)
        self._ends: dict[int, np.ndarray] = {}
        self._scene = 0
        self._count = 1

    def add(self, thumbnail: np.ndarray) -> int:
        """The scene of the next frame.

        Args:
            thumbnail: ``(h, w)`` uint8, grey.
        """
        thumbnail = thumbnail.astype(np.float64)
        if self._last is not None:
            change = _change(self._last, thumbnail)
            usual = float(np.median(self._changes)) if self._changes else 0.0
            if change > max(MIN_CHANGE, _TIMES_USUAL * usual):
                self._enter(self._last, thumbnail)
            else:
                self._changes.append(change)
        self._last = thumbnail
        return self._scene

    def _enter(self, last: np.ndarray, thumbnail: np.ndarray) -> None:
        """End the scene whose last thumbnail is `last`; go back to the one that `thumbnail` resumes, or open one."""
        self._ends.pop(self._scene, None)
        known = {scene: _change(end, thumbnail) for scene, end in self._ends.items()}
        nearest = min(known, key=lambda scene: known[scene], default=-1)
        self._ends[self._scene] = last
        if len(self._ends) > _REMEMBERED_SCENES:
            del self._ends[next(iter(self._ends))]
        if nearest >= 0 and known[nearest] < MIN_CHANGE / 2:
            self._scene = nearest
        else:
            self._scene, self._count = self._count, self._count + 1


def _change(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.abs(a - b).mean())
