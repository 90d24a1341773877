"""VideoMAE against the transformers model and image processor called directly, one clip at a time."""

import numpy as np
import pytest

from feature_extractors import create_extractor
from feature_extractors.base import FaceCrops


def clip(n_frames, seed=0):
    random = np.random.default_rng(seed)
    pixels = random.integers(0, 256, (n_frames, 8, 8, 3), np.uint8).repeat(14, 1).repeat(14, 2)
    return FaceCrops(pixels, 0.5 + np.arange(n_frames) / 25)


def reference(folder, frames):
    """Sixteen frames to eight rows."""
    import torch
    from transformers import VideoMAEImageProcessor, VideoMAEModel

    model, processor = VideoMAEModel.from_pretrained(folder).eval(), VideoMAEImageProcessor.from_pretrained(folder)
    inputs = processor(list(frames), return_tensors="pt", input_data_format="channels_last")
    with torch.inference_mode():
        tokens = model(**inputs).last_hidden_state
    return tokens.reshape(8, -1, tokens.shape[-1]).mean(1).numpy()


def loaded(folder, **options):
    extractor = create_extractor("face/videomae", weights=str(folder), **options)
    extractor.load("cpu", "fp32")
    return extractor


@pytest.mark.parametrize("n_frames", [1, 7, 16, 49, 100])
def test_16_uniform_frames_give_8_rows(tiny_model, n_frames):
    crops = clip(n_frames)
    m = min(16, n_frames)
    places = [k * n_frames // m for k in range(m)]
    places += places[-1:] * (16 - m)
    expected = reference(tiny_model("videomae"), crops.pixels[places])
    rows = loaded(tiny_model("videomae")).embed([crops], "frame")[0]
    np.testing.assert_allclose(rows.values, expected, rtol=0, atol=1e-5 * max(1, np.abs(expected).max()))
    pairs = [(crops.times_s[a] + crops.times_s[b]) / 2 for a, b in zip(places[::2], places[1::2], strict=True)]
    np.testing.assert_allclose(rows.times_s, pairs, rtol=0, atol=1e-12)


@pytest.mark.parametrize("n_frames", [1, 30, 64, 65, 200])
def test_two_windows_give_16_rows(tiny_model, n_frames):
    crops = clip(n_frames)
    places = list(range(0, n_frames, 4))
    places += places[-1:] * (16 - len(places))
    windows = [places[:16], places[-16:]]
    expected = np.concatenate([reference(tiny_model("videomae"), crops.pixels[w]) for w in windows])
    extractor = loaded(tiny_model("videomae"), sampling="two-windows")
    rows = extractor.embed([crops], "frame")[0]
    assert extractor.fixed_rows == len(rows.values) == 16
    np.testing.assert_allclose(rows.values, expected, rtol=0, atol=1e-5 * max(1, np.abs(expected).max()))
    middle = np.concatenate([crops.times_s[w].reshape(8, 2).mean(1) for w in windows])
    np.testing.assert_allclose(rows.times_s, middle, rtol=0, atol=1e-12)


def test_the_sampling_is_in_the_fingerprint(tiny_model):
    folder = tiny_model("videomae")
    one, two = loaded(folder).settings(), loaded(folder, sampling="two-windows").settings()
    assert {key for key in one if one[key] != two[key]} == {"sampling"}


def test_the_decoder_of_pre_training_is_passed_over(tiny_model, tmp_path):
    """Published checkpoints hold the whole auto-encoder."""
    import shutil

    import torch
    from safetensors.torch import load_file, save_file

    folder = shutil.copytree(tiny_model("videomae"), tmp_path / "whole")
    state = {f"videomae.{k}": v for k, v in load_file(folder / "model.safetensors").items()}
    state |= {"mask_token": torch.zeros(1, 1, 16), "decoder.norm.weight": torch.ones(16)}
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    found, expected = (loaded(f).embed([clip(20)], "frame")[0].values for f in (folder, tiny_model("videomae")))
    np.testing.assert_array_equal(found, expected)


def test_a_tuned_model_without_a_final_norm_gives_its_last_layer(tmp_path):
    from transformers import VideoMAEConfig, VideoMAEImageProcessor, VideoMAEModel

    from feature_extractors.fakes import SIZES, roughen

    roughen(VideoMAEModel(VideoMAEConfig(**SIZES, image_size=32, use_mean_pooling=True))).save_pretrained(tmp_path)
    size = {"size": {"shortest_edge": 32}, "crop_size": {"height": 32, "width": 32}}
    VideoMAEImageProcessor(**size).save_pretrained(tmp_path)
    crops = clip(16)
    expected = reference(tmp_path, crops.pixels)
    np.testing.assert_allclose(
        loaded(tmp_path).embed([crops], "frame")[0].values, expected, rtol=0, atol=1e-5 * np.abs(expected).max()
    )


def test_published_checkpoints_name_biases_as_their_authors_did(tiny_model, tmp_path):
    """``q_bias`` and ``v_bias``, where newer libraries write ``query.bias`` and ``value.bias``."""
    import shutil

    from safetensors.torch import load_file, save_file

    folder = shutil.copytree(tiny_model("videomae"), tmp_path / "published")
    state = {}
    for name, value in load_file(folder / "model.safetensors").items():
        name = name.replace("query.bias", "q_bias").replace("value.bias", "v_bias")
        state[f"videomae.{name}"] = value
    assert any(name.endswith("attention.q_bias") for name in state)
    assert not any(name.endswith("query.bias") for name in state)
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    found, expected = (loaded(f).embed([clip(20)], "frame")[0].values for f in (folder, tiny_model("videomae")))
    np.testing.assert_array_equal(found, expected)
