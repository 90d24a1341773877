"""Which of two descriptions is better: ``a1``, ``a2`` or ``same`` (MER2026 EmoPrefer)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from mertools.errors import did_you_mean
from mertools.metrics.base import Array, Counts, InputError, metric, same_length
from mertools.metrics.classification import accuracy_from, waf_from

PREFERENCES = ("a1", "a2", "same")


def preference_of_text(response: str) -> str:
    """The preference that a model's answer means, as the organisers' code reads it.

    In lower case, the answer is the one of ``a1``, ``a2``, ``same`` that it begins with, else the one that occurs first
    anywhere in it (also inside a longer word), else ``same``.

    Args:
        response: what the model said.

    Returns:
        ``a1``, ``a2`` or ``same``.

    Example:
        >>> preference_of_text("The answer is a2, not a1"), preference_of_text("description 1")
        ('a2', 'same')
    """
    text = response.lower()
    places = {text.find(label): label for label in PREFERENCES if label in text}
    return places[min(places)] if places else "same"


def _two_cells(truth: npt.ArrayLike, prediction: npt.ArrayLike) -> tuple[Array, int]:
    """Cells of the 2 × 2 table: true ties are dropped (-1), a predicted tie counts as ``a1``."""
    x, y = _codes(truth, prediction)
    return np.where(x == 2, -1, 2 * x + (y == 1))[:, None], 4


def _three_cells(truth: npt.ArrayLike, prediction: npt.ArrayLike) -> tuple[Array, int]:
    x, y = _codes(truth, prediction)
    return (3 * x + y)[:, None], 9


_two_rows, _three_rows = Counts(_two_cells), Counts(_three_cells)


@metric(
    "prefer_waf2",
    inputs=("preference",),
    higher_is_better=True,
    range=(0.0, 1.0),
    statistics=_two_rows,
    from_sums=waf_from,
    summary="WAF of a1 against a2; true ties are left out, a predicted tie counts as a1",
    source="MER2026 preference scorer, the two-class figure that ranks",
)
def prefer_waf2(truth: npt.ArrayLike, prediction: npt.ArrayLike) -> float:
    """Support-weighted F1 of the two-class preference task.

    Where the two columns differ in length, the organisers' code silently scores the common beginning; this refuses.

    Args:
        truth: ``a1``, ``a2`` or ``same``, shape ``(N,)``; rows with ``same`` are left out.
        prediction: the same, shape ``(N,)``, same order; ``same`` counts as ``a1``.

    Returns:
        A value in [0, 1].

    Raises:
        ShapeError: if the shapes differ or are empty.
        InputError: for any other label, and where nothing is left without the true ties.

    Example:
        >>> prefer_waf2(["a1", "same", "a2"], ["same", "a2", "a2"])
        1.0
    """
    return float(waf_from(_two_table(truth, prediction)))


@metric(
    "prefer_accuracy2",
    inputs=("preference",),
    higher_is_better=True,
    range=(0.0, 1.0),
    statistics=_two_rows,
    from_sums=accuracy_from,
    summary="accuracy of a1 against a2; true ties are left out, a predicted tie counts as a1",
    source="MER2026 preference scorer",
)
def prefer_accuracy2(truth: npt.ArrayLike, prediction: npt.ArrayLike) -> float:
    """Accuracy of the two-class preference task; arguments and errors as for `prefer_waf2`.

    Example:
        >>> prefer_accuracy2(["a1", "same", "a2", "a2"], ["same", "a2", "a2", "a1"])
        0.6666666666666666
    """
    return float(accuracy_from(_two_table(truth, prediction)))


@metric(
    "prefer_waf3",
    inputs=("preference",),
    higher_is_better=True,
    range=(0.0, 1.0),
    statistics=_three_rows,
    from_sums=waf_from,
    summary="WAF of a1, a2 and same",
    source="MER2026 preference scorer, the three-class figure",
)
def prefer_waf3(truth: npt.ArrayLike, prediction: npt.ArrayLike) -> float:
    """Support-weighted F1 of the three-class preference task; every row counts.

    Args:
        truth: ``a1``, ``a2`` or ``same``, shape ``(N,)``.
        prediction: the same, shape ``(N,)``, same order.

    Returns:
        A value in [0, 1].

    Raises:
        ShapeError: if the shapes differ or are empty.
        InputError: for any other label.

    Example:
        >>> prefer_waf3(["a1", "same"], ["a1", "same"])
        1.0
    """
    return float(waf_from(_three_rows(truth, prediction).sum(axis=0)))


@metric(
    "prefer_accuracy3",
    inputs=("preference",),
    higher_is_better=True,
    range=(0.0, 1.0),
    statistics=_three_rows,
    from_sums=accuracy_from,
    summary="accuracy of a1, a2 and same",
    source="MER2026 preference scorer",
)
def prefer_accuracy3(truth: npt.ArrayLike, prediction: npt.ArrayLike) -> float:
    """Accuracy of the three-class preference task; arguments and errors as for `prefer_waf3`.

    Example:
        >>> prefer_accuracy3(["a1", "same"], ["a1", "a2"])
        0.5
    """
    return float(accuracy_from(_three_rows(truth, prediction).sum(axis=0)))


def _two_table(truth: npt.ArrayLike, prediction: npt.ArrayLike) -> Array:
    table: Array = _two_rows(truth, prediction).sum(axis=0)
    if not table.any():
        raise InputError(
            "MER-S112",
            f"all {len(np.asarray(truth))} true preferences are 'same'; without them nothing is left to score.",
            "Score the three-class figures, or a truth with a1 and a2.",
        )
    return table


def _codes(truth: npt.ArrayLike, prediction: npt.ArrayLike) -> tuple[Array, Array]:
    x, y = same_length(truth, prediction)
    return _code(x, "true"), _code(y, "predicted")


def _code(labels: Array, whose: str) -> Array:
    codes = np.full(len(labels), -1)
    for i, label in enumerate(PREFERENCES):
        codes[labels == label] = i
    if (codes < 0).any():
        row = int(np.argmin(codes))
        found = labels.tolist()[row]
        raise InputError(
            "MER-S111",
            f"the {whose} preference {found!r} of row {row + 1} is not one of {', '.join(PREFERENCES)}."
            + did_you_mean(str(found).lower(), PREFERENCES),
            "Read a model's answers with mertools.metrics.preference_of_text.",
        )
    return codes
