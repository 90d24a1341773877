"""Which face is chosen."""

import numpy as np
import pytest

from feature_extractors.facetrack import WHO_POLICIES, FaceTrack, Geometry, choose
from mertools.errors import UnknownNameError


def face(frames: range, side: float) -> FaceTrack:
    n = len(frames)
    box = np.tile(np.array([10, 10, 10 + side, 10 + side], np.float32), (n, 1))
    frame = np.array(frames, np.int64)
    return FaceTrack(frame, frame / 25, box, np.zeros((n, 5, 2), np.float32), np.ones(n, np.float32))


def geometry(*faces: FaceTrack) -> Geometry:
    return Geometry.of_tracks(faces, np.arange(10) / 25, 100, 100)


def test_of_two_faces_always_there_the_larger_is_chosen() -> None:
    assert choose(geometry(face(range(10), 20), face(range(10), 30))).box[0, 2] == 40


def test_a_large_face_seen_briefly_loses_to_one_that_stays() -> None:
    assert len(choose(geometry(face(range(2), 30), face(range(10), 20)))) == 10


def test_of_equal_faces_the_earlier_is_chosen() -> None:
    assert choose(geometry(face(range(5), 20), face(range(5, 10), 20))).frame[0] == 0


def test_no_face_gives_none() -> None:
    assert choose(geometry()) is None


def test_an_unknown_policy_names_the_known_ones() -> None:
    with pytest.raises(UnknownNameError, match="largest"):
        choose(geometry(), "lagest")
    assert WHO_POLICIES.names() == ["largest"]
