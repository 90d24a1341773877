"""Long sound in windows that the recogniser can see at once, cut where it is quietest."""

from __future__ import annotations

import numpy as np

WINDOW_S = 30.0
"""What Whisper sees at once (Radford et al., 2023)."""

SEARCH_S = 5.0
"""The cut lies in this last part of a full window, so that it falls into a pause rather than into a word."""

_FRAME_S = 0.02


def windows(samples: np.ndarray, rate_hz: int) -> list[tuple[int, int]]:
    """Consecutive pieces ``(start, stop)`` in samples that cover the sound, none longer than `WINDOW_S`.

    Args:
        samples: ``(N,)``.
        rate_hz: samples per second.

    Example:
        >>> windows(np.ones(16_000), 16_000)
        [(0, 16000)]
    """
    longest, frame = round(WINDOW_S * rate_hz), round(_FRAME_S * rate_hz)
    pieces, start = [], 0
    while len(samples) - start > longest:
        searched = samples[start + longest - round(SEARCH_S * rate_hz) : start + longest]
        energy = np.square(searched[: len(searched) // frame * frame], dtype=np.float64).reshape(-1, frame).sum(axis=1)
        # Mean over a fifth of a second: a pause, not the closure of a consonant.
        smooth = np.convolve(energy, np.ones(11), mode="same")
        quiet = int(np.argmin(smooth[5:-5])) + 5
        stop = start + longest - len(searched) + quiet * frame + frame // 2
        pieces.append((start, stop))
        start = stop
    return [*pieces, (start, len(samples))]
