"""Mel spectrogram and MFCC against their definitions, written out."""

import numpy as np
import pytest
from scipy.fft import dct

from feature_extractors import create_extractor
from feature_extractors.base import TooShortError, Waveform
from mertools.errors import ExtractionError


def wave(n=8000, rate=16_000, seed=0):
    t = np.arange(n) / rate
    noise = np.random.default_rng(seed).standard_normal(n)
    return Waveform((0.3 * np.sin(2 * np.pi * 440 * t) + 0.05 * noise).astype(np.float32), rate)


def slow_mel(samples, rate):
    """A frame at a time; the bands are librosa's matrix, the windows and transforms are not."""
    import librosa

    length, hop = int(0.025 * rate), int(0.010 * rate)
    window = np.zeros(2048)
    start = (2048 - length) // 2
    window[start : start + length] = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(length) / length)
    padded = np.pad(samples.astype(np.float64), 1024)
    bands = librosa.filters.mel(sr=rate, n_fft=2048, n_mels=128)
    return np.array(
        [
            bands @ np.abs(np.fft.rfft(padded[i * hop : i * hop + 2048] * window)) ** 2
            for i in range(1 + len(samples) // hop)
        ]
    )


@pytest.mark.parametrize("n", [400, 8000])
def test_mel_is_power_in_bands_every_10_ms(n):
    sound = wave(n)
    (rows,) = create_extractor("audio/mel").embed([sound], "frame")
    np.testing.assert_allclose(rows.values, slow_mel(sound.samples, 16_000), rtol=2e-3, atol=1e-5)
    np.testing.assert_allclose(rows.times_s, np.arange(len(rows.values)) * 0.01)


def test_decibels_are_those_of_the_power():
    (power,) = create_extractor("audio/mel").embed([wave()], "frame")
    (decibels,) = create_extractor("audio/mel", scale="db").embed([wave()], "frame")
    np.testing.assert_allclose(decibels.values, 10 * np.log10(np.maximum(power.values, 1e-10)), atol=1e-3)


def test_mfcc_is_the_cosine_transform_of_the_decibels_with_its_slope_and_curvature():
    sound = wave()
    (rows,) = create_extractor("audio/mfcc").embed([sound], "frame")
    decibels = 10 * np.log10(np.maximum(slow_mel(sound.samples, 16_000), 1e-10))
    decibels = np.maximum(decibels, decibels.max() - 80)
    mfcc = dct(decibels, axis=1, norm="ortho")[:, :40]
    np.testing.assert_allclose(rows.values[:, :40], mfcc, atol=5e-2)
    places = np.arange(-4, 5)
    for t in (4, 20, len(mfcc) - 5):
        quadratic = np.polynomial.polynomial.polyfit(places, rows.values[t - 4 : t + 5, :40].astype(np.float64), 2)
        np.testing.assert_allclose(rows.values[t, 40:80], quadratic[1], atol=1e-3)
        np.testing.assert_allclose(rows.values[t, 80:], 2 * quadratic[2], atol=1e-3)


def test_the_rate_of_the_reference_is_an_option():
    """Row 28: the librosa sets of the reference, at its 22,050 Hz, can be reached."""
    import librosa

    sound = wave()
    (rows,) = create_extractor("audio/mel", rate_hz=22_050).embed([sound], "frame")
    samples = librosa.resample(sound.samples, orig_sr=16_000, target_sr=22_050)
    np.testing.assert_allclose(rows.values, slow_mel(samples, 22_050), rtol=2e-3, atol=1e-5)
    np.testing.assert_allclose(np.diff(rows.times_s), 220 / 22_050)


def test_few_frames_have_differences_too():
    (rows,) = create_extractor("audio/mfcc").embed([wave(500)], "frame")
    assert rows.values.shape == (4, 120)
    assert np.isfinite(rows.values).all()


def test_less_than_a_window_is_too_short():
    with pytest.raises(TooShortError, match="399"):
        create_extractor("audio/mfcc").embed([wave(399)], "frame")


@pytest.mark.parametrize(
    ("name", "options", "code"),
    [
        ("audio/mel", {"rate_hz": 100}, "MER-E152"),
        ("audio/mel", {"scale": "bel"}, "MER-E153"),
        ("audio/mel", {"n_mels": 0}, "MER-E153"),
        ("audio/mfcc", {"n_mfcc": 0}, "MER-E154"),
    ],
)
def test_options_out_of_range_are_errors(name, options, code):
    with pytest.raises(ExtractionError, match=code):
        create_extractor(name, **options)
