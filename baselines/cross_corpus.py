"""Training on one corpus, scoring on others: a matrix over corpora, with labels that meet by an explicit map.

::

    OUT/cross.json                   what was asked for, and the matrix
    OUT/corpora/NAME/                each corpus with the common classes or values
    OUT/runs/NAME/                   the run that was trained on it
    OUT/predictions/A-on-B.csv       what the run of A says about B
    OUT/matrix.csv, OUT/cells.csv    the primary measure as a matrix; every measure, one row per cell
"""

from __future__ import annotations

import csv
import io
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from baselines.class_maps import ClassMap, CorpusMap, read_map
from baselines.common_ground import out_of_fold
from baselines.corpora_meet import refuse_overlap, require_same_spaces
from baselines.data import annotation_column, load_table
from baselines.members import average, predict_table
from baselines.options import split_options
from baselines.plan import interval_groups
from baselines.requests import digest_of, start_folder
from baselines.runs import Run, to_predictions, write_json
from baselines.scoring import Arrays, Measure, interval_of_mean, measures_of, score
from baselines.training import fusion_model, target_names
from mertools.config import to_mapping
from mertools.corpus import CLIPS_FILE, CORPUS_FILE, Corpus
from mertools.errors import TrainingError, did_you_mean
from mertools.files import write_text_atomically
from mertools.looks import LOOKS, append_event
from mertools.metrics import METRICS
from mertools.store import open_store

if TYPE_CHECKING:
    from mertools.corpus import Clip
    from mertools.targets import Target

log = logging.getLogger(__name__)

DOCUMENT = "cross.json"
SIGN_METRICS = ("f1_non0", "acc2_non0")
"""Shown too where zero is the middle of a range of values."""


@dataclass(frozen=True)
class Matrix:
    """Scores over corpora.

    Attributes:
        folder: where everything lies.
        metric: label of the measure of the matrix.
        cells: one document per pair of corpora.
    """

    folder: Path
    metric: str
    cells: list[dict[str, Any]]

    def document(self) -> dict[str, Any]:
        """For JSON."""
        return {"out": str(self.folder), "metric": self.metric, "cells": self.cells}

    def rows(self) -> list[list[str]]:
        """The matrix: a row per training corpus, a column per test corpus; the diagonal is out of fold."""
        trained = list(dict.fromkeys(cell["train"] for cell in self.cells))
        tested = list(dict.fromkeys(cell["test"] for cell in self.cells))
        known = {(cell["train"], cell["test"]): cell for cell in self.cells}
        rows = [["trained on", *tested]]
        for a in trained:
            found = [known[a, b]["single"][self.metric] if (a, b) in known else None for b in tested]
            rows.append([a, *("" if value is None else repr(value) for value in found)])
        return rows

    def text(self) -> str:
        """For people."""
        rows = self.rows()
        shown = [rows[0], *([a, *(f"{float(v):.4f}" if v else "-" for v in rest)] for a, *rest in rows[1:])]
        widths = [max(len(row[i]) for row in shown) for i in range(len(rows[0]))]
        lines = [f"{self.metric}, mean of seeds; columns are tested on"]
        lines += ["  ".join(f"{cell:>{w}}" for cell, w in zip(row, widths, strict=True)) for row in shown]
        for cell in self.cells:
            low, high = cell["low"], cell["high"]
            span = "no interval" if low is None else f"{low:.4f} to {high:.4f}"
            lines.append(
                f"{cell['train']} on {cell['test']} ({cell['kind']}): {cell['n_clips']} clips, {span} "
                f"({cell['n_groups']} groups by {cell['interval_unit']})"
            )
        return "\n".join([*lines, f"folder: {self.folder}"])


def train_across(
    corpus: Corpus,
    features: str | Sequence[str],
    model: str,
    out: Path | str,
    *,
    test_on: Sequence[Path | str | Corpus],
    maps: Path | str | None,
    each: bool = False,
    track: str | None = None,
    target: str | Sequence[str] = (),
    **options: Any,
) -> Matrix:
    """Train on a corpus and score on others; runs that are there already are kept.

    Args:
        corpus: to train on.
        features: spaces; each corpus needs exactly these, by fingerprint.
        model: a name from `list_models`.
        out: folder of the matrix; may hold an unfinished one of the same request.
        test_on: further corpora.
        maps: name or file of a class map.
        each: whether each of the corpora is trained on in turn.
        track: must be None: tracks belong to one corpus.
        target: may name the map's target.
        **options: as for `train`; a `store` serves all corpora.

    Raises:
        TrainingError: if the map does not fit, spaces differ, or corpora share clips (unless ``allow_seen``).
    """
    from baselines import train

    chosen = _map(maps, track, target)
    given = [corpus, *(c if isinstance(c, Corpus) else Corpus.read(c) for c in test_on)]
    if len(given) < 2:
        raise TrainingError("MER-T194", "no corpus to test on was named.", "Name some: --test-corpus DIR...")
    if len({c.name for c in given}) < len(given):
        raise TrainingError(
            "MER-T197",
            f"two of the corpora have the same name: {', '.join(c.name for c in given)}.",
            "Name different corpora; names stand in corpus.yaml.",
        )
    settings, config = split_options(options, model, fusion_model(model))
    stores = [Path(settings.store).resolve() if settings.store else c.folder.resolve() / "store" for c in given]
    refuse_overlap(given, allow=settings.allow_seen)
    fixed = require_same_spaces(given, stores, features, allow_seen=settings.allow_seen)
    out = Path(out)
    mapped = [chosen.apply(c, out / "corpora" / c.name) for c in given]
    measures = _measures(mapped[0].target(chosen.target), chosen)
    request = {
        "corpora": {c.name: [digest_of(c.folder / CLIPS_FILE), digest_of(c.folder / CORPUS_FILE)] for c in given},
        "map": json.loads(json.dumps(to_mapping(chosen))),
        "features": fixed,
        "model": model,
        "each": each,
        "options": json.loads(json.dumps({**to_mapping(settings), **config})),
    }
    start_folder(out, DOCUMENT, request, {"cells": []})
    for before, after in zip(given, mapped, strict=True):
        after.write()
        dropped = chosen.dropped(before) if chosen.classes else {}
        if dropped:
            log.info("%s: dropped %s", before.name, ", ".join(f"{n} {label}" for label, n in dropped.items()))
    cells: list[dict[str, Any]] = []
    for number, (own, store) in enumerate(zip(mapped, stores, strict=True)):
        if number and not each:
            break
        folder, entry = out / "runs" / own.name, chosen.entry(own)
        if not (folder / "metrics.json").is_file():
            log.info("training on %s", own.name)
            train(own, fixed, model, folder, target=[chosen.target], **_options(options, entry, store))
        run = Run.read(folder)
        for other, its_store in zip(mapped, stores, strict=True):
            cells.append(_cell(run, own, other, its_store, chosen, measures, out))
    matrix = Matrix(out, measures[0].label, cells)
    write_json(out / DOCUMENT, {"request": request, "metric": matrix.metric, "cells": cells})
    _write_csv(out / "matrix.csv", matrix.rows())
    _write_csv(out / "cells.csv", _long(cells))
    return matrix


def _map(maps: Path | str | None, track: str | None, target: str | Sequence[str]) -> ClassMap:
    if not maps:
        raise TrainingError(
            "MER-T194",
            "corpora meet by a class map, and none was named.",
            "Name one with --class-map, e.g. four-emotions-excited-dropped or sentiment-3, or a YAML file.",
        )
    chosen, names = read_map(maps), target_names(target)
    if track or (names and names != (chosen.target,)):
        what = f"track {track}" if track else f"target {', '.join(names)}"
        raise TrainingError(
            "MER-T194", f"{what} was asked for, and map {chosen.name} is about '{chosen.target}'.", "Leave it out."
        )
    return chosen


def _options(options: Mapping[str, Any], entry: CorpusMap, store: Path) -> dict[str, Any]:
    """Options of one training: splits and folds as the map has them, where nothing else was asked for."""
    found = {**options, "store": str(store)}
    for key in ("train_splits", "test_splits"):
        if getattr(entry, key) and not found.get(key):
            found[key] = ",".join(getattr(entry, key))
    if entry.folds and not found.get("folds"):
        found["folds"] = entry.folds
    return found


def _measures(target: Target, chosen: ClassMap) -> list[Measure]:
    """What is scored, the map's own metric first."""
    found = list(measures_of([target], None))
    if target.range and target.range[0] == -target.range[1]:
        found += [Measure(name, METRICS.get(name), (target.name,), (target.name,)) for name in SIGN_METRICS]
    labels = [measure.label for measure in found]
    if chosen.metric and chosen.metric not in labels:
        raise TrainingError(
            "MER-T195",
            f"map {chosen.name}: '{target.name}' is not measured by '{chosen.metric}'."
            f"{did_you_mean(chosen.metric, labels)}",
            f"Expected one of: {', '.join(labels)}.",
        )
    return sorted(found, key=lambda measure: measure.label != chosen.metric)


def _cell(
    run: Run, own: Corpus, other: Corpus, store: Path, chosen: ClassMap, measures: Sequence[Measure], out: Path
) -> dict[str, Any]:
    """Scores of a run on a corpus: out of fold on its own, else on the test splits."""
    if own.name == other.name:
        names = run.predictions().names
        clips: Sequence[Clip] = [other.clip(name) for name in names]
        kind, splits = "out of fold", list(run.metrics["protocol"]["train_splits"])
        per_seed = out_of_fold(run, names)
        together = average(per_seed, logits=run.design.averaging == "logits")
        truth = _annotations(run, other, clips)
    else:
        splits = _test_splits(other, chosen.entry(other))
        kind, clips = f"test on {', '.join(splits)}", other.select(splits)
        with open_store(store, read_only=True) as opened:
            table = load_table(opened, run.design.features, other, clips, run.design.targets)
        truth = dict(table.annotations)
        logits = run.design.averaging == "logits"
        said = {id(member): predict_table(member, table, run.design.targets) for member in run.members}
        seeds = dict.fromkeys(member.seed for member in run.members)
        per_seed = [average([said[id(m)] for m in run.members if m.seed == s], logits=logits) for s in seeds]
        together = average(list(said.values()), logits=logits)
        predictions = to_predictions(table.names, run.design.targets, together)
        predictions.write(out / "predictions" / f"{own.name}-on-{other.name}.csv")
    cell = _scored(measures, truth, per_seed, together, clips, str((run.recipe.options or {}).get("group", "")))
    if kind != "out of fold":
        event = {"event": "look", "by": "train", "split": f"{other.name}: {', '.join(splits)}"}
        append_event(
            run.folder / LOOKS, event | {"metric": measures[0].label, "value": cell["single"][measures[0].label]}
        )
    return {"train": own.name, "test": other.name, "kind": kind, "splits": splits, **cell}


def _annotations(run: Run, corpus: Corpus, clips: Sequence[Clip]) -> dict[str, np.ndarray]:
    """Annotations of clips per target of a run."""
    return {t.name: annotation_column(t, corpus.annotations(t.name, clips)) for t in run.design.targets}


def _scored(
    measures: Sequence[Measure],
    annotations: Arrays,
    per_seed: Sequence[Arrays],
    together: Arrays,
    clips: Sequence[Clip],
    group: str,
) -> dict[str, Any]:
    singles = [score(measures, annotations, found) for found in per_seed]
    mean = {
        label: None if any(s[label] is None for s in singles) else float(np.mean([s[label] for s in singles]))  # type: ignore[misc]
        for label in singles[0]
    }
    groups, unit = interval_groups(clips, group)
    n_clips = len(measures[0].rows(annotations))
    span = interval_of_mean(measures[0], annotations, per_seed, groups, unit) if n_clips else None
    return {
        "n_clips": n_clips,
        "seeds": len(per_seed),
        "single": mean,
        "ensemble": score(measures, annotations, together),
        "low": None if span is None or not np.isfinite(span.low) else span.low,
        "high": None if span is None or not np.isfinite(span.high) else span.high,
        "interval_unit": unit,
        "n_groups": span.n_groups if span else 0,
    }


def _test_splits(corpus: Corpus, entry: CorpusMap) -> list[str]:
    """The map's, else those of role test, else all labelled ones."""
    labelled = [s.name for s in corpus.splits if s.labelled]
    return list(entry.test_splits) or [s.name for s in corpus.splits if s.role == "test"] or labelled


def _long(cells: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    head = ["train", "test", "kind", "n_clips", "seeds", "metric", "single", "ensemble"]
    rows = [head]
    for cell in cells:
        for metric, value in cell["single"].items():
            numbers = ["" if v is None else repr(v) for v in (value, cell["ensemble"][metric])]
            rows.append([*(str(cell[key]) for key in head[:5]), metric, *numbers])
    return rows


def _write_csv(path: Path, rows: Sequence[Sequence[str]]) -> None:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    write_text_atomically(path, text.getvalue())
