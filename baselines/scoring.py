"""Scores of predictions against annotations: the track's metrics, or those of each target; with an interval."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from baselines.data import is_annotated
from mertools.errors import TrainingError, did_you_mean
from mertools.metrics import METRICS, Metric
from mertools.metrics.base import ShapeError
from mertools.metrics.intervals import Interval, interval

if TYPE_CHECKING:
    from mertools.targets import Target
    from mertools.tracks import Track

CLASS_METRICS = ("waf", "uar", "accuracy", "macro_f1")
VALUE_METRICS = ("ccc", "mse", "pcc")

Arrays = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Measure:
    """One metric of certain targets.

    Attributes:
        label: its key in ``metrics.json``: the metric's name, with the target where several are of one kind.
        metric: the metric.
        targets: the targets it reads, in the order of the metric's inputs.
        required: targets that must all be annotated for a clip to count.
    """

    label: str
    metric: Metric
    targets: tuple[str, ...]
    required: tuple[str, ...]

    def columns(self, annotations: Arrays, predictions: Arrays, rows: np.ndarray) -> list[np.ndarray]:
        """Arguments of the metric: truth and prediction of each target, of the clips at `rows`."""
        found = []
        for target in self.targets:
            predicted = predictions[target]
            said = predicted.argmax(axis=1) if predicted.ndim == 2 else predicted
            found += [annotations[target][rows], said[rows]]
        return found

    def rows(self, annotations: Arrays) -> np.ndarray:
        """Positions of the clips that count."""
        return np.flatnonzero(np.all([is_annotated(annotations[t]) for t in self.required], axis=0))

    def goodness(self, annotations: Arrays, predictions: Arrays) -> float:
        """The metric with the sign that makes higher better; minus infinity where it is undefined.

        Args:
            annotations: per target ``(N,)``.
            predictions: per target probabilities ``(N, C)`` or values ``(N,)``.
        """
        if not all(np.isfinite(predictions[target]).all() for target in self.targets):
            return -np.inf
        try:
            value = _one(self, annotations, predictions)
        except ShapeError:  # fewer clips than the metric needs
            value = None
        if value is None:
            return -np.inf
        return value if self.metric.higher_is_better else -value


def measures_of(targets: Sequence[Target], track: Track | None) -> tuple[Measure, ...]:
    """What to score, the primary measure first."""
    if track is not None:
        by_kind = {t.kind: t.name for t in track.targets}
        everything = tuple(t.name for t in track.targets)
        return tuple(Measure(m.name, m, tuple(by_kind[kind] for kind in m.inputs), everything) for m in track.metrics)
    found = []
    for target in targets:
        alone = sum(t.kind == target.kind for t in targets) == 1
        for name in CLASS_METRICS if target.kind == "classes" else VALUE_METRICS:
            label = name if alone else f"{name}({target.name})"
            found.append(Measure(label, METRICS.get(name), (target.name,), (target.name,)))
    return tuple(found)


LOSS = "loss"
"""In place of a metric: the joint loss decides."""


def measure_named(name: str, measures: Sequence[Measure]) -> Measure | None:
    """What decides which epoch and which options are best; None = the joint loss.

    Args:
        name: label of a measure, or ``loss``; empty = the primary measure.
        measures: those of the track or the targets.

    Raises:
        TrainingError: if there is no such measure.
    """
    if name == LOSS:
        return None
    by_label = {measure.label: measure for measure in measures}
    if name and name not in by_label:
        raise TrainingError(
            "MER-T120",
            f"select_by={name}: these targets are not measured by '{name}'.{did_you_mean(name, [*by_label, LOSS])}",
            f"Expected one of: {', '.join([*by_label, LOSS])}.",
        )
    return by_label[name] if name else measures[0]


def score(measures: Sequence[Measure], annotations: Arrays, predictions: Arrays) -> dict[str, float | None]:
    """Every measure; None where no clip counts or the metric is undefined.

    Args:
        measures: what to score.
        annotations: per target ``(N,)``, see `Table`.
        predictions: per target probabilities ``(N, C)`` or values ``(N,)``.
    """
    return {measure.label: _one(measure, annotations, predictions) for measure in measures}


def _one(measure: Measure, annotations: Arrays, predictions: Arrays) -> float | None:
    rows = measure.rows(annotations)
    if not len(rows):
        return None
    value = float(measure.metric(*measure.columns(annotations, predictions, rows)))
    return value if np.isfinite(value) else None


def interval_of_mean(
    measure: Measure, annotations: Arrays, per_seed: Sequence[Arrays], groups: np.ndarray | None, unit: str
) -> Interval:
    """Interval of the mean over seeds of a measure, resampling groups of clips, the same for every seed.

    Args:
        measure: what was measured.
        annotations: per target ``(N,)``.
        per_seed: predictions of each seed.
        groups: ``(N,)`` what belongs together; None = each clip by itself.
        unit: what a group is.
    """
    rows = measure.rows(annotations)
    columns = [measure.columns(annotations, predictions, rows) for predictions in per_seed]
    blocks = [measure.metric.statistics(*c) for c in columns]
    ends = np.cumsum([block.shape[1] for block in blocks])[:-1]

    def mean_from(sums: np.ndarray) -> Any:
        return np.mean([measure.metric.from_sums(part) for part in np.split(sums, ends, axis=-1)], axis=0)

    pooled = replace(measure.metric, statistics=lambda *_: np.concatenate(blocks, axis=1), from_sums=mean_from)
    return interval(pooled, columns[0], None if groups is None else groups[rows], unit=unit)
