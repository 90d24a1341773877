"""`train`: folds × seeds of one model, scored out of fold, written as a run folder."""

from __future__ import annotations

import csv
import io
import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from baselines import MODELS
from baselines.calibration import calibrate
from baselines.material import Material, load_material
from baselines.members import Member, Task, average, predict_table, small_network_settings
from baselines.models.base import FusionModel
from baselines.options import TrainOptions, split_options
from baselines.plan import interval_groups, make_plan, strata
from baselines.protocol import Fold
from baselines.results import Outcome, fold_means, fold_scores, report
from baselines.runs import (
    Design,
    Recipe,
    Run,
    is_saved,
    load_member,
    new_run_folder,
    save_member,
    to_predictions,
    write_json,
)
from baselines.scoring import LOSS, Measure, measure_named, measures_of
from mertools.config import to_mapping
from mertools.corpus import Corpus
from mertools.errors import TrainingError
from mertools.files import write_text_atomically
from mertools.looks import LOOKS, append_event

if TYPE_CHECKING:
    from baselines.fitting import Held, Request

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
    settings = located(settings)
    with new_run_folder(out) as folder, small_network_settings(settings.threads):
        plan = make_plan(corpus, track, target_names(target), settings)
        published = settings.protocol == "published"
        select_by = settings.select_by or ("" if published else LOSS)
        measure = measure_named(select_by, measures_of(plan.targets, plan.track))
        material = load_material(corpus, features, plan, settings)
        task = Task(model, config, plan.targets, settings, folder / "logs")
        recipe = recipe_of(corpus, material, task, track)
        outcome = fit_all(task, requests_for([task] * len(material.folds), material), measure, material, folder)
        found = report(corpus, recipe, settings, material, outcome, selected_by=measure.label if measure else LOSS)
        if published and settings.gap is not False:
            found |= honest_scores(task, measure, material, found)
        write_run(folder, recipe, task, material, outcome, found)
    return Run.read(out)


def target_names(target: str | Sequence[str]) -> tuple[str, ...]:
    """Names of targets, from a comma list or a sequence."""
    return tuple(t for t in target.split(",") if t) if isinstance(target, str) else tuple(target)


def located(settings: TrainOptions) -> TrainOptions:
    """The same options with folders as absolute paths."""
    return replace(
        settings,
        store=str(Path(settings.store).resolve()) if settings.store else "",
        augment_corpus=tuple(str(Path(folder).resolve()) for folder in settings.augment_corpus),
    )


def recipe_of(corpus: Corpus, material: Material, task: Task, track: str | None) -> Recipe:
    """Every setting of a run."""
    return Recipe(
        str(corpus.folder),
        tuple(f.typed for f in material.features),
        task.model,
        track or "",
        tuple(t.name for t in task.targets),
        {**to_mapping(task.options), **task.config},
    )


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


def requests_for(
    tasks: Sequence[Task], material: Material, *, seeds: Sequence[int] = (), epochs: Sequence[int] | None = None
) -> list[Request]:
    """What to fit of every fold.

    Args:
        tasks: one per fold.
        material: folds and groups.
        seeds: one per repeat; empty = those of the tasks.
        epochs: per fold, if known already.
    """
    from baselines.fitting import requests_of  # brings Lightning, which takes seconds: wrong input first

    # Of each training part alone: quintiles are fitted, too.
    spread = [strata(material.plan, material.table.rows(fold.train)) for fold in material.folds]
    seeds = seeds or tasks[0].options.seeds
    return requests_of(tasks, material.folds, spread, material.groups, seeds, epochs, material.open_rows)


def fit_all(
    task: Task, requests: Sequence[Request], measure: Measure | None, material: Material, folder: Path
) -> Outcome:
    """Fit every fold with every seed; keep checkpoints on disk and predictions in memory.

    Args:
        task: what the members have in common.
        requests: seeds of a fold together.
        measure: which epoch is best; None = that of the lowest joint loss.
        material: tables and folds.
        folder: of the run; members that are there already are not fitted again.
    """
    from baselines.fitting import fit_members

    checkpoints, design = folder / "checkpoints", design_of(task, material, ())
    seeds = tuple(dict.fromkeys(request.seed for request in requests))
    outcome = Outcome({seed: {} for seed in seeds}, {split: [] for split in material.tests}, [], [])
    measures = measures_of(task.targets, material.plan.track)
    there = {request.stem for request in requests if is_saved(checkpoints, request.stem)}
    new, fit_them = [r for r in requests if r.stem not in there], fit_members
    if task.options.self_training:
        from baselines.selftraining import Tested, self_train

        fit_them = self_train
    fits = fit_them(material.everything, new, measure)
    for number, fold in enumerate(material.folds):
        outcome.epochs.append([])
        test = material.table.rows(fold.test)
        for request in requests[number * len(seeds) : (number + 1) * len(seeds)]:
            if request.stem in there:
                member = load_member(checkpoints, request.stem, design)
            else:
                fit = next(fits)
                member = fit.member
                if fit.rounds:
                    outcome.rounds[number, request.seed] = [
                        Tested(fold.test, predict_table(r.member, test, task.targets), r.n_pseudo) for r in fit.rounds
                    ]
                if fit.held:
                    write_held(folder, request.stem, fit.held, material)
                save_member(checkpoints, member)
            outcome.members.append(request.stem)
            outcome.epochs[-1].append(member.epochs)
            _keep(
                outcome.out_of_fold[member.seed], fold, predict_table(member, test, task.targets), len(material.table)
            )
            for split, table in material.tests.items():
                outcome.test[split].append(predict_table(member, table, task.targets))
        _say_fold(number, fold, material, measures, outcome, member)
    return outcome


def write_held(folder: Path, stem: str, held: Held, material: Material) -> None:
    """Keep predictions of an inner split: what temperatures and thresholds may be fitted on."""
    names = tuple(material.table.names[i] for i in held.rows)
    to_predictions(names, material.plan.targets, held.found).write(folder / "predictions" / "inner" / f"{stem}.csv")


def honest_scores(task: Task, measure: Measure | None, material: Material, found: Mapping[str, Any]) -> dict[str, Any]:
    """Scores of the same folds and seeds with the epoch chosen inside the training part, and the gap to `found`."""
    log.info("the same folds once more, with the epoch chosen inside the training part")
    nested = replace(task, options=replace(task.options, protocol="nested", selection="inner"))
    return gap_to(found, means_of_folds(requests_for([nested] * len(material.folds), material), measure, material))


def means_of_folds(requests: Sequence[Request], measure: Measure | None, material: Material) -> dict[str, float | None]:
    """Mean over folds of every measure, each by members that did not see the fold."""
    from baselines.fitting import fit_members

    measures = measures_of(material.plan.targets, material.plan.track)
    kept: dict[int, dict[str, np.ndarray]] = {request.seed: {} for request in requests}
    for request, fit in zip(requests, fit_members(material.everything, requests, measure), strict=True):
        fold = material.folds[request.fold]
        predicted = predict_table(fit.member, material.table.rows(fold.test), request.task.targets)
        _keep(kept[request.seed], fold, predicted, len(material.table))
    return fold_means([fold_scores(measures, material.table, fold, list(kept.values())) for fold in material.folds])


def gap_to(found: Mapping[str, Any], honest: Mapping[str, float | None]) -> dict[str, Any]:
    """The two entries of ``metrics.json`` that tell how optimistic its scores are."""
    published, nested = found["fold_mean"][found["primary"]], honest[found["primary"]]
    gap = None if published is None or nested is None else published - nested
    return {"honest": {"fold_mean": dict(honest)}, "gap": {"metric": found["primary"], "value": gap}}


def design_of(task: Task, material: Material, members: Sequence[str]) -> Design:
    """What predictions need to know."""
    averaging = "logits" if task.options.protocol == "published" else "probabilities"
    level = task.options.level or "utterance"
    return Design(
        task.model,
        dict(task.config),
        task.targets,
        material.features,
        tuple(members),
        averaging,
        level=level,
        alignment=material.alignment,
    )


def write_run(
    folder: Path, recipe: Recipe, task: Task, material: Material, outcome: Outcome, found: Mapping[str, Any]
) -> None:
    """Everything of a run but its checkpoints; ``metrics.json``, which makes it a finished one, last."""
    recipe.write(folder / "recipe.yaml")
    write_predictions(folder, task, material, outcome)
    write_json(folder / "checkpoints" / "model.json", to_mapping(design_of(task, material, outcome.members)))
    count_looks(folder, found)
    calibration = calibrate(folder, task.targets, material.table.annotations, material.table.names)
    found = {**found, **({"calibration": calibration} if calibration else {})}
    if outcome.rounds:
        from baselines.selftraining import report_rounds

        groups, unit = interval_groups(material.plan.clips, task.options.group)
        measures = measures_of(task.targets, material.plan.track)
        found["self_training"] = report_rounds(outcome, measures, material.table.annotations, groups, unit)
    write_json(folder / "metrics.json", found)


def write_predictions(folder: Path, task: Task, material: Material, outcome: Outcome) -> None:
    """Out-of-fold predictions (mean over seeds, and per seed), predictions of further splits, and the folds."""
    names, logits = material.table.names, task.options.protocol == "published"
    pooled = average(list(outcome.out_of_fold.values()), logits=logits)
    to_predictions(names, task.targets, pooled).write(folder / "predictions" / "oof.csv")
    for seed, found in outcome.out_of_fold.items():
        to_predictions(names, task.targets, found).write(folder / "predictions" / "seeds" / f"oof-{seed}.csv")
    for split, found_by_member in outcome.test.items():
        together = average(found_by_member, logits=logits)
        predictions = to_predictions(material.tests[split].names, task.targets, together)
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
