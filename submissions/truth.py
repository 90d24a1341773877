"""The truth file: annotations by row key, and the groups of clips that belong together."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from mertools.errors import SubmissionError, did_you_mean
from mertools.targets import Target
from mertools.tracks import Column, Track
from submissions.cells import plain_number
from submissions.names import JOINT, join_keys, shown
from submissions.problems import Problem
from submissions.reading import trusted_table
from submissions.table import Table

GROUP_COLUMNS = ("speaker", "source")


@dataclass(frozen=True)
class Truth:
    """Annotated rows.

    Attributes:
        names: their keys.
        annotations: target name -> annotation of each, as `Target.parse` gives them.
        groups: group of each; None if each row is its own.
        unit: what a group is.
        warnings: oddities of the file.
        n_unannotated: rows left out because they are marked as not annotated.
    """

    names: list[str]
    annotations: dict[str, list[Any]]
    groups: np.ndarray | None
    unit: str
    warnings: tuple[Problem, ...]
    n_unannotated: int = 0

    def rows(self, positions: Sequence[int]) -> Truth:
        """The same for some of the rows."""
        return replace(
            self,
            names=[self.names[i] for i in positions],
            annotations={name: [column[i] for i in positions] for name, column in self.annotations.items()},
            groups=None if self.groups is None else self.groups[list(positions)],
        )


def read_truth(track: Track, path: Path) -> Truth:
    """Read a truth file; a repeated key keeps its last row, rows marked as not annotated are left out.

    Raises:
        SubmissionError: if it is missing, unreadable, lacks a column, holds no annotation or what is none.
    """
    keys = track.upload.keys
    table = trusted_table(path, track, keys, "truth file")
    columns = {target.name: _column_of(track, target, table, path) for target in track.targets}
    last = {name: i for i, name in enumerate(join_keys([table.cells(key) for key in keys]))}
    kept: list[int] = []
    annotations: dict[str, list[Any]] = {name: [] for name in columns}
    cells = {name: table.cells(column) for name, column in columns.items()}
    parse = {target.name: _Parser(track, target, path) for target in track.targets}
    for row in last.values():
        found = {name: parse[name](cells[name][row], table.numbers[row]) for name in columns}
        if all(value is not None for value in found.values()):
            kept.append(row)
            for name, value in found.items():
                annotations[name].append(value)
    if not kept:
        raise SubmissionError(
            "MER-S163", f"the truth file {path} annotates none of its {len(last)} rows.", "Name the annotated part."
        )
    position = set(kept)
    names = [name for name, row in last.items() if row in position]
    groups, unit, warnings = _groups(track, table, kept, names)
    if len(last) < len(table.rows):
        warnings.append(odd("MER-S022", f"{len(table.rows) - len(last)} repeated names in the truth", "each once"))
    return Truth(names, annotations, groups, unit, tuple(warnings), len(last) - len(kept))


def uncovered(truth: Truth, candidates: Sequence[str]) -> list[Problem]:
    """A warning where the truth does not cover all candidates: the number then stands for a part of them."""
    missing = sorted(set(candidates) - set(truth.names))
    if not missing:
        return []
    found = f"a truth for {len(truth.names)} of {len(candidates)} candidates, without {shown(missing[0])} for one"
    return [odd("MER-S160", found, "all candidates, or a part on purpose")]


def odd(code: str, found: str, expected: str) -> Problem:
    """A warning about the truth file as a whole."""
    return Problem(code, "warning", None, None, found, expected, "See the truth file.")


def _column_of(track: Track, target: Target, table: Table, path: Path) -> str:
    """The column of the truth file that holds a target: under the target's name, or under the upload's."""
    column = track.upload.holding(target.name).name
    for name in (target.name, column):
        if name in table.header:
            return name
    names = " or ".join(dict.fromkeys((target.name, column)))
    raise SubmissionError(
        "MER-S066",
        f"the truth file {path} has no column {names}; found: {', '.join(table.header)}.",
        f"Expected columns: {', '.join((*track.upload.keys, *(t.name for t in track.targets)))}.",
    )


class _Parser:
    """Annotations of one target; equal cells are read once."""

    def __init__(self, track: Track, target: Target, path: Path) -> None:
        self.target, self.path = target, path
        self.column = track.upload.holding(target.name)
        self.known: dict[str, Any] = {}

    def __call__(self, cell: str, row: int) -> Any:
        if cell not in self.known:
            self.known[cell] = self._parse(cell, row)
        return self.known[cell]

    def _parse(self, cell: str, row: int) -> Any:
        target = self.target
        if cell.strip() in target.missing:
            return None
        if target.kind == "labels":
            return self._words(cell, row)
        if target.kind == "classes":
            return self._class(cell, row)
        if target.kind == "preference":
            if cell in ("a1", "a2", "same"):
                return cell
            raise self._none(cell, row, "a1, a2 or same", ("a1", "a2", "same"))
        number = plain_number(cell)
        if number is None or not math.isfinite(number):
            raise self._none(cell, row, "a finite number", ())
        return number

    def _class(self, cell: str, row: int) -> str:
        if cell in self.target.classes:
            return cell
        if cell in self.column.allowed:
            return self.target.classes[self.column.allowed.index(cell)]
        raise self._none(cell, row, f"one of: {', '.join(self.target.classes)}", self.target.classes)

    def _words(self, cell: str, row: int) -> tuple[str, ...]:
        try:
            return read_words(self.column, cell)
        except SubmissionError as error:
            message = f"{self.path}, row {row}, column {self.target.name}: {error.message}"
            raise SubmissionError(error.code, message, error.hint) from None

    def _none(self, cell: str, row: int, expected: str, near: Sequence[str]) -> SubmissionError:
        return SubmissionError(
            "MER-S075",
            f"{self.path}, row {row}, column {self.target.name}: '{cell}' is no annotation.{did_you_mean(cell, near)}",
            f"Expected {expected}.",
        )


def read_words(column: Column, cell: str) -> tuple[str, ...]:
    """The words of a cell as the track's scorer reads it.

    Raises:
        SubmissionError: for a cell at which that scorer stops.
    """
    from mertools.openset import PARSERS

    return PARSERS[column.words or "mer2025"](cell)


def _groups(
    track: Track, table: Table, rows: Sequence[int], names: Sequence[str]
) -> tuple[np.ndarray | None, str, list[Problem]]:
    """Groups by speaker, else source, else what the track says that rows share."""
    warnings: list[Problem] = []
    for column in GROUP_COLUMNS:
        if column in table.header:
            cells = table.cells(column)
            keys = [cells[i] for i in rows]
            if all(key.strip() for key in keys):
                return np.array(keys), column, warnings
            n = sum(not key.strip() for key in keys)
            warnings.append(odd("MER-S051", f"{n} clips without a {column}", f"a {column} each; it is not used"))
    if track.unit == "name":
        return np.array([name.split(JOINT)[0] for name in names]), "name", warnings
    if track.unit == "video":
        return np.array([name.split("/", 1)[0] for name in names]), "video", warnings
    return None, "clip", warnings
