"""What a report says about one run, gathered from its folder, its corpus and its store."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from mertools import metrics
from mertools.config import load_yaml
from mertools.corpus import Corpus, Target
from mertools.errors import MerToolsError, TrainingError
from mertools.metrics.classification import ClassRow
from mertools.predictions import Predictions

N_WORST = 12
"""How many of the worst clips are shown."""

ROBUSTNESS = "robustness.json"
"""A run may hold what ``mertools report --robustness`` found."""

SCORE = "score-"
"""A run may hold ``score-SPLIT.json``: what ``mertools submission score --json`` said about a split."""


@dataclass(frozen=True)
class ClassFacts:
    """Out-of-fold results of a target with classes.

    Attributes:
        target: its name.
        labels: classes in index order.
        matrix: confusion matrix ``(C, C)``, rows true, columns predicted.
        rows: per-class table.
    """

    target: str
    labels: tuple[str, ...]
    matrix: np.ndarray
    rows: list[ClassRow]


@dataclass(frozen=True)
class ValueFacts:
    """Out-of-fold results of a target with values: `truth` and `prediction`, each ``(N,)``, and the target's range."""

    target: str
    truth: np.ndarray
    prediction: np.ndarray
    range: tuple[float, float]


@dataclass(frozen=True)
class WorstClip:
    """A clip that the run got most wrong: `sureness` is the probability given to the true class."""

    name: str
    group: str
    truth: str
    prediction: str
    sureness: float
    text: str


@dataclass(frozen=True)
class SpaceFacts:
    """Coverage of one space: clips per status, in order of frequency; ``not extracted`` are clips without a row."""

    label: str
    modality: str
    level: str
    dim: int
    used: bool
    statuses: Mapping[str, int]
    settings: Mapping[str, Any]


@dataclass(frozen=True)
class RunFacts:
    """Everything the page shows about one run.

    Attributes:
        title: name of the run's folder.
        folder: the run's folder.
        metrics: content of ``metrics.json``.
        recipe: content of ``recipe.yaml``.
        synthetic: whether the corpus was generated.
        corpus: facts about the corpus, name -> text.
        classes: results per target with classes.
        values: results per target with values.
        worst: the clips it got most wrong.
        spaces: coverage of the store.
        floors: what a trivial prediction reaches in the primary metric, out of fold.
        scores: per split, what ``submission score`` said.
        robustness: what ``report --robustness`` found; empty if it was not asked.
        gaps: parts that could not be shown, with the reason.
    """

    title: str
    folder: Path
    metrics: Mapping[str, Any]
    recipe: Mapping[str, Any]
    synthetic: bool = False
    corpus: Mapping[str, str] = field(default_factory=dict)
    classes: Sequence[ClassFacts] = ()
    values: Sequence[ValueFacts] = ()
    worst: Sequence[WorstClip] = ()
    spaces: Sequence[SpaceFacts] = ()
    floors: Mapping[str, float] = field(default_factory=dict)
    scores: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    robustness: Mapping[str, Any] = field(default_factory=dict)
    gaps: Sequence[str] = ()


def read_run(folder: Path) -> RunFacts:
    """Gather the facts of a run; what is gone (the corpus, the store) is named in `RunFacts.gaps`.

    Raises:
        TrainingError: if `folder` is not a finished run.
        ConfigError: if its ``recipe.yaml`` cannot be read.
    """
    if not (folder / "metrics.json").is_file():
        raise TrainingError(
            "MER-T070",
            f"{folder} is not a finished run: it has no metrics.json.",
            "Make one with: mertools train ... --out RUN",
        )
    document, recipe = _json(folder / "metrics.json"), load_yaml(folder / "recipe.yaml")
    _require(document, ("targets", "metrics", "features", "model"), folder / "metrics.json")
    _require(recipe, ("corpus",), folder / "recipe.yaml")
    gaps: list[str] = []
    scores = {path.stem.removeprefix(SCORE): _json(path) for path in sorted(folder.glob(f"{SCORE}*.json"))}
    robustness = _json(folder / ROBUSTNESS) if (folder / ROBUSTNESS).is_file() else {}
    if robustness:
        _require(robustness, ("primary", "missing", "rows", "unit"), folder / ROBUSTNESS)
    try:
        corpus = Corpus.read(recipe["corpus"])
    except MerToolsError as error:
        gaps.append(f"Classes, worst clips and coverage: the corpus cannot be read. {error}")
        return RunFacts(
            _title(folder),
            folder,
            document,
            recipe,
            bool(document.get("synthetic")),
            scores=scores,
            robustness=robustness,
            gaps=gaps,
        )
    classes, values, worst, floors = _results(folder, document, corpus)
    return RunFacts(
        _title(folder),
        folder,
        document,
        recipe,
        synthetic=bool(document.get("synthetic")) or corpus.synthetic,
        corpus=_about(corpus),
        classes=classes,
        values=values,
        worst=worst,
        spaces=_spaces(corpus, recipe, gaps),
        floors=floors,
        scores=scores,
        robustness=robustness,
        gaps=gaps,
    )


def _title(folder: Path) -> str:
    """The folder's name, with its parent's where the name is the one every recipe gives."""
    folder = folder.resolve()
    return f"{folder.parent.name}/{folder.name}" if folder.name == "run" else folder.name


def _json(path: Path) -> dict[str, Any]:
    try:
        document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise TrainingError("MER-T071", f"{path} cannot be read: {error}.", "Write it again.") from None
    return document


def _require(document: Any, keys: Sequence[str], path: Path) -> None:
    """Refuse a document that is no mapping or lacks one of `keys`."""
    lacking = [key for key in keys if key not in document] if isinstance(document, Mapping) else list(keys)
    if lacking:
        raise TrainingError(
            "MER-T071", f"{path} lacks {', '.join(lacking)}; it is not of a finished run.", "Train again."
        )


def _about(corpus: Corpus) -> dict[str, str]:
    counts = Counter(clip.split for clip in corpus.clips)
    speakers = {clip.cells["speaker"] for clip in corpus.clips if clip.cells.get("speaker")}
    about = {
        "name": corpus.name,
        "folder": str(corpus.folder),
        "clips": ", ".join(f"{counts[s.name]} {s.name}" for s in corpus.splits),
        "speakers": str(len(speakers)) if speakers else "not stated",
        "licence": corpus.terms.licence,
    }
    return about | ({"contained in": ", ".join(corpus.seen_in)} if corpus.seen_in else {})


def _results(
    folder: Path, document: Mapping[str, Any], corpus: Corpus
) -> tuple[list[ClassFacts], list[ValueFacts], list[WorstClip], dict[str, float]]:
    """Results recomputed from the out-of-fold predictions and the corpus's annotations."""
    predictions = Predictions.read(folder / "predictions" / "oof.csv")
    known = {clip.name: clip for clip in corpus.clips}
    rows = [i for i, name in enumerate(predictions.names) if name in known]
    clips = [known[predictions.names[i]] for i in rows]
    classes: list[ClassFacts] = []
    values: list[ValueFacts] = []
    worst: list[WorstClip] = []
    truths: dict[str, np.ndarray] = {}
    for target in (t for t in corpus.targets if t.name in document["targets"]):
        annotated = [(i, a) for i, a in zip(rows, corpus.annotations(target.name, clips), strict=True) if a is not None]
        if not annotated:
            continue
        at = np.array([i for i, _ in annotated])
        truth = np.array([a for _, a in annotated])
        truths[target.kind] = truth
        if target.kind == "classes":
            said = np.array(_said(predictions, target))[at]
            matrix = metrics.confusion(truth, said, classes=target.classes)
            table = metrics.class_table(truth, said, classes=target.classes)
            classes.append(ClassFacts(target.name, target.classes, matrix, table))
            if predictions.labels == target.classes:
                worst = _worst(predictions, target, at, truth, [known[predictions.names[i]] for i in at])
        elif target.kind == "value":
            span = target.range or (float(truth.min()), float(truth.max()))
            values.append(ValueFacts(target.name, truth.astype(float), predictions.values[target.name][at], span))
    return classes, values, worst, _floors(str(document["primary"]), truths)


def _said(predictions: Predictions, target: Target) -> Sequence[str]:
    return predictions.discrete if predictions.labels == target.classes else predictions.texts[target.name]


def _worst(
    predictions: Predictions, target: Target, at: np.ndarray, truth: np.ndarray, clips: Sequence[Any]
) -> list[WorstClip]:
    """Clips with a wrong label, the least probable truth first."""
    found = []
    for i, true, clip in zip(at, truth, clips, strict=True):
        row = predictions.probabilities[i]
        said, sureness = predictions.labels[int(row.argmax())], float(row[target.classes.index(str(true))])
        if said != true:
            found.append(WorstClip(clip.name, clip.cells.get("speaker", ""), str(true), said, sureness, clip.text()))
    return sorted(found, key=lambda clip: (clip.sureness, clip.name))[:N_WORST]


def _floors(primary: str, truths: Mapping[str, np.ndarray]) -> dict[str, float]:
    """The primary metric of two predictions that look at no clip; empty where it is none of one target per kind."""
    if primary not in metrics.METRICS:
        return {}
    metric = metrics.METRICS.get(primary)
    if any(kind not in truths for kind in metric.inputs) or len({len(truths[k]) for k in metric.inputs}) != 1:
        return {}
    draw, constant, shuffled = np.random.default_rng(0), [], []
    for kind in metric.inputs:
        truth = truths[kind]
        if kind == "classes":
            labels, counts = np.unique(truth, return_counts=True)
            constant += [truth, np.full(len(truth), labels[counts.argmax()])]
        else:
            constant += [truth, np.full(len(truth), truth.astype(float).mean())]
    for _ in range(200):
        columns: list[np.ndarray] = []
        order = draw.permutation(len(truths[metric.inputs[0]]))
        for kind in metric.inputs:
            columns += [truths[kind], truths[kind][order]]
        shuffled.append(metric(*columns))
    trivial = {"classes": "most frequent class", "value": "mean value"}
    found = {
        ", ".join(trivial[kind] for kind in metric.inputs): float(metric(*constant)),
        "annotations shuffled": float(np.mean(shuffled)),
    }
    return {name: value for name, value in found.items() if np.isfinite(value)}


def _spaces(corpus: Corpus, recipe: Mapping[str, Any], gaps: list[str]) -> list[SpaceFacts]:
    from mertools.store import open_store

    where = Path((recipe.get("options") or {}).get("store") or corpus.folder / "store")
    used = {str(label).partition("@")[2] for label in recipe.get("features", ())}
    found = []
    try:
        with open_store(where, read_only=True) as store:
            for space in store.spaces():
                status = store.status(space)
                counts = Counter(str(status[c.name][0]) if c.name in status else "not extracted" for c in corpus.clips)
                found.append(
                    SpaceFacts(
                        str(space), space.spec.modality, space.level, space.dim, space.fingerprint in used,
                        dict(counts.most_common()), space.spec.settings,
                    )
                )  # fmt: skip
    except MerToolsError as error:
        gaps.append(f"Coverage: the store cannot be read. {error}")
    return sorted(found, key=lambda space: (space.modality, space.label))
