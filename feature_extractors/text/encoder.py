"""Text encoders of the BERT family: sum of the last four hidden layers, one row per token, special tokens left out.

Special tokens are known from the tokenizer's mask, so any language works. A text longer than the model can see is read
in overlapping windows; each token's row comes from the window in which it stands further from an edge.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from feature_extractors.base import Level, PublishedShape, Rows, TextConfig, TooShortError, WeightsConfig
from feature_extractors.batching import pad_rows, plan_batches
from feature_extractors.hidden_states import parse_layers, sum_of_layers
from feature_extractors.pretrained import Checkpoint, Pretrained, n_parameters, published_config, register_family
from mertools.errors import ExtractionError

_CPU_BATCH = 1024  # tokens of a forward pass
_GPU_BATCH = 32_768
_SPECIAL = 2  # tokens that encoders add to a text, at most


@dataclass(frozen=True)
class TextEncoderConfig(WeightsConfig, TextConfig):
    """Options of `TextEncoder`.

    Attributes:
        layers: ``last4``, the sum of the last four hidden layers; ``last``, ``lastN``; or one layer's number.
        overlap: tokens that two windows share where a text is longer than the model can see; None for a quarter.
    """

    layers: str = "last4"
    overlap: int | None = None


@dataclass(frozen=True)
class _Window:
    """Tokens of one text that the model sees at once.

    Attributes:
        text: place of the text in the batch.
        inputs: what the tokenizer gives for the model, ``(N,)`` each.
        kept: places of the tokens whose rows are kept.
    """

    text: int
    inputs: dict[str, np.ndarray]
    kept: np.ndarray


class TextEncoder(Pretrained[str]):
    """One row per token of a text; rows have no time."""

    modality = "text"
    Config = TextEncoderConfig
    batch_cost = 16_384.0
    model_types = ("bert", "roberta", "xlm-roberta", "electra", "albert", "distilbert")
    needed = ("config.json", "vocab.txt|tokenizer.json|vocab.json|sentencepiece.bpe.model|spiece.model")
    optional = (
        *("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"),
        *("vocab.txt", "vocab.json", "merges.txt", "sentencepiece.bpe.model", "spiece.model"),
    )
    unused = ("pooler.dense.weight", "pooler.dense.bias", "pooler.weight", "pooler.bias")
    checked = ("layers", "overlap")
    config: TextEncoderConfig

    @classmethod
    def published_shape(cls, facts: Mapping[str, Any]) -> PublishedShape | None:
        """Nine tokens through the encoder; see `Extractor.published_shape`."""
        if not facts["architecture"]:
            return None
        import torch
        from transformers import AutoModel

        with torch.device("meta"):
            model = AutoModel.from_config(published_config(facts)).eval()
            output = model(torch.zeros(1, 9, dtype=torch.long), output_hidden_states=True)
        rows, dim = output.last_hidden_state.shape[1:]
        return PublishedShape(dim, rows, 9, len(output.hidden_states) - 1, n_parameters(model))

    @property
    def dim(self) -> int:
        """Width of the hidden layers."""
        return int(self.architecture.hidden_size)

    @property
    def padding_invariant(self) -> bool:
        """Padding is masked and comes last."""
        return True

    def cost(self, length: int) -> float:
        """Characters, an upper bound of the tokens."""
        return float(length)

    @cached_property
    def layers(self) -> tuple[int, ...]:
        """Hidden layers that are summed, counted from the end."""
        return parse_layers(self.config.layers, self.architecture.num_hidden_layers, self.name)

    @cached_property
    def tokenizer(self) -> Any:
        """The checkpoint's tokenizer, padding to the right."""
        from transformers import AutoTokenizer

        return AutoTokenizer.from_pretrained(
            self.weights.folder, local_files_only=True, trust_remote_code=False, padding_side="right"
        )

    @cached_property
    def window(self) -> int:
        """Tokens that the model can see at once, special ones included."""
        positions = int(self.architecture.max_position_embeddings)
        if self.architecture.model_type in ("roberta", "xlm-roberta"):
            positions -= int(self.architecture.pad_token_id) + 1  # they count from behind the padding's place
        return min(positions, int(min(self.tokenizer.model_max_length, 1 << 30)))

    @cached_property
    def overlap(self) -> int:
        """Tokens that two windows share.

        Raises:
            ExtractionError: if it leaves no room to move.
        """
        overlap = self.window // 4 if self.config.overlap is None else self.config.overlap
        if not 0 <= overlap < self.window - _SPECIAL:
            raise ExtractionError(
                "MER-E101",
                f"{self.name}: overlap={overlap} leaves no room in a window of {self.window} tokens.",
                f"Expected 0 to {self.window - _SPECIAL - 1}.",
            )
        return overlap

    def build(self) -> Any:
        """The encoder."""
        from transformers import AutoModel

        return self.from_folder(AutoModel)

    def embed(self, batch: Sequence[str], level: Level) -> list[Rows]:
        """One row per token."""
        import torch

        windows = [window for place, text in enumerate(batch) for window in self._windows(place, text)]
        values: list[np.ndarray] = [np.empty(0)] * len(windows)
        budget = _GPU_BATCH if self.on_gpu else _CPU_BATCH
        for group in plan_batches([len(w.inputs["input_ids"]) for w in windows], budget, equal=False):
            inputs = self._padded([windows[i] for i in group])
            with self.computing():
                output = self.model(
                    **{name: torch.from_numpy(value).to(self.device) for name, value in inputs.items()},
                    output_hidden_states=True,
                )
                hidden = sum_of_layers(output, self.layers).cpu().numpy()  # (B, N, D)
            for row, i in enumerate(group):
                values[i] = hidden[row, windows[i].kept]
        parts = list(zip(windows, values, strict=True))
        return [_joined([rows for window, rows in parts if window.text == text]) for text in range(len(batch))]

    def _padded(self, windows: Sequence[_Window]) -> dict[str, np.ndarray]:
        fill = {"input_ids": self.tokenizer.pad_token_id or 0}
        names = windows[0].inputs
        return {name: pad_rows([w.inputs[name] for w in windows], fill.get(name, 0))[0] for name in names}

    def _windows(self, place: int, text: str) -> list[_Window]:
        """Overlapping windows of a text; each token is kept in exactly one."""
        encoded = self.tokenizer(
            text,
            truncation=True,
            max_length=self.window,
            stride=self.overlap,
            return_overflowing_tokens=True,
            return_special_tokens_mask=True,
            return_attention_mask=True,
        )
        n = len(encoded["input_ids"])
        names = [name for name in self.tokenizer.model_input_names if name in encoded]
        windows = []
        for i in range(n):
            own = np.flatnonzero(np.asarray(encoded["special_tokens_mask"][i]) == 0)
            # of the tokens that two windows share, the earlier keeps the first half
            first = self.overlap // 2 if i > 0 else 0
            last = self.overlap - self.overlap // 2 if i < n - 1 else 0
            inputs = {name: np.asarray(encoded[name][i], np.int64) for name in names}
            windows.append(_Window(place, inputs, own[first : len(own) - last]))
        if not sum(len(window.kept) for window in windows):
            raise TooShortError("the text has no token")
        return windows


def _joined(parts: Sequence[np.ndarray]) -> Rows:
    values = np.concatenate(parts)
    return Rows(values, np.full(len(values), np.nan))


def _checkpoint(hub_id: str, dim: int, trained_on: str, summary: str) -> Checkpoint:
    """The name users type is the last part of the hub id."""
    large = dim == 1024
    sizes = {"hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16, "intermediate_size": 4096}
    return Checkpoint(
        f"text/{hub_id.split('/')[1]}",
        hub_id,
        dim,
        "Apache-2.0",
        (trained_on,),
        summary=summary,
        n_layers=24 if large else 12,
        architecture={"model_type": "bert", "vocab_size": 21_128, **(sizes if large else {})},
    )


_WIKIPEDIA = "Chinese Wikipedia"
_EXTENDED = "Chinese Wikipedia, encyclopedia, news and questions, 5.4 billion words"

register_family(
    TextEncoder,
    "text/encoder",
    "text encoder of the BERT family",
    [
        _checkpoint("google-bert/bert-base-chinese", 768, _WIKIPEDIA, "BERT base, Chinese"),
        _checkpoint("hfl/chinese-roberta-wwm-ext", 768, _EXTENDED, "RoBERTa base, Chinese, whole words masked"),
        _checkpoint("hfl/chinese-roberta-wwm-ext-large", 1024, _EXTENDED, "RoBERTa large, Chinese, whole words masked"),
        _checkpoint("hfl/chinese-macbert-base", 768, _EXTENDED, "MacBERT base, Chinese"),
        _checkpoint("hfl/chinese-macbert-large", 1024, _EXTENDED, "MacBERT large, Chinese"),
    ],
)
