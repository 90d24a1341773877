"""Metrics of sentiment as CMU-MOSI, CMU-MOSEI and CH-SIMS report it: one number, cut into classes.

The cuts are those of MMSA (the benchmark code of CH-SIMS), whose figures papers compare with: MOSI and MOSEI lie in
[-3, 3], CH-SIMS in [-1, 1]. ``Corr`` is `pcc` and ``MAE`` is `mae`; for CH-SIMS, MMSA cuts both series to
[-1, 1] before either.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from mertools.metrics.base import Array, Counts, metric, ratio
from mertools.metrics.classification import accuracy_from, waf_from
from mertools.metrics.regression import numbers

SIMS_CUTS = {2: (0.0,), 3: (-0.1, 0.1), 5: (-0.7, -0.1, 0.1, 0.7)}
"""Upper ends, inclusive, of all classes of CH-SIMS but the last."""

Cut = Callable[[Array], Array]


def _binary(with_zero: bool) -> Counts:
    """2 × 2 tables of the sign: ``y >= 0`` against the rest, or ``y > 0`` without the rows that are truly 0."""

    def cells(truth: npt.ArrayLike, prediction: npt.ArrayLike) -> tuple[Array, int]:
        x, y = numbers(truth, prediction)
        if with_zero:
            return (2 * (x >= 0) + (y >= 0))[:, None], 4
        return np.where(x == 0, -1, 2 * (x > 0) + (y > 0))[:, None], 4

    return Counts(cells)


def _hits(cut: Cut) -> Counts:
    """Misses and hits after both series were cut into classes, ``(N, 2)``."""

    def cells(truth: npt.ArrayLike, prediction: npt.ArrayLike) -> tuple[Array, int]:
        x, y = numbers(truth, prediction)
        return (cut(x) == cut(y)).astype(np.int64)[:, None], 2

    return Counts(cells)


def _share(sums: Array) -> Array:
    """Share of hits from sums ``(..., 2)``."""
    return ratio(sums[..., 1], sums.sum(axis=-1), np.nan)


def _rounded(limit: int) -> Cut:
    def cut(values: Array) -> Array:
        found: Array = np.round(np.clip(values, -limit, limit))
        return found

    return cut


def _sims(n_classes: int) -> Cut:
    def cut(values: Array) -> Array:
        found: Array = np.searchsorted(SIMS_CUTS[n_classes], np.clip(values, -1.0, 1.0), side="left")
        return found

    return cut


def _sims_cells(truth: npt.ArrayLike, prediction: npt.ArrayLike) -> tuple[Array, int]:
    x, y = numbers(truth, prediction)
    return (2 * _sims(2)(x) + _sims(2)(y))[:, None], 4


_has0, _non0, _acc7, _acc5 = _binary(True), _binary(False), _hits(_rounded(3)), _hits(_rounded(2))
_sims2, _sims3, _sims5 = Counts(_sims_cells), _hits(_sims(3)), _hits(_sims(5))

_MMSA = "MMSA, regression on MOSI and MOSEI"
_MMSA_SIMS = "MMSA, regression on CH-SIMS"


def _of(statistics: Counts, from_sums: Callable[[Array], Array], truth: npt.ArrayLike, said: npt.ArrayLike) -> float:
    return float(from_sums(statistics(truth, said).sum(axis=0)))


@metric(
    "acc2_has0",
    inputs=("value",),
    higher_is_better=True,
    range=(0.0, 1.0),
    statistics=_has0,
    from_sums=accuracy_from,
    summary="accuracy of negative against not negative (Has0 ACC2)",
    source=_MMSA,
)
def acc2_has0(truth: npt.ArrayLike, prediction: npt.ArrayLike) -> float:
    """Accuracy of ``y < 0`` against ``y >= 0``, every clip counted.

    Args:
        truth: annotated sentiment, shape ``(N,)``, finite.
        prediction: predicted sentiment, shape ``(N,)``, same order, finite.

    Returns:
        A value in [0, 1].

    Raises:
        ShapeError: if the shapes differ or are empty.
        ValueError: for NaN or infinite values.

    Example:
        >>> acc2_has0([-1.0, 0.0, 2.0], [-2.0, -0.1, 1.0])
        0.6666666666666666
    """
    return _of(_has0, accuracy_from, truth, prediction)


@metric(
    "f1_has0",
    inputs=("value",),
    higher_is_better=True,
    range=(0.0, 1.0),
    statistics=_has0,
    from_sums=waf_from,
    summary="weighted F1 of negative against not negative (Has0 F1)",
    source=_MMSA,
)
def f1_has0(truth: npt.ArrayLike, prediction: npt.ArrayLike) -> float:
    """Support-weighted F1 of ``y < 0`` against ``y >= 0``; arguments and errors as for `acc2_has0`.

    Example:
        >>> f1_has0([-1.0, 1.0], [-2.0, 0.0])
        1.0
    """
    return _of(_has0, waf_from, truth, prediction)


@metric(
    "acc2_non0",
    inputs=("value",),
    higher_is_better=True,
    range=(0.0, 1.0),
    statistics=_non0,
    from_sums=accuracy_from,
    summary="accuracy of negative against positive, clips that are truly 0 left out (Non0 ACC2)",
    source=_MMSA + "; MERTools reports it for CMU-MOSI, CMU-MOSEI and CH-SIMS",
)
def acc2_non0(truth: npt.ArrayLike, prediction: npt.ArrayLike) -> float:
    """Accuracy of ``y > 0`` over the clips whose truth is not exactly 0; arguments and errors as for `acc2_has0`.

    Returns:
        A value in [0, 1]; NaN if every truth is 0.

    Example:
        >>> acc2_non0([-1.0, 0.0, 2.0], [-2.0, -0.1, 1.0])
        1.0
    """
    return _of(_non0, accuracy_from, truth, prediction)


@metric(
    "f1_non0",
    inputs=("value",),
    higher_is_better=True,
    range=(0.0, 1.0),
    statistics=_non0,
    from_sums=waf_from,
    summary="weighted F1 of negative against positive, clips that are truly 0 left out (Non0 F1)",
    source=_MMSA + "; MERTools reports it for CMU-MOSI, CMU-MOSEI and CH-SIMS",
)
def f1_non0(truth: npt.ArrayLike, prediction: npt.ArrayLike) -> float:
    """Support-weighted F1 of ``y > 0`` over the clips whose truth is not exactly 0; otherwise as `acc2_non0`.

    Example:
        >>> f1_non0([-1.0, 0.0, 2.0], [-2.0, -0.1, 1.0])
        1.0
    """
    return _of(_non0, waf_from, truth, prediction)


@metric(
    "acc7",
    inputs=("value",),
    higher_is_better=True,
    range=(0.0, 1.0),
    statistics=_acc7,
    from_sums=_share,
    summary="accuracy after cutting to [-3, 3] and rounding to seven classes",
    source=_MMSA,
)
def acc7(truth: npt.ArrayLike, prediction: npt.ArrayLike) -> float:
    """Accuracy of seven classes: both series cut to [-3, 3], then rounded; arguments and errors as for `acc2_has0`.

    Halves go to the even neighbour, as numpy rounds: 0.5 is 0, 1.5 is 2, 2.5 is 2.

    Example:
        >>> acc7([0.0, 2.0, 3.0], [0.5, 2.5, 9.0])
        1.0
    """
    return _of(_acc7, _share, truth, prediction)


@metric(
    "acc5",
    inputs=("value",),
    higher_is_better=True,
    range=(0.0, 1.0),
    statistics=_acc5,
    from_sums=_share,
    summary="accuracy after cutting to [-2, 2] and rounding to five classes",
    source=_MMSA,
)
def acc5(truth: npt.ArrayLike, prediction: npt.ArrayLike) -> float:
    """Accuracy of five classes: both series cut to [-2, 2], then rounded as in `acc7`.

    Example:
        >>> acc5([3.0, -0.4], [1.6, -0.6])
        0.5
    """
    return _of(_acc5, _share, truth, prediction)


@metric(
    "sims_acc2",
    inputs=("value",),
    higher_is_better=True,
    range=(0.0, 1.0),
    statistics=_sims2,
    from_sums=accuracy_from,
    summary="accuracy of [-1, 0] against (0, 1]",
    source=_MMSA_SIMS,
)
def sims_acc2(truth: npt.ArrayLike, prediction: npt.ArrayLike) -> float:
    """Accuracy of CH-SIMS's two classes [-1, 0] and (0, 1]; arguments and errors as for `acc2_has0`.

    Unlike `acc2_has0`, a sentiment of 0 counts as negative.

    Example:
        >>> sims_acc2([0.0, 0.2], [-0.5, 0.0])
        0.5
    """
    return _of(_sims2, accuracy_from, truth, prediction)


@metric(
    "sims_f1",
    inputs=("value",),
    higher_is_better=True,
    range=(0.0, 1.0),
    statistics=_sims2,
    from_sums=waf_from,
    summary="weighted F1 of [-1, 0] against (0, 1]",
    source=_MMSA_SIMS,
)
def sims_f1(truth: npt.ArrayLike, prediction: npt.ArrayLike) -> float:
    """Support-weighted F1 of the classes of `sims_acc2`.

    Example:
        >>> sims_f1([0.0, 0.2], [-0.5, 0.1])
        1.0
    """
    return _of(_sims2, waf_from, truth, prediction)


@metric(
    "sims_acc3",
    inputs=("value",),
    higher_is_better=True,
    range=(0.0, 1.0),
    statistics=_sims3,
    from_sums=_share,
    summary="accuracy of [-1, -0.1], (-0.1, 0.1], (0.1, 1]",
    source=_MMSA_SIMS,
)
def sims_acc3(truth: npt.ArrayLike, prediction: npt.ArrayLike) -> float:
    """Accuracy of CH-SIMS's three classes [-1, -0.1], (-0.1, 0.1], (0.1, 1]; arguments as for `acc2_has0`.

    Example:
        >>> sims_acc3([-0.1, 0.1], [-2.0, 0.2])
        0.5
    """
    return _of(_sims3, _share, truth, prediction)


@metric(
    "sims_acc5",
    inputs=("value",),
    higher_is_better=True,
    range=(0.0, 1.0),
    statistics=_sims5,
    from_sums=_share,
    summary="accuracy of [-1, -0.7], (-0.7, -0.1], (-0.1, 0.1], (0.1, 0.7], (0.7, 1]",
    source=_MMSA_SIMS,
)
def sims_acc5(truth: npt.ArrayLike, prediction: npt.ArrayLike) -> float:
    """Accuracy of CH-SIMS's five classes, cut at -0.7, -0.1, 0.1 and 0.7; arguments as for `acc2_has0`.

    Example:
        >>> sims_acc5([-0.7, 0.7], [-1.0, 0.8])
        0.5
    """
    return _of(_sims5, _share, truth, prediction)
