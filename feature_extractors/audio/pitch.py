"""Fundamental frequency by YIN (de Cheveigné and Kawahara, 2002), all frames of a clip at once.

librosa's `yin` gives the frequency but not how periodic the frame is, and `pyin`, which does, is about real time on one
core. The aperiodicity that YIN computes anyway tells voiced frames from others.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_DIP = 0.15  # aperiodicity below which the first dip is taken instead of the deepest one
_VOICED = 0.30  # aperiodicity below which a frame counts as voiced
_SLAB = 1024  # frames per pass: 10 s of sound, bounded memory for long clips


@dataclass(frozen=True)
class Pitch:
    """Fundamental frequency over time.

    Attributes:
        hz: ``(T,)`` frequency of the best period, also in unvoiced frames.
        aperiodicity: ``(T,)`` from 0 (periodic) up; white noise is near 1.
    """

    hz: np.ndarray
    aperiodicity: np.ndarray

    @property
    def voiced(self) -> np.ndarray:
        """``(T,)`` bool: frames that are periodic enough."""
        return self.aperiodicity < _VOICED


def track_pitch(frames: np.ndarray, rate_hz: int, *, low_hz: float, high_hz: float) -> Pitch:
    """Track the fundamental frequency.

    Args:
        frames: ``(T, W)`` overlapping frames of sound; W must hold two periods of `low_hz`.
        rate_hz: sampling rate.
        low_hz: lowest frequency looked for.
        high_hz: highest frequency looked for.

    Returns:
        One value per frame.
    """
    parts = [_yin(frames[i : i + _SLAB], rate_hz, low_hz, high_hz) for i in range(0, len(frames), _SLAB)]
    return Pitch(np.concatenate([p.hz for p in parts]), np.concatenate([p.aperiodicity for p in parts]))


def _yin(frames: np.ndarray, rate_hz: int, low_hz: float, high_hz: float) -> Pitch:
    shortest, longest = int(rate_hz / high_hz), int(np.ceil(rate_hz / low_hz))
    curve = _normalised_difference(frames, longest + 1)
    searched = curve[:, shortest : longest + 1]
    # the first local minimum below the threshold, else the deepest point
    falls = np.pad(searched[:, 1:] < searched[:, :-1], ((0, 0), (1, 0)), constant_values=True)
    rises = np.pad(searched[:, :-1] <= searched[:, 1:], ((0, 0), (0, 1)), constant_values=True)
    dips = falls & rises & (searched < _DIP)
    best = np.where(dips.any(1), dips.argmax(1), searched.argmin(1)) + shortest
    rows = np.arange(len(frames))
    before, here, after = curve[rows, best - 1], curve[rows, best], curve[rows, np.minimum(best + 1, longest + 1)]
    bend = before - 2 * here + after
    shift = np.where(np.abs(bend) > 1e-9, 0.5 * (before - after) / np.where(bend == 0, 1.0, bend), 0.0)
    return Pitch(rate_hz / (best + np.clip(shift, -0.5, 0.5)), here)


def _normalised_difference(frames: np.ndarray, longest: int) -> np.ndarray:
    """YIN's cumulative mean normalised difference for lags ``0..longest``: ``(T, longest + 1)``, 1 at lag 0."""
    width = frames.shape[1] - longest  # samples that every lag compares
    x = frames.astype(np.float64)
    size = 1 << (frames.shape[1] + width - 1).bit_length()
    spectrum = np.fft.rfft(x, size) * np.conj(np.fft.rfft(x[:, :width], size))
    product = np.fft.irfft(spectrum, size)[:, : longest + 1]
    energy = np.pad(np.cumsum(np.square(x), axis=1), ((0, 0), (1, 0)))
    lagged = energy[:, width : width + longest + 1] - energy[:, : longest + 1]
    difference = np.maximum(lagged[:, :1] + lagged - 2 * product, 0.0)
    lags = np.arange(1, longest + 1)
    mean = np.cumsum(difference[:, 1:], axis=1) / lags
    floor = 1e-8 * width + 1e-12  # digital silence: nothing is periodic
    curve = np.where(mean > floor, difference[:, 1:] / np.maximum(mean, floor), 1.0)
    return np.concatenate([np.ones((len(frames), 1)), curve], axis=1)
