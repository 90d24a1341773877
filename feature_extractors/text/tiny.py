"""Tiny random models of text in the layout of published folders; see `feature_extractors.fakes`.

The types that are not there: other encoders, causal language models, and the two that are rebuilt here, whose folders
are written as their publishers write them (prefixes, heads and all).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from feature_extractors.fakes import SIZES, roughen, write_transformers_model

_WORDS = 300  # all bytes, and special tokens
_XLNET = {"d_model": 32, "n_layer": 5, "n_head": 4, "d_inner": 48}
_T5 = {"d_model": 32, "num_layers": 5, "num_heads": 4, "d_ff": 48, "d_kv": 8}
_GPT = {"n_embd": 32, "n_layer": 5, "n_head": 4, "n_positions": 40, "bos_token_id": 0, "eos_token_id": 2}
_KEYS = {"num_key_value_heads": 2}
_DEBERTA = {
    **SIZES,
    "relative_attention": True,
    "position_biased_input": False,
    "pos_att_type": ["p2c", "c2p"],
    "type_vocab_size": 0,
}
_DEBERTA_2 = {
    **_DEBERTA,
    "conv_kernel_size": 3,
    "conv_act": "gelu",
    "share_att_key": True,
    "norm_rel_ebd": "layer_norm",
    "position_buckets": 8,
}
_POSITIONS = {"max_position_embeddings": 40}

# type: class of transformers, configuration, tokens in front and behind
_KINDS: dict[str, tuple[str, dict[str, Any], str]] = {
    "deberta": ("Deberta", {**_DEBERTA, **_POSITIONS}, "<s> $A </s>"),
    "deberta-v2": ("DebertaV2", {**_DEBERTA_2, **_POSITIONS}, "<s> $A </s>"),
    "mpnet": ("MPNet", {**SIZES, "max_position_embeddings": 42, "pad_token_id": 1}, "<s> $A </s>"),
    "xlnet": ("XLNet", _XLNET, "$A </s> <s>:2"),
    "t5": ("T5Encoder", _T5, "$A </s>"),
    "mt5": ("MT5Encoder", _T5, "$A </s>"),
    "llama": ("Llama", {**SIZES, **_KEYS, **_POSITIONS}, "<s> $A"),
    "mistral": ("Mistral", {**SIZES, **_KEYS, **_POSITIONS, "head_dim": 8}, "<s> $A"),
    "qwen2": ("Qwen2", {**SIZES, **_KEYS, **_POSITIONS}, "$A"),
    "qwen3": ("Qwen3", {**SIZES, **_KEYS, **_POSITIONS, "head_dim": 8}, "$A"),
    "gpt2": ("GPT2", _GPT, "$A"),
    "openai-gpt": ("OpenAIGPT", _GPT, "$A"),
    "gpt_neo": (
        "GPTNeo",
        {
            **{"hidden_size": 32, "num_layers": 4, "num_heads": 4, "window_size": 6},
            **{"attention_types": [[["global", "local"], 2]], **_POSITIONS},
        },
        "$A",
    ),
    "gpt_neox": ("GPTNeoX", {**SIZES, **_POSITIONS}, "$A"),
    "bloom": ("Bloom", {"hidden_size": 32, "n_layer": 5, "n_head": 4, "seq_length": 40}, "$A"),
    "falcon": (
        "Falcon",
        {**SIZES, **_POSITIONS, "multi_query": True, "parallel_attn": True, "new_decoder_architecture": False},
        "$A",
    ),
    "opt": (
        "OPT",
        {**SIZES, **_POSITIONS, "ffn_dim": 48, "word_embed_proj_dim": 32, "pad_token_id": 1},
        "</s> $A",
    ),
    "stablelm": ("StableLm", {**SIZES, **_KEYS, **_POSITIONS}, "$A"),
}


def write_text_model(model_type: str, folder: Path) -> None:
    """Write a tiny random model of text with its tokenizer into a folder.

    Args:
        model_type: as in config.json; ``baichuan`` is the kind without positions (13B), ``baichuan-7b`` the other.
        folder: to write into; it exists.
    """
    import torch

    with torch.random.fork_rng():
        torch.manual_seed(0)
        if model_type in _KINDS:
            _write_library_model(model_type, folder)
        elif model_type in ("baichuan", "baichuan-7b"):
            _write_baichuan(folder, rotary=model_type == "baichuan-7b")
        elif model_type == "chatglm":
            _write_chatglm(folder)
        else:
            write_transformers_model(model_type, folder)


def write_byte_tokenizer(folder: Path, template: str) -> None:
    """A tokenizer that reads bytes, with special tokens around the text as `template` says."""
    import transformers
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors

    special = ["<s>", "<pad>", "</s>", "<unk>"]
    words = {word: i for i, word in enumerate([*special, *sorted(pre_tokenizers.ByteLevel.alphabet())])}
    tokenizer = Tokenizer(models.BPE(words, [], unk_token="<unk>"))  # noqa: S106
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    around = [(word, words[word]) for word in special if word in template]
    if around:
        tokenizer.post_processor = processors.TemplateProcessing(single=template, special_tokens=around)
    names = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>"}
    fast = transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, **names)
    fast.save_pretrained(folder)


def _write_library_model(model_type: str, folder: Path) -> None:
    import transformers

    kind, options, template = _KINDS[model_type]
    config = getattr(transformers, f"{kind.removesuffix('Encoder')}Config")(**{"vocab_size": _WORDS, **options})
    roughen(getattr(transformers, f"{kind}Model")(config)).save_pretrained(folder)
    write_byte_tokenizer(folder, template)


def _write_baichuan(folder: Path, *, rotary: bool) -> None:
    from feature_extractors.networks.baichuan import BaichuanConfig, BaichuanModel

    architecture = {**SIZES, "num_attention_heads": 4 if rotary else 6, "vocab_size": _WORDS, "model_max_length": 40}
    architecture |= {"max_position_embeddings": 40} if rotary else {"hidden_size": 36}
    model = roughen(BaichuanModel(BaichuanConfig(**architecture)))
    state = {f"model.{name}": values for name, values in model.state_dict().items()}
    state["lm_head.weight"] = model.embed_tokens.weight.data.clone()
    _write_as_published(folder, {"model_type": "baichuan", **architecture}, "BaichuanForCausalLM", state)
    write_byte_tokenizer(folder, "<s> $A")


def _write_chatglm(folder: Path) -> None:
    import torch

    from feature_extractors.networks.chatglm2 import ChatGlm2Config, ChatGlm2Model

    architecture = {
        **{"hidden_size": 32, "ffn_hidden_size": 48, "num_layers": 5, "num_attention_heads": 4, "kv_channels": 8},
        **{"multi_query_group_num": 2, "padded_vocab_size": _WORDS, "seq_length": 40},
    }
    model = roughen(ChatGlm2Model(ChatGlm2Config(**architecture)))
    state = {f"transformer.{name}": values for name, values in model.state_dict().items()}
    state["transformer.encoder.final_layernorm.weight"] = torch.ones(32)
    state["transformer.output_layer.weight"] = model.embedding.word_embeddings.weight.data.clone()
    state["transformer.rotary_pos_emb.inv_freq"] = torch.ones(2)
    _write_as_published(folder, {"model_type": "chatglm", **architecture}, "ChatGLMModel", state)
    write_byte_tokenizer(folder, "<s> $A")


def _write_as_published(folder: Path, architecture: dict[str, Any], network: str, state: dict[str, Any]) -> None:
    from safetensors.torch import save_file

    published = {"architectures": [network], "auto_map": {"AutoModel": f"modeling.{network}"}, **architecture}
    (folder / "config.json").write_text(json.dumps(published), encoding="utf-8")
    save_file({name: values.contiguous() for name, values in state.items()}, folder / "model.safetensors")
