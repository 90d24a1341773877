"""Which point each trial tries: a random order without repetition, or what a tree-structured Parzen estimator wants."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np

from baselines.draws import Point, Space
from baselines.study import distributions, quiet_optuna

Sampler = Literal["random", "tpe"]
ROUND = 10
"""Trials that TPE proposes at once, knowing the results of all rounds before; the first round is random."""

_STREAM = 6


def rounds(sampler: Sampler, trials: int) -> list[range]:
    """Numbers of the trials that are proposed together."""
    if sampler == "random":
        return [range(trials)]
    return [range(start, min(start + ROUND, trials)) for start in range(0, trials, ROUND)]


def propose(
    space: Space,
    sampler: Sampler,
    seed: int,
    numbers: range,
    before: Mapping[int, tuple[Point, float | None]],
    key: int,
) -> list[Point]:
    """Points for the trials of one round; the same for the same arguments, whatever was interrupted in between.

    Args:
        space: what is searched over.
        sampler: how.
        seed: of the sweep.
        numbers: of the trials.
        before: per earlier trial its point and score (None = failed).
        key: tells searches of one sweep apart (the number of the fold).
    """
    if sampler == "random" or numbers.start == 0:
        return list(itertools.islice(space.draws(seed), numbers.start, numbers.stop))
    return _tpe(space, seed, numbers, before, key)


def _tpe(
    space: Space, seed: int, numbers: range, before: Mapping[int, tuple[Point, float | None]], key: int
) -> list[Point]:
    import optuna
    from optuna.trial import TrialState, create_trial

    state = np.random.SeedSequence(seed, spawn_key=(_STREAM, key, numbers.start)).generate_state(1)[0]
    dimensions = distributions(space)
    with quiet_optuna():
        sampler = optuna.samplers.TPESampler(seed=int(state), n_startup_trials=1, constant_liar=True, multivariate=True)
        study = optuna.create_study(direction="maximize", sampler=sampler)
        for number in sorted(before):
            point, score = before[number]
            outcome: Any = TrialState.FAIL if score is None else TrialState.COMPLETE
            study.add_trial(create_trial(state=outcome, value=score, params=point, distributions=dimensions))
        unseen = space.draws(seed)
        tried = {tuple(point.values()) for point, _ in before.values()}
        points = []
        for _ in numbers:
            asked = study.ask(dimensions).params
            point = {name: asked[name] for name in space.dimensions}
            while tuple(point.values()) in tried:  # instead of a point once more, one that nobody tried
                point = next(unseen)
            tried.add(tuple(point.values()))
            points.append(point)
    return points
