"""CSV: a header and rows. Cells are never guessed at, and a file that is fine is decoded once, in pieces."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from itertools import islice

from mertools.tracks import Upload
from submissions import problems as codes
from submissions import table as limits
from submissions.problems import RUN_FIX
from submissions.table import Table

_CONTROL = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_MAX_NOTED = 100


def read(content: bytes, upload: Upload) -> Table:
    """Parse the bytes of an upload.

    A first line that is prescribed and is not the names of the columns (`Upload.header`) is replaced by these.
    """
    table = parse(content, [column.name for column in upload.columns])
    if upload.header and table.readable:
        _settle_header(table, upload)
    return table


def write(table: Table, upload: Upload) -> bytes:
    """CSV bytes: UTF-8, line feeds, a header, quotes only where a cell needs them."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(upload.header or table.header)
    writer.writerows(table.rows)
    return out.getvalue().encode("utf-8")


def parse(content: bytes, columns: Sequence[str] = ()) -> Table:
    """Parse the bytes of any CSV file.

    Args:
        content: the bytes.
        columns: the columns hoped for; with them another separator than the comma is recognised.
    """
    table = Table()
    if content.startswith(b"\xef\xbb\xbf"):
        content = content[3:]
        mend = f"Save as plain UTF-8, {RUN_FIX}"
        table.note(codes.BYTE_ORDER_MARK, "a byte order mark before the header", "UTF-8 without it", mend, row=1)
    if not content.strip():
        table.note(codes.EMPTY_FILE, "an empty file", "a header and rows", "Write the file again.")
        return table
    _note_line_ends(content, table)
    _note_control_characters(content, table)
    try:
        _split(content, columns, table)
    except UnicodeDecodeError:
        table = Table(problems=table.problems)
        start = _first_undecodable(content)
        line = content.count(b"\n", 0, start) + 1
        table.note(codes.NOT_UTF8, f"byte {content[start]:#04x}", "UTF-8 text", "Save as UTF-8.", row=line)
    return table


def _split(content: bytes, columns: Sequence[str], table: Table) -> None:
    separator = _separator(content, columns)
    if separator != ",":
        found = "tabs between cells" if separator == "\t" else f"'{separator}' between cells"
        table.note(codes.SEPARATOR, found, "commas", f"Write commas, {RUN_FIX}", row=1)
    lines = io.TextIOWrapper(io.BytesIO(content), encoding="utf-8", newline="")
    reader = csv.reader(lines, delimiter=separator, strict=True)
    try:
        rows = list(islice(reader, limits.MAX_ROWS + 1))
    except csv.Error as error:
        found = f"a line that is not CSV ({error})"
        table.note(codes.NOT_CSV, found, "quotes closed, no stray quotes", "Mend the line.", row=reader.line_num)
        return
    widest = max(map(len, rows))
    if len(rows) > limits.MAX_ROWS or widest > limits.MAX_COLUMNS:
        many = len(rows) > limits.MAX_ROWS
        what = f"more than {limits.MAX_ROWS} rows" if many else f"{widest} columns"
        row = len(rows) if many else 1 + next(i for i, r in enumerate(rows) if len(r) == widest)
        table.note_size(what, f"at most {limits.MAX_ROWS} rows of {limits.MAX_COLUMNS} cells", row=row)
        return
    numbers: Sequence[int] = range(1, len(rows) + 1)
    if [] in rows:
        blank = [number for number, row in enumerate(rows, start=1) if not row]
        mend = f"Delete them, {RUN_FIX}"
        table.note(codes.BLANK_LINES, f"{len(blank)} empty lines", "none", mend, row=blank[0])
        numbers = [number for number, row in enumerate(rows, start=1) if row]
        rows = [row for row in rows if row]
    table.header, table.rows, table.numbers = rows[0], rows[1:], numbers[1:]


def _settle_header(table: Table, upload: Upload) -> None:
    """Where the first line is prescribed, the rows below have the upload's columns by position."""
    names, wanted = [column.name for column in upload.columns], list(upload.header)
    if table.header == wanted:
        table.header = names
        return
    expected = ",".join(wanted)
    if [cell.strip().lower() for cell in table.header] == [cell.lower() for cell in wanted]:
        table.note(codes.HEADER_SPELLING, ",".join(table.header), expected, f"Write it so, {RUN_FIX}", row=1)
        table.header = names
    elif table.header == names or (
        table.header[0] == names[0] and table.rows and {len(row) for row in table.rows} == {len(names)}
    ):
        table.note(codes.HEADER_LINE, ",".join(table.header), expected, f"Write it so, {RUN_FIX}", row=1)
        table.header = names


def _separator(content: bytes, columns: Sequence[str]) -> str:
    start = len(content) - len(content.lstrip(b"\r\n"))
    head = content[start : start + 100_000].split(b"\n", 1)[0].strip().lower().decode("utf-8", "replace")
    wanted = {c.lower() for c in columns}
    if len(wanted) > 1 and "," not in head:
        for separator in (";", "\t"):
            if len(wanted & {cell.strip().strip('"') for cell in head.split(separator)}) > 1:
                return separator
    return ","


def _note_line_ends(content: bytes, table: Table) -> None:
    n = content.count(b"\r")
    if n:
        row = content.count(b"\n", 0, content.index(b"\r")) + 1
        table.note(codes.LINE_ENDS, f"{n} carriage returns", "line feeds alone", f"Save with LF, {RUN_FIX}", row=row)


def _note_control_characters(content: bytes, table: Table) -> None:
    for match in islice(_CONTROL.finditer(content), _MAX_NOTED):
        row = content.count(b"\n", 0, match.start()) + 1
        found = f"control character {ord(match.group()):#04x}"
        table.note(codes.CONTROL_CHARACTER, found, "printable text", "Delete it.", row=row)


def _first_undecodable(content: bytes) -> int:
    try:
        content.decode("utf-8")
    except UnicodeDecodeError as error:
        return error.start
    raise AssertionError("the bytes are UTF-8 after all")  # pragma: no cover
