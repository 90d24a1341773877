"""CSV tables of published corpora: which columns they must have, rows keyed by clip, transcripts.

Unlike a user's own table (`mertools.corpora.scanning.read_table`), a published one may repeat a row: that is passed
over if the rows say the same, and is an error if they contradict each other.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

from mertools.corpora.scanning import AUDIO_SUFFIXES, VIDEO_SUFFIXES
from mertools.corpus import separated_by
from mertools.errors import CorpusError, did_you_mean

HUMAN = "human"
ASR = "asr"
TRANSLATION = "machine translation"


class Row(dict[str, str]):
    """Cells of a row by column; two rows are equal if their cells are.

    Attributes:
        where: the row's file, number and name, for messages.
    """

    where = ""


Rows = dict[str, Row]
Texts = dict[str, dict[str, str]]


def first_file(folders: Sequence[Path], names: Sequence[str]) -> Path | None:
    """The first of `names` (wildcards allowed) that is a file in one of `folders`; None if there is none."""
    for name in names:
        for folder in folders:
            found = sorted(p for p in folder.glob(name) if p.is_file())
            if found:
                return found[0]
    return None


def rows_of(path: Path, columns: Sequence[str]) -> list[dict[str, str]]:
    """Rows of a CSV file in file order; the first is row 2.

    Raises:
        CorpusError: ``MER-C131`` if it cannot be read, lacks one of `columns`, or has a row of another length.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, restval="", strict=True)
            present = [column.strip() for column in reader.fieldnames or ()]
            reader.fieldnames = present
            missing = [column for column in columns if column not in present]
            if missing:
                raise CorpusError(
                    "MER-C131",
                    f"{path}, row 1: no column '{missing[0]}'; found: {', '.join(present) or 'nothing'}.",
                    f"Expected the columns {', '.join(columns)}{separated_by(present)}",
                )
            rows = list(reader)
    except OSError as error:
        raise CorpusError("MER-C131", f"{path} cannot be read: {error.strerror}.", "Check the path.") from None
    except (csv.Error, UnicodeDecodeError) as error:
        raise CorpusError("MER-C131", f"{path} is not a UTF-8 CSV file: {error}.", "Save it as UTF-8.") from None
    for number, row in enumerate(rows, start=2):
        if None in row:
            raise CorpusError(
                "MER-C131", f"{path}, row {number}: more cells than columns.", "Quote cells that hold commas."
            )
    return rows


def by_name(path: Path, columns: Sequence[str] = ()) -> Rows:
    """Rows of a CSV file by their ``name``, which loses a media suffix; equal rows of one name count once.

    Raises:
        CorpusError: ``MER-C131`` as for `rows_of`, ``MER-C132`` for an empty name, or two rows of one name that differ.
    """
    rows: Rows = {}
    for number, cells in enumerate(rows_of(path, ("name", *columns)), start=2):
        name = clip_name(cells.pop("name"))
        row = Row(cells)
        row.where = f"{path}, row {number} ('{name}')"
        if not name:
            raise CorpusError("MER-C132", f"{path}, row {number}: the name is empty.", "Name the clip.")
        if rows.setdefault(name, row) != row:
            raise CorpusError(
                "MER-C132",
                f"{path}, row {number}: '{name}' stands above already, with other cells.",
                "Keep the right one of the two rows.",
            )
    return rows


def clip_name(cell: str) -> str:
    """A clip's name as a table gives it, without blanks and media suffix.

    Example:
        >>> clip_name(" sample_00000001.mp4 ")
        'sample_00000001'
    """
    name = cell.strip()
    return Path(name).stem if name.lower().endswith((*VIDEO_SUFFIXES, *AUDIO_SUFFIXES)) else name


def checked_class(cell: str, classes: Sequence[str], where: str) -> str:
    """A class name, stripped.

    Raises:
        CorpusError: ``MER-C133`` if it is none of `classes`; `where` says in which file and row it stands.
    """
    label = cell.strip()
    if label not in classes:
        raise CorpusError(
            "MER-C133",
            f"{where}: the label '{label}' is not one of the {len(classes)} classes.{did_you_mean(label, classes)}",
            f"Expected one of: {', '.join(classes)}.",
        )
    return label


def checked_value(cell: str, low: float, high: float, where: str) -> str:
    """A number in [low, high] as it is written; the empty cell and MER's -10 mean that there is none.

    Raises:
        CorpusError: ``MER-C142`` if it is no number or lies outside.
    """
    text = cell.strip()
    try:
        number = float(text) if text else -10.0
    except ValueError:
        number = float("nan")
    if number == -10:
        return ""
    if not low <= number <= high:
        raise CorpusError(
            "MER-C142", f"{where}: '{text}' is not a number in [{low:g}, {high:g}].", "Mend the cell or empty it."
        )
    return text


def transcripts(path: Path, columns: Mapping[str, str]) -> Texts:
    """Transcripts by clip under our column names; columns that the file lacks are left out.

    Args:
        path: a CSV file with ``name``.
        columns: column of the file -> our column, e.g. ``{"chinese": "text", "english": "text_en"}``.

    Raises:
        CorpusError: ``MER-C131`` if the file has none of `columns`; ``MER-C132`` as for `by_name`.
    """
    rows = by_name(path)
    present = next(iter(rows.values()), Row())
    if rows and not any(column in present for column in columns):
        raise CorpusError(
            "MER-C131",
            f"{path}, row 1: none of the columns {', '.join(columns)}; found: {', '.join(('name', *present))}.",
            f"Expected name and one of {', '.join(columns)}.",
        )
    return {
        name: {ours: row[theirs].strip() for theirs, ours in columns.items() if theirs in row}
        for name, row in rows.items()
    }


def texts_below(
    folders: Sequence[Path], files: Mapping[str, Mapping[str, tuple[str, str]]]
) -> tuple[Texts, dict[str, str], list[str]]:
    """Transcripts of the first file that is there.

    Args:
        folders: where to look.
        files: file name -> its columns -> (our column, its origin), in order of preference.

    Returns:
        Cells by clip; the origin of each column of ours that holds text; warnings.
    """
    for name, columns in files.items():
        path = first_file(folders, (name,))
        if path is not None:
            rows = transcripts(path, {theirs: ours for theirs, (ours, _) in columns.items()})
            filled = {column for cells in rows.values() for column, cell in cells.items() if cell}
            return rows, {ours: origin for ours, origin in columns.values() if ours in filled}, []
    return {}, {}, [f"there are no transcripts: none of {', '.join(files)} is in {folders[0]}."]
