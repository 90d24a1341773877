"""Kaldi log-mel frames for spectrogram transformers, and where their rows lie in time.

Models of 10.24 s get consecutive windows of a longer clip; each window is a stretch of samples that gives exactly as
many frames as the model takes, so windows can be computed one by one and memory stays flat.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from feature_extractors.audio.frontend import RATE_HZ

WINDOW, HOP = 400, 160  # samples: 25 ms, 10 ms
BANDS = 128
MEAN, STD = -4.2677393, 4.5689974  # of AudioSet, by the authors of AST and AudioMAE; both divide by twice the deviation


@dataclass(frozen=True)
class Patches:
    """How a model cuts the frames of a window into rows.

    Attributes:
        frames: of a window.
        width: frames that one row sees.
        step: frames from one row to the next.
    """

    frames: int
    width: int
    step: int

    @property
    def rows(self) -> int:
        """Rows of a whole window."""
        return (self.frames - self.width) // self.step + 1

    def n_rows(self, n_samples: int) -> int:
        """Rows that see sound alone; one at least."""
        return max(1, (1 + (n_samples - WINDOW) // HOP - self.width) // self.step + 1)

    def windows(self, n_samples: int) -> list[tuple[int, int, int]]:
        """Windows of a clip: first sample, end, and rows of each; the rows of one follow those of the one before."""
        left, length, found = self.n_rows(n_samples), (self.frames - 1) * HOP + WINDOW, []
        hop = self.rows * self.step * HOP
        for start in range(0, left * self.step * HOP, hop):
            found.append((start, min(n_samples, start + length), min(left, self.rows)))
            left -= self.rows
        return found

    def cut(self, samples: np.ndarray) -> list[tuple[np.ndarray, int]]:
        """The samples and the number of rows of each window of a clip."""
        return [(samples[start:stop], rows) for start, stop, rows in self.windows(len(samples))]

    def times_s(self, n_samples: int) -> np.ndarray:
        """Middles of the rows of a clip in seconds, ``(T,)``."""
        seen = (self.width - 1) * HOP + WINDOW
        times = (min(seen, n_samples) / 2 + self.step * HOP * np.arange(self.n_rows(n_samples))) / RATE_HZ
        return np.asarray(times)


def fbank(samples: np.ndarray) -> Any:
    """Log-mel frames as AudioMAE computes them.

    Args:
        samples: ``(N,)`` float32 at 16 kHz, N >= 400.

    Returns:
        ``(1 + (N - 400) // 160, 128)`` float32, a torch tensor, not normalised.
    """
    import torch
    from torchaudio.compliance import kaldi

    return kaldi.fbank(
        torch.from_numpy(np.asarray(samples, np.float32))[None],
        htk_compat=True,
        sample_frequency=RATE_HZ,
        use_energy=False,
        window_type="hanning",
        num_mel_bins=BANDS,
        dither=0.0,
        frame_shift=10,
    )
