"""Speech-like sound by source and filter: harmonics of a moving pitch under moving formants, hiss for consonants.

Nobody is recorded and no word can be understood; what is real is the prosody. It follows the emotion as the
literature on vocal expression describes it (Scherer, 2003): level and range of pitch, loudness, tempo, tilt of the
spectrum, unsteadiness, direction of the contour.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from mertools.demo.script import Scene

RATE_HZ = 16_000


@dataclass(frozen=True)
class Manner:
    """How an emotion sounds, as differences from a neutral voice.

    Attributes:
        pitch: habitual pitch, semitones.
        lively: factor on the range of the pitch.
        rise: movement of the pitch over the utterance, semitones.
        loudness_db: level, decibel.
        tempo: factor on syllables per second.
        tilt_db: slope of the source spectrum, decibel per octave (positive = harder, brighter).
        tremble: depth of a 7 Hz wobble of the pitch, semitones.
        breath: added noise relative to the voice.
    """

    pitch: float = 0.0
    lively: float = 1.0
    rise: float = -2.0
    loudness_db: float = 0.0
    tempo: float = 1.0
    tilt_db: float = 0.0
    tremble: float = 0.0
    breath: float = 0.01


NEUTRAL = Manner()
MANNERS: Mapping[str, Manner] = {
    "neutral": NEUTRAL,
    "angry": Manner(pitch=3.0, lively=1.6, rise=-1.0, loudness_db=7.0, tempo=1.25, tilt_db=4.0),
    "happy": Manner(pitch=5.0, lively=2.2, rise=0.0, loudness_db=3.0, tempo=1.15, tilt_db=1.5),
    "sad": Manner(pitch=-2.5, lively=0.45, rise=-3.0, loudness_db=-6.0, tempo=0.68, tilt_db=-3.5, breath=0.05),
    "worried": Manner(
        pitch=2.0, lively=0.8, rise=-1.0, loudness_db=-2.5, tempo=1.1, tilt_db=-1.5, tremble=0.8, breath=0.04
    ),
    "surprise": Manner(pitch=7.0, lively=1.8, rise=7.0, loudness_db=2.0, tempo=0.85, tilt_db=0.5),
}

_VOWELS_HZ = (
    (730, 1090, 2440),
    (530, 1840, 2480),
    (270, 2290, 3010),
    (570, 840, 2410),
    (300, 870, 2240),
    (490, 1350, 1690),
)
_WIDTHS_HZ = (90.0, 110.0, 160.0)
_SYLLABLES_PER_S = 4.2
_LEVEL = 0.06  # root mean square of a neutral voice


@dataclass(frozen=True)
class Voice:
    """Sound of one clip.

    Attributes:
        samples: ``(N,)`` float32 in [-1, 1], mono, at `RATE_HZ`.
        f0_hz: pitch that was asked for at each sample, ``(N,)``.
        envelope: loudness at each sample in [0, 1], ``(N,)``.
    """

    samples: np.ndarray
    f0_hz: np.ndarray
    envelope: np.ndarray

    def at_frames(self, n_frames: int, fps: int) -> np.ndarray:
        """The envelope at the times of video frames, ``(n_frames,)``."""
        indices = np.minimum((np.arange(n_frames) * RATE_HZ) // fps, len(self.envelope) - 1)
        at: np.ndarray = self.envelope[indices]
        return at


def speak(scene: Scene) -> Voice:
    """The voice of a scene: its speaker's pitch and vocal tract, its emotion's manner at its intensity."""
    draw = np.random.default_rng((*scene.seed, 2))
    manner = _blend(MANNERS[scene.emotion], scene.intensity, draw)
    times_s = np.arange(round(scene.duration_s * RATE_HZ)) / RATE_HZ
    starts_s, ends_s = _syllables(scene.duration_s, manner, draw)
    envelope = _envelope(times_s, starts_s, ends_s, draw)
    f0_hz = _pitch(scene, manner, times_s, starts_s, draw)
    voiced = envelope * _harmonics(scene, manner, f0_hz, times_s, starts_s, draw)
    voiced *= _LEVEL * 10 ** (manner.loudness_db / 20) / np.sqrt(np.mean(voiced**2))
    hiss = _hiss(len(times_s), draw)
    breath = manner.breath * envelope * np.sqrt(np.mean(voiced**2)) * hiss * 3
    consonants = _consonants(times_s, starts_s, draw) * hiss * 0.25 * np.sqrt(np.mean(voiced**2))
    room = draw.normal(0, 4e-4, len(times_s))
    samples = np.tanh(voiced + breath + consonants + room).astype(np.float32)
    return Voice(samples, f0_hz, envelope)


def _blend(goal: Manner, intensity: float, draw: np.random.Generator) -> Manner:
    """The manner at an intensity, with the differences that any two utterances have."""
    weight = 0.15 + 0.85 * intensity
    own = {
        "pitch": draw.normal(0, 0.9), "lively": draw.normal(0, 0.15), "rise": draw.normal(0, 1.2),
        "loudness_db": draw.normal(0, 1.5), "tempo": draw.normal(0, 0.07), "tilt_db": draw.normal(0, 0.7),
        "tremble": 0.0, "breath": 0.0,
    }  # fmt: skip
    mixed = {}
    for name, noise in own.items():
        base = getattr(NEUTRAL, name)
        mixed[name] = float(base + weight * (getattr(goal, name) - base) + noise)
    return Manner(**{**mixed, "lively": max(mixed["lively"], 0.1), "tempo": max(mixed["tempo"], 0.5)})


def _syllables(duration_s: float, manner: Manner, draw: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Start and end of each syllable, seconds; a little silence stands before and after."""
    inside_s = duration_s - 0.22
    count = max(2, round(inside_s * _SYLLABLES_PER_S * manner.tempo))
    lengths = draw.uniform(0.7, 1.3, count)
    edges = 0.1 + inside_s * np.concatenate([[0.0], np.cumsum(lengths) / lengths.sum()])
    return edges[:-1], edges[1:] - 0.18 * np.diff(edges)


def _envelope(times_s: np.ndarray, starts_s: np.ndarray, ends_s: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    """Loudness in [0, 1]: one smooth hill per syllable."""
    envelope = np.zeros(len(times_s))
    for start, end in zip(starts_s, ends_s, strict=True):
        inside = (times_s - start) / (end - start)
        hill = np.where((inside > 0) & (inside < 1), np.sin(np.pi * np.clip(inside, 0, 1)) ** 0.7, 0.0)
        envelope += draw.uniform(0.6, 1.0) * hill
    return envelope


def _pitch(
    scene: Scene, manner: Manner, times_s: np.ndarray, starts_s: np.ndarray, draw: np.random.Generator
) -> np.ndarray:
    """Pitch in Hz at each sample: level, movement over the utterance, an accent per syllable, wobble, jitter."""
    progress = times_s / times_s[-1] - 0.5
    accents = draw.normal(0, 1.3 * manner.lively, len(starts_s) + 2)
    knots_s = np.concatenate([[0.0], starts_s + 0.06, [times_s[-1]]])
    semitones = manner.pitch + manner.rise * progress + np.interp(times_s, knots_s, accents)
    semitones += manner.tremble * np.sin(2 * np.pi * 7.0 * times_s + draw.uniform(0, 2 * np.pi))
    jitter = np.interp(
        times_s, np.linspace(0, times_s[-1], len(times_s) // 160), draw.normal(0, 0.08, len(times_s) // 160)
    )
    f0_hz: np.ndarray = np.clip(scene.speaker.f0_hz * 2 ** ((semitones + jitter) / 12), 65, 620)
    return f0_hz


def _harmonics(
    scene: Scene,
    manner: Manner,
    f0_hz: np.ndarray,
    times_s: np.ndarray,
    starts_s: np.ndarray,
    draw: np.random.Generator,
) -> np.ndarray:
    """Sum of the harmonics of the pitch below 4 kHz, each as loud as tilt and formants make it."""
    step = 80  # formants move slowly: their gain is computed every 5 ms
    vowels = draw.integers(len(_VOWELS_HZ), size=len(starts_s))
    table = np.array(_VOWELS_HZ, float)[vowels] * scene.speaker.tract
    coarse_s, coarse_f0 = times_s[::step], f0_hz[::step]
    formants = [np.interp(coarse_s, starts_s + 0.08, table[:, i]) for i in range(3)]
    phase = 2 * np.pi * np.cumsum(f0_hz) / RATE_HZ
    sound = np.zeros(len(times_s))
    for order in range(1, int(4000 / f0_hz.min()) + 1):
        hz = order * coarse_f0
        gain = order ** ((manner.tilt_db - 11.0) / 6.02) * (hz < 4000)
        gain = gain * sum(1 / np.sqrt(1 + ((hz - f) / w) ** 2) for f, w in zip(formants, _WIDTHS_HZ, strict=True))
        sound += np.interp(times_s, coarse_s, gain) * np.sin(order * phase)
    return sound


def _hiss(count: int, draw: np.random.Generator) -> np.ndarray:
    """Noise with more treble than bass, about unit root mean square."""
    noise = draw.normal(0, 1, count + 1)
    treble: np.ndarray = (noise[1:] - 0.9 * noise[:-1]) / 1.35
    return treble


def _consonants(times_s: np.ndarray, starts_s: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    """Loudness of a short burst before about half of the syllables."""
    bursts = np.zeros(len(times_s))
    for start in starts_s[draw.random(len(starts_s)) < 0.5]:
        bursts += np.exp(-0.5 * ((times_s - start) / 0.018) ** 2)
    return bursts
