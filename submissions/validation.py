"""`validate`: all problems of a submission at once, each with row, found, expected and the mend."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mertools.errors import did_you_mean
from mertools.tracks import Track, get_track
from submissions import problems as codes
from submissions.cells import CONTROL, cell_problems, certain_key, key_pattern
from submissions.names import join_keys, name_problems
from submissions.problems import RUN_FIX, Problem, Severity
from submissions.reading import read_names, read_table
from submissions.table import Table

if TYPE_CHECKING:
    from mertools.wheels import Wheels


def validate(
    track: str | Track,
    file: Path | str,
    candidates: Path | str | None = None,
    *,
    wheels: Path | str | None = None,
) -> list[Problem]:
    """Check a submission against the rules of its track.

    Args:
        track: the track or its id.
        file: the upload (bare or zipped), or a predictions CSV (a warning says that it is not yet the upload).
        candidates: CSV with the clips to predict; replaces the official list and count.
        wheels: folder of emotion-wheel tables, for open sets: the words that they do not know are counted.

    Returns:
        All problems, errors and warnings, in the order container, header, rows, names. No error = valid.

    Raises:
        UnknownNameError: for an unknown track.
        SubmissionError: if the file does not exist or the candidate list cannot be read.
    """
    track = track if isinstance(track, Track) else get_track(track)
    path = Path(file)
    listed = read_names(Path(candidates), track) if candidates is not None else None
    return check(track, read_table(path, track), path.name, listed, find_wheels(wheels))


def check(
    track: Track, table: Table, file_name: str, candidates: Sequence[str] | None, wheels: Wheels | None = None
) -> list[Problem]:
    """Problems of a table that was read from `file_name`; see `validate`."""
    problems = [*_container_problems(track, table, file_name), *table.problems]
    if not table.readable:
        return problems
    problems += _header_problems(track, table)
    problems += _width_problems(table)
    columns = header_columns(track, table.header)
    keys = keys_of(track, table) if set(track.upload.keys) <= set(columns) else None
    clips = keys or [""] * len(table.rows)
    for name, position in columns.items():
        column, cells = track.upload.column(name), table.cells_at(position)
        if table.kind != "csv":
            problems += _control_characters(name, cells, table.numbers)
        if column.kind == "key" and candidates is not None and set(cells) <= set(candidates):
            continue
        problems += cell_problems(track, column, cells, table.numbers, clips)
        if column.kind == "labels" and wheels is not None:
            from submissions.words import unknown_words

            problems += unknown_words(column, cells, table.numbers, wheels)
    if keys is not None:
        problems += name_problems(track, _as_meant(track, keys), table.numbers, candidates)
    return problems


def _as_meant(track: Track, keys: list[str]) -> list[str]:
    """Keys whose frame number is only written otherwise, put right: that has a problem of its own."""
    columns = [c for c in track.upload.columns if c.kind == "key"]
    pattern = key_pattern(columns[0])
    if len(columns) > 1 or pattern is None:
        return keys
    return [
        key if pattern.fullmatch(key) or key != key.strip() else certain_key(columns[0], key, pattern) or key
        for key in keys
    ]


def find_wheels(folder: Path | str | None) -> Wheels | None:
    """The wheels of a folder that the user named; None if none was.

    Raises:
        MerToolsError: if the folder holds no wheels.
    """
    if folder is None:
        return None
    from mertools.wheels import Wheels

    return Wheels.find(Path(folder))


def header_columns(track: Track, header: Sequence[str]) -> dict[str, int]:
    """Position of each of the track's columns that the header has, a different spelling of it included."""
    positions: dict[str, int] = {}
    for column in track.upload.columns:
        exact = [i for i, cell in enumerate(header) if cell == column.name]
        alike = [i for i, cell in enumerate(header) if cell.strip().lower() == column.name.lower()]
        if exact or alike:
            positions[column.name] = (exact or alike)[0]
    return positions


def keys_of(track: Track, table: Table) -> list[str]:
    """What identifies each row, as it stands in the file."""
    columns = header_columns(track, table.header)
    return join_keys([table.cells_at(columns[key]) for key in track.upload.keys])


# -- container and header ----------------------------------------------------------------------------------------------


def _container_problems(track: Track, table: Table, file_name: str) -> Iterator[Problem]:
    upload = track.upload
    if table.ours:
        return  # not yet the upload: told with the header
    if table.zipped and upload.container != "zip":
        severity: Severity = "error" if upload.container_source == "official" else "warning"
        yield _file(codes.CONTAINER, severity, "a zip", f"the {upload.suffix} file itself", "Unzip it.")
    if not table.zipped and upload.container == "zip":
        mend = "Make the zip with: mertools submission package"
        yield _file(codes.CONTAINER, "warning", "a file without a zip", "a zip with the file at its root", mend)
    if table.kind == "texts":
        return  # the members are named by the rows
    name = table.member if table.zipped else file_name
    base = name.replace("\\", "/").rsplit("/", 1)[-1]
    binding = table.zipped or upload.container == "none"
    if name and not base.lower().endswith(upload.suffix):
        severity = "error" if binding else "warning"
        yield _file(codes.FILE_NAME, severity, base, f"a name that ends in {upload.suffix}", "Rename it.")
    elif name and upload.file_name and binding and base != upload.file_name:
        severity = "error" if upload.file_name_source == "official" else "warning"
        yield _file(codes.FILE_NAME, severity, base, f"the name {upload.file_name}", "Rename it.")


def _header_problems(track: Track, table: Table) -> Iterator[Problem]:
    header, known = table.header, [c.name for c in track.upload.columns]
    wanted = ",".join(c.name for c in track.upload.columns if c.required)
    positions = header_columns(track, header)
    for cell, n in Counter(header).items():
        if n > 1:
            yield _head(codes.REPEATED_COLUMN, "error", cell, f"the column {cell} {n} times", "it once", "Delete one.")
    for column in track.upload.columns:
        if column.name in positions:
            cell = header[positions[column.name]]
            if cell != column.name:
                yield _head(codes.HEADER_SPELLING, "error", cell, cell, column.name, f"Rename it, {RUN_FIX}")
        elif column.required:
            found = ",".join(header)
            mend = f"Write a column {column.name}."
            yield _head(codes.MISSING_COLUMN, "error", column.name, f"the header {found}", wanted, mend)
    extra = [cell for i, cell in enumerate(header) if i not in positions.values() and cell not in known]
    if table.ours:
        found = "a predictions file" + (f" with {', '.join(extra)}" if extra else "")
        mend = "`mertools submission package` writes the upload from it."
        yield _head(codes.PREDICTIONS_FILE, "warning", None, found, wanted, mend)
        return
    for cell in extra:
        mend = "Delete or rename the column." + did_you_mean(cell, known)
        yield _head(codes.EXTRA_COLUMN, "error", cell, f"the column {cell}", wanted, mend)
    if list(positions.values()) != sorted(positions.values()):
        yield _head(codes.COLUMN_ORDER, "error", None, ",".join(header), ",".join(positions), f"Reorder, {RUN_FIX}")


def _width_problems(table: Table) -> Iterator[Problem]:
    width = len(table.header)
    if table.even:
        return
    for number, row in zip(table.numbers, table.rows, strict=True):
        if len(row) != width:
            found = f"{len(row)} cells"
            yield Problem(codes.CELL_COUNT, "error", number, None, found, f"{width} cells", "Mend the row.", row[0])


def _control_characters(column: str, cells: Sequence[str], numbers: Sequence[int]) -> Iterator[Problem]:
    """In a CSV they are found among its bytes."""
    for number, cell in zip(numbers, cells, strict=True):
        found = CONTROL.search(cell)
        if found:
            what = f"control character {ord(found[0]):#04x}"
            yield Problem(codes.CONTROL_CHARACTER, "error", number, column, what, "printable text", "Delete it.")


def _file(code: str, severity: Severity, found: str, expected: str, mend: str) -> Problem:
    return Problem(code, severity, None, None, found, expected, mend)


def _head(code: str, severity: Severity, column: str | None, found: str, expected: str, mend: str) -> Problem:
    return Problem(code, severity, 1, column, found, expected, mend)
