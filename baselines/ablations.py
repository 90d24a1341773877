"""What each space is worth: the same training without it, compared out of fold on the same clips."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from baselines.data import annotation_column
from baselines.plan import interval_groups
from baselines.runs import Run
from baselines.scoring import measures_of
from mertools.errors import TrainingError
from mertools.metrics.paired import paired_test
from mertools.tracks import get_track

if TYPE_CHECKING:
    from mertools.corpus import Corpus


def ablate(run: Run, corpus: Corpus) -> list[dict[str, Any]]:
    """Train the run again without each of its spaces in turn, with all its settings, and compare.

    Raises:
        TrainingError: if the run has a single space.
    """
    from baselines.training import train

    typed = [feature.typed for feature in run.design.features]
    if len(typed) < 2:
        raise TrainingError(
            "MER-T130", f"{run.folder} has a single space; nothing can be left out.", "Leave --ablate out."
        )
    found = []
    with tempfile.TemporaryDirectory(prefix="mertools-ablate-") as folder:
        for number, left_out in enumerate(typed):
            made = train(
                corpus,
                [spec for spec in typed if spec != left_out],
                run.recipe.model,
                Path(folder) / str(number),
                track=run.recipe.track or None,
                target=() if run.recipe.track else run.recipe.target,
                **(run.recipe.options or {}),
            )
            found.append(compared(run, made, corpus))
    return found


def compared(run: Run, other: Run, corpus: Corpus) -> dict[str, Any]:
    """What a run with other spaces scores out of fold, and its difference from `run` on the same clips.

    Returns:
        ``left_out`` and ``added`` (labels of spaces), ``metrics``, and ``difference``: the primary measure of `other`
        minus that of `run`, ensembles over seeds, with interval and p-value.

    Raises:
        TrainingError: if the two runs were not trained on the same clips.
    """
    own, others = run.predictions(), other.predictions()
    if set(own.names) != set(others.names):
        raise TrainingError(
            "MER-T131",
            f"{other.folder} was not trained on the clips of {run.folder}.",
            "Train it with the same splits.",
        )
    labels = [{feature.label for feature in r.design.features} for r in (run, other)]
    track = get_track(run.metrics["track"]) if run.metrics.get("track") else None
    measure = measures_of(run.design.targets, track)[0]
    clips = [corpus.clip(name) for name in own.names]
    truth = {t.name: annotation_column(t, corpus.annotations(t.name, clips)) for t in run.design.targets}
    rows = measure.rows(truth)
    groups, unit = interval_groups(clips, str((run.recipe.options or {}).get("group", "speaker")))
    columns = [measure.columns(truth, _arrays(r, own.names), rows) for r in (other, run)]
    test = paired_test(measure.metric, *columns, None if groups is None else groups[rows], unit=unit)
    difference = {"value": test.difference, "low": test.low, "high": test.high, "p": test.p}
    return {
        "left_out": sorted(labels[0] - labels[1]),
        "added": sorted(labels[1] - labels[0]),
        "primary": measure.label,
        "metrics": dict(other.metrics["metrics"]),
        "difference": {name: float(v) if np.isfinite(v) else None for name, v in difference.items()},
        "unit": unit,
    }


def _arrays(run: Run, names: tuple[str, ...]) -> Mapping[str, np.ndarray]:
    """Out-of-fold predictions per target, in the order of `names`."""
    found = run.predictions()
    row = {name: i for i, name in enumerate(found.names)}
    order = [row[name] for name in names]
    arrays: dict[str, np.ndarray] = {}
    for target in run.design.targets:
        if target.kind == "value":
            arrays[target.name] = found.values[target.name][order]
        elif target.classes == found.labels and "probabilities" not in arrays:
            arrays[target.name] = found.probabilities[order]
        else:
            index = {label: i for i, label in enumerate(target.classes)}
            arrays[target.name] = np.array([index[found.texts[target.name][i]] for i in order])
    return arrays
