"""Text encoders: sum of the last four hidden layers, one row per token, special tokens left out.

The BERT family with what grew from it, DeBERTa, XLNet (special tokens at the end, filling in front, positions relative
and so without a limit of their own) and the encoder half of T5, which the reference lists but cannot run. Special
tokens are known from the tokenizer's mask, so any language works.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from feature_extractors.pretrained import Checkpoint, register_family
from feature_extractors.text.token_model import TokenModel, TokenModelConfig


class TextEncoder(TokenModel):
    """One row per token of a text; rows have no time."""

    Config = TokenModelConfig
    model_types = (
        *("bert", "roberta", "xlm-roberta", "electra", "albert", "distilbert", "mpnet", "deberta", "deberta-v2"),
        *("xlnet", "t5", "mt5"),
    )
    padded_left = ("xlnet",)
    # heads of tasks, and what stands in for masked words in pre-training
    unused = ("pooler.dense.weight", "pooler.dense.bias", "pooler.weight", "pooler.bias", "mask_emb")

    @property
    def exact(self) -> tuple[str, ...]:  # type: ignore[override]
        """DeBERTa's attention: it masks 16-bit scores with the smallest number of its 32-bit queries, which is none."""
        if self.architecture.model_type != "deberta":
            return ()
        return tuple(f"encoder.layer.{i}.attention.self" for i in range(self.architecture.num_hidden_layers))

    @classmethod
    def network(cls, architecture: Any) -> Any:
        """The encoder alone where a model also has a decoder."""
        import transformers

        halves = {"t5": "T5EncoderModel", "mt5": "MT5EncoderModel"}
        return getattr(transformers, halves.get(architecture.model_type, "AutoModel"))


_CHINESE_WORDS = 21_128
_WIKIPEDIA = "Chinese Wikipedia"
_EXTENDED = "Chinese Wikipedia, encyclopedia, news and questions, 5.4 billion words"
_180G = "Chinese texts, 180 GB"
_BOOKS = "BooksCorpus and English Wikipedia"
_WEB = "BooksCorpus, English Wikipedia, news and web texts, 160 GB"
_GERMAN = "German Wikipedia, legal texts and news"
_APACHE = "Apache-2.0"
_UNSTATED = "not stated by the publisher"

_SIZES = {
    "hidden_size": "hidden_size",
    "num_hidden_layers": "num_hidden_layers",
    "num_attention_heads": "num_attention_heads",
    "intermediate_size": "intermediate_size",
}
_XLNET = {"hidden_size": "d_model", "num_hidden_layers": "n_layer", "num_attention_heads": "n_head"}
_T5 = {"hidden_size": "d_model", "num_hidden_layers": "num_layers", "num_attention_heads": "num_heads"}
_NAMES: Mapping[str, Mapping[str, str]] = {
    "xlnet": {**_XLNET, "intermediate_size": "d_inner"},
    "t5": {**_T5, "intermediate_size": "d_ff"},
}
_TINY, _SMALL, _BASE, _LARGE = (312, 4, 12, 1248), (384, 6, 12, 1536), (768, 12, 12, 3072), (1024, 24, 16, 4096)
_ELECTRA_SMALL = (256, 12, 4, 1024)
_ENGLISH_ROBERTA = {"vocab_size": 50_265, "max_position_embeddings": 514, "type_vocab_size": 1, "pad_token_id": 1}
_DEBERTA = {
    "relative_attention": True,
    "position_biased_input": False,
    "pos_att_type": ["p2c", "c2p"],
    "type_vocab_size": 0,
    "layer_norm_eps": 1e-7,
}
_DEBERTA_2 = {
    **_DEBERTA,
    "vocab_size": 128_100,
    "conv_kernel_size": 3,
    "conv_act": "gelu",
    "share_att_key": True,
    "norm_rel_ebd": "layer_norm",
    "position_buckets": 256,
}


def _checkpoint(
    hub_id: str,
    kind: str,
    size: tuple[int, int, int, int],
    trained_on: str,
    summary: str,
    *,
    name: str = "",
    licence: str = _APACHE,
    **architecture: Any,
) -> Checkpoint:
    """A published encoder; its name is the last part of the hub id unless the field knows it by another."""
    names = _NAMES.get(kind, _SIZES)
    return Checkpoint(
        f"text/{name or hub_id.split('/')[1]}",
        hub_id,
        size[0],
        licence,
        (trained_on,),
        summary=summary,
        n_layers=size[1],
        architecture={"model_type": kind, **dict(zip(map(names.get, _SIZES), size, strict=True)), **architecture},
    )


def _chinese(hub_id: str, size: tuple[int, int, int, int], trained_on: str, summary: str, **more: Any) -> Checkpoint:
    """A Chinese model of the type BERT, with BERT's words."""
    return _checkpoint(hub_id, "bert", size, trained_on, summary, **{"vocab_size": _CHINESE_WORDS, **more})


def _electra(size: str, shape: tuple[int, int, int, int], width: int) -> Checkpoint:
    return _checkpoint(
        f"hfl/chinese-electra-180g-{size}-discriminator",
        "electra",
        shape,
        _180G,
        f"ELECTRA {size}, Chinese",
        name=f"chinese-electra-180g-{size}",
        vocab_size=_CHINESE_WORDS,
        embedding_size=width,
    )


_CHINESE = [
    _chinese("google-bert/bert-base-chinese", _BASE, _WIKIPEDIA, "BERT base, Chinese"),
    _chinese("hfl/chinese-roberta-wwm-ext", _BASE, _EXTENDED, "RoBERTa base, Chinese, whole words masked"),
    _chinese("hfl/chinese-roberta-wwm-ext-large", _LARGE, _EXTENDED, "RoBERTa large, Chinese, whole words masked"),
    _chinese("hfl/chinese-macbert-base", _BASE, _EXTENDED, "MacBERT base, Chinese"),
    _chinese("hfl/chinese-macbert-large", _LARGE, _EXTENDED, "MacBERT large, Chinese"),
    _chinese("hfl/chinese-pert-base", _BASE, _EXTENDED, "PERT base, Chinese", licence="CC-BY-NC-SA-4.0"),
    _chinese("hfl/chinese-pert-large", _LARGE, _EXTENDED, "PERT large, Chinese", licence="CC-BY-NC-SA-4.0"),
    _chinese("hfl/chinese-lert-small", _ELECTRA_SMALL, _EXTENDED, "LERT small, Chinese"),
    _chinese("hfl/chinese-lert-base", _BASE, _EXTENDED, "LERT base, Chinese"),
    _chinese("hfl/chinese-lert-large", _LARGE, _EXTENDED, "LERT large, Chinese"),
    _electra("small", _ELECTRA_SMALL, 128),
    _electra("base", _BASE, 768),
    _electra("large", _LARGE, 1024),
    _checkpoint("hfl/chinese-xlnet-base", "xlnet", _BASE, _EXTENDED, "XLNet base, Chinese", vocab_size=32_000),
    _checkpoint(
        "WENGSYX/Deberta-Chinese-Large",
        "deberta",
        _LARGE,
        "Chinese texts",
        "DeBERTa large, Chinese, with BERT's words",
        name="deberta-chinese-large",
        licence=_UNSTATED,
        vocab_size=_CHINESE_WORDS,
        **_DEBERTA,
    ),
    _chinese(
        "IDEA-CCNL/Taiyi-CLIP-Roberta-102M-Chinese",
        _BASE,
        "pictures with Chinese captions, 123 million pairs",
        "text half of the Chinese CLIP Taiyi",
        name="taiyi-clip-roberta-chinese",
    ),
    *(
        _checkpoint(
            f"clue/albert_chinese_{size}",
            "albert",
            shape,
            "CLUE corpus, 100 GB of Chinese texts",
            f"ALBERT {size}, Chinese, with BERT's words",
            licence=_UNSTATED,
            vocab_size=_CHINESE_WORDS,
            embedding_size=128,
        )
        for size, shape in (("tiny", _TINY), ("small", _SMALL))
    ),
    _chinese(
        "WangZeJun/simbert-base-chinese",
        _BASE,
        "Chinese questions that mean the same, 22 million pairs",
        "SimBERT base, Chinese",
        licence=_UNSTATED,
        vocab_size=13_685,
    ),
]
_MULTILINGUAL = [
    _checkpoint(
        "sentence-transformers/paraphrase-multilingual-mpnet-base-v2",
        "xlm-roberta",
        _BASE,
        "sentences that mean the same, over 50 languages (pairs)",
        "Sentence-BERT, over 50 languages; its token states, without its pooling",
        vocab_size=250_002,
        max_position_embeddings=514,
        type_vocab_size=1,
        pad_token_id=1,
    )
]
_ENGLISH = [
    *(
        _checkpoint(
            f"google-bert/bert-{size}-{case}",
            "bert",
            shape,
            _BOOKS,
            f"BERT {size}, English, {case}",
            vocab_size=28_996 if case == "cased" else 30_522,
        )
        for size, shape in (("base", _BASE), ("large", _LARGE))
        for case in ("cased", "uncased")
    ),
    *(
        _checkpoint(
            f"albert/albert-{size}-v2",
            "albert",
            shape,
            _BOOKS,
            f"ALBERT {size}, English",
            vocab_size=30_000,
            embedding_size=128,
        )
        for size, shape in (("base", _BASE), ("large", _LARGE), ("xxlarge", (4096, 12, 64, 16_384)))
    ),
    *(
        _checkpoint(
            f"FacebookAI/roberta-{size}",
            "roberta",
            shape,
            _WEB,
            f"RoBERTa {size}, English",
            licence="MIT",
            **_ENGLISH_ROBERTA,
        )
        for size, shape in (("base", _BASE), ("large", _LARGE))
    ),
    *(
        _checkpoint(
            f"google/electra-{size}-discriminator",
            "electra",
            shape,
            _BOOKS if size == "base" else _WEB,
            f"ELECTRA {size}, English",
            vocab_size=30_522,
            embedding_size=shape[0],
        )
        for size, shape in (("base", _BASE), ("large", _LARGE))
    ),
    *(
        _checkpoint(
            f"xlnet/xlnet-{size}-cased",
            "xlnet",
            shape,
            _WEB,
            f"XLNet {size}, English",
            licence="MIT",
            vocab_size=32_000,
        )
        for size, shape in (("base", _BASE), ("large", _LARGE))
    ),
    *(
        _checkpoint(
            f"google-t5/t5-{size}",
            "t5",
            shape,
            "C4 and tasks of GLUE, SuperGLUE (SST-2 with labels of sentiment) and others",
            f"encoder of T5 {size}, English",
            vocab_size=32_128,
            d_kv=64,
        )
        for size, shape in (("base", (768, 12, 12, 3072)), ("large", _LARGE))
    ),
    *(
        _checkpoint(
            f"microsoft/deberta-{size}",
            "deberta",
            shape,
            _BOOKS,
            f"DeBERTa {size}, English",
            licence="MIT",
            vocab_size=50_265,
            **_DEBERTA,
        )
        for size, shape in (("base", _BASE), ("large", _LARGE))
    ),
    *(
        _checkpoint(
            f"microsoft/deberta-v2-{size}",
            "deberta-v2",
            (1536, n_layers, 24, 6144),
            _WEB,
            f"DeBERTa 2 {size}, English",
            licence="MIT",
            **_DEBERTA_2,
        )
        for size, n_layers in (("xlarge", 24), ("xxlarge", 48))
    ),
]
_OTHERS = [
    _checkpoint(
        "google-bert/bert-base-german-cased",
        "bert",
        _BASE,
        _GERMAN,
        "BERT base, German, cased",
        licence="MIT",
        vocab_size=30_000,
    )
]

register_family(TextEncoder, "text/encoder", "text encoder", [*_CHINESE, *_MULTILINGUAL, *_ENGLISH, *_OTHERS])
