"""`Track`: everything the toolkit knows about one task of one challenge edition, as data.

Each rule says where it comes from: ``official`` (the organisers' code, page or paper), ``inferred`` (from the platform,
another edition or participants' files) or ``unknown`` (nothing was published; nothing is invented here either).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from mertools.errors import SubmissionError
from mertools.metrics import METRICS, Metric
from mertools.predictions import Predictions
from mertools.registry import Registry
from mertools.targets import Kind, Target
from mertools.tracks.columns import Columns, arguments, coded, predicted, stack, stacked_kinds

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
        target: the target it holds, where that is called otherwise.
        allowed: the values a cell may have; empty = any of its kind. The i-th stands for the i-th class of the target,
            whatever that is called (``3`` for Fear).
        range: where the annotations lie; a prediction outside is suspicious, not wrong.
        required: False for a column that the organisers read past.
        scored: False for a column whose cells no score depends on.
        respellings: lower-case spellings that can only mean one of `allowed`.
        made_of: how to write it from columns of our predictions CSV, where it is called otherwise or stands in several:
            ``{name}/{frame:05d}.jpg``.
        words: for ``labels``: whose way of reading a cell counts, a name of `mertools.openset.PARSERS`.
    """

    name: str
    kind: ColumnKind
    allowed: tuple[str, ...] = ()
    range: tuple[float, float] | None = None
    required: bool = True
    scored: bool = True
    respellings: Mapping[str, str] | None = None
    made_of: str = ""
    words: str = ""
    target: str = ""


@dataclass(frozen=True)
class Upload:
    """The file that organisers receive.

    Attributes:
        columns: in order; for an npz, the names of its arrays.
        kind: file format inside the container: ``csv`` (a table with a header), ``npz`` (one plain array per column),
            ``texts`` (one text file per row, called after the key, holding the label).
        header: first line of a table whose header is not the names of its columns.
        suffix: what the data file ends in.
        file_name: name of the file (of the zip's only member, where there is a zip); empty if none is prescribed.
        file_name_source: where that name comes from; only an official one is binding.
        container: what is sent: the file itself, or a zip with the file at its root.
        container_source: where that comes from; unless official, the other container is accepted too.
        archive_name: name of the zip; empty if none is prescribed.
        max_bytes: largest upload accepted; None if no limit was published.
    """

    columns: tuple[Column, ...]
    kind: Literal["csv", "npz", "texts"] = "csv"
    suffix: str = ".csv"
    header: tuple[str, ...] = ()
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

    def holding(self, target: str) -> Column:
        """The column that holds a target; `KeyError` if none does."""
        return {c.target or c.name: c for c in self.columns if c.kind != "key"}[target]


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
        synonyms: whether words are first mapped by groups of synonyms that go with each row; rows without a group
            are then not scored.
    """

    names: Literal["equal", "at least", "any"]
    all_labels: bool
    code: str = ""
    synonyms: bool = False


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
        primary: metric that ranks; a name of `METRICS`, empty where people judge or nothing was published.
        secondary: further official metrics.
        reported: metrics that this toolkit adds.
        submissions: how many uploads are allowed; None if not published.
        scorer: what the organisers' scorer does; None if the track has no public scorer.
        rules: every rule in words, with its source.
        train_splits: splits of the corpus to train on (folds are made of them).
        test_splits: splits that this track scores.
        unit: what rows of one group share where the truth has no column ``speaker`` or ``source``: each ``clip`` by
            itself, the ``name`` (several pairs of one clip), or the ``video`` (the key up to its first slash).
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
    unit: Literal["clip", "name", "video"] = "clip"
    licence: str = "data under the organisers' agreement"

    @property
    def selection(self) -> str:
        """Metric by which epochs and models are chosen: the primary one."""
        return self.primary

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """All its metrics, the primary one first."""
        return tuple(METRICS.get(name) for name in (self.primary, *self.secondary, *self.reported) if name)

    @property
    def needs(self) -> tuple[str, ...]:
        """Resources without which it cannot be scored: ``wheels`` (tables), ``groups`` (of synonyms)."""
        grouped = ("groups",) if self.scorer is not None and self.scorer.synonyms else ()
        return (*grouped, *dict.fromkeys(name for metric in self.metrics for name in metric.needs))

    @property
    def inputs(self) -> dict[Any, tuple[Target, ...]]:
        """Kinds of the columns that its metrics compare, with the targets in each."""
        return dict(stacked_kinds(self.targets))

    def target(self, kind: Kind) -> Target:
        """The target of `kind` (``classes``, ``value``, ...); `KeyError` if there is none."""
        return {t.kind: t for t in self.targets}[kind]

    def evaluate(
        self, truth: Mapping[str, Mapping[str, Any]], predictions: Predictions, **resources: Any
    ) -> dict[str, float]:
        """All metrics of predictions; rows are joined by clip name, and clips without an annotation are left out.

        Args:
            truth: for each target name, clip name -> annotation (None = not annotated).
            predictions: must cover every clip that `truth` annotates for all targets; further clips are ignored.
            **resources: what metrics need besides (``wheels``).

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
        expected = {t.name: coded(t, [truth[t.name][n] for n in names], "true") for t in self.targets}
        said = {t.name: predicted(t, predictions, rows) for t in self.targets}
        true, guessed = stack(self.targets, expected), stack(self.targets, said)
        return self.measure({kind: (true[kind], guessed[kind]) for kind in true}, **resources)

    def measure(self, columns: Columns, **resources: Any) -> dict[str, float]:
        """All metrics of aligned columns.

        Args:
            columns: kind of input -> truth and prediction; labels of classes as class indices.
            **resources: what metrics need besides (``wheels``).

        Returns:
            Metric name -> value, the primary one first.

        Raises:
            ConfigError: if a resource is lacking.
        """
        bound = [metric.bind(**resources) for metric in self.metrics]
        return {metric.name: metric(*arguments(metric, columns)) for metric in bound}

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
    """The track called `name`, or the one that a YAML file describes.

    Args:
        name: an id of ``mertools list tracks``, or the path of a file that ends in ``.yaml``.

    Raises:
        UnknownNameError: if there is none; the message names the nearest.
        ConfigError: if the file does not describe a track.

    Example:
        >>> get_track("mer2023-multi").primary
        'mer2023_combined'
    """
    if name.endswith((".yaml", ".yml")):
        from mertools.tracks.own import read_track

        return read_track(Path(name))
    return TRACKS.get(name)


def _rows(predictions: Predictions, names: Sequence[str]) -> np.ndarray:
    row = {name: i for i, name in enumerate(predictions.names)}
    missing = [name for name in names if name not in row]
    if missing:
        raise SubmissionError(
            "MER-S062", f"{len(missing)} of {len(names)} annotated clips are not predicted, first '{missing[0]}'."
        )
    return np.array([row[name] for name in names])
