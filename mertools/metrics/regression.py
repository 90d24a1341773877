"""Metrics of one number per clip. Moments are population moments, as in the challenges' scorers."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from mertools.metrics.base import Array, metric, ratio, same_length


def squared_error_rows(truth: npt.ArrayLike, prediction: npt.ArrayLike) -> Array:
    """Additive statistics ``(N, 2)``: 1 and the squared difference."""
    x, y = numbers(truth, prediction)
    return np.stack([np.ones(len(x)), (x - y) ** 2], axis=1)


def absolute_error_rows(truth: npt.ArrayLike, prediction: npt.ArrayLike) -> Array:
    """Additive statistics ``(N, 2)``: 1 and the absolute difference."""
    x, y = numbers(truth, prediction)
    return np.stack([np.ones(len(x)), np.abs(x - y)], axis=1)


def mse_from(sums: Array) -> Array:
    """Mean of squared (or absolute) errors from sums ``(..., 2)``."""
    return ratio(sums[..., 1], sums[..., 0], np.nan)


def rmse_from(sums: Array) -> Array:
    """Root mean squared error from sums ``(..., 2)``."""
    root: Array = np.sqrt(np.maximum(mse_from(sums), 0.0))
    return root


def moment_rows(truth: npt.ArrayLike, prediction: npt.ArrayLike) -> Array:
    """Additive statistics ``(N, 6)``: 1, x, y, xx, yy, xy of both series moved by their common mean."""
    x, y = numbers(truth, prediction)
    middle = (x.mean() + y.mean()) / 2
    x, y = x - middle, y - middle
    return np.stack([np.ones(len(x)), x, y, x * x, y * y, x * y], axis=1)


def ccc_from(sums: Array) -> Array:
    """Concordance from sums ``(..., 6)``."""
    mean_x, mean_y, var_x, var_y, cov = _moments(sums)
    return ratio(2 * cov, var_x + var_y + (mean_x - mean_y) ** 2, np.nan)


def pcc_from(sums: Array) -> Array:
    """Pearson's correlation from sums ``(..., 6)``."""
    _, _, var_x, var_y, cov = _moments(sums)
    return np.clip(ratio(cov, np.sqrt(var_x * var_y), np.nan), -1.0, 1.0)


@metric(
    "mse",
    inputs=("value",),
    higher_is_better=False,
    range=(0.0, np.inf),
    statistics=squared_error_rows,
    from_sums=mse_from,
    summary="mean squared error",
    source="MER2023 scorer",
)
def mse(truth: npt.ArrayLike, prediction: npt.ArrayLike) -> float:
    """Mean squared error.

    Args:
        truth: annotated values, shape ``(N,)``, finite.
        prediction: predicted values, shape ``(N,)``, same order and unit, finite.

    Returns:
        A value in [0, inf), in the square of the unit.

    Raises:
        ShapeError: if the shapes differ or are empty.
        ValueError: for NaN or infinite values.

    Example:
        >>> mse([0.0, 1.0], [0.0, 3.0])
        2.0
    """
    x, y = numbers(truth, prediction)
    return float(np.mean((x - y) ** 2))


@metric(
    "mae",
    inputs=("value",),
    higher_is_better=False,
    range=(0.0, np.inf),
    statistics=absolute_error_rows,
    from_sums=mse_from,
    summary="mean absolute error",
    source="usual definition; MMSA",
)
def mae(truth: npt.ArrayLike, prediction: npt.ArrayLike) -> float:
    """Mean absolute error, in the unit of the values; arguments and errors as for `mse`.

    Example:
        >>> mae([0.0, 1.0], [0.0, 3.0])
        1.0
    """
    x, y = numbers(truth, prediction)
    return float(np.mean(np.abs(x - y)))


@metric(
    "rmse",
    inputs=("value",),
    higher_is_better=False,
    range=(0.0, np.inf),
    statistics=squared_error_rows,
    from_sums=rmse_from,
    summary="root mean squared error",
    source="MER2025 personality baseline",
)
def rmse(truth: npt.ArrayLike, prediction: npt.ArrayLike) -> float:
    """Root of the mean squared error, in the unit of the values; arguments and errors as for `mse`.

    Example:
        >>> rmse([0.0, 0.0], [3.0, 3.0])
        3.0
    """
    return float(np.sqrt(mse(truth, prediction)))


@metric(
    "ccc",
    inputs=("value",),
    higher_is_better=True,
    range=(-1.0, 1.0),
    statistics=moment_rows,
    from_sums=ccc_from,
    summary="concordance correlation coefficient",
    source="Lin (1989); ABAW and MuSe scorers",
)
def ccc(truth: npt.ArrayLike, prediction: npt.ArrayLike) -> float:
    r"""Concordance correlation coefficient (Lin, 1989).

    .. math:: \rho_c = \frac{2 \sigma_{xy}}{\sigma_x^2 + \sigma_y^2 + (\mu_x - \mu_y)^2}

    Moments are population moments, as in the ABAW scorer.

    Args:
        truth: annotated values, shape ``(N,)``, finite.
        prediction: predicted values, shape ``(N,)``, same order and unit, finite.

    Returns:
        A value in [-1, 1]; NaN if both series are constant and equal.

    Raises:
        ShapeError: if the shapes differ or ``N < 2``.
        ValueError: for NaN or infinite values.

    Example:
        >>> ccc([0.0, 1.0, 2.0], [0.0, 1.0, 2.0])
        1.0
    """
    x, y = numbers(truth, prediction, least=2)
    dx, dy = x - x.mean(), y - y.mean()
    below = np.mean(dx * dx) + np.mean(dy * dy) + (x.mean() - y.mean()) ** 2
    return float(np.clip(2 * np.mean(dx * dy) / below, -1.0, 1.0)) if below > 0 else float("nan")


@metric(
    "pcc",
    inputs=("value",),
    higher_is_better=True,
    range=(-1.0, 1.0),
    statistics=moment_rows,
    from_sums=pcc_from,
    summary="Pearson's correlation coefficient",
    source="usual definition",
)
def pcc(truth: npt.ArrayLike, prediction: npt.ArrayLike) -> float:
    """Pearson's correlation coefficient; arguments and errors as for `ccc`.

    Returns:
        A value in [-1, 1]; NaN if a series is constant.

    Example:
        >>> pcc([0.0, 1.0, 2.0], [2.0, 1.0, 0.0])
        -1.0
    """
    x, y = numbers(truth, prediction, least=2)
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        return float("nan")
    dx, dy = x - x.mean(), y - y.mean()
    dx, dy = dx / np.abs(dx).max(), dy / np.abs(dy).max()
    return float(np.clip(np.sum(dx * dy) / np.sqrt(np.sum(dx * dx) * np.sum(dy * dy)), -1.0, 1.0))


def numbers(truth: npt.ArrayLike, prediction: npt.ArrayLike, *, least: int = 1) -> tuple[Array, Array]:
    """Both as float64 ``(N,)``.

    Raises:
        ShapeError: if the shapes differ or there are fewer than `least` rows.
        ValueError: for NaN or infinite values.
    """
    x, y = same_length(truth, prediction, least=least)
    x, y = x.astype(float), y.astype(float)
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise ValueError("NaN or infinite values cannot be scored.")
    return x, y


def _moments(sums: Array) -> tuple[Array, Array, Array, Array, Array]:
    n = np.where(sums[..., 0] > 0, sums[..., 0], np.nan)
    mean_x, mean_y = sums[..., 1] / n, sums[..., 2] / n
    var_x = np.maximum(sums[..., 3] / n - mean_x**2, 0.0)
    var_y = np.maximum(sums[..., 4] / n - mean_y**2, 0.0)
    return mean_x, mean_y, var_x, var_y, sums[..., 5] / n - mean_x * mean_y
