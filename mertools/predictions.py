"""`Predictions`: what a model says about clips, keyed by name; CSV in and out.

Columns: ``name, discrete, prob_<label>..., <value>...`` as far as present; further kinds of predictions
(``openset``, ``description``, ``preference``) are columns of text. Where a clip has several rows, further columns tell
them apart: ``name, frame, <value>...`` per frame, ``name, a1, a2, preference`` per pair of descriptions. Persons
instead of clips are keyed by ``id``.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

from mertools.errors import SubmissionError
from mertools.files import write_text_atomically


@dataclass(frozen=True)
class Predictions:
    """Predictions for N clips.

    Attributes:
        names: clip names, length N; unique unless `keys` tells rows apart.
        labels: class labels in index order; empty if nothing discrete is predicted.
        probabilities: ``(N, len(labels))``, rows sum to 1.
        values: continuous targets, each ``(N,)``.
        texts: text targets (open labels, descriptions), each of length N.
        keys: further columns that identify a row (``frame``; ``a1`` and ``a2``), each of length N.
        key: what the column of names is called: ``name`` or ``id``.
    """

    names: tuple[str, ...]
    labels: tuple[str, ...] = ()
    probabilities: np.ndarray = field(default_factory=lambda: np.zeros((0, 0)))
    values: Mapping[str, np.ndarray] = field(default_factory=dict)
    texts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    keys: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    key: Literal["name", "id"] = "name"

    def __post_init__(self) -> None:
        """Check shapes and names.

        Raises:
            SubmissionError: for repeated names or arrays of another length.
        """
        for name, cells in self.keys.items():
            if len(cells) != len(self.names):
                raise SubmissionError("MER-S003", f"'{name}' has {len(cells)} rows, expected {len(self.names)}.")
        if len(set(self.row_keys)) != len(self.names):
            row, n = Counter(self.row_keys).most_common(1)[0]
            raise SubmissionError(
                "MER-S001", f"predictions hold '{' '.join(row)}' {n} times.", f"Predict each {self._row} once."
            )
        expected = (len(self.names), len(self.labels))
        if self.labels and self.probabilities.shape != expected:
            raise SubmissionError(
                "MER-S002", f"probabilities have shape {self.probabilities.shape}, expected {expected}."
            )
        for name, column in [*self.values.items(), *self.texts.items()]:
            if len(column) != len(self.names):
                raise SubmissionError("MER-S003", f"'{name}' has {len(column)} rows, expected {len(self.names)}.")

    @property
    def row_keys(self) -> tuple[tuple[str, ...], ...]:
        """What identifies each row: the name, and the cells of `keys`."""
        return tuple(zip(self.names, *self.keys.values(), strict=True))

    @property
    def _row(self) -> str:
        return "clip" if not self.keys else f"{self.key}, {', '.join(self.keys)}"

    @property
    def discrete(self) -> tuple[str, ...]:
        """The most probable label per clip (first of equals); empty if there are no labels."""
        if not self.labels:
            return ()
        return tuple(self.labels[i] for i in self.probabilities.argmax(axis=1))

    def write(self, path: Path) -> None:
        """Write the CSV atomically; numbers with enough digits to read back the same float64."""
        columns: dict[str, tuple[str, ...]] = {self.key: self.names, **self.keys}
        if self.labels:
            columns["discrete"] = self.discrete
        columns |= {name: tuple(repr(float(v)) for v in value) for name, value in self.values.items()}
        columns |= {name: tuple(text) for name, text in self.texts.items()}
        for index, label in enumerate(self.labels):
            columns[f"prob_{label}"] = tuple(repr(float(p)) for p in self.probabilities[:, index])
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))
        write_text_atomically(path, out.getvalue())

    @classmethod
    def read(cls, path: Path) -> Predictions:
        """Read a CSV that `write` wrote.

        Raises:
            SubmissionError: if it is missing, has no ``name`` column, a column or name twice, a row of another width,
                a probability that is no number, or a label that is not the most probable one.
        """
        try:
            with Path(path).open(encoding="utf-8-sig", newline="") as file:
                header, *rows = list(csv.reader(file, strict=True)) or [[]]
        except FileNotFoundError:
            raise SubmissionError("MER-S004", f"{path} does not exist.", "Write it with: mertools predict") from None
        except (csv.Error, UnicodeDecodeError) as error:
            raise SubmissionError("MER-S005", f"{path} is not a UTF-8 CSV file: {error}.") from None
        key: Literal["name", "id"] = "id" if "id" in header and "name" not in header else "name"
        if key not in header:
            raise SubmissionError("MER-S006", f"{path}, row 1: there is no column 'name'; found: {', '.join(header)}.")
        repeated = [column for column, n in Counter(header).items() if n > 1]
        if repeated:
            raise SubmissionError("MER-S009", f"{path}, row 1: column '{repeated[0]}' stands twice.", "Delete one.")
        for number, row in enumerate(rows, start=2):
            if len(row) != len(header):
                raise SubmissionError("MER-S007", f"{path}, row {number}: {len(row)} cells, expected {len(header)}.")
        table = {column: tuple(row[i] for row in rows) for i, column in enumerate(header)}
        labels = tuple(c.removeprefix("prob_") for c in header if c.startswith("prob_"))
        probabilities = np.array([_numbers(path, f"prob_{label}", table[f"prob_{label}"]) for label in labels]).T
        further = _further_keys(header)
        known = {key, "discrete", *further}
        rest = [c for c in header if c not in known and not c.startswith("prob_")]
        values = {c: _numbers(path, c, table[c]) for c in rest if _numeric(table[c])}
        texts = {c: table[c] for c in rest if c not in values}
        if not labels and "discrete" in table:
            texts["discrete"] = table["discrete"]
        keys = {c: table[c] for c in further}
        found = cls(table[key], labels, probabilities if labels else np.zeros((0, 0)), values, texts, keys, key)
        found._require_discrete(table.get("discrete", ()), path)
        return found

    def _require_discrete(self, written: tuple[str, ...], path: Path) -> None:
        """A file whose labels and probabilities disagree would be scored one way and ensembled another."""
        for row, (label, probable) in enumerate(zip(written, self.discrete, strict=False), start=2):
            if label != probable:
                raise SubmissionError(
                    "MER-S084",
                    f"{path}, row {row} ('{self.names[row - 2]}'): discrete is '{label}', but '{probable}' is more "
                    "probable by the prob_ columns.",
                    "Delete the prob_ columns, or write the label that they give.",
                )


def _further_keys(header: list[str]) -> tuple[str, ...]:
    """Columns that tell rows of one clip apart."""
    if "frame" in header:
        return ("frame",)
    return ("a1", "a2") if {"a1", "a2", "preference"} <= set(header) else ()


def _numeric(cells: tuple[str, ...]) -> bool:
    try:
        return bool([float(c) for c in cells])
    except ValueError:
        return False


def _numbers(path: Path, column: str, cells: tuple[str, ...]) -> np.ndarray:
    for row, cell in enumerate(cells, start=2):
        try:
            float(cell)
        except ValueError:
            raise SubmissionError(
                "MER-S008", f"{path}, row {row}, column {column}: '{cell}' is not a number."
            ) from None
    return np.array([float(c) for c in cells])
