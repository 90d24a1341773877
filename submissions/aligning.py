"""Predictions beside the truth: the columns that metrics compare, or the reason why the organisers' code would stop."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mertools.errors import SubmissionError, did_you_mean
from mertools.labels import NA_WORDS
from mertools.targets import Target
from mertools.tracks import Column, Columns, ReferenceScorer, Track
from mertools.tracks.columns import coded, objects, stack
from submissions import problems as codes
from submissions.cells import plain_number
from submissions.names import join_keys, shown
from submissions.problems import Problem, harmless
from submissions.reading import read_table, readable_or_raise
from submissions.table import Table
from submissions.truth import Truth, odd, read_words
from submissions.validation import check

if TYPE_CHECKING:
    from mertools.wheels import Groups

_EXPECTED = (codes.CONTAINER, codes.PREDICTIONS_FILE)  # nothing odd: what is scored need not be packaged yet
PREFERENCES = ("a1", "a2", "same")


@dataclass(frozen=True)
class Aligned:
    """One file beside the truth.

    Attributes:
        columns: kind -> truth and prediction, what metrics compare.
        truth: the rows that are scored.
        warnings: oddities of the file.
    """

    columns: Columns
    truth: Truth
    warnings: tuple[Problem, ...]


def align(
    track: Track,
    scorer: ReferenceScorer,
    path: Path,
    truth: Truth,
    candidates: list[str] | None,
    groups: Groups | None = None,
) -> Aligned:
    """Read a submission and put it beside the truth.

    Args:
        track: the track.
        scorer: what its scorer stops at.
        path: the submission.
        truth: the annotations.
        candidates: the clips to predict, if known; oddities are told against them.
        groups: groups of synonyms, for a track that needs them; rows without are left out.

    Raises:
        SubmissionError: if it cannot be read, or the organisers' code would stop at it.
    """
    table = read_table(path, track)
    readable_or_raise(table, path)
    _require_columns(track, table, path)
    _require_widths(table, path)
    holding = {target.name: track.upload.holding(target.name) for target in track.targets}
    cells = {name: table.cells(column.name) for name, column in holding.items()}
    if scorer.all_labels:
        for target in track.targets:
            if target.kind == "classes":
                for cell in set(cells[target.name]):
                    if cell not in holding[target.name].allowed:
                        at = cells[target.name].index(cell)
                        raise _stop(target, holding[target.name], cell, path, table.numbers[at])
    row_of = {name: i for i, name in enumerate(join_keys([table.cells(key) for key in track.upload.keys]))}
    _require_names(scorer, row_of, truth.names, path)
    rows = [row_of[name] for name in truth.names]
    said = {}
    for target in track.targets:
        column = holding[target.name]
        known: dict[str, Any] = {}
        for row in rows:
            cell = cells[target.name][row]
            if cell not in known:
                known[cell] = _prediction(target, column, cell, path, table.numbers[row])
        said[target.name] = [known[cells[target.name][row]] for row in rows]
    odd_rows = check(replace_count(track, candidates), table, path.name, candidates)
    warnings = [replace(p, severity="warning") for p in odd_rows if p.code not in _EXPECTED]
    if groups is not None:
        return _grouped(truth, said, groups, warnings)
    true = stack(track.targets, {t.name: coded(t, truth.annotations[t.name], "true") for t in track.targets})
    guessed = stack(track.targets, {t.name: coded(t, said[t.name], "predicted") for t in track.targets})
    return Aligned({kind: (true[kind], guessed[kind]) for kind in true}, truth, tuple(warnings))


def _grouped(truth: Truth, said: Mapping[str, list[Any]], groups: Groups, warnings: list[Problem]) -> Aligned:
    """Words mapped by groups of synonyms; only rows with a group are scored, as in the organisers' code."""
    (name,) = said
    found = groups.columns(truth.names, objects(truth.annotations[name]), objects(said[name]))
    if found.without:
        what = f"no groups of synonyms for {len(found.without)} clips, first {found.without[0]}; they are not scored"
        warnings.append(odd("MER-S161", what, "groups for every clip"))
    columns: Columns = {"labels": (found.truth, found.prediction)}
    return Aligned(columns, truth.rows([int(i) for i in found.rows]), tuple(warnings))


def replace_count(track: Track, candidates: list[str] | None) -> Track:
    """The track without its official number of rows, which no score depends on, unless candidates are given."""
    return track if candidates is not None else replace(track, candidates=replace(track.candidates, count=None))


def words_of(track: Track, path: Path, truth: Truth) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Names, true and predicted words of the annotated rows that a file predicts, for making groups of synonyms."""
    (target,) = track.targets
    column = track.upload.holding(target.name)
    table = read_table(path, track)
    readable_or_raise(table, path)
    _require_columns(track, table, path)
    names = join_keys([table.cells(key) for key in track.upload.keys])
    said = dict(zip(names, table.cells(column.name), strict=True))
    rows = [i for i, name in enumerate(truth.names) if name in said]
    true = [truth.annotations[target.name][i] for i in rows]
    found = [truth.names[i] for i in rows]
    return found, objects(true), objects([read_words(column, said[name]) for name in found])


def _require_columns(track: Track, table: Table, path: Path) -> None:
    for name in (*track.upload.keys, *(track.upload.holding(target.name).name for target in track.targets)):
        if name not in table.header:
            raise SubmissionError(
                "MER-S077",
                f"{path}, row 1: there is no column '{name}', and the organisers' scorer stops; "
                f"found: {harmless(','.join(table.header), longest=200)}.{did_you_mean(name, table.header)}",
                "Write the column, or run: mertools submission validate --fix --out NEW_FILE ...",
            )


def _require_widths(table: Table, path: Path) -> None:
    if table.even:
        return
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
            f"{what} ({len(found)}): {', '.join(map(shown, found[:5]))}{', ...' if len(found) > 5 else ''}."
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


def _prediction(target: Target, column: Column, cell: str, path: Path, row: int) -> Any:
    if target.kind == "labels":
        try:
            return read_words(column, cell)
        except SubmissionError as error:
            raise SubmissionError(error.code, f"{path}, row {row}: {error.message}", error.hint) from None
    if target.kind == "classes" and cell in column.allowed:
        return target.classes[column.allowed.index(cell)]
    if target.kind == "preference" and cell in PREFERENCES:
        return cell
    if target.kind == "value":
        number = plain_number(cell) if cell not in NA_WORDS else None
        if number is not None and math.isfinite(number):
            return number
    raise _stop(target, column, cell, path, row)


def _stop(target: Target, column: Column, cell: str, path: Path, row: int) -> SubmissionError:
    """The organisers' code stops at this cell."""
    where = f"{path}, row {row}, column {column.name}"
    if target.kind == "value":
        return SubmissionError(
            "MER-S081",
            f"{where}: '{harmless(cell)}' is not a finite number; the organisers' scorer stops.",
            "Write a number.",
        )
    allowed = PREFERENCES if target.kind == "preference" else column.allowed
    return SubmissionError(
        "MER-S082",
        f"{where}: label '{harmless(cell)}' is not one of {', '.join(allowed)}; "
        f"the organisers' scorer stops.{did_you_mean(cell, allowed)}",
        "Mend it by hand, or run: mertools submission validate --fix --out NEW_FILE ...",
    )
