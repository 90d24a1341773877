"""Which pieces share a forward pass, and their padding to one length."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

_SLACK = 1.25  # longest piece of a padded batch over the shortest: at most a fifth of the arithmetic is padding


def plan_batches(lengths: Sequence[int], budget: int, *, equal: bool) -> list[list[int]]:
    """Group pieces by length.

    Args:
        lengths: length of each piece.
        budget: longest piece times number of pieces that one batch may have; a longer piece goes alone.
        equal: whether only pieces of one length may share a batch (models that padding would change).

    Returns:
        Places of the pieces of each batch, longest first; equal lengths keep their order.

    Example:
        >>> plan_batches([4, 9, 4, 10, 4], 10, equal=False)
        [[3], [1], [0, 2], [4]]
    """
    batches: list[list[int]] = []
    longest = 0
    for place in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        length = lengths[place]
        fits = bool(batches) and longest * (len(batches[-1]) + 1) <= budget
        alike = length == longest if equal else length * _SLACK >= longest
        if fits and alike:
            batches[-1].append(place)
        else:
            batches.append([place])
            longest = length
    return batches


def pad_rows(pieces: Sequence[np.ndarray], fill: float = 0) -> tuple[np.ndarray, np.ndarray]:
    """Stack pieces of different length.

    Args:
        pieces: arrays ``(N_i,)`` of one type.
        fill: what stands behind a shorter piece.

    Returns:
        The pieces ``(B, N)``, and the mask ``(B, N)`` int64 that is 1 where a piece is.
    """
    n = max(len(piece) for piece in pieces)
    values = np.full((len(pieces), n), fill, dtype=pieces[0].dtype)
    mask = np.zeros((len(pieces), n), np.int64)
    for row, piece in enumerate(pieces):
        values[row, : len(piece)] = piece
        mask[row, : len(piece)] = 1
    return values, mask
