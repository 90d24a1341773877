"""CLIP against the transformers model and image processor called directly."""

import json
import shutil

import numpy as np
import pytest

from feature_extractors import create_extractor
from feature_extractors.base import FaceCrops
from feature_extractors.face.preprocessing import ImagePreprocessing
from mertools.errors import ExtractionError


@pytest.fixture(scope="module")
def frames():
    data = pytest.importorskip("skimage.data")
    face = data.astronaut()[:224, 120:344]
    return np.stack([face[i : i + 112, i : i + 112] for i in range(0, 100, 5)])


def crops(pixels):
    return FaceCrops(pixels, np.arange(len(pixels)) / 25)


def test_equals_the_projected_image_embedding_frame_by_frame(tiny_model, frames):
    import torch
    from transformers import CLIPImageProcessor, CLIPModel

    folder = tiny_model("clip")
    model, processor = CLIPModel.from_pretrained(folder).eval(), CLIPImageProcessor.from_pretrained(folder)
    expected = []
    for frame in frames:
        with torch.inference_mode():
            inputs = processor(images=frame, return_tensors="pt", input_data_format="channels_last")
            expected.append(model.get_image_features(**inputs).pooler_output[0].numpy())
    extractor = create_extractor("face/clip", weights=str(folder))
    extractor.load("cpu", "fp32")
    rows = extractor.embed([crops(frames)], "frame")[0]
    np.testing.assert_allclose(rows.values, np.stack(expected), atol=1e-5)
    np.testing.assert_array_equal(rows.times_s, np.arange(len(frames)) / 25)
    assert np.abs(np.linalg.norm(rows.values, axis=1) - 1).min() > 0.01  # not of unit length


def test_image_half_saved_alone_gives_the_same(tiny_model, frames, tmp_path):
    whole = create_extractor("face/clip", weights=str(tiny_model("clip")))
    whole.load("cpu", "fp32")
    whole.model.save_pretrained(tmp_path)
    shutil.copy(tiny_model("clip") / "preprocessor_config.json", tmp_path)
    half = create_extractor("face/clip", weights=str(tmp_path))
    half.load("cpu", "fp32")
    found, expected = (e.embed([crops(frames[:3])], "frame")[0].values for e in (half, whole))
    np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"size": {"shortest_edge": 256}},
        {"size": {"height": 160, "width": 200}, "resample": 2, "do_center_crop": False},
        {"do_resize": False, "crop_size": {"height": 90, "width": 80}},
        {"do_resize": False, "crop_size": {"height": 131, "width": 130}},
        {"do_normalize": False, "do_rescale": True},
        {"image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]},
    ],
)
@pytest.mark.parametrize("shape", [(112, 112), (256, 256), (100, 171), (301, 120)])
def test_preprocessing_equals_the_image_processor(options, shape):
    from transformers import CLIPImageProcessor

    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, (2, *(-(-s // 10) for s in shape), 3), dtype=np.uint8).repeat(10, 1).repeat(10, 2)
    pixels = np.ascontiguousarray(pixels[:, : shape[0], : shape[1]])
    processor = CLIPImageProcessor(**options)
    expected = processor(images=list(pixels), return_tensors="pt", input_data_format="channels_last")["pixel_values"]
    ours = ImagePreprocessing.read(json.loads(processor.to_json_string()), "here")
    found = ours.normalise(ours(pixels))
    assert found.shape == expected.shape
    np.testing.assert_allclose(found.numpy(), expected.numpy(), atol=1e-5)


def test_old_files_with_plain_sizes_are_read():
    config = {"size": 224, "crop_size": 224, "do_center_crop": True, "image_mean": [0, 0, 0], "image_std": [1, 1, 1]}
    read = ImagePreprocessing.read(config, "here")
    assert (read.size, read.crop, read.filter) == (224, (224, 224), "bicubic")


@pytest.mark.parametrize("broken", [{"size": None}, {"resample": 7}, {"crop_size": {"side": 3}}, {"image_mean": 0.5}])
def test_unknown_preprocessing_is_refused(broken):
    config = {"size": 224, "crop_size": 224, "do_center_crop": True, "image_mean": [0, 0, 0], "image_std": [1, 1, 1]}
    with pytest.raises(ExtractionError, match=r"MER-E118.*here"):
        ImagePreprocessing.read({**config, **broken}, "here")


def test_projection_width_is_the_dimension(tiny_model):
    extractor = create_extractor("face/clip", weights=str(tiny_model("clip")))
    assert extractor.dim == extractor.image_architecture.projection_dim == 24
