"""Who is trained on and who is scored: folds, and the inner split that chooses the number of epochs."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mertools.errors import TrainingError


@dataclass(frozen=True)
class Fold:
    """One fold: positions of clips.

    Attributes:
        name: its number, or the value that is left out.
        train: clips to fit everything on, ascending.
        test: clips to score, ascending; disjoint from `train`.
    """

    name: str
    train: np.ndarray
    test: np.ndarray


def k_folds(k: int, strata: np.ndarray, groups: np.ndarray | None, rng: np.random.Generator) -> list[Fold]:
    """`k` folds, each stratum spread evenly, no group on both sides of a fold.

    Args:
        k: number of folds, at least 2.
        strata: ``(N,)`` ints, what to spread evenly (the class).
        groups: ``(N,)`` what must stay together (the speaker); None = each clip by itself.
        rng: where the shuffling comes from.

    Raises:
        TrainingError: if there are fewer groups (or clips) than folds.
    """
    count = len(strata) if groups is None else len(np.unique(groups))
    _refuse_folds(k, count, "clips" if groups is None else "groups")
    parts = _parts(k, strata, groups, int(rng.integers(2**31 - 1)))
    everyone = np.arange(len(strata))
    return [Fold(str(i), np.setdiff1d(everyone, part), part) for i, part in enumerate(parts)]


def published_folds(k: int, n_clips: int, rng: np.random.Generator) -> list[Fold]:
    """Folds as the published baselines make them: clips shuffled, all but the last of ``floor(N / k)`` clips.

    Neither classes are spread nor speakers kept together; only the seed is an addition.

    Args:
        k: number of folds, at least 2.
        n_clips: N.
        rng: where the shuffling comes from.

    Raises:
        TrainingError: if there are fewer clips than folds.

    Example:
        >>> [len(fold.test) for fold in published_folds(5, 3373, np.random.default_rng(0))]
        [674, 674, 674, 674, 677]
    """
    _refuse_folds(k, n_clips, "clips")
    order, size = rng.permutation(n_clips), n_clips // k
    parts = [order[i * size : (i + 1) * size if i < k - 1 else n_clips] for i in range(k)]
    return [Fold(str(i), np.setdiff1d(order, part), np.sort(part)) for i, part in enumerate(parts)]


def leave_one_value_out(column: str, values: Sequence[str]) -> list[Fold]:
    """One fold per value of a column, in the order of the values.

    Raises:
        TrainingError: if a clip has no value, or there are fewer than two values.
    """
    array = np.array(values)
    if not array.all():
        raise TrainingError(
            "MER-T011",
            f"column '{column}' is empty for {int((array == '').sum())} of {len(array)} training clips.",
            "Fill the column, or ask for a number of folds.",
        )
    distinct = sorted(set(values))
    if len(distinct) < 2:
        raise TrainingError(
            "MER-T010",
            f"column '{column}' has one value ('{distinct[0]}'); leaving it out leaves nothing.",
            "Choose a column with at least two values, or a number of folds.",
        )
    return [Fold(value, np.flatnonzero(array != value), np.flatnonzero(array == value)) for value in distinct]


def inner_split(
    n_parts: int, strata: np.ndarray, groups: np.ndarray | None, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Split a training part into a part to fit on and a part to choose the epoch on, grouped like the folds.

    Args:
        n_parts: into how many parts the clips are dealt, one of which is held out; fewer if there are fewer groups.
        strata: ``(N,)`` of the training part.
        groups: ``(N,)`` of the training part; None = each clip by itself.
        rng: where the shuffling comes from.

    Returns:
        Positions to fit on and positions held out, both ascending.

    Raises:
        TrainingError: if the training part has a single group (or clip).
    """
    count = len(strata) if groups is None else len(np.unique(groups))
    if count < 2:
        raise TrainingError(
            "MER-T012",
            f"the training part of a fold has {count} group; an inner split to choose the epoch needs two.",
            "Use selection=last with epochs=N, or other folds.",
        )
    parts = _parts(min(n_parts, count), strata, groups, int(rng.integers(2**31 - 1)))
    held = parts[int(rng.integers(len(parts)))]
    return np.setdiff1d(np.arange(len(strata)), held), held


def strata_of(column: np.ndarray, *, bins: int = 5) -> np.ndarray:
    """What to spread evenly over folds: class indices as they are, values by quantile, missing apart."""
    if column.dtype.kind == "i":
        return column.astype(np.int64)
    known = ~np.isnan(column)
    if not known.any():
        return np.zeros(len(column), np.int64)
    edges = np.unique(np.quantile(column[known], np.linspace(0, 1, bins + 1)[1:-1]))
    return np.where(known, np.searchsorted(edges, np.where(known, column, 0.0), side="right"), -1)


def _refuse_folds(k: int, count: int, what: str) -> None:
    if k < 2 or count < k:
        raise TrainingError(
            "MER-T010",
            f"{k} folds were asked for, and the training splits have {count} {what}."
            if k >= 2
            else f"{k} folds were asked for; at least 2 are needed.",
            f"Ask for 2 to {count} folds." if count >= 2 else f"More {what} are needed.",
        )


def _parts(k: int, strata: np.ndarray, groups: np.ndarray | None, seed: int) -> list[np.ndarray]:
    """`k` disjoint parts that cover everything; none is empty."""
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    _, codes, counts = np.unique(strata, return_inverse=True, return_counts=True)
    if counts.max() < k:  # too few of every class to spread; scikit-learn refuses that, so spread without classes
        codes = np.zeros(len(strata), np.int64)
    splitter = (StratifiedKFold if groups is None else StratifiedGroupKFold)(k, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The least populated class", UserWarning)
        parts = [np.sort(test) for _, test in splitter.split(np.zeros((len(strata), 1)), codes, groups)]
    if all(len(part) for part in parts):
        return parts
    return _round_robin(k, groups if groups is not None else np.arange(len(strata)), seed)


def _round_robin(k: int, groups: np.ndarray, seed: int) -> list[np.ndarray]:
    """Groups dealt out in random order, for the rare case that the stratified way leaves a part empty."""
    distinct, codes = np.unique(groups, return_inverse=True)
    order = np.random.default_rng(seed).permutation(len(distinct))
    part_of = np.empty(len(distinct), np.int64)
    part_of[order] = np.arange(len(distinct)) % k
    return [np.flatnonzero(part_of[codes] == part) for part in range(k)]
