"""The synthetic voice follows the emotion; measured on the sound, not on the settings."""

from dataclasses import replace

import numpy as np
import pytest

from mertools.demo import DemoSettings, Scene, write_script
from mertools.demo.voice import RATE_HZ, speak

SCENES = write_script(DemoSettings(takes=1))


def shown(emotion: str, speaker: str) -> Scene:
    """The same scene with another emotion: everything random stays as it is."""
    scene = next(s for s in SCENES if s.speaker.name == speaker)
    return replace(scene, emotion=emotion, intensity=1.0, duration_s=2.0)


def measure(scene: Scene) -> dict[str, float]:
    import librosa

    sound = speak(scene).samples
    f0_hz = librosa.yin(sound, fmin=60, fmax=700, sr=RATE_HZ, frame_length=1024)
    rms = librosa.feature.rms(y=sound, frame_length=1024, hop_length=256)[0][: len(f0_hz)]
    voiced = f0_hz[rms > 0.3 * rms.max()]
    spectrum = np.abs(np.fft.rfft(sound)) ** 2
    hz = np.fft.rfftfreq(len(sound), 1 / RATE_HZ)
    return {
        "f0": float(np.median(voiced)),
        "range": float(np.std(12 * np.log2(voiced / np.median(voiced)))),
        "db": float(10 * np.log10(np.mean(sound**2))),
        "treble": float(spectrum[hz > 1000].sum() / spectrum.sum()),
    }


@pytest.fixture(scope="module")
def voices() -> dict[str, list[dict[str, float]]]:
    names = ("speaker_1", "speaker_2", "speaker_3", "speaker_4")
    return {e: [measure(shown(e, n)) for n in names] for e in ("neutral", "angry", "happy", "sad", "surprise")}


def mean(voices: dict[str, list[dict[str, float]]], emotion: str, what: str) -> float:
    return float(np.mean([v[what] for v in voices[emotion]]))


def test_pitch_rises_from_sad_over_neutral_to_happy_and_surprise(voices: dict[str, list[dict[str, float]]]) -> None:
    f0 = [mean(voices, e, "f0") for e in ("sad", "neutral", "happy")]
    assert f0 == sorted(f0)
    assert mean(voices, "surprise", "f0") > mean(voices, "neutral", "f0")


def test_anger_is_loud_and_hard_and_sadness_soft(voices: dict[str, list[dict[str, float]]]) -> None:
    assert mean(voices, "angry", "db") > mean(voices, "neutral", "db") + 3 > mean(voices, "sad", "db") + 6
    assert mean(voices, "angry", "treble") > mean(voices, "neutral", "treble")
    assert mean(voices, "angry", "treble") > mean(voices, "sad", "treble")


def test_happiness_moves_more_than_sadness(voices: dict[str, list[dict[str, float]]]) -> None:
    assert mean(voices, "happy", "range") > mean(voices, "sad", "range")


def test_speakers_differ_in_pitch() -> None:
    high, low = (measure(shown("neutral", name))["f0"] for name in ("speaker_1", "speaker_2"))
    assert high > 1.3 * low


def test_sound_is_audible_does_not_clip_and_is_the_same_every_time() -> None:
    scene = SCENES[0]
    first, again = speak(scene), speak(scene)
    assert np.array_equal(first.samples, again.samples)
    assert len(first.samples) == round(scene.duration_s * RATE_HZ)
    assert np.sqrt(np.mean(first.samples**2)) > 1e-3
    assert np.abs(first.samples).max() < 1


def test_envelope_at_frames_has_one_value_per_frame() -> None:
    voice = speak(SCENES[0])
    at = voice.at_frames(50, 25)
    assert at.shape == (50,)
    assert at.max() > 0.5
    assert at.min() >= 0
