"""Real clips through the decoder's processes; what is where was checked by eye and frame by frame with MTCNN."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from feature_extractors.facetrack import FaceTracker, Geometry, choose, cutter
from mertools.media import DecoderPool, MediaSource, read_frames


@pytest.fixture(scope="module")
def pool() -> Iterator[DecoderPool]:
    with DecoderPool(n_workers=1) as pool:
        yield pool


def track(pool: DecoderPool, tracker: FaceTracker, clip: Path) -> Geometry:
    with pool.session(MediaSource(video=clip)) as session:
        return tracker.find(session.map_frames)


@pytest.mark.slow
def test_a_clip_without_a_face_has_none(real_data: Path, pool: DecoderPool, tracker: FaceTracker) -> None:
    geometry = track(pool, tracker, real_data / "clips" / "pyfeat_no_face.mp4")
    assert len(geometry) == 0
    assert geometry.n_frames == 95


@pytest.mark.parametrize(("name", "there"), [("face_noface", range(72)), ("noface_face", range(96, 168))])
def test_a_face_is_shown_only_where_it_is(
    real_data: Path, pool: DecoderPool, tracker: FaceTracker, name: str, there: range
) -> None:
    face = choose(track(pool, tracker, real_data / "clips" / f"pyfeat_{name}.mov"))
    assert face.frame.tolist() == list(there)


def test_crops_come_from_the_decoders_process_in_rgb(real_data: Path, pool: DecoderPool, tracker: FaceTracker) -> None:
    clip = real_data / "clips" / "grid_swiz3n.mpg"
    with pool.session(MediaSource(video=clip)) as session:
        geometry = tracker.find(session.map_frames)
        face = choose(geometry)
        chunks = list(session.map_frames(cutter("aligned-112", face, geometry)))
        thin = list(session.map_frames(cutter("aligned-112", face, geometry), fps=5.0))
    pixels = np.concatenate([chunk.pixels for chunk in chunks])
    assert pixels.shape == (75, 112, 112, 3)
    np.testing.assert_array_equal(np.concatenate([chunk.times_s for chunk in chunks]), geometry.times_s)
    red, _, blue = pixels[:, 40:70, 40:70].mean(axis=(0, 1, 2))
    assert red > blue + 20  # skin
    assert 14 <= sum(len(chunk.pixels) for chunk in thin) <= 16
    np.testing.assert_array_equal(thin[0].pixels[0], pixels[0])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("left", "right"), [("bbaf2n", "brbk7n"), ("lbax4n", "lrwp9a"), ("swiz3n", "pwij3p"), ("sbia1a", "sbwe5n")]
)
def test_two_speakers_side_by_side_keep_their_identities(
    real_data: Path, tracker: FaceTracker, chunk_of, left: str, right: str
) -> None:
    sides = [read_frames(real_data / "clips" / f"grid_{name}.mpg").pixels for name in (left, right)]
    frames = np.concatenate(sides, axis=2)
    geometry = tracker.find(lambda shrink: [shrink(chunk_of(frames))])
    assert geometry.tracks == [0, 1]
    middles = [geometry.face(t).box[:, [0, 2]].mean(axis=1) for t in (0, 1)]
    assert all(len(middle) == 75 and ((middle < 360).all() or (middle > 360).all()) for middle in middles)
    assert (middles[0][0] < 360) != (middles[1][0] < 360)
