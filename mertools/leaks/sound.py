"""The code of a clip's sound: whether the energy slope across neighbouring bands rises or falls.

In the manner of Haitsma and Kalker (A highly robust audio fingerprinting system, 2002): energies in logarithmically
spaced bands, differenced across bands and over time, signs kept. Differences cancel gain and slow filters. The square
root of the energy lets loud moments, which noise does not cover, decide.
"""

from __future__ import annotations

import numpy as np

from mertools.leaks.bits import Code, coded
from mertools.media.audio import Audio, is_silent

RATE_HZ = 62.5
"""Rows per second: one every 16 ms."""

N_BANDS = 33
LOW_HZ, HIGH_HZ = 300.0, 6000.0
WINDOW = 2048
LAG = 4
N_WEAK = 6
FLOOR = 1e-5
"""Changes below this part (-100 dB) of the loudest energies are rounding, not sound."""

_SAMPLE_RATE_HZ = 16_000
_HOP = 256
_BLOCK = 1024


def sound_code(audio: Audio) -> Code | None:
    """The code of a clip's sound: 32 bits, 62.5 times a second.

    Args:
        audio: 16 kHz.

    Returns:
        None if the sound is silent (RMS < 1e-3) or shorter than 0.2 s.
    """
    if audio.rate_hz != _SAMPLE_RATE_HZ:
        raise ValueError(f"expected {_SAMPLE_RATE_HZ} Hz, not {audio.rate_hz}")
    if is_silent(audio) or len(audio) < WINDOW + (LAG + 1) * _HOP:
        return None
    energies = np.sqrt(_band_energies(audio.samples))
    slopes = energies[:, :-1] - energies[:, 1:]
    changes = slopes[LAG:] - slopes[:-LAG]
    # Rows count from the beginning of the clip, also where its sound starts later.
    late = np.zeros((round(audio.start_s * RATE_HZ), changes.shape[1]), changes.dtype)
    floor = FLOOR * float(np.quantile(energies.max(axis=1), 0.99))
    return coded(np.concatenate([late, changes]), floor, N_WEAK, RATE_HZ)


def _band_energies(samples: np.ndarray) -> np.ndarray:
    """``(T, N_BANDS)``: energy per band, window by window."""
    taper = np.hanning(WINDOW).astype(np.float32)
    windows = np.lib.stride_tricks.sliding_window_view(samples, WINDOW)[::_HOP]
    edges = np.geomspace(LOW_HZ, HIGH_HZ, N_BANDS + 1)
    hz = np.fft.rfftfreq(WINDOW, 1 / _SAMPLE_RATE_HZ)
    bands = ((hz[:, None] >= edges[:-1]) & (hz[:, None] < edges[1:])).astype(np.float32)
    parts = []
    for start in range(0, len(windows), _BLOCK):
        spectrum = np.fft.rfft(windows[start : start + _BLOCK] * taper, axis=1)
        parts.append((spectrum.real**2 + spectrum.imag**2) @ bands)
    energies: np.ndarray = np.concatenate(parts)
    return energies
