"""`Metric`: a scoring function with its facts, and the additive form that lets it be recomputed thousands of times.

Every metric here is a function of sums over rows (counts of a confusion matrix, sums of squares). `statistics` gives
these per row and `from_sums` the metric for any sums, so that a resampled corpus is one matrix product away.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from mertools.registry import Registry

Array = npt.NDArray[Any]
Kind = Literal["classes", "value"]
Statistics = Callable[..., Array]
FromSums = Callable[[Array], Array]


class ShapeError(ValueError):
    """The arrays of a metric differ in length, are not one-dimensional, or are empty."""


@dataclass(frozen=True)
class Metric:
    """A metric and the facts about it.

    Attributes:
        name: the name users type and JSON carries.
        function: ``function(truth, prediction, ...) -> float``, one pair of arrays ``(N,)`` per element of `inputs`.
        inputs: kinds of the targets it compares, in order.
        higher_is_better: direction.
        range: lowest and highest value it can take.
        statistics: same arguments as `function` -> ``(N, K)`` float64, additive over rows.
        from_sums: sums ``(..., K)`` -> metric ``(...)``; equals `function` up to rounding; NaN where undefined.
        summary: one line.
        source: where it is defined.
    """

    name: str
    function: Callable[..., float]
    inputs: tuple[Kind, ...]
    higher_is_better: bool
    range: tuple[float, float]
    statistics: Statistics
    from_sums: FromSums
    summary: str
    source: str

    def __call__(self, *columns: npt.ArrayLike) -> float:
        """The metric of truth and prediction columns, one pair per element of `inputs`."""
        return self.function(*columns)


METRICS: Registry[Metric] = Registry("metric", "mertools.metrics")


def metric(
    name: str,
    *,
    inputs: tuple[Kind, ...],
    higher_is_better: bool,
    range: tuple[float, float],
    statistics: Statistics,
    from_sums: FromSums,
    summary: str,
    source: str,
) -> Callable[[Callable[..., float]], Callable[..., float]]:
    """Decorator: register a scoring function under `name` with its facts; the function itself stays as it is."""

    def add(function: Callable[..., float]) -> Callable[..., float]:
        found = Metric(
            name, function, inputs, higher_is_better, range, statistics, from_sums, summary=summary, source=source
        )
        limits = [None if np.isinf(limit) else limit for limit in range]
        facts = {"inputs": list(inputs), "higher_is_better": higher_is_better, "range": limits, "source": source}
        METRICS.add(name, found, summary=summary, **facts)
        return function

    return add


def same_length(truth: npt.ArrayLike, prediction: npt.ArrayLike, *, least: int = 1) -> tuple[Array, Array]:
    """Both as arrays ``(N,)``.

    Raises:
        ShapeError: if they are not one-dimensional, differ in length, or have fewer than `least` rows.
    """
    x, y = np.asarray(truth), np.asarray(prediction)
    if x.ndim != 1 or x.shape != y.shape or len(x) < least:
        raise ShapeError(f"truth has shape {x.shape} and prediction {y.shape}; expected equal (N,) with N >= {least}.")
    return x, y


def ratio(above: Array, below: Array, empty: float) -> Array:
    """``above / below``, and `empty` where `below` is 0."""
    result: Array = np.divide(above, below, out=np.full(np.shape(above), empty, float), where=below != 0)
    return result
