"""Self-supervised speech encoders of the wav2vec 2.0 kind: chunks of 10 s, 50 rows per second.

The published embeddings cut a clip that is longer than 10 s into chunks, fill the last one with zeros, and keep the
rows computed on those zeros: of a clip of 10.1 s half the mean is silence. ``tail=reference`` repeats that.

The same model name stands for two embeddings: MER2023 took the last layer of the whole clip in one pass, MERBench and
the editions after it the sum of the last four layers of chunks. ``edition=mer2023`` gives the former.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np

from feature_extractors.audio.frontend import RATE_HZ, Frontend, Piece, cut, joined
from feature_extractors.base import Level, PublishedShape, Rows, TooShortError, Waveform, WeightsConfig
from feature_extractors.batching import pad_rows, plan_batches
from feature_extractors.hidden_states import parse_layers, sum_of_layers
from feature_extractors.pretrained import Pretrained, n_parameters, published_config
from mertools.errors import ExtractionError

CHUNK_S = 10
LARGE = {"hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16, "intermediate_size": 4096}
"""What published configurations of large encoders say."""
LAYER_NORM = {"feat_extract_norm": "layer", "do_stable_layer_norm": True, "conv_bias": True}
"""What those say whose front end has layer norm."""
_CPU_BATCH_S = 20  # on a CPU larger batches gain nothing and leave the cache


_EDITIONS = dict.fromkeys(("merbench", "mer2024", "mer2025", "mer2026"), "merbench")  # one rule since MERBench


@dataclass(frozen=True)
class SpeechConfig(WeightsConfig):
    """Options of speech encoders.

    Attributes:
        edition: whose rule holds where the other options do not say: ``mer2023`` reads the last layer and sees the
            whole clip at once; ``merbench`` and the challenges since sum the last four layers of chunks of 10 s.
        layers: ``last4``, the sum of the last four hidden layers; ``last``; ``lastN``; or one layer's number. The
            edition's rule if empty.
        tail: the rest of a clip after its last whole chunk: ``masked`` computes no rows on padding, ``reference`` fills
            it with zeros to a whole chunk and keeps all rows, as the published embeddings do.
    """

    edition: Literal["mer2023", "merbench", "mer2024", "mer2025", "mer2026"] = "merbench"
    layers: str = ""
    tail: Literal["masked", "reference"] = "masked"


class SpeechEncoder(Pretrained[Waveform]):
    """Base of the families; a family names its model class and types."""

    modality = "audio"
    Config = SpeechConfig
    batch_cost = 160.0
    needed = ("config.json", "preprocessor_config.json")
    unused = ("masked_spec_embed",)  # stands in for masked spans in pre-training only
    # in bf16 they cost two thirds of the error of the whole model and are a fifth of its arithmetic
    exact = ("feature_extractor", "feature_projection")
    checked = ("layers", "waveform_reader")
    config: SpeechConfig

    @classmethod
    def published_shape(cls, facts: Mapping[str, Any]) -> PublishedShape | None:
        """One second of sound through the encoder; see `Extractor.published_shape`."""
        if not facts["architecture"]:
            return None
        import torch

        config = published_config(facts)
        with torch.device("meta"):
            model = cls.model_class()(config).eval()
            output = model(torch.zeros(1, 16_000), output_hidden_states=True)
        n_rows = Frontend(tuple(config.conv_kernel), tuple(config.conv_stride)).n_rows(16_000)
        rows, dim = output.last_hidden_state.shape[1:]
        return PublishedShape(dim, rows, n_rows, len(output.hidden_states) - 1, n_parameters(model))

    @property
    def dim(self) -> int:
        """Width of the hidden layers."""
        return int(self.architecture.hidden_size)

    @property
    def padding_invariant(self) -> bool:
        """True for a front end with layer norm; group norm averages over time, so padding would change every row."""
        return bool(self.architecture.feat_extract_norm == "layer")

    def cost(self, length: int) -> float:
        """Seconds of sound."""
        return length / RATE_HZ

    def settings(self) -> dict[str, Any]:
        """Options, with the layers that the edition stands for; editions of one rule are one setting."""
        edition = _EDITIONS.get(self.config.edition, self.config.edition)
        return {**super().settings(), "edition": edition, "layers": self._layers}

    @property
    def _layers(self) -> str:
        return self.config.layers or ("last" if self.config.edition == "mer2023" else "last4")

    @cached_property
    def layers(self) -> tuple[int, ...]:
        """Hidden layers that are summed, counted from the end."""
        return parse_layers(self._layers, self.architecture.num_hidden_layers, self.name)

    @cached_property
    def frontend(self) -> Frontend:
        """The convolutions."""
        return Frontend(tuple(self.architecture.conv_kernel), tuple(self.architecture.conv_stride))

    @cached_property
    def waveform_reader(self) -> Any:
        """What the checkpoint does to a waveform (zero mean and unit variance over the whole clip, or nothing)."""
        from transformers import Wav2Vec2FeatureExtractor

        reader = Wav2Vec2FeatureExtractor.from_pretrained(self.weights.folder, local_files_only=True)
        if reader.sampling_rate != 16_000:
            raise ExtractionError(
                "MER-E102",
                f"{self.name}: {self.weights.folder} wants sound at {reader.sampling_rate} Hz.",
                "Expected a model of 16000 Hz.",
            )
        return reader

    @classmethod
    @abstractmethod
    def model_class(cls) -> Any:
        """The transformers class of the encoder."""

    def build(self) -> Any:
        """The encoder."""
        return self.from_folder(self.model_class())

    def embed(self, batch: Sequence[Waveform], level: Level) -> list[Rows]:
        """One row every 20 ms, at the middle of the 25 ms it sees."""
        import torch

        pieces = [piece for clip, wave in enumerate(batch) for piece in self._pieces(clip, wave)]
        budget = int(RATE_HZ * (self.batch_cost if self.on_gpu else _CPU_BATCH_S))
        values: list[np.ndarray] = [np.empty(0)] * len(pieces)
        for group in plan_batches([len(p.samples) for p in pieces], budget, equal=not self.padding_invariant):
            samples, mask = pad_rows([pieces[i].samples for i in group])
            padded = not mask.all()
            with self.computing():
                output = self.model(
                    torch.from_numpy(samples).to(self.device),
                    attention_mask=torch.from_numpy(mask).to(self.device) if padded else None,
                    output_hidden_states=True,
                )
                hidden = sum_of_layers(output, self.layers).cpu().numpy()  # (B, T, D)
            for row, i in enumerate(group):
                values[i] = hidden[row, : self.frontend.n_rows(len(pieces[i].samples))]
        return joined(len(batch), pieces, values, self.frontend)

    def _pieces(self, clip: int, wave: Waveform) -> list[Piece]:
        """Chunks of a clip, normalised as a whole."""
        shortest, chunk = self.frontend.field, CHUNK_S * wave.rate_hz
        if len(wave) < shortest:
            raise TooShortError(f"{len(wave)} samples of sound; one row sees {shortest}")
        read = self.waveform_reader(wave.samples, sampling_rate=wave.rate_hz, padding=False)
        samples = np.asarray(read["input_values"][0], np.float32)
        if self.config.edition == "mer2023":
            return [Piece(clip, 0, samples)]
        if self.config.tail == "reference" and len(samples) > chunk:
            samples = np.pad(samples, (0, -len(samples) % chunk))
        return cut(clip, samples, chunk, shortest)
