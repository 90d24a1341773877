"""npz: one plain array of text per column. Pickles are never read, and no array is made before its size is known.

Arrays are written here byte by byte, so that the upload does not depend on the machine or on numpy's version.
"""

from __future__ import annotations

import ast
import struct

import numpy as np

from mertools.tracks import Upload
from submissions import problems as codes
from submissions import table as limits
from submissions.archive import open_members, write_zip
from submissions.table import Table

MAX_RATIO = 500
"""Fixed-width text is mostly zeros: honest arrays are compressed 20 to 300 times."""

_MAGIC = b"\x93NUMPY"
_MAX_HEADER = 10_000
_MEND = "Write it again with: mertools submission package (or np.array(words, dtype=str))."


def read(content: bytes, upload: Upload) -> Table:
    """Read the arrays that the upload's columns name; further ones are told."""
    opened = open_members(content, ".npy", max_ratio=MAX_RATIO)
    table = Table(kind="npz", problems=opened.problems)
    wanted = [column.name for column in upload.columns]
    columns: dict[str, list[str]] = {}
    broken = False
    for member, array in opened.contents.items():
        name = member.removesuffix(".npy")
        if name not in wanted:
            columns.setdefault(name, [])
            continue
        cells = _cells(name, array, table)
        broken |= cells is None
        columns[name] = cells or []
    lengths = {name: len(columns[name]) for name in wanted if name in columns}
    if broken or not lengths:
        if not table.problems:
            found = f"arrays {', '.join(columns) or 'none'}"
            table.note(codes.MISSING_COLUMN, found, ", ".join(wanted), "Write the arrays under these names.")
        return table
    if len(set(lengths.values())) > 1:
        found = ", ".join(f"{name} {n}" for name, n in lengths.items())
        table.note(codes.CELL_COUNT, f"arrays of different lengths: {found}", "equal lengths", "Write all rows.")
        return table
    n = next(iter(lengths.values()))
    known = [name for name in wanted if name in columns]
    extra = [name for name in columns if name not in wanted]
    table.header = known + extra
    padding = [""] * len(extra)
    table.rows = [[*cells, *padding] for cells in zip(*(columns[name] for name in known), strict=True)]
    table.numbers = range(1, n + 1)
    return table


def write(table: Table, upload: Upload) -> bytes:
    """The npz: arrays stored uncompressed, in the order of the columns."""
    return write_zip({f"{name}.npy": _array(table.cells(name)) for name in table.header})


def _array(cells: list[str]) -> bytes:
    """A .npy file, version 1.0, of little-endian UTF-32 text."""
    width = max(map(len, cells), default=0) or 1
    description = f"{{'descr': '<U{width}', 'fortran_order': False, 'shape': ({len(cells)},), }}"
    padding = -(len(_MAGIC) + 4 + len(description) + 1) % 64
    header = (description + " " * padding + "\n").encode("latin-1")
    body = b"".join(cell.encode("utf-32-le").ljust(4 * width, b"\0") for cell in cells)
    return _MAGIC + b"\x01\x00" + struct.pack("<H", len(header)) + header + body


def _cells(name: str, content: bytes, table: Table) -> list[str] | None:
    """The text of one array; None, and a problem, if it is not a plain list of texts."""
    header = _header(content)
    if header is None:
        table.note(codes.ARRAY_FORM, f"array {name}, which is no .npy file", "a one-dimensional array of text", _MEND)
        return None
    descr, shape, start = header
    try:
        kind = np.dtype(descr) if isinstance(descr, str) else None
    except TypeError:
        kind = None
    if kind is not None and kind.hasobject:
        found = f"array {name} of Python objects, which only a pickle can hold and nobody should open"
        table.note(codes.OBJECT_ARRAY, found, "a plain array of text", _MEND)
        return None
    if kind is None or kind.kind != "U" or len(shape) != 1:
        table.note(
            codes.ARRAY_FORM,
            f"array {name} of type {descr!s:.60}, shape {shape}",
            "a one-dimensional array of text",
            _MEND,
        )
        return None
    if shape[0] > limits.MAX_ROWS or shape[0] * kind.itemsize != len(content) - start:
        found = f"array {name}, whose header promises {shape[0] * kind.itemsize} bytes over {len(content) - start}"
        table.note(codes.ARRAY_SIZE, found, "as many as promised", _MEND)
        return None
    width = kind.itemsize // 4
    try:
        text = content[start:].decode("utf-32-be" if kind.byteorder == ">" else "utf-32-le")
    except UnicodeDecodeError:
        table.note(codes.ARRAY_FORM, f"array {name} with characters that do not exist", "text", _MEND)
        return None
    return [text[at : at + width].rstrip("\0") for at in range(0, len(text), width)] if width else [""] * shape[0]


def _header(content: bytes) -> tuple[object, tuple[int, ...], int] | None:
    """Type, shape and first byte of the data; None if the header is not one."""
    if content[:6] != _MAGIC or len(content) < 12 or content[6] not in (1, 2, 3):
        return None
    size = 2 if content[6] == 1 else 4
    length = int.from_bytes(content[8 : 8 + size], "little")
    start = 8 + size + length
    if length > _MAX_HEADER or start > len(content):
        return None
    try:
        found = ast.literal_eval(content[8 + size : start].decode("utf-8"))
        shape = tuple(found["shape"])
        descr = found["descr"]
    except (ValueError, SyntaxError, KeyError, TypeError, RecursionError, MemoryError):
        return None
    if not all(type(n) is int and n >= 0 for n in shape):
        return None
    return descr, shape, start
