"""Causal language models against the transformers model called text by text, and how their weights are read.

Numbers of facts and rows are those of the specification of feature extraction.
"""

import json
import shutil

import numpy as np
import pytest
import torch

from feature_extractors import EXTRACTORS, create_extractor
from feature_extractors.text.causal import CausalModel
from feature_extractors.text.token_model import LONGEST
from mertools.errors import ExtractionError, MissingDependencyError

TEXTS = ["我今天很高兴。", "i am so happy !", "NA", "我 am 难过, 真 sad?"]
LIBRARY = [kind for kind in CausalModel.model_types if kind not in ("baichuan", "chatglm")]
TYPES = [*CausalModel.model_types, "baichuan-7b"]
BEFORE = {"llama": 1, "mistral": 1, "opt": 1}  # special tokens in front of a text


def make(folder, precision="fp32", **options):
    extractor = create_extractor("text/causal", weights=str(folder), **options)
    extractor.load("cpu", precision)
    return extractor


def rows(extractor, text=TEXTS[0]):
    return extractor.embed([text], "frame")[0].values


def tokenizer(folder):
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(folder)


@pytest.mark.parametrize("kind", LIBRARY)
def test_equals_the_sum_of_the_last_four_entries_with_the_final_norm_on_the_last(tiny_text, kind):
    """Facts 2 and §4.1: the entries -4 to -2 are raw, the last is the output of the network."""
    from transformers import AutoModel

    folder = tiny_text(kind)
    model = AutoModel.from_pretrained(folder).eval()
    for text, found in zip(TEXTS, make(folder).embed(TEXTS, "frame"), strict=True):
        with torch.inference_mode():
            output = model(torch.tensor([tokenizer(folder)(text)["input_ids"]]), output_hidden_states=True)
        expected = (sum(output.hidden_states[-4:-1]) + output.last_hidden_state)[0, BEFORE.get(kind, 0) :].numpy()
        assert found.values.shape == expected.shape
        np.testing.assert_allclose(found.values, expected, atol=1e-5 * max(1, np.abs(expected).max()), rtol=0)


@pytest.mark.parametrize(
    ("kind", "norm", "blocks"),
    [
        ("llama", "norm", "layers"),
        ("gpt2", "ln_f", "h"),
        ("bloom", "ln_f", "h"),
        ("opt", "decoder.final_layer_norm", "decoder.layers"),
    ],
)
def test_only_the_last_of_the_four_is_behind_the_final_norm(tiny_text, kind, norm, blocks):
    from transformers import AutoModel

    folder = tiny_text(kind)
    model = AutoModel.from_pretrained(folder).eval()
    raw = []
    for block in model.get_submodule(blocks):
        block.register_forward_hook(lambda _, __, output: raw.append(output if torch.is_tensor(output) else output[0]))
    with torch.inference_mode():
        model(torch.tensor([tokenizer(folder)("happy")["input_ids"]]))
        expected = raw[-4] + raw[-3] + raw[-2] + model.get_submodule(norm)(raw[-1])
    expected = expected.reshape(-1, expected.shape[-1])[BEFORE.get(kind, 0) :]
    np.testing.assert_allclose(rows(make(folder), "happy"), expected, atol=1e-5 * max(1, float(expected.abs().max())))


@pytest.mark.parametrize("kind", ["baichuan", "baichuan-7b", "chatglm"])
def test_released_files_of_rebuilt_networks_are_read_unrenamed(tiny_text, kind):
    """Their prefixes, heads and constants are in the file; only ChatGLM's last entry is in front of the final norm."""
    from safetensors.torch import load_file

    folder = tiny_text(kind)
    extractor = make(folder)
    state = load_file(folder / "model.safetensors")
    prefix = "transformer." if kind == "chatglm" else "model."
    loaded = extractor.model.state_dict()
    assert {prefix + name for name in loaded} < set(state)
    assert all(torch.equal(values, state[prefix + name]) for name, values in loaded.items())
    ids = torch.tensor([tokenizer(folder)(TEXTS[0])["input_ids"]])
    with torch.inference_mode():
        entries = extractor.model(ids, output_hidden_states=True).hidden_states
    np.testing.assert_allclose(rows(extractor), sum(entries[-4:])[0, 1:], atol=1e-4)


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_sixteen_bit_is_near_on_every_type(tiny_text, kind, precision):
    """Fact 9: the reference stores what a 16-bit network sums; here sums are float32."""
    exact, near = rows(make(tiny_text(kind))), rows(make(tiny_text(kind), precision))
    assert near.dtype == np.float32
    assert 0 < np.linalg.norm(near - exact) / np.linalg.norm(exact) < 0.02
    as_stored = near.astype(np.float16).astype(np.float32)
    assert not np.array_equal(near, as_stored), "sums were rounded to 16 bit"


@pytest.mark.parametrize("kind", TYPES)
def test_batch_of_different_lengths_equals_one_at_a_time(tiny_text, kind):
    extractor = make(tiny_text(kind))
    texts = ["a", "happy", "so happy", "我很高兴", "x" * 39]
    for text, found in zip(texts, extractor.embed(texts, "frame"), strict=True):
        alone = rows(extractor, text)
        np.testing.assert_allclose(found.values, alone, atol=1e-5 * max(1, np.abs(alone).max()), rtol=0)


@pytest.mark.parametrize("kind", TYPES)
def test_a_token_sees_only_those_before_it(tiny_text, kind):
    extractor = make(tiny_text(kind))
    whole, beginning = rows(extractor, "happy day"), rows(extractor, "happy")
    np.testing.assert_allclose(whole[:5], beginning, atol=1e-5 * max(1, np.abs(whole).max()), rtol=0)
    assert np.abs(rows(extractor, "zappy day")[5:] - whole[5:]).max() > 1e-3


@pytest.mark.parametrize("kind", TYPES)
def test_long_text_has_one_row_per_token(tiny_text, kind):
    """Row 16."""
    extractor = make(tiny_text(kind))
    assert extractor.window <= LONGEST
    assert len(rows(extractor, "happy " * 30)) == 180


def test_words_of_bert_in_gpt2_bring_their_token_types(tiny_text, tmp_path):
    """The reference hands GPT-2 all that its tokenizer gives; GPT-2 adds the word vector of type 0 to every token."""
    from transformers import BertTokenizer, GPT2Model

    folder = shutil.copytree(tiny_text("gpt2"), tmp_path / "gpt2")
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (folder / name).unlink()
    shutil.copy(tiny_text("bert") / "vocab.txt", folder)
    model = GPT2Model.from_pretrained(folder).eval()
    tokens = BertTokenizer.from_pretrained(folder)("我今天很高兴", return_tensors="pt")
    with torch.inference_mode():
        output = model(**tokens, output_hidden_states=True)
        without = model(tokens["input_ids"], output_hidden_states=True)
    expected = (sum(output.hidden_states[-4:-1]) + output.last_hidden_state)[0, 1:-1]
    np.testing.assert_allclose(rows(make(folder), "我今天很高兴"), expected, atol=1e-4)
    assert (output.last_hidden_state - without.last_hidden_state).abs().max() > 1e-3


@pytest.mark.parametrize("kind", ["llama", "gpt2", "baichuan", "chatglm"])
def test_matrices_are_sixteen_bit_and_norms_keep_what_the_file_says(tiny_text, tmp_path, kind):
    """Row 30 of what goes wrong with 16 bit: norms and word vectors in the file's fp16 are not squeezed into bf16."""
    from safetensors.torch import load_file, save_file

    folder = shutil.copytree(tiny_text(kind), tmp_path / kind)
    halves = {name: values.half() for name, values in load_file(folder / "model.safetensors").items()}
    save_file(halves, folder / "model.safetensors", metadata={"format": "pt"})
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "dtype": "float16", "torch_dtype": "float16"}))
    model = make(folder, "bf16").model
    types = {name: values.dtype for name, values in model.named_parameters()}
    assert {torch.bfloat16, torch.float32} == set(types.values())
    prefix = next(p for p in ("", "model.", "transformer.") if p + next(iter(types)) in halves)
    for name, values in model.named_parameters():
        vector = values.ndim == 1 and "bias" not in name
        if vector or "embed" in name or "wte" in name:
            assert types[name] == torch.float32, name
            assert torch.equal(values, halves[prefix + name].float()), name
        elif values.ndim == 2 and "wpe" not in name:
            assert types[name] == torch.bfloat16, name


@pytest.mark.parametrize("kind", ["llama", "baichuan", "chatglm"])
@pytest.mark.parametrize("safe", [True, False])
def test_weights_in_several_files_behind_an_index(tiny_text, tmp_path, kind, safe):
    from safetensors.torch import load_file, save_file

    folder = shutil.copytree(tiny_text(kind), tmp_path / kind)
    state = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    stem, end = ("model", "safetensors") if safe else ("pytorch_model", "bin")
    places = {}
    for i in range(3):
        part = dict(list(state.items())[i::3])
        file = f"{stem}-0000{i + 1}-of-00003.{end}"
        save_file(part, folder / file, metadata={"format": "pt"}) if safe else torch.save(part, folder / file)
        places |= dict.fromkeys(part, file)
    (folder / f"{stem}.{end}.index.json").write_text(json.dumps({"metadata": {}, "weight_map": places}))
    np.testing.assert_array_equal(rows(make(folder)), rows(make(tiny_text(kind))))


@pytest.mark.parametrize("index", ["{", "[]", "{}", '{"weight_map": {}}', '{"weight_map": {"a": "../x.safetensors"}}'])
def test_damaged_index_is_one_clear_error(tiny_text, tmp_path, index):
    folder = shutil.copytree(tiny_text("llama"), tmp_path / "llama")
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors.index.json").write_text(index)
    with pytest.raises(ExtractionError, match=r"MER-E214.*model\.safetensors\.index\.json"):
        make(folder)


def test_missing_parameters_are_named(tiny_text, tmp_path):
    from safetensors.torch import load_file, save_file

    folder = shutil.copytree(tiny_text("baichuan"), tmp_path / "baichuan")
    state = load_file(folder / "model.safetensors")
    del state["model.layers.2.self_attn.W_pack.weight"]
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ExtractionError, match=r"MER-E117.*layers\.2\.self_attn\.W_pack\.weight"):
        make(folder)


@pytest.mark.parametrize("kind", ["moss", "stablelm_alpha"])
def test_networks_that_could_not_be_checked_are_refused_with_the_reason(tiny_text, tmp_path, kind):
    folder = shutil.copytree(tiny_text("llama"), tmp_path / "model")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "model_type": kind}))
    with pytest.raises(ExtractionError, match=rf"MER-E215.*'{kind}'.*never run"):
        _ = create_extractor("text/causal", weights=str(folder)).dim


def test_code_beside_the_weights_never_runs(tiny_text, tmp_path):
    folder = shutil.copytree(tiny_text("baichuan"), tmp_path / "baichuan")
    (folder / "modeling.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    make(folder)
    assert not (tmp_path / "ran").exists()


def test_differences_to_llama_are_refused(tiny_text, tmp_path):
    """They load without complaint, and what they embed means nothing."""
    folder = shutil.copytree(tiny_text("llama"), tmp_path / "vicuna-7b-delta-v0")
    with pytest.raises(ExtractionError, match=r"MER-E216.*vicuna-7b-delta-v0.*Add it to LLaMA"):
        make(folder)
    merged = folder.rename(tmp_path / "vicuna-7b-v0")
    assert len(rows(make(merged))) > 0


@pytest.mark.parametrize("name", ["text/vicuna-7b-v0", "text/stable-vicuna-13b"])
def test_models_published_as_differences_ask_for_a_folder(name):
    assert "weights=FOLDER" in EXTRACTORS.entry(name).summary
    with pytest.raises(ExtractionError, match=r"MER-E110.*was given no weights"):
        _ = create_extractor(name).dim


@pytest.mark.parametrize(
    ("kind", "change", "named"),
    [
        ("chatglm", {"rope_ratio": 50}, "rope_ratio=50"),
        ("chatglm", {"multi_query_attention": False}, "multi_query_attention=False"),
        ("chatglm", {"pre_seq_len": 128}, "pre_seq_len=128"),
        ("opt", {"word_embed_proj_dim": 16}, "word_embed_proj_dim=16"),
        ("llama", {"quantization_config": {"quant_method": "gptq", "bits": 4}}, "quantization_config"),
    ],
)
def test_variants_that_are_not_computed_are_refused(tiny_text, tmp_path, kind, change, named):
    folder = shutil.copytree(tiny_text(kind), tmp_path / kind)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **change}))
    with pytest.raises(ExtractionError, match=rf"MER-E218.*{named}"):
        make(folder)


def test_spreading_over_gpus_needs_accelerate_and_says_so_before_anything_is_read(tiny_text, monkeypatch):
    monkeypatch.setattr("feature_extractors.text.causal.find_spec", lambda _: None)
    with pytest.raises(MissingDependencyError, match=r"MER-O001.*accelerate.*mertools\[llm\]"):
        make(tiny_text("llama"), shard="auto")
    assert len(rows(make(tiny_text("llama")))) > 0


def test_spreading_changes_no_number_and_is_not_recorded(tiny_text):
    spread, alone = (
        create_extractor("text/causal", weights=str(tiny_text("llama")), shard=s) for s in ("auto", "never")
    )
    assert spread.settings() == alone.settings()


def test_a_model_that_fits_no_gpu_is_refused(tiny_text, monkeypatch):
    class Read:
        hf_device_map = {"layers.0": 0, "layers.1": "cpu"}  # noqa: RUF012

    asked = {}
    monkeypatch.setattr("feature_extractors.text.causal.find_spec", lambda _: object())
    monkeypatch.setattr("feature_extractors.text.causal._free_memory", lambda: {0: 10})
    monkeypatch.setattr(CausalModel, "_is_too_large", lambda *_: True)
    monkeypatch.setattr(CausalModel, "from_folder", lambda *_, **options: asked.update(options) or Read())
    extractor = create_extractor("text/causal", weights=str(tiny_text("llama")), shard="auto")
    with pytest.raises(ExtractionError, match=r"MER-E217.*does not fit"):
        extractor.load("cuda", "bf16")
    assert asked == {"dtype": "auto", "device_map": "auto", "max_memory": {0: 10}}


def test_a_model_that_is_spread_stays_where_it_was_put_and_gets_its_inputs_there(tiny_text, monkeypatch):
    plain = CausalModel.from_folder
    monkeypatch.setattr("feature_extractors.text.causal.find_spec", lambda _: object())
    monkeypatch.setattr("feature_extractors.text.causal._free_memory", dict)
    monkeypatch.setattr(CausalModel, "_is_too_large", lambda *_: True)
    monkeypatch.setattr(CausalModel, "from_folder", lambda self, cls, dtype, **_: plain(self, cls, dtype=dtype))
    extractor = create_extractor("text/causal", weights=str(tiny_text("llama")), shard="auto")
    extractor.load("cuda", "fp32")
    assert extractor.device == "cpu"
    np.testing.assert_array_equal(rows(extractor), rows(make(tiny_text("llama"))))
