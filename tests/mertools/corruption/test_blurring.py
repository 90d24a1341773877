"""Blur against a pyramid written out: five taps, borders reflected, rounded once per level."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mertools.corruption.blurring import blurred, fitted, output_size

TAPS = (1, 4, 6, 4, 1)
SIZES = [(48, 64), (45, 71), (5, 7), (8, 3), (1, 1), (1, 9)]


def reflected(i: int, n: int) -> int:
    """Index with the border mirrored, the border itself not repeated: 3 2 1 0 1 2 3."""
    while n > 1 and not 0 <= i < n:
        i = -i if i < 0 else 2 * (n - 1) - i
    return i if n > 1 else 0


def halved(rows: np.ndarray) -> np.ndarray:
    n = len(rows)
    return np.stack([sum(TAPS[k] * rows[reflected(2 * i + k - 2, n)] for k in range(5)) for i in range((n + 1) // 2)])


def doubled(rows: np.ndarray) -> np.ndarray:
    spread = np.zeros((2 * len(rows), *rows.shape[1:]), np.int64)
    spread[::2] = rows
    n = len(spread)
    return np.stack([sum(TAPS[k] * spread[reflected(i + k - 2, n)] for k in range(5)) for i in range(n)])


def both_axes(work, pixels: np.ndarray) -> np.ndarray:
    return work(work(pixels.astype(np.int64)).swapaxes(0, 1)).swapaxes(0, 1)


def by_hand(pixels: np.ndarray, factor: int) -> np.ndarray:
    levels = {1: 0, 2: 1, 4: 2, 8: 3}[factor]
    for _ in range(levels):
        pixels = (both_axes(halved, pixels) + 128) // 256
    for _ in range(levels):
        pixels = (both_axes(doubled, pixels) + 32) // 64
    return pixels


@pytest.mark.parametrize("factor", [1, 2, 4, 8])
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_blur_is_a_gaussian_pyramid_down_and_up(size, factor):
    pixels = np.random.default_rng(1).integers(0, 256, (*size, 3), dtype=np.uint8)
    found = blurred(pixels, factor)
    expected = by_hand(pixels, factor)
    assert found.shape == expected.shape
    assert found.dtype == np.uint8
    assert np.abs(found.astype(int) - expected).max() <= 1


@given(st.integers(1, 50), st.integers(1, 50), st.sampled_from([1, 2, 4, 8]))
@settings(deadline=None)
def test_grown_size_is_what_blur_gives(height, width, factor):
    pixels = np.zeros((height, width, 3), np.uint8)
    assert output_size(height, width, factor, grown=True, even=False) == blurred(pixels, factor).shape[:2]


@given(st.integers(1, 5000), st.integers(1, 5000), st.sampled_from([1, 2, 4, 8]), st.booleans())
def test_even_sizes_are_even_and_lie_close(height, width, factor, grown):
    size = output_size(height, width, factor, grown=grown, even=True)
    assert all(n % 2 == 0 for n in size)
    most = max(factor, 2) if grown else 2
    assert all(0 <= new - old < most for new, old in zip(size, (height, width), strict=True))


@pytest.mark.parametrize(("factor", "size"), [(2, (406, 720)), (4, (408, 720))])
def test_odd_sizes_grow_as_the_challenge_says(factor, size):
    assert output_size(405, 719, factor, grown=True, even=True) == size
    assert output_size(405, 719, factor, grown=False, even=True) == (406, 720)
    assert output_size(405, 719, factor, grown=False, even=False) == (405, 719)


def test_fitting_cuts_below_and_at_the_right_and_repeats_the_edge():
    pixels = np.arange(3 * 5 * 3, dtype=np.uint8).reshape(3, 5, 3)
    np.testing.assert_array_equal(fitted(pixels, (2, 4)), pixels[:2, :4])
    wider = fitted(pixels, (4, 6))
    np.testing.assert_array_equal(wider[:3, :5], pixels)
    np.testing.assert_array_equal(wider[3, :5], pixels[2])
    np.testing.assert_array_equal(wider[:3, 5], pixels[:, 4])


def test_what_was_there_stays_where_it_was():
    pixels = np.zeros((41, 41, 3), np.uint8)
    pixels[20, 20] = 255
    for factor in (2, 4):
        light = blurred(pixels, factor)[..., 0].astype(float)
        centre = [(light.sum(axis=1 - axis) * np.arange(light.shape[axis])).sum() / light.sum() for axis in (0, 1)]
        np.testing.assert_allclose(centre, 20, atol=0.1)
