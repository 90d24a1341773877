"""emotion2vec against its definition written out with functions of a state dict, and its released files."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file

from feature_extractors import EXTRACTORS, create_extractor
from feature_extractors.base import TooShortError, Waveform
from feature_extractors.networks.emotion2vec import Emotion2Vec, Emotion2VecSizes, alibi_slopes
from mertools.errors import ExtractionError

RATE = 16_000
A = "modality_encoders.AUDIO."


def sound(n_samples, seed=0):
    random = np.random.default_rng(seed)
    t = np.arange(n_samples) / RATE
    return Waveform((0.1 + 0.2 * np.sin(2 * np.pi * 150 * t) + 0.05 * random.standard_normal(n_samples)).astype("f4"))


@pytest.fixture
def folder(tiny_options):
    return tiny_options("audio/emotion2vec")["weights"]


def make(weights, name="audio/emotion2vec", **options):
    extractor = create_extractor(name, weights=str(weights), **options)
    extractor.load("cpu", "fp32")
    return extractor


def written_out(state, samples, heads):
    """One clip, step by step, as the paper and data2vec 2.0 define it; one head, one row of scores at a time."""
    p = state.__getitem__
    x = torch.from_numpy(samples)
    x = (x - x.mean()) / (x.var(unbiased=False) + 1e-5).sqrt()
    x = x[None, None]
    for i, stride in enumerate((5, 2, 2, 2, 2, 2, 2)):
        conv = f"{A}local_encoder.conv_layers.{i}"
        x = F.conv1d(x, p(f"{conv}.0.weight"), stride=stride).transpose(1, 2)
        x = F.gelu(F.layer_norm(x, x.shape[-1:], p(f"{conv}.2.1.weight"), p(f"{conv}.2.1.bias"))).transpose(1, 2)
    x = x.transpose(1, 2)
    x = F.layer_norm(x, x.shape[-1:], p(f"{A}project_features.1.weight"), p(f"{A}project_features.1.bias"))
    x = F.linear(x, p(f"{A}project_features.2.weight"), p(f"{A}project_features.2.bias"))
    position = x.transpose(1, 2)
    for i in range(1, 6):
        conv = f"{A}relative_positional_encoder.{i}.0"
        groups = p(f"{conv}.weight").shape[0] // p(f"{conv}.weight").shape[1]
        position = F.conv1d(position, p(f"{conv}.weight"), p(f"{conv}.bias"), padding=9, groups=groups)
        position = F.gelu(F.layer_norm(position.transpose(1, 2), position.shape[1:2])).transpose(1, 2)
    x = (x + position.transpose(1, 2))[0]
    extra = p(f"{A}extra_tokens")[0]
    n_extra, n_rows = len(extra), len(x)
    x = torch.cat([extra, x])
    bias = torch.zeros(heads, n_extra + n_rows, n_extra + n_rows)
    start = 2 ** (-(2 ** -(math.log2(2 ** math.floor(math.log2(heads))) - 3)))
    slopes = [start ** (i + 1) for i in range(2 ** math.floor(math.log2(heads)))]
    finer = 2 ** (-(2 ** -(math.log2(2 * len(slopes)) - 3)))
    slopes += [finer ** (i + 1) for i in range(2 * len(slopes))][0::2][: heads - len(slopes)]
    for head in range(heads):
        for i in range(n_rows):
            for j in range(n_rows):
                scale = max(float(p(f"{A}alibi_scale").flatten()[head]), 0.0)
                bias[head, n_extra + i, n_extra + j] = -abs(i - j) * slopes[head] * scale
    x = F.layer_norm(x, x.shape[-1:], p(f"{A}context_encoder.norm.weight"), p(f"{A}context_encoder.norm.bias"))
    for prefix in (f"{A}context_encoder.blocks.", "blocks."):
        for i in range(len({k.removeprefix(prefix).split(".")[0] for k in state if k.startswith(prefix)})):
            x = _block(p, f"{prefix}{i}.", x, bias)
    return x[n_extra:].numpy()


def _block(p, b, x, bias):
    q, k, v = F.linear(x, p(f"{b}attn.qkv.weight"), p(f"{b}attn.qkv.bias")).chunk(3, dim=-1)
    width = x.shape[1] // len(bias)
    heads = []
    for head in range(len(bias)):
        part = slice(head * width, (head + 1) * width)
        scores = (q[:, part] * width**-0.5) @ k[:, part].T + bias[head]
        heads.append(scores.softmax(-1) @ v[:, part])
    x = x + F.linear(torch.cat(heads, dim=1), p(f"{b}attn.proj.weight"), p(f"{b}attn.proj.bias"))
    x = F.layer_norm(x, x.shape[-1:], p(f"{b}norm1.weight"), p(f"{b}norm1.bias"))
    inner = F.gelu(F.linear(x, p(f"{b}mlp.fc1.weight"), p(f"{b}mlp.fc1.bias")))
    x = x + F.linear(inner, p(f"{b}mlp.fc2.weight"), p(f"{b}mlp.fc2.bias"))
    return F.layer_norm(x, x.shape[-1:], p(f"{b}norm2.weight"), p(f"{b}norm2.bias"))


def close(found, expected):
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 * max(1.0, np.abs(expected).max()))


@pytest.mark.parametrize("n_samples", [400, 9000])
def test_rows_are_those_of_the_definition(folder, n_samples):
    wave = sound(n_samples)
    rows = make(folder).embed([wave], "frame")[0]
    close(rows.values, written_out(load_file(f"{folder}/model.safetensors"), wave.samples, heads=3))
    np.testing.assert_allclose(rows.times_s, (199.5 + 320 * np.arange(len(rows.values))) / RATE)


def test_slopes_of_twelve_heads_are_those_of_the_published_network():
    expected = [2.0**-i for i in range(1, 9)] + [2.0**-0.5, 2.0**-1.5, 2.0**-2.5, 2.0**-3.5]
    np.testing.assert_allclose(alibi_slopes(12), expected, rtol=1e-12)


def test_clips_of_different_length_share_a_batch_without_changing_each_other(folder):
    """Users ask in vain for batches that equal single clips: padding leaks through position code and attention."""
    extractor = make(folder)
    batch = [sound(n, seed) for seed, n in enumerate((16_000, 20_000, 17_111, 19_999))]
    together = extractor.embed(batch, "frame")
    for rows, wave in zip(together, batch, strict=True):
        close(rows.values, extractor.embed([wave], "frame")[0].values)


def test_padding_without_care_would_change_the_rows(folder):
    extractor = make(folder)
    samples = torch.from_numpy(sound(16_000).samples)[None]
    with torch.inference_mode():
        alone = extractor.model(samples, [49])
        padded = extractor.model(F.pad(samples, (0, 6400)), [69])[:, :49]
    assert (alone - padded).abs().max() > 1e-3


def test_a_long_clip_is_cut_into_pieces_or_not_as_asked(folder):
    wave = sound(40_000)
    whole, pieces = make(folder, piece_s=0), make(folder, piece_s=1)
    assert len(whole.embed([wave], "frame")[0].values) == 124
    rows = pieces.embed([wave], "frame")[0]
    assert len(rows.values) == 49 + 49 + 24
    assert (np.diff(rows.times_s) > 0).all()
    close(make(folder).embed([wave], "frame")[0].values, whole.embed([wave], "frame")[0].values)
    assert whole.settings() != pieces.settings()


def test_pieces_shorter_than_a_second_are_refused(folder):
    with pytest.raises(ExtractionError, match=r"MER-E131.*piece_s=0.5"):
        make(folder, piece_s=0.5)


def test_fewer_samples_than_one_field_are_too_short(folder):
    with pytest.raises(TooShortError, match="399 samples"):
        make(folder).embed([sound(399)], "frame")


@pytest.mark.parametrize("form", ["fairseq", "funasr", "old scale"])
def test_released_files_load_under_their_own_names(folder, tmp_path, form):
    """fairseq keeps the parameters under ``model``, FunASR's fine-tuned file under ``d2v_model.``."""
    state = load_file(f"{folder}/model.safetensors")
    more = {f"{A}decoder.blocks.0.0.weight": torch.zeros(3), "_ema": {"blocks.0": torch.zeros(1)}}
    if form == "funasr":
        content = {f"d2v_model.{key}": value for key, value in state.items()} | {"proj.weight": torch.zeros(9, 24)}
        name, file = "audio/emotion2vec-finetuned", "model.pt"
    else:
        if form == "old scale":
            state = {**state, f"{A}alibi_scale": state[f"{A}alibi_scale"][0]}
        content, name, file = (
            {"args": None, "cfg": {"a": 1}, "model": {**state, **more}},
            "audio/emotion2vec",
            "emotion2vec_base.pt",
        )
    torch.save(content, tmp_path / file)
    wave = sound(8000)
    expected = make(folder).embed([wave], "frame")[0].values
    for place in (tmp_path, tmp_path / file):
        np.testing.assert_array_equal(make(place, name).embed([wave], "frame")[0].values, expected)


def test_missing_parameters_are_named(folder, tmp_path):
    state = load_file(f"{folder}/model.safetensors")
    del state["blocks.1.attn.qkv.bias"]
    torch.save(state, tmp_path / "model.pt")
    with pytest.raises(ExtractionError, match=r"lacks.*blocks\.1\.attn\.qkv\.bias"):
        make(tmp_path)


def test_another_network_is_refused_with_what_is_there_instead(tmp_path):
    torch.save({"encoder.weight": torch.zeros(3)}, tmp_path / "model.pt")
    with pytest.raises(ExtractionError, match=r"MER-E130.*conv|MER-E130.*relative_positional_encoder"):
        make(tmp_path)


def test_names_and_sizes_of_the_published_network():
    """Sizes as FunASR's template for the model states them; about 90 million parameters, as its page says."""
    with torch.device("meta"):
        network = Emotion2Vec()
    shapes = {key: tuple(value.shape) for key, value in network.state_dict().items()}
    assert shapes[f"{A}local_encoder.conv_layers.0.0.weight"] == (512, 1, 10)
    assert shapes[f"{A}local_encoder.conv_layers.6.2.1.bias"] == (512,)
    assert shapes[f"{A}project_features.2.weight"] == (768, 512)
    assert shapes[f"{A}relative_positional_encoder.5.0.weight"] == (768, 48, 19)
    assert shapes[f"{A}extra_tokens"] == (1, 10, 768)
    assert shapes[f"{A}alibi_scale"] == (1, 1, 12, 1, 1)
    assert shapes[f"{A}context_encoder.blocks.3.mlp.fc1.weight"] == (3072, 768)
    assert shapes["blocks.7.attn.qkv.weight"] == (2304, 768)
    assert len(shapes) == 7 * 3 + 4 + 5 * 2 + 2 + 2 + 12 * 12
    assert Emotion2VecSizes.of(network.state_dict()) == Emotion2VecSizes()


@pytest.mark.parametrize("name", ["audio/emotion2vec", "audio/emotion2vec-finetuned"])
def test_published_size(name):
    entry = EXTRACTORS.entry(name)
    shape = entry.target.published_shape(entry.facts)
    assert 90e6 < shape.parameters < 95e6
    assert (shape.dim, shape.n_layers, shape.rows) == (entry.facts["dim"], entry.facts["n_layers"], 49)
