"""Which frames of a clip are seen: the published rules, and that cutting only those changes nothing."""

import math
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feature_extractors import EXTRACTORS, create_extractor, list_extractors
from feature_extractors.base import FaceCrops
from feature_extractors.sampling import TwoWindows, Uniform

FACES = list_extractors("face/*")


def published_uniform(n_frames, n):
    """Section 2.2 of the specification, step by step."""
    m = min(n, n_frames)
    indices = [math.floor(k * n_frames / m) for k in range(m)]
    while len(indices) < n:
        indices.append(indices[-1])
    return indices[:n]


def published_two_windows(n_frames):
    frames = list(range(0, n_frames, 4))
    while len(frames) < 16:
        frames.append(frames[-1])
    return frames[:16] + frames[-16:]


@given(st.integers(1, 5000), st.integers(1, 80))
def test_uniform_sampling_is_the_published_rule(n_frames, n):
    assert Uniform(n).places(n_frames).tolist() == published_uniform(n_frames, n)


@given(st.integers(1, 5000))
def test_two_windows_are_the_published_rule(n_frames):
    assert TwoWindows().places(n_frames).tolist() == published_two_windows(n_frames)


def test_the_end_of_a_clip_a_little_longer_than_the_sample_is_not_reached():
    assert Uniform(16).places(49).tolist() == list(range(0, 48, 3))


@given(st.integers(1, 5000), st.sampled_from([Uniform(16), Uniform(64), TwoWindows()]))
def test_what_is_wanted_is_in_the_clip_rises_and_is_bounded(n_frames, sampler):
    wanted = sampler.wanted(n_frames)
    assert (np.diff(wanted) > 0).all()
    assert wanted[0] == 0
    assert wanted[-1] < n_frames
    assert len(wanted) <= min(n_frames, 64)
    assert pickle.loads(pickle.dumps(sampler)) == sampler


@given(st.integers(1, 300), st.sampled_from([Uniform(5), TwoWindows(n=3, step=2)]))
def test_crops_that_were_sampled_are_found_where_the_whole_clip_has_them(n_frames, sampler):
    pixels = np.arange(n_frames, dtype=np.int64)[:, None, None, None]
    whole = FaceCrops(pixels, np.arange(n_frames) / 25)
    wanted = sampler.wanted(n_frames)
    few = FaceCrops(pixels[wanted], whole.times_s[wanted], n_frames)
    np.testing.assert_array_equal(few.pixels[few.places(sampler)], whole.pixels[whole.places(sampler)])


def test_crops_that_are_not_those_that_were_wanted_are_refused():
    few = FaceCrops(np.zeros((3, 4, 4, 3), np.uint8), np.arange(3.0), 100)
    with pytest.raises(ValueError, match="3 crops are here of the 5 that are wanted"):
        few.places(Uniform(5))


@pytest.mark.parametrize("name", FACES)
@pytest.mark.parametrize("length", [5, 90])
def test_cutting_only_what_is_seen_changes_no_row(name, length, tiny_options):
    extractor = create_extractor(name, **tiny_options(name))
    levels = ["frame", "utterance"] if extractor.utterance == "own" else ["frame"]
    samplers = {level: extractor.sampler(level) for level in levels}
    if not any(samplers.values()):
        assert extractor.fixed_rows is None
        return
    assert extractor.chunk_rows is None, "a clip that is sampled as a whole cannot be cut into pieces"
    extractor.load("cpu", "fp32")
    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, (length, 8, 8, 3), np.uint8).repeat(14, 1).repeat(14, 2)
    whole = FaceCrops(pixels, np.arange(length) / 25)
    for level, sampler in samplers.items():
        if sampler is not None:
            wanted = sampler.wanted(length)
            few = FaceCrops(pixels[wanted], whole.times_s[wanted], length)
            found, expected = (extractor.embed([crops], level)[0] for crops in (few, whole))
            np.testing.assert_array_equal(found.values, expected.values)
            np.testing.assert_array_equal(found.times_s, expected.times_s)


def test_models_that_sample_are_among_those_tested():
    assert {"face/dinov2-large", "face/videomae-base", "face/videomae-base-voxceleb2"} <= set(FACES)
    assert all(EXTRACTORS.entry(name).target.modality == "face" for name in FACES)
