"""Mel spectrogram and MFCC by librosa, with the windows of MERTools: 25 ms every 10 ms, transforms of 2,048 points.

MERTools loads sound at 22,050 Hz here and at 16,000 Hz everywhere else; ``rate_hz=22050`` gives its numbers up to the
resampling, since sound arrives at 16,000 Hz and holds nothing above 8 kHz.
"""

from __future__ import annotations

import warnings
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from feature_extractors import EXTRACTORS
from feature_extractors.base import BaseConfig, Extractor, Level, Rows, TooShortError, Waveform
from mertools.errors import ExtractionError

RATE_HZ = 16_000
N_FFT = 2048
_WINDOW_S, _HOP_S = 0.025, 0.010
_DELTA_WIDTH = 9  # frames, librosa's own
_FACTS: dict[str, Any] = {"rate_hz": 100.0, "hub_id": "", "padding_invariant": True, "trained_on": [], "defaults": {}}


@dataclass(frozen=True)
class SpectraConfig(BaseConfig):
    """Options of mel spectrogram and MFCC.

    Attributes:
        rate_hz: that the sound is brought to first, 8,000 to 48,000.
    """

    rate_hz: int = RATE_HZ


@dataclass(frozen=True)
class MelConfig(SpectraConfig):
    """Options of `Mel`.

    Attributes:
        n_mels: bands.
        scale: ``power``, as MERTools has it, or ``db``: decibels below full scale, at least -100.
    """

    n_mels: int = 128
    scale: str = "power"


@dataclass(frozen=True)
class MfccConfig(SpectraConfig):
    """Options of `Mfcc`.

    Attributes:
        n_mfcc: coefficients, 1 to 128, the first included.
    """

    n_mfcc: int = 40


class _Spectra(Extractor[Waveform]):
    modality = "audio"
    batch_cost = 60.0
    config: SpectraConfig

    def __init__(self, name: str, config: SpectraConfig, facts: dict[str, Any]) -> None:
        if not 8000 <= config.rate_hz <= 48_000:
            raise ExtractionError("MER-E152", f"{name}: rate_hz is {config.rate_hz}.", "Expected 8000 to 48000.")
        super().__init__(name, config, facts)

    @property
    def padding_invariant(self) -> bool:
        """Every clip is computed on its own."""
        return True

    def cost(self, length: int) -> float:
        """Seconds of sound."""
        return length / RATE_HZ

    def embed(self, batch: Sequence[Waveform], level: Level) -> list[Rows]:
        """A row every 10 ms, at the middle of its window.

        Raises:
            TooShortError: if there is less sound than one window of 25 ms.
        """
        return [self._rows(wave) for wave in batch]

    @abstractmethod
    def _spectra(self, samples: np.ndarray, window: dict[str, int]) -> np.ndarray:
        """Rows ``(T, D)`` of one sound at `config.rate_hz`."""

    def _rows(self, wave: Waveform) -> Rows:
        import librosa

        if wave.duration_s < _WINDOW_S:
            raise TooShortError(f"{len(wave)} samples of sound; one window lasts 25 ms")
        rate_hz = self.config.rate_hz
        samples = wave.samples
        if wave.rate_hz != rate_hz:
            samples = librosa.resample(samples, orig_sr=wave.rate_hz, target_sr=rate_hz)
        hop = int(_HOP_S * rate_hz)
        window = {"n_fft": N_FFT, "win_length": int(_WINDOW_S * rate_hz), "hop_length": hop}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of sounds shorter than the transform, which is harmless
            values = self._spectra(samples, window)
        times_s = np.arange(len(values)) * (hop / rate_hz)
        return Rows(values.astype(np.float32), times_s)


@EXTRACTORS.register("audio/mel", summary="mel spectrogram, 128 bands (librosa); needs no weights", dim=128, **_FACTS)
class Mel(_Spectra):
    """Power in mel bands (Slaney's scale and norm)."""

    Config = MelConfig
    config: MelConfig

    def __init__(self, name: str, config: MelConfig, facts: dict[str, Any]) -> None:
        if config.scale not in ("power", "db") or not 1 <= config.n_mels <= 512:
            raise ExtractionError(
                "MER-E153",
                f"{name}: n_mels={config.n_mels}, scale='{config.scale}'.",
                "Expected 1 to 512 bands and the scale 'power' or 'db'.",
            )
        super().__init__(name, config, facts)

    @property
    def dim(self) -> int:
        """Number of bands."""
        return self.config.n_mels

    def _spectra(self, samples: np.ndarray, window: dict[str, int]) -> np.ndarray:
        import librosa

        power = librosa.feature.melspectrogram(y=samples, sr=self.config.rate_hz, n_mels=self.config.n_mels, **window)
        if self.config.scale == "db":
            power = librosa.power_to_db(power, ref=1.0, amin=1e-10, top_db=None)
        return np.asarray(power.T)


@EXTRACTORS.register(
    "audio/mfcc",
    summary="40 MFCC with first and second differences (librosa); needs no weights",
    dim=120,
    **_FACTS,
)
class Mfcc(_Spectra):
    """Mel-frequency cepstral coefficients, their slope over nine frames, and the curvature."""

    Config = MfccConfig
    config: MfccConfig

    def __init__(self, name: str, config: MfccConfig, facts: dict[str, Any]) -> None:
        if not 1 <= config.n_mfcc <= 128:
            raise ExtractionError("MER-E154", f"{name}: n_mfcc is {config.n_mfcc}.", "Expected 1 to 128.")
        super().__init__(name, config, facts)

    @property
    def dim(self) -> int:
        """Coefficients, first and second differences."""
        return 3 * self.config.n_mfcc

    def _spectra(self, samples: np.ndarray, window: dict[str, int]) -> np.ndarray:
        import librosa

        mfcc = librosa.feature.mfcc(y=samples, sr=self.config.rate_hz, n_mfcc=self.config.n_mfcc, **window)
        # The ends follow the polynomial through the outermost frames, which sounds of under nine frames do not have.
        mode = "interp" if mfcc.shape[1] >= _DELTA_WIDTH else "nearest"
        slopes = [librosa.feature.delta(mfcc, width=_DELTA_WIDTH, order=order, mode=mode) for order in (1, 2)]
        return np.concatenate([mfcc, *slopes]).T
