"""Which hidden layers an embedding is made of: the field sums the last four, MER2023's edition took the last."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from mertools.errors import ExtractionError

if TYPE_CHECKING:
    import torch


def parse_layers(layers: str, n_layers: int, extractor: str) -> tuple[int, ...]:
    """Read the option ``layers``.

    Args:
        layers: ``last``; ``lastN``, the sum of the last N; or a number, that layer alone (0 is what enters the first).
        n_layers: layers of the encoder.
        extractor: who asks, for messages.

    Returns:
        Places counted from the end, -1 being the last layer.

    Raises:
        ExtractionError: if the text has another form or names a layer that is not there.

    Example:
        >>> parse_layers("last4", 12, "audio/hubert")
        (-4, -3, -2, -1)
        >>> parse_layers("12", 12, "audio/hubert")
        (-1,)
    """
    last = re.fullmatch(r"last([1-9]\d*)?", layers)
    if last:
        count = int(last.group(1) or 1)
        if count <= n_layers:
            return tuple(range(-count, 0))
    elif layers.isdecimal() and int(layers) <= n_layers:
        return (int(layers) - n_layers - 1,)
    raise ExtractionError(
        "MER-E103",
        f"{extractor}: layers='{layers}' does not name layers of an encoder that has {n_layers}.",
        f"Expected last, last1 to last{n_layers}, or a number from 0 to {n_layers}.",
    )


def sum_of_layers(output: Any, layers: tuple[int, ...]) -> torch.Tensor:
    """Sum of hidden layers in float32, ``(B, T, D)``.

    The last one is taken from ``last_hidden_state``: up to transformers 5.15 the tuple's last entry is after the
    encoder's final LayerNorm, from 5.16 on before it, and published embeddings are made of the former.
    """
    chosen = [output.last_hidden_state if i == -1 else output.hidden_states[i] for i in layers]
    total: torch.Tensor = chosen[0].float()
    for hidden in chosen[1:]:
        total = total + hidden.float()
    return total
