"""Weights of the members of an ensemble: given, read from a file, or from the scores that their runs measured."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mertools.errors import ConfigError, SubmissionError
from mertools.metrics import METRICS
from mertools.tracks import Track
from submissions.cells import plain_number
from submissions.ledger import run_folder

OUT_OF_FOLD = "oof"


def read_weights(track: Track, files: Sequence[Path], weights: str | Sequence[float] | None) -> np.ndarray:
    """Shares of the files, which sum to 1.

    Args:
        track: the track, whose primary metric says whether higher scores are better.
        files: the members.
        weights: nothing (equal shares); numbers, or text such as ``0.7,0.3``; ``oof`` (each file lies in a run, whose
            ``metrics.json`` holds its out-of-fold score); or a CSV ``file,weight`` or ``file,score`` with the files'
            names. Scores become weights: the score itself, 0 below 0, or its inverse where lower is better.

    Raises:
        ConfigError: if there are not as many numbers as files, or one is negative, or all are 0.
        SubmissionError: if a file of weights or a run cannot be read.
    """
    if weights is None:
        found = [1.0] * len(files)
    elif not isinstance(weights, str):
        found = [float(weight) for weight in weights]
    elif weights == OUT_OF_FOLD:
        found = [_from_score(track, _out_of_fold(track, file)) for file in files]
    elif Path(weights).is_file():
        found = _from_file(track, files, Path(weights))
    else:
        parts = [plain_number(part) for part in weights.split(",")]
        if any(part is None for part in parts):
            raise ConfigError(
                "MER-S181", f"'{weights}' is neither a file nor numbers nor oof.", "Write e.g. --weights 0.7,0.3"
            )
        found = [float(part) for part in parts if part is not None]
    if len(found) != len(files) or not all(math.isfinite(w) and w >= 0 for w in found) or not sum(found) > 0:
        shown = ", ".join(f"{weight:g}" for weight in found)
        raise ConfigError(
            "MER-S182", f"weights {shown} for {len(files)} files.", "One number of at least 0 per file, not all 0."
        )
    return np.array(found) / sum(found)


def _out_of_fold(track: Track, file: Path) -> float:
    """The out-of-fold score that the run of a file measured."""
    run = run_folder(file)
    if run is None:
        raise SubmissionError(
            "MER-S183", f"{file} lies in no run (a folder with recipe.yaml and metrics.json).", "Give numbers instead."
        )
    path = run / "metrics.json"
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        score = document["metrics"].get(track.primary, document["metrics"].get(document.get("primary")))
    except (ValueError, KeyError, AttributeError, UnicodeDecodeError):
        score = None
    if not isinstance(score, int | float) or not math.isfinite(score):
        raise SubmissionError("MER-S183", f"{path} holds no score of {track.primary}.", "Give numbers instead.")
    return float(score)


def _from_file(track: Track, files: Sequence[Path], path: Path) -> list[float]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
    except (csv.Error, UnicodeDecodeError) as error:
        raise SubmissionError("MER-S184", f"{path} is no CSV: {error}.", "Expected columns file,weight.") from None
    kind = "weight" if rows and "weight" in rows[0] else "score"
    if not rows or not {"file", kind} <= set(rows[0]):
        raise SubmissionError("MER-S184", f"{path} has no columns file and weight.", "Write file,weight or file,score.")
    known = {str(row["file"]): plain_number(str(row[kind])) for row in rows}
    found = []
    for file in files:
        value = known.get(str(file), known.get(file.name))
        if value is None or not math.isfinite(value):
            raise SubmissionError("MER-S184", f"{path} has no {kind} of {file}.", "Add a row for it.")
        found.append(value if kind == "weight" else _from_score(track, value))
    return found


def _from_score(track: Track, score: float) -> float:
    if not track.primary or METRICS.get(track.primary).higher_is_better:
        return max(score, 0.0)
    return 1.0 / score if score > 0 else 0.0
