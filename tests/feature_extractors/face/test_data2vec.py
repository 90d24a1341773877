"""Data2vec for images against the transformers model called directly."""

import numpy as np
import pytest

from feature_extractors import create_extractor
from feature_extractors.base import FaceCrops


@pytest.fixture(scope="module")
def crops():
    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, (20, 8, 8, 3), np.uint8).repeat(14, 1).repeat(14, 2)
    return FaceCrops(pixels, np.arange(20) / 25)


def reference(folder, frames):
    import torch
    from transformers import BeitImageProcessor, Data2VecVisionModel

    model, processor = Data2VecVisionModel.from_pretrained(folder).eval(), BeitImageProcessor.from_pretrained(folder)
    found = []
    for frame in frames:
        inputs = processor(images=frame, return_tensors="pt", input_data_format="channels_last")
        with torch.inference_mode():
            found.append(model(**inputs, output_hidden_states=True).hidden_states[-1][0].sum(0).numpy())
    return np.stack(found)


def rows(folder, crops):
    extractor = create_extractor("face/data2vec-vision", weights=str(folder))
    extractor.load("cpu", "fp32")
    return extractor.embed([crops], "frame")[0]


def test_every_frame_and_the_sum_over_tokens(tiny_model, crops):
    """Fact 7 of the specification."""
    expected = reference(tiny_model("data2vec-vision"), crops.pixels)
    found = rows(tiny_model("data2vec-vision"), crops)
    np.testing.assert_allclose(found.values, expected, rtol=0, atol=1e-5 * np.abs(expected).max())
    np.testing.assert_array_equal(found.times_s, crops.times_s)


def test_the_layer_before_a_final_norm_is_taken(tmp_path, crops):
    """Checkpoints of pre-training alone have that norm; published ones that were tuned have none."""
    from transformers import BeitImageProcessor, Data2VecVisionConfig, Data2VecVisionModel

    from feature_extractors.fakes import SIZES, roughen

    config = Data2VecVisionConfig(
        **SIZES, image_size=48, use_shared_relative_position_bias=True, use_mean_pooling=False
    )
    roughen(Data2VecVisionModel(config)).save_pretrained(tmp_path)
    BeitImageProcessor(size={"height": 48, "width": 48}, do_center_crop=False).save_pretrained(tmp_path)
    expected = reference(tmp_path, crops.pixels[:3])
    found = rows(tmp_path, crops.piece(0, 3))
    np.testing.assert_allclose(found.values, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


def test_a_classifier_in_the_checkpoint_is_passed_over(tiny_model, tmp_path, crops):
    import shutil

    import torch
    from safetensors.torch import load_file, save_file

    folder = shutil.copytree(tiny_model("data2vec-vision"), tmp_path / "tuned")
    state = {f"data2vec_vision.{k}": v for k, v in load_file(folder / "model.safetensors").items()}
    state |= {"classifier.weight": torch.zeros(10, 32), "classifier.bias": torch.zeros(10)}
    state |= {"data2vec_vision.pooler.layernorm.weight": torch.ones(32)}
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    np.testing.assert_array_equal(
        rows(folder, crops.piece(0, 2)).values, rows(tiny_model("data2vec-vision"), crops.piece(0, 2)).values
    )
