"""Whisper against the transformers model called clip by clip: published decoder rows, and real rows of the encoder."""

import json
import shutil

import numpy as np
import pytest

from feature_extractors import EXTRACTORS, create_extractor
from feature_extractors.base import TooShortError, Waveform
from mertools.errors import ConfigError, ExtractionError

RATE = 16_000


def sound(n_samples, seed=0):
    random = np.random.default_rng(seed)
    t = np.arange(n_samples) / RATE
    return Waveform(
        (0.2 * np.sin(2 * np.pi * (140 + 20 * seed) * t) + 0.05 * random.standard_normal(n_samples)).astype("f4")
    )


@pytest.fixture
def make(tiny_model):
    def made(**options):
        extractor = create_extractor("audio/whisper", weights=str(tiny_model("whisper")), **options)
        extractor.load("cpu", "fp32")
        return extractor

    return made


@pytest.fixture(scope="module")
def answer(tiny_model):
    """The model's own answer to at most 30 s: states of the encoder and of the decoder, given two start tokens."""
    import torch
    from transformers import AutoFeatureExtractor, AutoModel

    folder = tiny_model("whisper")
    model, reader = AutoModel.from_pretrained(folder).eval(), AutoFeatureExtractor.from_pretrained(folder)

    def get(samples):
        features = reader(samples, sampling_rate=RATE, return_tensors="pt").input_features
        tokens = torch.tensor([[1, 1]]) * model.config.decoder_start_token_id
        with torch.inference_mode():
            return model(features, decoder_input_ids=tokens, output_hidden_states=True)

    return get


def close(found, expected):
    expected = np.asarray(expected)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 * max(1.0, np.abs(expected).max()))


@pytest.mark.parametrize("n_samples", [8000, 40_000])
def test_fact_6_published_rows_are_two_decoder_states_whatever_the_length(make, answer, n_samples):
    wave = sound(n_samples)
    rows = make(states="decoder").embed([wave], "frame")[0]
    assert rows.values.shape == (2, 32)
    assert np.isnan(rows.times_s).all()
    close(rows.values, answer(wave.samples).last_hidden_state[0])
    assert np.abs(rows.values[0] - rows.values[1]).max() > 1e-3  # same token, other place


def test_trap_13_the_decoder_hears_30_s_and_says_so(make):
    decoder = make(states="decoder")
    long = sound(35 * RATE)
    first = Waveform(long.samples[: 30 * RATE])
    close(decoder.embed([long], "frame")[0].values, decoder.embed([first], "frame")[0].values)
    assert decoder.facts["hears_s"] == 30.0
    assert "hears_s" not in make().facts


@pytest.mark.parametrize("n_samples", [8000, 40_000])
def test_trap_14_encoder_rows_are_kept_for_the_real_length(make, answer, n_samples):
    wave = sound(n_samples)
    rows = make().embed([wave], "frame")[0]
    assert len(rows.values) == n_samples // 320
    close(rows.values, answer(wave.samples).encoder_last_hidden_state[0, : n_samples // 320])
    np.testing.assert_allclose(rows.times_s, np.arange(n_samples // 320) * 0.02)


def test_trap_13_longer_clips_are_embedded_in_windows_of_30_s(make, answer):
    wave = sound(33 * RATE + 100)
    rows = make().embed([wave], "frame")[0]
    assert len(rows.values) == 1500 + 151
    parts = [wave.samples[: 30 * RATE], wave.samples[30 * RATE :]]
    own = [answer(part).encoder_last_hidden_state[0, :n].numpy() for part, n in zip(parts, (1500, 151), strict=True)]
    close(rows.values, np.concatenate(own))
    assert rows.times_s[1500] == pytest.approx(30.0)
    assert rows.times_s[-1] < wave.duration_s


@pytest.mark.parametrize("states", ["encoder", "decoder"])
def test_other_layers_can_be_asked_for(make, answer, states):
    wave = sound(16_000)
    output = answer(wave.samples)
    hidden = output.encoder_hidden_states if states == "encoder" else output.decoder_hidden_states
    last = output.encoder_last_hidden_state if states == "encoder" else output.last_hidden_state
    n_rows = 50 if states == "encoder" else 2
    close(make(states=states, layers="2").embed([wave], "frame")[0].values, hidden[2][0, :n_rows])
    close(make(states=states, layers="last2").embed([wave], "frame")[0].values, (hidden[-2] + last)[0, :n_rows])


def test_states_are_part_of_the_settings(make):
    assert make().settings()["states"] == "encoder"
    assert make(states="decoder").settings() != make().settings()


def test_the_encoder_runs_without_the_decoder(make):
    assert not any("decoder" in name for name, _ in make().model.named_parameters())


@pytest.mark.parametrize("states", ["encoder", "decoder"])
def test_clips_of_any_length_share_a_call_without_changing_each_other(make, states):
    extractor = make(states=states)
    batch = [sound(n, seed) for seed, n in enumerate((400, 9000))]
    for rows, wave in zip(extractor.embed(batch, "frame"), batch, strict=True):
        close(rows.values, extractor.embed([wave], "frame")[0].values)


def test_less_than_one_window_of_the_spectrogram_is_too_short(make):
    assert len(make().embed([sound(400)], "frame")[0].values) == 2
    with pytest.raises(TooShortError, match="399 samples"):
        make().embed([sound(399)], "frame")


def test_preprocessing_that_does_not_belong_to_the_model_is_refused(tiny_model, tmp_path):
    folder = shutil.copytree(tiny_model("whisper"), tmp_path / "w")
    settings = json.loads((folder / "preprocessor_config.json").read_text())
    (folder / "preprocessor_config.json").write_text(json.dumps({**settings, "feature_size": 128}))
    with pytest.raises(ExtractionError, match=r"MER-E132.*128 bands"):
        create_extractor("audio/whisper", weights=str(folder)).load("cpu", "fp32")


def test_an_unknown_kind_of_states_is_refused_with_the_choices():
    with pytest.raises(ConfigError, match="decoder"):
        create_extractor("audio/whisper", weights="x", states="both")


@pytest.mark.parametrize(("name", "layers", "parameters"), [("base", 6, 72_593_920), ("large-v2", 32, 1_543_304_960)])
def test_published_sizes(name, layers, parameters):
    """Parameters as the published checkpoints count them (the classifier is tied to the embeddings)."""
    entry = EXTRACTORS.entry(f"audio/whisper-{name}")
    shape = entry.target.published_shape(entry.facts)
    assert (shape.n_layers, shape.parameters) == (layers, parameters)
