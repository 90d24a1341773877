"""Whisper (Radford et al., 2023) through transformers: sounds in, transcripts out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from feature_extractors.base import Precision, Waveform
from feature_extractors.transcription.windows import windows
from feature_extractors.transcription.words import UNSPACED, Word, words_of
from feature_extractors.weights import Weights, find_weights
from mertools.errors import ExtractionError, did_you_mean
from mertools.media import is_silent

NEEDED = ("config.json", "generation_config.json", "preprocessor_config.json", "tokenizer.json|vocab.json")
_OPTIONAL = ("tokenizer.json", "vocab.json", "merges.txt", "added_tokens.json", "normalizer.json")


@dataclass(frozen=True)
class Transcript:
    """What was said in one clip.

    Attributes:
        text: stripped; empty if nothing was recognised.
        language: code, as asked for or as heard at the beginning.
        words: with times, where they were asked for.
    """

    text: str
    language: str
    words: tuple[Word, ...] = ()


@dataclass(frozen=True)
class _Window:
    clip: int
    samples: np.ndarray
    start_s: float


class Whisper:
    """A recogniser; greedy, so that the same sound gives the same text.

    Sounds longer than 30 s are cut in pauses and their windows recognised one by one. A silent window is left out:
    Whisper makes words up for it.

    Args:
        weights: a folder in the layout of the hub, or a hub id in the local cache.
        language: code such as ``zh``; empty = heard from the first window of each clip.
        word_times: whether to time each word, from the attention to the sound; windows then go one by one, because
            the alignment of a window would depend on the length of its neighbours' text.
        download: whether a hub id may be fetched.
    """

    def __init__(self, weights: str, language: str = "", *, word_times: bool = False, download: bool = False) -> None:
        self._name, self._asked, self._download = weights, language, download
        self.word_times = word_times
        self._model: Any = None
        self._device = "cpu"

    @cached_property
    def weights(self) -> Weights:
        """The folder, checked.

        Raises:
            ExtractionError: if something is missing.
        """
        try:
            found = find_weights(
                self._name, extractor="transcribe", needed=NEEDED, optional=_OPTIONAL, download=self._download
            )
        except ExtractionError as error:
            raise ExtractionError(
                error.code, error.message, "Name a folder that has them: --weights FOLDER, or fetch them: --download."
            ) from None
        kind = found.read_json("config.json").get("model_type", "")
        if kind != "whisper":
            raise ExtractionError(
                "MER-E240",
                f"{found.folder} holds a model of type '{kind}'.",
                "Expected Whisper, e.g. openai/whisper-large-v3 or a fine-tuned one.",
            )
        return found

    @cached_property
    def language(self) -> str:
        """Code of the language asked for; empty if it is to be heard.

        Raises:
            ExtractionError: if the weights do not know it.
        """
        if not self._asked:
            return ""
        codes = self._languages
        if self._asked not in codes:
            raise ExtractionError(
                "MER-E241",
                f"the weights in {self.weights.folder} know no language '{self._asked}'."
                f"{did_you_mean(self._asked, codes)}",
                f"Known: {', '.join(codes)}.",
            )
        return self._asked

    @cached_property
    def _languages(self) -> list[str]:
        facts = self.weights.read_json("generation_config.json")
        return sorted(token[2:-2] for token in facts.get("lang_to_id", {})) or ["en"]

    @cached_property
    def _multilingual(self) -> bool:
        return bool(self.weights.read_json("generation_config.json").get("lang_to_id"))

    @property
    def origin(self) -> str:
        """Who made the transcripts, as the corpus records it: the weights by content, and the language."""
        return f"whisper@{self.weights.digest}" + (f":language={self.language}" if self.language else "")

    def check(self) -> None:
        """Find out before any clip is read whether everything fits.

        Raises:
            ExtractionError: if weights, language or word times cannot be had.
        """
        _ = self.weights, self.language
        if self.word_times and not self.weights.read_json("generation_config.json").get("alignment_heads"):
            raise ExtractionError(
                "MER-E242",
                f"{self.weights.folder}/generation_config.json names no alignment_heads, so words cannot be timed.",
                "Leave --word-times out, or copy alignment_heads from the model that was fine-tuned.",
            )

    def load(self, device: str, precision: Precision = "fp32") -> None:
        """Read the parameters and bring them to a device.

        Raises:
            ExtractionError: if they cannot be read or are not all there.
        """
        import torch
        from transformers import WhisperFeatureExtractor, WhisperForConditionalGeneration, WhisperTokenizerFast
        from transformers.utils import logging

        self.check()
        dtype = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[precision]
        folder = self.weights.folder
        logging.set_verbosity_error()
        logging.disable_progress_bar()
        try:
            model, report = WhisperForConditionalGeneration.from_pretrained(
                folder,
                dtype=dtype,
                attn_implementation="eager" if self.word_times else "sdpa",
                local_files_only=True,
                trust_remote_code=False,
                use_safetensors=self.weights.safetensors,
                weights_only=True,
                output_loading_info=True,
            )
            self._features = WhisperFeatureExtractor.from_pretrained(folder, local_files_only=True)
            self._tokenizer = WhisperTokenizerFast.from_pretrained(folder, local_files_only=True)
        except Exception as error:  # a damaged file raises whatever its reader raises
            reason = " ".join(str(error).split())[:300]
            raise ExtractionError("MER-E243", f"{folder} cannot be read: {reason}", "Fetch the files again.") from error
        missing = sorted(key for key in report["missing_keys"] if not key.endswith("proj_out.weight"))
        if missing:
            raise ExtractionError(
                "MER-E244",
                f"{folder / self.weights.files[0]} lacks {len(missing)} parameters, e.g. {', '.join(missing[:3])}.",
                "Expected a checkpoint of WhisperForConditionalGeneration.",
            )
        self._model = model.eval().requires_grad_(False).to(device)
        self._device, self._dtype = device, dtype

    def transcribe(self, sounds: Sequence[Waveform], batch: int = 8) -> list[Transcript]:
        """Recognise a batch of clips.

        Args:
            sounds: at 16 kHz.
            batch: windows of 30 s that go through the model together.

        Returns:
            One transcript per sound, in order.
        """
        parts = [
            _Window(clip, sound.samples[start:stop], sound.start_s + start / sound.rate_hz)
            for clip, sound in enumerate(sounds)
            for start, stop in windows(sound.samples, sound.rate_hz)
            if not is_silent(sound.samples[start:stop])
        ]
        size = 1 if self.word_times else max(batch, 1)
        found: list[Transcript] = []
        heard: dict[int, str] = {}  # language by clip
        for begin in range(0, len(parts), size):
            found += self._recognise(parts[begin : begin + size], heard)
        return [
            _joined([t for w, t in zip(parts, found, strict=True) if w.clip == clip]) for clip in range(len(sounds))
        ]

    def _recognise(self, parts: Sequence[_Window], heard: dict[int, str]) -> list[Transcript]:
        import torch

        read = self._features(
            [part.samples for part in parts], sampling_rate=16_000, return_tensors="pt", return_attention_mask=True
        )
        features = read["input_features"].to(self._device, self._dtype)
        # One call per window: transformers would go on behind a stray time stamp, but not where words are timed.
        options: dict[str, Any] = {
            "attention_mask": read["attention_mask"].to(self._device),
            "force_unique_generate_call": True,
        }
        with torch.inference_mode():
            languages = self._spoken(features, parts, heard)
            if self._multilingual:
                options |= {"language": languages, "task": "transcribe"}
            if self.word_times:
                options |= {"return_token_timestamps": True, "return_dict_in_generate": True}
            room = self._model.config.max_target_positions // 2  # the other half is for a prompt
            made = self._model.generate(features, do_sample=False, num_beams=1, max_new_tokens=room, **options)
        if not self.word_times:
            texts = self._tokenizer.batch_decode(made, skip_special_tokens=True)
            return [Transcript(text.strip(), language) for text, language in zip(texts, languages, strict=True)]
        tokens, times = made["sequences"][0].tolist(), made["token_timestamps"][0].tolist()
        return [self._timed(parts[0], tokens, times, languages[0])]

    def _spoken(self, features: Any, parts: Sequence[_Window], heard: dict[int, str]) -> list[str]:
        """The language of each window: as asked for, or as heard in the first window of its clip."""
        if self.language or not self._multilingual:
            return [self.language or "en"] * len(parts)
        new = [i for i, part in enumerate(parts) if part.clip not in heard]
        if new:
            tokens = self._model.detect_language(features[new])
            for i, token in zip(new, tokens.tolist(), strict=True):
                heard.setdefault(parts[i].clip, self._tokenizer.convert_ids_to_tokens(token)[2:-2])
        return [heard[part.clip] for part in parts]

    def _timed(self, part: _Window, tokens: Sequence[int], times_s: Sequence[float], language: str) -> Transcript:
        special = set(self._tokenizer.all_special_ids)
        plain = len(self._tokenizer) - 1
        kept = [(k, t) for k, t in zip(tokens, times_s, strict=False) if k not in special and k <= plain]
        length_s = len(part.samples) / 16_000
        text = self._tokenizer.decode([token for token, _ in kept]).strip()
        words = words_of(
            [token for token, _ in kept],
            [min(max(time_s, 0.0), length_s) for _, time_s in kept],
            length_s,
            self._tokenizer.decode,
            language,
        )
        shifted = (replace(w, start_s=w.start_s + part.start_s, end_s=w.end_s + part.start_s) for w in words)
        return Transcript(text, language, tuple(shifted))


def _joined(parts: Sequence[Transcript]) -> Transcript:
    language = parts[0].language if parts else ""
    between = "" if language in UNSPACED else " "
    text = between.join(part.text for part in parts if part.text)
    return Transcript(text, language, tuple(word for part in parts for word in part.words))
