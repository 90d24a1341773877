"""Extractors that see some frames of a clip get only those cut, with the rows that all crops would give."""

import av
import numpy as np
import pytest

from feature_extractors import EXTRACTORS, extract
from feature_extractors.base import FaceConfig, Rows
from feature_extractors.sampling import Uniform
from mertools.corpus import Clip, Corpus, Split

N_FRAMES = 40
QUIET = {"quiet": True, "device": "cpu", "level": "frame", "decoders": 1}


@pytest.fixture
def seen(fakes):
    """Registers ``face/sampling``, which sees four frames; what its `embed` was given, as (crops, sampled from)."""
    given = []

    class Sampling(fakes._Fake):
        modality = "face"
        Config = FaceConfig
        chunk_rows = None
        batch_cost = 100.0

        def sampler(self, level):
            return Uniform(4)

        def embed(self, batch, level):
            given.extend((len(crops), crops.sampled_from) for crops in batch)
            return [self.rows_of(crops) for crops in batch]

        def rows_of(self, crops):
            places = crops.places(self.sampler("frame"))
            pixels = crops.pixels[places].reshape(4, -1).astype(np.float32)
            values = np.stack([pixels.mean(1), pixels.std(1), pixels[:, 99], pixels[:, -99]], axis=1)
            return Rows(values, crops.times_s[places])

    EXTRACTORS.add("face/sampling", Sampling)
    return given


@pytest.fixture
def video(tmp_path):
    """One clip of a face that moves, ten frames per second."""
    from skimage.data import astronaut

    face = astronaut()[:256, 96:352]
    with av.open(str(tmp_path / "clip.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.height = stream.width = 256
        stream.pix_fmt = "yuv420p"
        for i in range(N_FRAMES):
            pixels = np.ascontiguousarray(np.roll(face, i // 4, axis=1))
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode())
    return Corpus("one", tmp_path, (Clip("clip", "train", tmp_path / "clip.mp4"),), tmp_path, (Split("train"),))


def rows(corpus, name, store):
    (space,) = extract(corpus, [name], store, **QUIET).spaces
    return store.read(space.fingerprint, "clip")


def test_only_crops_that_are_seen_are_cut_from_a_video(video, store, seen):
    found = rows(video, "face/sampling", store)
    assert seen == [(4, N_FRAMES)]
    np.testing.assert_allclose(found.times_s, [0, 1, 2, 3])


def test_crops_are_those_that_all_frames_would_give(video, store, new_store, seen, monkeypatch):
    few = rows(video, "face/sampling", store)
    monkeypatch.setattr("feature_extractors.facetrack.Geometry.distinct", False)  # as where times are not reliable
    whole = rows(video, "face/sampling", new_store("whole"))
    assert seen == [(4, N_FRAMES), (N_FRAMES, None)]
    np.testing.assert_array_equal(few.values, whole.values)
    np.testing.assert_array_equal(few.times_s, whole.times_s)


def test_a_thinned_clip_is_sampled_from_the_frames_that_are_left(video, store, seen):
    found = rows(video, "face/sampling:fps=2", store)
    assert seen == [(8, None)]
    np.testing.assert_allclose(found.times_s, [0, 1, 2, 3])


def test_side_by_side_with_an_extractor_that_sees_all(video, store, new_store, seen):
    extract(video, ["face/sampling", "face/plain"], store, **QUIET)
    assert seen == [(4, N_FRAMES)]
    assert len(store.read("face/plain", "clip").values) == N_FRAMES
    alone = rows(video, "face/sampling", new_store("alone"))
    np.testing.assert_array_equal(store.read("face/sampling", "clip").values, alone.values)


@pytest.mark.parametrize("n_frames", [2, 30])
def test_of_shipped_crops_only_those_are_passed_on(tmp_path, store, fakes, seen, n_frames):
    fakes.write_crops(tmp_path / "faces", "clip", n_frames, seed=0)
    corpus = Corpus("shipped", tmp_path, (Clip("clip", "train"),), tmp_path, (Split("train"),))
    found = rows(corpus, f"face/sampling:crop=openface-folder:folder={tmp_path / 'faces'}", store)
    assert seen == [(min(4, n_frames), n_frames)]
    pixels = np.load(tmp_path / "faces" / "clip" / "clip.npy").reshape(n_frames, -1)
    expected = pixels[[0, 1, 1, 1] if n_frames == 2 else [0, 7, 15, 22]].mean(1)
    np.testing.assert_allclose(found.values[:, 0], expected, rtol=1e-5)
