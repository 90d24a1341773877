"""Mixing against a slow loop, and over all lengths, gains and extremes."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from mertools.corruption.mixing import fit_to_16_bits, mix, rms, to_16_bits

LONG = st.integers(1, 400)
SAMPLES = st.one_of(st.integers(-32768, 32767), st.sampled_from([-32768, -32767, -1, 0, 1, 32767]))


@st.composite
def signals(draw):
    """Two signals of one length, neither of them all zero."""
    n = draw(LONG)
    pair = [draw(arrays.arrays(np.int16, n, elements=SAMPLES)) for _ in range(2)]
    for signal in pair:
        if not signal.any():
            signal[draw(st.integers(0, n - 1))] = draw(st.sampled_from([-32768, -1, 1, 32767]))
    return pair


def by_loop(clean, noise, snr_db):
    """The published recipe, one Python number after the other."""
    x, n = [float(v) for v in clean], [float(v) for v in noise]
    level = math.sqrt(sum(v * v for v in x) / len(x))
    noise_level = math.sqrt(sum(v * v for v in n) / len(n))
    target = level / (10.0 ** (snr_db / 20.0))
    y = [a + b * (target / noise_level) for a, b in zip(x, n, strict=True)]
    if max(y) > 32767 or min(y) < -32768:
        factor = 32767 / max(y) if max(y) >= abs(min(y)) else -32768 / min(y)
        y = [v * factor for v in y]
    return [int(v) for v in y]


@given(signals(), st.sampled_from([-10.0, 0.0, 5.0, 7.0, 10.0, 15.0, 40.0]))
def test_mixture_is_that_of_the_published_recipe(pair, snr_db):
    found = mix(*pair, snr_db).samples.astype(int)
    # Sums run in another order, so a value that is whole but for 1e-12 may be cut to its neighbour.
    assert np.abs(found - np.array(by_loop(*pair, snr_db))).max() <= 1


@given(signals(), st.floats(-60, 60))
def test_ratio_found_in_the_mixture_is_the_chosen_one(pair, snr_db):
    mixed = mix(*pair, snr_db)
    assert abs(mixed.snr_db - snr_db) < 0.01


@given(signals(), st.floats(-60, 60))
def test_nothing_turns_over_at_the_limits_of_16_bits(pair, snr_db):
    clean, noise = pair
    mixed = mix(clean, noise, snr_db)
    ideal = (clean.astype(float) + mixed.gain * noise) * mixed.scale
    assert mixed.samples.dtype == np.int16
    assert np.abs(mixed.samples - ideal).max() <= 1.0
    assert np.all(np.abs(mixed.samples) <= np.abs(ideal) + 1e-6)  # toward zero


@given(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6))
def test_scaled_extremes_fit_and_touch_a_limit(a, b):
    highest, lowest = max(a, b), min(a, b)
    scale = fit_to_16_bits(highest, lowest)
    assert 0 < scale <= 1
    assert highest * scale <= 32768
    assert lowest * scale >= -32768 - 1e-9
    if scale < 1:
        assert math.isclose(highest * scale, 32767) or math.isclose(lowest * scale, -32768)


def test_a_mixture_that_would_clip_is_scaled_as_a_whole():
    clean = np.array([30000, -30000, 30000, -30000], np.int16)
    noise = np.array([20000, 20000, -20000, -20000], np.int16)
    mixed = mix(clean, noise, 0.0)
    assert mixed.clipped
    np.testing.assert_array_equal(mixed.samples, [32767, 0, 0, -32767])
    assert mix(clean // 4, noise, 0.0).clipped is False


def test_lowest_value_decides_where_it_is_the_farther_one():
    mixed = mix(np.array([-30000, 10], np.int16), np.array([-30000, 10], np.int16), 0.0)
    assert mixed.samples.min() == -32768


@pytest.mark.parametrize(("clean", "noise"), [([0, 0], [1, 2]), ([1, 2], [0, 0]), ([], [])])
def test_silence_cannot_be_mixed(clean, noise):
    with pytest.raises(ValueError, match="silent"):
        mix(np.array(clean, np.int16), np.array(noise, np.int16), 5.0)


def test_lengths_must_agree():
    with pytest.raises(ValueError, match="3 samples of speech, but 2"):
        mix(np.ones(3, np.int16), np.ones(2, np.int16), 5.0)


@given(arrays.arrays(np.int16, LONG, elements=SAMPLES))
def test_16_bits_survive_the_way_to_floats_and_back(samples):
    np.testing.assert_array_equal(to_16_bits((samples / 32768).astype(np.float32)), samples)


def test_overshoot_is_cut_off_and_level_is_that_of_a_loop():
    np.testing.assert_array_equal(to_16_bits(np.array([1.7, -1.7], np.float32)), [32767, -32768])
    assert rms(np.array([3, -4], np.int16)) == math.sqrt(12.5)
    assert rms(np.array([], np.int16)) == 0.0
