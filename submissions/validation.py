"""`validate`: all problems of a submission at once, each with row, found, expected and the mend."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from mertools.errors import ConfigError, did_you_mean
from mertools.labels import NA_WORDS
from mertools.tracks import Column, Track, get_track
from submissions import problems as codes
from submissions.names import join_keys, name_problems, shown
from submissions.problems import RUN_FIX, Problem, Severity
from submissions.reading import Table, read_names, read_table


def validate(track: str | Track, file: Path | str, candidates: Path | str | None = None) -> list[Problem]:
    """Check a submission against the rules of its track.

    Args:
        track: the track or its id.
        file: the upload (CSV or zip), or a predictions CSV (its ``prob_`` columns are a warning).
        candidates: CSV with the clips to predict; replaces the official list and count.

    Returns:
        All problems, errors and warnings, in the order container, header, rows, names. No error = valid.

    Raises:
        UnknownNameError: for an unknown track.
        SubmissionError: if the file does not exist or the candidate list cannot be read.
    """
    track = track if isinstance(track, Track) else get_track(track)
    require_table_format(track)
    path = Path(file)
    listed = read_names(Path(candidates), track.upload.keys) if candidates is not None else None
    table = read_table(path, suffix=suffix_of(track), columns=[c.name for c in track.upload.columns])
    return check(track, table, path.name, listed)


def check(track: Track, table: Table, file_name: str, candidates: Sequence[str] | None) -> list[Problem]:
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
        problems += _cell_problems(track.upload.column(name), table.cells_at(position), table.numbers, clips)
    if keys is not None:
        problems += name_problems(track, keys, table.numbers, candidates)
    return problems


def suffix_of(track: Track) -> str:
    """What the track's data file ends in."""
    return track.upload.suffix


def require_table_format(track: Track) -> None:
    """Stop where a track's upload is no CSV.

    Raises:
        ConfigError: if it is not.
    """
    if track.upload.kind != "csv":
        raise ConfigError(
            "MER-S069",
            f"uploads of {track.id} are {track.upload.kind} files, which are not read yet.",
            "Tracks with CSV uploads: see `mertools list tracks --json`.",
        )


def is_predictions(header: Sequence[str]) -> bool:
    """Whether a header is that of a predictions CSV: it has probabilities."""
    return any(cell.startswith("prob_") for cell in header)


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


def certain_label(column: Column, cell: str) -> str | None:
    """The one allowed value that a cell can mean: spaces, case and known misspellings set aside; None if not certain.

    Example:
        >>> certain_label(get_track("mer2023-semi").upload.column("discrete"), " Surprised ")
        'surprise'
    """
    word = cell.strip().lower()
    for allowed in column.allowed:
        if word == allowed.lower():
            return allowed
    return (column.respellings or {}).get(word)


# -- container and header ----------------------------------------------------------------------------------------------


def _container_problems(track: Track, table: Table, file_name: str) -> Iterator[Problem]:
    upload = track.upload
    if table.zipped and upload.container != "zip":
        severity: Severity = "error" if upload.container_source == "official" else "warning"
        yield _file(codes.CONTAINER, severity, "a zip", "the CSV file itself", "Unzip it.")
    if not table.zipped and upload.container == "zip":
        mend = "Make the zip with: mertools submission package"
        yield _file(codes.CONTAINER, "warning", "a file without a zip", "a zip with the file at its root", mend)
    name = table.member if table.zipped else file_name
    base = name.replace("\\", "/").rsplit("/", 1)[-1]
    binding = table.zipped or upload.container == "none"
    if name and not base.lower().endswith(suffix_of(track)):
        yield _file(codes.FILE_NAME, "error", base, f"a name that ends in {suffix_of(track)}", "Rename it.")
    elif name and upload.file_name and binding and base != upload.file_name:
        severity = "error" if upload.file_name_source == "official" else "warning"
        yield _file(codes.FILE_NAME, severity, base, f"the name {upload.file_name}", "Rename it.")


def _header_problems(track: Track, table: Table) -> Iterator[Problem]:
    header, known = table.header, [c.name for c in track.upload.columns]
    wanted = ",".join(c.name for c in track.upload.columns if c.required)
    positions = header_columns(track, header)
    ours = is_predictions(header)
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
    if ours:
        found = f"a predictions file with {', '.join(extra)}"
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


# -- cells -------------------------------------------------------------------------------------------------------------


def _cell_problems(column: Column, cells: Sequence[str], numbers: Sequence[int], clips: Sequence[str]) -> list[Problem]:
    """Each distinct cell is judged once, so that a hundred thousand rows take a moment."""
    judge = {"label": _label_problem, "number": _number_problem, "preference": _label_problem}.get(column.kind)
    if judge is None:
        return []
    verdicts = {cell: verdict for cell in set(cells) if (verdict := judge(column, cell)) is not None}
    if not verdicts:
        return []
    return [
        Problem(code, severity, number, column.name, cell, expected, mend, shown(clip))
        for cell, number, clip in zip(cells, numbers, clips, strict=True)
        if cell in verdicts
        for code, severity, expected, mend in [verdicts[cell]]
    ]


Verdict = tuple[str, Severity, str, str]


def _label_problem(column: Column, cell: str) -> Verdict | None:
    if cell in column.allowed:
        return None
    severity: Severity = "error" if column.scored else "warning"
    expected = "one of: " + ", ".join(column.allowed)
    certain = certain_label(column, cell)
    if certain is None:
        code = codes.NO_LABEL if cell.strip() in NA_WORDS or cell.strip().lower() == "none" else codes.WRONG_LABEL
        return code, severity, expected, "Mend it by hand." + did_you_mean(cell.strip().lower(), column.allowed)
    if cell.strip() == certain:
        code = codes.SPACES
    else:
        code = codes.LABEL_CASE if cell.strip().lower() == certain.lower() else codes.WRONG_LABEL
    return code, severity, expected, f"Write '{certain}', {RUN_FIX}"


def _number_problem(column: Column, cell: str) -> Verdict | None:
    severity: Severity = "error" if column.scored else "warning"
    number = plain_number(cell)
    if cell.strip() in NA_WORDS or (number is not None and math.isnan(number)):
        return codes.NO_NUMBER, severity, "a number", "Write a number."
    if number is None:
        return codes.NOT_A_NUMBER, severity, "a number with a decimal point", "Write a number."
    if math.isinf(number):
        return codes.INFINITE, severity, "a finite number", "Write a finite number."
    if cell != cell.strip():
        return codes.SPACES, severity, f"'{cell.strip()}'", f"Delete the spaces, {RUN_FIX}"
    if column.range and not column.range[0] <= number <= column.range[1]:
        low, high = column.range
        return codes.OUTSIDE_RANGE, "warning", f"a value in [{low:g}, {high:g}]", "Check it; it is scored as it stands."
    return None


def plain_number(cell: str) -> float | None:
    """The number in a cell; None if it holds none (``1_000`` is none)."""
    try:
        return None if "_" in cell else float(cell)
    except ValueError:
        return None


def _file(code: str, severity: Severity, found: str, expected: str, mend: str) -> Problem:
    return Problem(code, severity, None, None, found, expected, mend)


def _head(code: str, severity: Severity, column: str | None, found: str, expected: str, mend: str) -> Problem:
    return Problem(code, severity, 1, column, found, expected, mend)
