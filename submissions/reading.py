"""From a path to a table: the container is opened, the format told, and a predictions CSV translated."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from mertools.errors import SubmissionError
from mertools.tracks import Track
from submissions import archive
from submissions import problems as codes
from submissions.archive import is_zip, member_names, open_zip
from submissions.formats import csv, format_of, npz
from submissions.names import join_keys, shown
from submissions.ours import as_upload
from submissions.problems import is_valid
from submissions.table import Table


def read_table(path: Path, track: Track) -> Table:
    """Read an upload (bare or in its zip), or a predictions CSV, as the columns of the upload.

    Args:
        path: the file.
        track: the track it is meant for.

    Returns:
        The table; what could not be read is among its problems.

    Raises:
        SubmissionError: if there is no such file.
    """
    path = Path(path)
    content = _bytes(path)
    if content is None:
        table = Table()
        table.note_size(f"more than {archive.MAX_BYTES} bytes", f"at most {archive.MAX_BYTES} bytes")
        return table
    table = as_upload(track, read_bytes(content, path.name, track))
    return table if table.ours else within_limit(track, table, len(content))


def within_limit(track: Track, table: Table, n_bytes: int) -> Table:
    """The table, with a problem if its upload is larger than the organisers take."""
    limit = track.upload.max_bytes
    if limit is not None and n_bytes > limit:
        table.note(codes.TOO_LARGE, f"an upload of {n_bytes} bytes", f"at most {limit}", "Leave out what is not asked.")
    return table


def read_bytes(content: bytes, file_name: str, track: Track) -> Table:
    """The table in the bytes of a file called `file_name`; see `read_table`."""
    upload = track.upload
    if not is_zip(content):
        if file_name.lower().endswith(".zip"):
            table = Table(zipped=True)
            table.note(codes.BROKEN_ZIP, "a file that is no zip", "a zip", "Make the zip again.")
            return table
        if upload.kind == "csv":
            return csv.read(content, upload)
        table = csv.parse(content, [c.name for c in upload.columns])
        table.ours = True
        return table
    names = member_names(content)
    if any(name.endswith(".npy") for name in names):
        if upload.kind == "npz":
            return npz.read(content, upload)
        table = Table(kind="npz")
        mend = "Write a CSV, or see whether the track is the one you mean."
        table.note(codes.CONTAINER, "arrays (npz)", f"a {upload.suffix} file", mend)
        return table
    ours = upload.kind != "csv" and [PurePosixPath(name).suffix.lower() for name in names] == [".csv"]
    form = format_of(upload)
    if form.is_container and not ours:
        return form.read(content, upload)
    suffix = ".csv" if ours else PurePosixPath("x" + upload.suffix).suffix
    opened = open_zip(content, suffix, max_ratio=npz.MAX_RATIO if upload.kind == "npz" else archive.MAX_RATIO)
    table = Table()
    for member, inner in opened.contents.items():
        table = csv.parse(inner) if ours else form.read(inner, upload)
        table.member, table.ours = member, ours
    table.zipped = True
    table.problems = opened.problems + table.problems
    return table


def read_names(path: Path, track: Track) -> list[str]:
    """Keys of the rows of a candidate list, in order; columns ``name, frame`` serve where the key is made of them.

    Raises:
        SubmissionError: if it is missing, unreadable, lacks a key column, or repeats a row.
    """
    keys = track.upload.keys
    table = trusted_table(path, track, keys, "candidate list")
    names = join_keys([table.cells(key) for key in keys])
    if len(set(names)) < len(names):
        name, _ = Counter(names).most_common(1)[0]
        row = table.numbers[len(names) - 1 - names[::-1].index(name)]
        raise SubmissionError(
            "MER-S064", f"{path}, row {row}: the candidate {shown(name)} stands twice.", "Give each row once."
        )
    return names


def trusted_table(path: Path, track: Track, columns: Sequence[str], what: str) -> Table:
    """A CSV that the user vouches for (candidates, truth): any defect of its form is an error.

    Args:
        path: the file.
        track: its key may be made of columns of another name, as in a predictions CSV.
        columns: what must be there.
        what: "truth file" or the like, for messages.

    Raises:
        SubmissionError: if it is missing, unreadable, lacks one of `columns` or has a row of another width.
    """
    content = _bytes(Path(path))
    if content is None:
        raise SubmissionError("MER-S065", f"the {what} {path} has more than {archive.MAX_BYTES} bytes.")
    table = csv.read(content, track.upload) if track.upload.kind == "csv" else csv.parse(content, columns)
    fatal = [p for p in table.problems if p.code in (codes.NOT_UTF8, codes.NOT_CSV, codes.TOO_LARGE, codes.EMPTY_FILE)]
    if fatal or not table.readable:
        reason = (fatal or table.problems)[0]
        raise SubmissionError("MER-S065", f"the {what} {path} cannot be read: {reason.found}.", reason.mend)
    for number, row in zip(table.numbers, table.rows, strict=True) if not table.even else ():
        lacking = len(row) < len(table.header) and what != "candidate list"  # a list of frames may hold nothing else
        if lacking or len(row) > len(table.header):
            raise SubmissionError(
                "MER-S067", f"the {what} {path}, row {number}: {len(row)} cells, expected {len(table.header)}."
            )
    found = table.header
    table = as_upload(track, table, codes_to_cells=False)
    missing = [c for c in columns if c not in table.header]
    if missing:
        raise SubmissionError(
            "MER-S066",
            f"the {what} {path} has no column {' and '.join(missing)}; found: {', '.join(found)}.",
            f"Expected columns: {', '.join(columns)}.",
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
        content = file.read(archive.MAX_BYTES + 1)
    return content if len(content) <= archive.MAX_BYTES else None
