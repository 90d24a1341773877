"""Faces from video: one decode, geometry kept and used again, statuses of what cannot be tracked."""

import av
import numpy as np
import pytest

from feature_extractors import extract
from feature_extractors.facetrack import Geometry
from mertools.corpus import Clip, Corpus, Split

QUIET = {"quiet": True, "device": "cpu", "flush_s": 0.0}


def write_video(path, frames, sound=None):
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "yuv420p"
        voice = container.add_stream("aac", rate=16_000, layout="mono") if sound is not None else None
        for pixels in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode())
        if voice is not None:
            frame = av.AudioFrame.from_ndarray(sound[None].astype(np.float32), format="fltp", layout="mono")
            frame.sample_rate = 16_000
            container.mux(voice.encode(frame))
            container.mux(voice.encode())
    return path


@pytest.fixture(scope="module")
def media(tmp_path_factory):
    """A face with sound, a face without, no face, a sound alone, a broken file."""
    from skimage.data import astronaut

    folder = tmp_path_factory.mktemp("faces")
    face = astronaut()[:256, 96:352]
    moving = np.stack([np.roll(face, 2 * i, axis=1) for i in range(10)])
    noise = np.random.default_rng(0).uniform(-0.3, 0.3, 16_000)
    write_video(folder / "speaking.mp4", moving, noise)
    write_video(folder / "mute.mp4", moving[:6])
    write_video(folder / "empty.mp4", np.full((6, 128, 128, 3), 90, np.uint8), noise)
    (folder / "broken.mp4").write_bytes((folder / "mute.mp4").read_bytes()[:300])
    return folder


@pytest.fixture
def videos(media, fakes):
    """A corpus of these and of clips that lack something."""
    sound = fakes.write_wav(media / "voice.wav", 0.5)
    clips = [Clip(n, "train", media / f"{n}.mp4") for n in ("speaking", "mute", "empty", "broken", "gone")]
    clips += [Clip("voice", "train", None, sound), Clip("nothing", "train")]
    clips += [Clip("no_picture", "train", sound)]
    return Corpus("videos", media, tuple(clips), media, (Split("train"),))


@pytest.fixture
def work(monkeypatch):
    """What decoder sessions are asked to do: one entry per pass over a clip's frames."""
    from mertools.media import Session

    done = []
    original = Session.map_frames

    def map_frames(self, function, *, fps=None):
        done.append((self.source.video.stem, type(function).__name__))
        return original(self, function, fps=fps)

    monkeypatch.setattr(Session, "map_frames", map_frames)
    return done


def statuses(store, space):
    return {clip: status for clip, (status, _) in store.status(space).items()}


def test_clips_that_lack_something_say_what(videos, store, fakes):
    summary = extract(videos, ["face/plain", "audio/batchy"], store, **QUIET)
    assert statuses(store, "face/plain") == {
        "speaking": "ok",
        "mute": "ok",
        "empty": "no_face",
        "broken": "decode_error",
        "gone": "missing",
        "voice": "no_video_stream",
        "nothing": "no_video_stream",
        "no_picture": "no_video_stream",
    }
    assert statuses(store, "audio/batchy") == {
        "speaking": "ok",
        "mute": "no_audio_stream",
        "empty": "ok",
        "broken": "decode_error",
        "gone": "missing",
        "voice": "ok",
        "nothing": "no_audio_stream",
        "no_picture": "ok",
    }
    assert not summary.fine
    assert extract(videos, ["face/plain", "audio/batchy"], store, **QUIET).rows == 0


def test_geometry_is_kept_and_no_extractor_detects_again(videos, store, fakes, work):
    extract(videos, ["face/plain"], store, level="frame", **QUIET)
    assert [step for step in work if step[0] == "speaking"] == [("speaking", "Shrinker"), ("speaking", "CutAll")]
    geometry = Geometry.from_values(*store.read("face/track", "speaking"))
    assert (geometry.n_frames, len(geometry)) == (10, 10)
    work.clear()
    extract(videos, ["face/plain:crop=square-union-224", "face/batchy"], store, level="frame", **QUIET)
    assert sorted(work) == [("mute", "CutAll"), ("speaking", "CutAll")]
    assert len(store.read("face/batchy", "speaking").values) == 10


def test_a_face_too_small_for_the_first_look_is_found_by_the_second(tmp_path, store, fakes, work):
    from skimage.data import astronaut
    from skimage.transform import resize

    frames = np.full((3, 720, 1280, 3), 90, np.uint8)
    frames[:, 300:370, 600:670] = np.uint8(255 * resize(astronaut()[20:276, 96:352], (70, 70), anti_aliasing=True))
    far = Clip("far", "train", write_video(tmp_path / "far.mp4", frames))
    corpus = Corpus("far", tmp_path, (far,), tmp_path, (Split("train"),))
    extract(corpus, ["face/plain"], store, **QUIET)
    assert work == [("far", "Shrinker"), ("far", "Shrinker"), ("far", "CutAll")]
    assert statuses(store, "face/plain") == {"far": "ok"}


def test_extractors_side_by_side_share_one_pass_and_change_nothing(videos, store, new_store, fakes, work):
    names = ["face/plain", "face/plain:crop=aligned-256", "face/plain:crop=square-union-224"]
    extract(videos, names, store, **QUIET)
    assert len([step for step in work if step[0] == "speaking"]) == 2
    for i, name in enumerate(names):
        alone = new_store(f"alone{i}")
        (space,) = extract(videos, [name], alone, **QUIET).spaces
        for clip in ("speaking", "mute"):
            np.testing.assert_array_equal(
                alone.read(space.fingerprint, clip).values, store.read(space.fingerprint, clip).values
            )


def test_fewer_frames_per_second_give_fewer_rows(videos, store, fakes):
    (space,) = extract(videos, ["face/plain:fps=5"], store, level="frame", **QUIET).spaces
    rows = store.read(space.fingerprint, "speaking")
    np.testing.assert_allclose(rows.times_s, [0, 0.2, 0.4, 0.6, 0.8])


def test_retrying_ok_tracks_the_face_again(videos, store, fakes, work):
    extract(videos, ["face/plain"], store, **QUIET)
    work.clear()
    extract(videos, ["face/plain"], store, retry=["ok"], **QUIET)
    assert ("speaking", "Shrinker") in work


def test_a_decoder_that_dies_costs_one_clip(videos, store, fakes, monkeypatch):
    """The process of one clip is killed as soon as it has been asked for frames."""
    from mertools.media import Session

    original = Session.map_frames

    def map_frames(self, function, *, fps=None):
        found = original(self, function, fps=fps)
        if self.source.video.stem == "mute":
            first = next(found)
            self._worker._process.kill()
            yield first
        yield from found

    monkeypatch.setattr(Session, "map_frames", map_frames)
    extract(videos, ["face/plain"], store, **QUIET)
    assert statuses(store, "face/plain")["mute"] == "crash"
    assert statuses(store, "face/plain")["speaking"] == "ok"


def test_a_frame_that_the_tracker_cannot_digest_costs_one_clip(videos, store, fakes, monkeypatch):
    from feature_extractors.facetrack.tracker import FaceTracker

    original = FaceTracker.track

    def track(self, chunks):
        if len(next(iter(chunks)).index) == 6:
            raise IndexError("unforeseen")
        return original(self, chunks)

    monkeypatch.setattr(FaceTracker, "track", track)
    extract(videos, ["face/plain"], store, **QUIET)
    status, reason = store.status("face/plain")["mute"]
    assert status == "crash"
    assert "IndexError: unforeseen" in reason


def test_a_worker_without_the_store_uses_the_face_tracks_that_it_is_sent(videos, store, new_store):
    from feature_extractors.engine.cluster import _geometry, _Keeper
    from feature_extractors.engine.cluster_worker import Actor, Job
    from feature_extractors.engine.ledger import make_ledger
    from feature_extractors.engine.options import ExtractionOptions
    from feature_extractors.engine.running import worker_setup

    names = ["face/hog:crop=square-union-224"]
    extract(videos, ["face/hog"], store, **QUIET)  # makes the tracks
    expected = new_store("expected")
    extract(videos, names, expected, **QUIET)
    options = ExtractionOptions(**QUIET)
    ledger = make_ledger(videos, names, store, options)
    setup = worker_setup(ledger, options)
    delivery = Actor(setup, "")._deliver(Job(ledger.tasks, _geometry(setup, ledger.tasks, store)))
    assert delivery.error is None
    spaces = [space for space, _ in delivery.shards]
    assert spaces == [ledger.asked[0].spec.fingerprint]  # no track was made again
    with _Keeper(setup, store, ledger.tasks) as keeper:
        list(keeper.take(delivery))
    (space,) = spaces
    assert store.status(space) == expected.status(space)
    for clip, embedding in expected.read_all(space).items():
        np.testing.assert_array_equal(store.read(space, clip).values, embedding.values)
