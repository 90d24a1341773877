"""Tables as corpora ship them: CSV or xlsx with a header that may not be in the first row, and lists of pairs."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

from mertools.errors import CorpusError

_HEADER_WITHIN = 30  # rows; SAMM's sheet has explanations above its header


@dataclass(frozen=True)
class Row:
    """A row of a table.

    Attributes:
        number: where it stands in the file, the first row being 1.
        cells: the columns that were asked for, by the names they were asked under, stripped.
        first: the first cell, for tables whose first column has no name.
    """

    number: int
    cells: Mapping[str, str]
    first: str = ""

    def __getitem__(self, column: str) -> str:
        """The cell of a column; empty if it was optional and is not there."""
        return self.cells.get(column, "")


def rows_of(
    path: Path, columns: Mapping[str, Sequence[str]], optional: Mapping[str, Sequence[str]] | None = None
) -> Iterator[Row]:
    """Rows of a CSV or xlsx table below its header, one at a time; rows without any cell are passed over.

    Args:
        path: the table.
        columns: our name -> the names the column may have; case, blanks and signs do not count.
        optional: the same for columns that may be absent.

    Raises:
        CorpusError: ``MER-C282`` if there is no such file, ``MER-C283`` if it cannot be read, ``MER-C284`` if no row
            near the top holds all `columns`.
    """
    wanted = {**columns, **(optional or {})}
    places: dict[str, int] = {}
    above: list[tuple[str, ...]] = []
    for number, cells in enumerate(lines_of(path), start=1):
        if not places:
            header = _places(cells, wanted)
            if columns.keys() <= header.keys():
                places = header
            elif len(above) < _HEADER_WITHIN:
                above.append(tuple(cells))
            else:
                break
        elif any(cells):
            found = {name: cells[at] if at < len(cells) else "" for name, at in places.items()}
            yield Row(number, found, cells[0])
    if not places:
        raise _no_header(path, columns, above)


def pairs_of(path: Path) -> Iterator[tuple[int, str, str]]:
    """Lines of a list ``name label``, parted by blanks, a tab, a comma or a semicolon: row number, name, label.

    A name may hold blanks; further cells behind name and label are not allowed. A header is given back as any line.

    Raises:
        CorpusError: ``MER-C282`` if there is no such file, ``MER-C283`` if it is not text or a line is no pair.
    """
    with _readable(path), path.open(encoding="utf-8-sig") as file:
        for number, line in enumerate(file, start=1):
            text = line.strip().rstrip(",;")
            if not text:
                continue
            match = re.fullmatch(r"(.+?)[\s,;]+([^\s,;]+)", text)
            if match is None:
                raise CorpusError(
                    "MER-C283",
                    f"{path}, row {number}: '{text[:60]}' is not a name and a label.",
                    "Expected lines such as: image_1.jpg positive",
                )
            yield number, match[1].strip("'\""), match[2].strip("'\"")


def whole_number(cell: str, where: str, within: range | None = None) -> int:
    """The whole number in a cell.

    Raises:
        CorpusError: ``MER-C288`` if it is none, or lies outside `within`.
    """
    try:
        number: int | None = int(cell)
    except ValueError:
        number = None
    if number is None or (within is not None and number not in within):
        limits = f" from {within[0]} to {within[-1]}" if within else ""
        raise CorpusError("MER-C288", f"{where}: '{cell[:40]}' is not a whole number{limits}.", "Mend the cell.")
    return number


def lines_of(path: Path) -> Iterator[list[str]]:
    """Rows of a CSV or xlsx file as lists of stripped cells; errors as for `rows_of`."""
    if path.suffix.lower() == ".xlsx":
        yield from _lines_of_workbook(path)
        return
    if path.suffix.lower() == ".xls":
        raise CorpusError("MER-C283", f"{path} is an old Excel file.", "Save it as .xlsx or .csv beside it.")
    with _readable(path), path.open(encoding="utf-8-sig", newline="") as file:
        for cells in csv.reader(file, strict=True):
            yield [cell.strip() for cell in cells]


def _lines_of_workbook(path: Path) -> Iterator[list[str]]:
    from openpyxl import load_workbook

    with _readable(path):
        book = load_workbook(path, read_only=True, data_only=True)
        try:
            sheet: Any = book.worksheets[0]
            for cells in sheet.iter_rows(values_only=True):
                yield [_text(cell) for cell in cells]
        finally:
            book.close()


def _text(cell: object) -> str:
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return "" if cell is None else str(cell).strip()


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    if not path.is_file():
        raise CorpusError("MER-C282", f"{path} does not exist.", "It holds the labels; put it back.")
    try:
        yield
    except (csv.Error, UnicodeDecodeError, BadZipFile, SyntaxError, KeyError, ValueError) as error:
        kind = "xlsx" if path.suffix.lower() == ".xlsx" else "UTF-8 text"
        raise CorpusError("MER-C283", f"{path} cannot be read as {kind}: {error}.", "Save it again.") from None


def _places(cells: Sequence[str], wanted: Mapping[str, Sequence[str]]) -> dict[str, int]:
    folded = {_fold(cell): at for at, cell in reversed(list(enumerate(cells))) if cell}
    return {
        name: folded[_fold(other)]
        for name, others in wanted.items()
        for other in reversed(others)
        if _fold(other) in folded
    }


def _fold(cell: str) -> str:
    return re.sub(r"[\W_]+", "", cell).lower()


def _no_header(path: Path, columns: Mapping[str, Sequence[str]], above: Iterable[Sequence[str]]) -> CorpusError:
    nearest = max(above, key=lambda cells: len(_places(cells, columns)), default=())
    missing = [others[0] for name, others in columns.items() if name not in _places(nearest, columns)]
    shown = ", ".join(cell[:40] for cell in nearest if cell) or "nothing"
    return CorpusError(
        "MER-C284",
        f"{path}: there is no column {' and no column '.join(missing)}; the likeliest header holds: {shown[:300]}.",
        f"Expected columns: {', '.join(others[0] for others in columns.values())}.",
    )
