"""Speech encoders against the transformers model called clip by clip, and the traps of the published embeddings."""

import numpy as np
import pytest

from feature_extractors import EXTRACTORS, create_extractor
from feature_extractors.audio.speech_encoder import Frontend
from feature_extractors.base import TooShortError, Waveform
from mertools.errors import ConfigError, ExtractionError

RATE = 16_000
KINDS = [
    ("hubert", False),
    ("hubert", True),
    ("wav2vec2", False),
    ("wav2vec2", True),
    ("wavlm", False),
    ("wavlm", True),
    ("data2vec-audio", False),
]


def sound(n_samples, seed=0):
    random = np.random.default_rng(seed)
    t = np.arange(n_samples) / RATE
    return Waveform((0.1 + 0.2 * np.sin(2 * np.pi * 150 * t) + 0.05 * random.standard_normal(n_samples)).astype("f4"))


def make(tiny_model, kind, layer_norm, **options):
    weights = str(tiny_model(kind, layer_norm=layer_norm))
    extractor = create_extractor(f"audio/{kind}", weights=weights, **options)
    extractor.load("cpu", "fp32")
    return extractor


def hidden_states(folder, samples):
    """The model's own answer to one stretch of normalised sound: what entered each layer, and the normed end."""
    import torch
    from transformers import AutoModel

    model = AutoModel.from_pretrained(folder).eval()
    with torch.inference_mode():
        output = model(torch.from_numpy(samples)[None], output_hidden_states=True)
    return [h[0].numpy() for h in output.hidden_states[:-1]] + [output.last_hidden_state[0].numpy()]


def normalised(wave):
    samples = wave.samples.astype(np.float64)
    return ((samples - samples.mean()) / np.sqrt(samples.var() + 1e-7)).astype(np.float32)


def close(found, expected):
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 * max(1.0, np.abs(expected).max()))


@pytest.mark.parametrize(("kind", "layer_norm"), KINDS)
def test_short_clip_is_the_sum_of_the_last_four_layers(tiny_model, kind, layer_norm):
    wave = sound(20_000)
    found = make(tiny_model, kind, layer_norm).embed([wave], "frame")[0].values
    close(found, sum(hidden_states(tiny_model(kind, layer_norm=layer_norm), normalised(wave))[-4:]))


@pytest.mark.parametrize(("kind", "layer_norm"), KINDS)
def test_one_layer_or_the_last_can_be_asked_for(tiny_model, kind, layer_norm):
    wave = sound(8000)
    states = hidden_states(tiny_model(kind, layer_norm=layer_norm), normalised(wave))
    for layers, expected in (
        ("last", states[-1]),
        ("last2", states[-1] + states[-2]),
        ("0", states[0]),
        ("3", states[3]),
    ):
        close(make(tiny_model, kind, layer_norm, layers=layers).embed([wave], "frame")[0].values, expected)


def test_last_layer_is_after_the_final_norm(tiny_model):
    """Fact 3. Stable layer norm: the tuple's last entry moved before it in transformers 5.16; embeddings must not."""
    import torch
    from transformers import AutoModel

    wave = sound(8000)
    model = AutoModel.from_pretrained(tiny_model("hubert", layer_norm=True)).eval()
    with torch.inference_mode():
        output = model(torch.from_numpy(normalised(wave))[None], output_hidden_states=True)
        normed = model.encoder.layer_norm(output.hidden_states[-1])[0].numpy()
    raw = output.hidden_states[-1][0].numpy()
    found = make(tiny_model, "hubert", True, layers="last").embed([wave], "frame")[0].values
    close(found, normed)
    assert np.abs(found - raw).max() > 0.1


@pytest.mark.parametrize(("kind", "layer_norm"), KINDS[:3])
def test_reference_tail_is_zeros_whose_rows_are_kept(tiny_model, kind, layer_norm):
    wave = sound(161_600)  # 10.1 s
    rows = make(tiny_model, kind, layer_norm, tail="reference").embed([wave], "frame")[0]
    assert len(rows.values) == 998
    padded = np.pad(normalised(wave), (0, 320_000 - 161_600)).reshape(2, 160_000)
    folder = tiny_model(kind, layer_norm=layer_norm)
    close(rows.values, np.concatenate([sum(hidden_states(folder, chunk)[-4:]) for chunk in padded]))


@pytest.mark.parametrize(("kind", "layer_norm"), KINDS[:3])
def test_masked_tail_has_rows_of_sound_only(tiny_model, kind, layer_norm):
    """Trap 12: the mean of a clip must not hold rows of padding."""
    wave = sound(161_600)
    rows = make(tiny_model, kind, layer_norm).embed([wave], "frame")[0]
    assert len(rows.values) == 499 + 4
    folder, samples = tiny_model(kind, layer_norm=layer_norm), normalised(wave)
    parts = [samples[:160_000], samples[160_000:]]
    close(rows.values, np.concatenate([sum(hidden_states(folder, part)[-4:]) for part in parts]))
    assert rows.times_s[498] < 10 < rows.times_s[499] < rows.times_s[-1] < 10.1


def test_tail_shorter_than_one_field_gives_no_row(tiny_model):
    extractor = make(tiny_model, "hubert", False)
    assert len(extractor.embed([sound(160_000 + 399)], "frame")[0].values) == 499
    assert len(extractor.embed([sound(160_000 + 400)], "frame")[0].values) == 500


@pytest.mark.parametrize(("n_samples", "rows"), [(400, 1), (719, 1), (720, 2), (16_000, 49), (160_000, 499)])
def test_number_of_rows(tiny_model, n_samples, rows):
    found = make(tiny_model, "hubert", True).embed([sound(n_samples)], "frame")[0]
    assert len(found.values) == rows
    np.testing.assert_allclose(found.times_s, (199.5 + 320 * np.arange(rows)) / RATE)


def test_fewer_samples_than_one_field_are_too_short(tiny_model):
    """Trap 13: a status, where the reference stops with an exception."""
    with pytest.raises(TooShortError, match="399 samples"):
        make(tiny_model, "hubert", False).embed([sound(399)], "frame")


def test_only_layer_norm_front_ends_bear_padding(tiny_model):
    assert make(tiny_model, "hubert", True).padding_invariant
    assert not make(tiny_model, "hubert", False).padding_invariant


@pytest.mark.parametrize(("kind", "layer_norm"), KINDS)
def test_clips_of_any_length_share_a_call_without_changing_each_other(tiny_model, kind, layer_norm):
    extractor = make(tiny_model, kind, layer_norm)
    batch = [sound(n, seed) for seed, n in enumerate((9000, 30_000, 8100, 165_000, 9000, 400))]
    for rows, wave in zip(extractor.embed(batch, "frame"), batch, strict=True):
        alone = extractor.embed([wave], "frame")[0]
        close(rows.values, alone.values)
        np.testing.assert_array_equal(rows.times_s, alone.times_s)


def test_padding_would_change_a_group_norm_model(tiny_model):
    """The reason for equal lengths: the same sound, padded by hand, gives other rows."""
    folder = tiny_model("hubert", layer_norm=False)
    samples = normalised(sound(16_000))
    alone = sum(hidden_states(folder, samples)[-4:])
    padded = sum(hidden_states(folder, np.pad(samples, (0, 16_000)))[-4:])[: len(alone)]
    assert np.abs(padded - alone).max() > 0.05


def test_whole_clip_is_normalised_not_each_chunk(tiny_model):
    quiet, loud = sound(160_000).samples * 0.01, sound(32_000, 1).samples
    extractor = make(tiny_model, "hubert", True)
    joined = extractor.embed([Waveform(np.concatenate([quiet, loud]))], "frame")[0].values
    alone = extractor.embed([Waveform(quiet)], "frame")[0].values
    assert np.abs(joined[:499] - alone).max() > 0.05


@pytest.mark.parametrize("layers", ["last6", "6", "-1", "all", "last0"])
def test_layers_that_are_not_there_are_refused_before_any_clip(tiny_model, layers):
    with pytest.raises(ExtractionError, match=rf"MER-E103.*'{layers}'"):
        make(tiny_model, "hubert", False, layers=layers)


def test_half_precision_spares_the_front_end(tiny_model):
    import torch

    extractor = create_extractor("audio/hubert", weights=str(tiny_model("hubert", layer_norm=True)))
    extractor.load("cpu", "bf16")
    model = extractor.model
    assert {p.dtype for p in model.feature_extractor.parameters()} == {torch.float32}
    assert {p.dtype for p in model.feature_projection.parameters()} == {torch.float32}
    assert {p.dtype for p in model.encoder.pos_conv_embed.parameters()} == {torch.float32}
    assert model.encoder.layers[0].attention.k_proj.weight.dtype == torch.bfloat16
    assert model.encoder.layers[0].layer_norm.weight.dtype == torch.float32


def test_front_end_of_the_published_models():
    frontend = Frontend((10, 3, 3, 3, 3, 2, 2), (5, 2, 2, 2, 2, 2, 2))
    assert (frontend.field, frontend.hop) == (400, 320)
    assert [frontend.n_rows(n) for n in (0, 9, 399, 400, 16_000, 160_000)] == [0, 0, 0, 1, 49, 499]


@pytest.mark.parametrize(("kind", "layer_norm"), [*KINDS[:2], KINDS[-1]])
def test_fact_1_the_edition_of_2023_is_the_last_layer_of_the_whole_clip(tiny_model, kind, layer_norm):
    """Same folder name, other content: MER2023 took the last layer in one pass, the others four layers of chunks."""
    wave = sound(165_000)
    extractor = make(tiny_model, kind, layer_norm, edition="mer2023")
    rows = extractor.embed([wave], "frame")[0]
    folder = tiny_model(kind, layer_norm=layer_norm)
    close(rows.values, hidden_states(folder, normalised(wave))[-1])
    assert len(rows.values) == 515
    later = make(tiny_model, kind, layer_norm)
    assert extractor.settings() != later.settings()
    assert np.abs(rows.values[:499] - later.embed([wave], "frame")[0].values[:499]).max() > 0.1


def test_an_edition_sets_defaults_that_other_options_overrule(tiny_model):
    chosen = make(tiny_model, "hubert", True, edition="mer2023", layers="last4")
    assert chosen.layers == (-4, -3, -2, -1)
    assert make(tiny_model, "hubert", True, edition="mer2023").settings()["layers"] == "last"
    assert make(tiny_model, "hubert", True).settings()["layers"] == "last4"


def test_editions_of_one_rule_are_one_setting(tiny_model):
    rules = [make(tiny_model, "hubert", False, edition=e).settings() for e in ("merbench", "mer2024", "mer2026")]
    assert rules[0] == rules[1] == rules[2] != make(tiny_model, "hubert", False, edition="mer2023").settings()


def test_an_unknown_edition_is_refused_with_those_there_are():
    with pytest.raises(ConfigError, match=r"mer2022.*mer2023"):
        create_extractor("audio/hubert", weights="x", edition="mer2022")


def test_fact_5_reference_tail_computes_half_of_a_clip_of_10_1_s_on_silence(tiny_model):
    rows = make(tiny_model, "hubert", True, tail="reference").embed([sound(161_600)], "frame")[0]
    assert (rows.times_s > 10.1).sum() == 494  # of 998


def test_padding_leaks_through_data2vec_even_with_a_mask(tiny_model):
    """The reason for equal lengths although its front end has layer norm (transformers issue 25621)."""
    import torch
    from transformers import AutoModel

    model = AutoModel.from_pretrained(tiny_model("data2vec-audio")).eval()
    samples = torch.from_numpy(normalised(sound(16_000)))[None]
    mask = torch.ones(1, 32_000, dtype=torch.long)
    mask[:, 16_000:] = 0
    with torch.inference_mode():
        alone = model(samples).last_hidden_state
        padded = model(torch.nn.functional.pad(samples, (0, 16_000)), attention_mask=mask).last_hidden_state
    assert (padded[:, :49] - alone).abs().max() > 1e-3
    assert not make(tiny_model, "data2vec-audio", False).padding_invariant


def test_xlsr_is_a_wav2vec2_with_layer_norm():
    for name, n_parameters in (("wav2vec2-large-xlsr-53", 315_438_720), ("wav2vec2-xls-r-300m", 315_438_720)):
        entry = EXTRACTORS.entry(f"audio/{name}")
        assert entry.facts["padding_invariant"]
        assert entry.target.published_shape(entry.facts).parameters == n_parameters
