"""Image models of timm against timm called directly."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from feature_extractors import create_extractor
from feature_extractors.base import FaceCrops
from mertools.errors import ExtractionError

SIZES = {"embed_dim": 32, "depth": 3, "num_heads": 4, "img_size": 42}


@pytest.fixture
def folder(tiny_options):
    return Path(tiny_options("face/eva02-base")["weights"])


@pytest.fixture
def copy(folder, tmp_path):
    """One that may be changed."""
    return shutil.copytree(folder, tmp_path / "copy")


def clip(n_frames=6):
    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, (n_frames, 8, 8, 3), np.uint8).repeat(14, 1).repeat(14, 2)
    return FaceCrops(pixels, np.arange(n_frames) / 25)


def loaded(weights, name="face/timm", **options):
    extractor = create_extractor(name, weights=str(weights), **options)
    extractor.load("cpu", "fp32")
    return extractor


def test_equals_the_model_without_its_classifier(folder):
    import timm
    import torch
    from PIL import Image
    from safetensors.torch import load_file

    model = timm.create_model("eva02_base_patch14_224", num_classes=0, **SIZES).eval()
    model.load_state_dict(load_file(folder / "model.safetensors"))
    config = timm.data.resolve_model_data_config(model, args={"input_size": (3, 42, 42)})
    transform = timm.data.create_transform(**config, is_training=False)
    extractor, crops = loaded(folder, "face/eva02-base"), clip()
    theirs = torch.stack([transform(Image.fromarray(frame)) for frame in crops.pixels])
    ours = extractor.preprocessing.normalise(extractor.preprocessing(crops.pixels))
    grey_level = 1.001 / 255 / min(config["std"])
    assert theirs.shape == ours.shape
    assert (theirs - ours).abs().max() <= grey_level  # two libraries round a resized pixel
    rows = extractor.embed([crops], "frame")[0]
    with torch.inference_mode():
        expected = np.concatenate([model(frame[None]).numpy() for frame in ours])
    np.testing.assert_allclose(rows.values, expected, rtol=0, atol=1e-5 * max(1, np.abs(expected).max()))
    np.testing.assert_array_equal(rows.times_s, crops.times_s)


@pytest.mark.parametrize(
    ("model", "options"),
    [
        ("resnet10t", {}),
        ("vit_tiny_patch16_224", {"depth": 2, "img_size": 48}),
        ("mobilenetv3_small_050", {}),
        ("swin_tiny_patch4_window7_224", {"embed_dim": 24, "depths": [1, 1, 1, 1], "num_heads": [2, 2, 2, 2]}),
    ],
)
def test_other_architectures_with_their_classifier_in_the_file(tmp_path, model, options):
    import timm
    import torch

    made = timm.create_model(model, num_classes=5, **options).eval()
    torch.save({"state_dict": {f"module.{k}": v for k, v in made.state_dict().items()}}, tmp_path / "pytorch_model.bin")
    config = {"architecture": model, "model_args": options, "num_classes": 5}
    config["pretrained_cfg"] = {"input_size": [3, options.get("img_size", 224), options.get("img_size", 224)]}
    (tmp_path / "config.json").write_text(json.dumps(config))
    extractor = loaded(tmp_path)
    rows = extractor.embed([clip(2)], "frame")[0]
    frames = extractor.preprocessing.normalise(extractor.preprocessing(clip(2).pixels))
    with torch.inference_mode():
        expected = made.forward_head(made.forward_features(frames), pre_logits=True).numpy()
    assert rows.values.shape == (2, extractor.dim)
    np.testing.assert_allclose(rows.values, expected, rtol=0, atol=1e-5 * max(1, np.abs(expected).max()))


def test_a_file_alone_needs_the_name_of_the_model(tmp_path):
    import timm
    import torch

    made = timm.create_model("resnet10t", num_classes=7).eval()
    torch.save(made.state_dict(), tmp_path / "resnet.pth")
    with pytest.raises(ExtractionError, match=r"MER-E180.*resnet\.pth.*model=eva02"):
        loaded(tmp_path / "resnet.pth")
    extractor = loaded(tmp_path / "resnet.pth", model="resnet10t")
    assert extractor.embed([clip(1)], "frame")[0].values.shape == (1, 512)


def test_published_names_know_their_architecture(tmp_path):
    extractor = create_extractor("face/eva02-base", weights=str(tmp_path / "eva02.safetensors"))
    (tmp_path / "eva02.safetensors").write_bytes(b"not read for this")
    assert extractor.dim == 768
    assert extractor.preprocessing.crop == (224, 224)


def test_the_layout_of_the_first_authors_is_read(folder, copy):
    """EVA-02's own files name the perceptron's parts otherwise and keep the place of a masked patch."""
    import torch
    from safetensors.torch import load_file

    names = {"mlp.fc1_g": "mlp.w1", "mlp.fc1_x": "mlp.w2", "mlp.fc2": "mlp.w3", "mlp.norm": "mlp.ffn_ln"}
    state = {}
    for name, value in load_file(folder / "model.safetensors").items():
        for ours, theirs in names.items():
            name = name.replace(ours, theirs)
        state[name] = value
    (copy / "model.safetensors").unlink()
    torch.save({"module": {**state, "mask_token": torch.zeros(1, 1, 32)}}, copy / "pytorch_model.bin")
    found, expected = (loaded(f).embed([clip(2)], "frame")[0].values for f in (copy, folder))
    np.testing.assert_array_equal(found, expected)


def change(folder, **entries):
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **entries}))
    return folder


def test_parameters_of_another_size_are_named(copy):
    change(copy, model_args={**SIZES, "depth": 4})
    with pytest.raises(ExtractionError, match=r"MER-E195.*lacks blocks\.3\."):
        loaded(copy)
    change(copy, model_args={**SIZES, "depth": 2})
    with pytest.raises(ExtractionError, match=r"MER-E195.*has unknown blocks\.2\."):
        loaded(copy)


def test_a_file_of_another_model_is_refused_by_name(tmp_path):
    import torch

    torch.save({"conv1.weight": torch.zeros(3), "pos_embed": torch.zeros(2)}, tmp_path / "other.pth")
    for model in ("vit_tiny_patch16_224", "resnet10t", "swin_tiny_patch4_window7_224", "eva02_tiny_patch14_224"):
        with pytest.raises(ExtractionError, match=r"MER-E195.*other\.pth.*lacks "):
            loaded(tmp_path / "other.pth", model=model)


def test_unknown_architecture(copy):
    with pytest.raises(ExtractionError, match=r"MER-E181.*no model 'eva02_base_patch14_225'.*eva02_base_patch14_224"):
        loaded(change(copy, architecture="eva02_base_patch14_225"))


@pytest.mark.parametrize("name", ["hf-hub:someone/model", "local-dir:/etc", 7])
def test_a_configuration_cannot_make_timm_look_elsewhere(copy, name):
    with pytest.raises(ExtractionError, match="MER-E181"):
        loaded(change(copy, architecture=name))


def test_a_configuration_cannot_make_timm_load_another_file(copy, tmp_path, folder):
    (tmp_path / "other.pth").write_bytes(b"not a checkpoint")
    harmful = {**SIZES, "checkpoint_path": str(tmp_path / "other.pth"), "pretrained": True}
    overlay = {"input_size": [3, 42, 42], "file": str(tmp_path / "other.pth"), "custom_load": True}
    changed = loaded(change(copy, model_args=harmful, pretrained_cfg=overlay))
    found, expected = (e.embed([clip(2)], "frame")[0].values for e in (changed, loaded(folder)))
    np.testing.assert_array_equal(found, expected)


def test_a_configuration_that_timm_cannot_use_is_named(copy):
    with pytest.raises(ExtractionError, match=r"MER-E183.*config\.json.*model_args"):
        loaded(change(copy, model_args={**SIZES, "colour": "red"}))


@pytest.mark.parametrize("entry", [{"model_args": [1]}, {"pretrained_cfg": "mim"}])
def test_entries_of_another_kind_are_named(copy, entry):
    with pytest.raises(ExtractionError, match=rf"MER-E183.*{next(iter(entry))}"):
        loaded(change(copy, **entry))


@pytest.mark.parametrize(
    "entry", [{"input_size": [3, 42]}, {"mean": ["a", "b", "c"]}, {"std": [0.5]}, {"crop_pct": "x"}]
)
def test_preprocessing_that_makes_no_sense_is_named(copy, entry):
    with pytest.raises(ExtractionError, match=r"MER-E18[23].*config\.json"):
        loaded(change(copy, pretrained_cfg={"input_size": [3, 42, 42], **entry}))


def test_preprocessing_that_is_not_known_is_refused(copy):
    with pytest.raises(ExtractionError, match=r"MER-E182.*lanczos"):
        loaded(change(copy, pretrained_cfg={"input_size": [3, 42, 42], "interpolation": "lanczos"}))


@pytest.mark.parametrize("mode", ["center", "squash"])
def test_crop_share_and_mode_are_as_configured(copy, mode):
    preprocessing = {"input_size": [3, 42, 42], "crop_pct": 0.5, "crop_mode": mode, "interpolation": "bilinear"}
    found = loaded(change(copy, pretrained_cfg=preprocessing)).preprocessing
    assert (found.size, found.crop, found.filter) == (84 if mode == "center" else (84, 84), (42, 42), "bilinear")
