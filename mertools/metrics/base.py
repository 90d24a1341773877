"""`Metric`: a scoring function with its facts, and the additive form that lets it be recomputed thousands of times.

Every metric here is a function of sums over rows (counts of a confusion matrix, sums of squares). `statistics` gives
these per row and `from_sums` the metric for any sums, so that a resampled corpus is one matrix product away.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from mertools.errors import ConfigError, SubmissionError
from mertools.registry import Registry

Array = npt.NDArray[Any]
Kind = Literal["classes", "value", "values", "flags", "labels", "preference"]
"""What one input of a metric is; truth and prediction are columns of the same form:

``classes``     ``(N,)`` one label per row, words or class indices
``value``       ``(N,)`` one number per row
``values``      ``(N, D)`` D numbers per row (valence and arousal, five traits)
``flags``       ``(N, D)`` D times 0 or 1 per row (action units)
``labels``      ``(N,)`` object: a collection of words per row, or `Runs` of such
``preference``  ``(N,)`` ``a1``, ``a2`` or ``same``
"""
Statistics = Callable[..., Array]
FromSums = Callable[[Array], Array]
Parts = Callable[[Array, Sequence[str]], dict[str, float]]


class Runs(tuple[Any, ...]):
    """One row of a ``labels`` column under several groupings of synonyms; a metric is the mean over them."""

    __slots__ = ()


class ShapeError(ValueError):
    """The arrays of a metric differ in length, are not one-dimensional, or are empty."""


class InputError(SubmissionError, ValueError):
    """A value that a metric cannot compare, or nothing left to compare."""


@dataclass(frozen=True)
class Counts:
    """Row statistics that are ones and zeros, so that groups of rows are summed by counting.

    A million rows of an 8 × 8 confusion matrix would be half a gigabyte of zeros; their cells are 8 MB.

    Attributes:
        cells: same arguments as the metric -> the columns that hold a one, ``(N, J)`` int64 (-1 = none), and K.

    Example:
        >>> Counts(lambda truth, prediction: (np.array([[0], [2]]), 3))(None, None)
        array([[1., 0., 0.],
               [0., 0., 1.]])
    """

    cells: Callable[..., tuple[Array, int]]

    def __call__(self, *columns: npt.ArrayLike) -> Array:
        """The statistics of every row, ``(N, K)``."""
        cells, width = self.cells(*columns)
        rows = np.zeros((len(cells), width))
        for column in cells.T:
            there = np.flatnonzero(column >= 0)
            rows[there, column[there]] += 1.0
        return rows

    def by_group(self, index: Array, n_groups: int, *columns: npt.ArrayLike) -> Array:
        """Their sums over groups, ``(G, K)``, without the rows.

        Args:
            index: group of each row, ``(N,)``, in [0, `n_groups`).
            n_groups: G.
            *columns: arguments of the metric.
        """
        cells, width = self.cells(*columns)
        sums = np.zeros(n_groups * width)
        for column in cells.T:
            there = column >= 0
            sums += np.bincount((index * width + column)[there], minlength=len(sums))
        return sums.reshape(n_groups, width)


@dataclass(frozen=True)
class Metric:
    """A metric and the facts about it.

    Attributes:
        name: the name users type and JSON carries.
        function: ``function(truth, prediction, ...) -> float``, one pair of arrays ``(N,)`` per element of `inputs`.
        inputs: kinds of the targets it compares, in order.
        higher_is_better: direction.
        range: lowest and highest value it can take.
        statistics: same arguments as `function` -> ``(N, K)`` float64, additive over rows; one that also has a method
            ``by_group(index, n_groups, *columns) -> (G, K)`` (see `Counts`) is summed by that.
        from_sums: sums ``(..., K)`` -> metric ``(...)``; equals `function` up to rounding; NaN where undefined.
        summary: one line.
        source: where it is defined.
        needs: names of the resources (``wheels``) that `bind` must provide before it can be computed.
        parts: sums ``(K,)`` and the names of the D targets -> the values it is the mean of (per trait, action unit,
            wheel), for the report; None if it has no parts.
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
    needs: tuple[str, ...] = ()
    parts: Parts | None = None

    def bind(self, **resources: Any) -> Metric:
        """The same metric with the resources it needs; others are passed over.

        Raises:
            ConfigError: if one is lacking.
        """
        for name in self.needs:
            if resources.get(name) is None:
                raise ConfigError("MER-S110", f"the metric {self.name} needs {name}.", f"Name them with --{name} DIR.")
        if not self.needs:
            return self
        given = {name: resources[name] for name in self.needs}
        return replace(
            self, function=partial(self.function, **given), statistics=partial(self.statistics, **given), needs=()
        )

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
    needs: tuple[str, ...] = (),
    parts: Parts | None = None,
) -> Callable[[Callable[..., float]], Callable[..., float]]:
    """Decorator: register a scoring function under `name` with its facts; the function itself stays as it is."""

    def add(function: Callable[..., float]) -> Callable[..., float]:
        found = Metric(
            name,
            function,
            inputs,
            higher_is_better,
            range,
            statistics,
            from_sums,
            summary=summary,
            source=source,
            needs=needs,
            parts=parts,
        )
        limits = [None if np.isinf(limit) else limit for limit in range]
        facts = {"inputs": list(inputs), "higher_is_better": higher_is_better, "range": limits, "source": source}
        METRICS.add(name, found, summary=summary, needs=list(needs), **facts)
        return function

    return add


def same_length(
    truth: npt.ArrayLike, prediction: npt.ArrayLike, *, least: int = 1, ndim: Literal[1, 2] = 1
) -> tuple[Array, Array]:
    """Both as arrays ``(N,)``, or ``(N, D)`` with D >= 1.

    Raises:
        ShapeError: if they have another number of dimensions, differ in shape, or have fewer than `least` rows.
    """
    x, y = np.asarray(truth), np.asarray(prediction)
    if x.ndim != ndim or x.shape != y.shape or len(x) < least or 0 in x.shape[1:]:
        form = "(N,)" if ndim == 1 else "(N, D)"
        raise ShapeError(
            f"truth has shape {x.shape} and prediction {y.shape}; expected equal {form} with N >= {least}."
        )
    return x, y


def ratio(above: Array, below: Array, empty: float) -> Array:
    """``above / below``, and `empty` where `below` is 0."""
    result: Array = np.divide(above, below, out=np.full(np.shape(above), empty, float), where=below != 0)
    return result


def encode(values: npt.ArrayLike) -> tuple[Array, Array]:
    """Distinct values in sorted order, and for each value the index of its own: `numpy.unique`, quick on words.

    Example:
        >>> encode(["sad", "happy", "sad"])[1].tolist()
        [1, 0, 1]
    """
    array = np.asarray(values)
    if array.dtype.kind in "biuf":
        known, codes = np.unique(array, return_inverse=True)
        return known, codes
    listed = array.tolist()
    known = np.array(sorted(set(listed)), dtype=array.dtype)
    index = {value: i for i, value in enumerate(known.tolist())}
    return known, np.fromiter((index[value] for value in listed), np.int64, len(listed))
