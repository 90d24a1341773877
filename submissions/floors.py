"""What a score is worth: the same metric for predictions that know nothing of the clips."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from mertools.metrics import Metric
from mertools.metrics.base import Kind, Runs, encode
from mertools.metrics.groups import group_sums
from mertools.tracks.columns import Columns, arguments, objects

N_DRAWS = 100
ROWS_PER_DRAW = 2000
"""Longer columns are drawn in part: the value is that of all draws together, the spread is scaled to all rows."""

N_DRAWS_OF_WORDS, ROWS_PER_DRAW_OF_WORDS = 20, 200
N_WORDS, N_ROWS, LONGEST_SET = 16, 150, 6
"""Search of the constant set of words: most frequent words tried, rows they are tried on, words it may have."""


@dataclass(frozen=True)
class Floor:
    """A trivial prediction's score.

    Attributes:
        value: the metric.
        spread: its standard deviation over draws, 0 where nothing is drawn.
        words: the constant prediction, where it is a set of words.
    """

    value: float
    spread: float = 0.0
    words: tuple[str, ...] = ()


def floors(
    metric: Metric, columns: Columns, *, train: Mapping[Kind, np.ndarray] | None = None, seed: int = 0
) -> dict[str, Floor]:
    """Floors of a metric, those that its inputs have.

    Args:
        metric: the metric, bound to what it needs.
        columns: kind of input -> truth and prediction, aligned; labels of classes as class indices or words.
        train: kind of input -> annotations of the training set, coded alike. Constants are learned and annotations
            drawn from them; from the truth itself unless given, which flatters the floors.
        seed: of the draws.

    Returns:
        ``majority_class``: every label or flag the most frequent one (first of equals), and every value the mean one;
        ``all_set`` (flags): every flag 1;
        ``mean_valence`` (one value), ``mean_values`` (several): every value its mean, the rest as predicted;
        ``always_a1`` (preferences);
        ``best_constant_set`` (words): the same words everywhere, found by adding the word that helps most while one
        does; ``best_constant_set_of_truth`` if there was no `train` to find them on;
        ``prior_draw``: clips get the annotations of clips drawn at random, expected value (words are drawn from the
        truth even with `train`, because only they were mapped alike);
        ``shuffled``: the own predictions given to the wrong clips, expected value.
    """
    truth = {kind: column[0] for kind, column in columns.items()}
    said = {kind: column[1] for kind, column in columns.items()}
    known: Mapping[Kind, np.ndarray] = truth | dict(train or {})
    n = len(truth[metric.inputs[0]])
    rng = np.random.default_rng(seed)

    def constant(*kinds: Kind) -> Floor:
        return _score(metric, truth, said | {kind: _constant(known[kind], n) for kind in kinds})

    found = {}
    if {"classes", "flags"} & set(metric.inputs):
        found["majority_class"] = constant(*(k for k in metric.inputs if k in ("classes", "flags", "value", "values")))
    if "flags" in metric.inputs:
        found["all_set"] = _score(metric, truth, said | {"flags": np.ones_like(truth["flags"])})
    if "value" in metric.inputs:
        found["mean_valence"] = constant("value")
    if "values" in metric.inputs:
        found["mean_values"] = constant("values")
    if "preference" in metric.inputs:
        found["always_a1"] = _score(metric, truth, said | {"preference": np.full(n, "a1")})
    if metric.inputs == ("labels",):
        words = _best_words(metric, known["labels"], rng)
        name = "best_constant_set" if "labels" in (train or {}) else "best_constant_set_of_truth"
        value = _score(metric, truth, {"labels": _everywhere(words, truth["labels"])}).value
        found[name] = Floor(value, words=words)
    aligned = "labels" not in metric.inputs and len({len(known[kind]) for kind in metric.inputs}) == 1
    found["prior_draw"] = _expected(metric, truth, known if aligned else truth, rng, replace=True)
    found["shuffled"] = _expected(metric, truth, said, rng, replace=False)
    return found


def _score(metric: Metric, truth: Mapping[Kind, np.ndarray], said: Mapping[Kind, np.ndarray]) -> Floor:
    return Floor(metric(*arguments(metric, {kind: (truth[kind], said[kind]) for kind in metric.inputs})))


def _constant(annotations: np.ndarray, n: int) -> np.ndarray:
    """N times the most frequent label (first of equals), of flags each by itself, or the mean of numbers."""
    if annotations.dtype.kind == "f":
        return np.full((n, *annotations.shape[1:]), annotations.mean(axis=0))
    if annotations.ndim == 2:
        return np.stack([_constant(column, n) for column in annotations.T], axis=1)
    labels, codes = encode(annotations)
    return np.full(n, labels[np.bincount(codes).argmax()])


def _expected(
    metric: Metric,
    truth: Mapping[Kind, np.ndarray],
    said: Mapping[Kind, np.ndarray],
    rng: np.random.Generator,
    *,
    replace: bool,
) -> Floor:
    """The metric of predictions that were drawn for other clips, all draws in one pass over the additive form.

    Args:
        metric: the metric.
        truth: columns of N rows.
        said: columns to draw from, of another length where they come from the training set.
        rng: random numbers.
        replace: whether one row may be drawn twice; if not, the rows of `said` are permuted.
    """
    wordy = "labels" in metric.inputs
    n, available = len(truth[metric.inputs[0]]), len(said[metric.inputs[0]])
    n_draws, most = (N_DRAWS_OF_WORDS, ROWS_PER_DRAW_OF_WORDS) if wordy else (N_DRAWS, ROWS_PER_DRAW)
    m = min(n, most)
    rows = np.concatenate([np.arange(n) if m == n else rng.permutation(n)[:m] for _ in range(n_draws)])
    picks = np.concatenate(
        [rng.integers(0, available, m) if replace else rng.permutation(available)[:m] for _ in range(n_draws)]
    )
    columns: dict[Kind, tuple[np.ndarray, np.ndarray]] = {
        kind: (truth[kind][rows], said[kind][picks]) for kind in metric.inputs
    }
    if wordy:
        columns["labels"] = (columns["labels"][0], _silent_where_nothing_is_true(*columns["labels"]))
    sums = group_sums(metric, arguments(metric, columns), np.repeat(np.arange(n_draws), m))
    values = metric.from_sums(sums)
    values = values[~np.isnan(values)]
    if not len(values):
        return Floor(float("nan"), float("nan"))
    value = np.mean(values) if m == n else metric.from_sums(sums.sum(axis=0))
    return Floor(float(value), float(np.std(values) * np.sqrt(m / n)))


# -- words -------------------------------------------------------------------------------------------------------------


def _best_words(metric: Metric, annotations: np.ndarray, rng: np.random.Generator) -> tuple[str, ...]:
    """The constant set of words for annotated rows, greedily: add the word that helps most, while one does."""
    rows = annotations if len(annotations) <= N_ROWS else annotations[rng.permutation(len(annotations))[:N_ROWS]]
    counts = Counter(word for row in annotations for word in dict.fromkeys(_words(row)))
    common = sorted(counts, key=lambda word: (-counts[word], word))[:N_WORDS]
    best: tuple[str, ...] = ()
    best_value = -np.inf
    while len(best) < LONGEST_SET:
        tries = [(*best, word) for word in common if word not in best]
        if not tries:
            break
        said = np.concatenate([_everywhere(words, rows) for words in tries])
        sums = group_sums(metric, [np.tile(rows, len(tries)), said], np.repeat(np.arange(len(tries)), len(rows)))
        values = np.nan_to_num(metric.from_sums(sums), nan=-np.inf)
        if values.max() <= best_value + 1e-12:
            break
        best, best_value = tries[int(values.argmax())], float(values.max())
    return best


def _everywhere(words: tuple[str, ...], like: np.ndarray) -> np.ndarray:
    """The same words for every row, in as many runs as the row has."""
    said = objects([Runs([words] * len(row)) if isinstance(row, Runs) else words for row in like])
    return _silent_where_nothing_is_true(like, said)


def _silent_where_nothing_is_true(truth: np.ndarray, said: np.ndarray) -> np.ndarray:
    """No words for rows without true ones, where some scorers stop at a prediction."""
    return objects(
        [
            (Runs([()] * len(row)) if isinstance(row, Runs) else ()) if not _words(row) else words
            for row, words in zip(truth, said, strict=True)
        ]
    )


def _words(row: Any) -> Iterable[str]:
    """All words of a row, of all its runs."""
    return [word for run in row for word in run] if isinstance(row, Runs) else row
