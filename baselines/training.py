"""`train`: folds × seeds of one model, scored out of fold, written as a run folder."""

from __future__ import annotations

import csv
import io
import itertools
import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from baselines import MODELS
from baselines.material import Material, load_material
from baselines.members import Member, Task, average, predict_table, small_network_settings
from baselines.models.base import FusionModel
from baselines.options import split_options
from baselines.plan import make_plan, strata
from baselines.protocol import Fold
from baselines.results import Outcome, fold_scores, report
from baselines.runs import Design, Recipe, Run, new_run_folder, save_member, to_predictions, write_json
from baselines.scoring import Measure, measures_of
from mertools.config import to_mapping
from mertools.corpus import Corpus
from mertools.errors import TrainingError
from mertools.files import write_text_atomically
from mertools.looks import LOOKS, append_event

log = logging.getLogger(__name__)


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
        task = Task(model, config, material.plan.targets, settings, folder / "logs")
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
        design = Design(
            model,
            config,
            material.plan.targets,
            material.features,
            tuple(outcome.members),
            level=settings.level or "utterance",
            alignment=material.alignment,
        )
        write_json(folder / "checkpoints" / "model.json", to_mapping(design))
        found = report(corpus, recipe, settings, material, outcome)
        count_looks(folder, found)
        write_json(folder / "metrics.json", found)
    return Run.read(out)


def fusion_model(name: str) -> type[FusionModel]:
    """The class of a fusion model.

    Raises:
        UnknownNameError: if there is no such model.
        TrainingError: if it is a network of another kind.
    """
    found = MODELS.get(name)
    if isinstance(found, type) and issubclass(found, FusionModel):
        return found
    raise TrainingError(
        "MER-T040",
        f"'{name}' does not fuse embeddings of several spaces, so it cannot be trained this way.",
        "See list models.",
    )


def fit_all(task: Task, material: Material, checkpoints: Path) -> Outcome:
    """Fit every fold with every seed; keep checkpoints on disk and predictions in memory."""
    from baselines.fitting import fit_members, requests_of  # brings Lightning, which takes seconds: wrong input first

    seeds = task.options.seeds
    outcome = Outcome({seed: {} for seed in seeds}, {split: [] for split in material.tests}, [], [])
    measures = measures_of(task.targets, material.plan.track)
    # Of each training part alone: quintiles are fitted, too.
    spread = [strata(material.plan, material.table.rows(fold.train)) for fold in material.folds]
    members = fit_members(task, material.table, requests_of(material.folds, spread, material.groups, seeds))
    for number, fold in enumerate(material.folds):
        outcome.epochs.append([])
        test = material.table.rows(fold.test)
        for member in itertools.islice(members, len(seeds)):
            outcome.members.append(save_member(checkpoints, member))
            outcome.epochs[-1].append(member.epochs)
            _keep(
                outcome.out_of_fold[member.seed], fold, predict_table(member, test, task.targets), len(material.table)
            )
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


def count_looks(folder: Path, found: Mapping[str, Any]) -> None:
    """Note in the run that the truth of its labelled test splits was looked at."""
    for split, part in found["splits"].items():
        value = part["metrics"].get(found["primary"])
        if value is not None:
            event = {"event": "look", "by": "train", "split": split, "metric": found["primary"], "value": value}
            append_event(folder / LOOKS, event)


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
    scores = fold_scores(measures, material.table, fold, list(outcome.out_of_fold.values()))
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
