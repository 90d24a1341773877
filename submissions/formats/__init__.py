"""File formats of uploads, one module each: bytes to `Table` with all that is odd about them, and `Table` to bytes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from mertools.tracks import Upload
from submissions.formats import csv, npz, texts
from submissions.table import Table


@dataclass(frozen=True)
class Format:
    """A format of the file inside the container.

    Attributes:
        kind: as `mertools.tracks.Upload.kind` names it.
        read: bytes and upload -> table; what is wrong with the bytes is among the table's problems.
        write: table and upload -> bytes, the same ones on every machine.
        is_container: whether these bytes are the zip that is sent, so that nothing is put around them.
    """

    kind: str
    read: Callable[[bytes, Upload], Table]
    write: Callable[[Table, Upload], bytes]
    is_container: bool = False


FORMATS: Mapping[str, Format] = {
    "csv": Format("csv", csv.read, csv.write),
    "npz": Format("npz", npz.read, npz.write),
    "texts": Format("texts", texts.read, texts.write, is_container=True),
}


def format_of(upload: Upload) -> Format:
    """The format of an upload's data file."""
    return FORMATS[upload.kind]
