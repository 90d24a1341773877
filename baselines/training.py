"""`train`: folds × seeds of one model, scored out of fold, written as a run folder."""

from __future__ import annotations

import csv
import io
import logging
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from baselines import MODELS
from baselines.data import Table, coverage, load_table
from baselines.fitting import Member, Task, average, fit_member, predict_table, small_network_settings
from baselines.models.base import FusionModel
from baselines.options import TrainOptions, split_options
from baselines.plan import Plan, interval_groups, make_folds, make_plan, refuse_seen, strata
from baselines.protocol import Fold
from baselines.runs import Design, Recipe, Run, new_run_folder, save_member, to_predictions, write_json
from baselines.scoring import Arrays, Measure, interval_of_mean, measures_of, score
from baselines.spaces import Feature, find_features
from mertools.config import to_mapping
from mertools.corpus import Corpus
from mertools.errors import TrainingError
from mertools.files import write_text_atomically
from mertools.store import open_store

log = logging.getLogger(__name__)

RECORDED_LIBRARIES = ("mertools", "torch", "lightning", "numpy", "scikit-learn")


@dataclass(frozen=True)
class Material:
    """Everything in memory that members are made of.

    Attributes:
        plan: targets and splits.
        features: spaces.
        table: the training clips.
        tests: tables of the splits to predict.
        folds: of `table`.
        groups: what inner splits keep together.
    """

    plan: Plan
    features: tuple[Feature, ...]
    table: Table
    tests: Mapping[str, Table]
    folds: Sequence[Fold]
    groups: np.ndarray | None


@dataclass
class Outcome:
    """Predictions that members have left behind.

    Attributes:
        out_of_fold: per seed and target: predictions of all training clips, each by the fold that did not see it.
        test: per split one dictionary of predictions per member.
        members: stems of checkpoints.
        epochs: per fold the epochs of each seed.
    """

    out_of_fold: dict[int, dict[str, np.ndarray]]
    test: dict[str, list[dict[str, np.ndarray]]]
    members: list[str]
    epochs: list[list[int]]


def train(
    corpus: Corpus,
    features: str | Sequence[str],
    model: str,
    out: Path,
    *,
    track: str | None = None,
    target: str | Sequence[str] = (),
    **options: Any,
) -> Run:
    """See `baselines.train`."""
    model_class = fusion_model(model)
    settings, config = split_options(options, model, model_class)
    settings = replace(settings, store=str(Path(settings.store).resolve()) if settings.store else "")
    names = tuple(t for t in target.split(",") if t) if isinstance(target, str) else tuple(target)
    with new_run_folder(out) as folder, small_network_settings(settings.threads):
        material = load_material(corpus, features, make_plan(corpus, track, names, settings), settings)
        task = Task(model, config, material.plan.targets, settings)
        recipe = Recipe(
            str(corpus.folder),
            tuple(f.typed for f in material.features),
            model,
            track or "",
            tuple(t.name for t in material.plan.targets),
            {**to_mapping(settings), **config},
        )
        recipe.write(folder / "recipe.yaml")
        outcome = fit_all(task, material, folder / "checkpoints")
        write_predictions(folder, task, material, outcome)
        design = Design(model, config, material.plan.targets, material.features, tuple(outcome.members))
        write_json(folder / "checkpoints" / "model.json", to_mapping(design))
        write_json(folder / "metrics.json", report(corpus, recipe, settings, material, outcome))
    return Run.read(out)


def fusion_model(name: str) -> type[FusionModel]:
    """The class of a fusion model.

    Raises:
        UnknownNameError: if there is no such model.
        TrainingError: if it is a network of another kind.
    """
    found = MODELS.get(name)
    if isinstance(found, type) and issubclass(found, FusionModel) and found.level == "utterance":
        return found
    raise TrainingError(
        "MER-T040",
        f"'{name}' does not fuse utterance embeddings, so it cannot be trained this way.",
        "See list models.",
    )


def load_material(corpus: Corpus, features: str | Sequence[str], plan: Plan, options: TrainOptions) -> Material:
    """Read embeddings and annotations, and make folds.

    Raises:
        TrainingError: if a space is absent or ambiguous, no clip has an embedding, folds cannot be made, or an
            extractor was trained on these clips.
    """
    with open_store(Path(options.store) if options.store else corpus.folder / "store", read_only=True) as store:
        spaces = tuple(find_features(store, features, corpus.folder))
        refuse_seen(corpus, spaces, options.allow_seen)
        table = load_table(store, spaces, corpus, plan.clips, plan.targets)
        tests = {s: load_table(store, spaces, corpus, corpus.select([s]), plan.targets) for s in plan.test_splits}
    for label, share in coverage(table, spaces).items():
        if share == 0:
            raise TrainingError(
                "MER-T041",
                f"no training clip has an embedding in {label}.",
                f"Run: mertools extract {corpus.folder} --with {label.split('@')[0]}",
            )
        if share < 1:
            log.warning("%s: %.1f %% of the training clips have an embedding, the rest is masked", label, 100 * share)
    folds, groups = make_folds(plan, table, options)
    return Material(plan, spaces, table, tests, folds, groups)


def fit_all(task: Task, material: Material, checkpoints: Path) -> Outcome:
    """Fit every fold with every seed; keep checkpoints on disk and predictions in memory."""
    seeds = task.options.seeds
    outcome = Outcome({seed: {} for seed in seeds}, {split: [] for split in material.tests}, [], [])
    classes = strata(material.plan, material.table)
    measures = measures_of(task.targets, material.plan.track)
    for number, fold in enumerate(material.folds):
        outcome.epochs.append([])
        test = material.table.rows(fold.test)
        for seed in seeds:
            groups = None if material.groups is None else material.groups[fold.train]
            member = fit_member(
                task, material.table.rows(fold.train), classes[fold.train], groups, fold=number, seed=seed
            )
            outcome.members.append(save_member(checkpoints, member))
            outcome.epochs[-1].append(member.epochs)
            _keep(outcome.out_of_fold[seed], fold, predict_table(member, test, task.targets), len(material.table))
            for split, table in material.tests.items():
                outcome.test[split].append(predict_table(member, table, task.targets))
        _say_fold(number, fold, material, measures, outcome, member)
    return outcome


def write_predictions(folder: Path, task: Task, material: Material, outcome: Outcome) -> None:
    """Out-of-fold predictions (mean over seeds, and per seed), predictions of further splits, and the folds."""
    names = material.table.names
    pooled = average(list(outcome.out_of_fold.values()))
    to_predictions(names, task.targets, pooled).write(folder / "predictions" / "oof.csv")
    for seed, found in outcome.out_of_fold.items():
        to_predictions(names, task.targets, found).write(folder / "predictions" / "seeds" / f"oof-{seed}.csv")
    for split, found_by_member in outcome.test.items():
        predictions = to_predictions(material.tests[split].names, task.targets, average(found_by_member))
        predictions.write(folder / "predictions" / f"{split}.csv")
    fold_of = {names[i]: (number, fold.name) for number, fold in enumerate(material.folds) for i in fold.test}
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("name", "fold", "left_out"))
    writer.writerows((name, *fold_of[name]) for name in names)
    write_text_atomically(folder / "folds.csv", text.getvalue())


def report(
    corpus: Corpus, recipe: Recipe, options: TrainOptions, material: Material, outcome: Outcome
) -> dict[str, Any]:
    """The content of ``metrics.json``.

    ``metrics`` are means over seeds of the score of all out-of-fold predictions pooled; ``ensemble`` is the score of
    their probabilities averaged over seeds; ``fold_spread`` is the standard deviation over folds (of means over seeds),
    which is no standard error.
    """
    plan, table = material.plan, material.table
    measures = measures_of(plan.targets, plan.track)
    per_seed = list(outcome.out_of_fold.values())
    by_fold = [_fold_scores(measures, table, fold, per_seed) for fold in material.folds]
    groups, unit = interval_groups(plan.clips, options.group)
    primary = interval_of_mean(measures[0], table.annotations, per_seed, groups, unit)
    return {
        "track": recipe.track or None,
        "targets": list(recipe.target),
        "model": recipe.model,
        "features": [feature.label for feature in material.features],
        "corpus": corpus.name,
        "protocol": {
            "folds": options.folds or ("track" if plan.track else "5"),
            "n_folds": len(material.folds),
            "groups": _grouping(options, material),
            "selection": options.selection,
            "train_splits": list(plan.train_splits),
        },
        "seeds": list(options.seeds),
        "n_clips": len(table),
        "coverage": coverage(table, material.features),
        "primary": measures[0].label,
        "metrics": _mean_scores([score(measures, table.annotations, found) for found in per_seed]),
        "per_seed": [score(measures, table.annotations, found) for found in per_seed],
        "ensemble": score(measures, table.annotations, average(per_seed)),
        "fold_spread": _spread(by_fold),
        "per_fold": [
            {"fold": number, "left_out": fold.name, "n_clips": len(fold.test), "epochs": epochs, "metrics": scores}
            for number, (fold, epochs, scores) in enumerate(zip(material.folds, outcome.epochs, by_fold, strict=True))
        ],
        "interval": {
            "metric": measures[0].label,
            "low": _finite(primary.low),
            "high": _finite(primary.high),
            "level": primary.level,
            "method": primary.method,
        },
        "interval_unit": primary.unit,
        "n_groups": primary.n_groups,
        "splits": {
            split: {
                "n_clips": len(material.tests[split]),
                "coverage": coverage(material.tests[split], material.features),
                "metrics": score(measures, material.tests[split].annotations, average(found)),
            }
            for split, found in outcome.test.items()
        },
        "synthetic": corpus.terms.licence.startswith("synthetic"),
        "versions": {**{name: _version(name) for name in RECORDED_LIBRARIES}, "python": platform.python_version()},
    }


def _keep(kept: dict[str, np.ndarray], fold: Fold, found: Mapping[str, np.ndarray], n_clips: int) -> None:
    for target, values in found.items():
        kept.setdefault(target, np.zeros((n_clips, *values.shape[1:])))[fold.test] = values


def _say_fold(
    number: int,
    fold: Fold,
    material: Material,
    measures: Sequence[Measure],
    outcome: Outcome,
    member: Member,
) -> None:
    scores = _fold_scores(measures, material.table, fold, list(outcome.out_of_fold.values()))
    value = scores[measures[0].label]
    left_out = "" if fold.name == str(number) else f" ({fold.name} left out)"
    log.info(
        "fold %d/%d%s: %s %s on %d clips, %d epochs",
        number + 1,
        len(material.folds),
        left_out,
        measures[0].label,
        "undefined" if value is None else f"{value:.4f}",
        len(fold.test),
        member.epochs,
    )


def _fold_scores(
    measures: Sequence[Measure], table: Table, fold: Fold, per_seed: Sequence[Arrays]
) -> dict[str, float | None]:
    annotations = {target: column[fold.test] for target, column in table.annotations.items()}
    return _mean_scores(
        [score(measures, annotations, {t: values[fold.test] for t, values in found.items()}) for found in per_seed]
    )


def _mean_scores(scores: Sequence[Mapping[str, float | None]]) -> dict[str, float | None]:
    means: dict[str, float | None] = {}
    for label in scores[0]:
        known = [s[label] for s in scores if s[label] is not None]
        means[label] = float(np.mean(known)) if len(known) == len(scores) else None  # type: ignore[arg-type]
    return means


def _spread(by_fold: Sequence[Mapping[str, float | None]]) -> dict[str, float | None]:
    spread: dict[str, float | None] = {}
    for label in by_fold[0]:
        known = [s[label] for s in by_fold if s[label] is not None]
        spread[label] = float(np.std(known, ddof=1)) if len(known) > 1 else None  # type: ignore[arg-type]
    return spread


def _grouping(options: TrainOptions, material: Material) -> str:
    if material.groups is None:
        return "clip"
    return options.group if (options.folds or "track") == "track" or options.folds.isdecimal() else options.folds


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None


def _version(name: str) -> str:
    from importlib.metadata import PackageNotFoundError

    try:
        return version(name)
    except PackageNotFoundError:
        from mertools import __version__

        return __version__ if name == "mertools" else "unknown"
