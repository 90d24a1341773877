"""`score`: the number the organisers' code computes, with what it needs to be understood."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from mertools.errors import SubmissionError
from mertools.metrics import ClassRow, Metric, class_table, confusion
from mertools.metrics.intervals import Interval, PairedTest, interval
from mertools.tracks import Columns, ReferenceScorer, Track, get_track
from mertools.tracks.columns import arguments
from submissions.aligning import Aligned, align
from submissions.floors import Floor, floors
from submissions.problems import Problem
from submissions.reading import read_names
from submissions.resources import Resources, resources_of
from submissions.truth import Truth, read_truth, uncovered

Mode = Literal["reference", "strict"]
"""How an undefined number is given: NaN, as the organisers' code has it (``reference``), or 0 (``strict``)."""


@dataclass(frozen=True)
class Comparison:
    """Paired comparison with another submission.

    Attributes:
        file: the other one.
        metrics: its metrics.
        test: randomisation test on the primary metric; positive difference = the first is higher.
    """

    file: str
    metrics: Mapping[str, float]
    test: PairedTest


@dataclass(frozen=True)
class Score:
    """A scored submission.

    Attributes:
        track: id of the track.
        n: rows scored.
        primary: name of the metric that ranks.
        metrics: metric name -> value, the primary one first.
        interval: 95 % confidence interval of the primary metric; None if none was asked for.
        floors: what trivial predictions get on the primary metric.
        labels: classes in index order; empty if the track has no single class target.
        per_class: one row per class.
        confusion: ``(C, C)``, rows true, columns predicted.
        warnings: oddities that the organisers' code passes over.
        against: comparisons with other submissions; p-values are adjusted over all of them (Holm).
        parts: metric name -> what it is the mean of (traits, action units, wheels).
        resources: what the number was made with (tables of wheels, groups of synonyms), by name.
        notes: why the number differs from the organisers', and other things that its reader must know.
        mode: how undefined numbers are given.
        n_unannotated: rows of the truth that are marked as not annotated.
    """

    track: str
    n: int
    primary: str
    metrics: Mapping[str, float]
    interval: Interval | None
    floors: Mapping[str, Floor]
    labels: tuple[str, ...]
    per_class: tuple[ClassRow, ...]
    confusion: np.ndarray
    warnings: tuple[Problem, ...]
    against: tuple[Comparison, ...] = ()
    parts: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    resources: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    mode: Mode = "reference"
    n_unannotated: int = 0

    @property
    def value(self) -> float:
        """The primary metric."""
        return self.metrics[self.primary]

    def as_json(self) -> dict[str, Any]:
        """The document of ``submission score --json``; numbers at full precision, undefined ones null."""
        bounds = self.interval
        document: dict[str, Any] = {
            "track": self.track,
            "n": self.n,
            "n_unannotated": self.n_unannotated,
            "mode": self.mode,
            "primary": self.primary,
            "metrics": _numbers(self.metrics),
            "interval": [_number(bounds.low), _number(bounds.high)] if bounds else [None, None],
            "interval_unit": bounds.unit if bounds else None,
            "n_groups": bounds.n_groups if bounds else None,
            "interval_method": bounds.method if bounds else "none",
            "floors": {name: _number(floor.value) for name, floor in self.floors.items()},
            "per_class": [asdict(row) for row in self.per_class],
            "confusion": {"labels": list(self.labels), "rows_true": self.confusion.tolist()},
            "parts": {name: _numbers(parts) for name, parts in self.parts.items()},
            "resources": dict(self.resources),
            "notes": list(self.notes),
            "warnings": [problem.as_json() for problem in self.warnings],
        }
        if self.against:
            document["against"] = [_comparison(found) for found in self.against]
        return document


def score(
    track: str | Track,
    file: Path | str,
    truth: Path | str,
    *,
    against: Path | str | Sequence[Path | str] | None = None,
    candidates: Path | str | None = None,
    wheels: Path | str | Any | None = None,
    groups: Path | str | Any | None = None,
    mode: Mode = "reference",
    n_draws: int = 1000,
    seed: int = 0,
) -> Score:
    """Score a submission as the organisers' code does.

    Rows come from `truth`, whatever their number; a repeated name keeps its last row. Where the organisers' code stops,
    this raises; what it passes over is a warning.

    Args:
        track: the track or its id.
        file: the upload (bare or zipped) or a predictions CSV.
        truth: CSV with the track's key and targets; a column ``speaker`` (else ``source``) groups the clips.
        against: other submissions, for paired tests.
        candidates: CSV with the clips to predict; oddities are told against it.
        wheels: folder of emotion-wheel tables; else that of ``MERTOOLS_WHEELS``, else the built-in ones.
        groups: recorded groups of synonyms, for a track that needs them.
        mode: ``reference`` leaves undefined numbers undefined, as the organisers' code; ``strict`` makes them 0.
        n_draws: resampled corpora behind the interval; 0 for the metrics alone (no interval, floors or parts).
        seed: of resampling, swapping and floors.

    Raises:
        SubmissionError: if a file is missing or unreadable, the truth is not usable, the track has no public scorer,
            or the organisers' code would stop.
    """
    track = track if isinstance(track, Track) else get_track(track)
    scorer = require_scorer(track)
    found = resources_of(track, wheels, groups)
    known = read_truth(track, Path(truth))
    listed = read_names(Path(candidates), track) if candidates is not None else None
    aligned = align(track, scorer, Path(file), known, listed, found.groups)
    metrics = [metric.bind(**found.bound) for metric in track.metrics]
    others = [against] if isinstance(against, Path | str) else list(against or ())
    rivals = [(Path(other), align(track, scorer, Path(other), known, listed, found.groups)) for other in others]
    columns, scored, primary = aligned.columns, aligned.truth, metrics[0]
    labels = track.target("classes").classes if "classes" in columns else ()
    warnings = [*known.warnings, *(uncovered(known, listed) if listed is not None else ()), *aligned.warnings]
    return Score(
        track=track.id,
        n=len(scored.names),
        primary=track.primary,
        metrics=_measured(metrics, columns, mode),
        interval=_interval(primary, columns, scored, n_draws, seed) if n_draws else None,
        floors=floors(primary, columns, seed=seed) if n_draws else {},
        labels=labels,
        per_class=_per_class(columns, labels),
        confusion=confusion(*columns["classes"], classes=range(len(labels))) if labels else np.zeros((0, 0), np.int64),
        warnings=tuple(warnings),
        against=_compared(primary, aligned, rivals, metrics, mode, seed),
        parts=_parts(track, metrics, columns) if n_draws else {},
        resources=found.labels,
        notes=_notes(found, known, mode),
        mode=mode,
        n_unannotated=known.n_unannotated,
    )


def require_scorer(track: Track) -> ReferenceScorer:
    """The scorer of a track.

    Raises:
        SubmissionError: if none was published.
    """
    if track.scorer is None or not track.primary:
        raise SubmissionError(
            "MER-S076", f"{track.id} has no public scorer; nothing can be scored.", "Validate and package it instead."
        )
    return track.scorer


def _measured(metrics: Sequence[Metric], columns: Columns, mode: Mode) -> dict[str, float]:
    """All metrics.

    Raises:
        SubmissionError: where one cannot be computed and the organisers' code stops too.
    """
    found = {}
    for metric in metrics:
        try:
            value = float(metric(*arguments(metric, columns)))
        except ValueError as error:
            raise SubmissionError(
                "MER-S164", f"{metric.name} cannot be computed: {error}", "The organisers' scorer stops too."
            ) from None
        found[metric.name] = 0.0 if mode == "strict" and math.isnan(value) else value
    return found


def _interval(metric: Metric, columns: Columns, truth: Truth, n_draws: int, seed: int) -> Interval:
    return interval(metric, arguments(metric, columns), truth.groups, unit=truth.unit, n_draws=n_draws, seed=seed)


def _per_class(columns: Columns, labels: Sequence[str]) -> tuple[ClassRow, ...]:
    if not labels:
        return ()
    table = class_table(*columns["classes"], classes=range(len(labels)))
    return tuple(replace(row, label=labels[int(row.label)]) for row in table)


def _parts(track: Track, metrics: Sequence[Metric], columns: Columns) -> dict[str, dict[str, float]]:
    """What a metric is the mean of, for metrics that are one."""
    found = {}
    for metric in metrics:
        if metric.parts is not None:
            names = [target.name for kind in metric.inputs for target in track.inputs[kind]]
            sums = metric.statistics(*arguments(metric, columns)).sum(axis=0)
            found[metric.name] = dict(metric.parts(sums, names))
    return found


def _compared(
    primary: Metric,
    first: Aligned,
    others: Sequence[tuple[Path, Aligned]],
    metrics: Sequence[Metric],
    mode: Mode,
    seed: int,
) -> tuple[Comparison, ...]:
    """Tests against all other files as one family."""
    if not others:
        return ()
    from mertools.metrics.intervals import compare_all

    names = [f"{n} {path.name}" for n, (path, _) in enumerate(others)]
    predictions = {"": arguments(primary, first.columns)}
    predictions |= {name: arguments(primary, other.columns) for name, (_, other) in zip(names, others, strict=True)}
    tests = compare_all(primary, predictions, first.truth.groups, reference="", unit=first.truth.unit, seed=seed)
    return tuple(
        Comparison(path.name, _measured(metrics, other.columns, mode), tests["", name])
        for name, (path, other) in zip(names, others, strict=True)
    )


def _notes(found: Resources, truth: Truth, mode: Mode) -> tuple[str, ...]:
    notes = list(found.warnings)
    if truth.n_unannotated:
        notes.append(f"{truth.n_unannotated} rows of the truth are marked as not annotated and not scored")
    if mode == "strict":
        notes.append("strict: undefined numbers are 0; the organisers' code gives NaN there")
    return tuple(notes)


def _comparison(found: Comparison) -> dict[str, Any]:
    test = found.test
    return {
        "file": found.file,
        "metrics": _numbers(found.metrics),
        "difference": _number(test.difference),
        "interval": [_number(test.low), _number(test.high)],
        "p": _number(test.p),
        "p_adjusted": _number(test.p_adjusted),
        "detectable": _number(test.detectable),
        "separable": test.separable,
        "interval_unit": test.unit,
        "n_groups": test.n_groups,
        "n_swaps": test.n_swaps,
    }


def _numbers(values: Mapping[str, float]) -> dict[str, float | None]:
    return {name: _number(value) for name, value in values.items()}


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
