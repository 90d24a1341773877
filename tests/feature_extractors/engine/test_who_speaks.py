"""Speaker and listener through the engine: two real faces side by side, the sound of one of them."""

import shutil

import av
import numpy as np
import pytest

from feature_extractors import extract
from mertools.corpus import Clip, Corpus, Split
from mertools.media import read_frames

QUIET = {"quiet": True, "device": "cpu", "flush_s": 0.0}


@pytest.mark.slow
def test_speaker_and_listener_of_a_clip_and_of_one_without_sound(real_data, tmp_path, store, fakes):
    clips = real_data / "clips"
    frames = np.concatenate([read_frames(clips / f"grid_{n}.mpg").pixels for n in ("lbbc2a", "lrwp9a")], axis=2)
    with av.open(str(tmp_path / "two.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.height, stream.width, stream.pix_fmt = *frames.shape[1:3], "yuv420p"
        for pixels in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode())
    shutil.copy(clips / "grid_lbbc2a.mpg", tmp_path / "sound.mpg")
    made = (
        Clip("two", "train", tmp_path / "two.mp4", tmp_path / "sound.mpg"),
        Clip("mute", "train", tmp_path / "two.mp4"),
        Clip("one", "train", tmp_path / "sound.mpg"),
    )
    corpus = Corpus("talk", tmp_path, made, tmp_path, (Split("train"),))
    names = [f"face/plain:who={who}" for who in ("speaker", "listener", "largest", "second")]
    spaces = extract(corpus, names, store, level="frame", **QUIET).spaces
    status = {space.fingerprint: store.status(space.fingerprint) for space in spaces}
    speaker, listener, largest, second = (status[space.fingerprint] for space in spaces)
    assert [speaker[c][0] for c in ("two", "mute", "one")] == ["ok", "ambiguous_speaker", "ok"]
    assert [listener[c][0] for c in ("two", "mute", "one")] == ["ok", "ambiguous_speaker", "no_face"]
    assert {row[0] for row in largest.values()} == {"ok"}
    assert [second[c][0] for c in ("two", "mute", "one")] == ["ok", "ok", "no_face"]
    assert "no audio stream" in speaker["mute"][1]
    rows = [store.read(space.fingerprint, "two").values for space in spaces]
    assert not np.array_equal(rows[0], rows[1])


def test_every_face_is_a_space_for_each(real_data, tmp_path, store, fakes):
    clip = Clip("one", "train", real_data / "clips" / "grid_lbbc2a.mpg")
    corpus = Corpus("talk", tmp_path, (clip,), tmp_path, (Split("train"),))
    spaces = extract(corpus, ["face/plain:who=all"], store, **QUIET).spaces
    found = [store.status(space.fingerprint)["one"] for space in spaces]
    assert [status for status, _ in found] == ["ok", "no_face", "no_face"]
    assert "none is 'second'" in found[1][1]
    assert [store.space(space.fingerprint).spec.settings["who"] for space in spaces] == ["largest", "second", "third"]
