"""What a score is worth: the same metric for predictions that know nothing of the clips."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from mertools.metrics import Metric
from mertools.tracks.columns import arguments

N_DRAWS = 100

Columns = Mapping[str, tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class Floor:
    """A trivial prediction's score; `spread` is its standard deviation over draws, 0 where nothing is drawn."""

    value: float
    spread: float = 0.0


def floors(metric: Metric, columns: Columns, *, seed: int = 0) -> dict[str, Floor]:
    """Floors of a metric.

    Args:
        metric: the metric.
        columns: target kind -> (truth ``(N,)``, prediction ``(N,)``); labels as class indices.
        seed: of the draws.

    Returns:
        ``majority_class``: every label the most frequent true one (and every value the mean one);
        ``prior_draw``: clips get the annotations of clips drawn at random, expected value;
        ``mean_valence``: the labels as predicted, every value the true mean (tracks with a value only);
        ``shuffled``: the own predictions given to the wrong clips, expected value.
    """
    truth = {kind: column[0] for kind, column in columns.items()}
    said = {kind: column[1] for kind, column in columns.items()}
    n = len(next(iter(truth.values())))
    found = {}
    if "classes" in metric.inputs:
        found["majority_class"] = Floor(_score(metric, truth, {kind: _constant(x) for kind, x in truth.items()}))
    if "value" in metric.inputs:
        found["mean_valence"] = Floor(_score(metric, truth, said | {"value": _constant(truth["value"])}))
    rng = np.random.default_rng(seed)
    drawn = [rng.integers(0, n, n) for _ in range(N_DRAWS)]
    found["prior_draw"] = _expected([_score(metric, truth, {k: x[i] for k, x in truth.items()}) for i in drawn])
    orders = [rng.permutation(n) for _ in range(N_DRAWS)]
    found["shuffled"] = _expected([_score(metric, truth, {k: x[i] for k, x in said.items()}) for i in orders])
    return found


def _score(metric: Metric, truth: Mapping[str, np.ndarray], said: Mapping[str, np.ndarray]) -> float:
    return metric(*arguments(metric, {kind: (truth[kind], said[kind]) for kind in metric.inputs}))


def _constant(values: np.ndarray) -> np.ndarray:
    """The most frequent class index (first of equals), or the mean, everywhere."""
    if values.dtype.kind in "iu":
        return np.full(len(values), np.bincount(values).argmax())
    return np.full(len(values), values.mean())


def _expected(values: list[float]) -> Floor:
    return Floor(float(np.mean(values)), float(np.std(values)))
