"""Who speaks: the face whose mouth moves when the voice changes.

Lips move while the sound changes, and rest while it is steady or absent. So the motion energy of the mouth is
compared with the rate of change of the sound in 300-2500 Hz, the formants that the opening of the mouth shapes (pitch
lies below, hiss above). The slow part of both is taken off: two people who speak at one pace differ in the fast part.
The sound may come up to 160 ms after the lips, or 40 ms before.

`MouthReader` runs where the clip is decoded, `measure` afterwards; neither needs torch.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from feature_extractors.facetrack.crops import ARCFACE_112, Cutter, similarity, smooth
from feature_extractors.facetrack.geometry import Geometry

if TYPE_CHECKING:
    from mertools.media import Audio, Frames

MARGIN = 0.2
"""Evidence by which the best face must lead the second; see `Synchrony.evidence`. Twice the margin at which all decided
pairs of the half that it was chosen on were right (two GRID speakers side by side, the sound of one of them)."""

MIN_EVIDENCE = 0.55
"""Evidence that the best face must have: three quarters of the least that a speaker of that half has."""

MIN_SECONDS = 1.0
"""A face that is seen for less time beside the sound has no evidence."""

MAX_RATE_HZ = 31.0
"""Clips with more frames per second are read at 25: motion between closer frames drowns in noise."""

_PATCH = 40
_CORNER = (36, 74)
_ROWS = slice(4, 36)
"""The mouth in ArcFace's crop of 112 pixels: a square with its corner there, of which these rows are looked at."""

_SLOW_S = 2.0
_EARLIEST_S, _LATEST_S = -0.04, 0.16
_EDGES_HZ = np.geomspace(294.0, 2547.0, 9)
_WINDOW_S, _STEP_S = 0.025, 0.01
_FLOOR = 1e-5
_NOISE = 0.5
"""Standard deviation of mouth motion, in grey levels, that noise and coding make; it weakens correlations."""


class Mouth(NamedTuple):
    """The mouth of one face in some frames: ``patches (t, 32, 40)`` uint8 grey, and ``times_s (t,)``."""

    patches: np.ndarray
    times_s: np.ndarray


@dataclass(frozen=True)
class MouthReader:
    """Picklable callable for ``session.map_frames``: a chunk of frames to the mouths of all faces, by identity."""

    cutters: Mapping[int, Cutter]

    @classmethod
    def of(cls, geometry: Geometry) -> MouthReader:
        """For all faces of a clip."""
        cutters = {}
        for track in geometry.tracks:
            face = geometry.face(track)
            matrices = similarity(smooth(face.landmarks, face.frame), ARCFACE_112)
            matrices[:, :, 2] -= _CORNER
            row = np.full(geometry.n_frames, -1, np.int64)
            row[face.frame] = np.arange(len(face))
            cutters[track] = Cutter(_PATCH, geometry.times_s, row, matrices)
        return cls(cutters)

    def __call__(self, frames: Frames) -> dict[int, Mouth]:
        """Read one chunk."""
        found = {}
        for track, cut in self.cutters.items():
            crops = cut(frames)
            grey = crops.pixels[:, _ROWS] @ np.array([0.299, 0.587, 0.114], np.float32)
            found[track] = Mouth(np.rint(grey).astype(np.uint8), crops.times_s)
        return found


@dataclass(frozen=True)
class Synchrony:
    """How well each face of a clip goes with its voice.

    Attributes:
        correlation: by identity, of mouth motion and change of voice at the best delay, in [-1, 1]; NaN where the face
            is not seen for long enough or does not move.
        seconds: by identity, for how long face and sound were compared.
        reason: why no comparison was possible; empty where it was.
    """

    correlation: Mapping[int, float] = field(default_factory=dict)
    seconds: Mapping[int, float] = field(default_factory=dict)
    why_not: str = ""

    @property
    def evidence(self) -> dict[int, float]:
        """By identity, Fisher's z of the correlation × the square root of the seconds.

        Its error does not depend on the length of the clip. Faces without a correlation are left out.
        """
        return {
            track: float(np.arctanh(min(r, 0.999)) * np.sqrt(self.seconds[track]))
            for track, r in self.correlation.items()
            if np.isfinite(r)
        }

    @property
    def speaker(self) -> int | None:
        """The face that speaks; None where the evidence leaves it in doubt."""
        ranked = self._ranked()
        if not ranked or self.reason:
            return None
        return ranked[0][1]

    @property
    def reason(self) -> str:
        """Why there is doubt; empty where there is none."""
        if self.why_not:
            return self.why_not
        ranked = self._ranked()
        if not ranked:
            return f"no face is seen for {MIN_SECONDS:g} s beside the sound"
        if ranked[0][0] < MIN_EVIDENCE:
            return f"no mouth goes with the voice (evidence {ranked[0][0]:.2f}, needed {MIN_EVIDENCE:g})"
        if len(ranked) > 1 and ranked[0][0] - ranked[1][0] < MARGIN:
            return f"two mouths go with the voice alike (evidence {ranked[0][0]:.2f} and {ranked[1][0]:.2f})"
        return ""

    def _ranked(self) -> list[tuple[float, int]]:
        return sorted(((evidence, track) for track, evidence in self.evidence.items()), reverse=True)


def measure(chunks: Iterable[Mapping[int, Mouth]], audio: Audio | None, why_not: str = "") -> Synchrony:
    """Compare the mouths of a clip with its voice.

    Args:
        chunks: what a `MouthReader` made of the clip's frames, in order.
        audio: the clip's sound; None if it has none.
        why_not: the reason if it has none.

    Returns:
        The correlation of each face.
    """
    if audio is None or len(audio) == 0:
        return Synchrony(why_not=why_not or "the clip has no sound")
    parts: dict[int, list[Mouth]] = {}
    for chunk in chunks:
        for track, mouth in chunk.items():
            parts.setdefault(track, []).append(mouth)
    correlation, seconds = {}, {}
    for track, mouths in parts.items():
        times_s = np.concatenate([mouth.times_s for mouth in mouths])
        patches = np.concatenate([mouth.patches for mouth in mouths])
        correlation[track], seconds[track] = _compared(patches, times_s, audio)
    return Synchrony(correlation, seconds)


def mouth_motion(patches: np.ndarray) -> np.ndarray:
    """Mean absolute change of grey from the patch before, ``(T,)``; the first has the value of the second."""
    change = np.abs(np.diff(patches.astype(np.float32), axis=0)).mean(axis=(1, 2))
    return np.concatenate([change[:1], change]) if len(change) else np.zeros(len(patches), np.float32)


def voice_change(audio: Audio, times_s: np.ndarray, step_s: float) -> np.ndarray:
    """How fast the level of the formants changes, in dB per frame, at each time.

    Args:
        audio: the sound.
        times_s: ``(T,)`` evenly spaced, seconds from the clip's start.
        step_s: their distance.

    Returns:
        ``(T,)``, NaN where there is no sound.
    """
    levels, at_s = _levels(audio)
    low = np.searchsorted(at_s, times_s - step_s / 2)
    high = np.searchsorted(at_s, times_s + 1.5 * step_s)
    total = np.concatenate([[0.0], np.cumsum(levels)])
    with np.errstate(invalid="ignore"):
        mean = np.where(high > low, (total[high] - total[low]) / np.maximum(high - low, 1), np.nan)
    return np.abs(np.gradient(mean)) if len(mean) > 1 else np.full(len(mean), np.nan)


def _levels(audio: Audio) -> tuple[np.ndarray, np.ndarray]:
    """Mean level of the bands in dB and the time in the middle of each window."""
    size, step = round(_WINDOW_S * audio.rate_hz), round(_STEP_S * audio.rate_hz)
    samples = np.pad(audio.samples.astype(np.float64), (size // 2, size))
    windows = np.lib.stride_tricks.sliding_window_view(samples, size)[: len(audio) + 1 : step]
    power = np.abs(np.fft.rfft(windows * np.hanning(size + 1)[:-1], axis=1)) ** 2
    hertz = np.fft.rfftfreq(size, 1 / audio.rate_hz)
    which = np.searchsorted(_EDGES_HZ, hertz, side="right") - 1
    bands = np.stack([power[:, which == band].sum(axis=1) for band in range(len(_EDGES_HZ) - 1)], axis=1)
    level = 10 * np.log10(bands + _FLOOR * max(float(bands.max()), 1e-12))
    return level.mean(axis=1), audio.start_s + np.arange(len(windows)) * step / audio.rate_hz


def _compared(patches: np.ndarray, times_s: np.ndarray, audio: Audio) -> tuple[float, float]:
    """Correlation at the best delay, and the seconds it rests on."""
    if len(times_s) < 3:
        return float("nan"), 0.0
    step = float(np.median(np.diff(times_s)))
    place = np.rint((times_s - times_s[0]) / step).astype(np.int64)
    grid = times_s[0] + np.arange(place[-1] + 1) * step
    motion = np.full(len(grid), np.nan)
    motion[place] = mouth_motion(patches)
    motion[place[1:][np.diff(place) > 1]] = np.nan  # the face was away in between
    seen = np.isfinite(motion)
    voice = voice_change(audio, grid, step)
    best, seconds = float("nan"), 0.0
    fast_motion, fast_voice = _without_slow(motion, step), _without_slow(voice, step)
    for delay in range(round(_EARLIEST_S / step), round(_LATEST_S / step) + 1):
        shifted = np.full(len(grid), np.nan)
        source = np.arange(len(grid)) + delay
        inside = (source >= 0) & (source < len(grid))
        shifted[inside] = fast_voice[source[inside]]
        both = seen & np.isfinite(shifted)
        if both.sum() * step < MIN_SECONDS:
            continue
        a, b = fast_motion[both], shifted[both]
        if a.std() < 1e-6 or b.std() < 1e-6:
            continue
        r = float(np.corrcoef(a, b)[0, 1] * a.std() / np.hypot(a.std(), _NOISE))
        if not r <= best:
            best, seconds = r, float(both.sum() * step)
    return best, seconds


def _without_slow(values: np.ndarray, step_s: float) -> np.ndarray:
    """Values less their mean over two seconds around, in which missing ones do not count."""
    half = max(1, round(_SLOW_S / step_s / 2))
    there = np.isfinite(values)
    kernel = np.ones(2 * half + 1)
    total = np.convolve(np.where(there, values, 0.0), kernel)[half:-half]
    count = np.convolve(there.astype(np.float64), kernel)[half:-half]
    return np.where(there, values - total / np.maximum(count, 1), np.nan)
