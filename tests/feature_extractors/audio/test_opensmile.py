"""openSMILE's sets: dimensions as published, values as the package gives them, clips that fail alone."""

import numpy as np
import pytest

from feature_extractors import EXTRACTORS, create_extractor
from feature_extractors.base import TooShortError, Waveform
from mertools.errors import ExtractionError, MissingDependencyError

RATE = 16_000
SETS = {
    "audio/is09": ("IS09", 384, 32),
    "audio/is10": ("IS10", 1582, 76),
    "audio/is13": ("IS13", 6373, 130),
    "audio/compare": ("ComParE_2016", 6373, 130),
    "audio/egemaps": ("eGeMAPSv01a", 88, 23),
}


@pytest.fixture
def smile():
    return pytest.importorskip("opensmile", reason="opensmile is not installed (extra audio-smile)")


def voice(seconds, seed=0):
    t = np.arange(int(seconds * RATE)) / RATE
    noise = np.random.default_rng(seed).standard_normal(len(t))
    return Waveform((0.2 * np.sin(2 * np.pi * (140 + 20 * seed) * t) + 0.01 * noise).astype(np.float32))


def test_without_the_package_the_name_is_known_and_says_how_to_get_it(monkeypatch):
    """Row 28: sets that cannot run are still listed, with licence and what is missing."""
    monkeypatch.setattr("mertools.registry.find_spec", lambda name: None)
    facts = EXTRACTORS.entry("audio/is09").as_json()
    assert facts["available"] is False
    assert "not commercial" in facts["licence"]
    with pytest.raises(MissingDependencyError, match=r"mertools\[audio-smile\]"):
        create_extractor("audio/is09")


@pytest.mark.parametrize("name", SETS)
def test_rows_are_what_the_package_computes_for_the_set_of_the_reference(smile, name):
    set_name, dim, frame_dim = SETS[name]
    wave, made = voice(0.5), create_extractor(name)
    direct = smile.Smile(getattr(smile.FeatureSet, set_name), smile.FeatureLevel.Functionals)
    (utterance,) = made.embed([wave], "utterance")
    assert utterance.values.shape == (1, dim)
    np.testing.assert_array_equal(utterance.values, direct.process_signal(wave.samples, RATE).to_numpy(np.float32))
    (frames,) = made.embed([wave], "frame")
    direct = smile.Smile(getattr(smile.FeatureSet, set_name), smile.FeatureLevel.LowLevelDescriptors)
    expected = direct.process_signal(wave.samples, RATE)
    assert frames.values.shape == (len(expected), frame_dim)
    np.testing.assert_array_equal(frames.values[:, : expected.shape[1]], expected.to_numpy(np.float32))
    np.testing.assert_allclose(frames.times_s, np.arange(len(expected)) * 0.01, atol=1e-9)


def test_deltas_are_the_slopes_of_the_descriptors_beside_them(smile):
    rows = create_extractor("audio/is09").embed([voice(0.5)], "frame")[0].values.astype(np.float64)
    values, deltas = rows[:, :16], rows[:, 16:]
    slope = sum(k * (values[2 + k : len(values) - 2 + k] - values[2 - k : len(values) - 2 - k]) for k in (1, 2)) / 10
    np.testing.assert_allclose(deltas[2:-2], slope, atol=1e-4 * np.abs(values).max())


@pytest.mark.parametrize(("version", "frame_dim"), [("v01a", 23), ("v01b", 23), ("v02", 25)])
def test_versions_of_egemaps(smile, version, frame_dim):
    made = create_extractor("audio/egemaps", version=version)
    assert made.dim_at("frame") == made.embed([voice(0.3)], "frame")[0].values.shape[1] == frame_dim
    assert made.embed([voice(0.3)], "utterance")[0].values.shape == (1, 88)


def test_an_unknown_version_is_an_error(smile):
    with pytest.raises(ExtractionError, match=r"MER-E151.*'v3'"):
        create_extractor("audio/egemaps", version="v3")


def test_every_clip_of_a_batch_is_computed(smile):
    """Rows 28 and 29: not only the first, and without files that two runs could take from each other."""
    waves = [voice(0.3, seed) for seed in range(3)]
    made = create_extractor("audio/is09")
    together = made.embed(waves, "utterance")
    for rows, wave in zip(together, waves, strict=True):
        np.testing.assert_array_equal(rows.values, made.embed([wave], "utterance")[0].values)
    assert len({rows.values.tobytes() for rows in together}) == 3


@pytest.mark.parametrize("name", ["audio/is10", "audio/compare", "audio/egemaps"])
def test_sound_shorter_than_the_longest_window_is_too_short_not_nan(smile, name):
    for level in ("frame", "utterance"):
        with pytest.raises(TooShortError):
            create_extractor(name).embed([voice(0.035)], level)


def test_another_rate_is_refused(smile):
    with pytest.raises(ExtractionError, match="MER-E150"):
        create_extractor("audio/is09").embed([Waveform(np.zeros(8000, np.float32), 8000)], "frame")
