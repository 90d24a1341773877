"""What runs must have in common before they may be compared: targets, clips, folds, annotations."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from baselines.data import annotation_column
from baselines.runs import Run
from baselines.scoring import Measure, measures_of
from mertools.corpus import Clip, Corpus
from mertools.errors import TrainingError, did_you_mean
from mertools.tracks import get_track

if TYPE_CHECKING:
    from mertools.predictions import Predictions
    from mertools.targets import Target
    from mertools.tracks import Track


def common_ground(
    runs: Sequence[Run], names: Sequence[str], metric: str
) -> tuple[Measure, list[Clip], dict[str, np.ndarray]]:
    """What runs are compared by and on.

    Args:
        runs: in the order of `names`.
        names: what messages call them.
        metric: label of a measure; empty = the first run's primary one.

    Returns:
        The measure, the clips in the order of the first run's ``folds.csv``, and their annotations per target.

    Raises:
        TrainingError: if they differ in targets, track, corpus, protocol, clips, folds or annotations.
    """
    if len(runs) < 2:
        raise TrainingError("MER-T073", f"{len(runs)} run was given to compare.", "Name at least two run folders.")
    first, folds = runs[0], [_folds(run) for run in runs]
    for run, name, own in zip(runs[1:], names[1:], folds[1:], strict=True):
        for what, ours, theirs in (
            ("target", _shown_targets(first.design.targets), _shown_targets(run.design.targets)),
            ("track", first.recipe.track or "none", run.recipe.track or "none"),
            ("corpus", str(first.metrics["corpus"]), str(run.metrics["corpus"])),
            ("protocol", _kind(first), _kind(run)),
        ):
            if ours != theirs:
                raise TrainingError(
                    "MER-T074",
                    f"{names[0]} and {name} differ in their {what}: {ours}; {theirs}.",
                    "Compare runs that answer the same question.",
                )
        _same_folds(names[0], folds[0], name, own)
    corpora = {str(Path(run.recipe.corpus).resolve()): run for run in runs}
    known = [_annotated(run, list(folds[0])) for run in corpora.values()]
    for run, (_, said) in zip(corpora.values(), known, strict=True):
        for target, column in said.items():
            differing = np.flatnonzero(~_equal(column, known[0][1][target]))
            if len(differing):
                raise TrainingError(
                    "MER-T077",
                    f"clip '{list(folds[0])[differing[0]]}' has another {target} in {run.recipe.corpus} than in "
                    f"{first.recipe.corpus} ({len(differing)} clips differ).",
                    "Compare runs on the same annotations.",
                )
    measures = {m.label: m for m in measures_of(first.design.targets, _track(first))}
    label = metric or str(first.metrics["primary"])
    if label not in measures:
        raise TrainingError(
            "MER-T078",
            f"these runs are not measured by '{label}'.{did_you_mean(label, measures)}",
            f"Expected one of: {', '.join(measures)}.",
        )
    return measures[label], *known[0]


def _same_folds(name: str, ours: Mapping[str, str], other: str, theirs: Mapping[str, str]) -> None:
    for lacking, where, there in (
        (ours.keys() - theirs.keys(), other, name),
        (theirs.keys() - ours.keys(), name, other),
    ):
        if lacking:
            raise TrainingError(
                "MER-T075",
                f"{other} and {name} are not scored on the same clips: {where} lacks {len(lacking)} clips of {there}, "
                f"first '{min(lacking)}'.",
                "Train both on the same splits of the same corpus.",
            )
    partner: dict[str, str] = {}
    back: dict[str, str] = {}
    for clip in ours:
        if partner.setdefault(ours[clip], theirs[clip]) != theirs[clip] or (
            back.setdefault(theirs[clip], ours[clip]) != ours[clip]
        ):
            raise TrainingError(
                "MER-T076",
                f"{name} and {other} have different folds: clip '{clip}' stands in fold {ours[clip]} of {name} and in "
                f"fold {theirs[clip]} of {other}, apart from clips that are together in the other run.",
                "Train both with the same --folds and the same seed (or fold_seed=N).",
            )


def per_target(predictions: Predictions, targets: Sequence[Target]) -> dict[str, np.ndarray]:
    """Predictions of a run as arrays per target: probabilities ``(N, C)``, or values ``(N,)``.

    A second target with classes is kept as labels alone; its probabilities are then 0 and 1.
    """
    found: dict[str, np.ndarray] = {}
    for target in targets:
        if target.kind == "value":
            found[target.name] = np.asarray(predictions.values[target.name], float)
        elif predictions.labels == target.classes:
            found[target.name] = predictions.probabilities
        else:
            index = {label: i for i, label in enumerate(target.classes)}
            found[target.name] = np.eye(len(index))[[index[label] for label in predictions.texts[target.name]]]
    return found


def out_of_fold(run: Run, names: Sequence[str]) -> list[dict[str, np.ndarray]]:
    """Out-of-fold predictions of each seed, per target, clips in the order of `names`."""
    return [_rows(run, f"seeds/oof-{seed}", names) for seed in run.metrics["seeds"]]


def _rows(run: Run, stem: str, names: Sequence[str]) -> dict[str, np.ndarray]:
    predictions = run.predictions(stem)
    at = {name: i for i, name in enumerate(predictions.names)}
    lacking = [name for name in names if name not in at]
    if lacking:
        raise TrainingError(
            "MER-T079",
            f"{run.folder}: {stem}.csv lacks {len(lacking)} clips of folds.csv, first '{lacking[0]}'.",
            "Train again.",
        )
    order = [at[name] for name in names]
    return {target: values[order] for target, values in per_target(predictions, run.design.targets).items()}


def _folds(run: Run) -> dict[str, str]:
    """Fold of every clip, in file order."""
    path = run.folder / "folds.csv"
    try:
        with path.open(encoding="utf-8", newline="") as file:
            found = {row["name"]: row["fold"] for row in csv.DictReader(file)}
    except (OSError, KeyError, UnicodeDecodeError) as error:
        raise TrainingError("MER-T079", f"{path} cannot be read: {error!r}.", "Train again.") from None
    if not found:
        raise TrainingError("MER-T079", f"{path} names no clips.", "Train again.")
    return found


def _annotated(run: Run, names: Sequence[str]) -> tuple[list[Clip], dict[str, np.ndarray]]:
    corpus = Corpus.read(run.recipe.corpus)
    known = {clip.name: clip for clip in corpus.clips}
    lacking = [name for name in names if name not in known]
    if lacking:
        raise TrainingError(
            "MER-T075",
            f"{run.folder}: corpus {corpus.folder} has no clip '{lacking[0]}' any more ({len(lacking)} are gone).",
            "Compare with the corpus that the run was trained on.",
        )
    clips = [known[name] for name in names]
    return clips, {t.name: annotation_column(t, corpus.annotations(t.name, clips)) for t in run.design.targets}


def _track(run: Run) -> Track | None:
    return get_track(run.recipe.track) if run.recipe.track else None


def _kind(run: Run) -> str:
    return str(run.metrics["protocol"].get("kind", "nested"))


def _shown_targets(targets: Sequence[Target]) -> str:
    return ", ".join(f"{t.name} ({'/'.join(t.classes) or t.range})" for t in targets)


def _equal(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    both_nan = (first != first) & (second != second)
    return np.asarray((first == second) | both_nan)
