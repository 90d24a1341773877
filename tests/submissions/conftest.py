"""A small valid submission for every track, and ways to write it down."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from mertools.tracks import TRACKS, Track

Rows = list[list[str]]


@dataclass
class Made:
    """A valid submission of `n` rows: its track, rows with header, and candidate list."""

    track: Track
    rows: Rows
    candidates: Path
    folder: Path

    def text(self, rows: Sequence[Sequence[str]] | None = None) -> bytes:
        out = io.StringIO()
        csv.writer(out, lineterminator="\n").writerows(self.rows if rows is None else rows)
        return out.getvalue().encode()

    def write(self, content: bytes | None = None, name: str = "submission.csv") -> Path:
        path = self.folder / name
        path.write_bytes(self.text() if content is None else content)
        return path

    def edited(self, row: int, column: int, cell: str) -> bytes:
        rows = [list(r) for r in self.rows]
        rows[row][column] = cell
        return self.text(rows)


def make(track: Track, folder: Path, n: int = 12) -> Made:
    rng = np.random.default_rng(5)
    header = [c.name for c in track.upload.columns]
    rows: Rows = [header]
    for i in range(n):
        row = []
        for column in track.upload.columns:
            if column.kind == "key":
                row.append(f"sample_{i:08d}")
            elif column.kind == "label":
                row.append(column.allowed[i % len(column.allowed)])
            else:
                low, high = column.range or (0.0, 1.0)
                row.append(repr(round(float(rng.uniform(low, high)), 4)))
        rows.append(row)
    candidates = folder / "candidates.csv"
    candidates.write_text("name\n" + "".join(f"{row[0]}\n" for row in rows[1:]))
    return Made(replace(track, candidates=replace(track.candidates, count=n)), rows, candidates, folder)


@pytest.fixture(params=TRACKS.names())
def made(request: pytest.FixtureRequest, tmp_path: Path) -> Made:
    return make(TRACKS.get(request.param), tmp_path)


@pytest.fixture
def multi(tmp_path: Path) -> Made:
    return make(TRACKS.get("mer2023-multi"), tmp_path)


@pytest.fixture
def zipped(tmp_path: Path) -> Made:
    """A track that wants ``answer.csv`` at the root of a zip, officially."""
    track = TRACKS.get("mer2024-semi")
    upload = replace(track.upload, file_name="answer.csv", file_name_source="official", container_source="official")
    return make(replace(track, upload=upload), tmp_path)
