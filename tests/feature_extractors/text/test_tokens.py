"""Tokenizers: those of transformers, and SentencePiece models that are published with code of their own."""

import json
import shutil

import numpy as np
import pytest

from feature_extractors import create_extractor
from feature_extractors.text.tokens import SentencePieceTokenizer, read_tokenizer
from feature_extractors.weights import find_weights
from mertools.errors import ExtractionError, MissingDependencyError

LINES = ["今天天气真好", "我很高兴", "so happy today", "what a sad day", "我今天很难过", "真 happy"] * 20


@pytest.fixture(scope="session")
def pieces(tmp_path_factory):
    """A small SentencePiece model."""
    sentencepiece = pytest.importorskip("sentencepiece")
    folder = tmp_path_factory.mktemp("pieces")
    (folder / "lines.txt").write_text("\n".join(LINES), encoding="utf-8")
    sentencepiece.SentencePieceTrainer.train(
        input=str(folder / "lines.txt"),
        model_prefix=str(folder / "tokenizer"),
        vocab_size=280,
        byte_fallback=True,
        model_type="bpe",
        hard_vocab_limit=False,
        minloglevel=2,
    )
    return folder / "tokenizer.model"


def with_pieces(folder, pieces, target, **config):
    folder = shutil.copytree(folder, target)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (folder / name).unlink()
    shutil.copy(pieces, folder / "tokenizer.model")
    if config:
        (folder / "tokenizer_config.json").write_text(json.dumps(config))
    return folder


def test_chatglm_begins_every_text_with_two_tokens_behind_those_of_the_model(tiny_text, pieces, tmp_path):
    from sentencepiece import SentencePieceProcessor

    processor = SentencePieceProcessor(model_file=str(pieces))
    folder = with_pieces(tiny_text("chatglm"), pieces, tmp_path / "chatglm")
    extractor = create_extractor("text/causal", weights=str(folder))
    encoding = extractor.tokenizer.encode("我很高兴")
    own = processor.encode("我很高兴")
    n = processor.get_piece_size()
    assert list(encoding.inputs["input_ids"]) == [n + 1, n + 3, *own]
    assert (encoding.start, encoding.stop) == (2, 2 + len(own))
    extractor.load("cpu", "fp32")
    assert len(extractor.embed(["我很高兴"], "frame")[0].values) == len(own)


@pytest.mark.parametrize("kind", ["baichuan", "llama"])
@pytest.mark.parametrize(
    ("config", "front", "back"),
    [({}, 1, 0), ({"add_bos_token": False}, 0, 0), ({"add_bos_token": True, "add_eos_token": True}, 1, 1)],
)
def test_texts_are_marked_as_the_configuration_says(tiny_text, pieces, tmp_path, kind, config, front, back):
    """LLaMA with a SentencePiece model alone gets no mark from transformers 5; published embeddings have one."""
    folder = with_pieces(tiny_text(kind), pieces, tmp_path / kind, **config)
    encoding = create_extractor("text/causal", weights=str(folder)).tokenizer.encode("我很高兴")
    ids = list(encoding.inputs["input_ids"])
    assert (encoding.start, len(ids) - encoding.stop) == (front, back)
    assert ids[:front] == [1][:front]
    assert ids[len(ids) - back :] == [2] * back


def test_a_sentencepiece_model_of_xlnet_has_its_special_tokens_behind_the_text(tiny_text, tmp_path):
    """Chinese XLNet is published with nothing else."""
    sentencepiece = pytest.importorskip("sentencepiece")
    pytest.importorskip("google.protobuf")
    (tmp_path / "lines.txt").write_text("\n".join(LINES), encoding="utf-8")
    sentencepiece.SentencePieceTrainer.train(
        input=str(tmp_path / "lines.txt"),
        model_prefix=str(tmp_path / "spiece"),
        vocab_size=60,
        control_symbols=["<cls>", "<sep>", "<pad>", "<mask>", "<eod>", "<eop>"],
        hard_vocab_limit=False,
        minloglevel=2,
    )
    folder = shutil.copytree(tiny_text("xlnet"), tmp_path / "xlnet")
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (folder / name).unlink()
    shutil.copy(tmp_path / "spiece.model", folder)
    processor = sentencepiece.SentencePieceProcessor(model_file=str(folder / "spiece.model"))
    encoding = create_extractor("text/encoder", weights=str(folder)).tokenizer.encode("我今天很高兴")
    own = processor.encode("我今天很高兴")
    assert list(encoding.inputs["input_ids"]) == [*own, *map(processor.piece_to_id, ["<sep>", "<cls>"])]
    assert list(encoding.inputs["token_type_ids"]) == [0] * (len(own) + 1) + [2]
    assert (encoding.start, encoding.stop) == (0, len(own))


@pytest.mark.parametrize("kind", ["chatglm", "baichuan", "llama", "xlnet"])
def test_without_sentencepiece_the_error_is_its_install_command(tiny_text, tmp_path, monkeypatch, kind):
    monkeypatch.setattr("feature_extractors.text.tokens.find_spec", lambda _: None)
    (tmp_path / "any.model").write_bytes(b"\n")
    folder = with_pieces(tiny_text(kind), tmp_path / "any.model", tmp_path / kind)
    extractor = create_extractor("text/encoder" if kind == "xlnet" else "text/causal", weights=str(folder))
    with pytest.raises(MissingDependencyError, match=r"MER-O001.*tokenizer\.model.*pip install sentencepiece"):
        extractor.load("cpu", "fp32")


def test_damaged_sentencepiece_model(tmp_path):
    pytest.importorskip("sentencepiece")
    (tmp_path / "tokenizer.model").write_bytes(b"nothing of the kind")
    with pytest.raises(ExtractionError, match=r"MER-E213.*tokenizer\.model"):
        SentencePieceTokenizer(tmp_path / "tokenizer.model", "text/x")


@pytest.mark.parametrize("content", ["{", "{}", '{"model": {"type": "BPE"}}'])
def test_damaged_tokenizer(tiny_text, tmp_path, content):
    folder = shutil.copytree(tiny_text("llama"), tmp_path / "llama")
    (folder / "tokenizer.json").write_text(content)
    with pytest.raises(ExtractionError, match=r"MER-E213.*tokenizer\.json"):
        read_tokenizer(find_weights(str(folder), extractor="text/x"), "llama", "text/x")


def test_a_folder_without_a_tokenizer_names_what_is_missing(tiny_text, tmp_path):
    folder = shutil.copytree(tiny_text("llama"), tmp_path / "llama")
    (folder / "tokenizer.json").unlink()
    with pytest.raises(ExtractionError, match=r"MER-E112.*tokenizer\.json or .*tokenizer\.model"):
        create_extractor("text/causal", weights=str(folder)).load("cpu", "fp32")


def test_the_tokenizer_is_part_of_the_fingerprint(tiny_text, tmp_path):
    folder = shutil.copytree(tiny_text("llama"), tmp_path / "llama")
    before = create_extractor("text/causal", weights=str(folder)).settings()
    content = json.loads((folder / "tokenizer.json").read_text())
    content["post_processor"] = None
    (folder / "tokenizer.json").write_text(json.dumps(content))
    assert create_extractor("text/causal", weights=str(folder)).settings() != before


def test_inputs_are_whole_numbers_of_one_length(tiny_text):
    for kind in ("bert", "xlnet", "llama"):
        name = "text/causal" if kind == "llama" else "text/encoder"
        inputs = create_extractor(name, weights=str(tiny_text(kind))).tokenizer.encode("so happy").inputs
        assert {values.dtype for values in inputs.values()} == {np.dtype(np.int64)}
        assert len({len(values) for values in inputs.values()}) == 1
        assert set(inputs) >= {"input_ids", "attention_mask"}
