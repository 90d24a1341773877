"""Models in the layout of published folders go through the engine; their batches change no number."""

import wave

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


@pytest.mark.parametrize("kind", ["emotion2vec", "whisper"])
def test_trap_15_sound_of_any_rate_and_channels_is_resampled_and_mixed(tmp_path, new_store, tiny_options, kind):
    """The reference demands 16 kHz and breaks on stereo."""
    tone = 0.3 * np.sin(2 * np.pi * 300 * np.arange(48_000) / 48_000)
    for name, rate, channels in (("stereo", 48_000, 2), ("mono", 16_000, 1)):
        with wave.open(str(tmp_path / f"{name}.wav"), "wb") as file:
            file.setnchannels(channels)
            file.setsampwidth(2)
            file.setframerate(rate)
            samples = (tone[:: 48_000 // rate] * 32767).astype("<i2")
            file.writeframes(np.repeat(samples, channels).tobytes())
    clips = tuple(Clip(name, "train", None, tmp_path / f"{name}.wav", {}) for name in ("stereo", "mono"))
    corpus, store = Corpus("rates", tmp_path, clips, tmp_path, (Split("train"),)), new_store("s")
    weights = tiny_options(f"audio/{kind}")["weights"]
    extract(corpus, [f"audio/{kind}:weights={weights}"], store, level="frame", device="cpu", quiet=True)
    (space,) = store.spaces()
    stereo, mono = (store.read(space, clip.name).values for clip in clips)
    assert len(stereo) == len(mono) == {"emotion2vec": 49, "whisper": 50}[kind]
    inner = slice(3, -3)  # the filter of the resampler rings at the ends
    assert np.linalg.norm((stereo - mono)[inner]) < 0.05 * np.linalg.norm(mono[inner])
