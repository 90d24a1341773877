"""Texts longer than a model can see are read in overlapping windows; each token is kept from exactly one of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from feature_extractors.text.tokens import Encoding


@dataclass(frozen=True)
class Window:
    """Tokens of one text that the model sees at once.

    Attributes:
        text: place of the text in the batch.
        inputs: what the model gets, ``(N,)`` each.
        kept: places of the tokens whose rows are kept.
    """

    text: int
    inputs: dict[str, np.ndarray]
    kept: np.ndarray

    def __len__(self) -> int:
        """Number of tokens."""
        return len(self.inputs["input_ids"])


def cut(text: int, encoding: Encoding, longest: int, overlap: int) -> list[Window]:
    """Windows of one text.

    Of the tokens that two windows share, the earlier keeps the first half: each row comes from the window in which its
    token stands further from an edge.

    Args:
        text: place of the text in the batch.
        encoding: its tokens.
        longest: tokens of a window, special ones included.
        overlap: tokens that two windows share.

    Returns:
        Windows from left to right, each with the special tokens around it; none if the text has no token.
    """
    n_own = encoding.stop - encoding.start
    room = longest - (len(encoding.inputs["input_ids"]) - n_own)
    if not n_own:
        return []
    starts = range(0, max(1, n_own - overlap), room - overlap)
    windows = []
    for i, start in enumerate(starts):
        stop = min(n_own, start + room)
        inputs = {
            name: np.concatenate(
                [values[: encoding.start], values[encoding.start :][start:stop], values[encoding.stop :]]
            )
            for name, values in encoding.inputs.items()
        }
        first = overlap // 2 if i > 0 else 0
        last = overlap - overlap // 2 if i < len(starts) - 1 else 0
        windows.append(Window(text, inputs, encoding.start + np.arange(first, stop - start - last)))
    return windows


def padded(
    windows: Sequence[Window], pad_id: int, side: Literal["left", "right"] = "right"
) -> tuple[dict[str, np.ndarray], list[np.ndarray]]:
    """Windows as one batch.

    Args:
        windows: of the same kind of inputs.
        pad_id: the token that fills shorter ones; every other input is filled with 0.
        side: where the filling stands.

    Returns:
        Inputs ``(B, N)``, and the places of each window's kept tokens in its row.
    """
    longest = max(map(len, windows))
    inputs = {}
    for name in windows[0].inputs:
        batch = np.full((len(windows), longest), pad_id if name == "input_ids" else 0, np.int64)
        for row, window in enumerate(windows):
            behind = slice(longest - len(window), None) if side == "left" else slice(0, len(window))
            batch[row, behind] = window.inputs[name]
        inputs[name] = batch
    return inputs, [window.kept + (longest - len(window) if side == "left" else 0) for window in windows]
