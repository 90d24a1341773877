"""`Track`: everything the toolkit knows about one task of one challenge edition, as data.

Each rule says where it comes from: ``official`` (the organisers' code, page or paper), ``inferred`` (from the platform,
another edition or participants' files) or ``unknown`` (nothing was published; nothing is invented here either).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from mertools.errors import SubmissionError
from mertools.metrics import METRICS, Metric
from mertools.predictions import Predictions
from mertools.registry import Registry
from mertools.targets import Kind, Target

Source = Literal["official", "inferred", "unknown"]
ColumnKind = Literal["key", "label", "number", "labels", "text", "preference"]


@dataclass(frozen=True)
class Rule:
    """One rule of a track: what it is about ("file name", "rows", ...), its text, and where it comes from."""

    about: str
    text: str
    source: Source


@dataclass(frozen=True)
class Column:
    """One column of an upload.

    Attributes:
        name: header cell, exact.
        kind: ``key`` (identifies the row), ``label`` (one of `allowed`), ``number``, ``labels`` (an open set of words),
            ``text`` (free), ``preference`` (one of `allowed`).
        allowed: the values a cell may have; empty = any of its kind.
        range: where the annotations lie; a prediction outside is suspicious, not wrong.
        required: False for a column that the organisers read past.
        scored: False for a column whose cells no score depends on.
        respellings: lower-case spellings that can only mean one of `allowed`.
    """

    name: str
    kind: ColumnKind
    allowed: tuple[str, ...] = ()
    range: tuple[float, float] | None = None
    required: bool = True
    scored: bool = True
    respellings: Mapping[str, str] | None = None


@dataclass(frozen=True)
class Upload:
    """The file that organisers receive.

    Attributes:
        columns: in order; for an npz, the names of its arrays.
        kind: file format inside the container.
        file_name: name of the file (of the zip's only member, where there is a zip); empty if none is prescribed.
        file_name_source: where that name comes from; only an official one is binding.
        container: what is sent: the file itself, or a zip with the file at its root.
        container_source: where that comes from; unless official, the other container is accepted too.
        archive_name: name of the zip; empty if none is prescribed.
        max_bytes: largest upload accepted; None if no limit was published.
    """

    columns: tuple[Column, ...]
    kind: Literal["csv", "npz", "text"] = "csv"
    file_name: str = ""
    file_name_source: Source = "unknown"
    container: Literal["none", "zip"] = "none"
    container_source: Source = "official"
    archive_name: str = ""
    max_bytes: int | None = None

    @property
    def keys(self) -> tuple[str, ...]:
        """Names of the columns that together identify a row."""
        return tuple(c.name for c in self.columns if c.kind == "key")

    def column(self, name: str) -> Column:
        """The column called `name`; `KeyError` if there is none."""
        return {c.name: c for c in self.columns}[name]


@dataclass(frozen=True)
class Candidates:
    """Which rows an upload must have.

    Attributes:
        count: official number of rows; None if not published.
        ordered: whether the organisers demand the order of their list.
        scored: how many of them are scored; None if not published.
    """

    count: int | None
    ordered: bool = False
    scored: int | None = None


@dataclass(frozen=True)
class ReferenceScorer:
    """What the organisers' scorer looks at, and so which defects make it stop.

    Attributes:
        names: how the number of distinct predicted names must relate to the number of true names: ``equal``,
            ``at least``, or ``any`` (only true names are looked up).
        all_labels: whether labels of rows that are not scored are converted too (an unknown one stops the scorer).
        code: where that code stands; empty if the scorer was never published and a sibling's is used.
    """

    names: Literal["equal", "at least", "any"]
    all_labels: bool
    code: str = ""


@dataclass(frozen=True)
class Track:
    """One task of one challenge edition.

    Attributes:
        id: ``edition-task``, as users type it.
        edition: "mer2023", ...
        title: the organisers' name of it.
        targets: what is predicted and scored, with classes and ranges.
        upload: the file to send.
        candidates: the rows it must have.
        primary: metric that ranks; a name of `METRICS`.
        secondary: further official metrics.
        reported: metrics that this toolkit adds.
        submissions: how many uploads are allowed; None if not published.
        scorer: what the organisers' scorer does; None if the track has no public scorer.
        rules: every rule in words, with its source.
        train_splits: splits of the corpus to train on (folds are made of them).
        test_splits: splits that this track scores.
        licence: terms of the data.
    """

    id: str
    edition: str
    title: str
    targets: tuple[Target, ...]
    upload: Upload
    candidates: Candidates
    primary: str
    secondary: tuple[str, ...] = ()
    reported: tuple[str, ...] = ()
    submissions: int | None = None
    scorer: ReferenceScorer | None = None
    rules: tuple[Rule, ...] = ()
    train_splits: tuple[str, ...] = ("train",)
    test_splits: tuple[str, ...] = ("test1",)
    licence: str = "data under the organisers' agreement"

    @property
    def selection(self) -> str:
        """Metric by which epochs and models are chosen: the primary one."""
        return self.primary

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """All its metrics, the primary one first."""
        return tuple(METRICS.get(name) for name in (self.primary, *self.secondary, *self.reported))

    def target(self, kind: Kind) -> Target:
        """The target of `kind` (``classes``, ``value``, ...); `KeyError` if there is none."""
        return {t.kind: t for t in self.targets}[kind]

    def evaluate(
        self, truth: Mapping[str, Mapping[str, str | float | None]], predictions: Predictions
    ) -> dict[str, float]:
        """All metrics of predictions; rows are joined by clip name, and clips without an annotation are left out.

        Args:
            truth: for each target name, clip name -> annotation (None = not annotated).
            predictions: must cover every clip that `truth` annotates for all targets; further clips are ignored.

        Returns:
            Metric name -> value, the primary one first.

        Raises:
            SubmissionError: if a target or an annotated clip is not predicted, or nothing is annotated.
        """
        names = [
            name
            for name in truth[self.targets[0].name]
            if all(truth[target.name].get(name) is not None for target in self.targets)
        ]
        if not names:
            raise SubmissionError("MER-S060", f"no clip is annotated for all targets of {self.id}.")
        rows = _rows(predictions, names)
        columns: dict[str, tuple[np.ndarray, np.ndarray]] = {}
        for target in self.targets:
            expected = [truth[target.name][name] for name in names]
            columns[target.kind] = _pair(target, expected, predictions, rows)
        return self.measure(columns)

    def measure(self, columns: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> dict[str, float]:
        """All metrics of aligned columns.

        Args:
            columns: target kind -> (truth ``(N,)``, prediction ``(N,)``); labels as class indices.

        Returns:
            Metric name -> value, the primary one first.
        """
        return {metric.name: metric(*arguments(metric, columns)) for metric in self.metrics}

    def as_json(self) -> dict[str, Any]:
        """Everything above as JSON-able data, for ``mertools list tracks --json``."""
        document = asdict(self)
        for key in ("id", "licence"):
            del document[key]
        return document


TRACKS: Registry[Track] = Registry("track", "mertools.tracks")


def add_track(track: Track) -> Track:
    """Register `track` under its id."""
    TRACKS.add(track.id, track, summary=f"{track.title}; {track.primary}", licence=track.licence, **track.as_json())
    return track


def get_track(name: str) -> Track:
    """The track called `name`.

    Raises:
        UnknownNameError: if there is none; the message names the nearest.

    Example:
        >>> get_track("mer2023-multi").primary
        'mer2023_combined'
    """
    return TRACKS.get(name)


def arguments(metric: Metric, columns: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> list[np.ndarray]:
    """The arguments of a metric out of columns by target kind: truth and prediction of each of its inputs."""
    return [column for kind in metric.inputs for column in columns[kind]]


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


def _rows(predictions: Predictions, names: Sequence[str]) -> np.ndarray:
    row = {name: i for i, name in enumerate(predictions.names)}
    missing = [name for name in names if name not in row]
    if missing:
        raise SubmissionError(
            "MER-S062", f"{len(missing)} of {len(names)} annotated clips are not predicted, first '{missing[0]}'."
        )
    return np.array([row[name] for name in names])


def _pair(
    target: Target, expected: Sequence[object], predictions: Predictions, rows: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    if target.kind == "classes":
        predicted = predictions.discrete if predictions.labels else predictions.texts.get(target.name, ())
        if predicted:
            said = [predicted[i] for i in rows]
            return class_indices(target, expected, "true"), class_indices(target, said, "predicted")
    elif target.kind == "value" and target.name in predictions.values:
        return np.array(expected, dtype=float), np.asarray(predictions.values[target.name], dtype=float)[rows]
    raise SubmissionError("MER-S063", f"the predictions hold nothing for target '{target.name}'.")
