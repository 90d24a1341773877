"""VideoMAE from the authors' files against the authors' rule for windows, one window at a time."""

import argparse

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feature_extractors import EXTRACTORS, create_extractor
from feature_extractors.base import FaceCrops
from feature_extractors.face.videomae_windows import windows_around
from mertools.errors import ExtractionError

NAME = "face/videomae-base-voxceleb2"


@pytest.fixture
def folder(tiny_options):
    from pathlib import Path

    return Path(tiny_options(NAME)["weights"])


def clip(n_frames, seed=0):
    """Crops of the size that the tiny model sees: nothing is resized."""
    random = np.random.default_rng(seed)
    pixels = random.integers(0, 256, (n_frames, 8, 8, 3), np.uint8).repeat(4, 1).repeat(4, 2)
    return FaceCrops(pixels, np.arange(n_frames) / 25)


def loaded(weights, name=NAME, **options):
    extractor = create_extractor(name, weights=str(weights), **options)
    extractor.load("cpu", "fp32")
    return extractor


def published_window(frame, n_frames):
    """Section 2.4 of the specification; places beyond either end are clamped (the reference wrapped below zero)."""
    if frame < 10:
        start = 0
    elif frame > n_frames - 10:
        start = n_frames - 17
    else:
        start = frame - 8
    return [min(max(place, 0), n_frames - 1) for place in range(start, start + 16)]


def reference(extractor, frames):
    """The mean over tokens of one window; statistics of the channels are those of red, green and blue in this order."""
    import torch

    prepared = (frames / 255 - np.array([0.485, 0.456, 0.406])) / np.array([0.229, 0.224, 0.225])
    with torch.inference_mode():
        tokens = extractor.model(torch.from_numpy(prepared).float().permute(0, 3, 1, 2)[None])
    return tokens[0].mean(0).numpy()


@settings(deadline=None)
@given(st.integers(1, 400))
def test_windows_are_the_published_ones_and_stay_in_the_clip(n_frames):
    """Row 20 of the specification: indices of short clips wrapped around to the end."""
    found = windows_around(n_frames)
    assert found.tolist() == [published_window(frame, n_frames) for frame in range(n_frames)]
    assert found.min() >= 0
    assert found.max() < n_frames


@pytest.mark.parametrize("n_frames", [1, 12, 17, 40])
def test_a_row_per_frame_from_the_window_around_it(folder, n_frames):
    extractor, crops = loaded(folder), clip(n_frames)
    rows = extractor.embed([crops], "frame")[0]
    expected = [reference(extractor, crops.pixels[published_window(f, n_frames)]) for f in range(n_frames)]
    np.testing.assert_allclose(rows.values, np.stack(expected), rtol=0, atol=2e-5)
    np.testing.assert_array_equal(rows.times_s, crops.times_s)


@pytest.mark.parametrize("n_frames", [1, 40, 64, 65, 150])
def test_the_utterance_is_the_mean_of_two_windows_of_every_fourth_frame(folder, n_frames):
    extractor, crops = loaded(folder), clip(n_frames)
    places = list(range(0, n_frames, 4))
    places += places[-1:] * (16 - len(places))
    expected = np.mean([reference(extractor, crops.pixels[w]) for w in (places[:16], places[-16:])], axis=0)
    (row,) = extractor.embed([crops], "utterance")
    assert row.values.shape == (1, 32)
    np.testing.assert_allclose(row.values[0], expected, rtol=0, atol=2e-5)


def test_each_distinct_window_is_computed_once(folder, monkeypatch):
    """Row 20 of the specification: four equal views of every window were computed."""
    extractor = loaded(folder)
    seen = []
    forward = extractor.forward
    monkeypatch.setattr(extractor, "forward", lambda windows: seen.append(len(windows)) or forward(windows))
    extractor.embed([clip(40)], "frame")
    assert sum(seen) == len({tuple(published_window(f, 40)) for f in range(40)}) == 23
    seen.clear()
    extractor.embed([clip(60)], "utterance")
    assert sum(seen) == 1  # of a clip of up to 64 frames, both windows are the same


def test_pixels_are_rgb_and_the_published_exchange_is_an_option(folder):
    """Fact 8 and row 19 of the specification."""
    crops = clip(20)
    exchanged = FaceCrops(crops.pixels[..., ::-1], crops.times_s)
    rgb, bgr = loaded(folder), loaded(folder, channels="bgr")
    found = bgr.embed([crops], "frame")[0].values
    np.testing.assert_allclose(found, rgb.embed([exchanged], "frame")[0].values, rtol=0, atol=2e-5)
    window = crops.pixels[[0, 4, 8, 12, 16, *[16] * 11]]
    for extractor, seen in ((rgb, window), (bgr, window[..., ::-1])):
        row = extractor.embed([crops], "utterance")[0].values[0]
        np.testing.assert_allclose(row, reference(extractor, seen), rtol=0, atol=2e-5)
    assert np.abs(found - rgb.embed([crops], "frame")[0].values).max() > 1e-3
    assert rgb.settings() != bgr.settings()


@pytest.mark.parametrize("name", [NAME, "face/videomae-base-k400-mer2023"])
def test_crops_are_brought_to_the_published_size_as_opencv_does(tmp_path, name):
    import cv2

    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, (3, 112, 112, 3), np.uint8)
    extractor = create_extractor(name, weights=str(authors_file(tmp_path / "checkpoint-99.pth")))
    side = (extractor.size, extractor.size)
    expected = np.stack([cv2.resize(frame, side, interpolation=cv2.INTER_LINEAR) for frame in pixels])
    found = extractor.preprocessing(pixels).permute(0, 2, 3, 1).numpy()
    assert np.abs(found.astype(int) - expected.astype(int)).max() <= 1  # two libraries round


def authors_file(path, change=lambda state: state, prefix="encoder.", wrapper="model"):
    """A tiny encoder as the authors' training script saves it: with decoder, optimiser, epoch and options."""
    import torch

    from feature_extractors.fakes import roughen
    from feature_extractors.networks.videomae import VideoMaeEncoder, VideoMaeShape

    torch.manual_seed(0)
    state = roughen(VideoMaeEncoder(VideoMaeShape(64, 2, 1, 64))).state_dict()  # one head of 64, as published ones are
    state = {f"{prefix}{name}": value for name, value in state.items()}
    state |= {
        "mask_token": torch.zeros(1, 1, 16),
        "encoder_to_decoder.weight": torch.zeros(16, 64),
        "decoder.blocks.0.norm1.weight": torch.ones(16),
    }
    state = change(state)
    options = argparse.Namespace(lr=1e-4, patch_size=(16, 16), device="cuda")
    torch.save({wrapper: state, "epoch": 99, "args": options, "optimizer": {"state": {}}} if wrapper else state, path)
    return path


@pytest.mark.parametrize("wrapper", ["model", "module", ""])
@pytest.mark.parametrize("prefix", ["", "module.", "backbone."])
def test_the_authors_file_gives_the_same_numbers(tmp_path, wrapper, prefix):
    names = {"prefix": f"{prefix}encoder.", "wrapper": wrapper}
    paths = authors_file(tmp_path / "a.pth", **names), authors_file(tmp_path / "b.pth", prefix="", wrapper="")
    found, expected = (loaded(path, size="32").embed([clip(20)], "utterance")[0].values for path in paths)
    np.testing.assert_array_equal(found, expected)


def test_the_folder_with_the_authors_file_is_enough(tmp_path):
    """As MERTools lays it: tools/videomae-base-VoxCeleb2/checkpoint-99.pth."""
    authors_file(tmp_path / "checkpoint-99.pth")
    extractor = create_extractor(NAME, weights=str(tmp_path))
    assert extractor.weights.files == ("checkpoint-99.pth",)


def test_the_published_size_is_the_default_and_is_recorded(tmp_path):
    path = authors_file(tmp_path / "checkpoint-99.pth")
    sizes = {
        name: create_extractor(name, weights=str(path)).settings()["size"]
        for name in (NAME, "face/videomae-base-k400-mer2023", "face/videomae-windows")
    }
    assert list(sizes.values()) == [160, 224, 224]
    assert create_extractor(NAME, weights=str(path), size="64").settings()["size"] == 64


@pytest.mark.parametrize("name", [NAME, "face/videomae-base-k400-mer2023"])
def test_published_sizes(name):
    facts = EXTRACTORS.entry(name).facts
    shape = EXTRACTORS.entry(name).target.published_shape(facts)
    assert (shape.dim, shape.n_layers) == (facts["dim"], facts["n_layers"]) == (768, 12)
    assert shape.rows == shape.expected_rows == {NAME: 800}.get(name, 1568)
    assert 85e6 < shape.parameters < 87e6


def test_no_weights_says_where_they_are_published():
    with pytest.raises(ExtractionError, match="MER-E175") as error:
        _ = create_extractor(NAME).dim
    assert "checkpoint-99.pth from https://drive.google.com/" in error.value.hint
    with pytest.raises(ExtractionError, match="MER-E110"):
        _ = create_extractor("face/videomae-windows").dim


def test_missing_and_unknown_parameters_are_named(tmp_path):
    def change(state):
        state = {k: v for k, v in state.items() if k != "encoder.blocks.1.attn.q_bias"}
        return {**state, "encoder.pos_embed": state["encoder.norm.bias"]}

    path = authors_file(tmp_path / "checkpoint-99.pth", change)
    with pytest.raises(ExtractionError, match="MER-E195") as error:
        loaded(path, size="32")
    assert "lacks blocks.1.attn.q_bias" in error.value.message
    assert "has unknown pos_embed" in error.value.message


def test_a_file_of_another_model_is_refused(tmp_path):
    import torch

    for state in ({"conv1.weight": torch.zeros(3)}, {"patch_embed.proj.weight": torch.zeros(64, 3, 16, 16)}):
        torch.save({"model": state}, tmp_path / "resnet.pth")
        with pytest.raises(ExtractionError, match=r"MER-E172.*resnet\.pth.*patch_embed\.proj\.weight of 5 axes"):
            loaded(tmp_path / "resnet.pth")


@pytest.mark.parametrize("slab", [1, 5, 1000])
def test_how_many_windows_are_prepared_together_changes_nothing(folder, monkeypatch, slab):
    expected = loaded(folder).embed([clip(40)], "frame")[0].values
    monkeypatch.setattr("feature_extractors.face.video_model.SLAB", slab)
    np.testing.assert_array_equal(loaded(folder).embed([clip(40)], "frame")[0].values, expected)


@pytest.mark.parametrize("entry", [{"image_size": [32, 32]}, {"num_attention_heads": 0}, {"num_attention_heads": 5}])
def test_a_configuration_that_makes_no_sense_is_named(folder, tmp_path, entry):
    import json
    import shutil

    copy = shutil.copytree(folder, tmp_path / "copy")
    (copy / "config.json").write_text(json.dumps({"image_size": 32, "num_attention_heads": 4, **entry}))
    with pytest.raises(ExtractionError, match=r"MER-E179.*(image_size|heads)"):
        loaded(copy)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ExtractionError, match=r"MER-E178.*gone\.pth"):
        loaded(tmp_path / "gone.pth")


def test_a_size_that_patches_do_not_fit_is_refused(folder):
    with pytest.raises(ExtractionError, match=r"MER-E176.*frames of 50 pixels.*patches of 16"):
        loaded(folder, size="50")
