"""AST, the audio spectrogram transformer (Gong et al., 2021): trained on ImageNet, then on the labels of AudioSet.

The model takes 10.24 s; a longer clip is embedded in windows whose rows follow each other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property, partial
from typing import Any

import numpy as np

from feature_extractors.audio.frontend import RATE_HZ, over_windows
from feature_extractors.audio.kaldi import WINDOW, Patches
from feature_extractors.base import Level, PublishedShape, Rows, TooShortError, Waveform
from feature_extractors.pretrained import Checkpoint, Pretrained, n_parameters, published_config, register_family
from mertools.errors import ExtractionError

_GPU_BATCH, _CPU_BATCH = 16, 1  # windows


class Ast(Pretrained[Waveform]):
    """Frame level: mean over the frequency patches, every 100 ms. Utterance level: the model's own pooled output."""

    modality = "audio"
    utterance = "own"
    model_types = ("audio-spectrogram-transformer",)
    needed = ("config.json", "preprocessor_config.json")
    checked = ("reader",)
    batch_cost = 16.0

    @classmethod
    def published_shape(cls, facts: Mapping[str, Any]) -> PublishedShape | None:
        """One window through the encoder; see `Extractor.published_shape`."""
        if not facts["architecture"]:
            return None
        import torch
        from transformers import ASTModel

        config = published_config(facts)
        with torch.device("meta"):
            model = ASTModel(config).eval()
            output = model(torch.zeros(1, config.max_length, config.num_mel_bins), output_hidden_states=True)
        tokens, dim = output.last_hidden_state.shape[1:]
        rows = (tokens - 2) // _n_bands(config)
        return PublishedShape(dim, rows, _patches(config).rows, len(output.hidden_states) - 1, n_parameters(model))

    @property
    def dim(self) -> int:
        """Width of the hidden layers."""
        return int(self.architecture.hidden_size)

    @property
    def padding_invariant(self) -> bool:
        """Every clip is padded to whole windows, alone or in a batch."""
        return True

    @cached_property
    def patches(self) -> Patches:
        """How frames become rows."""
        return _patches(self.architecture)

    @cached_property
    def reader(self) -> Any:
        """The checkpoint's way from a waveform to a spectrogram."""
        from transformers import ASTFeatureExtractor

        reader = ASTFeatureExtractor.from_pretrained(self.weights.folder, local_files_only=True)
        frames, bands = reader.max_length, reader.num_mel_bins
        expected = (self.architecture.max_length, self.architecture.num_mel_bins)
        if reader.sampling_rate != RATE_HZ or (frames, bands) != expected:
            raise ExtractionError(
                "MER-E132",
                f"{self.name}: {self.weights.folder}: preprocessor_config makes {frames} frames of {bands} bands at "
                f"{reader.sampling_rate} Hz.",
                f"Expected {expected[0]} frames of {expected[1]} bands at {RATE_HZ} Hz, as config.json says.",
            )
        return reader

    def cost(self, length: int) -> float:
        """Windows."""
        return float(len(self.patches.windows(max(length, WINDOW))))

    def build(self) -> Any:
        """The encoder."""
        from transformers import ASTModel

        return self.from_folder(ASTModel)

    def embed(self, batch: Sequence[Waveform], level: Level) -> list[Rows]:
        """One row every 100 ms, or the mean of the pooled outputs of the windows."""
        for wave in batch:
            if len(wave) < WINDOW:
                raise TooShortError(f"{len(wave)} samples of sound; one frame has {WINDOW}")
        windows = [self.patches.cut(wave.samples) for wave in batch]
        step = _GPU_BATCH if self.on_gpu else _CPU_BATCH
        values = over_windows(windows, step, partial(self._rows, level=level))
        if level == "utterance":
            return [Rows(v.mean(axis=0, keepdims=True, dtype=np.float32), np.zeros(1)) for v in values]
        return [Rows(v, self.patches.times_s(len(wave))) for v, wave in zip(values, batch, strict=True)]

    def _rows(self, windows: Sequence[np.ndarray], level: Level) -> np.ndarray:
        """Rows of windows of sound, ``(B, T, D)``; T is 1 at utterance level."""
        import torch

        read = [self.reader(samples, sampling_rate=RATE_HZ)["input_values"][0] for samples in windows]
        with self.computing():
            output = self.model(torch.from_numpy(np.stack(read)).to(self.device))
        if level == "utterance":
            return np.asarray(output.pooler_output.float().cpu().numpy()[:, None])
        patches = output.last_hidden_state[
            :, 2:
        ].float()  # behind the tokens of class and distillation; frequency first
        patches = patches.unflatten(1, (_n_bands(self.architecture), self.patches.rows))
        return np.asarray(patches.mean(1).cpu().numpy())


def _patches(config: Any) -> Patches:
    return Patches(config.max_length, config.patch_size, config.time_stride)


def _n_bands(config: Any) -> int:
    return int((config.num_mel_bins - config.patch_size) // config.frequency_stride + 1)


register_family(
    Ast,
    "audio/ast",
    "AST spectrogram transformer",
    [
        Checkpoint(
            "audio/ast-audioset",
            "MIT/ast-finetuned-audioset-10-10-0.4593",
            768,
            "BSD-3-Clause",
            ("ImageNet, with labels", "AudioSet, with labels"),
            rate_hz=10.0,
            n_layers=12,
            architecture={"model_type": "audio-spectrogram-transformer"},
            summary="AST base, AudioSet (mAP 0.459)",
        )
    ],
)
