"""The ledger: what was packaged for a track, and how often a truth file was looked at.

One JSON line per event in ``FOLDER/<track>.jsonl``, appended and synced, never rewritten. Whoever shares the folder
shares the count. A line that a crash cut off is passed over and counted as damaged.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mertools.errors import SubmissionError
from mertools.looks import LOOKS, append_event
from mertools.tracks import Track

VARIABLE = "MERTOOLS_LEDGER"


@dataclass(frozen=True)
class Entry:
    """Where a packaged file stands in the ledger.

    Attributes:
        path: the ledger.
        packaged: different files packaged by now.
        left: uploads left of the limit if every packaged file is sent; None if no limit was published.
        new: whether these bytes were not packaged before.
    """

    path: Path
    packaged: int
    left: int | None
    new: bool


@dataclass(frozen=True)
class Looks:
    """How often a truth file was looked at, by the ledgers at hand.

    Attributes:
        n: times, this one included; None if there is no ledger to count in.
        files: different files among them.
        where: the ledgers.
    """

    n: int | None
    files: int
    where: tuple[Path, ...]


def ledger_path(track: Track, upload: Path, folder: Path | str | None = None) -> Path:
    """The ledger of a track: in `folder`, else in ``MERTOOLS_LEDGER``, else beside the upload."""
    named = folder or os.environ.get(VARIABLE)
    return (Path(named) if named else upload.parent) / f"{track.id}.jsonl"


def record_package(
    track: Track,
    upload: Path,
    sha256: str,
    rows: int,
    *,
    folder: Path | str | None = None,
    score: float | None = None,
) -> Entry:
    """Note that a file was packaged; the same bytes again count once (and are noted again only with a new score).

    Args:
        track: the track.
        upload: the file.
        sha256: of it.
        rows: rows that it predicts.
        folder: see `ledger_path`.
        score: its score, if known.

    Raises:
        MachineError: if the ledger cannot be written.
        SubmissionError: if the ledger cannot be read.
    """
    path = ledger_path(track, upload, folder)
    known = [event for event in read(path)[0] if event.get("event") == "package"]
    seen = {event.get("sha256") for event in known}
    packaged = len(seen | {sha256})
    left = None if track.submissions is None else track.submissions - packaged
    scored = {(event.get("sha256"), event.get("score")) for event in known}
    if sha256 not in seen or (score is not None and (sha256, score) not in scored):
        event = {"event": "package", "track": track.id, "sha256": sha256, "file": upload.name, "rows": rows}
        append_event(path, event | {"score": score, "limit": track.submissions, "left": left})
    return Entry(path, packaged, left, sha256 not in seen)


def record_look(track: Track, file: Path, truth: Path, value: float, *, folder: Path | str | None = None) -> Looks:
    """Note that a truth file was looked at, where there is a ledger: named, or existing beside the file, or of its run.

    Args:
        track: the track.
        file: what was scored.
        truth: what it was scored against.
        value: the primary metric.
        folder: see `ledger_path`; without it and ``MERTOOLS_LEDGER``, only an existing ledger beside `file` is used.

    Raises:
        MachineError: if a ledger cannot be written.
        SubmissionError: if a ledger cannot be read.
    """
    named = folder is not None or bool(os.environ.get(VARIABLE))
    path = ledger_path(track, file, folder)
    ledgers = [path] if named or path.is_file() else []
    run = run_folder(file)
    if run is not None:
        ledgers.append(run / LOOKS)
    event = {
        "event": "look",
        "track": track.id,
        "truth_sha256": digest(truth),
        "sha256": digest(file),
        "file": file.name,
        "metric": track.primary,
        "value": value if math.isfinite(value) else None,
    }
    looks: dict[str, set[str]] = {}
    n = 0
    for ledger in ledgers:
        append_event(ledger, event)
        same = [e for e in read(ledger)[0] if e.get("truth_sha256") == event["truth_sha256"]]
        n = max(n, len(same))
        looks.setdefault("files", set()).update(str(e.get("sha256")) for e in same)
    return Looks(n if ledgers else None, len(looks.get("files", ())), tuple(ledgers))


def run_folder(file: Path) -> Path | None:
    """The run that a file lies in: the nearest folder above it with ``recipe.yaml`` and ``metrics.json``."""
    for folder in file.resolve().parents:
        if (folder / "recipe.yaml").is_file() and (folder / "metrics.json").is_file():
            return folder
    return None


def read(path: Path) -> tuple[list[dict[str, Any]], int]:
    """The events of a ledger in order, none if there is no ledger, and the number of damaged lines.

    Raises:
        SubmissionError: if it is a folder, too large, or no text.
    """
    if not path.exists():
        return [], 0
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise SubmissionError(
            "MER-S180", f"the ledger {path} cannot be read: {error}.", "Name another folder."
        ) from None
    events, damaged = [], 0
    for line in lines:
        try:
            event = json.loads(line)
        except ValueError:
            event = None
        if isinstance(event, dict):
            events.append(event)
        else:
            damaged += bool(line.strip())
    return events, damaged


def digest(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def summary(events: Iterable[Mapping[str, Any]]) -> tuple[int, int]:
    """Different files packaged, and looks at truth files."""
    events = list(events)
    packaged = {event.get("sha256") for event in events if event.get("event") == "package"}
    return len(packaged), sum(event.get("event") == "look" for event in events)
