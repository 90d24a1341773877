"""`compare`: runs side by side on the pooled out-of-fold predictions of the same clips in the same folds.

What a run scores is a mean over its seeds; how sure one may be of a difference depends on the clips and on the seeds,
and `baselines.two_levels` resamples both. The spread over folds is shown and never used: folds share most of their
training clips, so it is no standard error.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from baselines.common_ground import common_ground, out_of_fold
from baselines.members import average
from baselines.plan import interval_groups
from baselines.runs import Run
from baselines.scoring import Arrays, Measure, score
from baselines.two_levels import LEVEL, Array, difference
from mertools.errors import TrainingError
from mertools.metrics import Metric
from mertools.metrics.groups import group_sums
from mertools.metrics.intervals import holm

ENOUGH_SEEDS = 5


@dataclass(frozen=True)
class Standing:
    """One run in a comparison.

    Attributes:
        run: its name, unique among those compared.
        model: name of the model.
        features: extractors.
        n_seeds: trainings.
        single: mean over seeds of the score of one training.
        seed_spread: standard deviation over seeds; None with a single seed.
        ensemble: score of the probabilities averaged over seeds.
        ensemble_logits: score of the logits averaged over seeds.
        fold_spread: standard deviation over folds; no standard error.
        optimistic: whether the scored clips had a say in what is scored.
    """

    run: str
    model: str
    features: tuple[str, ...]
    n_seeds: int
    single: float | None
    seed_spread: float | None
    ensemble: float | None
    ensemble_logits: float | None
    fold_spread: float | None
    optimistic: bool


@dataclass(frozen=True)
class Pair:
    """Two runs: `value` is the score of `first` minus that of `second`, both as means over seeds.

    Attributes:
        first: name of a run.
        second: name of another.
        value: the difference; positive favours `first` if higher is better.
        low: lower end of its 95 % interval, groups and seeds resampled.
        high: upper end.
        p: two-sided p-value of no difference.
        p_adjusted: after Holm's correction over all pairs.
        margin: margin of non-inferiority; None if none was asked for.
        p_not_inferior: one-sided p-value, after Holm, of `first` being worse than `second` by the margin or more.
        not_inferior: whether that is refuted at 2.5 %, the one-sided counterpart of the interval.
    """

    first: str
    second: str
    value: float
    low: float
    high: float
    p: float
    p_adjusted: float
    margin: float | None = None
    p_not_inferior: float | None = None
    not_inferior: bool | None = None


@dataclass(frozen=True)
class Comparison:
    """Runs compared by one metric.

    Attributes:
        metric: its label.
        higher_is_better: its direction.
        n_clips: clips that count.
        unit: what was resampled as a whole.
        n_groups: how many of them there are.
        level: nominal coverage of the intervals.
        runs: in the order given.
        pairs: all pairs, or those with the reference.
        warnings: what weakens the comparison.
    """

    metric: str
    higher_is_better: bool
    n_clips: int
    unit: str
    n_groups: int
    level: float
    runs: tuple[Standing, ...]
    pairs: tuple[Pair, ...]
    warnings: tuple[str, ...]

    def document(self) -> dict[str, Any]:
        """As plain data for JSON, None for what is undefined."""
        return {key: _plain(value) for key, value in asdict(self).items()}


def compare(
    runs: Sequence[Run | Path | str],
    *,
    metric: str = "",
    margin: float | None = None,
    reference: Path | str | None = None,
    n_draws: int = 2000,
    seed: int = 0,
) -> Comparison:
    """Compare runs on their pooled out-of-fold predictions.

    Args:
        runs: at least two, of the same corpus, targets, clips and folds.
        metric: label of a measure in ``metrics.json``; default the primary one.
        margin: also test whether the first run of each pair is worse by less than this (in units of the metric, > 0).
        reference: folder of the run that each of the others is compared with (the other first); default every pair.
        n_draws: resampled corpora and trainings behind each interval.
        seed: of the draws.

    Raises:
        TrainingError: if there are fewer than two runs, or they differ in targets, clips, folds or annotations; the
            message names what differs.
    """
    read = [run if isinstance(run, Run) else Run.read(run) for run in runs]
    names = _names([run.folder for run in read])
    if margin is not None and not margin > 0:
        raise TrainingError("MER-T072", f"the margin {margin:g} is not positive.", "Give it in units of the metric.")
    measure, clips, annotations = common_ground(read, names, metric)
    groups, unit = interval_groups(clips, str((read[0].recipe.options or {}).get("group", "speaker")))
    per_seed = [out_of_fold(run, [clip.name for clip in clips]) for run in read]
    rows = measure.rows(annotations)
    if not len(rows):
        raise TrainingError(
            "MER-T075", f"no clip is annotated for {measure.label}.", "Annotate the clips, or choose another --metric."
        )
    sums = _sums(measure, annotations, per_seed, rows, groups)
    standings = tuple(
        _standing(name, run, measure, annotations, found)
        for name, run, found in zip(names, read, per_seed, strict=True)
    )
    return Comparison(
        measure.label,
        measure.metric.higher_is_better,
        len(rows),
        unit,
        sums[0].shape[1],
        LEVEL,
        standings,
        _pairs(names, sums, measure.metric, _position(reference, read), margin, n_draws, seed),
        tuple(_warnings(standings)),
    )


def _pairs(
    names: Sequence[str],
    sums: Sequence[Array],
    metric: Metric,
    reference: int | None,
    margin: float | None,
    n_draws: int,
    seed: int,
) -> tuple[Pair, ...]:
    n = len(names)
    if reference is None:
        chosen = [(i, j) for i in range(n) for j in range(i + 1, n)]
    else:
        chosen = [(i, reference) for i in range(n) if i != reference]
    sign = 1.0 if metric.higher_is_better else -1.0
    found, inferior = [], []
    for i, j in chosen:
        test = difference(metric.from_sums, sums[i], sums[j], n_draws=n_draws, seed=seed)
        found.append(Pair(names[i], names[j], test.value, test.low, test.high, test.p, test.p, margin))
        if margin is not None:
            towards = test if sign > 0 else replace(test, value=-test.value)
            inferior.append(towards.p_below(-margin))
    adjusted = [replace(pair, p_adjusted=p) for pair, p in zip(found, holm([p.p for p in found]), strict=True)]
    if margin is None:
        return tuple(adjusted)
    below = (1 - LEVEL) / 2
    return tuple(
        replace(pair, p_not_inferior=p, not_inferior=bool(p < below))
        for pair, p in zip(adjusted, holm(inferior), strict=True)
    )


def _standing(name: str, run: Run, measure: Measure, annotations: Arrays, per_seed: Sequence[Arrays]) -> Standing:
    singles = [score([measure], annotations, found)[measure.label] for found in per_seed]
    known = [value for value in singles if value is not None]
    whole = len(known) == len(singles)
    return Standing(
        name,
        str(run.metrics.get("model", run.recipe.model)),
        tuple(feature.label for feature in run.design.features),
        len(per_seed),
        float(np.mean(known)) if whole else None,
        float(np.std(known, ddof=1)) if whole and len(known) > 1 else None,
        score([measure], annotations, average(per_seed))[measure.label],
        score([measure], annotations, average(per_seed, logits=True))[measure.label],
        run.metrics.get("fold_spread", {}).get(measure.label),
        bool(run.metrics.get("optimistic")),
    )


def _warnings(standings: Sequence[Standing]) -> list[str]:
    found = []
    for run in standings:
        if run.n_seeds == 1:
            found.append(
                f"{run.run} has a single seed: how much its score depends on the seed is unknown and missing in every "
                f"interval. Train with repeats={ENOUGH_SEEDS}."
            )
        elif run.n_seeds < ENOUGH_SEEDS:
            found.append(f"{run.run} has {run.n_seeds} seeds; a comparison wants {ENOUGH_SEEDS} or more (repeats=N).")
        if run.optimistic:
            found.append(f"{run.run} is optimistic: its epochs were chosen on the very clips that are compared here.")
    return found


def _sums(
    measure: Measure,
    annotations: Arrays,
    of_runs: Sequence[Sequence[Arrays]],
    rows: np.ndarray,
    groups: np.ndarray | None,
) -> list[Array]:
    """Additive statistics of each run per seed and group, ``(S, G, K)``, in one coordinate system."""
    columns = [measure.columns(annotations, found, rows) for per_seed in of_runs for found in per_seed]
    stacked = [np.concatenate(parts) for parts in zip(*columns, strict=True)]
    _, index = np.unique(rows if groups is None else groups[rows], return_inverse=True)
    n_groups = int(index.max()) + 1
    keys = np.concatenate([index + number * n_groups for number in range(len(columns))])
    together = group_sums(measure.metric, stacked, keys).reshape(len(columns), n_groups, -1)
    ends = np.cumsum([len(per_seed) for per_seed in of_runs])[:-1]
    return np.split(together, ends)


def _position(reference: Path | str | None, runs: Sequence[Run]) -> int | None:
    if reference is None:
        return None
    for position, run in enumerate(runs):
        if run.folder.resolve() == Path(reference).resolve():
            return position
    raise TrainingError(
        "MER-T073",
        f"the reference {reference} is none of the runs.",
        f"Expected one of: {', '.join(str(run.folder) for run in runs)}.",
    )


def _names(folders: Sequence[Path]) -> list[str]:
    """The shortest ends of the paths that tell the runs apart."""
    resolved = [folder.resolve() for folder in folders]
    for folder in resolved:
        if resolved.count(folder) > 1:
            raise TrainingError("MER-T073", f"run {folder} is named twice.", "Name each run once.")
    depth = 1
    while len({folder.parts[-depth:] for folder in resolved}) < len(resolved):
        depth += 1
    return ["/".join(folder.parts[-depth:]) for folder in resolved]


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value
