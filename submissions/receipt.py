"""`Receipt`: what was packaged, so that a number on a leaderboard can be traced to a file."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mertools.tracks import Column, Track
from submissions.cells import plain_number
from submissions.table import Table
from submissions.validation import header_columns

MAX_WORDS = 50
"""Of open sets the most frequent words are kept."""


@dataclass(frozen=True)
class Receipt:
    """What was packaged.

    Attributes:
        track: id of the track.
        file: the upload that was written.
        sha256: of the upload.
        bytes: its size.
        rows: rows that it predicts.
        labels: how often each label (of open sets each of the most frequent words) stands in it, per column.
        values: lowest, mean and highest value of each column of numbers.
        member: name of the file inside the zip; empty if there is no zip or one file per clip.
        dropped: columns of the source that do not belong into the upload.
        source: the file it was made from.
        source_sha256: of that file.
        unconfirmed: rules of the track that are inferred or unknown.
        created: when, UTC, ISO 8601; stands here alone, never in the upload.
        packaged: different uploads packaged for this track by now, by the ledger.
        left: uploads left of the limit if every packaged file is sent; None if no limit was published.
        ledger: the ledger.
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
    packaged: int = 0
    left: int | None = None
    ledger: str = ""

    def as_json(self) -> dict[str, Any]:
        """The receipt as it is written beside the upload."""
        return asdict(self)


def receipt_of(track: Track, written: Table, read: Table, target: Path, upload: bytes, source: Path) -> Receipt:
    """The receipt of an upload.

    Args:
        track: the track.
        written: the table in the upload.
        read: the table it was made from.
        target: where the upload stands.
        upload: its bytes.
        source: the file that `read` came from.
    """
    labels, values = {}, {}
    for name in written.header:
        column, cells = track.upload.column(name), written.cells(name)
        counts = _counts(column, cells)
        if counts:
            labels[name] = counts
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
        member=written.member,
        dropped=tuple(cell for i, cell in enumerate(read.header) if i not in kept),
        source=source.name,
        source_sha256=hashlib.sha256(source.read_bytes()).hexdigest(),
        unconfirmed=tuple(f"{r.about}: {r.text} ({r.source})" for r in track.rules if r.source != "official"),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _counts(column: Column, cells: list[str]) -> dict[str, int]:
    if column.kind in ("label", "preference"):
        counts = Counter(cells)
        return {label: counts[label] for label in column.allowed}
    if column.kind == "labels":
        from mertools.openset import PARSERS
        from submissions.words import PARSER

        parse = PARSERS[column.words or PARSER]
        words = Counter(word.strip().lower() for cell in cells for word in parse(cell))
        return dict(sorted(words.items(), key=lambda item: (-item[1], item[0]))[:MAX_WORDS])
    return {}
