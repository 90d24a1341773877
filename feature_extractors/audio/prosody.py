"""How something is said: timbre (MFCC), pitch, loudness and spectral shape, by librosa. Needs no weights.

Frame level: one row every 10 ms. Utterance level: statistics of those rows over the clip, of their rate of change, of
the voiced pitch, and of the rhythm of voice and pauses, as is usual for emotional speech.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from feature_extractors import EXTRACTORS
from feature_extractors.audio.pitch import Pitch, track_pitch
from feature_extractors.base import BaseConfig, Extractor, Level, Rows, TooShortError, Waveform
from mertools.errors import ExtractionError

RATE_HZ = 16_000
HOP = 160  # samples: 10 ms
_WINDOW = 400  # samples of the spectral window: 25 ms
_FFT = 512
_PITCH_WINDOW = 1024  # samples: 64 ms, two periods of 31 Hz
_SLAB = 6000  # frames per pass: 60 s of sound, so that memory stays flat on long clips
_BANDS = 6  # octave bands of the spectral contrast
_PERCENTILES = (5, 20, 50, 80, 95)
_PAUSE_DB = -35.0  # below the clip's loud level: a pause
_PEAK_DB = -20.0  # above it, a maximum of loudness counts as a syllable nucleus
_DIGITAL_SILENCE = 1e-5  # amplitude added before logarithms: -100 dB

_SHAPE = ("rms_db", "centroid_khz", "bandwidth_khz", "rolloff_khz", "flatness_log10", "zero_crossings")
_CONTRAST = tuple(f"contrast_{i}_db" for i in range(_BANDS + 1))
_FUNCTIONALS = ("mean", "std", *(f"p{p}" for p in _PERCENTILES), "range", "delta_abs_mean", "delta_std")
_PITCH = (
    *(f"f0_semitones_{name}" for name in ("mean", "std", *(f"p{p}" for p in _PERCENTILES), "range", "iqr60")),
    *("f0_delta_abs_mean", "f0_delta_std", "f0_delta_mean", "f0_rising_share"),
    *("aperiodicity_mean", "aperiodicity_std"),
)
_RHYTHM = (
    *("voiced_share", "voiced_stretches_per_s", "voiced_stretch_mean_s", "voiced_stretch_std_s"),
    *("pause_share", "pauses_per_s", "pause_mean_s", "peaks_per_s"),
)


@dataclass(frozen=True)
class ProsodyConfig(BaseConfig):
    """Options of `Prosody`.

    Attributes:
        n_mfcc: cepstral coefficients, 1 to 40, the first included.
        low_hz: lowest voice pitch looked for, at least 32.
        high_hz: highest voice pitch looked for.
    """

    n_mfcc: int = 20
    low_hz: float = 65.0
    high_hz: float = 500.0


def frame_names(n_mfcc: int = 20) -> tuple[str, ...]:
    """Names of the dimensions of a frame row: what is measured, pitch, and the rate of change of what is measured."""
    measured = _measured_names(n_mfcc)
    return (*measured, "f0_semitones", "voicing", *(f"{name}_delta" for name in measured))


def utterance_names(n_mfcc: int = 20) -> tuple[str, ...]:
    """Names of the dimensions of an utterance row."""
    measured = _measured_names(n_mfcc)
    return (*(f"{name}_{statistic}" for statistic in _FUNCTIONALS for name in measured), *_PITCH, *_RHYTHM)


def _measured_names(n_mfcc: int) -> tuple[str, ...]:
    return (*(f"mfcc_{i}" for i in range(n_mfcc)), *_SHAPE, *_CONTRAST)


@EXTRACTORS.register(
    "audio/prosody",
    summary="MFCC, pitch, loudness, spectral shape, rhythm (librosa); needs no weights",
    dim=len(utterance_names()),
    frame_dim=len(frame_names()),
    rate_hz=RATE_HZ / HOP,
    hub_id="",
    padding_invariant=True,
    trained_on=[],
    defaults={},
)
class Prosody(Extractor[Waveform]):
    """Named acoustic measurements; see `dimension_names` for what each dimension is and its unit."""

    modality = "audio"
    Config = ProsodyConfig
    utterance = "own"
    batch_cost = 60.0
    config: ProsodyConfig

    def __init__(self, name: str, config: ProsodyConfig, facts: Mapping[str, Any]) -> None:
        longest_period = _PITCH_WINDOW // 2
        if not 1 <= config.n_mfcc <= 40 or not RATE_HZ / longest_period < config.low_hz < config.high_hz <= 2000:
            raise ExtractionError(
                "MER-E101",
                f"{name}: n_mfcc={config.n_mfcc}, low_hz={config.low_hz:g}, high_hz={config.high_hz:g}: out of range.",
                "Expected 1 <= n_mfcc <= 40 and 32 <= low_hz < high_hz <= 2000.",
            )
        names = {"frame": list(frame_names(config.n_mfcc)), "utterance": list(utterance_names(config.n_mfcc))}
        super().__init__(name, config, {**facts, "dimension_names": names})

    @property
    def dim(self) -> int:
        """D of the utterance row."""
        return len(utterance_names(self.config.n_mfcc))

    def dim_at(self, level: Level) -> int:
        """D of a frame row or of the utterance row."""
        return len(self.dimension_names(level))

    def dimension_names(self, level: Level) -> tuple[str, ...]:
        """What each dimension is, with its unit."""
        return frame_names(self.config.n_mfcc) if level == "frame" else utterance_names(self.config.n_mfcc)

    @property
    def padding_invariant(self) -> bool:
        """Every clip is computed on its own."""
        return True

    def cost(self, length: int) -> float:
        """Seconds of sound."""
        return length / RATE_HZ

    def embed(self, batch: Sequence[Waveform], level: Level) -> list[Rows]:
        """Measure each clip: a row every 10 ms (``frame``), or one row of statistics (``utterance``)."""
        return [self._frame(wave) if level == "frame" else self._utterance(wave) for wave in batch]

    def _frame(self, wave: Waveform) -> Rows:
        measured, pitch = self._measure(wave)
        f0 = _bridged(_semitones(pitch), pitch.voiced)
        voicing = 1.0 - np.minimum(pitch.aperiodicity, 1.0)
        values = np.concatenate([measured, f0[:, None], voicing[:, None], _delta(measured)], axis=1)
        return Rows(values.astype(np.float32), np.arange(len(values)) * (HOP / RATE_HZ))

    def _utterance(self, wave: Waveform) -> Rows:
        measured, pitch = self._measure(wave)
        change = _delta(measured)
        percentiles = np.percentile(measured, _PERCENTILES, axis=0)
        values = np.concatenate(
            [
                measured.mean(0),
                measured.std(0),
                percentiles.ravel(),
                percentiles[-1] - percentiles[0],
                np.abs(change).mean(0),
                change.std(0),
                _pitch_statistics(pitch),
                _rhythm_statistics(measured[:, self.config.n_mfcc], pitch.voiced),
            ]
        )
        return Rows(values[None].astype(np.float32), np.full(1, wave.duration_s / 2))

    def _measure(self, wave: Waveform) -> tuple[np.ndarray, Pitch]:
        """What is measured in every frame, ``(T, D)``, and its pitch."""
        if wave.rate_hz != RATE_HZ:
            raise ExtractionError(
                "MER-E102", f"{self.name} got sound at {wave.rate_hz} Hz.", f"Resample to {RATE_HZ} Hz first."
            )
        if len(wave) < _WINDOW:
            raise TooShortError(f"{len(wave)} samples of sound; one window of 25 ms has {_WINDOW}")
        config = self.config
        slabs = list(_slabs(np.asarray(wave.samples, np.float32)))
        pitches = [
            track_pitch(_frames(slab, _PITCH_WINDOW), RATE_HZ, low_hz=config.low_hz, high_hz=config.high_hz)
            for slab in slabs
        ]
        pitch = Pitch(np.concatenate([p.hz for p in pitches]), np.concatenate([p.aperiodicity for p in pitches]))
        return np.concatenate([_spectral(slab, config.n_mfcc) for slab in slabs]), pitch


def _slabs(samples: np.ndarray) -> Iterator[np.ndarray]:
    """Pieces of the sound with the margins their frames need; frame i of the clip is centred on sample ``i * HOP``."""
    padded = np.pad(samples, _PITCH_WINDOW // 2)
    n_frames = 1 + len(samples) // HOP
    for start in range(0, n_frames, _SLAB):
        stop = min(start + _SLAB, n_frames)
        yield padded[start * HOP : (stop - 1) * HOP + _PITCH_WINDOW]


def _frames(slab: np.ndarray, width: int) -> np.ndarray:
    """``(T, width)`` frames of a slab, centred where the pitch windows are."""
    margin = (_PITCH_WINDOW - width) // 2
    windows = np.lib.stride_tricks.sliding_window_view(slab[margin : len(slab) - margin], width)
    return windows[::HOP]


def _spectral(slab: np.ndarray, n_mfcc: int) -> np.ndarray:
    """MFCC and spectral shape of the frames of a slab: ``(T, n_mfcc + 13)``."""
    import librosa

    margin = (_PITCH_WINDOW - _FFT) // 2
    trimmed = slab[margin : len(slab) - margin]
    magnitude = np.abs(librosa.stft(trimmed, n_fft=_FFT, hop_length=HOP, win_length=_WINDOW, center=False))  # (F, T)
    mel = librosa.feature.melspectrogram(S=np.square(magnitude), sr=RATE_HZ, n_mels=40, fmin=20.0)
    decibel = librosa.power_to_db(mel, amin=_DIGITAL_SILENCE**2, top_db=None)
    loudness = np.sqrt(np.mean(np.square(_frames(slab, _WINDOW)), axis=1))
    signs = np.signbit(_frames(slab, _WINDOW))
    rows = [
        librosa.feature.mfcc(S=decibel, n_mfcc=n_mfcc),
        20.0 * np.log10(loudness + _DIGITAL_SILENCE)[None],
        librosa.feature.spectral_centroid(S=magnitude, sr=RATE_HZ) / 1000.0,
        librosa.feature.spectral_bandwidth(S=magnitude, sr=RATE_HZ) / 1000.0,
        librosa.feature.spectral_rolloff(S=magnitude, sr=RATE_HZ) / 1000.0,
        np.log10(librosa.feature.spectral_flatness(S=magnitude)),
        (signs[:, 1:] != signs[:, :-1]).mean(1)[None],
        librosa.feature.spectral_contrast(S=magnitude, sr=RATE_HZ, n_bands=_BANDS),
    ]
    return np.concatenate(rows).T.astype(np.float64)


def _delta(rows: np.ndarray, reach: int = 2) -> np.ndarray:
    """Slope of the regression line over ``2 * reach + 1`` frames, per frame; the ends are held."""
    n = len(rows)
    padded = np.pad(rows, ((reach, reach), (0, 0)), mode="edge")
    slope: np.ndarray = np.zeros_like(rows)
    for k in range(1, reach + 1):
        slope += k * (padded[reach + k : reach + k + n] - padded[reach - k : reach - k + n])
    slope /= 2 * sum(k * k for k in range(1, reach + 1))
    return slope


def _semitones(pitch: Pitch) -> np.ndarray:
    """Semitones above 100 Hz: the scale on which intonation of low and high voices looks alike."""
    semitones: np.ndarray = 12.0 * np.log2(pitch.hz / 100.0)
    return semitones


def _bridged(values: np.ndarray, known: np.ndarray) -> np.ndarray:
    """`values` with the gaps where not `known` bridged by straight lines; 0 if nothing is known."""
    if not known.any():
        return np.zeros_like(values)
    places = np.arange(len(values))
    return np.interp(places, places[known], values[known])


def _pitch_statistics(pitch: Pitch) -> np.ndarray:
    """Statistics of the voiced pitch, in the order of `_PITCH`; zeros if nothing is voiced (then voiced_share is 0)."""
    voiced = pitch.voiced
    if not voiced.any():
        return np.zeros(len(_PITCH))
    contour = _semitones(pitch)
    values, aperiodicity = contour[voiced], pitch.aperiodicity[voiced]
    change = np.diff(contour)[voiced[1:] & voiced[:-1]]
    change = change if len(change) else np.zeros(1)
    p = np.percentile(values, _PERCENTILES)
    changes = [np.abs(change).mean(), change.std(), change.mean(), (change > 0).mean()]
    spread = [p[-1] - p[0], p[-2] - p[1]]
    return np.array([values.mean(), values.std(), *p, *spread, *changes, aperiodicity.mean(), aperiodicity.std()])


def _rhythm_statistics(loudness_db: np.ndarray, voiced: np.ndarray) -> np.ndarray:
    """How voice, pauses and syllables follow each other, in the order of `_RHYTHM`."""
    duration_s = len(voiced) * HOP / RATE_HZ
    relative = loudness_db - np.percentile(loudness_db, 95)
    pause = relative < _PAUSE_DB
    stretches_s, pauses_s = _run_lengths(voiced) * HOP / RATE_HZ, _run_lengths(pause) * HOP / RATE_HZ
    middle = relative[1:-1]
    peaks = (middle > relative[:-2]) & (middle >= relative[2:]) & (middle > _PEAK_DB)
    voice = [voiced.mean(), len(stretches_s) / duration_s, *_mean_and_std(stretches_s)]
    return np.array(
        [*voice, pause.mean(), len(pauses_s) / duration_s, _mean_and_std(pauses_s)[0], peaks.sum() / duration_s]
    )


def _run_lengths(mask: np.ndarray) -> np.ndarray:
    """Lengths of the stretches of True."""
    edges = np.diff(np.concatenate([[0], mask.astype(np.int8), [0]]))
    return np.flatnonzero(edges == -1) - np.flatnonzero(edges == 1)


def _mean_and_std(values: np.ndarray) -> tuple[float, float]:
    return (float(values.mean()), float(values.std())) if len(values) else (0.0, 0.0)
