"""From a file to a table of text cells, with everything odd about its bytes noted. Cells are never guessed at."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice
from operator import itemgetter
from pathlib import Path

from mertools.errors import SubmissionError
from submissions import problems as codes
from submissions.archive import MAX_BYTES, is_zip, open_zip
from submissions.names import join_keys, shown
from submissions.problems import Problem, is_valid

MAX_ROWS = 1_000_000
MAX_COLUMNS = 1_000
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


@dataclass
class Table:
    """A file of text cells.

    Attributes:
        header: cells of the first row.
        rows: cells of the rows below that have any.
        numbers: row number of each of them in the file, the header being row 1.
        member: name of the file inside the zip; empty if there is no zip.
        zipped: whether it came out of a zip.
        problems: what is wrong with its bytes and its container.
    """

    header: list[str] = field(default_factory=list)
    rows: list[list[str]] = field(default_factory=list)
    numbers: Sequence[int] = ()
    member: str = ""
    zipped: bool = False
    problems: list[Problem] = field(default_factory=list)

    @property
    def readable(self) -> bool:
        """Whether there is a header to speak of."""
        return bool(self.header)

    def cells(self, column: str) -> list[str]:
        """Cells of the first column of that name; empty where a row is too short."""
        return self.cells_at(self.header.index(column))

    def cells_at(self, position: int) -> list[str]:
        """Cells of a column by position; empty where a row is too short."""
        if self.even:
            return list(map(itemgetter(position), self.rows))
        return [row[position] if position < len(row) else "" for row in self.rows]

    @property
    def even(self) -> bool:
        """Whether every row has as many cells as the header."""
        return set(map(len, self.rows)) <= {len(self.header)}


def read_table(path: Path, *, suffix: str = ".csv", columns: Sequence[str] = ()) -> Table:
    """Read a CSV file, or the one in a zip.

    Args:
        path: the file.
        suffix: what data files in a zip end in.
        columns: the columns hoped for; with them another separator than the comma is recognised.

    Returns:
        The table; what could not be read is among its problems.

    Raises:
        SubmissionError: if there is no such file.
    """
    content = _bytes(Path(path))
    if content is None:
        return Table(problems=[_too_large(f"more than {MAX_BYTES} bytes", f"at most {MAX_BYTES} bytes")])
    if not is_zip(content):
        if Path(path).suffix.lower() == ".zip":
            broken = Problem(
                codes.BROKEN_ZIP, "error", None, None, "a file that is no zip", "a zip", "Make the zip again."
            )
            return Table(problems=[broken], zipped=True)
        return parse(content, columns)
    opened = open_zip(content, suffix)
    table = Table() if opened.content is None else parse(opened.content, columns)
    table.zipped, table.member = True, opened.member
    table.problems = opened.problems + table.problems
    return table


def parse(content: bytes, columns: Sequence[str] = ()) -> Table:
    """Parse the bytes of a CSV file; see `read_table`."""
    table = Table()
    if not content.strip():
        table.problems.append(_problem(codes.EMPTY_FILE, "an empty file", "a header and rows", "Write the file again."))
        return table
    if content.startswith(b"\xef\xbb\xbf"):
        content = content[3:]
        table.problems.append(
            _problem(
                codes.BYTE_ORDER_MARK,
                "a byte order mark before the header",
                "UTF-8 without it",
                f"Save as plain UTF-8, {codes.RUN_FIX}",
                row=1,
            )
        )
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        table.problems.append(
            _problem(codes.NOT_UTF8, f"byte {content[error.start]:#04x}", "UTF-8 text", "Save as UTF-8.", row=line)
        )
        return table
    _note_line_ends(text, table)
    _note_control_characters(text, table)
    _split(text, columns, table)
    return table


def read_names(path: Path, keys: Sequence[str]) -> list[str]:
    """Keys of the rows of a candidate list, in order.

    Raises:
        SubmissionError: if it is missing, unreadable, lacks a key column, or repeats a row.
    """
    table = trusted_table(path, keys, "candidate list")
    names = join_keys([table.cells(key) for key in keys])
    if len(set(names)) < len(names):
        name, _ = Counter(names).most_common(1)[0]
        row = table.numbers[len(names) - 1 - names[::-1].index(name)]
        raise SubmissionError(
            "MER-S064", f"{path}, row {row}: the candidate {shown(name)} stands twice.", "Give each row once."
        )
    return names


def trusted_table(path: Path, columns: Sequence[str], what: str) -> Table:
    """A CSV that the user vouches for (candidates, truth): any defect of its form is an error.

    Raises:
        SubmissionError: if it is missing, unreadable, lacks one of `columns` or has a row of another width.
    """
    table = read_table(path, columns=columns)
    fatal = [p for p in table.problems if p.code in (codes.NOT_UTF8, codes.NOT_CSV, codes.TOO_LARGE, codes.EMPTY_FILE)]
    if fatal or not table.readable:
        reason = (fatal or table.problems)[0]
        raise SubmissionError("MER-S065", f"the {what} {path} cannot be read: {reason.found}.", reason.mend)
    missing = [c for c in columns if c not in table.header]
    if missing:
        raise SubmissionError(
            "MER-S066",
            f"the {what} {path} has no column {' and '.join(missing)}; found: {', '.join(table.header)}.",
            f"Expected columns: {', '.join(columns)}.",
        )
    for number, row in zip(table.numbers, table.rows, strict=True) if not table.even else ():
        if len(row) != len(table.header):
            raise SubmissionError(
                "MER-S067", f"the {what} {path}, row {number}: {len(row)} cells, expected {len(table.header)}."
            )
    if not table.rows:
        raise SubmissionError("MER-S068", f"the {what} {path} has a header and no rows.")
    return table


def readable_or_raise(table: Table, path: Path) -> None:
    """Stop where no table came out of the file.

    Raises:
        SubmissionError: with the first error found.
    """
    if not table.readable:
        worst = next((p for p in table.problems if not is_valid([p])), table.problems[0])
        raise SubmissionError(worst.code, f"{path}: found {worst.found}; expected {worst.expected}.", worst.mend)


def _bytes(path: Path) -> bytes | None:
    if not path.is_file():
        raise SubmissionError(codes.NOT_FOUND, f"{path} is not a file.", "Check the path.")
    with path.open("rb") as file:
        content = file.read(MAX_BYTES + 1)
    return content if len(content) <= MAX_BYTES else None


def _split(text: str, columns: Sequence[str], table: Table) -> None:
    separator = _separator(text, columns)
    if separator != ",":
        table.problems.append(
            _problem(
                codes.SEPARATOR,
                "tabs between cells" if separator == "\t" else f"'{separator}' between cells",
                "commas",
                f"Write commas, {codes.RUN_FIX}",
                row=1,
            )
        )
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    try:
        rows = list(islice(reader, MAX_ROWS + 1))
    except csv.Error as error:
        found = f"a line that is not CSV ({error})"
        table.problems.append(
            _problem(codes.NOT_CSV, found, "quotes closed, no stray quotes", "Mend the line.", row=reader.line_num)
        )
        return
    widest = max(map(len, rows))
    if len(rows) > MAX_ROWS or widest > MAX_COLUMNS:
        what = f"more than {MAX_ROWS} rows" if len(rows) > MAX_ROWS else f"{widest} columns"
        row = len(rows) if len(rows) > MAX_ROWS else 1 + next(i for i, r in enumerate(rows) if len(r) == widest)
        table.problems.append(_too_large(what, f"at most {MAX_ROWS} rows of {MAX_COLUMNS} cells", row=row))
        return
    blank = [number for number, row in enumerate(rows, start=1) if not row] if [] in rows else []
    if blank:
        table.problems.append(
            _problem(
                codes.BLANK_LINES, f"{len(blank)} empty lines", "none", f"Delete them, {codes.RUN_FIX}", row=blank[0]
            )
        )
    kept = [(number, row) for number, row in enumerate(rows, start=1) if row] if blank else None
    table.header = kept[0][1] if kept else rows[0]
    table.rows = [row for _, row in kept[1:]] if kept else rows[1:]
    table.numbers = [number for number, _ in kept[1:]] if kept else range(2, len(rows) + 1)


def _separator(text: str, columns: Sequence[str]) -> str:
    head = text.lstrip("\r\n").split("\n", 1)[0].strip().lower()
    wanted = {c.lower() for c in columns}
    if len(wanted) > 1 and "," not in head:
        for separator in (";", "\t"):
            if len(wanted & {cell.strip().strip('"') for cell in head.split(separator)}) > 1:
                return separator
    return ","


def _note_line_ends(text: str, table: Table) -> None:
    n = text.count("\r")
    if n:
        row = text.count("\n", 0, text.index("\r")) + 1
        table.problems.append(
            _problem(
                codes.LINE_ENDS, f"{n} carriage returns", "line feeds alone", f"Save with LF, {codes.RUN_FIX}", row=row
            )
        )


def _note_control_characters(text: str, table: Table) -> None:
    for match in _CONTROL.finditer(text):
        row = text.count("\n", 0, match.start()) + 1
        found = f"control character {ord(match.group()):#04x}"
        table.problems.append(_problem(codes.CONTROL_CHARACTER, found, "printable text", "Delete it.", row=row))
        if sum(p.code == codes.CONTROL_CHARACTER for p in table.problems) == 100:
            return


def _too_large(found: str, expected: str, row: int | None = None) -> Problem:
    return _problem(codes.TOO_LARGE, found, expected, "Check that this is the right file.", row=row)


def _problem(code: str, found: str, expected: str, mend: str, *, row: int | None = None) -> Problem:
    return Problem(code, "error", row, None, found, expected, mend)
