"""Self-training: a network's most certain labels of unlabelled clips become labels for the next one.

Per round, the share of clips that are labelled is chosen on the inner split of the fold's training part, with "none" as
one of the choices; the clips that a fold leaves out have no say in anything.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from baselines.data import MISSING_CLASS, Table
from baselines.fitting import Fit, Request, held_predictions, watched_job
from baselines.jobs import Job, Trained, run_alone
from baselines.members import Member, average, predict_table
from baselines.scoring import Measure, score
from mertools.metrics.paired import paired_test

if TYPE_CHECKING:
    from baselines.results import Outcome
    from mertools.targets import Target

SHARES = (0.1, 0.25, 0.5, 0.8)
"""Shares of the unlabelled clips that are tried as the number of pseudo labels."""


@dataclass(frozen=True)
class Round:
    """What a round left behind: its member, the share that the inner split chose (0 = none) and the pseudo labels."""

    member: Member
    share: float
    n_pseudo: int


def pseudo_labels(probabilities: np.ndarray, usable: np.ndarray, share: float, priors: np.ndarray) -> np.ndarray:
    """The most certain clips of each class, classes in the proportions of the training part.

    A class gets no more clips than its prior times the number asked for, however certain the network is of further
    ones; it may get fewer.

    Args:
        probabilities: ``(N, C)``.
        usable: ``(N,)`` bool, clips that may be labelled.
        share: of the usable clips, in [0, 1].
        priors: relative frequencies of the classes, ``(C,)``.

    Returns:
        Class indices ``(N,)`` int64, -1 = not labelled.
    """
    labels = np.full(len(probabilities), MISSING_CLASS, np.int64)
    said, sure = probabilities.argmax(axis=1), probabilities.max(axis=1)
    for label, prior in enumerate(priors):
        quota = int(share * usable.sum() * prior + 0.5)
        candidates = np.flatnonzero(usable & (said == label))
        labels[candidates[np.argsort(-sure[candidates], kind="stable")[:quota]]] = label
    return labels


def self_train(table: Table, requests: Sequence[Request], measure: Measure | None) -> Iterator[Fit]:
    """As `fitting.fit_members`, with rounds of self-training after the first fit.

    Args:
        table: labelled clips, and behind them those without labels.
        requests: the members; `Request.unlabelled` says which clips without labels each may learn from.
        measure: which epoch and which share are best; None = those of the lowest joint loss.
    """
    for request in requests:
        yield _rounds(table, request, measure)


def _rounds(table: Table, request: Request, measure: Measure | None) -> Fit:
    watched = watched_job(table, request, measure, keep=True)
    assert watched.watch is not None  # noqa: S101 - that is what makes it a watched job
    whole = replace(watched, rows=np.sort(np.concatenate([watched.rows, watched.watch.rows])), watch=None)
    inner = run_alone(watched)
    kept = Round(_final(whole, inner).member(inner.scores), 0.0, 0)
    rounds = [kept]
    for _ in range(request.task.options.self_training):
        tried = [(share, run_alone(_labelled(watched, inner.member(), request, share))) for share in SHARES]
        share, best = max(tried, key=lambda found: found[1].best_score)
        if not best.best_score > inner.best_score:
            break  # the next round would try the same again
        job = _labelled(whole, kept.member, request, share)
        kept = Round(_final(job, best).member(best.scores), share, len(job.rows) - len(whole.rows))
        inner = best
        rounds.append(kept)
    return Fit(kept.member, held_predictions(inner), tuple(rounds))


def _final(job: Job, inner: Trained) -> Trained:
    return run_alone(replace(job, epochs=inner.best_epochs))


def _labelled(job: Job, member: Member, request: Request, share: float) -> Job:
    """`job` with pseudo labels by `member`."""
    rows = request.unlabelled
    assert rows is not None  # noqa: S101 - there are clips without labels, or self-training is off
    part, targets = job.table.rows(rows), job.task.targets
    found = predict_table(member, part, targets)
    annotations = dict(job.table.annotations)
    chosen = np.zeros(len(rows), bool)
    for target in _with_classes(targets):
        own = pseudo_labels(found[target.name], part.present.any(axis=1), share, job.fitted.priors[target.name])
        annotations[target.name] = annotations[target.name].copy()
        annotations[target.name][rows] = own
        chosen |= own != MISSING_CLASS
    return replace(
        job, table=replace(job.table, annotations=annotations), rows=np.concatenate([job.rows, rows[chosen]])
    )


def _with_classes(targets: Sequence[Target]) -> list[Target]:
    return [target for target in targets if target.kind == "classes"]


def report_rounds(
    outcome: Outcome,
    measures: Sequence[Measure],
    annotations: Mapping[str, np.ndarray],
    groups: np.ndarray | None,
    unit: str,
) -> dict[str, Any] | None:
    """What each round gained out of fold; None without self-training.

    Returns:
        ``rounds``: per round the mean over seeds of every measure, pseudo labels per member, and ``gain``: the primary
        measure of the ensemble over seeds minus that of the round before, with interval and p-value.
    """
    if not outcome.rounds:
        return None
    primary, rows = measures[0], measures[0].rows(annotations)
    n_rounds = max(len(found) for found in outcome.rounds.values())
    seeds = sorted({seed for _, seed in outcome.rounds})
    rounds: list[dict[str, Any]] = []
    before: list[np.ndarray] = []
    for number in range(n_rounds):
        # A member that stopped earlier stays as it was.
        of_round = {key: found[min(number, len(found) - 1)] for key, found in outcome.rounds.items()}
        per_seed = [_pooled([part for (_, s), part in of_round.items() if s == seed], annotations) for seed in seeds]
        scores = [score(measures, annotations, found) for found in per_seed]
        entry: dict[str, Any] = {
            "round": number,
            "n_pseudo": float(np.mean([part.n_pseudo for part in of_round.values()])),
            "members_gone_on": sum(len(found) > number for found in outcome.rounds.values()),
            "metrics": {label: _mean([found[label] for found in scores]) for label in scores[0]},
        }
        columns = primary.columns(annotations, average(per_seed), rows)
        if before:
            test = paired_test(primary.metric, columns, before, None if groups is None else groups[rows], unit=unit)
            gain = {"value": test.difference, "low": test.low, "high": test.high, "p": test.p}
            entry["gain"] = {name: float(v) if np.isfinite(v) else None for name, v in gain.items()}
        rounds.append(entry)
        before = columns
    return {"primary": primary.label, "unit": unit, "rounds": rounds}


@dataclass(frozen=True)
class Tested:
    """Predictions of a round for the clips at `rows`, which its fold left out."""

    rows: np.ndarray
    found: Mapping[str, np.ndarray]
    n_pseudo: int


def _pooled(parts: Sequence[Tested], annotations: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    kept: dict[str, np.ndarray] = {}
    for part in parts:
        for target, values in part.found.items():
            everything = kept.setdefault(target, np.zeros((len(annotations[target]), *values.shape[1:])))
            everything[part.rows] = values
    return kept


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if len(known) == len(values) else None
