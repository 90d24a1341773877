"""`package` and `mend`: from a table to the exact bytes of an upload."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mertools.errors import SubmissionError
from mertools.files import write_bytes_atomically, write_text_atomically
from mertools.tracks import Column, Track, get_track
from submissions.archive import write_zip
from submissions.names import JOINT, meant_keys
from submissions.problems import EXTRA_COLUMN, InvalidSubmissionError, Problem, is_valid, report
from submissions.reading import Table, parse, read_names, read_table
from submissions.validation import (
    certain_label,
    check,
    header_columns,
    keys_of,
    plain_number,
    require_table_format,
    suffix_of,
)


@dataclass(frozen=True)
class Receipt:
    """What was packaged.

    Attributes:
        track: id of the track.
        file: the upload that was written.
        sha256: of the upload.
        bytes: its size.
        rows: rows below the header.
        labels: how often each label stands in it, per label column.
        values: lowest, mean and highest value of each column of numbers.
        member: name of the file inside the zip; empty if there is no zip.
        dropped: columns of the source that do not belong into the upload.
        source: the file it was made from.
        source_sha256: of that file.
        unconfirmed: rules of the track that are inferred or unknown.
        created: when, UTC, ISO 8601; stands here alone, never in the upload.
    """

    track: str
    file: str
    sha256: str
    bytes: int
    rows: int
    labels: Mapping[str, Mapping[str, int]]
    values: Mapping[str, Mapping[str, float]]
    member: str
    dropped: tuple[str, ...]
    source: str
    source_sha256: str
    unconfirmed: tuple[str, ...]
    created: str

    def as_json(self) -> dict[str, Any]:
        """The receipt as it is written beside the upload."""
        return asdict(self)


@dataclass(frozen=True)
class Mended:
    """A mended copy.

    Attributes:
        file: where it was written.
        mended: problems of the source that the copy no longer has.
        remaining: problems (warnings) that it still has.
    """

    file: str
    mended: list[Problem]
    remaining: list[Problem]


def package(
    track: str | Track,
    file: Path | str,
    out: Path | str,
    *,
    candidates: Path | str | None = None,
    fix: bool = False,
) -> Receipt:
    """Write exactly the upload, the same bytes on every machine, and ``OUT.receipt.json`` beside it.

    Columns that do not belong into the upload are dropped, rows follow the candidate list where one is given, line
    ends, byte order mark and quoting are written anew. Cells stay as they are unless `fix`.

    Args:
        track: the track or its id.
        file: predictions CSV, or an upload (CSV or zip).
        out: where to write; a folder, or a name without a suffix, gets the track's file in it. A track whose container
            is not official follows the suffix (``.csv`` or ``.zip``).
        candidates: CSV with the clips to predict; replaces the official list and count.
        fix: mend first what is certain.

    Raises:
        InvalidSubmissionError: if the upload would not be valid; nothing is written.
        SubmissionError: if a file is missing, or `out` is the file itself or has the wrong suffix.
    """
    track = track if isinstance(track, Track) else get_track(track)
    path, listed, table = _open(track, file, candidates)
    target, zipped = _target(track, Path(out), path)
    whole = _require_table(track, table, path, listed)
    content = serialise(track, mended_table(track, whole, listed) if fix else canonical(track, whole, listed))
    member = track.upload.file_name or f"{track.id}{suffix_of(track)}" if zipped else ""
    left = check(track, replace(parse(content), zipped=zipped, member=member), target.name, listed)
    if not is_valid(left):
        raise InvalidSubmissionError(
            "MER-S070",
            f"{path} is no valid submission to {track.id}; nothing was written.\n{report(left, path.name)}",
            "Mend the rows named above" + ("." if fix else ", or add --fix where the mend is certain."),
            left,
        )
    upload = write_zip(member, content) if zipped else content
    receipt = _receipt(track, parse(content), table, target, upload, member, path)
    write_bytes_atomically(target, upload)
    write_text_atomically(
        target.with_name(target.name + ".receipt.json"),
        json.dumps(receipt.as_json(), ensure_ascii=False, indent=2) + "\n",
    )
    return receipt


def mend(track: str | Track, file: Path | str, out: Path | str, candidates: Path | str | None = None) -> Mended:
    """Write a mended copy where every mend is certain: order, case, spaces, bytes, known misspellings.

    Args:
        track: the track or its id.
        file: the submission.
        out: where to write the copy; ``.zip`` makes a zip.
        candidates: CSV with the clips to predict; replaces the official list and count.

    Raises:
        InvalidSubmissionError: if a problem remains that only its author can mend; nothing is written.
        SubmissionError: if a file is missing or `out` is the file itself.
    """
    track = track if isinstance(track, Track) else get_track(track)
    path, listed, table = _open(track, file, candidates)
    target, zipped = _target(track, Path(out), path)
    before = check(track, table, path.name, listed)
    whole = _require_table(track, table, path, listed)
    if any(problem.code == EXTRA_COLUMN for problem in before):
        raise _not_mended(path, before)
    content = serialise(track, mended_table(track, whole, listed))
    member = track.upload.file_name or f"{track.id}{suffix_of(track)}" if zipped else ""
    left = check(track, replace(parse(content), zipped=zipped, member=member), target.name, listed)
    if not is_valid(left):
        raise _not_mended(path, left)
    write_bytes_atomically(target, write_zip(member, content) if zipped else content)
    remaining = {problem.code for problem in left}
    return Mended(str(target), [p for p in before if p.code not in remaining], left)


def _not_mended(path: Path, problems: list[Problem]) -> InvalidSubmissionError:
    n = sum(p.severity == "error" for p in problems)
    return InvalidSubmissionError(
        "MER-S071",
        f"{path}: {n} problems, not all of which have a certain mend; nothing was written.\n"
        + report(problems, path.name),
        "Mend what is named above by hand.",
        problems,
    )


def canonical(track: Track, table: Table, candidates: Sequence[str] | None) -> Table:
    """The upload's columns in their order; rows in candidate order where every key is a candidate, once."""
    columns = header_columns(track, table.header)
    rows = [[row[at] for at in columns.values()] for row in table.rows]
    keys = keys_of(track, table)
    if candidates is not None and len(set(keys)) == len(keys) and set(keys) == set(candidates):
        row_of = dict(zip(keys, rows, strict=True))
        rows = [row_of[key] for key in candidates]
    return Table(header=list(columns), rows=rows, numbers=range(2, len(rows) + 2))


def mended_table(track: Track, table: Table, candidates: Sequence[str] | None) -> Table:
    """`canonical`, with cells mended where the mend is certain."""
    columns = [track.upload.column(name) for name in header_columns(track, table.header)]
    plain = canonical(track, table, None)
    meant = meant_keys(keys_of(track, plain), candidates or ())
    rows = [[_mended(column, cell) for column, cell in zip(columns, row, strict=True)] for row in plain.rows]
    for row, key in zip(rows, keys_of(track, plain), strict=True):
        if key in meant:
            for name, part in zip(track.upload.keys, meant[key].split(JOINT), strict=True):
                row[plain.header.index(name)] = part
    return canonical(track, replace(plain, rows=rows), candidates)


def serialise(track: Track, table: Table) -> bytes:
    """CSV bytes: UTF-8, line feeds, a header, quotes only where a cell needs them."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(table.header)
    writer.writerows(table.rows)
    return out.getvalue().encode("utf-8")


def default_out(track: Track) -> Path:
    """Where `package` writes unless told: the track's own file name, in the current folder."""
    upload = track.upload
    if upload.container == "zip":
        return Path(upload.archive_name or f"{track.id}.zip")
    return Path(upload.file_name or f"{track.id}{suffix_of(track)}")


def _open(track: Track, file: Path | str, candidates: Path | str | None) -> tuple[Path, list[str] | None, Table]:
    require_table_format(track)
    listed = read_names(Path(candidates), track.upload.keys) if candidates is not None else None
    names = [c.name for c in track.upload.columns]
    return Path(file), listed, read_table(Path(file), suffix=suffix_of(track), columns=names)


def _require_table(track: Track, table: Table, path: Path, candidates: Sequence[str] | None) -> Table:
    """The table if it can be written anew at all: readable, each column there once, all rows of one width."""
    columns = header_columns(track, table.header)
    complete = all(c.name in columns for c in track.upload.columns if c.required)
    even = all(len(row) == len(table.header) for row in table.rows)
    if table.readable and complete and even and len(set(table.header)) == len(table.header):
        return table
    problems = check(track, table, path.name, candidates)
    raise InvalidSubmissionError(
        "MER-S072",
        f"{path} cannot be written anew.\n{report(problems, path.name)}",
        "Mend what is named above by hand.",
        problems,
    )


def _target(track: Track, out: Path, source: Path) -> tuple[Path, bool]:
    """Where to write, and whether as a zip."""
    if out.is_dir() or not (out.suffix or out.exists()):
        out = out / default_out(track).name
    if out.resolve() == source.resolve():
        raise SubmissionError("MER-S073", f"{out} is the file itself.", "Name another file with --out.")
    zipped, wanted = out.suffix.lower() == ".zip", track.upload.container == "zip"
    plain = out.suffix.lower() == suffix_of(track)
    if not (zipped or plain) or (zipped != wanted and track.upload.container_source == "official"):
        suffix = ".zip" if wanted else suffix_of(track)
        raise SubmissionError(
            "MER-S074", f"{out.name} is no name for an upload to {track.id}.", f"Name a file that ends in {suffix}."
        )
    return out, zipped


def _mended(column: Column, cell: str) -> str:
    if column.kind in ("label", "preference"):
        return certain_label(column, cell) or cell
    if column.kind == "key" or (column.kind == "number" and plain_number(cell) is not None):
        return cell.strip()
    return cell


def _receipt(
    track: Track, written: Table, read: Table, target: Path, upload: bytes, member: str, source: Path
) -> Receipt:
    labels, values = {}, {}
    for name in written.header:
        column, cells = track.upload.column(name), written.cells(name)
        if column.kind in ("label", "preference"):
            counts = Counter(cells)
            labels[name] = {label: counts[label] for label in column.allowed}
        found = [plain_number(cell) for cell in cells] if column.kind == "number" else []
        numbers = [n for n in found if n is not None and math.isfinite(n)]
        if numbers:
            values[name] = {"low": min(numbers), "mean": sum(numbers) / len(numbers), "high": max(numbers)}
    kept = header_columns(track, read.header).values()
    return Receipt(
        track=track.id,
        file=target.name,
        sha256=hashlib.sha256(upload).hexdigest(),
        bytes=len(upload),
        rows=len(written.rows),
        labels=labels,
        values=values,
        member=member,
        dropped=tuple(cell for i, cell in enumerate(read.header) if i not in kept),
        source=source.name,
        source_sha256=hashlib.sha256(source.read_bytes()).hexdigest(),
        unconfirmed=tuple(f"{r.about}: {r.text} ({r.source})" for r in track.rules if r.source != "official"),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )
