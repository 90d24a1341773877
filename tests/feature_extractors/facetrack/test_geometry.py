"""Geometry in and out of its stored form."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feature_extractors.facetrack import FaceTrack, Geometry
from mertools.errors import ExtractionError


def random_track(frames: list[int], times_s: np.ndarray, seed: int) -> FaceTrack:
    random = np.random.default_rng(seed)
    frame = np.array(frames, np.int64)
    n = len(frame)
    return FaceTrack(
        frame,
        times_s[frame],
        random.normal(100, 50, (n, 4)).astype(np.float32),
        random.normal(100, 50, (n, 5, 2)).astype(np.float32),
        random.random(n).astype(np.float32),
    )


def assert_equal(a: Geometry, b: Geometry) -> None:
    assert (a.n_frames, a.width, a.height) == (b.n_frames, b.width, b.height)
    for name in ("times_s", "frame", "track", "box", "confidence", "landmarks"):
        left, right = getattr(a, name), getattr(b, name)
        assert left.dtype == right.dtype, name
        np.testing.assert_array_equal(left, right, err_msg=name)


@given(
    n_frames=st.integers(0, 12),
    presence=st.lists(st.sets(st.integers(0, 11), min_size=1), max_size=3),
    seed=st.integers(0, 100),
)
def test_the_stored_form_loses_nothing(n_frames: int, presence: list[set[int]], seed: int) -> None:
    times_s = np.cumsum(np.random.default_rng(seed).random(n_frames))
    tracks = [random_track(sorted(f for f in frames if f < n_frames), times_s, seed) for frames in presence]
    geometry = Geometry.of_tracks([t for t in tracks if len(t)], times_s, 1280, 719)
    values, row_times = geometry.to_values()
    assert values.dtype == np.float32
    assert values.shape == (len(row_times), 17)
    assert row_times.dtype == np.float64
    assert_equal(Geometry.from_values(values, row_times), geometry)


def test_rows_are_in_order_of_frame_then_track() -> None:
    times_s = np.arange(4) / 25
    geometry = Geometry.of_tracks([random_track([2, 3], times_s, 0), random_track([0, 2], times_s, 1)], times_s, 9, 9)
    assert geometry.frame.tolist() == [0, 2, 2, 3]
    assert geometry.track.tolist() == [1, 0, 1, 0]
    np.testing.assert_array_equal(geometry.face(1).times_s, times_s[[0, 2]])


@pytest.mark.parametrize("values", [np.zeros((0, 17)), np.zeros((3, 5)), np.zeros((3, 17))])
def test_an_array_that_is_no_geometry_is_refused(values: np.ndarray) -> None:
    with pytest.raises(ExtractionError) as caught:
        Geometry.from_values(values, np.zeros(len(values)))
    assert caught.value.code == "MER-E201"


def test_the_store_gives_a_geometry_back_unchanged(tmp_path) -> None:
    from feature_extractors.facetrack import FaceTracker
    from mertools.store import open_store

    times_s = np.array([0.0, 0.04, 0.081, 0.12])
    geometry = Geometry.of_tracks([random_track([1, 2], times_s, 3)], times_s, 640, 360)
    store = open_store(tmp_path / "store", create=True)
    space = store.declare(FaceTracker().spec())
    with store.writer(space) as writer:
        writer.add("clip", *geometry.to_values())
    embedding = store.read(space, "clip")
    assert_equal(Geometry.from_values(embedding.values, embedding.times_s), geometry)
