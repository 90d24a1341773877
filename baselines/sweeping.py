"""`sweep`: a search over options inside each fold's training part, and a run of what it found.

Every trial is trained on an inner part of a fold's training part and scored on the rest of it; the best one is trained
anew with seeds that the search did not use, on the whole training part; only these predict what the fold left out.
With ``protocol=published`` trials are scored on the left-out parts instead, and the best of all is trained anew.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, get_args

from baselines.draws import Space, choose_space
from baselines.material import load_material
from baselines.members import Task, small_network_settings
from baselines.options import TrainOptions, split_options
from baselines.plan import make_plan
from baselines.proposals import Sampler
from baselines.results import report
from baselines.runs import Recipe, Run, stem_of
from baselines.scoring import measure_named, measures_of
from baselines.searching import OF_THE_RUN, Search, conduct, mean_score, winners
from baselines.study import Result, Study, locked_study
from baselines.sweep_folder import (
    TRIALS,
    chosen_facts,
    complete,
    finished,
    unfinished,
    write_summary,
    write_trials,
)
from baselines.training import (
    fit_all,
    fusion_model,
    gap_to,
    located,
    means_of_folds,
    recipe_of,
    requests_for,
    target_names,
    write_held,
    write_run,
)
from mertools.config import to_mapping
from mertools.corpus import Corpus
from mertools.errors import ConfigError

log = logging.getLogger(__name__)

REPEATS = 6
"""Seeds that the winners are trained with, unless given."""


def sweep(
    corpus: Corpus,
    features: str | Sequence[str],
    model: str,
    out: Path,
    *,
    trials: int = 50,
    space: Mapping[str, Any] | Path | None = None,
    sampler: Sampler = "random",
    track: str | None = None,
    target: str | Sequence[str] = (),
    **options: Any,
) -> Run:
    """See `baselines.sweep`."""
    if trials < 1 or sampler not in get_args(Sampler):
        raise ConfigError(
            "MER-T124",
            f"trials={trials}, sampler={sampler}: expected at least one trial, and sampler random or tpe.",
            "Mend the value.",
        )
    model_class = fusion_model(model)
    chosen, fixed = choose_space(model, model_class, space, options)
    settings, config = split_options({"repeats": REPEATS, **fixed}, model, model_class)
    _check(settings)
    settings = located(settings)
    plan = make_plan(corpus, track, target_names(target), settings)
    measure = measure_named(settings.select_by, measures_of(plan.targets, plan.track))
    material = load_material(corpus, features, plan, settings)
    task = Task(model, config, plan.targets, settings)
    search = Search(task, material, measure, chosen, sampler, _trials_of(chosen, trials))
    recipe = replace(
        recipe_of(corpus, material, task, track),
        sweep={"trials": trials, "sampler": sampler, "space": chosen.as_json()},
    )
    with locked_study(out, search.facts(corpus.name, track)), small_network_settings(settings.threads):
        asked = {"trials": trials, **{key: to_mapping(settings)[key] for key in OF_THE_RUN}}
        if finished(out, asked):
            log.info("%s is finished; nothing is left to do", out)
        else:
            _Sweep(search, recipe, corpus, out).run(asked)
    return Run.read(out)


@dataclass(frozen=True)
class _Sweep:
    """A sweep whose folder is held: search, train the winners, write the run."""

    search: Search
    recipe: Recipe
    corpus: Corpus
    out: Path

    def run(self, asked: Mapping[str, Any]) -> None:
        search, settings = self.search, self.search.task.options
        study = Study(self.out, search.space, settings.protocol, len(search.material.folds))
        conduct(search, study)
        chosen = winners(search, study)
        again = self._retrained_options()
        task = replace(search.task, options=again)
        folder = unfinished(self.out, [asked, chosen_facts(chosen)])
        self._keep_inner(chosen, folder)
        outcome = fit_all(task, self._requests(search, chosen), search.measure, search.material, folder)
        found = report(self.corpus, self.recipe, again, search.material, outcome, selected_by=search.select_by)
        found |= {"search": self._summary(study, chosen)}
        studies = {settings.protocol: study}
        if search.is_shared and settings.gap:
            studies["nested"], honest = self._honest()
            found |= gap_to(found, honest)
        write_trials(folder / TRIALS, search.space, studies, search.trials)
        write_summary(folder, asked, search.facts(self.corpus.name, self.recipe.track), found["search"])
        write_run(folder, self.recipe, task, search.material, outcome, found)
        complete(folder, self.out)

    def _retrained_options(self) -> TrainOptions:
        """Options with seeds that the search did not use, and the same folds."""
        options = self.search.task.options
        folds = options.seed if options.fold_seed is None else options.fold_seed
        return replace(options, seed=options.seed + 1, fold_seed=folds)

    def _requests(self, search: Search, chosen: Sequence[Result]) -> list[Any]:
        """The winners with new seeds; epochs as found, or chosen anew on what is reported."""
        tasks = [search.task_of(result.options) for result in chosen]
        epochs = None if search.is_shared else [result.epochs for result in chosen]
        return requests_for(tasks, search.material, seeds=self._retrained_options().seeds, epochs=epochs)

    def _keep_inner(self, chosen: Sequence[Result], folder: Path) -> None:
        """Predictions of each fold's inner split by its winner, as it was trained in the search."""
        from baselines.fitting import held_predictions, watched_job
        from baselines.jobs import run_jobs

        search = self.search
        if search.is_shared:
            return
        tasks, seed = [search.task_of(result.options) for result in chosen], search.task.options.seed
        lacking = [
            request
            for request in requests_for(tasks, search.material, seeds=[seed])
            if not (folder / "predictions" / "inner" / f"{stem_of(request.fold, seed)}.csv").is_file()
        ]
        jobs = [watched_job(search.material.everything, request, search.measure, keep=True) for request in lacking]
        for request, trained in zip(lacking, run_jobs(jobs), strict=True):
            write_held(folder, request.stem, held_predictions(trained), search.material)

    def _honest(self) -> tuple[Study, dict[str, float | None]]:
        """The same search inside the training parts of the same folds, and what its winners score there."""
        log.info("the same folds once more, with options and epochs chosen inside their training parts")
        options = replace(self.search.task.options, protocol="nested", selection="inner")
        search = replace(self.search, task=replace(self.search.task, options=options))
        study = Study(self.out, search.space, "nested", len(search.material.folds))
        conduct(search, study)
        requests = self._requests(search, winners(search, study))
        return study, means_of_folds(requests, search.measure, search.material)

    def _summary(self, study: Study, chosen: Sequence[Result]) -> dict[str, Any]:
        """What ``metrics.json`` and ``sweep.json`` say of the search."""
        search = self.search
        failed = {trial for (trial, _), r in study.results.items() if r.score is None and trial < search.trials}
        found = {
            "trials": search.trials,
            "failed": len(failed),
            "points": search.space.size,
            "sampler": search.sampler,
            "seed": search.task.options.seed,
            "select_by": search.select_by,
            "chosen": chosen_facts(chosen),
        }
        if search.is_shared:
            found["score"] = mean_score(search, study, chosen[0].trial)
        return found


def _check(settings: TrainOptions) -> None:
    if settings.protocol == "nested" and settings.selection == "last":
        raise ConfigError(
            "MER-T124",
            "selection=last leaves no clips to choose options on.",
            "A sweep needs selection=inner (or protocol=published, whose scores are optimistic).",
        )
    if settings.repeats < REPEATS:
        log.warning("%d seeds: the mean of fewer than %d says little about the winners", settings.repeats, REPEATS)


def _trials_of(space: Space, trials: int) -> int:
    if space.size is not None and space.size < trials:
        log.warning("the search space has %d points: each is tried once, instead of %d trials", space.size, trials)
        return space.size
    return trials
