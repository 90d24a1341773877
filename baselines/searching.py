"""A search over options: trials × folds as one list of trainings, the results in a study, the best of them."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import Any

import numpy as np

from baselines.draws import Point, Space
from baselines.material import Material
from baselines.members import Task
from baselines.proposals import Sampler, propose, rounds
from baselines.scoring import LOSS, Measure
from baselines.study import Result, Study, digest
from baselines.training import requests_for
from mertools.config import canonical_json, to_mapping
from mertools.errors import TrainingError

log = logging.getLogger(__name__)

OF_THE_RUN = ("repeats", "gap", "test_splits", "labels")
"""Options of training that no trial depends on, but the run that is made of the winners."""

NO_MATTER = (*OF_THE_RUN, "store", "threads", "allow_seen", "memory", "logger")
"""Options of training that no trial depends on."""


@dataclass(frozen=True)
class Search:
    """A search over options.

    Attributes:
        task: model, targets and the options that are fixed.
        material: tables and folds.
        measure: what is best; None = the lowest joint loss.
        space: what is searched over.
        sampler: how.
        trials: how many points are tried.
    """

    task: Task
    material: Material
    measure: Measure | None
    space: Space
    sampler: Sampler
    trials: int

    @property
    def select_by(self) -> str:
        """What is best, in a word."""
        return self.measure.label if self.measure else LOSS

    @property
    def is_shared(self) -> bool:
        """Whether all folds choose the same options, by the mean of their scores."""
        return self.task.options.protocol == "published"

    def task_of(self, point: Point) -> Task:
        """The task with the options of a trial."""
        of_model = {key: value for key, value in point.items() if key in self.task.config}
        of_training = {key: value for key, value in point.items() if key not in of_model}
        config, options = {**self.task.config, **of_model}, replace(self.task.options, **of_training)
        return replace(self.task, config=config, options=options)

    def shown(self, score: float) -> str:
        """A score in the metric's own sign."""
        return f"{-score if self.measure is None or not self.measure.metric.higher_is_better else score:.4f}"

    def facts(self, corpus: str, track: str | None) -> dict[str, Any]:
        """Everything that a trial depends on."""
        task, searched = self.task, self.space.dimensions
        options = {k: v for k, v in to_mapping(task.options).items() if k not in NO_MATTER and k not in searched}
        folds = [(fold.name, fold.train, fold.test) for fold in self.material.folds]
        return {
            "format": 1,
            "corpus": corpus,
            "track": track or "",
            "targets": [to_mapping(target) for target in task.targets],
            "features": [feature.typed for feature in self.material.features],
            "model": task.model,
            "config": {k: v for k, v in task.config.items() if k not in searched},
            "options": options,
            "select_by": self.select_by,
            "sampler": self.sampler if self.sampler == "random" else f"{self.sampler}, optuna {version('optuna')}",
            "space": self.space.as_json(),
            "clips and embeddings": digest(self.material.table),
            "folds": digest(folds, self.material.groups),
        }


def conduct(search: Search, study: Study) -> None:
    """Train what the study lacks. Each training is in it as soon as it is done.

    A trial sees of a fold's left-out part nothing (``protocol=nested``), or its score (``published``).
    """
    from baselines.fitting import retasked, watched_job
    from baselines.jobs import try_jobs

    folds = range(len(search.material.folds))
    seed = search.task.options.seed
    points = _Points(search, study)
    requests = requests_for([search.task] * len(folds), search.material, seeds=[seed])
    done = sum(trial < search.trials for trial, _ in study.results)
    lacking = search.trials * len(folds) - done
    log.info(
        "%d trials on %d folds: %d trainings to do%s, chosen by %s",
        search.trials,
        len(folds),
        lacking,
        f" ({done} done)" if done else "",
        search.select_by,
    )
    if not lacking:
        return
    watched = [watched_job(search.material.everything, request, search.measure) for request in requests]
    for numbers in rounds(search.sampler, search.trials):
        drawn = {(trial, fold): points.of(trial, fold, numbers) for trial in numbers for fold in folds}
        pending = _by_shape(search, drawn, [place for place in drawn if place not in study.results])
        jobs = (retasked(watched[fold], search.task_of(drawn[trial, fold])) for trial, fold in pending)
        for (trial, fold), trained in zip(pending, try_jobs(jobs), strict=True):
            point = drawn[trial, fold]
            if isinstance(trained, TrainingError):
                study.add(Result(trial, fold, point, None, problem=trained.message))
            elif not np.isfinite(trained.best_score):
                problem = f"{search.select_by} was undefined after every epoch."
                study.add(Result(trial, fold, point, None, problem=problem))
            else:
                study.add(Result(trial, fold, point, trained.best_score, trained.best_epochs))
            if all((trial, other) in study.results for other in folds):
                _say_trial(search, study, trial)


def _by_shape(
    search: Search, drawn: Mapping[tuple[int, int], Point], places: Sequence[tuple[int, int]]
) -> list[tuple[int, int]]:
    """Networks of one shape side by side: they may be trained as one stack, whose results are kept when it is done."""
    groups: dict[str, list[tuple[int, int]]] = {}
    for place in places:
        task = search.task_of(drawn[place])
        shape = {key: value for key, value in task.config.items() if key != "dropout"}
        groups.setdefault(canonical_json([shape, task.options.batch_size]), []).append(place)
    return [place for group in groups.values() for place in group]


class _Points:
    """Which point is tried where; for TPE from the results of earlier rounds alone."""

    def __init__(self, search: Search, study: Study) -> None:
        self.search = search
        self.study = study
        self._known: dict[tuple[int, int], list[Point]] = {}

    def of(self, trial: int, fold: int, numbers: range) -> Point:
        """The point of a trial on a fold.

        Raises:
            TrainingError: if the study tried another one there.
        """
        search = self.search
        key = 0 if search.is_shared or search.sampler == "random" else fold
        if (numbers.start, key) not in self._known:
            before = {number: self._before(number, key) for number in range(numbers.start)}
            seed = search.task.options.seed
            self._known[numbers.start, key] = propose(search.space, search.sampler, seed, numbers, before, key)
        point = self._known[numbers.start, key][trial - numbers.start]
        done = self.study.results.get((trial, fold))
        if done and done.options != point:
            raise TrainingError(
                "MER-T127",
                f"the study tried {done.options} in trial {trial} on fold {fold}, where {point} belongs.",
                "It was changed, or another version of Optuna made it: choose another --out.",
            )
        return point

    def _before(self, trial: int, key: int) -> tuple[Point, float | None]:
        if self.search.is_shared:
            return self.study.results[trial, 0].options, mean_score(self.search, self.study, trial)
        result = self.study.results[trial, key]
        return result.options, result.score


def mean_score(search: Search, study: Study, trial: int) -> float | None:
    """Mean over folds of a trial's scores; None if it failed on one."""
    scores = [study.results[trial, fold].score for fold in range(len(search.material.folds))]
    known = [score for score in scores if score is not None]
    return float(np.mean(known)) if len(known) == len(scores) else None


def winners(search: Search, study: Study) -> list[Result]:
    """The best trial of each fold (the first of equals); with ``protocol=published`` the best of all for every fold.

    Raises:
        TrainingError: if every trial failed.
    """
    folds, trials = range(len(search.material.folds)), range(search.trials)
    found = []
    for fold in folds:
        if search.is_shared:
            scores: Mapping[int, float | None] = {t: mean_score(search, study, t) for t in trials}
        else:
            scores = {t: study.results[t, fold].score for t in trials}
        known = {trial: score for trial, score in scores.items() if score is not None}
        if not known:
            first = next(r for r in study.results.values() if r.problem)
            raise TrainingError(
                "MER-T128",
                f"every trial failed on fold {fold}, the first with {first.options}: {first.problem}",
                "Search over smaller step sizes (lr), or other options; nothing was chosen.",
            )
        found.append(study.results[max(known, key=lambda trial: known[trial]), fold])
    return found


def _say_trial(search: Search, study: Study, trial: int) -> None:
    n_folds = len(search.material.folds)
    results = [study.results[trial, fold] for fold in range(n_folds)]
    done = [t for t in range(search.trials) if all((t, fold) in study.results for fold in range(n_folds))]
    known = [r.score for r in results if r.score is not None]
    words = f"{search.select_by} {search.shown(float(np.mean(known)))}" if known else "failed"
    if 0 < len(known) < len(results):
        words += f" ({len(results) - len(known)} folds failed)"
    same = all(r.options == results[0].options for r in results)
    tried = " ".join(f"{k}={v:g}" if isinstance(v, float) else f"{k}={v}" for k, v in results[0].options.items())
    log.info("%d/%d trials, number %d: %s%s", len(done), search.trials, trial, words, f"; {tried}" if same else "")
