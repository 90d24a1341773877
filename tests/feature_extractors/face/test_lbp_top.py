"""LBP-TOP against a loop over pixels, and properties that follow from its definition."""

from math import cos, pi, sin

import numpy as np
import pytest

from feature_extractors import create_extractor
from feature_extractors.base import FaceCrops
from feature_extractors.face.lbp_top import N_BINS, lbp_top
from mertools.errors import ExtractionError


def slow_lbp_top(grey, blocks, radius, radius_t):
    """Pixel by pixel, neighbour by neighbour."""
    n, height, width = grey.shape
    uniform = [p for p in range(256) if sum((p >> i & 1) != (p >> (i + 1) % 8 & 1) for i in range(8)) <= 2]
    result = np.zeros((n, 3, blocks, blocks, 59))

    def level(t, y, x):
        """Grey level between pixels; time is held at the ends."""
        total = 0.0
        for tt in (np.floor(t), np.floor(t) + 1):
            for yy in (np.floor(y), np.floor(y) + 1):
                for xx in (np.floor(x), np.floor(x) + 1):
                    weight = (1 - abs(t - tt)) * (1 - abs(y - yy)) * (1 - abs(x - xx))
                    if weight > 1e-9:
                        total += weight * float(grey[int(np.clip(tt, 0, n - 1)), int(yy), int(xx)])
        return total

    for t in range(n):
        for y in range(radius, height - radius):
            for x in range(radius, width - radius):
                for plane in range(3):
                    pattern = 0
                    for i in range(8):
                        c, s = round(cos(2 * pi * i / 8), 12), round(sin(2 * pi * i / 8), 12)
                        at = [
                            (t, y + radius * s, x + radius * c),
                            (t + radius_t * s, y, x + radius * c),
                            (t + radius_t * s, y + radius * c, x),
                        ][plane]
                        pattern |= (level(*at) >= int(grey[t, y, x]) - 1e-3) << i
                    row = (y - radius) * blocks // (height - 2 * radius)
                    column = (x - radius) * blocks // (width - 2 * radius)
                    place = uniform.index(pattern) if pattern in uniform else 58
                    result[t, plane, row, column, place] += 1
    return (result / result.sum(-1, keepdims=True)).reshape(n, -1)


@pytest.mark.parametrize(("blocks", "radius", "radius_t"), [(1, 1, 1), (2, 1, 2), (3, 2, 1)])
def test_it_is_the_loop_over_pixels(blocks, radius, radius_t):
    random = np.random.default_rng(blocks)
    # Few grey levels: flat places and ties abound.
    grey = random.integers(0, 4, (4, 11, 10)).astype(np.uint8) * 60
    expected = slow_lbp_top(grey, blocks, radius, radius_t)
    np.testing.assert_allclose(lbp_top(grey, blocks, radius, radius_t), expected, atol=1e-6)


def test_slabs_do_not_show():
    grey = np.random.default_rng(0).integers(0, 255, (37, 12, 12), np.uint8)
    whole = lbp_top(grey, 2, 1, 1)
    np.testing.assert_array_equal(whole[10:30], lbp_top(grey[8:32], 2, 1, 1)[2:-2])


def test_a_flat_clip_has_the_pattern_of_equal_neighbours_alone():
    rows = lbp_top(np.full((3, 10, 10), 77, np.uint8), 2, 1, 1).reshape(3, 12, N_BINS)
    expected = np.zeros(N_BINS)
    expected[57] = 1.0  # 255, the last uniform pattern
    np.testing.assert_array_equal(rows, np.broadcast_to(expected, rows.shape))


def test_a_still_clip_differs_from_a_moving_one_only_in_the_planes_of_time():
    frame = np.random.default_rng(0).integers(0, 255, (20, 20), np.uint8)
    still = lbp_top(np.stack([frame] * 3), 1, 1, 1)[1].reshape(3, -1)
    moving = lbp_top(np.stack([np.roll(frame, i, 1) for i in (-1, 0, 1)]), 1, 1, 1)[1].reshape(3, -1)
    np.testing.assert_array_equal(still[0], moving[0])
    assert np.abs(still[1] - moving[1]).sum() > 0.1
    assert np.abs(still[2] - moving[2]).sum() > 0.1


def test_brightness_does_not_matter():
    grey = np.random.default_rng(0).integers(0, 200, (3, 16, 16)).astype(np.uint8)
    np.testing.assert_array_equal(lbp_top(grey, 2, 1, 1), lbp_top(grey + 40, 2, 1, 1))


def test_the_extractor_takes_luma_and_its_size():
    pixels = np.random.default_rng(0).integers(0, 255, (2, 56, 56, 3), np.uint8)
    made = create_extractor("face/lbp-top", size=56, blocks=2, radius=3)
    (rows,) = made.embed([FaceCrops(pixels, np.arange(2.0))], "frame")
    assert made.dim == rows.values.shape[1] == 3 * 4 * 59
    np.testing.assert_allclose(rows.values.reshape(2, 12, 59).sum(-1), 1, atol=1e-5)


@pytest.mark.parametrize("options", [{"blocks": 0}, {"radius": 0}, {"radius_t": 0}, {"size": 5, "radius": 1}])
def test_options_without_room_are_errors(options):
    with pytest.raises(ExtractionError, match="MER-E155"):
        create_extractor("face/lbp-top", **options)
