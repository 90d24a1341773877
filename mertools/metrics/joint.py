"""Metrics of a label and a number together."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from mertools.metrics.base import Array, metric
from mertools.metrics.classification import confusion_rows, waf, waf_from
from mertools.metrics.groups import sum_by
from mertools.metrics.regression import mse, mse_from, squared_error_rows

VALENCE_WEIGHT = 0.25


class _Rows:
    """Squared errors ``(N, 2)`` beside the cells of the confusion matrix ``(N, C * C)``."""

    def __call__(self, truth: Array, prediction: Array, true_values: Array, predicted_values: Array) -> Array:
        return np.hstack([squared_error_rows(true_values, predicted_values), confusion_rows(truth, prediction)])

    def by_group(self, index: Array, n_groups: int, *columns: Array) -> Array:
        errors = sum_by(squared_error_rows(*columns[2:]), index, n_groups)
        return np.hstack([errors, confusion_rows.by_group(index, n_groups, *columns[:2])])


def _from_sums(sums: Array) -> Array:
    return waf_from(sums[..., 2:]) - VALENCE_WEIGHT * mse_from(sums[..., :2])


@metric(
    "mer2023_combined",
    inputs=("classes", "value"),
    higher_is_better=True,
    range=(-np.inf, 1.0),
    statistics=_Rows(),
    from_sums=_from_sums,
    summary="WAF - 0.25 MSE: label and valence together",
    source="MER2023 scorer, MULTI and NOISE",
)
def mer2023_combined(
    truth: npt.ArrayLike, prediction: npt.ArrayLike, true_values: npt.ArrayLike, predicted_values: npt.ArrayLike
) -> float:
    """Score of MER2023's MULTI and NOISE tracks: WAF of the labels minus a quarter of the MSE of the valence.

    Args:
        truth: true labels, shape ``(N,)``.
        prediction: predicted labels, shape ``(N,)``, same order.
        true_values: annotated valence, shape ``(N,)``, in [-5, 5].
        predicted_values: predicted valence, shape ``(N,)``, finite.

    Returns:
        A value in (-inf, 1].

    Raises:
        ShapeError: if the shapes differ or are empty.
        ValueError: for NaN or infinite values.

    Example:
        >>> mer2023_combined(["sad", "happy"], ["sad", "happy"], [-1.0, 1.0], [-1.0, 3.0])
        0.5
    """
    return waf(truth, prediction) - VALENCE_WEIGHT * mse(true_values, predicted_values)
