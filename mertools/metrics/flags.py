"""Metrics of several yes-or-no targets per clip or frame, such as action units."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from mertools.metrics.base import Array, Counts, InputError, metric, ratio, same_length

_CELLS = 4  # of one target: true and predicted 00, 01, 10, 11


def flag_cells(truth: npt.ArrayLike, prediction: npt.ArrayLike) -> tuple[Array, int]:
    """Per row and target the cell of its 2 × 2 table, ``(N, D)``, and the number of all cells, 4 D."""
    x, y = _flags(truth, prediction)
    return 2 * x + y + _CELLS * np.arange(x.shape[1]), _CELLS * x.shape[1]


flag_rows = Counts(flag_cells)
"""Additive statistics ``(N, 4 D)``: a 1 at the cell of each target's table of truth and prediction."""


def f1_of_flags(sums: Array) -> Array:
    """F1 of each target ``(..., D)`` from sums ``(..., 4 D)``; 0 for one that is neither true nor predicted."""
    table = sums.reshape(*sums.shape[:-1], -1, _CELLS)
    hits, wrong = table[..., 3], table[..., 1] + table[..., 2]
    return ratio(2.0 * hits, 2.0 * hits + wrong, 0.0)


def accuracy_of_flags(sums: Array) -> Array:
    """Accuracy of each target ``(..., D)`` from sums ``(..., 4 D)``."""
    table = sums.reshape(*sums.shape[:-1], -1, _CELLS)
    return ratio(table[..., 0] + table[..., 3], table.sum(axis=-1), np.nan)


def au_f1_from(sums: Array) -> Array:
    """Mean F1 over targets from sums ``(..., 4 D)``; NaN for no rows at all."""
    n = sums.reshape(*sums.shape[:-1], -1, _CELLS)[..., 0, :].sum(axis=-1)
    found: Array = np.where(n > 0, f1_of_flags(sums).mean(axis=-1), np.nan)
    return found


def au_accuracy_from(sums: Array) -> Array:
    """Mean accuracy over targets from sums ``(..., 4 D)``."""
    found: Array = accuracy_of_flags(sums).mean(axis=-1)
    return found


def _f1_parts(sums: Array, names: Sequence[str]) -> dict[str, float]:
    return {name: float(value) for name, value in zip(names, f1_of_flags(sums), strict=True)}


def _accuracy_parts(sums: Array, names: Sequence[str]) -> dict[str, float]:
    return {name: float(value) for name, value in zip(names, accuracy_of_flags(sums), strict=True)}


@metric(
    "au_f1",
    inputs=("flags",),
    higher_is_better=True,
    range=(0.0, 1.0),
    statistics=flag_rows,
    from_sums=au_f1_from,
    summary="F1 of yes-or-no targets, averaged over them (12 action units in ABAW)",
    source="ABAW action-unit scorer; f1_score(average='binary') of scikit-learn for each",
    parts=_f1_parts,
)
def au_f1(truth: npt.ArrayLike, prediction: npt.ArrayLike) -> float:
    """F1 of the positive class of each target, averaged over targets.

    Args:
        truth: 0 or 1, shape ``(N, D)``.
        prediction: 0 or 1, shape ``(N, D)``, same order.

    Returns:
        A value in [0, 1]; a target that is neither true nor predicted anywhere counts as 0.

    Raises:
        ShapeError: if the shapes differ, ``N < 1`` or ``D < 1``.
        InputError: for a value that is not 0 or 1.

    Example:
        >>> au_f1([[1, 0], [1, 1]], [[1, 1], [1, 0]])
        0.5
    """
    return float(au_f1_from(_table(truth, prediction)))


@metric(
    "au_accuracy",
    inputs=("flags",),
    higher_is_better=True,
    range=(0.0, 1.0),
    statistics=flag_rows,
    from_sums=au_accuracy_from,
    summary="accuracy of yes-or-no targets, averaged over them",
    source="usual definition",
    parts=_accuracy_parts,
)
def au_accuracy(truth: npt.ArrayLike, prediction: npt.ArrayLike) -> float:
    """Share of right flags over all rows and targets; arguments and errors as for `au_f1`.

    Returns:
        A value in [0, 1]. Where few flags are set it is high for a prediction that sets none.

    Example:
        >>> au_accuracy([[1, 0], [1, 1]], [[1, 1], [1, 0]])
        0.5
    """
    return float(au_accuracy_from(_table(truth, prediction)))


def _table(truth: npt.ArrayLike, prediction: npt.ArrayLike) -> Array:
    cells, width = flag_cells(truth, prediction)
    return np.bincount(cells.ravel(), minlength=width)


def _flags(truth: npt.ArrayLike, prediction: npt.ArrayLike) -> tuple[Array, Array]:
    x, y = same_length(truth, prediction, ndim=2)
    for whose, column in (("true", x), ("predicted", y)):
        wrong = (column != 0) & (column != 1)
        if wrong.any():
            row, target = np.argwhere(wrong)[0]
            raise InputError(
                "MER-S113",
                f"the {whose} value {column[row, target]} of row {row + 1}, target {target + 1} is neither 0 nor 1.",
                "Leave rows without an annotation out; turn probabilities into 0 and 1 by a threshold.",
            )
    return x.astype(np.int64), y.astype(np.int64)
