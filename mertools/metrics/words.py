"""Overlap of open vocabularies (MER2024 OV): how many predicted words are true, and how many true words are predicted.

Words are compared as they stand; `mertools.wheels.Groups.columns` maps synonyms to one word first. Where a row has
several groupings of synonyms (`Runs`), the metric is the mean over them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from mertools.errors import SubmissionError
from mertools.metrics.base import Array, Runs, ShapeError, metric, ratio, same_length

_SOURCE = "main-ov.py of the MER2024 repository"


def column(values: Any) -> Any:
    """A ``labels`` column: an array as it is, any other sequence as ``(N,)`` object, one collection per row."""
    if isinstance(values, np.ndarray):
        return values
    rows = np.empty(len(values), dtype=object)
    rows[:] = list(values)
    return rows


def words_of(row: Any) -> Collection[str]:
    """The words of one row.

    Raises:
        ShapeError: if it is not a collection of words.
    """
    if isinstance(row, list | tuple | set | frozenset) and not isinstance(row, Runs):
        for word in row:
            if not isinstance(word, str):
                break
        else:
            return row
    raise ShapeError(f"a row is {row!r}; expected a collection of words.")


def word_rows(truth: npt.ArrayLike, prediction: npt.ArrayLike) -> Array:
    """Additive statistics ``(N, 3)``: set accuracy and set recall of each row, and 1.

    A row without predicted words has accuracy 0 and recall 0.

    Args:
        truth: true words, ``(N,)`` object, a collection or `Runs` of collections per row.
        prediction: predicted words, same form and order.

    Raises:
        ShapeError: if the shapes differ or are empty, a row is not a collection of words, or has another number of runs
            in truth and prediction.
        SubmissionError: for a row with predicted words and no true ones, at which MER2024's scorer stops.
    """
    x, y = same_length(column(truth), column(prediction))
    rows = np.ones((len(x), 3))
    for i, (true, said) in enumerate(zip(x, y, strict=True)):
        pairs = [_overlap(t, s, i) for t, s in _runs(true, said, i)]
        rows[i, :2] = pairs[0] if len(pairs) == 1 else np.mean(pairs, axis=0)
    return rows


def _runs(true: Any, said: Any, row: int) -> Iterator[tuple[Any, Any]]:
    runs = [v if isinstance(v, Runs) else Runs((v,)) for v in (true, said)]
    if len(runs[0]) != len(runs[1]) or not runs[0]:
        raise ShapeError(f"row {row} has {len(runs[0])} runs in the truth and {len(runs[1])} in the prediction.")
    return zip(*runs, strict=True)


def _overlap(true: Any, said: Any, row: int) -> tuple[float, float]:
    g, p = set(words_of(true)), set(words_of(said))
    if not p:
        return 0.0, 0.0
    if not g:
        raise SubmissionError(
            "MER-S140",
            f"row {row} (from 0) has {len(p)} predicted words and no true one; MER2024's scorer divides by zero there.",
            "Give every clip of the truth a word, or leave the clip out.",
        )
    return len(g & p) / len(p), len(g & p) / len(g)


def _from_sums(sums: Array, weights: tuple[float, float]) -> Array:
    both = sums[..., :2] @ np.asarray(weights)
    return ratio(np.asarray(both), sums[..., 2], np.nan)


accuracy_from = partial(_from_sums, weights=(1.0, 0.0))
recall_from = partial(_from_sums, weights=(0.0, 1.0))
overlap_from = partial(_from_sums, weights=(0.5, 0.5))


@metric(
    "set_overlap",
    inputs=("labels",),
    higher_is_better=True,
    range=(0.0, 1.0),
    statistics=word_rows,
    from_sums=overlap_from,
    summary="mean of set accuracy and set recall: the score of MER2024 OV",
    source=_SOURCE,
)
def set_overlap(truth: npt.ArrayLike, prediction: npt.ArrayLike) -> float:
    """Mean of `set_accuracy` and `set_recall`; arguments and errors as for `word_rows`.

    Returns:
        A value in [0, 1].

    Example:
        >>> set_overlap([("happy", "sad")], [("happy",)])
        0.75
    """
    return float(overlap_from(word_rows(truth, prediction).sum(axis=0)))


@metric(
    "set_accuracy",
    inputs=("labels",),
    higher_is_better=True,
    range=(0.0, 1.0),
    statistics=word_rows,
    from_sums=accuracy_from,
    summary="share of predicted words that are true, averaged over clips (a precision)",
    source=_SOURCE,
)
def set_accuracy(truth: npt.ArrayLike, prediction: npt.ArrayLike) -> float:
    """Share of predicted words that are true, averaged over rows; arguments and errors as for `word_rows`.

    Returns:
        A value in [0, 1].

    Example:
        >>> set_accuracy([("happy", "sad")], [("happy", "calm")])
        0.5
    """
    return float(accuracy_from(word_rows(truth, prediction).sum(axis=0)))


@metric(
    "set_recall",
    inputs=("labels",),
    higher_is_better=True,
    range=(0.0, 1.0),
    statistics=word_rows,
    from_sums=recall_from,
    summary="share of true words that are predicted, averaged over clips",
    source=_SOURCE,
)
def set_recall(truth: npt.ArrayLike, prediction: npt.ArrayLike) -> float:
    """Share of true words that are predicted, averaged over rows; arguments and errors as for `word_rows`.

    Returns:
        A value in [0, 1].

    Example:
        >>> set_recall([("happy", "sad")], [("happy", "calm")])
        0.5
    """
    return float(recall_from(word_rows(truth, prediction).sum(axis=0)))
