"""`ensemble`: several predictions of the same rows as one.

``mean``: probabilities and numbers are averaged; the label is the most probable one, the first in the track's order
among equals. ``vote``: the label with the most weight; among equals that of the file named first. ``support``: a word
of an open set is kept if files with at least `threshold` of the weight have it, the most supported first.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from mertools.errors import ConfigError, SubmissionError
from mertools.files import write_text_atomically
from mertools.tracks import Column, Track, get_track
from submissions.cells import plain_number
from submissions.names import join_keys, shown
from submissions.ours import classes_of
from submissions.reading import read_table, readable_or_raise
from submissions.table import Table
from submissions.truth import read_words
from submissions.weighting import read_weights

How = Literal["mean", "vote", "support"]
THRESHOLD = 0.5


@dataclass(frozen=True)
class Ensemble:
    """What was put together.

    Attributes:
        file: where it was written.
        rows: how many rows.
        how: column -> how its cells were put together.
        weights: file -> its share.
        ties: rows in which files voted equally and the first of them decided.
    """

    file: str
    rows: int
    how: Mapping[str, str]
    weights: Mapping[str, float]
    ties: int

    def as_json(self) -> dict[str, Any]:
        """The document of ``submission ensemble --json``."""
        return {
            "out": self.file,
            "rows": self.rows,
            "how": dict(self.how),
            "weights": dict(self.weights),
            "ties": self.ties,
        }


@dataclass(frozen=True)
class _Member:
    path: Path
    table: Table
    row_of: dict[str, int]

    def cells(self, column: str, keys: Sequence[str]) -> list[str]:
        cells = self.table.cells(column)
        return [cells[self.row_of[key]] for key in keys]


def ensemble(
    track: str | Track,
    files: Sequence[Path | str],
    out: Path | str,
    *,
    how: How | None = None,
    weights: str | Sequence[float] | None = None,
    threshold: float = THRESHOLD,
) -> Ensemble:
    """Put predictions of the same rows together and write a predictions CSV that `package` takes.

    Args:
        track: the track or its id.
        files: predictions CSVs or uploads, at least two.
        out: the CSV to write.
        how: see the module; unless given, ``mean`` where every file has probabilities or the column is a number,
            ``support`` for open sets, ``vote`` else. Numbers are averaged in any case.
        weights: a number per file, a file of weights, or ``oof``; see `submissions.weighting.read_weights`.
        threshold: share of the weight that a word needs, in (0, 1].

    Raises:
        SubmissionError: if files differ in their rows or label sets, repeat a row, or lack a column or probabilities.
        ConfigError: if options do not fit the track.
    """
    track = track if isinstance(track, Track) else get_track(track)
    paths = [Path(file) for file in files]
    if len(paths) < 2:
        raise ConfigError("MER-S170", f"an ensemble of {len(paths)} files.", "Name at least two predictions files.")
    if not 0 < threshold <= 1:
        raise ConfigError("MER-S171", f"a threshold of {threshold:g}.", "Expected a share above 0, at most 1.")
    if Path(out).resolve() in [path.resolve() for path in paths]:
        raise SubmissionError("MER-S073", f"{out} is one of the files.", "Name another file with --out.")
    members = [_read(track, path) for path in paths]
    _require_same_rows(members)
    shares = read_weights(track, paths, weights)
    keys = list(members[0].row_of)
    made = _Maker(track, members, shares, keys, how, threshold)
    columns = made.columns()
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))
    write_text_atomically(Path(out), text.getvalue())
    named = {str(path): float(share) for path, share in zip(paths, shares, strict=True)}
    return Ensemble(str(out), len(keys), made.done, named, made.ties)


class _Maker:
    """Column after column of an ensemble."""

    def __init__(
        self,
        track: Track,
        members: Sequence[_Member],
        shares: np.ndarray,
        keys: Sequence[str],
        how: How | None,
        threshold: float,
    ) -> None:
        self.track, self.members, self.shares, self.keys = track, members, shares, keys
        self.how, self.threshold = how, threshold
        self.done: dict[str, str] = {}
        self.ties = 0

    def columns(self) -> dict[str, list[str]]:
        """Name -> cells: keys, targets, probabilities."""
        columns: dict[str, list[str]] = {}
        probabilities: dict[str, list[str]] = {}
        for column in self.track.upload.columns:
            name = _our_name(column)
            if column.kind == "key":
                columns[name] = self.members[0].cells(column.name, self.keys)
            elif not column.required and any(column.name not in m.table.header for m in self.members):
                continue
            elif column.kind == "number":
                columns[name] = self._numbers(column)
            elif column.kind == "labels":
                columns[name] = self._words(column)
            elif column.kind in ("label", "preference"):
                columns[name], more = self._labels(column)
                probabilities |= more
            else:
                raise ConfigError(
                    "MER-S172", f"texts in column {column.name} cannot be put together.", "Choose one file."
                )
        return columns | probabilities

    def _numbers(self, column: Column) -> list[str]:
        self.done[column.name] = "mean"
        total = np.zeros(len(self.keys))
        for member, share in zip(self.members, self.shares, strict=True):
            total += share * _as_numbers(member, column.name, self.keys)
        return [repr(float(value)) for value in total]

    def _words(self, column: Column) -> list[str]:
        if self.how not in (None, "support"):
            raise ConfigError("MER-S173", f"--how {self.how} for open sets of words.", "Use --how support.")
        from mertools.openset import format_words

        self.done[column.name] = f"support of at least {self.threshold:g}"
        rows: list[Counter[str]] = [Counter() for _ in self.keys]
        for member, share in zip(self.members, self.shares, strict=True):
            for row, cell in zip(rows, member.cells(column.name, self.keys), strict=True):
                for word in dict.fromkeys(w.strip().lower() for w in read_words(column, cell)):
                    row[word] += share
        kept = [
            [word for word, support in sorted(row.items(), key=lambda i: -i[1]) if support >= self.threshold - 1e-9]
            for row in rows
        ]
        return [format_words(words, column.words or "mer2025") for words in kept]

    def _labels(self, column: Column) -> tuple[list[str], dict[str, list[str]]]:
        single = sum(c.kind in ("label", "preference") for c in self.track.upload.columns) == 1
        have = [_probability_labels(member) for member in self.members]
        if self.how == "mean" and not (single and all(have)):
            lacking = next((m.path for m, labels in zip(self.members, have, strict=True) if not labels), None)
            why = f"{lacking} has no prob_ columns" if lacking and single else "it has several columns of labels"
            raise SubmissionError("MER-S174", f"labels cannot be averaged: {why}.", "Use --how vote.")
        if self.how == "support":
            raise ConfigError("MER-S173", f"--how support for the labels in {column.name}.", "Use mean or vote.")
        if self.how == "vote" or not (single and all(have)):
            return self._vote(column), {}
        return self._mean(column, have)

    def _vote(self, column: Column) -> list[str]:
        self.done[column.name] = "vote, the first file among equals"
        votes = [member.cells(column.name, self.keys) for member in self.members]
        for member, cells in zip(self.members, votes, strict=True):
            wrong = next((i for i, cell in enumerate(cells) if cell not in column.allowed), None)
            if wrong is not None:
                raise SubmissionError(
                    "MER-S175",
                    f"{member.path}: '{cells[wrong]}' for {shown(self.keys[wrong])} is not one of "
                    f"{', '.join(column.allowed)}.",
                    "Mend it with: mertools submission validate --fix",
                )
        chosen = []
        for cells in zip(*votes, strict=True):
            weight: Counter[str] = Counter()
            for cell, share in zip(cells, self.shares, strict=True):
                weight[cell] += share
            best = max(weight.values())
            tied = [cell for cell, total in weight.items() if total >= best - 1e-9]
            self.ties += len(tied) > 1
            chosen.append(tied[0])  # a Counter keeps the order in which labels were first said
        return chosen

    def _mean(self, column: Column, have: Sequence[tuple[str, ...]]) -> tuple[list[str], dict[str, list[str]]]:
        self.done[column.name] = "mean of probabilities"
        classes = classes_of(self.track, column) or column.allowed
        for member, labels in zip(self.members, have, strict=True):
            if set(labels) != set(classes):
                apart = sorted(set(labels) ^ set(classes))
                raise SubmissionError(
                    "MER-S176",
                    f"{member.path} has probabilities of other labels than {self.track.id}: {', '.join(apart)}.",
                    f"Expected prob_ columns of: {', '.join(classes)}.",
                )
        total = np.zeros((len(self.keys), len(classes)))
        for member, share in zip(self.members, self.shares, strict=True):
            found = [_as_numbers(member, f"prob_{label}", self.keys) for label in classes]
            total += share * np.stack(found, axis=1)
        chosen = [column.allowed[i] for i in total.argmax(axis=1)]
        return chosen, {f"prob_{c}": [repr(float(p)) for p in total[:, i]] for i, c in enumerate(classes)}


def _our_name(column: Column) -> str:
    """What a predictions CSV calls a column: its own name, or the one it is made of."""
    made_of = column.made_of
    return made_of[1:-1] if made_of.startswith("{") and made_of.endswith("}") and ":" not in made_of else column.name


def _read(track: Track, path: Path) -> _Member:
    table = read_table(path, track)
    readable_or_raise(table, path)
    required = [column.name for column in track.upload.columns if column.required]
    missing = [name for name in required if name not in table.header]
    if missing:
        raise SubmissionError(
            "MER-S177",
            f"{path} has no column {' and '.join(missing)}; found: {', '.join(table.header[:20])}.",
            f"Expected predictions for {track.id}.",
        )
    if not table.even:
        bad = next(n for n, row in zip(table.numbers, table.rows, strict=True) if len(row) != len(table.header))
        raise SubmissionError("MER-S177", f"{path}, row {bad}: another number of cells than the header.", "Mend it.")
    keys = join_keys([table.cells(key) for key in track.upload.keys])
    row_of = {key: i for i, key in enumerate(keys)}
    if len(row_of) < len(keys):
        twice = shown(Counter(keys).most_common(1)[0][0])
        raise SubmissionError("MER-S178", f"{path} predicts '{twice}' more than once.", "Delete one of the rows.")
    if not keys:
        raise SubmissionError("MER-S177", f"{path} has a header and no rows.", "Name a file with predictions.")
    return _Member(path, table, row_of)


def _require_same_rows(members: Sequence[_Member]) -> None:
    first = members[0]
    for other in members[1:]:
        lacking = [key for key in first.row_of if key not in other.row_of]
        more = [key for key in other.row_of if key not in first.row_of]
        if lacking or more:
            parts = [
                f"{len(keys)} only in {path}: {', '.join(map(shown, keys[:5]))}{', ...' if len(keys) > 5 else ''}"
                for keys, path in ((lacking, first.path), (more, other.path))
                if keys
            ]
            raise SubmissionError(
                "MER-S179", f"the files predict different rows; {'; '.join(parts)}.", "Predict the same candidates."
            )


def _probability_labels(member: _Member) -> tuple[str, ...]:
    return tuple(name.removeprefix("prob_") for name in member.table.header if name.startswith("prob_"))


def _as_numbers(member: _Member, column: str, keys: Sequence[str]) -> np.ndarray:
    numbers = np.empty(len(keys))
    for i, cell in enumerate(member.cells(column, keys)):
        number = plain_number(cell)
        if number is None or not np.isfinite(number):
            raise SubmissionError(
                "MER-S187", f"{member.path}, column {column}: '{cell}' for {shown(keys[i])} is no number.", "Mend it."
            )
        numbers[i] = number
    return numbers
