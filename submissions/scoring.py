"""`score`: the number the organisers' code computes, with what it needs to be understood."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from mertools.errors import SubmissionError, did_you_mean
from mertools.labels import NA_WORDS
from mertools.metrics import METRICS, ClassRow, class_table, confusion
from mertools.metrics.intervals import Interval, PairedTest, interval, paired_test
from mertools.targets import Kind, Target
from mertools.tracks import ReferenceScorer, Track, get_track
from mertools.tracks.columns import arguments
from submissions.floors import Columns, Floor, floors
from submissions.names import join_keys, shown
from submissions.problems import CONTAINER, PREDICTIONS_FILE, Problem, harmless
from submissions.reading import Table, read_names, read_table, readable_or_raise, trusted_table
from submissions.validation import check, plain_number, suffix_of

GROUP_COLUMNS = ("speaker", "source")

_EXPECTED = (CONTAINER, PREDICTIONS_FILE)  # nothing odd: what is scored need not be packaged yet


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
        n: clips scored.
        primary: name of the metric that ranks.
        metrics: metric name -> value, the primary one first.
        interval: 95 % confidence interval of the primary metric.
        floors: what trivial predictions get on the primary metric.
        labels: classes in index order; empty if the track has none.
        per_class: one row per class.
        confusion: ``(C, C)``, rows true, columns predicted.
        warnings: oddities that the organisers' code passes over.
        against: comparison with another submission, if asked for.
    """

    track: str
    n: int
    primary: str
    metrics: Mapping[str, float]
    interval: Interval
    floors: Mapping[str, Floor]
    labels: tuple[str, ...]
    per_class: tuple[ClassRow, ...]
    confusion: np.ndarray
    warnings: tuple[Problem, ...]
    against: Comparison | None = None

    @property
    def value(self) -> float:
        """The primary metric."""
        return self.metrics[self.primary]

    def as_json(self) -> dict[str, Any]:
        """The document of ``submission score --json``; numbers at full precision, undefined ones null."""
        document: dict[str, Any] = {
            "track": self.track,
            "n": self.n,
            "primary": self.primary,
            "metrics": {name: _number(value) for name, value in self.metrics.items()},
            "interval": [_number(self.interval.low), _number(self.interval.high)],
            "interval_unit": self.interval.unit,
            "n_groups": self.interval.n_groups,
            "interval_method": self.interval.method,
            "floors": {name: _number(floor.value) for name, floor in self.floors.items()},
            "per_class": [asdict(row) for row in self.per_class],
            "confusion": {"labels": list(self.labels), "rows_true": self.confusion.tolist()},
            "warnings": [problem.as_json() for problem in self.warnings],
        }
        if self.against is not None:
            document["against"] = {
                "file": self.against.file,
                "metrics": {name: _number(value) for name, value in self.against.metrics.items()},
                "difference": _number(self.against.test.difference),
                "p": self.against.test.p,
                "interval_unit": self.against.test.unit,
                "n_groups": self.against.test.n_groups,
                "n_swaps": self.against.test.n_swaps,
            }
        return document


def score(
    track: str | Track,
    file: Path | str,
    truth: Path | str,
    *,
    against: Path | str | None = None,
    candidates: Path | str | None = None,
    n_draws: int = 1000,
    seed: int = 0,
) -> Score:
    """Score a submission as the organisers' code does.

    Rows come from `truth`, whatever their number; a repeated name keeps its last row. Where the organisers' code stops,
    this raises; what it passes over is a warning.

    Args:
        track: the track or its id.
        file: the upload (CSV or zip) or a predictions CSV.
        truth: CSV with ``name`` and the track's targets; a column ``speaker`` (else ``source``) groups the clips.
        against: another submission, for a paired test.
        candidates: CSV with the clips to predict; oddities are told against it.
        n_draws: resampled corpora behind the interval.
        seed: of resampling, swapping and floors.

    Raises:
        SubmissionError: if a file is missing or unreadable, the truth is not usable, the track has no public scorer,
            or the organisers' code would stop.
    """
    track = track if isinstance(track, Track) else get_track(track)
    scorer = _scorer_of(track)
    known = _read_truth(track, Path(truth))
    listed = read_names(Path(candidates), track.upload.keys) if candidates is not None else None
    columns, warnings = _columns(track, scorer, Path(file), known, listed)
    primary = METRICS.get(track.primary)
    bounds = interval(primary, arguments(primary, columns), known.groups, unit=known.unit, n_draws=n_draws, seed=seed)
    compared = None
    if against is not None:
        other, _ = _columns(track, scorer, Path(against), known, listed)
        test = paired_test(
            primary, arguments(primary, columns), arguments(primary, other), known.groups, unit=known.unit, seed=seed
        )
        compared = Comparison(Path(against).name, track.measure(other), test)
    labels = track.target("classes").classes if "classes" in columns else ()
    codes = range(len(labels))
    return Score(
        track=track.id,
        n=len(known.names),
        primary=track.primary,
        metrics=track.measure(columns),
        interval=bounds,
        floors=floors(primary, columns, seed=seed),
        labels=labels,
        per_class=tuple(
            replace(row, label=labels[int(row.label)]) for row in class_table(*columns["classes"], classes=codes)
        )
        if labels
        else (),
        confusion=confusion(*columns["classes"], classes=codes) if labels else np.zeros((0, 0), np.int64),
        warnings=(*known.warnings, *warnings),
        against=compared,
    )


# -- truth -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Truth:
    names: list[str]
    columns: dict[Kind, np.ndarray]
    groups: np.ndarray | None
    unit: str
    warnings: tuple[Problem, ...]


def _read_truth(track: Track, path: Path) -> _Truth:
    keys = track.upload.keys
    table = trusted_table(path, [*keys, *(t.name for t in track.targets)], "truth file")
    last = {name: i for i, name in enumerate(join_keys([table.cells(key) for key in keys]))}
    names, rows = list(last), list(last.values())
    columns = {}
    for target in track.targets:
        cells = table.cells(target.name)
        columns[target.kind] = np.array([_annotation(target, cells[i], path, table.numbers[i]) for i in rows])
    groups, unit, warnings = _groups(table, rows)
    if len(last) < len(table.rows):
        warnings.append(_odd("MER-S022", f"{len(table.rows) - len(last)} repeated names in the truth", "each once"))
    return _Truth(names, columns, groups, unit, tuple(warnings))


def _annotation(target: Target, cell: str, path: Path, row: int) -> int | float:
    if target.kind == "classes" and cell in target.classes:
        return target.classes.index(cell)
    number = plain_number(cell) if target.kind == "value" else None
    if number is not None and math.isfinite(number):
        return number
    expected = f"one of: {', '.join(target.classes)}" if target.classes else "a finite number"
    raise SubmissionError(
        "MER-S075",
        f"{path}, row {row}, column {target.name}: '{cell}' is no annotation.{did_you_mean(cell, target.classes)}",
        f"Expected {expected}.",
    )


def _groups(table: Table, rows: Sequence[int]) -> tuple[np.ndarray | None, str, list[Problem]]:
    warnings: list[Problem] = []
    for column in GROUP_COLUMNS:
        if column in table.header:
            cells = table.cells(column)
            keys = [cells[i] for i in rows]
            if all(key.strip() for key in keys):
                return np.array(keys), column, warnings
            n = sum(not key.strip() for key in keys)
            warnings.append(_odd("MER-S051", f"{n} clips without a {column}", f"a {column} each; it is not used"))
    return None, "clip", warnings


# -- predictions -------------------------------------------------------------------------------------------------------


def _columns(
    track: Track, scorer: ReferenceScorer, path: Path, truth: _Truth, candidates: list[str] | None
) -> tuple[Columns, list[Problem]]:
    """Aligned columns, and the oddities of the file."""
    table = read_table(path, suffix=suffix_of(track))
    readable_or_raise(table, path)
    _require_columns(track, table, path)
    _require_widths(table, path)
    labels = {target.name: table.cells(target.name) for target in track.targets}
    if scorer.all_labels:
        for target in track.targets:
            if target.kind == "classes":
                for number, cell in zip(table.numbers, labels[target.name], strict=True):
                    _prediction(target, cell, path, number)
    row_of = {name: i for i, name in enumerate(join_keys([table.cells(key) for key in track.upload.keys]))}
    _require_names(scorer, row_of, truth.names, path)
    columns: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    for target in track.targets:
        cells = [labels[target.name][row_of[name]] for name in truth.names]
        numbers = [table.numbers[row_of[name]] for name in truth.names]
        said = [_prediction(target, cell, path, number) for cell, number in zip(cells, numbers, strict=True)]
        columns[target.kind] = (truth.columns[target.kind], np.array(said))
    odd = check(replace_count(track, candidates), table, path.name, candidates)
    return columns, [replace(problem, severity="warning") for problem in odd if problem.code not in _EXPECTED]


def replace_count(track: Track, candidates: list[str] | None) -> Track:
    """The track without its official number of rows, which no score depends on, unless candidates are given."""
    return track if candidates is not None else replace(track, candidates=replace(track.candidates, count=None))


def _scorer_of(track: Track) -> ReferenceScorer:
    if track.scorer is None:
        raise SubmissionError(
            "MER-S076", f"{track.id} has no public scorer; nothing can be scored.", "Validate and package it instead."
        )
    return track.scorer


def _require_columns(track: Track, table: Table, path: Path) -> None:
    for name in (*track.upload.keys, *(target.name for target in track.targets)):
        if name not in table.header:
            raise SubmissionError(
                "MER-S077",
                f"{path}, row 1: there is no column '{name}', and the organisers' scorer stops; "
                f"found: {harmless(','.join(table.header), longest=200)}.{did_you_mean(name, table.header)}",
                "Write the column, or run: mertools submission validate --fix --out NEW_FILE ...",
            )


def _require_widths(table: Table, path: Path) -> None:
    for number, row in zip(table.numbers, table.rows, strict=True):
        if len(row) > len(table.header):
            raise SubmissionError(
                "MER-S078",
                f"{path}, row {number}: {len(row)} cells under {len(table.header)} columns; "
                "the organisers' reader stops.",
                "Mend the row.",
            )


def _require_names(scorer: ReferenceScorer, predicted: Mapping[str, int], names: Sequence[str], path: Path) -> None:
    n, wanted = len(predicted), len(names)
    if (scorer.names == "equal" and n != wanted) or (scorer.names == "at least" and n < wanted):
        how = "exactly" if scorer.names == "equal" else "at least"
        apart = {
            "Missing": [name for name in names if name not in predicted],
            "Not in the truth": sorted(set(predicted) - set(names)),
        }
        named = " ".join(
            f"{what} ({len(found)}): {', '.join(found[:5])}{', ...' if len(found) > 5 else ''}."
            for what, found in apart.items()
            if found
        )
        raise SubmissionError(
            "MER-S079",
            f"{path} has {n} distinct names, the truth {wanted}; the organisers' scorer wants {how} as many. {named}",
            "Predict the clips of the truth file.",
        )
    missing = [name for name in names if name not in predicted]
    if missing:
        raise SubmissionError(
            "MER-S080",
            f"{path} has no row for {len(missing)} of the {wanted} scored clips, first "
            f"'{harmless(shown(missing[0]))}'; the organisers' scorer stops.",
            "Predict every candidate.",
        )


def _prediction(target: Target, cell: str, path: Path, row: int) -> int | float:
    if target.kind == "classes" and cell in target.classes:
        return target.classes.index(cell)
    if target.kind == "value":
        number = plain_number(cell) if cell not in NA_WORDS else None
        if number is not None and math.isfinite(number):
            return number
        raise SubmissionError(
            "MER-S081",
            f"{path}, row {row}, column {target.name}: '{harmless(cell)}' is not a finite number; "
            "the organisers' scorer stops.",
            "Write a number.",
        )
    raise SubmissionError(
        "MER-S082",
        f"{path}, row {row}, column {target.name}: label '{harmless(cell)}' is not one of {', '.join(target.classes)}; "
        f"the organisers' scorer stops.{did_you_mean(cell, target.classes)}",
        "Mend it by hand, or run: mertools submission validate --fix --out NEW_FILE ...",
    )


def _odd(code: str, found: str, expected: str) -> Problem:
    return Problem(code, "warning", None, None, found, expected, "See the truth file.")


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
