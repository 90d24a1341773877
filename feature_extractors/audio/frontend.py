"""From samples to rows: the convolutions of speech encoders, and clips cut into pieces or windows and joined again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from feature_extractors.base import Rows

RATE_HZ = 16_000


@dataclass(frozen=True)
class Frontend:
    """The convolutions that turn samples into rows.

    Attributes:
        kernels: width of each.
        strides: step of each.
    """

    kernels: tuple[int, ...]
    strides: tuple[int, ...]

    def n_rows(self, n_samples: int) -> int:
        """Rows that `n_samples` give; 0 if there are fewer than one field."""
        for kernel, stride in zip(self.kernels, self.strides, strict=True):
            n_samples = (n_samples - kernel) // stride + 1 if n_samples >= kernel else 0
        return n_samples

    @property
    def hop(self) -> int:
        """Samples from one row to the next."""
        return int(np.prod(self.strides))

    @property
    def field(self) -> int:
        """Samples that one row sees; the shortest input."""
        width = 1
        for kernel, stride in zip(reversed(self.kernels), reversed(self.strides), strict=True):
            width = (width - 1) * stride + kernel
        return width

    def times_s(self, start: int, n_rows: int) -> np.ndarray:
        """Middles of the fields of rows that begin at sample `start`, in seconds, ``(n_rows,)``."""
        return np.asarray((start + (self.field - 1) / 2 + self.hop * np.arange(n_rows)) / RATE_HZ)


@dataclass(frozen=True)
class Piece:
    """Consecutive samples of one clip of a batch, and where they begin in it."""

    clip: int
    start: int
    samples: np.ndarray


def cut(clip: int, samples: np.ndarray, length: int, shortest: int) -> list[Piece]:
    """Cut a clip into pieces of `length` samples; a rest that is shorter than `shortest` is left out.

    Example:
        >>> [(piece.start, len(piece.samples)) for piece in cut(0, np.zeros(23), 10, 4)]
        [(0, 10), (10, 10)]
    """
    starts = range(0, len(samples), length)
    pieces = [Piece(clip, start, samples[start : start + length]) for start in starts]
    return [piece for piece in pieces if len(piece.samples) >= shortest]


def joined(n_clips: int, pieces: Sequence[Piece], values: Sequence[np.ndarray], frontend: Frontend) -> list[Rows]:
    """Rows of each clip.

    Args:
        n_clips: clips of the batch; each has at least one piece.
        pieces: of all clips, in order.
        values: rows of each piece, ``(T_i, D)``.
        frontend: for their times.
    """
    rows = []
    for clip in range(n_clips):
        own = [(p.start, v) for p, v in zip(pieces, values, strict=True) if p.clip == clip]
        times = [frontend.times_s(start, len(v)) for start, v in own]
        rows.append(Rows(np.concatenate([v for _, v in own]), np.concatenate(times)))
    return rows


def over_windows(
    windows: Sequence[Sequence[tuple[np.ndarray, int]]],
    step: int,
    embed: Callable[[list[np.ndarray]], np.ndarray],
) -> list[np.ndarray]:
    """Embed the windows of several clips, for models that take sound of one length and pad it themselves.

    Args:
        windows: of each clip, in order: the samples, and how many of the window's rows are kept.
        step: windows that share a pass.
        embed: rows ``(B, T, D)`` of B windows.

    Returns:
        Rows of each clip, ``(T_i, D)``.
    """
    places = [(clip, samples, kept) for clip, own in enumerate(windows) for samples, kept in own]
    found: list[list[np.ndarray]] = [[] for _ in windows]
    for first in range(0, len(places), step):
        part = places[first : first + step]
        rows = embed([samples for _, samples, _ in part])
        for (clip, _, kept), values in zip(part, rows, strict=True):
            found[clip].append(values[:kept])
    return [np.concatenate(rows) for rows in found]
