"""`Table`: a file of text cells, whatever format it had, with everything odd about its bytes noted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from operator import itemgetter

from submissions import problems as codes
from submissions.problems import Problem

MAX_ROWS = 5_000_000
MAX_COLUMNS = 1_000


@dataclass
class Table:
    """A file of text cells.

    Attributes:
        header: names of the columns.
        rows: cells of the rows that have any.
        numbers: row number of each of them in the file; in a CSV the header is row 1, elsewhere the first row is.
        member: name of the file inside the zip; empty if there is no zip.
        zipped: whether it came out of a zip.
        kind: format that it was read from: ``csv``, ``npz`` or ``texts``.
        ours: whether it was a predictions CSV and not yet the upload; its form is then no defect.
        problems: what is wrong with its bytes and its container.
    """

    header: list[str] = field(default_factory=list)
    rows: list[list[str]] = field(default_factory=list)
    numbers: Sequence[int] = ()
    member: str = ""
    zipped: bool = False
    kind: str = "csv"
    ours: bool = False
    problems: list[Problem] = field(default_factory=list)

    @property
    def readable(self) -> bool:
        """Whether there is a header to speak of."""
        return bool(self.header)

    @property
    def even(self) -> bool:
        """Whether every row has as many cells as the header."""
        return set(map(len, self.rows)) <= {len(self.header)}

    def cells(self, column: str) -> list[str]:
        """Cells of the first column of that name; empty where a row is too short."""
        return self.cells_at(self.header.index(column))

    def cells_at(self, position: int) -> list[str]:
        """Cells of a column by position; empty where a row is too short."""
        if self.even:
            return list(map(itemgetter(position), self.rows))
        return [row[position] if position < len(row) else "" for row in self.rows]

    def note(self, code: str, found: str, expected: str, mend: str, *, row: int | None = None) -> None:
        """Add an error to `problems`."""
        self.problems.append(Problem(code, "error", row, None, found, expected, mend))

    def note_size(self, found: str, expected: str, row: int | None = None) -> None:
        """Note that the file is larger than any submission."""
        self.note(codes.TOO_LARGE, found, expected, "Check that this is the right file.", row=row)
