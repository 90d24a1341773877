"""Certain mends: the same rows, with names, cells and order as they can only have been meant."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from mertools.tracks import Column, Track
from submissions.cells import certain_key, certain_label, key_pattern, plain_number
from submissions.names import JOINT, meant_keys
from submissions.ours import classes_of
from submissions.table import Table
from submissions.validation import header_columns, keys_of


def canonical(track: Track, table: Table, candidates: Sequence[str] | None) -> Table:
    """The upload's columns in their order; rows in candidate order where every key is a candidate, once."""
    columns = header_columns(track, table.header)
    if list(columns) == table.header and list(columns.values()) == list(range(len(columns))):
        rows = table.rows
    else:
        rows = [[row[at] for at in columns.values()] for row in table.rows]
    keys = keys_of(track, table)
    if candidates is not None and len(set(keys)) == len(keys) and set(keys) == set(candidates):
        row_of = dict(zip(keys, rows, strict=True))
        rows = [row_of[key] for key in candidates]
    return Table(header=list(columns), rows=rows, numbers=range(2, len(rows) + 2))


def mended_table(track: Track, table: Table, candidates: Sequence[str] | None) -> Table:
    """`canonical`, with cells mended where the mend is certain."""
    plain = canonical(track, table, None)
    columns = [track.upload.column(name) for name in plain.header]
    mended = []
    for at, column in enumerate(columns):
        cells, mend = plain.cells_at(at), _mend(track, column)
        change = {cell: mend(cell) for cell in set(cells)}
        mended.append([change[cell] for cell in cells])
    rows = [list(cells) for cells in zip(*mended, strict=True)]
    meant = meant_keys(keys_of(track, plain), candidates or ())
    meant |= meant_keys(keys_of(track, replace(plain, rows=rows)), candidates or ())
    for row, before in zip(rows, keys_of(track, plain), strict=True):
        key = meant.get(before) or meant.get(JOINT.join(row[plain.header.index(k)] for k in track.upload.keys))
        if key:
            for name, part in zip(track.upload.keys, key.split(JOINT), strict=True):
                row[plain.header.index(name)] = part
    return canonical(track, replace(plain, rows=rows), candidates)


def _mend(track: Track, column: Column) -> Callable[[str], str]:
    if column.kind in ("label", "preference"):
        classes = classes_of(track, column)
        return lambda cell: certain_label(column, cell, classes) or cell
    if column.kind == "key":
        pattern = key_pattern(column)
        return lambda cell: certain_key(column, cell, pattern) or cell.strip()
    if column.kind == "number":
        return lambda cell: cell.strip() if plain_number(cell) is not None else cell
    if column.kind == "labels":
        from submissions.words import certain_words

        return lambda cell: certain_words(column, cell) or cell
    return lambda cell: cell
