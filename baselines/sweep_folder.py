"""The folder of a sweep: an ordinary run, beside it the study and its tables; complete or not a run yet.

::

    OUT/study.*       see `baselines.study`
    OUT/.unfinished/  the run while its members are trained; moved into OUT when it is complete, metrics.json last
    OUT/trials.csv    every trial on every fold: options, score (higher is better), epochs
    OUT/sweep.json    what was asked for, and what was chosen
"""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from baselines.draws import Space
from baselines.runs import write_json
from baselines.study import Study, differences
from mertools.errors import TrainingError
from mertools.files import disk_problem, sync_folder, write_text_atomically
from mertools.looks import LOOKS

SUMMARY, TRIALS = "sweep.json", "trials.csv"
_UNFINISHED, _CHOSEN = ".unfinished", "chosen.json"


def finished(out: Path, asked: Mapping[str, Any]) -> bool:
    """Whether the sweep is done; the study in `out` is known to be of the same search.

    Raises:
        TrainingError: if it is done, but something else was asked for.
    """
    if not (out / "metrics.json").is_file():
        return False
    try:
        then = json.loads((out / SUMMARY).read_text(encoding="utf-8"))["asked"]
    except (OSError, ValueError, KeyError, TypeError):
        then = {}
    differing = differences(then, json.loads(json.dumps(asked)))
    if differing:
        raise TrainingError(
            "MER-T129",
            f"{out} holds a finished sweep that was asked for otherwise: {'; '.join(differing)}.",
            "Its left-out parts have been looked at: start another one with another --out.",
        )
    return True


def unfinished(out: Path, chosen: Any) -> Path:
    """The folder that the run is made in; members that are there stay, unless something else was chosen then."""
    folder = out / _UNFINISHED
    now = json.loads(json.dumps(chosen))
    try:
        then = json.loads((folder / _CHOSEN).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        then = None
    if then != now:
        shutil.rmtree(folder, ignore_errors=True)
        write_json(folder / _CHOSEN, now)
    (folder / LOOKS).unlink(missing_ok=True)
    return folder


def complete(folder: Path, out: Path) -> None:
    """Move a run into its place, ``metrics.json`` last: with it the run is finished."""
    try:
        for path in sorted(folder.iterdir(), key=lambda p: (p.name == "metrics.json", p.name)):
            if path.name == _CHOSEN:
                continue
            if path.name == "metrics.json":
                sync_folder(out)
            move(path, out / path.name)
        sync_folder(out)
        shutil.rmtree(folder, ignore_errors=True)
    except OSError as error:
        raise disk_problem(error, out) from error


def move(path: Path, place: Path) -> None:
    """Move a file or folder, in place of what a move that was interrupted left there."""
    if place.is_dir():
        shutil.rmtree(place)
    os.replace(path, place)


def write_trials(path: Path, space: Space, studies: Mapping[str, Study], trials: int) -> None:
    """Every trial on every fold as a table."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    keys = list(space.dimensions)
    writer.writerow(("protocol", "trial", "fold", *keys, "score", "epochs", "problem"))
    for kind, study in studies.items():
        for (trial, fold), result in sorted(study.results.items()):
            if trial < trials:
                outcome = ("", "", result.problem) if result.score is None else (result.score, result.epochs, "")
                writer.writerow((kind, trial, fold, *(result.options[key] for key in keys), *outcome))
    write_text_atomically(path, text.getvalue())


def write_summary(folder: Path, asked: Mapping[str, Any], facts: Mapping[str, Any], search: Mapping[str, Any]) -> None:
    """What was asked for, and what was chosen."""
    write_json(folder / SUMMARY, {"asked": dict(asked), **search, "study": dict(facts)})


def chosen_facts(results: Sequence[Any]) -> list[dict[str, Any]]:
    """What was chosen per fold, as plain data."""
    return [
        {"fold": fold, "trial": r.trial, "options": r.options, "score": r.score, "epochs": r.epochs}
        for fold, r in enumerate(results)
    ]
