"""Which face is chosen."""

import numpy as np
import pytest

from feature_extractors.facetrack import WHO_POLICIES, FaceTrack, Geometry, choose
from feature_extractors.facetrack.synchrony import Synchrony
from feature_extractors.facetrack.who import needs_synchrony
from mertools.errors import MediaError, UnknownNameError


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
    assert set(WHO_POLICIES.names()) == {"largest", "second", "third", "speaker", "listener"}


def heard(*correlations: float, seconds: float = 4.0) -> Synchrony:
    return Synchrony(dict(enumerate(correlations)), dict.fromkeys(range(len(correlations)), seconds))


def test_every_face_can_be_had_by_its_rank() -> None:
    three = geometry(face(range(10), 20), face(range(10), 40), face(range(10), 30))
    assert [choose(three, who).box[0, 2] for who in ("largest", "second", "third")] == [50, 40, 30]
    assert choose(geometry(face(range(10), 20)), "second") is None


def test_speaker_and_listener_are_the_two_faces() -> None:
    two = geometry(face(range(10), 30), face(range(10), 20))
    assert choose(two, "speaker", heard(0.1, 0.7)).box[0, 2] == 30
    assert choose(two, "listener", heard(0.1, 0.7)).box[0, 2] == 40


def test_of_several_listeners_the_largest_is_chosen() -> None:
    three = geometry(face(range(10), 40), face(range(10), 20), face(range(10), 30))
    assert choose(three, "listener", heard(0.7, 0.0, 0.0)).box[0, 2] == 40


@pytest.mark.parametrize("who", ["speaker", "listener"])
@pytest.mark.parametrize(
    ("synchrony", "reason"),
    [
        (heard(0.50, 0.49), "alike"),
        (heard(0.1, -0.4), "no mouth goes with the voice"),
        (heard(float("nan"), float("nan")), "seen for"),
        (Synchrony(why_not="the clip has no sound"), "no sound"),
        (None, "not compared"),
    ],
)
def test_doubt_is_a_status_with_its_reason(who: str, synchrony: Synchrony | None, reason: str) -> None:
    two = geometry(face(range(10), 30), face(range(10), 20))
    with pytest.raises(MediaError, match=reason) as caught:
        choose(two, who, synchrony)
    assert caught.value.status == "ambiguous_speaker"
    assert caught.value.code == "MER-E230"


def test_a_face_alone_speaks_and_has_no_listener() -> None:
    one = geometry(face(range(10), 30))
    assert len(choose(one, "speaker")) == 10
    assert choose(one, "listener") is None
    assert choose(geometry(), "speaker") is None


def test_only_policies_that_listen_and_only_two_faces_ask_for_sound() -> None:
    one, two = geometry(face(range(10), 30)), geometry(face(range(10), 30), face(range(10), 20))
    asked = {who for who in WHO_POLICIES.names() if needs_synchrony(two, who)}
    assert asked == {"speaker", "listener"}
    assert not any(needs_synchrony(one, who) for who in WHO_POLICIES.names())


def test_the_same_correlation_weighs_more_in_a_longer_clip() -> None:
    assert heard(0.32, 0.3, seconds=4).speaker is None
    assert heard(0.32, 0.3, seconds=400).speaker == 0
