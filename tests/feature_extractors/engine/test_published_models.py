"""Models in the layout of published folders go through the engine; their batches change no number."""

import numpy as np
import pytest

from feature_extractors import extract
from mertools.corpus import Clip, Corpus, Split


@pytest.mark.parametrize("level", ["frame", "utterance"])
@pytest.mark.parametrize("layer_norm", [False, True])
def test_a_batch_of_clips_equals_one_at_a_time(tmp_path, new_store, fakes, tiny_model, level, layer_norm):
    random = np.random.default_rng(0)
    clips = []
    for i in range(8):
        name = f"c{i}"
        sound = fakes.write_wav(tmp_path / f"{name}.wav", float(random.choice([0.4, 0.5])), seed=i)
        fakes.write_crops(tmp_path / "faces", name, int(random.integers(1, 60)), seed=i)
        clips.append(Clip(name, "train", None, sound, {"text": " ".join(["i", "am", "so", "happy"][: 1 + i % 4])}))
    corpus = Corpus("models", tmp_path, tuple(clips), tmp_path, (Split("train"),))
    names = [
        f"audio/hubert:weights={tiny_model('hubert', layer_norm=layer_norm)}",
        f"face/clip:weights={tiny_model('clip')}:crop=openface-folder:folder={tmp_path / 'faces'}",
        f"text/encoder:weights={tiny_model('bert')}",
    ]
    together, alone = new_store("together"), new_store("alone")
    options = {"level": level, "device": "cpu", "quiet": True}
    first = extract(corpus, names, together, **options)
    extract(corpus, names, alone, group_clips=1, **options)
    assert first.status == {"ok": 24}
    for space in together.spaces():
        for clip in corpus.clips:
            a, b = together.read(space, clip.name), alone.read(space.fingerprint, clip.name)
            assert a.values.shape == b.values.shape
            np.testing.assert_allclose(a.values, b.values, atol=1e-5 * max(1.0, np.abs(b.values).max()), rtol=0)
            np.testing.assert_array_equal(a.times_s, b.times_s)
