"""AudioMAE against timm's vision transformer, AST against transformers, and the windows that both are given."""

import json
import shutil
from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file

from feature_extractors import EXTRACTORS, create_extractor
from feature_extractors.audio.kaldi import Patches, fbank
from feature_extractors.base import TooShortError, Waveform
from feature_extractors.networks.audiomae import AudioMae, AudioMaeSizes
from mertools.errors import ExtractionError

RATE = 16_000
MEAN, STD = -4.2677393, 4.5689974
AST, MAE = Patches(1024, 16, 10), Patches(1024, 16, 16)


def sound(n_samples, seed=0):
    random = np.random.default_rng(seed)
    t = np.arange(n_samples) / RATE
    return Waveform((0.05 + 0.2 * np.sin(2 * np.pi * 150 * t) + 0.05 * random.standard_normal(n_samples)).astype("f4"))


def make(name, weights):
    extractor = create_extractor(name, weights=str(weights))
    extractor.load("cpu", "fp32")
    return extractor


def close(found, expected):
    expected = np.asarray(expected)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 * max(1.0, np.abs(expected).max()))


@given(st.sampled_from([AST, MAE]), st.integers(400, 1_000_000))
def test_windows_cover_all_rows_once_and_hold_no_more_frames_than_the_model_takes(patches, n_samples):
    windows = patches.windows(n_samples)
    assert sum(rows for *_, rows in windows) == patches.n_rows(n_samples) == len(patches.times_s(n_samples))
    done = 0
    for start, stop, rows in windows:
        assert start == done * patches.step * 160
        assert 400 <= stop - start <= 1023 * 160 + 400
        assert 1 <= rows <= patches.rows
        frames = 1 + (stop - start - 400) // 160
        assert frames >= (rows - 1) * patches.step + patches.width or n_samples < 400 + 15 * 160
        done += rows
    times = patches.times_s(n_samples)
    assert (np.diff(times) > 0).all()
    assert 0 < times[0] <= times[-1] < n_samples / RATE


@pytest.mark.parametrize(
    ("patches", "seconds", "rows"), [(MAE, 10.24, 63), (MAE, 10.255, 64), (AST, 10.255, 101), (AST, 1, 9)]
)
def test_number_of_rows(patches, seconds, rows):
    assert patches.n_rows(round(seconds * RATE)) == rows


def test_frames_of_a_window_are_those_of_the_whole_clip():
    samples = sound(60_000).samples
    whole = fbank(samples)
    assert whole.shape == (1 + (60_000 - 400) // 160, 128)
    np.testing.assert_allclose(fbank(samples[160 * 100 : 160 * 150 + 400]), whole[100:151], atol=1e-5)


@pytest.fixture
def mae(tiny_options):
    return tiny_options("audio/audiomae")["weights"]


def reference_mae(state, samples, fine_tuned=False):
    """timm's transformer on one window: the authors' normalisation, the mean over the frequency patches."""
    from timm.models.vision_transformer import VisionTransformer

    model = VisionTransformer(
        (1024, 128),
        16,
        1,
        0,
        "avg",
        128,
        2,
        2,
        0.5,
        fc_norm=fine_tuned,
        norm_layer=partial(torch.nn.LayerNorm, eps=1e-6),
    ).eval()
    model.load_state_dict(state)
    frames = fbank(samples - samples.mean())
    spectrogram = torch.zeros(1024, 128)
    spectrogram[: len(frames)] = frames[:1024]
    with torch.inference_mode():
        tokens = model.forward_features(((spectrogram - MEAN) / (2 * STD))[None, None])[0, 1:]
    rows = tokens.reshape(64, 8, -1).mean(1)
    return model.fc_norm(rows).detach().numpy()


@pytest.mark.parametrize("n_samples", [8000, 40_000])
def test_audiomae_rows_are_those_of_timms_transformer(mae, n_samples):
    wave = sound(n_samples)
    rows = make("audio/audiomae", mae).embed([wave], "frame")[0]
    n_frames = 1 + (n_samples - 400) // 160
    assert len(rows.values) == max(1, n_frames // 16)
    close(rows.values, reference_mae(load_file(f"{mae}/model.safetensors"), wave.samples)[: len(rows.values)])


def test_a_fine_tuned_audiomae_normalises_the_mean(mae, tmp_path):
    state = load_file(f"{mae}/model.safetensors")
    state = {key.replace("norm.", "fc_norm.") if key.startswith("norm.") else key: v for key, v in state.items()}
    more = {"head.weight": torch.zeros(527, 128), "head.bias": torch.zeros(527)}
    torch.save({"model": {**state, **more}}, tmp_path / "finetuned.pth")
    wave = sound(30_000)
    rows = make("audio/audiomae", tmp_path).embed([wave], "frame")[0]
    close(rows.values, reference_mae(state, wave.samples, fine_tuned=True)[: len(rows.values)])


def test_the_pretraining_file_loads_with_its_decoder_beside(mae, tmp_path):
    state = load_file(f"{mae}/model.safetensors")
    decoder = {"decoder_embed.weight": torch.zeros(8, 128), "mask_token": torch.zeros(1, 1, 8)}
    torch.save({"model": {**state, **decoder}, "epoch": 32}, tmp_path / "pretrained.pth")
    wave = sound(20_000)
    np.testing.assert_array_equal(
        make("audio/audiomae", tmp_path / "pretrained.pth").embed([wave], "frame")[0].values,
        make("audio/audiomae", mae).embed([wave], "frame")[0].values,
    )


def test_a_longer_clip_is_embedded_in_windows(mae):
    wave = sound(1024 * 160 + 30_000)
    rows = make("audio/audiomae", mae).embed([wave], "frame")[0]
    assert len(rows.values) == 64 + 11
    state = load_file(f"{mae}/model.safetensors")
    centred = wave.samples - wave.samples.mean()  # over the whole clip; Kaldi's frames lose their own mean anyway
    close(rows.values[64:], reference_mae(state, centred[1024 * 160 :])[:11])
    np.testing.assert_allclose(np.diff(rows.times_s), 0.16)


def test_names_and_sizes_of_the_published_audiomae():
    """The authors' log of the fine-tuned model counts 85,659,407 parameters: without positions, with 527 classes."""
    with torch.device("meta"):
        network = AudioMae(AudioMaeSizes(fine_tuned=True))
    shapes = {key: tuple(value.shape) for key, value in network.state_dict().items()}
    assert shapes["pos_embed"] == (1, 513, 768)
    assert shapes["patch_embed.proj.weight"] == (768, 1, 16, 16)
    assert shapes["blocks.11.attn.qkv.weight"] == (2304, 768)
    assert "fc_norm.weight" in shapes
    assert "norm.weight" not in shapes
    trained = sum(p.numel() for name, p in network.named_parameters() if name != "pos_embed")
    assert trained + 527 * 768 + 527 == 85_659_407
    assert AudioMaeSizes.of(network.state_dict()) == AudioMaeSizes(fine_tuned=True)


@pytest.fixture
def ast(tiny_model):
    return tiny_model("audio-spectrogram-transformer")


def reference_ast(folder, samples):
    from transformers import AutoFeatureExtractor, AutoModel

    model, reader = AutoModel.from_pretrained(folder).eval(), AutoFeatureExtractor.from_pretrained(folder)
    with torch.inference_mode():
        output = model(**reader(samples, sampling_rate=RATE, return_tensors="pt"))
    tokens = output.last_hidden_state[0, 2:]
    rows = torch.stack([tokens[torch.arange(12) * 101 + t].mean(0) for t in range(101)])
    return rows.numpy(), output.pooler_output.numpy()


@pytest.mark.parametrize("n_samples", [1600, 40_000])
def test_ast_rows_and_utterance_are_those_of_the_model(ast, n_samples):
    wave = sound(n_samples)
    extractor = make("audio/ast", ast)
    rows, pooled = reference_ast(ast, wave.samples)
    found = extractor.embed([wave], "frame")[0]
    close(found.values, rows[: AST.n_rows(n_samples)])
    close(extractor.embed([wave], "utterance")[0].values, pooled)


def test_windows_of_a_long_clip_follow_each_other_every_100_ms(ast):
    wave = sound(1010 * 160 + 20_000)
    extractor = make("audio/ast", ast)
    rows = extractor.embed([wave], "frame")[0]
    np.testing.assert_allclose(np.diff(rows.times_s), 0.1)
    second, pooled = reference_ast(ast, wave.samples[1010 * 160 :])
    close(rows.values[101:], second[: len(rows.values) - 101])
    first = reference_ast(ast, wave.samples[: 1023 * 160 + 400])[1]
    close(extractor.embed([wave], "utterance")[0].values, (first + pooled) / 2)


def test_preprocessing_that_does_not_belong_to_the_model_is_refused(ast, tmp_path):
    folder = shutil.copytree(ast, tmp_path / "ast")
    settings = json.loads((folder / "preprocessor_config.json").read_text())
    (folder / "preprocessor_config.json").write_text(json.dumps({**settings, "max_length": 512}))
    with pytest.raises(ExtractionError, match=r"MER-E132.*512 frames.*1024 frames"):
        make("audio/ast", folder)


@pytest.mark.parametrize("name", ["audio/ast", "audio/audiomae"])
def test_less_than_one_frame_is_too_short(tiny_options, name):
    extractor = make(name, tiny_options(name)["weights"])
    with pytest.raises(TooShortError, match="399 samples"):
        extractor.embed([sound(399)], "frame")
    assert len(extractor.embed([sound(400)], "frame")[0].values) == 1


def test_published_ast_has_the_published_number_of_parameters():
    """86.6 million with the classifier of 527 classes and its norm."""
    entry = EXTRACTORS.entry("audio/ast-audioset")
    shape = entry.target.published_shape(entry.facts)
    assert round((shape.parameters + 2 * 768 + 527 * 768 + 527) / 1e6, 1) == 86.6
