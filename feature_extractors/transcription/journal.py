"""What has been recognised so far, one JSON line per clip, kept as soon as it is known: a run can be resumed."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mertools.files import disk_problem


@dataclass(frozen=True)
class Entry:
    """One clip.

    Attributes:
        name: of the clip.
        maker: settings that the text depends on, as text.
        media: what tells whether the sound is still the same.
        status: a name of `mertools.status.Status`.
        text: the transcript; empty unless the status is ok.
        reason: why not ok; empty otherwise.
        language: code.
        words: ``[text, start_s, end_s]`` each, if they were asked for.
    """

    name: str
    maker: str
    media: str
    status: str
    text: str = ""
    reason: str = ""
    language: str = ""
    words: tuple[tuple[str, float, float], ...] = ()


class Journal:
    """The file ``CORPUS_DIR/transcripts/COLUMN.jsonl``: also the sidecar that holds word times."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> dict[str, Entry]:
        """The last entry of every clip. Lines that are damaged (a crash while writing) are as good as absent."""
        entries: dict[str, Entry] = {}
        if not self.path.is_file():
            return entries
        for line in self.path.read_text(encoding="utf-8", errors="replace").splitlines():
            entry = _entry(line)
            if entry is not None:
                entries[entry.name] = entry
        return entries

    def add(self, entries: Iterable[Entry]) -> None:
        """Append and make durable.

        Raises:
            MachineError: if the file cannot be written.
        """
        lines = "".join(json.dumps(asdict(entry), ensure_ascii=True) + "\n" for entry in entries)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("ab") as file:
                # A line that a crash left unfinished must not swallow the next one.
                file.write((b"\n" if file.tell() and not _ends_line(self.path) else b"") + lines.encode())
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise disk_problem(error, self.path) from error


def _ends_line(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"


def _entry(line: str) -> Entry | None:
    try:
        values: Any = json.loads(line)
        values["words"] = tuple((str(t), float(a), float(b)) for t, a, b in values["words"])
        entry = Entry(**values)
    except (ValueError, TypeError, KeyError):
        return None
    return entry if all(isinstance(v, str) for k, v in asdict(entry).items() if k != "words") else None
