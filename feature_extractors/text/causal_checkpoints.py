"""Published causal language models that embed text.

Sizes are those of their config.json. LLaMA's first conversion (decapoda-research) was withdrawn by its publisher; the
names point to the one that the field took instead.
"""

from __future__ import annotations

from typing import Any

from feature_extractors.pretrained import Checkpoint

_LLAMA_TEXTS = "CommonCrawl, C4, GitHub, Wikipedia, books, arXiv and StackExchange, 1 to 1.4 trillion tokens"
_LLAMA_2_TEXTS = "public web texts, 2 trillion tokens"
_BAICHUAN_TEXTS = "Chinese and English web texts, 1.2 to 1.4 trillion tokens"
_BAICHUAN_2_TEXTS = "web texts, books, papers and code, 2.6 trillion tokens"
_WEB_TEXTS = "WebText, English"
_CLUE = "CLUECorpusSmall, Chinese"
_UNSTATED = "not stated by the publisher"


def _causal(
    name: str,
    hub_id: str,
    size: tuple[int, int, int, int],
    licence: str,
    trained_on: str | tuple[str, ...],
    summary: str,
    kind: str = "llama",
    **architecture: Any,
) -> Checkpoint:
    """A published model; `size` is width, layers, heads, inner width. Names are the field's, in small letters."""
    spelt = _SPELT.get(kind, _SPELT["llama"])
    sizes = {key: value for key, value in zip(spelt, size, strict=True) if key}
    return Checkpoint(
        f"text/{name}",
        hub_id,
        size[0],
        licence,
        (trained_on,) if isinstance(trained_on, str) else trained_on,
        summary=summary,
        n_layers=size[1],
        architecture={"model_type": kind, **sizes, **architecture},
    )


_SPELT = {
    "llama": ("hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size"),
    "gpt2": ("n_embd", "n_layer", "n_head", ""),
    "openai-gpt": ("n_embd", "n_layer", "n_head", ""),
    "gpt_neo": ("hidden_size", "num_layers", "num_heads", ""),
    "bloom": ("hidden_size", "n_layer", "n_head", ""),
    "falcon": ("hidden_size", "num_hidden_layers", "num_attention_heads", ""),
    "opt": ("hidden_size", "num_hidden_layers", "num_attention_heads", "ffn_dim"),
    "chatglm": ("hidden_size", "num_layers", "num_attention_heads", "ffn_hidden_size"),
}
_7B, _13B = (4096, 32, 32, 11_008), (5120, 40, 40, 13_824)
_13B_BAICHUAN = (5120, 40, 40, 13_696)
_GPT2 = {"small": (768, 12, 12, 0), "medium": (1024, 24, 16, 0), "large": (1280, 36, 20, 0)}
_LLAMA, _LLAMA_2 = "LLaMA licence (non-commercial)", "Llama 2 Community License"
_BAICHUAN_LICENCE, _BAICHUAN_2_LICENCE = "Baichuan-13B Model Community License", "Baichuan 2 Model Community License"
_SHARED = ("chats shared by users of ChatGPT",)

CHECKPOINTS = [
    _causal("llama-7b-hf", "huggyllama/llama-7b", _7B, _LLAMA, _LLAMA_TEXTS, "LLaMA 7B", vocab_size=32_000),
    _causal("llama-13b-hf", "huggyllama/llama-13b", _13B, _LLAMA, _LLAMA_TEXTS, "LLaMA 13B", vocab_size=32_000),
    _causal("llama-2-7b", "meta-llama/Llama-2-7b-hf", _7B, _LLAMA_2, _LLAMA_2_TEXTS, "Llama 2 7B", vocab_size=32_000),
    _causal(
        "llama-2-13b-hf",
        "NousResearch/Llama-2-13b-hf",
        _13B,
        _LLAMA_2,
        _LLAMA_2_TEXTS,
        "Llama 2 13B",
        vocab_size=32_000,
    ),
    _causal(
        "vicuna-7b-v0",
        "",
        _7B,
        _LLAMA,
        (_LLAMA_TEXTS, *_SHARED),
        "Vicuna 7B v0; published as a difference (lmsys/vicuna-7b-delta-v0): add it to LLaMA, then weights=FOLDER",
        vocab_size=32_001,
    ),
    _causal(
        "vicuna-7b-v1.5",
        "lmsys/vicuna-7b-v1.5",
        _7B,
        _LLAMA_2,
        (_LLAMA_2_TEXTS, *_SHARED),
        "Vicuna 7B v1.5",
        vocab_size=32_000,
    ),
    _causal(
        "stable-vicuna-13b",
        "",
        _13B,
        "CC-BY-NC-SA-4.0",
        (_LLAMA_TEXTS, *_SHARED, "human preferences of answers"),
        "StableVicuna 13B; published as a difference (CarperAI/stable-vicuna-13b-delta): add it to LLaMA, then "
        "weights=FOLDER",
        vocab_size=32_001,
    ),
    _causal(
        "chinese-alpaca-2-13b",
        "ziqingyang/chinese-alpaca-2-13b",
        _13B,
        "Apache-2.0; Llama 2 Community License",
        (_LLAMA_2_TEXTS, "Chinese texts, 120 GB", "Chinese and English instructions"),
        "Llama 2 13B, trained further in Chinese",
        vocab_size=55_296,
    ),
    _causal(
        "qwen2.5-7b",
        "Qwen/Qwen2.5-7B",
        (3584, 28, 28, 18_944),
        "Apache-2.0",
        "texts in 29 languages, 18 trillion tokens",
        "Qwen 2.5 7B",
        "qwen2",
        num_key_value_heads=4,
        vocab_size=152_064,
        max_position_embeddings=131_072,
    ),
    _causal(
        "bloom-7b1",
        "bigscience/bloom-7b1",
        (4096, 30, 32, 0),
        "BigScience BLOOM RAIL 1.0",
        "ROOTS, 46 languages, 1.6 TB",
        "BLOOM 7B",
        "bloom",
        vocab_size=250_880,
    ),
    _causal(
        "falcon-7b",
        "tiiuae/falcon-7b",
        (4544, 32, 71, 0),
        "Apache-2.0",
        "RefinedWeb and others, 1.5 trillion tokens",
        "Falcon 7B",
        "falcon",
        vocab_size=65_024,
        multi_query=True,
        parallel_attn=True,
        new_decoder_architecture=False,
        bias=False,
        alibi=False,
    ),
    _causal(
        "opt-13b",
        "facebook/opt-13b",
        (5120, 40, 40, 20_480),
        "OPT-175B licence (non-commercial)",
        "books, CC-Stories, the Pile, Reddit and news, 180 billion tokens",
        "OPT 13B",
        "opt",
        vocab_size=50_272,
        word_embed_proj_dim=5120,
    ),
    _causal(
        "stablelm-3b-4e1t",
        "stabilityai/stablelm-3b-4e1t",
        (2560, 32, 32, 6912),
        "CC-BY-SA-4.0",
        "RefinedWeb, RedPajama, the Pile and StarCoder, 4 trillion tokens",
        "StableLM 3B",
        "stablelm",
        num_key_value_heads=32,
        vocab_size=50_304,
    ),
    _causal(
        "baichuan-7b",
        "baichuan-inc/Baichuan-7B",
        _7B,
        "Baichuan-7B Model License",
        _BAICHUAN_TEXTS,
        "Baichuan 7B",
        "baichuan",
        vocab_size=64_000,
        max_position_embeddings=4096,
    ),
    _causal(
        "baichuan-13b-base",
        "baichuan-inc/Baichuan-13B-Base",
        _13B_BAICHUAN,
        _BAICHUAN_LICENCE,
        _BAICHUAN_TEXTS,
        "Baichuan 13B; the strongest text embedding of the MER challenges",
        "baichuan",
        vocab_size=64_000,
    ),
    _causal(
        "baichuan2-7b-base",
        "baichuan-inc/Baichuan2-7B-Base",
        _7B,
        _BAICHUAN_2_LICENCE,
        _BAICHUAN_2_TEXTS,
        "Baichuan 2 7B",
        "baichuan",
        vocab_size=125_696,
        max_position_embeddings=4096,
    ),
    _causal(
        "baichuan2-13b-base",
        "baichuan-inc/Baichuan2-13B-Base",
        _13B_BAICHUAN,
        _BAICHUAN_2_LICENCE,
        _BAICHUAN_2_TEXTS,
        "Baichuan 2 13B",
        "baichuan",
        vocab_size=125_696,
    ),
    _causal(
        "chatglm2-6b",
        "THUDM/chatglm2-6b",
        (4096, 28, 32, 13_696),
        "ChatGLM2-6B licence (research; commercial use after registration)",
        ("Chinese and English texts, 1.4 trillion tokens", "human preferences of answers"),
        "ChatGLM 2 6B",
        "chatglm",
        padded_vocab_size=65_024,
    ),
    _causal(
        "gpt2-chinese-cluecorpussmall",
        "uer/gpt2-chinese-cluecorpussmall",
        _GPT2["small"],
        _UNSTATED,
        _CLUE,
        "GPT-2 small, Chinese, with BERT's words",
        "gpt2",
        vocab_size=21_128,
    ),
    _causal(
        "wenzhong2-gpt2-chinese",
        "IDEA-CCNL/Wenzhong2.0-GPT2-3.5B-chinese",
        (3072, 30, 32, 0),
        "Apache-2.0",
        "WuDao, Chinese, 300 GB",
        "GPT-2 of 3.5 billion parameters, Chinese",
        "gpt2",
        vocab_size=50_304,
    ),
    *(
        _causal(
            "gpt2" if size == "small" else f"gpt2-{size}",
            "openai-community/gpt2" if size == "small" else f"openai-community/gpt2-{size}",
            shape,
            "MIT",
            _WEB_TEXTS,
            f"GPT-2 {size}, English",
            "gpt2",
            vocab_size=50_257,
        )
        for size, shape in _GPT2.items()
    ),
    _causal(
        "openai-gpt",
        "openai-community/openai-gpt",
        (768, 12, 12, 0),
        "MIT",
        "BooksCorpus",
        "GPT, English",
        "openai-gpt",
        vocab_size=40_478,
    ),
    _causal(
        "gpt-neo-1.3b",
        "EleutherAI/gpt-neo-1.3B",
        (2048, 24, 16, 0),
        "MIT",
        "the Pile, English",
        "GPT-Neo 1.3B, English",
        "gpt_neo",
        vocab_size=50_257,
        attention_types=[[["global", "local"], 12]],
    ),
]
