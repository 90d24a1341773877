"""``pairs.csv``: two descriptions of one clip, and which of them people prefer."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from mertools.corpora.tables import clip_name, rows_of
from mertools.errors import CorpusError

PAIRS_FILE = "pairs.csv"
PREFERENCES = ("a1", "a2", "same")


@dataclass(frozen=True)
class Pair:
    """Two descriptions of one clip. One clip may have many pairs: rows are told apart by name, a1 and a2.

    Attributes:
        name: the clip.
        a1: the first description.
        a2: the second description.
        preference: ``a1``, ``a2`` or ``same``; empty where it is to be predicted.
        split: its split.
    """

    name: str
    a1: str
    a2: str
    preference: str
    split: str


def pairs_of(path: Path, split: str, *, labelled: bool) -> list[Pair]:
    """Pairs of a published file ``name,a1,a2[,preference]`` in file order.

    Raises:
        CorpusError: ``MER-C131`` if it cannot be read, ``MER-C141`` for an unknown preference.
    """
    columns = ("name", "a1", "a2", "preference") if labelled else ("name", "a1", "a2")
    pairs = []
    for number, row in enumerate(rows_of(path, columns), start=2):
        preference = row["preference"].strip() if labelled else ""
        if labelled and preference not in PREFERENCES:
            raise CorpusError(
                "MER-C141",
                f"{path}, row {number} ('{row['name']}'): the preference '{preference}' is unknown.",
                f"Expected one of: {', '.join(PREFERENCES)}.",
            )
        pairs.append(Pair(clip_name(row["name"]), row["a1"], row["a2"], preference, split))
    return pairs


def read_pairs(folder: Path) -> list[Pair]:
    """Pairs of a corpus folder; none if it has no ``pairs.csv``.

    Raises:
        CorpusError: ``MER-C131`` if the file cannot be read or lacks a column.
    """
    path = folder / PAIRS_FILE
    if not path.is_file():
        return []
    columns = [f.name for f in fields(Pair)]
    return [Pair(*(row[column] for column in columns)) for row in rows_of(path, columns)]


def pairs_text(pairs: Iterable[Pair]) -> str:
    """The content of ``pairs.csv``."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n", quoting=csv.QUOTE_ALL)  # a bare carriage return would end a row
    writer.writerow([f.name for f in fields(Pair)])
    writer.writerows(astuple(pair) for pair in pairs)
    return buffer.getvalue()
