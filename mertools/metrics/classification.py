"""Metrics of one label per clip, all computed from the confusion matrix."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mertools.metrics.base import Array, Counts, encode, metric, ratio, same_length


def confusion(truth: npt.ArrayLike, prediction: npt.ArrayLike, *, classes: Sequence[object] | None = None) -> Array:
    """Confusion matrix.

    Args:
        truth: true labels, shape ``(N,)``.
        prediction: predicted labels, shape ``(N,)``, same order.
        classes: labels in index order; the sorted union of both unless given.

    Returns:
        ``(C, C)`` int64; rows are true classes, columns predicted ones.

    Raises:
        ShapeError: if the shapes differ or are empty.
        ValueError: for a label that is not in `classes`.

    Example:
        >>> confusion(["sad", "sad", "happy"], ["sad", "happy", "happy"]).tolist()
        [[1, 0], [1, 1]]
    """
    x, y, n = _codes(truth, prediction, classes)
    counts: Array = np.bincount(x * n + y, minlength=n * n).reshape(n, n)
    return counts


@dataclass(frozen=True)
class ClassRow:
    """One class of a per-class table: how often it is true and predicted, and its precision, recall, F1 in [0, 1]."""

    label: str
    support: int
    predicted: int
    precision: float
    recall: float
    f1: float


def class_table(
    truth: npt.ArrayLike, prediction: npt.ArrayLike, *, classes: Sequence[object] | None = None
) -> list[ClassRow]:
    """Precision, recall and F1 per class (0 where undefined); arguments and errors as for `confusion`."""
    counts = confusion(truth, prediction, classes=classes)
    names = list(classes) if classes is not None else np.unique(np.concatenate([truth, prediction])).tolist()
    hits, support, predicted = counts.diagonal(), counts.sum(axis=1), counts.sum(axis=0)
    table = zip(
        names, support, predicted, ratio(hits, predicted, 0.0), ratio(hits, support, 0.0), _f1(counts), strict=True
    )
    return [ClassRow(str(c), int(n), int(k), float(p), float(r), float(f)) for c, n, k, p, r, f in table]


def f1_per_class(
    truth: npt.ArrayLike, prediction: npt.ArrayLike, *, classes: Sequence[object] | None = None
) -> dict[str, float]:
    """F1 of each class, in [0, 1]; 0 for a class neither true nor predicted. See `confusion` for the arguments."""
    return {row.label: row.f1 for row in class_table(truth, prediction, classes=classes)}


def confusion_cells(truth: npt.ArrayLike, prediction: npt.ArrayLike) -> tuple[Array, int]:
    """The cell ``(N, 1)`` of the flattened confusion matrix that each row falls into, and their number C * C."""
    x, y = same_length(truth, prediction)
    n = _few_indices(x, y)
    if not n:
        x, y, n = _codes(x, y, None)
    return (x.astype(np.int64) * n + y)[:, None], n * n


confusion_rows = Counts(confusion_cells)
"""Additive statistics ``(N, C * C)``: in each row a 1 at the cell of the confusion matrix it falls into."""


def accuracy_from(sums: Array) -> Array:
    """Accuracy for flattened confusion matrices ``(..., C * C)``."""
    counts = _square(sums)
    return ratio(_hits(counts).sum(axis=-1), counts.sum(axis=(-2, -1)), np.nan)


def uar_from(sums: Array) -> Array:
    """Mean recall over the true classes for flattened confusion matrices."""
    counts = _square(sums)
    support = counts.sum(axis=-1)
    return ratio(ratio(_hits(counts), support, 0.0).sum(axis=-1), (support > 0).sum(axis=-1), np.nan)


def waf_from(sums: Array) -> Array:
    """Support-weighted F1 for flattened confusion matrices."""
    counts = _square(sums)
    support = counts.sum(axis=-1)
    return ratio((_f1(counts) * support).sum(axis=-1), support.sum(axis=-1), np.nan)


def macro_f1_from(sums: Array) -> Array:
    """Mean F1 over the classes that are true or predicted, for flattened confusion matrices."""
    counts = _square(sums)
    seen = counts.sum(axis=-1) + counts.sum(axis=-2) > 0
    return ratio(_f1(counts).sum(axis=-1), seen.sum(axis=-1), np.nan)


@metric(
    "accuracy",
    inputs=("classes",),
    higher_is_better=True,
    range=(0.0, 1.0),
    statistics=confusion_rows,
    from_sums=accuracy_from,
    summary="share of exact matches; the field's WAR",
    source="usual definition",
)
def accuracy(truth: npt.ArrayLike, prediction: npt.ArrayLike) -> float:
    """Share of clips whose label is right (ACC, WAR).

    Args:
        truth: true labels, shape ``(N,)``.
        prediction: predicted labels, shape ``(N,)``, same order.

    Returns:
        A value in [0, 1].

    Raises:
        ShapeError: if the shapes differ or are empty.

    Example:
        >>> accuracy(["sad", "sad", "happy", "angry"], ["sad", "happy", "happy", "angry"])
        0.75
    """
    x, y = same_length(truth, prediction)
    return float(np.mean(x == y))


@metric(
    "uar",
    inputs=("classes",),
    higher_is_better=True,
    range=(0.0, 1.0),
    statistics=confusion_rows,
    from_sums=uar_from,
    summary="unweighted average recall over the true classes",
    source="usual definition",
)
def uar(truth: npt.ArrayLike, prediction: npt.ArrayLike) -> float:
    """Recall averaged over the classes that occur in `truth`; arguments and errors as for `accuracy`.

    Returns:
        A value in [0, 1].

    Example:
        >>> uar(["sad", "sad", "happy"], ["sad", "happy", "happy"])
        0.75
    """
    return float(uar_from(_flat(truth, prediction)))


@metric(
    "waf",
    inputs=("classes",),
    higher_is_better=True,
    range=(0.0, 1.0),
    statistics=confusion_rows,
    from_sums=waf_from,
    summary="F1 averaged with the number of true clips as weights",
    source="MER2023-MER2026 scorers; f1_score(average='weighted') of scikit-learn",
)
def waf(truth: npt.ArrayLike, prediction: npt.ArrayLike, *, classes: Sequence[object] | None = None) -> float:
    r"""Support-weighted F1.

    .. math:: \frac{1}{N} \sum_c n_c \frac{2 TP_c}{2 TP_c + FP_c + FN_c}

    A class that is only predicted has weight 0; a class with denominator 0 has F1 0.

    Args:
        truth: true labels, shape ``(N,)``.
        prediction: predicted labels, shape ``(N,)``, same order.
        classes: index order of the labels, which fixes the order of the sum; sorted unless given.

    Returns:
        A value in [0, 1].

    Raises:
        ShapeError: if the shapes differ or are empty.
        ValueError: for a label that is not in `classes`.

    Example:
        >>> round(waf(["sad", "sad", "happy"], ["sad", "happy", "happy"]), 6)
        0.666667
    """
    return float(waf_from(_flat(truth, prediction, classes)))


@metric(
    "macro_f1",
    inputs=("classes",),
    higher_is_better=True,
    range=(0.0, 1.0),
    statistics=confusion_rows,
    from_sums=macro_f1_from,
    summary="F1 averaged over the classes that are true or predicted",
    source="f1_score(average='macro') of scikit-learn; ABAW's expression scorer",
)
def macro_f1(truth: npt.ArrayLike, prediction: npt.ArrayLike, *, classes: Sequence[object] | None = None) -> float:
    """F1 averaged over the classes that occur in `truth` or `prediction`.

    ABAW averages over its 8 declared classes; the two differ only where a class neither occurs nor is predicted, as in
    a small part of a set. Name the classes there.

    Args:
        truth: true labels, shape ``(N,)``.
        prediction: predicted labels, shape ``(N,)``, same order.
        classes: average over exactly these, 0 for one that is neither true nor predicted.

    Returns:
        A value in [0, 1].

    Raises:
        ShapeError: if the shapes differ or are empty.
        ValueError: for a label that is not in `classes`.

    Example:
        >>> macro_f1([0, 1], [0, 1]), macro_f1([0, 1], [0, 1], classes=range(8))
        (1.0, 0.25)
    """
    counts = _flat(truth, prediction, classes)
    return float(macro_f1_from(counts)) if classes is None else float(np.mean(_f1(_square(counts))))


def _flat(truth: npt.ArrayLike, prediction: npt.ArrayLike, classes: Sequence[object] | None = None) -> Array:
    """The confusion matrix as one row. Small class indices count as they are, which is much quicker than sorting."""
    if classes is not None:
        return confusion(truth, prediction, classes=classes).ravel()
    cells, width = confusion_cells(truth, prediction)
    return np.bincount(cells[:, 0], minlength=width)


def _few_indices(x: Array, y: Array) -> int:
    """One more than the largest where both hold small class indices, else 0."""
    if x.dtype.kind not in "iu" or y.dtype.kind not in "iu" or min(x.min(), y.min()) < 0:
        return 0
    n = int(max(x.max(), y.max())) + 1
    return n if n <= 64 else 0


def _codes(
    truth: npt.ArrayLike, prediction: npt.ArrayLike, classes: Sequence[object] | None
) -> tuple[Array, Array, int]:
    x, y = same_length(truth, prediction)
    known, codes = encode(np.concatenate([x, y]))
    n = len(known)
    if classes is not None:
        index = {label: i for i, label in enumerate(classes)}
        unknown = [label for label in known.tolist() if label not in index]
        if unknown:
            raise ValueError(f"label {unknown[0]!r} is not one of {', '.join(map(str, classes))}.")
        codes = np.array([index[label] for label in known.tolist()])[codes]
        n = len(classes)
    return codes[: len(x)], codes[len(x) :], n


def _square(sums: Array) -> Array:
    n = round(sums.shape[-1] ** 0.5)
    return sums.reshape(*sums.shape[:-1], n, n)


def _hits(counts: Array) -> Array:
    hits: Array = np.diagonal(counts, axis1=-2, axis2=-1)
    return hits


def _f1(counts: Array) -> Array:
    return ratio(2.0 * _hits(counts), counts.sum(axis=-1) + counts.sum(axis=-2), 0.0)
