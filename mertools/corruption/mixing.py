"""Noise under speech at a chosen ratio, in 16 bits without clipping."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

_HIGHEST, _LOWEST = 32767.0, -32768.0


@dataclass(frozen=True)
class Mix:
    """Speech with noise.

    Attributes:
        samples: ``(N,)`` int16.
        gain: what the noise was multiplied by.
        scale: what the mixture was multiplied by so that it fits into 16 bits; 1 if it did.
        snr_db: ratio found in the mixture before it became 16-bit, dB.
    """

    samples: np.ndarray
    gain: float
    scale: float
    snr_db: float

    @property
    def clipped(self) -> bool:
        """Whether the mixture would have clipped and was scaled."""
        return self.scale != 1.0


def rms(samples: np.ndarray) -> float:
    """Root mean square, in double precision; 0 for no samples."""
    return math.sqrt(float(np.mean(np.square(samples, dtype=np.float64)))) if len(samples) else 0.0


def mix(clean: np.ndarray, noise: np.ndarray, snr_db: float) -> Mix:
    r"""Add noise to speech as the MER-NOISE tracks do.

    .. math:: y = x + n \cdot \frac{\mathrm{rms}(x) \, 10^{-SNR/20}}{\mathrm{rms}(n)}

    If *y* leaves the range of 16 bits it is scaled as a whole, so the ratio stays: by 32767 / max(y) where
    max(y) >= abs(min(y)), else by -32768 / min(y). Then it is cut to whole numbers, toward zero.

    Args:
        clean: speech *x*, shape ``(N,)``, int16.
        noise: *n*, shape ``(N,)``, int16.
        snr_db: wanted ratio, dB.

    Raises:
        ValueError: if the lengths differ, or one of the two holds zeros only.
    """
    if clean.shape != noise.shape:
        raise ValueError(f"{len(clean)} samples of speech, but {len(noise)} of noise")
    x, n = clean.astype(np.float64), noise.astype(np.float64)
    level, noise_level = rms(x), rms(n)
    if not level or not noise_level:
        raise ValueError(f"the {'noise' if level else 'speech'} is silent")
    gain = level / 10 ** (snr_db / 20) / noise_level
    y = x + gain * n
    scale = fit_to_16_bits(float(y.max()), float(y.min()))
    y *= scale
    found = 20 * math.log10(level / rms(y / scale - x))
    # Rounding can lift the extreme sample onto the limit's far side; the cast would turn it over.
    samples = np.clip(np.trunc(y), _LOWEST, _HIGHEST).astype(np.int16)
    return Mix(samples, gain, scale, found)


def fit_to_16_bits(highest: float, lowest: float) -> float:
    """The factor that brings a signal with these extremes into the range of 16 bits; 1 if it lies within.

    Example:
        >>> fit_to_16_bits(65534.0, -10.0), fit_to_16_bits(10.0, -65536.0), fit_to_16_bits(5.0, -5.0)
        (0.5, 0.5, 1.0)
    """
    if highest <= _HIGHEST and lowest >= _LOWEST:
        return 1.0
    return _HIGHEST / highest if highest >= abs(lowest) else _LOWEST / lowest


def to_16_bits(samples: np.ndarray) -> np.ndarray:
    """Samples in [-1, 1] as int16, rounded; what lies outside is cut off. The way back of ``/ 32768``."""
    return np.clip(np.rint(samples * 32768.0), _LOWEST, _HIGHEST).astype(np.int16)
