"""What text encoders and causal language models share: windows of tokens in, one row per token out.

A row is the sum of the last four hidden layers, without normalisation; the last of them is the model's output, which,
for models that normalise before a block, is behind the final norm while the other three are not. Rows of special
tokens are left out. Texts of different length share a batch: what fills it is masked.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Literal

import numpy as np

from feature_extractors.base import Level, Precision, PublishedShape, Rows, TextConfig, TooShortError, WeightsConfig
from feature_extractors.batching import plan_batches
from feature_extractors.hidden_states import parse_layers, sum_of_layers
from feature_extractors.pretrained import Pretrained, n_parameters, published_config
from feature_extractors.text.tokens import FURTHER_FILES, TOKENIZER_FILES, Tokenizer, read_tokenizer
from feature_extractors.text.windows import Window, cut, padded
from mertools.errors import ExtractionError

LONGEST = 4096
"""Tokens of a window at most, also where a model could see more: one forward pass has to fit."""
_AS_MERBENCH = ("mer2024", "mer2025", "mer2026")
_SPECIAL = 2  # tokens that models add to a text, at most
_PROBE = 9  # tokens
_MIXES_DEVICES = ("xlnet", "deberta")  # so they cannot compute on the meta device
_WANTS_A_MASK = ("deberta-v2",)  # or it looks for padding in tokens, which have no value on the meta device
# where positions are counted from behind the padding's place
_BEHIND_PADDING = ("roberta", "xlm-roberta", "camembert", "mpnet", "data2vec-text")


@dataclass(frozen=True)
class TokenModelConfig(WeightsConfig, TextConfig):
    """Options of models that read tokens.

    Attributes:
        layers: ``last4``, the sum of the last four hidden layers; ``last``, ``lastN``; or one layer's number.
        overlap: tokens that two windows share where a text is longer than the model can see; None for a quarter.
        edition: whose published embeddings these are; MERBench's rule holds for MER2024 to MER2026. For text MER2023
            sums the last four layers too; what differs is the name of the folder they are exported to.
    """

    layers: str = "last4"
    overlap: int | None = None
    edition: Literal["mer2023", "merbench", "mer2024", "mer2025", "mer2026"] = "merbench"


class TokenModel(Pretrained[str]):
    """One row per token of a text; rows have no time.

    Attributes:
        cpu_tokens: tokens of one forward pass on a CPU.
        gpu_tokens: on an accelerator.
        padded_left: types of models that were trained with the filling in front.
    """

    modality = "text"
    Config: ClassVar[type[TokenModelConfig]] = TokenModelConfig
    batch_cost = 16_384.0
    needed = ("config.json", "|".join(TOKENIZER_FILES))
    optional = FURTHER_FILES
    checked = ("layers", "overlap")
    cpu_tokens: ClassVar[int] = 1024
    gpu_tokens: ClassVar[int] = 32_768
    padded_left: ClassVar[tuple[str, ...]] = ()
    config: TokenModelConfig

    @classmethod
    def fake_weights(cls, folder: Any, facts: Mapping[str, Any]) -> dict[str, str]:
        """A tiny random model of the published type; see `Extractor.fake_weights`."""
        from feature_extractors.text.tiny import write_text_model

        write_text_model(facts["architecture"].get("model_type", cls.model_types[0]), folder)
        return {"weights": str(folder)}

    @classmethod
    def published_shape(cls, facts: Mapping[str, Any]) -> PublishedShape | None:
        """Nine tokens through the network; see `Extractor.published_shape`."""
        if not facts["architecture"]:
            return None
        import torch

        config = cls.published_architecture(facts)
        network = cls.network(config)
        with torch.device("meta"):
            model = (network.from_config if hasattr(network, "from_config") else network)(config).eval()
        device = "cpu" if config.model_type in _MIXES_DEVICES else "meta"
        if device == "cpu":
            _fill_with_one_zero(model)
        with torch.device(device), torch.inference_mode():
            probe = torch.zeros(1, _PROBE, dtype=torch.long)
            mask = torch.ones_like(probe) if config.model_type in _WANTS_A_MASK else None
            output = model(probe, attention_mask=mask, output_hidden_states=True)
        rows, dim = output.last_hidden_state.shape[1:]
        return PublishedShape(dim, rows, _PROBE, len(output.hidden_states) - 1, n_parameters(model))

    @classmethod
    def published_architecture(cls, facts: Mapping[str, Any]) -> Any:
        """The configuration of a published model."""
        return published_config(facts)

    @classmethod
    def network(cls, architecture: Any) -> Any:
        """The class that reads a folder with this configuration."""
        from transformers import AutoModel

        return AutoModel

    @property
    def dim(self) -> int:
        """Width of the hidden layers."""
        return int(self.architecture.hidden_size)

    @property
    def padding_invariant(self) -> bool:
        """What fills a batch is masked."""
        return True

    def settings(self) -> dict[str, Any]:
        """Options; editions of one rule are one setting."""
        edition = self.config.edition
        return {**super().settings(), "edition": "merbench" if edition in _AS_MERBENCH else edition}

    def cost(self, length: int) -> float:
        """Characters; how many tokens they are is known later, and the forward passes are planned by tokens."""
        return float(length)

    @cached_property
    def layers(self) -> tuple[int, ...]:
        """Hidden layers that are summed, counted from the end."""
        return parse_layers(self.config.layers, self.architecture.num_hidden_layers, self.name)

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """The checkpoint's tokenizer."""
        return read_tokenizer(self.weights, self.architecture.model_type, self.name)

    @cached_property
    def window(self) -> int:
        """Tokens that the model can see at once, special ones included."""
        stated = [getattr(self.architecture, name, None) for name in _POSITIONS]
        positions = next((int(n) for n in stated if isinstance(n, int) and n > 0), LONGEST)
        if self.architecture.model_type in _BEHIND_PADDING:
            positions -= int(self.architecture.pad_token_id) + 1
        return min(positions, self.tokenizer.longest or LONGEST, LONGEST)

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
        """The network."""
        return self.from_folder(self.network(self.architecture))

    def load(self, device: str, precision: Precision) -> None:
        """See `Pretrained.load`."""
        super().load(device, precision)
        self._learn_inputs()

    def _learn_inputs(self) -> None:
        """Which of a tokenizer's inputs the network takes: GPT-2 adds the token types that BERT's tokenizer gives."""
        self._taken = set(inspect.signature(self.model.forward).parameters)

    def embed(self, batch: Sequence[str], level: Level) -> list[Rows]:
        """One row per token."""
        import torch

        windows = [window for place, text in enumerate(batch) for window in self._windows(place, text)]
        values: list[np.ndarray] = [np.empty(0)] * len(windows)
        budget = self.gpu_tokens if self.on_gpu else self.cpu_tokens
        side: Literal["left", "right"] = "left" if self.architecture.model_type in self.padded_left else "right"
        for group in plan_batches([len(window) for window in windows], budget, equal=False):
            inputs, kept = padded([windows[i] for i in group], self.tokenizer.pad_id, side)
            with self.computing():
                output = self.model(
                    **{n: torch.from_numpy(v).to(self.device) for n, v in inputs.items() if n in self._taken},
                    output_hidden_states=True,
                )
                hidden = sum_of_layers(output, self.layers).cpu().numpy()  # (B, N, D)
            for row, i in enumerate(group):
                values[i] = hidden[row, kept[row]]
        parts = list(zip(windows, values, strict=True))
        return [_joined([rows for window, rows in parts if window.text == text]) for text in range(len(batch))]

    def _windows(self, place: int, text: str) -> list[Window]:
        """Overlapping windows of a text; each token is kept in exactly one."""
        windows = cut(place, self.tokenizer.encode(text), self.window, self.overlap) if text.strip() else []
        if not windows:
            raise TooShortError("the text has no token")
        return windows


_POSITIONS = ("max_position_embeddings", "n_positions", "model_max_length", "seq_length")
"""What configurations call the number of tokens that a model can see, the first that is there holding."""


def _fill_with_one_zero(model: Any) -> None:
    """Parameters and buffers of the meta device on the CPU, each a single zero seen from all its places."""
    import torch

    for module in model.modules():
        for name, values in [*module.named_parameters(recurse=False), *module.named_buffers(recurse=False)]:
            zero = torch.zeros((), dtype=values.dtype).expand(values.shape)
            is_parameter = isinstance(values, torch.nn.Parameter)
            setattr(module, name, torch.nn.Parameter(zero, requires_grad=False) if is_parameter else zero)


def _joined(parts: Sequence[np.ndarray]) -> Rows:
    values = np.concatenate(parts)
    return Rows(values, np.full(len(values), np.nan))
