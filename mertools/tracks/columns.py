"""From annotations and predictions by target to the aligned columns that metrics compare.

Targets of one kind that a track has several of are stacked: two or more values are one ``values`` column ``(N, D)``,
two or more class targets of two classes one ``flags`` column ``(N, D)``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mertools.errors import SubmissionError
from mertools.metrics.base import Kind, Metric
from mertools.predictions import Predictions
from mertools.targets import Target

Columns = Mapping[Kind, tuple[np.ndarray, np.ndarray]]
"""Kind of a metric's input -> truth and prediction, aligned; labels of classes as class indices."""


def stacked_kinds(targets: Sequence[Target]) -> dict[Kind, tuple[Target, ...]]:
    """The kind of column that targets make, with the targets in it, in order.

    Example:
        >>> [*stacked_kinds([Target("valence", "value"), Target("arousal", "value")])]
        ['values']
    """
    count = Counter(target.kind for target in targets)
    several: dict[str, Kind] = {"value": "values", "classes": "flags"}
    found: dict[Kind, tuple[Target, ...]] = {}
    for kind in dict.fromkeys(target.kind for target in targets):
        name: Kind = several[kind] if count[kind] > 1 and kind in several else kind
        found[name] = tuple(target for target in targets if target.kind == kind)
    return found


def arguments(metric: Metric, columns: Columns) -> list[np.ndarray]:
    """The arguments of a metric out of columns by kind: truth and prediction of each of its inputs."""
    return [column for kind in metric.inputs for column in columns[kind]]


def stack(targets: Sequence[Target], columns: Mapping[str, np.ndarray]) -> dict[Kind, np.ndarray]:
    """One side (truth or prediction) of all columns.

    Args:
        targets: the track's targets.
        columns: target name -> ``(N,)``.
    """
    found = {}
    for kind, members in stacked_kinds(targets).items():
        parts = [columns[target.name] for target in members]
        found[kind] = parts[0] if len(members) == 1 and kind not in ("values", "flags") else np.stack(parts, axis=1)
    return found


def coded(target: Target, annotations: Sequence[Any], whose: str) -> np.ndarray:
    """Annotations of one target as a column: class indices, numbers, collections of words, or preferences.

    Args:
        target: what they are annotations of.
        annotations: as `Target.parse` gives them, none missing.
        whose: "true" or "predicted", for messages.

    Raises:
        SubmissionError: for a label that is none of the target's classes.
    """
    if target.kind == "classes":
        return class_indices(target, annotations, whose)
    if target.kind == "value":
        return np.array(annotations, dtype=float)
    if target.kind == "labels":
        return objects(annotations)
    return np.array(annotations, dtype=str)


def objects(values: Sequence[Any]) -> np.ndarray:
    """Any values as an object array ``(N,)``, never unpacked into a second dimension."""
    column = np.empty(len(values), dtype=object)
    column[:] = list(values)
    return column


def class_indices(target: Target, labels: Sequence[object], whose: str) -> np.ndarray:
    """Index of each label in the target's classes, ``(N,)`` int64.

    Raises:
        SubmissionError: for a label that is none of them.
    """
    index = {label: i for i, label in enumerate(target.classes)}
    try:
        return np.array([index[label] for label in labels], dtype=np.int64)  # type: ignore[index]
    except KeyError as error:
        raise SubmissionError(
            "MER-S061",
            f"{whose} label {error.args[0]!r} is not one of the {len(index)} classes of target '{target.name}'.",
            f"Expected one of: {', '.join(target.classes)}.",
        ) from None


def predicted(target: Target, predictions: Predictions, rows: np.ndarray) -> np.ndarray:
    """What `predictions` say about a target in the given rows, as a column.

    Raises:
        SubmissionError: if they hold nothing for it, or a label that is none of its classes.
    """
    said: Sequence[Any] | None = None
    if target.kind == "classes":
        if predictions.labels and target.name not in predictions.texts:
            said = predictions.discrete
        elif target.name in predictions.texts:
            said = predictions.texts[target.name]
        elif target.name in predictions.values:  # labels such as 0 and 1 are read as numbers
            said = [f"{value:g}" for value in predictions.values[target.name]]
    elif target.kind == "value":
        said = predictions.values.get(target.name)  # type: ignore[assignment]
    else:
        cells = predictions.texts.get(target.name)
        if cells is not None:
            empty: Any = () if target.kind == "labels" else ""
            said = [empty if (parsed := target.parse(cell)) is None else parsed for cell in cells]
    if said is None:
        raise SubmissionError("MER-S063", f"the predictions hold nothing for target '{target.name}'.")
    return coded(target, [said[i] for i in rows], "predicted")
