"""YIN against tones of known pitch and against librosa."""

import numpy as np
import pytest

from feature_extractors.audio.pitch import track_pitch

RATE = 16_000


def frames(signal):
    return np.lib.stride_tricks.sliding_window_view(signal, 1024)[::160]


def tone(hz, seconds=1.0, harmonics=5):
    t = np.arange(int(RATE * seconds)) / RATE
    return sum(np.sin(2 * np.pi * hz * k * t) / k for k in range(1, harmonics + 1) if hz * k < RATE / 2)


@pytest.mark.parametrize("hz", [70.0, 111.1, 180.0, 233.3, 401.0])
def test_finds_the_pitch_of_a_tone_within_half_a_percent(hz):
    pitch = track_pitch(frames(tone(hz)), RATE, low_hz=65, high_hz=500)
    np.testing.assert_allclose(pitch.hz, hz, rtol=5e-3)
    assert pitch.voiced.all()


def test_noise_and_silence_are_unvoiced():
    noise = np.random.default_rng(0).standard_normal(RATE)
    assert track_pitch(frames(noise), RATE, low_hz=65, high_hz=500).voiced.mean() < 0.02
    assert not track_pitch(frames(np.zeros(RATE)), RATE, low_hz=65, high_hz=500).voiced.any()


def test_loudness_does_not_matter():
    loud = track_pitch(frames(tone(150)), RATE, low_hz=65, high_hz=500)
    soft = track_pitch(frames(0.01 * tone(150)), RATE, low_hz=65, high_hz=500)
    np.testing.assert_allclose(soft.hz, loud.hz, rtol=1e-6)


def test_agrees_with_librosa_on_a_gliding_voice():
    librosa = pytest.importorskip("librosa")
    t = np.arange(2 * RATE) / RATE
    phase = 2 * np.pi * np.cumsum(120 + 60 * t) / RATE
    voice = sum(np.sin(k * phase) / k for k in range(1, 8))
    ours = track_pitch(frames(voice), RATE, low_hz=65, high_hz=500)
    theirs = librosa.yin(voice, fmin=65, fmax=500, sr=RATE, frame_length=1024, hop_length=160, center=False)
    n = min(len(theirs), len(ours.hz))
    assert np.median(np.abs(ours.hz[:n] / theirs[:n] - 1)) < 0.01
