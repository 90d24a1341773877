"""`package` and `mend`: from a table to the exact bytes of an upload."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from mertools.errors import SubmissionError
from mertools.files import write_bytes_atomically, write_text_atomically
from mertools.tracks import Track, get_track
from submissions import ledger as ledgers
from submissions.archive import write_zip
from submissions.formats import format_of
from submissions.mending import canonical, mended_table
from submissions.problems import EXTRA_COLUMN, InvalidSubmissionError, Problem, is_valid, report
from submissions.reading import read_bytes, read_names, read_table, within_limit
from submissions.receipt import Receipt, receipt_of
from submissions.table import Table
from submissions.validation import check, find_wheels, header_columns

if TYPE_CHECKING:
    pass


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
    wheels: Path | str | None = None,
    ledger: Path | str | None = None,
    score: float | None = None,
) -> Receipt:
    """Write exactly the upload, the same bytes on every machine, and ``OUT.receipt.json`` beside it.

    Columns that do not belong into the upload are dropped, rows follow the candidate list where one is given, line
    ends, byte order mark and quoting are written anew. Cells stay as they are unless `fix`.

    Args:
        track: the track or its id.
        file: predictions CSV, or an upload (bare or zipped).
        out: where to write; a folder, or a name without a suffix, gets the track's file in it. A track whose container
            is not official follows the suffix (that of the data file, or ``.zip``).
        candidates: CSV with the clips to predict; replaces the official list and count.
        fix: mend first what is certain.
        wheels: folder of emotion-wheel tables, for open sets: the words that they do not know are counted.
        ledger: folder of the ledger; else ``MERTOOLS_LEDGER``, else the folder of the upload.
        score: what the file scores, if known, for the ledger.

    Raises:
        InvalidSubmissionError: if the upload would not be valid; nothing is written.
        SubmissionError: if a file is missing, or `out` is the file itself or has the wrong suffix.
    """
    track = track if isinstance(track, Track) else get_track(track)
    path, listed, table = _open(track, file, candidates)
    target, zipped = _target(track, Path(out), path)
    whole = _require_table(track, table, path, listed)
    made = mended_table(track, whole, listed) if fix else canonical(track, whole, listed)
    upload, written = _serialised(track, made, target, zipped)
    left = check(track, written, target.name, listed, find_wheels(wheels))
    if not is_valid(left):
        left = _in_the_source(left, check(track, table, path.name, listed))
        raise InvalidSubmissionError(
            "MER-S070",
            f"{path} is no valid submission to {track.id}; nothing was written.\n{report(left, path.name)}",
            "Mend the rows named above" + ("." if fix else ", or add --fix where the mend is certain."),
            left,
        )
    receipt = receipt_of(track, written, table, target, upload, path)
    ledgers.read(ledgers.ledger_path(track, target, ledger))  # a ledger that cannot be read stops us before, not after
    write_bytes_atomically(target, upload)
    entry = ledgers.record_package(track, target, receipt.sha256, receipt.rows, folder=ledger, score=score)
    receipt = replace(receipt, packaged=entry.packaged, left=entry.left, ledger=str(entry.path))
    write_text_atomically(
        target.with_name(target.name + ".receipt.json"),
        json.dumps(receipt.as_json(), ensure_ascii=False, indent=2) + "\n",
    )
    return receipt


def mend(track: str | Track, file: Path | str, out: Path | str, candidates: Path | str | None = None) -> Mended:
    """Write a mended copy where every mend is certain: order, case, spaces, bytes, known misspellings, lists of words.

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
    upload, written = _serialised(track, mended_table(track, whole, listed), target, zipped)
    left = check(track, written, target.name, listed)
    if not is_valid(left):
        raise _not_mended(path, _in_the_source(left, before))
    write_bytes_atomically(target, upload)
    remaining = {problem.code for problem in left}
    return Mended(str(target), [p for p in before if p.code not in remaining], left)


def default_out(track: Track) -> Path:
    """Where `package` writes unless told: the track's own file name, in the current folder."""
    upload = track.upload
    if upload.container == "zip":
        return Path(upload.archive_name or f"{track.id}.zip")
    return Path(_data_name(track))


def _data_name(track: Track) -> str:
    return track.upload.file_name or f"{track.id}{track.upload.suffix}"


def _serialised(track: Track, table: Table, target: Path, zipped: bool) -> tuple[bytes, Table]:
    """The bytes to send, and the table that a reader finds in them."""
    form = format_of(track.upload)
    content = form.write(table, track.upload)
    if zipped and not form.is_container:
        content = write_zip({_data_name(track): content})
    return content, within_limit(track, read_bytes(content, target.name, track), len(content))


def _in_the_source(left: list[Problem], before: list[Problem]) -> list[Problem]:
    """Problems that remain, as they stand in the rows of the file that the user has, where they stand there."""
    codes = {problem.code for problem in left}
    there = [problem for problem in before if problem.code in codes]
    return left if is_valid(there) else there


def _not_mended(path: Path, problems: list[Problem]) -> InvalidSubmissionError:
    n = sum(p.severity == "error" for p in problems)
    return InvalidSubmissionError(
        "MER-S071",
        f"{path}: {n} problems, not all of which have a certain mend; nothing was written.\n"
        + report(problems, path.name),
        "Mend what is named above by hand.",
        problems,
    )


def _open(track: Track, file: Path | str, candidates: Path | str | None) -> tuple[Path, list[str] | None, Table]:
    listed = read_names(Path(candidates), track) if candidates is not None else None
    return Path(file), listed, read_table(Path(file), track)


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
    plain = out.name.lower().endswith(track.upload.suffix) and not format_of(track.upload).is_container
    if not (zipped or plain) or (zipped != wanted and track.upload.container_source == "official"):
        suffix = ".zip" if wanted else track.upload.suffix
        raise SubmissionError(
            "MER-S074", f"{out.name} is no name for an upload to {track.id}.", f"Name a file that ends in {suffix}."
        )
    return out, zipped
