"""A tiny random Whisper in the published layout: its text is garbage, its road is the real one."""

from pathlib import Path

import numpy as np
import pytest

LANGUAGES = ("en", "zh", "de")
SPECIAL = [
    "<|endoftext|>",
    "<|startoftranscript|>",
    *(f"<|{language}|>" for language in LANGUAGES),
    "<|translate|>",
    "<|transcribe|>",
    "<|startoflm|>",
    "<|startofprev|>",
    "<|nospeech|>",
    "<|notimestamps|>",
]


def write_whisper(folder: Path, *, seed: int = 0) -> Path:
    import torch
    from tokenizers.pre_tokenizers import ByteLevel
    from transformers import (
        GenerationConfig,
        WhisperConfig,
        WhisperFeatureExtractor,
        WhisperForConditionalGeneration,
        WhisperTokenizerFast,
    )

    folder.mkdir(parents=True, exist_ok=True)
    alphabet = sorted(ByteLevel.alphabet())
    vocab = {letter: i for i, letter in enumerate(alphabet)}
    tokenizer = WhisperTokenizerFast(vocab=vocab, merges=[])
    tokenizer.add_special_tokens({"additional_special_tokens": SPECIAL})
    place = tokenizer.convert_tokens_to_ids
    unreadable = [
        i for letter, i in vocab.items() if not (letter.isascii() and letter.isalpha()) and letter != "\u0120"
    ]
    n_timestamps = 1501
    config = WhisperConfig(
        vocab_size=len(tokenizer) + n_timestamps,
        d_model=16,
        encoder_layers=2,
        decoder_layers=2,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=24,
        decoder_ffn_dim=24,
        num_mel_bins=80,
        max_target_positions=40,
        pad_token_id=place("<|endoftext|>"),
        bos_token_id=place("<|endoftext|>"),
        eos_token_id=place("<|endoftext|>"),
        decoder_start_token_id=place("<|startoftranscript|>"),
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = WhisperForConditionalGeneration(config)
        for name, parameter in model.named_parameters():
            # The sound must outweigh the words before: its path is the strong one.
            parameter.data += (2.0 if "encoder_attn" in name else 0.3) * torch.randn(parameter.shape)
    model.generation_config = GenerationConfig(
        decoder_start_token_id=place("<|startoftranscript|>"),
        pad_token_id=place("<|endoftext|>"),
        bos_token_id=place("<|endoftext|>"),
        eos_token_id=place("<|endoftext|>"),
        max_length=40,
        is_multilingual=True,
        lang_to_id={f"<|{language}|>": place(f"<|{language}|>") for language in LANGUAGES},
        task_to_id={"translate": place("<|translate|>"), "transcribe": place("<|transcribe|>")},
        no_timestamps_token_id=place("<|notimestamps|>"),
        suppress_tokens=[*unreadable, *map(place, SPECIAL[1:]), *range(len(tokenizer), len(tokenizer) + n_timestamps)],
        begin_suppress_tokens=[place("<|endoftext|>")],
        alignment_heads=[[0, 0], [1, 1]],
        return_timestamps=False,
    )
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    WhisperFeatureExtractor(feature_size=80).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def whisper(tmp_path_factory) -> Path:
    return write_whisper(tmp_path_factory.mktemp("whisper"))


@pytest.fixture(scope="session")
def sounds() -> list[np.ndarray]:
    """Five sounds of different length and pitch, half to two seconds."""
    made = []
    for k in range(5):
        t = np.arange(8000 + 6000 * k) / 16_000
        wobble = np.sin(2 * np.pi * (120 + 90 * k) * t) * (1 + np.sin(2 * np.pi * 3 * t)) / 4
        made.append((wobble + np.random.default_rng(k).normal(0, 0.05, len(t))).astype(np.float32))
    return made
