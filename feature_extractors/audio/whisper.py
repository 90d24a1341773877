"""Whisper (Radford et al., 2023), by its encoder or, as the published embeddings, by its decoder.

The published embeddings (MERBench and later) throw the encoder's rows away: two start tokens are decoded, and the
decoder's two rows after its final norm are the embedding, of the first 30 s alone. ``states=decoder`` repeats that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import SimpleNamespace
from typing import Any, Literal

import numpy as np

from feature_extractors.audio.frontend import RATE_HZ, over_windows
from feature_extractors.base import Level, PublishedShape, Rows, TooShortError, Waveform, WeightsConfig
from feature_extractors.hidden_states import parse_layers, sum_of_layers
from feature_extractors.pretrained import Checkpoint, Pretrained, n_parameters, published_config, register_family
from mertools.errors import ExtractionError

WINDOW_S = 30
_WINDOW = WINDOW_S * RATE_HZ
_ROW = 320  # samples from one row of the encoder to the next
_SHORTEST = 400  # samples: one window of the spectrogram
_GPU_BATCH, _CPU_BATCH = 16, 1  # windows


@dataclass(frozen=True)
class WhisperConfig(WeightsConfig):
    """Options of `Whisper`.

    Attributes:
        states: ``encoder``: a row every 20 ms of sound, none of the padding to 30 s; longer clips in consecutive
            windows. ``decoder``: two rows without a time, as published; only the first 30 s are heard.
        layers: ``last``, after the final norm; ``lastN``, the sum of the last N hidden layers; or one layer's number.
    """

    states: Literal["encoder", "decoder"] = "encoder"
    layers: str = "last"


class Whisper(Pretrained[Waveform]):
    """Hidden states of a Whisper."""

    modality = "audio"
    Config = WhisperConfig
    model_types = ("whisper",)
    needed = ("config.json", "preprocessor_config.json")
    checked = ("layers", "reader")
    batch_cost = 16.0
    config: WhisperConfig

    def __init__(self, name: str, config: WhisperConfig, facts: Mapping[str, Any]) -> None:
        heard = {"rate_hz": None, "hears_s": float(WINDOW_S)} if config.states == "decoder" else {}
        super().__init__(name, config, {**facts, **heard})

    @classmethod
    def published_shape(cls, facts: Mapping[str, Any]) -> PublishedShape | None:
        """One window through the model; see `Extractor.published_shape`."""
        if not facts["architecture"]:
            return None
        import torch
        from transformers import WhisperModel

        config = published_config(facts)
        with torch.device("meta"):
            model = WhisperModel(config).eval()
            output = model(
                torch.zeros(1, config.num_mel_bins, 2 * config.max_source_positions),
                decoder_input_ids=torch.zeros(1, 2, dtype=torch.long),
                output_hidden_states=True,
            )
        rows, dim = output.encoder_last_hidden_state.shape[1:]
        n_layers = len(output.encoder_hidden_states) - 1
        return PublishedShape(dim, rows, _WINDOW // _ROW, n_layers, n_parameters(model))

    @property
    def dim(self) -> int:
        """Width of the hidden layers."""
        return int(self.architecture.d_model)

    @property
    def padding_invariant(self) -> bool:
        """Every clip is padded to whole windows of 30 s, alone or in a batch."""
        return True

    @cached_property
    def layers(self) -> tuple[int, ...]:
        """Hidden layers that are summed, counted from the end."""
        n_layers = self.architecture.encoder_layers if self._encoder else self.architecture.decoder_layers
        return parse_layers(self.config.layers, n_layers, self.name)

    @cached_property
    def reader(self) -> Any:
        """The checkpoint's way from a waveform to a spectrogram."""
        from transformers import WhisperFeatureExtractor

        reader = WhisperFeatureExtractor.from_pretrained(self.weights.folder, local_files_only=True)
        bands, seconds = reader.feature_size, reader.n_samples / reader.sampling_rate
        if (bands, seconds, reader.sampling_rate) != (self.architecture.num_mel_bins, WINDOW_S, RATE_HZ):
            raise ExtractionError(
                "MER-E132",
                f"{self.name}: {self.weights.folder}: preprocessor_config makes {bands} bands from {seconds:g} s at "
                f"{reader.sampling_rate} Hz.",
                f"Expected {self.architecture.num_mel_bins} bands (config.json) from {WINDOW_S} s at {RATE_HZ} Hz.",
            )
        return reader

    def cost(self, length: int) -> float:
        """Windows."""
        return float(max(1, -(-length // _WINDOW))) if self._encoder else 1.0

    def build(self) -> Any:
        """The whole model, or its encoder alone."""
        from transformers import WhisperModel

        model = self.from_folder(WhisperModel)
        return model.encoder if self._encoder else model

    def embed(self, batch: Sequence[Waveform], level: Level) -> list[Rows]:
        """One row every 20 ms, at its middle; or two rows without a time."""
        for wave in batch:
            if len(wave) < _SHORTEST:
                raise TooShortError(f"{len(wave)} samples of sound; one window of the spectrogram has {_SHORTEST}")
        step = _GPU_BATCH if self.on_gpu else _CPU_BATCH
        values = over_windows([self._windows(wave.samples) for wave in batch], step, self._rows)
        return [Rows(v, np.arange(len(v)) * _ROW / RATE_HZ if self._encoder else np.full(2, np.nan)) for v in values]

    @property
    def _encoder(self) -> bool:
        return self.config.states == "encoder"

    def _windows(self, samples: np.ndarray) -> list[tuple[np.ndarray, int]]:
        """Stretches of 30 s with the rows of their real length; the decoder hears the first and gives two rows."""
        if not self._encoder:
            return [(samples[:_WINDOW], 2)]
        parts = [samples[start : start + _WINDOW] for start in range(0, len(samples), _WINDOW)]
        return [(part, -(-len(part) // _ROW)) for part in parts]

    def _rows(self, windows: Sequence[np.ndarray]) -> np.ndarray:
        """Rows of windows, ``(B, T, D)``: 1500 of the encoder, 2 of the decoder."""
        import torch

        read = [self.reader(samples, sampling_rate=RATE_HZ)["input_features"][0] for samples in windows]
        spectrograms = torch.from_numpy(np.stack(read)).to(self.device)  # (B, bands, 3000)
        every = self.layers != (-1,)
        with self.computing():
            if self._encoder:
                output = self.model(spectrograms, output_hidden_states=every)
            else:
                start = torch.full((len(read), 2), self.architecture.decoder_start_token_id, device=self.device)
                both = self.model(spectrograms, decoder_input_ids=start, output_hidden_states=every, use_cache=False)
                output = SimpleNamespace(
                    last_hidden_state=both.last_hidden_state, hidden_states=both.decoder_hidden_states
                )
        return np.asarray(sum_of_layers(output, self.layers).cpu().numpy())


_TRAINED_ON = {
    "v2": ("680,000 h of sound from the web, with transcripts; its corpora are not named",),
    "v3": ("5 million h of sound from the web, with transcripts, most by a machine; its corpora are not named",),
}


def _checkpoint(size: str, dim: int, n_layers: int, heads: int, version: str, **more: int) -> Checkpoint:
    layers = {f"{part}_layers": n_layers for part in ("encoder", "decoder")}
    wide = {f"{part}_attention_heads": heads for part in ("encoder", "decoder")}
    inner = {f"{part}_ffn_dim": 4 * dim for part in ("encoder", "decoder")}
    return Checkpoint(
        f"audio/whisper-{size}",
        f"openai/whisper-{size}",
        dim,
        "Apache-2.0",
        _TRAINED_ON[version],
        rate_hz=RATE_HZ / _ROW,
        n_layers=n_layers,
        architecture={"model_type": "whisper", "d_model": dim, **layers, **wide, **inner, **more},
        summary=f"Whisper {size}; states=decoder as published (two rows, the first 30 s)",
    )


register_family(
    Whisper,
    "audio/whisper",
    "Whisper speech recogniser",
    [
        _checkpoint("base", 512, 6, 8, "v2"),
        _checkpoint("large-v2", 1280, 32, 20, "v2"),
        _checkpoint("large-v3", 1280, 32, 20, "v3", num_mel_bins=128, vocab_size=51866),
    ],
)
