"""Tiny random models in the layout of published folders, so that every family runs offline in tests and on trial.

`write_transformers_model` makes those that transformers reads; a family with a layout of its own makes its own
(`Extractor.fake_weights`).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

Maker = Callable[..., None]

_MARKS = "\u3002\uff0c\uff01?!.,"
_SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
_MARKS = "\u3002\uff0c\uff01?!.,"
_ENGLISH = "i am so happy sad the day was null na a b c d e ##a ##b ##c ##d ##e ##happy ##s"
_BERT_WORDS = [*_SPECIAL, *"今天我很高兴真好你难过", *_MARKS, *_ENGLISH.split(" ")]
SIZES = {"num_hidden_layers": 5, "num_attention_heads": 4, "hidden_size": 32, "intermediate_size": 48}


def roughen(model: Any, seed: int = 0) -> Any:
    """Random values everywhere, biases and norms included, so that no step of a model is the identity."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    for parameter in model.parameters():
        parameter.data += 0.08 * torch.randn(parameter.shape, generator=generator)
    return model


def _clip(folder: Path, **_: Any) -> None:
    from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel

    vision = {**SIZES, "image_size": 48, "patch_size": 16}
    text = {**SIZES, "vocab_size": 60, "bos_token_id": 1, "eos_token_id": 2, "max_position_embeddings": 16}
    config = CLIPConfig(vision_config=vision, text_config=text, projection_dim=24)
    roughen(CLIPModel(config)).save_pretrained(folder)
    CLIPImageProcessor(size={"shortest_edge": 48}, crop_size={"height": 48, "width": 48}).save_pretrained(folder)


def _dinov2(folder: Path, **_: Any) -> None:
    from transformers import BitImageProcessor, Dinov2Config, Dinov2Model

    config = Dinov2Config(**SIZES, mlp_ratio=2, image_size=56, patch_size=14)  # 16 patches; crops of 42 pixels have 9
    roughen(Dinov2Model(config)).save_pretrained(folder)
    processor = BitImageProcessor(size={"shortest_edge": 48}, crop_size={"height": 42, "width": 42})
    processor.save_pretrained(folder)


def _data2vec_vision(folder: Path, **_: Any) -> None:
    from transformers import BeitImageProcessor, Data2VecVisionConfig, Data2VecVisionModel

    config = Data2VecVisionConfig(**SIZES, image_size=48, use_relative_position_bias=True)
    roughen(Data2VecVisionModel(config)).save_pretrained(folder)
    BeitImageProcessor(size={"height": 48, "width": 48}, do_center_crop=False).save_pretrained(folder)


def _videomae(folder: Path, **_: Any) -> None:
    from transformers import VideoMAEConfig, VideoMAEImageProcessor, VideoMAEModel

    config = VideoMAEConfig(**SIZES, image_size=32, use_mean_pooling=False)
    roughen(VideoMAEModel(config)).save_pretrained(folder)
    processor = VideoMAEImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    processor.save_pretrained(folder)


def _speech(kind: str) -> Maker:
    def make(folder: Path, layer_norm: bool = False, **_: Any) -> None:
        import transformers

        config = getattr(transformers, f"{kind}Config")(
            **SIZES,
            conv_dim=(16,) * 7,
            feat_extract_norm="layer" if layer_norm else "group",
            do_stable_layer_norm=layer_norm,
            conv_bias=layer_norm,
            num_conv_pos_embeddings=16,
            num_conv_pos_embedding_groups=4,
        )
        roughen(getattr(transformers, f"{kind}Model")(config)).save_pretrained(folder)
        transformers.Wav2Vec2FeatureExtractor(return_attention_mask=layer_norm).save_pretrained(folder)

    return make


def _data2vec_audio(folder: Path, **_: Any) -> None:
    import transformers

    config = transformers.Data2VecAudioConfig(
        **SIZES, conv_dim=(16,) * 7, num_conv_pos_embeddings=5, num_conv_pos_embedding_groups=4
    )
    roughen(transformers.Data2VecAudioModel(config)).save_pretrained(folder)
    transformers.Wav2Vec2FeatureExtractor(return_attention_mask=True).save_pretrained(folder)


def _whisper(folder: Path, **_: Any) -> None:
    import transformers

    sizes = {"d_model": 32, "vocab_size": 60, "max_target_positions": 8, "num_mel_bins": 80}
    tokens = {"decoder_start_token_id": 7, "pad_token_id": 1, "bos_token_id": 2, "eos_token_id": 3}
    for part in ("encoder", "decoder"):
        sizes |= {f"{part}_layers": 5, f"{part}_attention_heads": 4, f"{part}_ffn_dim": 48}
    config = transformers.WhisperConfig(**sizes, **tokens, begin_suppress_tokens=None)
    roughen(transformers.WhisperModel(config)).save_pretrained(folder)
    transformers.WhisperFeatureExtractor(feature_size=80).save_pretrained(folder)


def _spectrogram_transformer(folder: Path, **_: Any) -> None:
    import transformers

    roughen(transformers.ASTModel(transformers.ASTConfig(**SIZES))).save_pretrained(folder)
    transformers.ASTFeatureExtractor().save_pretrained(folder)


def _bert_like(kind: str, **sizes: int) -> Maker:
    def make(folder: Path, **_: Any) -> None:
        import transformers

        config = getattr(transformers, f"{kind}Config")(
            **(sizes or SIZES), vocab_size=len(_BERT_WORDS), max_position_embeddings=40, pad_token_id=0
        )
        roughen(getattr(transformers, f"{kind}Model")(config)).save_pretrained(folder)
        (folder / "vocab.txt").write_text("\n".join(_BERT_WORDS) + "\n", encoding="utf-8")
        (folder / "tokenizer_config.json").write_text(
            json.dumps({"tokenizer_class": "BertTokenizer", "do_lower_case": True, "model_max_length": 40})
        )

    return make


def _roberta_like(kind: str) -> Maker:
    """Byte tokens, padding at place 1, positions counted from behind it."""

    def make(folder: Path, **_: Any) -> None:
        import transformers
        from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors

        words = ["<s>", "<pad>", "</s>", "<unk>", *sorted(pre_tokenizers.ByteLevel.alphabet())]
        tokenizer = Tokenizer(models.BPE({word: i for i, word in enumerate(words)}, [], unk_token="<unk>"))
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        tokenizer.decoder = decoders.ByteLevel()
        tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), add_prefix_space=False)
        transformers.PreTrainedTokenizerFast(
            tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", unk_token="<unk>", pad_token="<pad>"
        ).save_pretrained(folder)
        config = getattr(transformers, f"{kind}Config")(
            **SIZES, vocab_size=len(words), max_position_embeddings=42, pad_token_id=1, type_vocab_size=1
        )
        roughen(getattr(transformers, f"{kind}Model")(config)).save_pretrained(folder)

    return make


_MAKERS: dict[str, Maker] = {
    "clip": _clip,
    "data2vec-vision": _data2vec_vision,
    "dinov2": _dinov2,
    "videomae": _videomae,
    "hubert": _speech("Hubert"),
    "wav2vec2": _speech("Wav2Vec2"),
    "wavlm": _speech("WavLM"),
    "data2vec-audio": _data2vec_audio,
    "whisper": _whisper,
    "audio-spectrogram-transformer": _spectrogram_transformer,
    "bert": _bert_like("Bert"),
    "electra": _bert_like("Electra", **SIZES, embedding_size=16),
    "albert": _bert_like("Albert", **SIZES, embedding_size=16),
    "distilbert": _bert_like("DistilBert", dim=32, n_layers=5, n_heads=4, hidden_dim=48),
    "roberta": _roberta_like("Roberta"),
    "xlm-roberta": _roberta_like("XLMRoberta"),
}


def write_transformers_model(model_type: str, folder: Path, *, layer_norm: bool = False) -> None:
    """Write a tiny random model with what belongs to it (tokenizer, preprocessing) into a folder.

    Args:
        model_type: as in config.json.
        folder: to write into; it exists.
        layer_norm: for speech encoders: a front end with layer norm instead of group norm.
    """
    import torch

    if model_type not in _MAKERS:
        raise KeyError(f"give feature_extractors/fakes.py a maker of tiny models of type '{model_type}'")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        _MAKERS[model_type](folder, layer_norm=layer_norm)
