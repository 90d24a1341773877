"""Emotion-wheel (EW) metrics of open vocabularies: words are compared as the clusters of wheels they lie in.

For each wheel and level a row has a set of true and one of predicted clusters. Rows without a true cluster are left out
of that wheel and level; precision and recall are averaged over the rest, F is that of the two means, and the score the
mean over the wheels. The editions differ in their tables and in what they make of 0 / 0: NaN in MER2025, 0 in MER2026.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from mertools.metrics.base import Array, metric, ratio, same_length
from mertools.metrics.words import column, words_of

if TYPE_CHECKING:
    from mertools.wheels import Wheels

_SOURCE = "wheel.py of the MER{year} repository"


class WordScore(NamedTuple):
    """Precision and recall averaged over the n rows that have a true label, and F of the two means; each in [0, 1]."""

    precision: float
    recall: float
    f1: float
    n: int


def wheel_rows(truth: npt.ArrayLike, prediction: npt.ArrayLike, *, wheels: Wheels) -> Array:
    """Additive statistics: per row, wheel and level whether it counts, its precision and its recall.

    Args:
        truth: true words, ``(N,)`` object, a collection per row.
        prediction: predicted words, same form and order.
        wheels: the tables.

    Returns:
        ``(N, W * 2 * 3)`` float64 for W wheels, two levels, and (counts, precision, recall).

    Raises:
        ShapeError: if the shapes differ or are empty, or a row is not a collection of words.
    """
    x, y = same_length(column(truth), column(prediction))
    true, said = wheels.masks(x), wheels.masks(y)  # (N, W, 2, B)
    hits, n_true, n_said = _count(true & said), _count(true), _count(said)
    rows = np.stack([n_true > 0, ratio(hits, n_said, 0.0), ratio(hits, n_true, 0.0)], axis=-1)
    rows *= rows[..., :1]
    return rows.reshape(len(x), -1)


def wheel_table(truth: npt.ArrayLike, prediction: npt.ArrayLike, *, wheels: Wheels) -> dict[str, dict[int, WordScore]]:
    """Every wheel and level by itself, 0 where undefined: name of the wheel -> level -> score. See `wheel_rows`."""
    sums = _square(wheel_rows(truth, prediction, wheels=wheels).sum(axis=0))  # (W, 2, 3)
    return {
        wheel.name: {level: _score(*sums[w, level - 1]) for level in (1, 2)} for w, wheel in enumerate(wheels.wheels)
    }


def case1(truth: npt.ArrayLike, prediction: npt.ArrayLike, *, wheels: Wheels) -> WordScore:
    """Score of words reduced to their base form, without wheels; 0 where undefined. Arguments as for `wheel_rows`.

    Raises:
        ShapeError: if the shapes differ or are empty.
    """
    return _case(truth, prediction, wheels.base)


def case2(truth: npt.ArrayLike, prediction: npt.ArrayLike, *, wheels: Wheels) -> WordScore:
    """Score of words reduced to a synonym of their base form, without wheels; otherwise as `case1`."""
    return _case(truth, prediction, wheels.synonym)


def _case(truth: npt.ArrayLike, prediction: npt.ArrayLike, reduce: Callable[[str], str | None]) -> WordScore:
    x, y = same_length(column(truth), column(prediction))
    n, precision, recall = 0, 0.0, 0.0
    for true_words, said_words in zip(x, y, strict=True):
        true = {found for word in words_of(true_words) if (found := reduce(word)) is not None}
        said = {found for word in words_of(said_words) if (found := reduce(word)) is not None}
        if true:
            n += 1
            precision += len(true & said) / len(said) if said else 0.0
            recall += len(true & said) / len(true)
    return _score(n, precision, recall)


def _score(n: float, precision: float, recall: float) -> WordScore:
    p, r = (float(precision / n), float(recall / n)) if n else (0.0, 0.0)
    return WordScore(p, r, 2 * p * r / (p + r) if p + r else 0.0, int(n))


# -- the registered ones -----------------------------------------------------------------------------------------------


def _count(masks: npt.NDArray[np.uint64]) -> Array:
    counts: Array = np.bitwise_count(masks).sum(axis=-1, dtype=np.int64)
    return counts


def _square(sums: Array) -> Array:
    return sums.reshape(*sums.shape[:-1], -1, 2, 3)


def _per_wheel(sums: Array, what: str, empty: float) -> Array:
    """Precision, recall or F of each wheel and level, ``(..., W, 2)``."""
    kept, precision, recall = np.moveaxis(_square(sums), -1, 0)
    p, r = ratio(precision, kept, empty), ratio(recall, kept, empty)
    if what == "f1":
        return ratio(2 * p * r, p + r, empty)
    return p if what == "precision" else r


def _from_sums(sums: Array, what: str, levels: tuple[int, ...], empty: float) -> Array:
    found = _per_wheel(np.asarray(sums, dtype=float), what, empty)
    return np.asarray(sum(found[..., level - 1].mean(axis=-1) for level in levels) / len(levels))


def _parts(sums: Array, names: Sequence[str], what: str, levels: tuple[int, ...], empty: float) -> dict[str, float]:
    found = _per_wheel(np.asarray(sums, dtype=float), what, empty)
    several = len(levels) > 1
    return {
        f"wheel{w + 1}" + (f" level{level}" if several else ""): float(found[w, level - 1])
        for level in levels
        for w in range(len(found))
    }


def _register(name: str, year: int, what: str, levels: tuple[int, ...], summary: str) -> Callable[..., float]:
    empty = np.nan if year == 2025 else 0.0
    from_sums = partial(_from_sums, what=what, levels=levels, empty=empty)

    def function(truth: npt.ArrayLike, prediction: npt.ArrayLike, *, wheels: Wheels) -> float:
        return float(from_sums(wheel_rows(truth, prediction, wheels=wheels).sum(axis=0)))

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"{summary}.\n\nArgs and errors as for `wheel_rows`.\n\nReturns:\n    A value in [0, 1]" + (
        "; NaN if a wheel has no row to count or no hit at all." if year == 2025 else "; 0 where undefined."
    )
    add = metric(
        name,
        inputs=("labels",),
        higher_is_better=True,
        range=(0.0, 1.0),
        statistics=wheel_rows,
        from_sums=from_sums,
        summary=summary,
        source=_SOURCE.format(year=year),
        needs=("wheels",),
        parts=partial(_parts, what=what, levels=levels, empty=empty),
    )
    return add(function)


ew2025_f1 = _register("ew2025_f1", 2025, "f1", (1, 2), "emotion-wheel F of MER2025: mean of level 1 and level 2")
ew2025_level1_f1 = _register("ew2025_level1_f1", 2025, "f1", (1,), "emotion-wheel F at level 1, NaN where undefined")
ew2025_level2_f1 = _register("ew2025_level2_f1", 2025, "f1", (2,), "emotion-wheel F at level 2, NaN where undefined")
ew2025_level1_precision = _register(
    "ew2025_level1_precision", 2025, "precision", (1,), "emotion-wheel precision at level 1, NaN where undefined"
)
ew2025_level1_recall = _register(
    "ew2025_level1_recall", 2025, "recall", (1,), "emotion-wheel recall at level 1, NaN where undefined"
)
ew2026_level1_f1 = _register("ew2026_level1_f1", 2026, "f1", (1,), "emotion-wheel F of MER2026: level 1")
ew2026_level2_f1 = _register("ew2026_level2_f1", 2026, "f1", (2,), "emotion-wheel F at level 2, 0 where undefined")
ew2026_level1_precision = _register(
    "ew2026_level1_precision", 2026, "precision", (1,), "emotion-wheel precision at level 1, 0 where undefined"
)
ew2026_level1_recall = _register(
    "ew2026_level1_recall", 2026, "recall", (1,), "emotion-wheel recall at level 1, 0 where undefined"
)
