"""Tracks of known faces."""

import subprocess
import sys

import numpy as np
import pytest

from feature_extractors.facetrack import FaceTracker, Shrinker, choose
from feature_extractors.facetrack.detect import overlap


def straight(start, end, n):
    return [tuple(point) for point in np.linspace(start, end, n)]


def test_a_moving_face_is_followed_on_every_frame(find, paint, face_box) -> None:
    path = straight((10, 10), (220, 50), 41)
    geometry = find(paint(path))
    assert geometry.tracks == [0]
    face = geometry.face(0)
    assert face.frame.tolist() == list(range(41))
    middles = (face.box[:, :2] + face.box[:, 2:]) / 2
    offset = middles - np.array(path)
    assert np.abs(offset - offset.mean(axis=0)).max() < 6  # the box keeps its place on the portrait
    landmarks = face.landmarks - np.array(path)[:, None]
    assert np.abs(landmarks - landmarks.mean(axis=0)).max() < 6
    assert (face.confidence > 0.9).all()
    assert (overlap(face.box, face_box + np.tile(path, 2)) > 0.8).all()


def test_landmarks_are_eyes_nose_and_mouth_from_left_to_right(find, paint) -> None:
    face = choose(find(paint([(100, 30)] * 3)))
    left_eye, right_eye, nose, left_mouth, right_mouth = face.landmarks[1]
    assert left_eye[0] < nose[0] < right_eye[0]
    assert left_mouth[0] < right_mouth[0]
    assert left_eye[1] < nose[1] < left_mouth[1]


def test_two_faces_side_by_side_keep_their_identities(find, paint) -> None:
    shake = 8 * np.sin(np.arange(50) / 4)
    left = [(10 + s, 20) for s in shake]
    right = [(220 - s, 30) for s in shake]
    geometry = find(paint(left, right))
    assert len(geometry.tracks) == 2
    for track in geometry.tracks:
        face = geometry.face(track)
        middle = (face.box[:, 0] + face.box[:, 2]) / 2
        assert len(face) == 50
        assert (middle < 200).all() or (middle > 200).all()


def test_two_faces_that_cross_never_swap_identities(find, paint, face_box) -> None:
    paths = straight((0, 40), (240, 40), 60), straight((240, 40), (0, 40), 60)
    geometry = find(paint(*paths))
    owners: dict[int, set[int]] = {}
    for frame, track, box in zip(geometry.frame, geometry.track, geometry.box, strict=True):
        middles = [(face_box[0] + face_box[2]) / 2 + path[frame][0] for path in paths]
        distance = np.abs(np.array(middles) - (box[0] + box[2]) / 2)
        if abs(middles[0] - middles[1]) > 60:  # else the one behind may be hidden
            assert distance.min() < 30
            owners.setdefault(int(track), set()).add(int(distance.argmin()))
    assert len(owners) >= 2
    assert all(len(owner) == 1 for owner in owners.values())
    assert any(len(geometry.face(track)) == 60 for track in owners)  # the one in front is never lost


def test_a_face_that_leaves_and_comes_back_has_rows_only_where_it_is(find, paint) -> None:
    path = [(100, 30)] * 21 + [None] * 30 + [(105, 30)] * 22
    geometry = find(paint(path))
    expected = [i for i, place in enumerate(path) if place is not None]
    assert geometry.frame.tolist() == expected
    assert geometry.tracks == [0]


def test_a_face_that_stays_away_for_long_comes_back_as_another(find, paint) -> None:
    path = [(100, 30)] * 10 + [None] * 70 + [(100, 30)] * 10
    assert find(paint(path)).tracks == [0, 1]


def test_a_face_after_a_cut_is_not_the_face_before_it(find, paint) -> None:
    one, two = paint([(100, 30)] * 20), paint([None] * 20, [(100, 30)] * 20)
    frames = np.concatenate([one.frames, 255 - (two.frames // 2)])
    frames[20:, 30:210, 100:260] = two.frames[:, 30:210, 100:260]
    geometry = find(type(one)(frames))
    assert [geometry.face(track).frame.tolist() for track in geometry.tracks] == [list(range(20)), list(range(20, 40))]


def test_a_face_that_the_search_misses_is_recovered_where_it_can_be_measured(tracker, paint, monkeypatch) -> None:
    search = tracker._detector.search

    def blind_on_some(frames):
        found = search(frames)
        return [
            type(faces)(*(part[:0] for part in vars(faces).values())) if tag(f) else faces
            for f, faces in zip(frames, found, strict=True)
        ]

    def tag(frame):
        return frame[0, 0, 0] == 255

    clip = paint([(100, 30)] * 30 + [None] * 8 + [(100, 30)] * 10)
    clip.frames[12:20, :8, :8] = 255  # the face is there but the search fails
    clip.frames[30:38, :8, :8] = 255  # the face is not there
    monkeypatch.setattr(tracker._detector, "search", blind_on_some)
    assert tracker.track(clip.shrunk(tracker.shrink)).frame.tolist() == [*range(30), *range(38, 48)]


def test_a_clip_without_a_face_has_no_rows(find, paint) -> None:
    clip = paint([None] * 20)
    geometry = find(clip)
    assert len(geometry) == 0
    assert (geometry.n_frames, geometry.width, geometry.height) == (20, 400, 240)
    assert choose(geometry) is None


def test_a_still_image_is_a_clip_of_one_frame(find, paint) -> None:
    geometry = find(paint([(100, 30)]))
    assert geometry.frame.tolist() == [0]


@pytest.mark.parametrize(("width", "height"), [(201, 187), (187, 333), (641, 211)])
def test_odd_sizes_give_boxes_in_pixels_of_the_full_frame(find, paint, face_box, width: int, height: int) -> None:
    face = choose(find(paint([(15, 3)] * 9, width=width, height=height)))
    assert (overlap(face.box, face_box + np.array([15, 3, 15, 3])) > 0.8).all()


@pytest.mark.parametrize(("width", "height"), [(8, 8), (19, 300), (1, 40)])
def test_frames_too_small_for_a_face_have_none(find, paint, width: int, height: int) -> None:
    assert len(find(paint([None] * 9, width=width, height=height))) == 0


def test_a_small_face_in_a_large_frame_is_found_by_a_closer_look(find, paint, face_box) -> None:
    clip = paint([(600, 200)] * 9, width=1280, height=400, scale=0.8)  # narrower than 20 pixels at a side of 320
    face = choose(find(clip))
    assert face.frame.tolist() == list(range(9))
    assert (overlap(face.box, face_box * 0.8 + [600, 200, 600, 200]) > 0.7).all()


def test_chunks_do_not_matter_and_a_second_run_is_bit_equal(tracker: FaceTracker, paint) -> None:
    clip = paint(straight((10, 10), (220, 50), 150), [None] * 40 + straight((230, 10), (240, 30), 110))
    results = [tracker.track(clip.shrunk(tracker.shrink, size)) for size in (64, 7, 64)]
    for other in results[1:]:
        np.testing.assert_array_equal(results[0].to_values()[0], other.to_values()[0])
        np.testing.assert_array_equal(results[0].times_s, other.times_s)


def test_no_frames_at_all_give_an_empty_geometry(tracker: FaceTracker) -> None:
    assert tracker.track([]).n_frames == 0


def test_a_frame_on_which_the_detector_fails_costs_only_its_own_faces(paint, monkeypatch) -> None:
    tracker = FaceTracker(measure=False)
    clip = paint([(100, 30)] * 33)
    shrunk = list(clip.shrunk(tracker.shrink))
    spoiled = shrunk[0].small[16].copy()
    detect = tracker._detector.mtcnn.detect

    def failing(frames, landmarks):
        if any(np.array_equal(frame, marked) for frame in frames):
            raise IndexError("The shape of the mask [3] at index 0 does not match the shape of the indexed tensor [2]")
        return detect(frames, landmarks=landmarks)

    marked = spoiled.copy()
    marked[0, 0] = 255
    shrunk[0].small[16] = marked
    monkeypatch.setattr(tracker._detector.mtcnn, "detect", failing)
    assert tracker.track(shrunk).frame.tolist() == [i for i in range(33) if i != 16]


def test_other_errors_of_the_detector_are_not_hidden(tracker: FaceTracker, paint, monkeypatch) -> None:
    def failing(frames, landmarks):
        raise RuntimeError("CUDA out of memory")

    monkeypatch.setattr(tracker._detector.mtcnn, "detect", failing)
    with pytest.raises(RuntimeError, match="out of memory"):
        tracker.track(paint([(100, 30)] * 3).shrunk(tracker.shrink))


def test_the_settings_that_change_numbers_are_in_the_fingerprint(tracker: FaceTracker) -> None:
    assert tracker.spec().level == "geometry"
    assert tracker.spec().dim == 17
    assert FaceTracker().spec().fingerprint == tracker.spec().fingerprint
    others = [FaceTracker(stride=4), FaceTracker(side=240), FaceTracker(measure=False), FaceTracker(closer_side=480)]
    assert len({t.spec().fingerprint for t in [tracker, *others]}) == 5


def test_shrinking_keeps_small_frames_and_brings_the_long_side_down(paint) -> None:
    clip = paint([None] * 2, width=200, height=500)
    chunk = next(clip.chunks())
    assert Shrinker(320)(chunk).small.shape == (2, 320, 128, 3)
    np.testing.assert_array_equal(Shrinker(600)(chunk).small, clip.frames)


def test_the_space_of_geometries_is_known_without_torch(tracker: FaceTracker) -> None:
    code = "import sys; from feature_extractors.facetrack import TrackerSettings as s; print(s().spec().fingerprint)"
    code += "; sys.exit('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == tracker.spec().fingerprint


def test_what_runs_beside_the_decoder_does_not_import_torch() -> None:
    code = "import sys, feature_extractors.facetrack as f; f.Shrinker, f.cutter; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
