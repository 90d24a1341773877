"""The code of a clip's moving picture: how its coarsest details move, whatever the clip shows.

Only movement counts. Two clips of one actor in one set look alike in every still, yet no two of them move alike; and
blur, scaling and re-encoding leave coarse movement in place. The steps:

1. mean luminance of 32 × 32 blocks of each frame, in the decoder process (`block_means`);
2. black bars cut away, the 48 lowest spatial frequencies (2-D cosine transform without the mean);
3. averaged over 0.1 s and read 16 times a second, so frame rate and cut do not matter; differences over 0.125 s;
4. whitened per clip, by the symmetric root of the inverse covariance. Coarse movements of a face come and go together;
   whitening makes 48 nearly independent channels of them, which multiplies what a bit is worth. The covariance of a
   worse copy is nearly the same, so the copy's channels are, too;
5. signs. Rows in which nothing moves (still image, black, frozen) say nothing.
"""

from __future__ import annotations

import numpy as np

from mertools.leaks.bits import Code, coded
from mertools.media.frames import Frames

RATE_HZ = 16.0
"""Rows per second."""

SIDE = 32
N_CHANNELS = 48
SMOOTHING_S = 0.1
LAG = 2
N_WEAK = 12
MOVES = 0.9
"""Grey levels (of 255) by which the fastest of 16 by 16 blocks changes over `LAG` rows, median over about a second.
Encoders make still pictures of 360 x 288 with sensor noise flicker by up to 0.7; quiet talking heads still reach 1.4
when blurred and badly encoded. A still that flickers more is let in; its bits, being noise, agree with none."""

BAR = 24.0
"""Rows and columns at the edge that never get brighter than this (of 255) are bars."""

_SHRINKAGE = 0.3
_MEDIAN_ROWS = 15
_MIN_ROWS = 8


def block_means(frames: Frames) -> tuple[np.ndarray, np.ndarray]:
    """Mean luminance of blocks: ``(T, SIDE, SIDE)`` float32 and times ``(T,)``; runs in a decoder process."""
    import cv2

    cv2.setNumThreads(1)
    means = np.empty((len(frames), SIDE, SIDE), np.float32)
    for n, pixels in enumerate(frames.pixels):
        grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY).astype(np.float32)
        means[n] = cv2.resize(grey, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    return means, frames.times_s


def picture_code(means: np.ndarray, times_s: np.ndarray) -> Code | None:
    """The code of a clip's moving picture: 48 bits, 16 times a second.

    Args:
        means: ``(T, SIDE, SIDE)``, of all frames of the clip.
        times_s: ``(T,)``, seconds from the beginning of the clip, ascending.

    Returns:
        None if there are no or too few frames, or nothing moves.
    """
    if len(means) < 2 or times_s[-1] < (LAG + 1) / RATE_HZ:
        return None
    n_coarse = SIDE // 2
    coarse = means.reshape(len(means), n_coarse, 2, n_coarse, 2).mean(axis=(2, 4)).reshape(len(means), -1)
    low = _low_frequencies(_without_bars(means))
    smooth = _on_grid(np.concatenate([low, coarse], axis=1).astype(np.float64), times_s)
    changes = smooth[LAG:] - smooth[:-LAG]
    moving = _running_median(np.abs(changes[:, N_CHANNELS:]).max(axis=1)) >= MOVES
    if moving.sum() < _MIN_ROWS:
        return None
    white = _whitened(changes[:, :N_CHANNELS], moving)
    return coded(white, np.where(moving, 0.0, np.inf)[:, None], N_WEAK, RATE_HZ)


def _without_bars(means: np.ndarray) -> np.ndarray:
    """Cut dark rows and columns off the edges, at most a quarter at each."""
    bright = means.max(axis=0) > BAR
    cuts = []
    for line in (bright.any(axis=1), bright.any(axis=0)):
        lit = np.flatnonzero(line)
        first, last = (int(lit[0]), int(lit[-1]) + 1) if len(lit) else (0, SIDE)
        cuts.append(slice(min(first, SIDE // 4), max(last, SIDE - SIDE // 4)))
    return means[:, cuts[0], cuts[1]]


def _low_frequencies(means: np.ndarray) -> np.ndarray:
    """``(T, N_CHANNELS)``: the lowest spatial frequencies, nearest to the mean first, without the mean."""
    order = sorted(((u, v) for u in range(8) for v in range(8) if u + v), key=lambda f: (f[0] ** 2 + f[1] ** 2, f))
    down, across = (_cosines(n) for n in means.shape[1:])
    table = np.einsum("uh,thw,vw->tuv", down, means, across, optimize=True)
    return np.stack([table[:, u, v] for u, v in order[:N_CHANNELS]], axis=1)


def _cosines(n: int) -> np.ndarray:
    at = (np.arange(n) + 0.5) / n
    waves: np.ndarray = np.cos(np.pi * np.arange(8)[:, None] * at) / n
    return waves


def _on_grid(values: np.ndarray, times_s: np.ndarray) -> np.ndarray:
    """Averages over `SMOOTHING_S` around each grid time ``k / RATE_HZ``, of lines drawn between the frames."""
    grid = np.arange(0.0, times_s[-1], 1 / RATE_HZ)
    times = np.concatenate([[min(0.0, times_s[0]) - 1], times_s, [times_s[-1] + 1]])
    values = np.concatenate([values[:1], values, values[-1:]])
    steps = np.maximum(np.diff(times), 1e-9)[:, None]
    areas = np.concatenate([np.zeros_like(values[:1]), np.cumsum((values[1:] + values[:-1]) / 2 * steps, axis=0)])

    def area_until(at: np.ndarray) -> np.ndarray:
        line = np.clip(np.searchsorted(times, at, side="right") - 1, 0, len(times) - 2)
        into = (at - times[line])[:, None]
        rise = (values[line + 1] - values[line]) / steps[line]
        area: np.ndarray = areas[line] + values[line] * into + rise * into**2 / 2
        return area

    half = SMOOTHING_S / 2
    means: np.ndarray = (area_until(grid + half) - area_until(grid - half)) / SMOOTHING_S
    return means


def _running_median(values: np.ndarray) -> np.ndarray:
    """Median over `_MEDIAN_ROWS` rows around each: the pops of key frames do not pass for movement."""
    half = _MEDIAN_ROWS // 2
    padded = np.pad(values, half, mode="reflect" if len(values) > half else "edge")
    medians: np.ndarray = np.median(np.lib.stride_tricks.sliding_window_view(padded, _MEDIAN_ROWS), axis=1)
    return medians


def _whitened(changes: np.ndarray, moving: np.ndarray) -> np.ndarray:
    """Changes with (nearly) unit covariance, as close as possible to what they were; cuts and flashes do not rule."""
    length = np.linalg.norm(changes, axis=1)
    limit = 3 * np.median(length[moving])
    tamed = (changes * np.minimum(1.0, limit / np.maximum(length, 1e-12))[:, None])[moving]
    spread, directions = np.linalg.eigh(tamed.T @ tamed / len(tamed))
    scale = 1 / np.sqrt(np.maximum(spread, 0) + _SHRINKAGE * spread.mean() + 1e-12)
    white: np.ndarray = changes @ (directions * scale) @ directions.T
    return white
