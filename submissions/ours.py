"""From a predictions CSV (``name, frame, <target>...``) to the columns of the upload.

A file that already has the upload's columns stays as it is: nothing is guessed, only names and forms that our own
predictions have are translated.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from string import Formatter

from mertools.tracks import Column, Track
from submissions.table import Table


def as_upload(track: Track, table: Table, *, codes_to_cells: bool = True) -> Table:
    """The same rows under the upload's columns, `Table.ours` set if anything had to be translated.

    Args:
        track: the track.
        table: what was read.
        codes_to_cells: also write class names as the upload's codes (``Fear`` as ``3``) and open sets as its scorer
            reads them; not for truth files.
    """
    if not table.readable or table.kind != "csv":
        return table
    if is_predictions(table.header):
        table = replace(table, ours=True)
    for column in track.upload.columns:
        table = _with_column(track, column, table)
    if codes_to_cells:
        for column in track.upload.columns:
            if column.name in table.header:
                table = _in_cells(track, column, table)
    return table


def is_predictions(header: Sequence[str]) -> bool:
    """Whether a header is that of a predictions CSV: it has probabilities."""
    return any(cell.startswith("prob_") for cell in header)


def classes_of(track: Track, column: Column) -> tuple[str, ...]:
    """Names of the classes that the column's allowed values stand for; empty if it holds no classes."""
    found = [t.classes for t in track.targets if t.name == (column.target or column.name) and column.kind == "label"]
    return found[0] if found else ()


def _with_column(track: Track, column: Column, table: Table) -> Table:
    """The table with `column` put together from the columns that our predictions hold it in, where it is lacking."""
    if column.name.lower() in {cell.strip().lower() for cell in table.header}:
        return table
    template = column.made_of
    if not template and column.kind == "key" and len(track.upload.keys) == 1:
        template = "{name}"
    fields = {name: spec for _, name, spec, _ in Formatter().parse(template) if name}
    if not fields or not set(fields) <= set(table.header):
        return table
    positions = [table.header.index(name) for name in fields]
    cells = _made(template, fields, [table.cells_at(i) for i in positions])
    used = set(positions)
    kept = [i for i in range(len(table.header)) if i not in used]
    first = min(positions)
    order = [*(i for i in kept if i < first), -1, *(i for i in kept if i > first)]
    header = [column.name if i < 0 else table.header[i] for i in order]
    rows = [
        [cell if i < 0 else row[i] for i in order if i < len(row)] for row, cell in zip(table.rows, cells, strict=True)
    ]
    return replace(table, header=header, rows=rows, ours=True)


def _made(template: str, fields: dict[str, str | None], columns: list[list[str]]) -> list[str]:
    """The template filled from columns of cells; a number that is none stays as it is, and is then a problem."""
    names = list(fields)
    if template == f"{{{names[0]}}}":
        return columns[0]
    numeric = [bool(spec) and str(spec).endswith("d") for spec in fields.values()]
    plain = template
    for name, spec in fields.items():
        plain = plain.replace(f"{{{name}:{spec}}}", f"{{{name}}}")
    made = []
    for cells in zip(*columns, strict=True):
        whole = [as_integer(cell) if number else cell for cell, number in zip(cells, numeric, strict=True)]
        if any(value is None for value in whole):
            made.append(plain.format(**dict(zip(names, cells, strict=True))))
        else:
            made.append(template.format(**dict(zip(names, whole, strict=True))))
    return made


def as_integer(cell: str) -> int | None:
    """The whole number in a cell, ``12`` or ``12.0``; None if there is none, or it is negative or huge."""
    text = cell.strip().removesuffix(".0")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else None


def _in_cells(track: Track, column: Column, table: Table) -> Table:
    """Class names as codes, and words without any brackets as the lists that MER2024's scorer wants."""
    at = table.header.index(column.name)
    classes = classes_of(track, column)
    change: dict[str, str] = {}
    if table.ours and classes and column.allowed != classes:
        change = dict(zip(classes, column.allowed, strict=True))
    elif column.kind == "labels" and column.words == "mer2024":
        from mertools.openset import format_words

        cells = set(table.cells_at(at))
        if any(cell.strip() for cell in cells) and not any("[" in cell or "]" in cell for cell in cells):
            change = {cell: format_words([cell], column.words) for cell in cells}
    if not change:
        return table
    rows = [[*row[:at], change.get(row[at], row[at]), *row[at + 1 :]] if at < len(row) else row for row in table.rows]
    return replace(table, rows=rows, ours=True)
