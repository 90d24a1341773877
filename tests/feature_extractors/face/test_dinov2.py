"""DINOv2 against the transformers model called directly, by the published rule."""

import json

import numpy as np
import pytest

from feature_extractors import create_extractor
from feature_extractors.base import FaceCrops
from mertools.errors import ExtractionError


def clip(n_frames, seed=0):
    random = np.random.default_rng(seed)
    pixels = random.integers(0, 256, (n_frames, 8, 8, 3), np.uint8).repeat(14, 1).repeat(14, 2)
    return FaceCrops(pixels, np.arange(n_frames) / 25)


def loaded(folder, **options):
    extractor = create_extractor("face/dinov2", weights=str(folder), **options)
    extractor.load("cpu", "fp32")
    return extractor


def reference(folder, frames):
    """What enters the final layer norm, summed over class token and patches, frame by frame."""
    import torch
    from transformers import BitImageProcessor, Dinov2Model

    model, processor = Dinov2Model.from_pretrained(folder).eval(), BitImageProcessor.from_pretrained(folder)
    before_norm = []
    model.layernorm.register_forward_pre_hook(lambda _, inputs: before_norm.append(inputs[0]))
    for frame in frames:
        with torch.inference_mode():
            model(**processor(images=frame, return_tensors="pt", input_data_format="channels_last"))
    return np.stack([tokens[0].sum(0).numpy() for tokens in before_norm])


@pytest.mark.parametrize("n_frames", [1, 20, 64, 100])
def test_64_uniform_frames_and_the_sum_over_tokens_before_the_final_norm(tiny_model, n_frames):
    """Fact 7 of the specification."""
    crops = clip(n_frames)
    rows = loaded(tiny_model("dinov2")).embed([crops], "frame")[0]
    distinct = min(64, n_frames)
    places = [k * n_frames // distinct for k in range(distinct)]
    places += places[-1:] * (64 - distinct)
    expected = reference(tiny_model("dinov2"), crops.pixels[sorted(set(places))])
    expected = expected[[sorted(set(places)).index(place) for place in places]]
    np.testing.assert_allclose(rows.values, expected, rtol=0, atol=1e-5 * np.abs(expected).max())
    np.testing.assert_array_equal(rows.times_s, crops.times_s[places])
    assert rows.values.shape == (64, 32)


def test_the_sum_is_of_ten_tokens_not_their_mean(tiny_model):
    """Of crops of 42 pixels: nine patches of 14 and the class token; positions for sixteen are interpolated."""
    import torch
    from transformers import Dinov2Model

    model = Dinov2Model.from_pretrained(tiny_model("dinov2")).eval()
    extractor = loaded(tiny_model("dinov2"))
    with torch.inference_mode():
        frames = extractor.preprocessing.normalise(extractor.preprocessing(clip(1).pixels))
        last = model(frames, output_hidden_states=True).hidden_states[-1]
    assert last.shape[1] == 10
    np.testing.assert_allclose(extractor.embed([clip(1)], "frame")[0].values[0], last[0].sum(0).numpy(), atol=1e-4)


def test_a_repeated_frame_is_computed_once(tiny_model, monkeypatch):
    extractor = loaded(tiny_model("dinov2"))
    seen = []
    forward = extractor.forward
    monkeypatch.setattr(extractor, "forward", lambda frames: seen.append(len(frames)) or forward(frames))
    extractor.embed([clip(3), clip(70)], "frame")
    assert sum(seen) == 3 + 64


def test_no_more_frames_than_a_batch_are_in_floating_point_at_once(tiny_model, monkeypatch):
    """Row 18 of the specification: the reference brought a whole clip to the device before it made batches."""
    extractor = loaded(tiny_model("dinov2"))
    sizes = []
    normalise = type(extractor.preprocessing).normalise
    monkeypatch.setattr(
        type(extractor.preprocessing), "normalise", lambda self, f: sizes.append(len(f)) or normalise(self, f)
    )
    extractor.embed([clip(100, seed) for seed in range(4)], "frame")
    assert sum(sizes) == 256
    assert max(sizes) <= 16


def test_another_number_of_frames(tiny_model):
    extractor = loaded(tiny_model("dinov2"), frames="8")
    assert len(extractor.embed([clip(30)], "frame")[0].values) == extractor.fixed_rows == 8
    with pytest.raises(ExtractionError, match=r"MER-E170.*frames is 0"):
        loaded(tiny_model("dinov2"), frames="0")


def test_preprocessing_needs_no_automatic_class(tiny_model, tmp_path):
    """Fact 4 of the specification: which automatic classes know a model depends on the library; the file is read."""
    import shutil

    folder = shutil.copytree(tiny_model("dinov2"), tmp_path / "old")
    path = folder / "preprocessor_config.json"
    config = json.loads(path.read_text())
    for key in [key for key in config if "processor" in key or "extractor" in key]:
        del config[key]
    path.write_text(json.dumps({**config, "feature_extractor_type": "BitFeatureExtractor"}))
    found, expected = (loaded(f).embed([clip(2)], "frame")[0].values for f in (folder, tiny_model("dinov2")))
    np.testing.assert_array_equal(found, expected)
