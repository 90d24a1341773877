"""Which frames of a clip a model sees, where it does not see all: places among the clip's crops, by their number alone.

A sampler is part of the key under which extractors share crops, so that the engine cuts no crop that nobody looks at.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class FrameSampler(ABC):
    """A rule; equal rules share their crops. Picklable."""

    @abstractmethod
    def places(self, n_frames: int) -> np.ndarray:
        """Places of the frames, ``(K,)`` int64 in ``[0, n_frames)``, in the model's order; a place may repeat.

        Args:
            n_frames: crops of the whole clip, at least 1.
        """

    def wanted(self, n_frames: int) -> np.ndarray:
        """The places, ascending, each once: what must be cut."""
        return np.unique(self.places(n_frames))


@dataclass(frozen=True)
class Uniform(FrameSampler):
    """Frames spread over the clip by the rule of MERTools: ``floor(k * T / N)``, the last one repeated if T < N.

    The end of a clip that is not much longer than N frames is not reached.

    Attributes:
        n: how many.

    Example:
        >>> Uniform(4).places(10).tolist(), Uniform(4).places(3).tolist()
        ([0, 2, 5, 7], [0, 1, 2, 2])
    """

    n: int

    def places(self, n_frames: int) -> np.ndarray:
        """See `FrameSampler.places`; ``(n,)``."""
        distinct = min(self.n, n_frames)
        places = np.arange(distinct) * n_frames // distinct
        return np.pad(places, (0, self.n - distinct), mode="edge")


@dataclass(frozen=True)
class TwoWindows(FrameSampler):
    """Every fourth frame, of these the first 16 and the last 16; the last one is repeated if there are fewer.

    The rule by which MERTools' VideoMAE models for faces see a whole clip. A clip of up to 64 frames gives the same
    window twice.

    Attributes:
        n: frames of a window.
        step: from one frame to the next.

    Example:
        >>> TwoWindows(n=3, step=4).places(17).tolist()
        [0, 4, 8, 8, 12, 16]
    """

    n: int = 16
    step: int = 4

    def places(self, n_frames: int) -> np.ndarray:
        """See `FrameSampler.places`; ``(2 * n,)``, the first window before the second."""
        places = np.arange(0, n_frames, self.step)
        places = np.pad(places, (0, max(self.n - len(places), 0)), mode="edge")
        return np.concatenate([places[: self.n], places[-self.n :]])
