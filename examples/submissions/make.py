"""A made example for every track: predictions of eight rows, candidates, truth, and the upload that package makes.

``python examples/submissions/make.py`` writes them anew beside this file, the same bytes each time. Nothing here comes
from a data set: names are numbers, labels are counted through. See README.md for the commands to try on them.
"""

from __future__ import annotations

import csv
import io
import json
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path
from string import Formatter

from mertools import get_track
from mertools.targets import Target
from mertools.tracks import TRACKS, Column, Track
from submissions import package
from submissions.packaging import default_out

N_ROWS = 8
WORDS = ("happy", "sad", "angry", "calm", "worried", "surprised", "proud", "afraid")

Rows = list[dict[str, str]]


def key_cells(track: Track, i: int) -> dict[str, str]:
    """The key of row i in the columns of a predictions CSV; pairs and frames share clips."""
    cells = {}
    keys = [column for column in track.upload.columns if column.kind == "key"]
    for column in keys:
        fields = [(name, spec) for _, name, spec, _ in Formatter().parse(column.made_of) if name]
        if any(spec for _, spec in fields):
            cells |= {"name": f"clip_{i // 4}", "frame": str(i % 4 + 1)}
        elif column.name in ("a1", "a2"):
            cells[column.name] = f"The speaker looks {WORDS[(i + (column.name == 'a2')) % 8]}."
        else:
            name = fields[0][0] if fields else column.name
            cells[name] = f"clip_{i // 2 if len(keys) > 1 else i}"
    return cells


def annotation(target: Target, i: int) -> str:
    """A made annotation of row i."""
    if target.kind == "classes":
        return target.classes[i % len(target.classes)]
    if target.kind == "labels":
        return f"{WORDS[i % 8]}, {WORDS[(i + 1) % 8]}"
    if target.kind == "preference":
        return ("a1", "a2")[i % 2]
    low, high = target.range or (0.0, 1.0)
    return f"{low + (high - low) * ((i * 5 + len(target.name)) % 8) / 8:.3f}"


def text_cells(column: Column, i: int) -> dict[str, str]:
    """A made text of row i, where no target describes the column."""
    name = column.made_of.strip("{}") or column.name
    return {name: f"The speaker looks {WORDS[i % 8]} and sounds {WORDS[(i + 1) % 8]}."}


def predictions_of(track: Track) -> Rows:
    """Rows of a predictions CSV: the truth, but for every fourth row, which has the annotation of the next."""
    rows = []
    for i in range(N_ROWS):
        row = key_cells(track, i)
        for target in track.targets if track.scorer is not None else ():
            row[target.name] = annotation(target, i + (i % 4 == 3))
        for column in track.upload.columns:
            if column.kind == "text":
                row |= text_cells(column, i)
        rows.append(row)
    return rows


def truth_of(track: Track) -> Rows:
    """Rows of a truth file; open sets as the track's scorer reads them."""
    rows = []
    for i in range(N_ROWS):
        row = key_cells(track, i)
        for target in track.targets:
            cell = annotation(target, i)
            if target.kind == "labels" and track.upload.holding(target.name).words == "mer2024":
                cell = str(cell.split(", "))
            row[target.name] = cell
        rows.append(row)
    return rows


def table(rows: Rows) -> str:
    """CSV text of rows that all have the same columns."""
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def make(track: Track, folder: Path) -> None:
    """Write the example of one track into a new folder."""
    folder.mkdir(parents=True)
    (folder / "predictions.csv").write_text(table(predictions_of(track)), encoding="utf-8")
    (folder / "candidates.csv").write_text(table([key_cells(track, i) for i in range(N_ROWS)]), encoding="utf-8")
    if track.scorer is not None:
        (folder / "truth.csv").write_text(table(truth_of(track)), encoding="utf-8")
    if "groups" in track.needs:
        lines = [
            json.dumps({"run": run, "name": f"clip_{i}", "groups": [["happy", "proud"], ["worried", "afraid"]]})
            for run in (1, 2)
            for i in range(N_ROWS)
        ]
        (folder / "groups.jsonl").write_text("\n".join([*lines, ""]), encoding="utf-8")
    few = replace(track, candidates=replace(track.candidates, count=N_ROWS))
    with tempfile.TemporaryDirectory() as scratch:
        made = Path(scratch) / default_out(track).name
        package(few, folder / "predictions.csv", made, candidates=folder / "candidates.csv")
        shutil.copyfile(made, folder / made.name)


def main(out: Path = Path(__file__).parent) -> None:
    """Write the examples of all tracks."""
    for name in TRACKS.names():
        shutil.rmtree(out / name, ignore_errors=True)
        make(get_track(name), out / name)


if __name__ == "__main__":
    main()
