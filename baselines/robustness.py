"""How a run holds up under noise, blur and missing modalities, out of fold.

Each clip is predicted by the members that did not see it. Conditions are corpora that `mertools corrupt` made with one
ratio and one blur factor each (``--snr=5 --blur=2``), extracted with the run's extractors.
"""

from __future__ import annotations

import csv
import itertools
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from baselines.augmentation import filled, read_version
from baselines.data import Table, load_table
from baselines.members import Member, average, predict_table
from baselines.plan import interval_groups
from baselines.prediction import missing_space
from baselines.runs import Run
from baselines.scoring import Measure, interval_of_mean, measures_of, score
from mertools.corpus import Clip, Corpus
from mertools.errors import TrainingError
from mertools.metrics.paired import paired_test
from mertools.store import open_store
from mertools.tracks import get_track

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Condition:
    """One way in which clips may arrive.

    Attributes:
        name: shown in tables, e.g. ``5 dB, blur 2``.
        snr_db: ratio of speech to noise as ``mertools corrupt`` noted it; None = no noise.
        blur: blur factor; 1 = the picture as it is.
        table: embeddings of the training clips.
    """

    name: str
    snr_db: float | None
    blur: int
    table: Table


def robustness(
    run: Run | Path | str, corpus: Corpus, under: Sequence[Path | str], *, store: Path | str | None = None
) -> dict[str, Any]:
    """Score a run's training clips out of fold under each condition, with each modality missing in turn.

    Args:
        run: a run or its folder.
        corpus: that it was trained on.
        under: corpora of corrupted versions of the clips.
        store: store of `corpus`; default ``CORPUS_DIR/store``.

    Returns:
        ``primary`` (name of the measure), ``unit`` of the intervals, ``missing`` (what may be absent), and ``rows``:
        one per condition and missing modality, with all measures, the interval of the primary one, and the paired
        difference from the clean clips with its interval.

    Raises:
        TrainingError: if folds or members are absent, or a corpus holds no embedding of the clips.
    """
    run = run if isinstance(run, Run) else Run.read(run)
    clean, clips = load_training_table(run, corpus, store)
    track = get_track(run.metrics["track"]) if run.metrics.get("track") else None
    measures = measures_of(run.design.targets, track)
    groups, unit = interval_groups(clips, str((run.recipe.options or {}).get("group", "speaker")))
    conditions = [Condition("clean", None, 1, clean), *(_condition(Path(folder), run, clean) for folder in under)]
    hidden = {"": (), **_modalities(run)}
    rows: list[dict[str, Any]] = []
    baseline: list[Mapping[str, np.ndarray]] = []
    for condition, (missing, spaces) in itertools.product(conditions, hidden.items()):
        per_seed = list(out_of_fold(run, without(condition.table, spaces)))
        baseline = baseline or per_seed
        rows.append(
            {
                "condition": condition.name,
                "snr_db": condition.snr_db,
                "blur": condition.blur,
                "missing": missing,
                "n_clips": len(clean),
                "metrics": _mean([score(measures, clean.annotations, found) for found in per_seed]),
                **_compared(measures[0], clean, per_seed, baseline, groups, unit),
            }
        )
        log.info("%s%s: done", condition.name, f" without {missing}" if missing else "")
    return {"primary": measures[0].label, "unit": unit, "missing": [name for name in hidden if name], "rows": rows}


def out_of_fold(run: Run, table: Table) -> Iterator[dict[str, np.ndarray]]:
    """Per seed: predictions of the training clips, each by the member that did not see it."""
    of_fold = fold_members(run)
    fold_of = read_folds(run)
    folds = np.array([fold_of[name] for name in table.names])
    for seed in run.metrics["seeds"]:
        kept: dict[str, np.ndarray] = {}
        for fold in np.unique(folds):
            rows = np.flatnonzero(folds == fold)
            members = [member for member in of_fold[int(fold)] if member.seed == seed]
            found = average([predict_table(member, table.rows(rows), run.design.targets) for member in members])
            for target, values in found.items():
                kept.setdefault(target, np.zeros((len(table), *values.shape[1:])))[rows] = values
        yield kept


def read_folds(run: Run) -> dict[str, int]:
    """Clip to the number of the fold that left it out.

    Raises:
        TrainingError: if the run has no readable ``folds.csv``.
    """
    path = run.folder / "folds.csv"
    try:
        lines = path.read_text(encoding="utf-8").splitlines()[1:]
        return {name: int(fold) for name, fold, _ in csv.reader(lines)}
    except (OSError, ValueError) as error:
        raise TrainingError("MER-T111", f"{path} cannot be read: {error}.", "Train again.") from None


def fold_members(run: Run) -> dict[int, list[Member]]:
    """Members of a run by the fold that they did not see."""
    found: dict[int, list[Member]] = {}
    for member in run.members:
        found.setdefault(member.fold, []).append(member)
    return found


def load_training_table(run: Run, corpus: Corpus, store: Path | str | None = None) -> tuple[Table, tuple[Clip, ...]]:
    """Embeddings and annotations of the clips that a run was trained on, and the clips.

    Raises:
        TrainingError: if the corpus has none of them.
    """
    if run.design.alignment is not None:
        raise TrainingError(
            "MER-T116", f"{run.folder} reads rows over time; versions of clips are compared at level utterance.",
            "Train with level=utterance.",
        )  # fmt: skip
    trained = read_folds(run)
    clips = tuple(clip for clip in corpus.select(run.metrics["protocol"]["train_splits"]) if clip.name in trained)
    if not clips:
        raise TrainingError(
            "MER-T110", f"{corpus.folder} has none of the {len(trained)} clips that {run.folder} was trained on.",
            "Name the corpus that the run was trained on.",
        )  # fmt: skip
    with open_store(Path(store) if store else corpus.folder / "store", read_only=True) as opened:
        there = {space.fingerprint for space in opened.spaces()}
        for feature in run.design.features:
            if feature.fingerprint not in there:
                raise missing_space(feature, opened, corpus.folder)
        return load_table(opened, run.design.features, corpus, clips, run.design.targets), clips


def without(table: Table, spaces: Sequence[int]) -> Table:
    """The same clips with spaces absent."""
    present = table.present.copy()
    present[:, list(spaces)] = False
    return replace(table, present=present)


def text(found: Mapping[str, Any]) -> str:
    """The primary measure of every condition as a table: one row per condition, one column per missing modality."""
    columns = ["", *found["missing"]]
    names = list(dict.fromkeys(row["condition"] for row in found["rows"]))
    cells = {(row["condition"], row["missing"]): row for row in found["rows"]}
    width = max(len(name) for name in (*names, found["primary"])) + 2
    lines = [found["primary"].ljust(width) + "".join(f"{f'no {c}' if c else 'all':>26}" for c in columns)]
    for name in names:
        shown = [_cell(cells[name, column], found["primary"]) for column in columns]
        lines.append(name.ljust(width) + "".join(f"{cell:>26}" for cell in shown))
    return "\n".join([*lines, f"out of fold; 95 % intervals by {found['unit']}"])


def _cell(row: Mapping[str, Any], primary: str) -> str:
    value, low, high = row["metrics"][primary], row["low"], row["high"]
    if value is None:
        return "undefined"
    return f"{value:.4f}" + ("" if low is None else f" [{low:.3f}, {high:.3f}]")


def _condition(folder: Path, run: Run, clean: Table) -> Condition:
    found = read_version(folder, run.design.features, clean.names)
    if not found.present.any():
        wanted = ",".join(feature.name for feature in run.design.features)
        raise TrainingError(
            "MER-T112",
            f"{folder} has no embedding of any clip that the run was trained on, in the spaces it was trained on.",
            f"Run: mertools extract {folder} --with {wanted}",
        )
    cells = [clip.cells for clip in Corpus.read(folder).clips if clip.name in set(clean.names)]
    ratios = sorted({float(c["snr_db"]) for c in cells if c.get("snr_db")})
    blurs = sorted({int(c["blur"]) for c in cells if c.get("blur")}) or [1]
    parts = [_range(ratios, " dB")] if ratios else []
    parts += [f"blur {_range(blurs, '')}"] if blurs != [1] else []
    name = ", ".join(parts) or folder.name
    return Condition(name, ratios[0] if len(ratios) == 1 else None, blurs[0], filled(found, clean))


def _range(values: Sequence[float], unit: str) -> str:
    ends = f"{values[0]:g}" if len(values) == 1 else f"{values[0]:g} to {values[-1]:g}"
    return ends + unit


def _modalities(run: Run) -> dict[str, tuple[int, ...]]:
    """Modality to its spaces, where others remain without it."""
    found: dict[str, tuple[int, ...]] = {}
    for m, feature in enumerate(run.design.features):
        modality = feature.name.split("/")[0]
        found[modality] = (*found.get(modality, ()), m)
    return found if len(found) > 1 else {}


def _compared(
    measure: Measure,
    table: Table,
    per_seed: Sequence[Mapping[str, np.ndarray]],
    clean: Sequence[Mapping[str, np.ndarray]],
    groups: np.ndarray | None,
    unit: str,
) -> dict[str, Any]:
    rows = measure.rows(table.annotations)
    own = interval_of_mean(measure, table.annotations, per_seed, groups, unit)
    test = paired_test(
        measure.metric,
        measure.columns(table.annotations, average(list(per_seed)), rows),
        measure.columns(table.annotations, average(list(clean)), rows),
        None if groups is None else groups[rows],
        unit=unit,
        n_swaps=999,
    )
    difference = {"value": test.difference, "low": test.low, "high": test.high, "p": test.p}
    return {
        "low": _finite(own.low),
        "high": _finite(own.high),
        "from_clean": {name: _finite(value) for name, value in difference.items()},
    }


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _mean(scores: Sequence[Mapping[str, float | None]]) -> dict[str, float | None]:
    found: dict[str, float | None] = {}
    for label in scores[0]:
        known = [value for value in (s[label] for s in scores) if value is not None]
        found[label] = float(np.mean(known)) if len(known) == len(scores) else None
    return found
