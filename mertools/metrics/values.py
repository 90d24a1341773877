"""Metrics of several numbers per clip: the mean over targets of a metric of one. Moments are population moments."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from mertools.metrics.base import Array, FromSums, Parts, Statistics, metric, same_length
from mertools.metrics.regression import (
    ccc,
    ccc_from,
    moment_rows,
    mse,
    mse_from,
    pcc,
    pcc_from,
    rmse,
    rmse_from,
    squared_error_rows,
)

MOMENTS, ERRORS = 6, 2
"""Columns of the statistics of one target."""


def _rows(one: Statistics) -> Statistics:
    """Statistics ``(N, D * K)`` of D targets from those of one: ``(N, K)`` of each, side by side."""

    def rows(truth: npt.ArrayLike, prediction: npt.ArrayLike) -> Array:
        x, y = same_length(truth, prediction, ndim=2)
        return np.hstack([one(x[:, d], y[:, d]) for d in range(x.shape[1])])

    return rows


def _each(one: FromSums, width: int) -> FromSums:
    """Sums ``(..., D * K)`` -> the metric of each target ``(..., D)``."""
    return lambda sums: one(sums.reshape(*sums.shape[:-1], -1, width))


def _mean(one: FromSums, width: int) -> FromSums:
    """Sums ``(..., D * K)`` -> the mean over targets ``(...)``; NaN where one of them is undefined."""
    each = _each(one, width)

    def mean(sums: Array) -> Array:
        found: Array = each(sums).mean(axis=-1)
        return found

    return mean


def _parts(one: FromSums, width: int) -> Parts:
    """Sums ``(D * K,)`` and D names -> name -> value."""
    each = _each(one, width)

    def parts(sums: Array, names: Sequence[str]) -> dict[str, float]:
        return {name: float(value) for name, value in zip(names, each(sums), strict=True)}

    return parts


def _mean_of(
    one: Callable[[npt.ArrayLike, npt.ArrayLike], float],
    truth: npt.ArrayLike,
    prediction: npt.ArrayLike,
    least: int = 1,
) -> float:
    x, y = same_length(truth, prediction, least=least, ndim=2)
    return float(np.mean([one(x[:, d], y[:, d]) for d in range(x.shape[1])]))


@metric(
    "mean_ccc",
    inputs=("values",),
    higher_is_better=True,
    range=(-1.0, 1.0),
    statistics=_rows(moment_rows),
    from_sums=_mean(ccc_from, MOMENTS),
    summary="concordance correlation coefficient, averaged over the targets",
    source="ABAW valence-arousal scorer; MuSe-Personalisation",
    parts=_parts(ccc_from, MOMENTS),
)
def mean_ccc(truth: npt.ArrayLike, prediction: npt.ArrayLike) -> float:
    """Mean over targets (valence and arousal) of the concordance correlation coefficient.

    Args:
        truth: annotated values, shape ``(N, D)``, finite.
        prediction: predicted values, shape ``(N, D)``, same order and units, finite.

    Returns:
        A value in [-1, 1]; NaN if for some target both series are constant and equal.

    Raises:
        ShapeError: if the shapes differ, ``N < 2`` or ``D < 1``.
        ValueError: for NaN or infinite values.

    Example:
        >>> mean_ccc([[0.0, 1.0], [1.0, 2.0]], [[0.0, 2.0], [1.0, 1.0]])
        0.0
    """
    return _mean_of(ccc, truth, prediction, least=2)


@metric(
    "mean_pcc",
    inputs=("values",),
    higher_is_better=True,
    range=(-1.0, 1.0),
    statistics=_rows(moment_rows),
    from_sums=_mean(pcc_from, MOMENTS),
    summary="Pearson's correlation coefficient, averaged over the targets",
    source="MuSe-Mimic, MuSe-Perception, ABAW EMI; MER2025 personality baseline",
    parts=_parts(pcc_from, MOMENTS),
)
def mean_pcc(truth: npt.ArrayLike, prediction: npt.ArrayLike) -> float:
    """Mean over targets of Pearson's correlation coefficient; arguments and errors as for `mean_ccc`.

    Returns:
        A value in [-1, 1]; NaN if a series of some target is constant.

    Example:
        >>> mean_pcc([[0.0, 1.0], [1.0, 2.0]], [[0.0, 2.0], [3.0, 5.0]])
        1.0
    """
    return _mean_of(pcc, truth, prediction, least=2)


@metric(
    "mean_mse",
    inputs=("values",),
    higher_is_better=False,
    range=(0.0, np.inf),
    statistics=_rows(squared_error_rows),
    from_sums=_mean(mse_from, ERRORS),
    summary="mean squared error, averaged over the targets",
    source="usual definition",
    parts=_parts(mse_from, ERRORS),
)
def mean_mse(truth: npt.ArrayLike, prediction: npt.ArrayLike) -> float:
    """Mean over targets of the mean squared error.

    Args:
        truth: annotated values, shape ``(N, D)``, finite.
        prediction: predicted values, shape ``(N, D)``, same order and units, finite.

    Returns:
        A value in [0, inf), in the square of the unit.

    Raises:
        ShapeError: if the shapes differ, ``N < 1`` or ``D < 1``.
        ValueError: for NaN or infinite values.

    Example:
        >>> mean_mse([[0.0, 1.0]], [[2.0, 1.0]])
        2.0
    """
    return _mean_of(mse, truth, prediction)


@metric(
    "mean_rmse",
    inputs=("values",),
    higher_is_better=False,
    range=(0.0, np.inf),
    statistics=_rows(squared_error_rows),
    from_sums=_mean(rmse_from, ERRORS),
    summary="root mean squared error, averaged over the targets",
    source="MER2025 personality baseline",
    parts=_parts(rmse_from, ERRORS),
)
def mean_rmse(truth: npt.ArrayLike, prediction: npt.ArrayLike) -> float:
    """Mean over targets (five traits) of the root mean squared error, in their unit; arguments as for `mean_mse`.

    Example:
        >>> mean_rmse([[0.0, 1.0]], [[2.0, 1.0]])
        1.0
    """
    return _mean_of(rmse, truth, prediction)
