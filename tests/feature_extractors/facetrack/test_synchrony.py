"""Whose mouth goes with the voice: made-up talkers, and real ones side by side with the sound of one of them."""

import pickle
from collections.abc import Callable

import numpy as np
import pytest

from feature_extractors.facetrack import FaceTrack, FaceTracker, Geometry
from feature_extractors.facetrack.crops import ARCFACE_112
from feature_extractors.facetrack.synchrony import MouthReader, Synchrony, measure, mouth_motion, voice_change
from mertools.media import Audio, read_audio, read_frames

RATE_HZ = 16_000


def syllables(seed: int, n_frames: int, rate_hz: float = 25.0) -> np.ndarray:
    """How far a mouth is open in every frame, 0 to 1: openings of random times."""
    random = np.random.default_rng(seed)
    starts = np.cumsum(random.uniform(0.2, 0.55, n_frames))
    times = np.arange(n_frames) / rate_hz
    return np.exp(-(((times[:, None] - starts) / 0.06) ** 2)).sum(axis=1).clip(0, 1)


def voice(opening: np.ndarray, rate_hz: float = 25.0, delay_s: float = 0.04, seed: int = 9) -> Audio:
    """Noise of the speech band as loud as the mouth is open."""
    n = int(len(opening) / rate_hz * RATE_HZ)
    loud = np.interp(np.arange(n) / RATE_HZ - delay_s, np.arange(len(opening)) / rate_hz, opening)
    noise = np.random.default_rng(seed).normal(0, 0.1, n)
    return Audio((noise * (loud + 0.1)).astype(np.float32), RATE_HZ, 0.0, 0.1)


def scene(*openings: np.ndarray, rate_hz: float = 25.0) -> tuple[np.ndarray, Geometry]:
    """Frames with one face each 112 pixels, whose mouths open so far; a little noise everywhere."""
    n = len(openings[0])
    frames = np.random.default_rng(1).integers(115, 120, (n, 120, 130 * len(openings), 3), np.uint8)
    faces = []
    for k, opening in enumerate(openings):
        landmarks = np.broadcast_to(ARCFACE_112 + np.array([130 * k + 5, 3]), (n, 5, 2)).astype(np.float32)
        for frame, share in zip(frames, opening, strict=True):
            high = round(12 * float(share))
            frame[95 - high : 95 + high, 130 * k + 50 : 130 * k + 72] = 30
        box = np.tile(np.array([130 * k, 0, 130 * k + 120, 118], np.float32), (n, 1))
        faces.append(FaceTrack(np.arange(n), np.arange(n) / rate_hz, box, landmarks, np.ones(n, np.float32)))
    return frames, Geometry.of_tracks(faces, np.arange(n) / rate_hz, frames.shape[2], 120)


def compared(chunk_of: Callable, frames: np.ndarray, geometry: Geometry, audio: Audio | None) -> Synchrony:
    return measure([MouthReader.of(geometry)(chunk_of(frames))], audio)


@pytest.mark.parametrize("seed", range(10))
def test_of_a_speaking_and_a_silent_face_the_speaking_one_is_told(chunk_of, seed: int) -> None:
    opening = syllables(seed, 75)
    sides = [opening, np.zeros(75)]
    speaker = seed % 2
    frames, geometry = scene(*(sides if speaker == 0 else sides[::-1]))
    assert compared(chunk_of, frames, geometry, voice(opening)).speaker == speaker


@pytest.mark.parametrize("seed", range(5))
def test_of_two_who_talk_at_one_pace_the_one_who_is_heard_is_told(chunk_of, seed: int) -> None:
    frames, geometry = scene(syllables(seed, 100), syllables(seed + 100, 100))
    for speaker, opening in enumerate((syllables(seed, 100), syllables(seed + 100, 100))):
        assert compared(chunk_of, frames, geometry, voice(opening)).speaker in (speaker, None)
    told = [compared(chunk_of, frames, geometry, voice(syllables(s, 100))).speaker for s in (seed, seed + 100)]
    assert told != [None, None]


def test_mouths_that_move_alike_leave_doubt(chunk_of) -> None:
    opening = syllables(0, 75)
    found = compared(chunk_of, *scene(opening, opening), voice(opening))
    assert found.speaker is None
    assert "alike" in found.reason


def test_still_mouths_leave_doubt(chunk_of) -> None:
    found = compared(chunk_of, *scene(np.zeros(75), np.zeros(75)), voice(syllables(0, 75)))
    assert found.speaker is None


@pytest.mark.parametrize("audio", [None, Audio(np.zeros(0, np.float32))])
def test_without_sound_there_is_doubt(chunk_of, audio: Audio | None) -> None:
    found = compared(chunk_of, *scene(syllables(0, 30), np.zeros(30)), audio)
    assert found.speaker is None
    assert "no sound" in found.reason


def test_a_clip_shorter_than_a_second_leaves_doubt(chunk_of) -> None:
    opening = syllables(0, 20)
    found = compared(chunk_of, *scene(opening, np.zeros(20)), voice(opening))
    assert found.speaker is None
    assert "seen for 1 s" in found.reason


def test_sound_that_starts_later_than_the_picture_keeps_its_place(chunk_of) -> None:
    opening = syllables(3, 100)
    opening[:25] = 0
    whole = voice(opening)
    late = Audio(whole.samples[RATE_HZ // 2 :], RATE_HZ, 0.5, whole.rms)
    frames, geometry = scene(opening, np.zeros(100))
    assert compared(chunk_of, frames, geometry, late).correlation[0] == pytest.approx(
        compared(chunk_of, frames, geometry, whole).correlation[0], abs=0.1
    )


def test_chunks_do_not_matter(chunk_of) -> None:
    opening = syllables(2, 60)
    frames, geometry = scene(opening, np.zeros(60))
    reader = pickle.loads(pickle.dumps(MouthReader.of(geometry)))
    parts = [reader(chunk_of(frames, start, start + 7)) for start in range(0, 60, 7)]
    assert measure(parts, voice(opening)) == compared(chunk_of, frames, geometry, voice(opening))


def test_a_change_while_the_face_was_away_is_no_motion(chunk_of) -> None:
    """The patch after a gap differs from the one before it, but nobody saw a mouth move."""
    opening = syllables(4, 100)
    frames, geometry = scene(opening, np.zeros(100))
    frames[50:, :, :130] = np.clip(frames[50:, :, :130].astype(int) + 90, 0, 255)
    there = ~((geometry.track == 0) & (geometry.frame >= 40) & (geometry.frame < 50))
    gapped = Geometry(
        geometry.n_frames, geometry.width, geometry.height, geometry.times_s, geometry.frame[there],
        geometry.track[there], geometry.box[there], geometry.confidence[there], geometry.landmarks[there],
    )  # fmt: skip
    assert compared(chunk_of, frames, gapped, voice(opening)).correlation[0] > 0.5


def test_motion_equals_a_loop_over_pixels() -> None:
    patches = np.random.default_rng(0).integers(0, 255, (4, 3, 5), np.uint8)
    expected = [
        np.mean([abs(int(a) - int(b)) for a, b in zip(patches[t].flat, patches[t - 1].flat, strict=True)])
        for t in (1, 1, 2, 3)
    ]
    np.testing.assert_allclose(mouth_motion(patches), expected, rtol=1e-6)


def test_a_steady_tone_does_not_change_and_a_step_does() -> None:
    times = np.arange(50) / 25
    tone = np.sin(2 * np.pi * 800 * np.arange(2 * RATE_HZ) / RATE_HZ).astype(np.float32)
    assert voice_change(Audio(0.3 * tone), times, 0.04)[2:-3].max() < 0.05
    step = np.where(np.arange(2 * RATE_HZ) < RATE_HZ, 0.01, 0.5).astype(np.float32)
    change = voice_change(Audio(step * tone), times, 0.04)
    assert abs(int(np.argmax(change[2:-3])) + 2 - 25) <= 1


@pytest.mark.slow
def test_of_real_speakers_side_by_side_nine_in_ten_decisions_are_right(
    real_data, tracker: FaceTracker, chunk_of
) -> None:
    """GRID sentences have one rhythm. Each of four pictures is judged with the sound of its left and its right half."""
    names = ["bbaf2n", "brbk7n", "lbax4n", "lrwp9a", "pwij3p", "sbwe5n", "swiz3n", "sbia1a"]
    right = decided = 0
    for pair in zip(names[::2], names[1::2], strict=True):
        paths = [real_data / "clips" / f"grid_{name}.mpg" for name in pair]
        frames = np.concatenate([read_frames(path).pixels for path in paths], axis=2)
        geometry = tracker.find(lambda shrink, frames=frames: [shrink(chunk_of(frames))])
        mouths = [MouthReader.of(geometry)(chunk_of(frames))]
        for side, path in enumerate(paths):
            found = measure(mouths, read_audio(path))
            if found.speaker is None:
                assert found.reason
                continue
            decided += 1
            right += (geometry.face(found.speaker).box[:, 0].mean() > 360) == bool(side)
    assert decided >= 4
    assert right >= 0.9 * decided
