"""A small valid submission for every track, and ways to write it down in the track's own format."""

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from mertools.tracks import TRACKS, Column, Track
from submissions.archive import write_zip

Rows = list[list[str]]
WORDS = ("happy", "sad", "angry", "calm", "worried", "surprised", "proud", "afraid")


@dataclass
class Made:
    """A valid submission of `n` rows: its track, rows with header, candidate list and truth."""

    track: Track
    rows: Rows
    candidates: Path
    truth: Path
    folder: Path

    @property
    def suffix(self) -> str:
        """What a file made by `write` ends in."""
        return ".zip" if self.track.upload.kind == "texts" else self.track.upload.suffix

    def text(self, rows: Sequence[Sequence[str]] | None = None) -> bytes:
        """The upload as bytes."""
        rows = self.rows if rows is None else rows
        if self.track.upload.kind == "texts":
            return write_zip({f"{row[0]}.txt": row[1].encode() for row in rows[1:]})
        if self.track.upload.kind == "npz":
            out = io.BytesIO()
            columns = zip(*rows[1:], strict=True)
            np.savez(out, **{name: np.array(cells) for name, cells in zip(rows[0], columns, strict=True)})
            return out.getvalue()
        out = io.StringIO()
        header = self.track.upload.header if list(rows[0]) == self.rows[0] and self.track.upload.header else rows[0]
        csv.writer(out, lineterminator="\n").writerows([header, *rows[1:]])
        return out.getvalue().encode()

    def write(self, content: bytes | None = None, name: str | None = None) -> Path:
        path = self.folder / (name or f"submission{self.suffix}")
        path.write_bytes(self.text() if content is None else content)
        return path

    def edited(self, row: int, column: int | str, cell: str) -> bytes:
        rows = [list(r) for r in self.rows]
        rows[row][self.rows[0].index(column) if isinstance(column, str) else column] = cell
        return self.text(rows)

    def column(self, kind: str) -> Column | None:
        return next((c for c in self.track.upload.columns if c.kind == kind), None)


def key(column: Column, i: int, of_several: bool) -> str:
    if column.made_of and ":" in column.made_of:
        return column.made_of.format(name=f"clip{i // 4}", frame=i % 4 + 1)
    if of_several and column.name != "name":
        return f"he seems {WORDS[i % 8]}, {column.name}"
    return f"sample_{i // 2 if of_several else i:08d}"  # of several keys the first may repeat


def cell(column: Column, i: int, rng: np.random.Generator) -> str:
    if column.kind in ("label", "preference"):
        return column.allowed[i % len(column.allowed)]
    if column.kind == "labels":
        words = [WORDS[i % 8], WORDS[(i + 1) % 8]]
        return "[" + ", ".join(f"'{word}'" for word in words) + "]" if column.words == "mer2024" else ", ".join(words)
    if column.kind == "text":
        return f"The speaker looks {WORDS[i % 8]}."
    low, high = column.range or (0.0, 1.0)
    return repr(round(float(rng.uniform(low, high)), 4))


def make(track: Track, folder: Path, n: int = 12) -> Made:
    rng = np.random.default_rng(5)
    columns = track.upload.columns
    several = len(track.upload.keys) > 1
    rows: Rows = [[c.name for c in columns]]
    for i in range(n):
        rows.append([key(c, i, several) if c.kind == "key" else cell(c, i, rng) for c in columns])
    keys = [i for i, c in enumerate(columns) if c.kind == "key"]
    candidates, truth = folder / "candidates.csv", folder / "truth.csv"
    with candidates.open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([row[i] for i in keys] for row in rows)
    targets = [columns.index(track.upload.holding(t.name)) for t in track.targets]
    with truth.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([*track.upload.keys, *(t.name for t in track.targets)])
        writer.writerows([row[i] for i in (*keys, *targets)] for row in rows[1:])
    return Made(replace(track, candidates=replace(track.candidates, count=n)), rows, candidates, truth, folder)


@pytest.fixture(autouse=True)
def _no_ledger_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MERTOOLS_LEDGER", "MERTOOLS_WHEELS"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(params=TRACKS.names())
def made(request: pytest.FixtureRequest, tmp_path: Path) -> Made:
    return make(TRACKS.get(request.param), tmp_path)


@pytest.fixture
def multi(tmp_path: Path) -> Made:
    return make(TRACKS.get("mer2023-multi"), tmp_path)


@pytest.fixture
def fine(tmp_path: Path) -> Made:
    return make(TRACKS.get("mer2025-fg"), tmp_path)


@pytest.fixture
def zipped(tmp_path: Path) -> Made:
    """A track that wants ``answer.csv`` at the root of a zip, officially."""
    track = TRACKS.get("mer2024-semi")
    upload = replace(track.upload, file_name="answer.csv", file_name_source="official", container_source="official")
    return make(replace(track, upload=upload), tmp_path)


@pytest.fixture
def maker(tmp_path: Path) -> Callable[..., Made]:
    """Makes a valid submission of the track with an id."""
    return lambda track, n=12: make(TRACKS.get(track), tmp_path, n)
