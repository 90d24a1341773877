"""One sheet of an XLSX file that somebody else made, with everything bounded before it is read."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mertools.errors import SubmissionError, did_you_mean

MAX_BYTES = 8 << 20
"""Largest file read (the organisers' have at most 0.1 MB)."""
MAX_UNPACKED = 32 << 20
MAX_RATIO = 200
MAX_MEMBERS = 200
MAX_ROWS = 50_000
MAX_COLUMNS = 200
SHEET = "Sheet1"

_COPY = "Copy the file again from a MERTools checkout."


@dataclass(frozen=True)
class Sheet:
    """Text cells of a sheet.

    Attributes:
        file: name of the file, for messages.
        header: cells of the first row.
        cells: the rows below; empty cells are "".
    """

    file: str
    header: list[str]
    cells: list[list[str]]

    def require(self, columns: Sequence[str]) -> None:
        """Check that all columns are there.

        Raises:
            SubmissionError: naming the first that is not.
        """
        for column in columns:
            if column not in self.header:
                shown = ", ".join(self.header[:20])
                raise SubmissionError(
                    "MER-S137",
                    f"{self.file} has no column '{column}'; found: {shown}.{did_you_mean(column, self.header)}",
                    _COPY,
                )

    def rows(self, *columns: str) -> Iterator[tuple[int, list[str]]]:
        """Row numbers in the file, the header being row 1, and the cells of the columns; rows all empty are left out.

        Raises:
            SubmissionError: if there is no row.
        """
        at = [self.header.index(column) for column in columns]
        if not self.cells:
            raise SubmissionError("MER-S138", f"{self.file} has a header and no rows.", _COPY)
        for row, cells in enumerate(self.cells, start=2):
            if any(cell.strip() for cell in cells):
                yield row, [cells[i] for i in at]

    def filled(self, row: int, column: str, cell: str) -> str:
        """The cell, which may not be empty.

        Raises:
            SubmissionError: if it is.
        """
        if not cell.strip():
            raise SubmissionError("MER-S138", f"{self.file}, row {row}: the cell of column {column} is empty.", _COPY)
        return cell


def read_sheet(file: str, content: bytes) -> Sheet:
    """The sheet ``Sheet1`` of a workbook.

    Args:
        file: name of the file, for messages.
        content: its bytes, at most `MAX_BYTES`.

    Raises:
        SubmissionError: if it is damaged, unpacks to too much, defines XML entities, or lacks the sheet.
    """
    _check_archive(file, content)
    from openpyxl import load_workbook

    try:
        book = load_workbook(io.BytesIO(content), read_only=True, data_only=True, keep_links=False)
        names = book.sheetnames
        rows = None if SHEET not in names else _rows(book[SHEET])
    except Exception as error:  # a damaged workbook makes openpyxl raise almost anything
        raise SubmissionError(
            "MER-S135", f"{file} is no readable workbook ({type(error).__name__}: {str(error)[:100]}).", _COPY
        ) from None
    if rows is None:
        raise SubmissionError("MER-S137", f"{file} has the sheets {', '.join(names)}; expected {SHEET}.", _COPY)
    if len(rows) > MAX_ROWS:
        raise SubmissionError("MER-S136", f"{file} has more than {MAX_ROWS} rows.", _COPY)
    header = [cell.strip() for cell in rows[0]] if rows else []
    width = len(header)
    return Sheet(file, header, [(row + [""] * width)[:width] for row in rows[1:]])


def _rows(sheet: object) -> list[list[str]]:
    sheet.reset_dimensions()  # type: ignore[attr-defined]  # what a file states may be wrong
    found = sheet.iter_rows(max_row=MAX_ROWS + 1, max_col=MAX_COLUMNS, values_only=True)  # type: ignore[attr-defined]
    return [["" if cell is None else str(cell) for cell in row] for row in found]


def _check_archive(file: str, content: bytes) -> None:
    """Bounds on what is unpacked; zipfile never reads more of a member than its stated size."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = archive.infolist()
            unpacked = sum(member.file_size for member in members)
            crammed = [m for m in members if m.file_size > max(MAX_RATIO * m.compress_size, 1 << 16)]
            if len(members) > MAX_MEMBERS or unpacked > MAX_UNPACKED or crammed:
                raise SubmissionError(
                    "MER-S136",
                    f"{file} unpacks to {unpacked} bytes in {len(members)} members; expected at most {MAX_UNPACKED} "
                    f"in {MAX_MEMBERS}, none compressed more than {MAX_RATIO} times.",
                    _COPY,
                )
            for member in members:
                xml = archive.read(member)
                if b"<!DOCTYPE" in xml or b"<!ENTITY" in xml or xml[:2] in (b"\xff\xfe", b"\xfe\xff"):
                    raise SubmissionError("MER-S135", f"{file}: {member.filename} defines XML entities.", _COPY)
    except SubmissionError:
        raise
    except Exception as error:  # zipfile too has many ways to say "damaged"
        raise SubmissionError("MER-S135", f"{file} is no readable workbook ({error}).", _COPY) from None
