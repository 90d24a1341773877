"""Crops cut from known geometry."""

import pickle

import numpy as np
import pytest

from feature_extractors.facetrack import CROP_POLICIES, FaceTrack, Geometry, cutter
from feature_extractors.facetrack.crops import ARCFACE_112, cut, similarity, smooth
from mertools.errors import ExtractionError, UnknownNameError

CUTTING = [name for name in CROP_POLICIES.names() if not CROP_POLICIES.get(name).shipped]
ALIGNED = {"aligned-112": 112, "aligned-256": 256}


def transform(points: np.ndarray, scale: float, angle: float, shift: tuple[float, float]) -> np.ndarray:
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return points @ turn.T * scale + shift


def track_of(landmarks: np.ndarray, frames: list[int] | None = None, box: np.ndarray | None = None) -> FaceTrack:
    n = len(landmarks)
    frame = np.array(frames if frames is not None else range(n), np.int64)
    if box is None:
        box = np.concatenate([landmarks.min(axis=1) - 20, landmarks.max(axis=1) + 20], axis=1)
    return FaceTrack(frame, frame / 25, box.astype(np.float32), landmarks.astype(np.float32), np.ones(n, np.float32))


def geometry_of(track: FaceTrack, n_frames: int, width: int = 320, height: int = 240) -> Geometry:
    return Geometry.of_tracks([track], np.arange(n_frames) / 25, width, height)


def dotted(landmarks: np.ndarray, width: int = 320, height: int = 240, radius: float = 4.0) -> np.ndarray:
    """Frames with a soft bright dot at each landmark, the k-th in colour k."""
    y, x = np.mgrid[:height, :width]
    frames = np.zeros((len(landmarks), height, width, 3), np.float64)
    for frame, points in zip(frames, landmarks, strict=True):
        for k, (px, py) in enumerate(points):
            frame[..., k % 3] += 250 * np.exp(-((x - px) ** 2 + (y - py) ** 2) / (2 * radius**2))
    return np.clip(frames, 0, 255).astype(np.uint8)


def centre_near(crop: np.ndarray, place: np.ndarray, reach: int) -> np.ndarray:
    """Centre of brightness around a place."""
    x, y = np.round(place).astype(int)
    part = crop[y - reach : y + reach + 1, x - reach : x + reach + 1].astype(np.float64)
    rows, columns = np.mgrid[y - reach : y + reach + 1, x - reach : x + reach + 1]
    return np.array([(part * columns).sum(), (part * rows).sum()]) / part.sum()


@pytest.mark.parametrize("policy", ALIGNED)
@pytest.mark.parametrize(("scale", "angle"), [(1.0, 0.0), (1.4, 0.5), (0.8, -0.7), (2.6, 0.2)])
def test_landmarks_land_on_the_template(chunk_of, policy: str, scale: float, angle: float) -> None:
    landmarks = transform(ARCFACE_112 - 56, scale, angle, (160.0, 120.0))[None]
    frames = dotted(landmarks, radius=3 * scale)
    track = track_of(landmarks)
    crop = cutter(policy, track, geometry_of(track, 1))(chunk_of(frames)).pixels[0]
    size = ALIGNED[policy]
    assert crop.shape == (size, size, 3)
    for k, place in enumerate((ARCFACE_112 + 0.5) * size / 112 - 0.5):
        channel = crop[..., k % 3]
        np.testing.assert_allclose(centre_near(channel, place, 6 * size // 112), place, atol=0.5)


def test_the_similarity_equals_a_search_over_its_parameters() -> None:
    from scipy.optimize import least_squares

    source = transform(ARCFACE_112, 1.7, 0.3, (40, 20)) + np.random.default_rng(0).normal(0, 4, (5, 2))
    matrix = similarity(source[None], ARCFACE_112)[0]

    def residual(p: np.ndarray) -> np.ndarray:
        return (source @ np.array([[p[0], -p[1]], [p[1], p[0]]]).T + p[2:] - ARCFACE_112).ravel()

    a, b, x, y = least_squares(residual, [1, 0, 0, 0]).x
    np.testing.assert_allclose(matrix, [[a, -b, x], [b, a, y]], atol=1e-5)


@pytest.mark.parametrize("policy", CUTTING)
def test_cutting_in_chunks_equals_cutting_the_whole(chunk_of, policy: str) -> None:
    random = np.random.default_rng(1)
    frames = random.integers(0, 255, (12, 240, 320, 3), np.uint8)
    shifts = random.uniform(100, 200, (9, 1, 2))
    track = track_of(ARCFACE_112 + shifts - 56, [0, 1, 2, 3, 6, 7, 8, 9, 10])
    cut_chunk = pickle.loads(pickle.dumps(cutter(policy, track, geometry_of(track, 12))))
    whole = cut_chunk(chunk_of(frames))
    parts = [cut_chunk(chunk_of(frames, start, start + 5)) for start in (0, 5, 10)]
    for column in range(3):
        np.testing.assert_array_equal(whole[column], np.concatenate([part[column] for part in parts]))
    assert whole.index.tolist() == track.frame.tolist()
    np.testing.assert_array_equal(whole.times_s, track.times_s)


def test_frames_thinned_to_another_rate_meet_the_geometry_of_the_native_ones(chunk_of) -> None:
    landmarks = ARCFACE_112[None] + np.arange(10)[:, None, None] * 8
    track = track_of(landmarks)
    frames = dotted(landmarks)
    native = cutter("aligned-112", track, geometry_of(track, 10))(chunk_of(frames)).pixels
    thin = chunk_of(frames[::3])
    thin = type(thin)(thin.pixels, np.arange(10)[::3] / 25, thin.index)
    np.testing.assert_array_equal(cutter("aligned-112", track, geometry_of(track, 10))(thin).pixels, native[::3])


@pytest.mark.parametrize("policy", ["aligned-112", "square-union-224"])
def test_cutting_some_crops_alone_changes_none_of_them(policy: str, chunk_of) -> None:
    random = np.random.default_rng(2)
    frames = random.integers(0, 255, (12, 240, 320, 3), np.uint8)
    track = track_of(ARCFACE_112 + random.uniform(100, 200, (9, 1, 2)) - 56, [0, 1, 2, 3, 6, 7, 8, 9, 10])
    whole = cutter(policy, track, geometry_of(track, 12))(chunk_of(frames))
    only = np.array([1, 4, 8])
    some = cutter(policy, track, geometry_of(track, 12), only)(chunk_of(frames))
    for column in range(3):
        np.testing.assert_array_equal(some[column], whole[column][only])
    assert some.index.tolist() == [1, 6, 10]


def test_the_union_square_is_constant_and_holds_every_box(chunk_of) -> None:
    frames = np.zeros((2, 240, 320, 3), np.uint8)
    boxes = np.array([[60, 50, 120, 130], [100, 70, 170, 140]], np.float32)
    for frame, (x1, y1, x2, y2) in zip(frames, boxes.astype(int), strict=True):
        frame[y1:y2, x1:x2] = 200
    track = track_of(np.zeros((2, 5, 2)), box=boxes)
    crops = cutter("square-union-224", track, geometry_of(track, 2))(chunk_of(frames)).pixels
    union_side, scale = 110, 224 / (110 * 1.2)
    for crop, (x1, y1, x2, y2) in zip(crops, boxes, strict=True):
        rows, columns = np.nonzero(crop[..., 0] > 100)
        corner = np.array([(60 + 170) / 2, (50 + 140) / 2]) - union_side * 1.2 / 2
        expected = (np.array([x1, y1, x2, y2]) - np.tile(corner, 2)) * scale
        found = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
        np.testing.assert_allclose(found, expected, atol=1.0)


@pytest.mark.parametrize("policy", CUTTING)
def test_beyond_the_frame_crops_are_black(chunk_of, policy: str) -> None:
    landmarks = (ARCFACE_112 - (60, 50))[None]  # left and upper part outside
    track = track_of(landmarks)
    crop = cutter(policy, track, geometry_of(track, 1))(chunk_of(np.full((1, 240, 320, 3), 200, np.uint8))).pixels[0]
    assert (crop[0] == 0).all()
    assert (crop[:, 0] == 0).all()
    assert (crop[-1, -1] == 200).all()


@pytest.mark.parametrize("policy", CUTTING)
def test_a_face_wholly_outside_the_frame_gives_a_black_crop(chunk_of, policy: str) -> None:
    track = track_of((ARCFACE_112 * 6 + 4000)[None])
    crop = cutter(policy, track, geometry_of(track, 1))(chunk_of(np.full((1, 240, 320, 3), 200, np.uint8))).pixels[0]
    assert (crop == 0).all()


def test_a_large_face_is_brought_down_without_aliasing() -> None:
    stripes = np.zeros((900, 900, 3), np.uint8)
    stripes[:, ::2] = 255
    matrix = np.array([[0.124, 0, 0.0], [0, 0.124, 0.0]])
    inner = cut(stripes, matrix, 112)[4:-4, 4:-4]
    assert np.abs(inner.astype(int) - 127).max() <= 3


def test_bringing_down_first_keeps_the_place() -> None:
    landmarks = transform(ARCFACE_112 - 56, 6.3, 0.4, (500.0, 450.0))[None]
    frame = dotted(landmarks, 1000, 900, radius=19)[0]
    crop = cut(frame, similarity(landmarks, ARCFACE_112)[0], 112)
    for k, place in enumerate(ARCFACE_112):
        np.testing.assert_allclose(centre_near(crop[..., k % 3], place, 6), place, atol=0.3)


def test_smoothing_leaves_steady_motion_and_gaps_alone_and_halves_jitter() -> None:
    frame = np.array([0, 1, 2, 3, 7, 8, 9])
    steady = ARCFACE_112[None] + frame[:, None, None] * 2.0
    np.testing.assert_allclose(smooth(steady, frame), steady)
    jitter = np.random.default_rng(0).normal(0, 1, (400, 5, 2))
    assert smooth(jitter, np.arange(400)).std() < 0.65 * jitter.std()
    np.testing.assert_array_equal(smooth(jitter[:7], frame)[[0, 3, 4, 6]], jitter[[0, 3, 4, 6]])


def test_colours_stay_in_their_channels(chunk_of) -> None:
    frame = np.zeros((1, 240, 320, 3), np.uint8)
    frame[..., 0], frame[..., 2] = 200, 50
    track = track_of(ARCFACE_112[None] + 80)
    crop = cutter("aligned-112", track, geometry_of(track, 1))(chunk_of(frame)).pixels[0]
    assert crop[56, 56].tolist() == [200, 0, 50]


def test_landmarks_that_coincide_give_a_black_crop(chunk_of) -> None:
    track = track_of(np.full((1, 5, 2), 50.0))
    crops = cutter("aligned-112", track, geometry_of(track, 1))(chunk_of(np.full((1, 240, 320, 3), 9, np.uint8)))
    assert crops.pixels.shape == (1, 112, 112, 3)
    assert (crops.pixels == 0).all()


def test_a_policy_that_reads_shipped_crops_cuts_none() -> None:
    track = track_of(ARCFACE_112[None])
    with pytest.raises(ExtractionError) as caught:
        cutter("openface-folder", track, geometry_of(track, 1))
    assert caught.value.code == "MER-E202"


def test_an_unknown_policy_names_the_nearest() -> None:
    track = track_of(ARCFACE_112[None])
    with pytest.raises(UnknownNameError, match="aligned-112"):
        cutter("aligned-12", track, geometry_of(track, 1))


def test_the_identity_changes_nothing() -> None:
    image = np.random.default_rng(0).integers(0, 255, (30, 30, 3), np.uint8)
    np.testing.assert_array_equal(cut(image, np.eye(2, 3), 30), image)
