"""What a run found: predictions of all members, and the document that sums them up."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

import numpy as np

from baselines.data import ClipTable, coverage
from baselines.members import average
from baselines.options import TrainOptions
from baselines.plan import interval_groups
from baselines.protocol import Fold
from baselines.scoring import Arrays, Measure, interval_of_mean, measures_of, score

if TYPE_CHECKING:
    from baselines.material import Material
    from baselines.runs import Recipe
    from baselines.selftraining import Tested
    from mertools.corpus import Corpus

RECORDED_LIBRARIES = ("mertools", "torch", "lightning", "numpy", "scikit-learn")


@dataclass
class Outcome:
    """Predictions that members have left behind.

    Attributes:
        out_of_fold: per seed and target: predictions of all training clips, each by the fold that did not see it.
        test: per split one dictionary of predictions per member.
        members: stems of checkpoints.
        epochs: per fold the epochs of each seed.
        rounds: per fold and seed what each round of self-training predicted; empty without it.
    """

    out_of_fold: dict[int, dict[str, np.ndarray]]
    test: dict[str, list[dict[str, np.ndarray]]]
    members: list[str]
    epochs: list[list[int]]
    rounds: dict[tuple[int, int], list[Tested]] = field(default_factory=dict)


def report(
    corpus: Corpus, recipe: Recipe, options: TrainOptions, material: Material, outcome: Outcome, *, selected_by: str
) -> dict[str, Any]:
    """The content of ``metrics.json``.

    ``metrics`` are means over seeds of the score of all out-of-fold predictions pooled; ``ensemble`` is the score of
    the averaged predictions that are written: ``ensemble_probabilities``, or ``ensemble_logits`` with
    ``protocol=published``; ``fold_mean`` is the mean over folds (of means over seeds), as the published baselines
    report it; ``fold_spread`` is the standard deviation over folds, which is no standard error. ``optimistic`` marks
    scores of clips that had a say in what is scored; ``transductive`` those of clips that were predicted with the help
    of other clips of their group.
    """
    logits = options.protocol == "published"
    plan, table = material.plan, material.table
    measures = measures_of(plan.targets, plan.track)
    per_seed = list(outcome.out_of_fold.values())
    by_fold = [fold_scores(measures, table, fold, per_seed) for fold in material.folds]
    groups, unit = interval_groups(plan.clips, options.group)
    primary = interval_of_mean(measures[0], table.annotations, per_seed, groups, unit)
    return {
        "track": recipe.track or None,
        "targets": list(recipe.target),
        "model": recipe.model,
        "features": [feature.label for feature in material.features],
        "corpus": corpus.name,
        "optimistic": options.protocol == "published",
        "protocol": {
            "kind": options.protocol,
            "folds": options.folds or ("track" if plan.track else "5"),
            "n_folds": len(material.folds),
            "groups": _grouping(options, material),
            "selection": "reported" if options.protocol == "published" else options.selection,
            "select_by": selected_by,
            "train_splits": list(plan.train_splits),
            "standardise_by": options.standardise_by or None,
        },
        "transductive": bool(options.standardise_by),
        "seeds": list(options.seeds),
        "n_clips": len(table),
        "coverage": coverage(table, material.features),
        "primary": measures[0].label,
        "metrics": _mean_scores([score(measures, table.annotations, found) for found in per_seed]),
        "per_seed": [score(measures, table.annotations, found) for found in per_seed],
        "ensemble": score(measures, table.annotations, average(per_seed, logits=logits)),
        "ensemble_probabilities": score(measures, table.annotations, average(per_seed)),
        "ensemble_logits": score(measures, table.annotations, average(per_seed, logits=True)),
        "fold_mean": fold_means(by_fold),
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
                "metrics": score(measures, material.tests[split].annotations, average(found, logits=logits)),
            }
            for split, found in outcome.test.items()
        },
        "synthetic": corpus.synthetic,
        "versions": {**{name: _version(name) for name in RECORDED_LIBRARIES}, "python": platform.python_version()},
    }


def fold_means(by_fold: Sequence[Mapping[str, float | None]]) -> dict[str, float | None]:
    """Mean over folds of each measure; None where a fold has none."""
    return _mean_scores(by_fold)


def fold_scores(
    measures: Sequence[Measure], table: ClipTable, fold: Fold, per_seed: Sequence[Arrays]
) -> dict[str, float | None]:
    """Mean over seeds of each measure on the clips that a fold left out."""
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
    try:
        return version(name)
    except PackageNotFoundError:
        from mertools import __version__

        return __version__ if name == "mertools" else "unknown"
