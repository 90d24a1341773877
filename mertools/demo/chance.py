"""Does the road leak? Training labels are shuffled; what is scored then must be chance.

Two tests, each exact if nothing leaks. *Out of fold*: given what a fold was trained on, the shuffled labels of its
held-out clips are in random order, so any other order of them within the fold is as likely. *Test split*: shuffled
labels do not know the names of the classes, so renaming the predicted classes in any way is as likely. (Shuffling
single predictions would be wrong here: clips that look alike are predicted alike, right or wrong together.)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import permutations
from pathlib import Path

import numpy as np

from mertools.corpus import Clip, Corpus, with_cells
from mertools.metrics import Metric, waf
from mertools.predictions import Predictions

LABEL_COLUMNS = ("discrete", "valence", "openset", "caption")
LEVEL = 0.975
"""Coverage of each of the two intervals, so that a road without leaks stays inside both with 95 %."""
_DRAWS = 4000


@dataclass(frozen=True)
class ChanceTest:
    """A mean score over seeds beside the interval in which chance puts it.

    Attributes:
        about: what was scored.
        metric: its name.
        scores: one per seed.
        low: lower end of the interval of the mean under chance, 97.5 % (95 % for both tests together).
        high: upper end.
    """

    about: str
    metric: str
    scores: tuple[float, ...]
    low: float
    high: float

    @property
    def mean(self) -> float:
        """Mean over seeds."""
        return float(np.mean(self.scores))

    @property
    def passed(self) -> bool:
        """Whether the mean lies within the interval of chance."""
        return self.low <= self.mean <= self.high

    def __str__(self) -> str:
        """One line."""
        inside = "inside" if self.passed else "OUTSIDE"
        return (
            f"{self.about}: {self.metric} {self.mean:.3f} as the mean of {len(self.scores)} seeds, {inside} "
            f"{self.low:.3f} to {self.high:.3f}, the interval of chance (95 % for both tests together)"
        )


def shuffled(corpus: Corpus, folder: Path, seed: int) -> Corpus:
    """A copy of the manifest in which all annotations of a training clip belong to another training clip.

    Args:
        corpus: what to copy; media stay where they are.
        folder: where the copy is written.
        seed: seed of the order.
    """
    training = {s.name for s in corpus.splits if s.role in ("train", "validation")}
    columns = [c for c in LABEL_COLUMNS if any(c in clip.cells for clip in corpus.clips)]
    from_train = [i for i, clip in enumerate(corpus.clips) if clip.split in training]
    order = np.random.default_rng((seed, 7)).permutation(from_train)
    clips: list[Clip] = list(corpus.clips)
    for i, j in zip(from_train, order, strict=True):
        clips[i] = with_cells(corpus.clips[i], **{c: corpus.clips[j].cells.get(c, "") for c in columns})
    copy = replace(corpus, name=f"{corpus.name}-shuffled-{seed}", folder=folder.resolve(), clips=tuple(clips))
    copy.write()
    return copy


def out_of_fold(
    metric: Metric,
    truths: Sequence[Mapping[str, np.ndarray]],
    predictions: Sequence[Mapping[str, np.ndarray]],
    folds: Sequence[np.ndarray],
) -> ChanceTest:
    """Test of out-of-fold predictions against the shuffled labels they were to find.

    Args:
        metric: what is scored.
        truths: per seed, kind of target -> shuffled labels ``(N,)``.
        predictions: per seed, kind of target -> predictions ``(N,)``.
        folds: per seed, fold of each clip ``(N,)``.
    """
    draw = np.random.default_rng(0)
    scores, by_chance = [], np.zeros(_DRAWS // 4)
    for truth, prediction, fold in zip(truths, predictions, folds, strict=True):
        scores.append(metric(*_columns(metric, truth, prediction, np.arange(len(fold)))))
        by_fold = np.argsort(fold, kind="stable")
        for k in range(len(by_chance)):
            order = np.empty(len(fold), np.int64)
            order[by_fold] = np.lexsort((draw.random(len(fold)), fold))
            by_chance[k] += metric(*_columns(metric, truth, prediction, order)) / len(truths)
    return _test("out of fold", metric.name, scores, by_chance)


def on_test_split(truth: np.ndarray, predictions: Sequence[np.ndarray], labels: Sequence[str]) -> ChanceTest:
    """Test of class predictions for the test split against its true labels, by WAF.

    Args:
        truth: true labels ``(N,)``.
        predictions: per seed, predicted labels ``(N,)``.
        labels: all classes, equally frequent in training.
    """
    draw = np.random.default_rng(0)
    scores, by_chance = [], np.zeros(_DRAWS)
    names = np.array(labels)
    for prediction in predictions:
        codes = np.array([list(labels).index(label) for label in prediction])
        scores.append(waf(truth, names[codes]))
        renamed = np.array([waf(truth, names[list(order)][codes]) for order in permutations(range(len(labels)))])
        by_chance += draw.choice(renamed, len(by_chance)) / len(predictions)
    return _test("test split", "waf", scores, by_chance)


def columns_of(predictions: Predictions, names: Sequence[str]) -> dict[str, np.ndarray]:
    """Predictions of the named clips by kind of target: ``classes`` (labels) and ``value`` (the first value)."""
    at = [predictions.names.index(name) for name in names]
    found: dict[str, np.ndarray] = {}
    if predictions.labels:
        found["classes"] = np.array(predictions.discrete)[at]
    for values in predictions.values.values():
        found.setdefault("value", np.asarray(values, float)[at])
    return found


def _columns(
    metric: Metric, truth: Mapping[str, np.ndarray], prediction: Mapping[str, np.ndarray], order: np.ndarray
) -> list[np.ndarray]:
    return [column for kind in metric.inputs for column in (truth[kind][order], prediction[kind])]


def _test(about: str, metric: str, scores: Sequence[float], by_chance: np.ndarray) -> ChanceTest:
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(by_chance, [tail, 1 - tail])
    return ChanceTest(about, metric, tuple(map(float, scores)), float(low), float(high))
