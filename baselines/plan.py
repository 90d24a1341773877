"""What a training is about to do, settled before anything is fitted: targets, splits, folds, groups."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from baselines.data import ClipTable, is_annotated
from baselines.protocol import Fold, k_folds, leave_one_value_out, published_folds, strata_of
from baselines.seen import refuse_scored
from mertools.errors import TrainingError, did_you_mean
from mertools.tracks import Track, get_track

if TYPE_CHECKING:
    from baselines.options import TrainOptions
    from mertools.corpus import Clip, Corpus
    from mertools.targets import Target

log = logging.getLogger(__name__)

DEFAULT_FOLDS = 5


@dataclass(frozen=True)
class Plan:
    """Targets and splits.

    Attributes:
        track: the track, if one was named.
        targets: what to learn.
        train_splits: splits that folds are made of.
        test_splits: splits to predict afterwards.
        clips: clips of `train_splits` with at least one annotation, in file order.
    """

    track: Track | None
    targets: tuple[Target, ...]
    train_splits: tuple[str, ...]
    test_splits: tuple[str, ...]
    clips: tuple[Clip, ...]


def make_plan(corpus: Corpus, track: str | None, target: Sequence[str], options: TrainOptions) -> Plan:
    """Settle targets and splits.

    Raises:
        TrainingError: if neither track nor target is named, a target is of a kind that cannot be trained, classes of
            track and corpus differ, the training splits have no annotations, or the track scores their clips.
        CorpusError: for a split or target that the corpus does not have.
    """
    chosen = get_track(track) if track else None
    targets = _targets(corpus, chosen, target)
    train_splits = options.train_splits or (chosen.train_splits if chosen else _of_role(corpus, "train", "validation"))
    clips = corpus.select(train_splits) if train_splits else ()
    annotated = tuple(clip for clip in clips if any(t.parse(clip.cells.get(t.name, "")) is not None for t in targets))
    if not annotated:
        shown = ", ".join(train_splits) or "of role train or validation (there is none)"
        raise TrainingError(
            "MER-T030",
            f"no clip of corpus '{corpus.name}' in splits {shown} is annotated for {_names(targets)}.",
            "Fill the columns in clips.csv, or name other splits: train_splits=A,B.",
        )
    if len(annotated) < len(clips):
        log.warning(
            "%d of %d training clips have no annotation and are left out", len(clips) - len(annotated), len(clips)
        )
    if chosen:
        refuse_scored(corpus, chosen, annotated, options.allow_seen)
    return Plan(chosen, targets, train_splits, _test_splits(corpus, chosen, train_splits, options), annotated)


def make_folds(plan: Plan, table: ClipTable, options: TrainOptions) -> tuple[list[Fold], np.ndarray | None]:
    """Folds of the training clips, and the groups that their inner splits keep together (None = clips).

    Raises:
        TrainingError: for an unknown column, too few groups, or a class target with a single class.
    """
    for target in plan.targets:
        column = table.annotations[target.name]
        present = sorted(set(column[is_annotated(column)].tolist()))
        if target.kind == "classes" and len(present) < 2:
            found = ", ".join(target.classes[i] for i in present) or "none"
            raise TrainingError(
                "MER-T031",
                f"the training clips have fewer than two classes of target '{target.name}' (found: {found}).",
                "Annotate clips of another class, or name other splits: train_splits=A,B.",
            )
    scheme = options.folds or ("track" if plan.track else str(DEFAULT_FOLDS))
    if scheme == "track" and not plan.track:
        raise TrainingError("MER-T032", "--folds track needs a track.", "Name one with --track, or a number of folds.")
    if scheme == "track" or scheme.isdecimal():
        k = DEFAULT_FOLDS if scheme == "track" else int(scheme)
        rng = options.streams(options.seed).numpy("fold")
        if options.protocol == "published":
            return published_folds(k, len(table), rng), None
        groups = group_column(plan.clips, options.group)
        return k_folds(k, strata(plan, table), groups, rng), groups
    columns = sorted({key for clip in plan.clips for key in clip.cells})
    if scheme not in columns:
        raise TrainingError(
            "MER-T033",
            f"--folds {scheme}: clips.csv has no column '{scheme}'.{did_you_mean(scheme, columns)}",
            f"Expected track, a number, or one of: {', '.join(columns)}.",
        )
    values = [clip.cells.get(scheme, "").strip() for clip in plan.clips]
    return leave_one_value_out(scheme, values), np.array(values)


def warn_of_absent_classes(plan: Plan, table: ClipTable, folds: Sequence[Fold]) -> None:
    """Say which classes a fold cannot learn, because every clip of them is left out there."""
    for target in plan.targets:
        column = table.annotations[target.name]
        if target.kind != "classes":
            continue
        everywhere = np.unique(column[is_annotated(column)])
        for fold in folds:
            absent = np.setdiff1d(everywhere, column[fold.train])
            if len(absent):
                log.warning(
                    "fold %s: no clip of %s '%s' in its training part, so it is never predicted there",
                    fold.name,
                    target.name,
                    ", ".join(target.classes[i] for i in absent),
                )


def strata(plan: Plan, table: ClipTable) -> np.ndarray:
    """What folds of `table` spread evenly: the first class target, else the first value in quintiles of `table`."""
    first = next((t for t in plan.targets if t.kind == "classes"), plan.targets[0])
    return strata_of(table.annotations[first.name])


def group_column(clips: Sequence[Clip], column: str) -> np.ndarray | None:
    """Groups of clips by a column; a clip with an empty cell is its own group; None if no clip has a value."""
    cells = [clip.cells.get(column, "").strip() for clip in clips] if column else []
    if not any(cells):
        return None
    return np.array([f"={cell}" if cell else f"clip {clip.name}" for cell, clip in zip(cells, clips, strict=True)])


def interval_groups(clips: Sequence[Clip], column: str) -> tuple[np.ndarray | None, str]:
    """What an interval resamples: the grouping column, else ``source``, else clips; and its name."""
    for unit in (column, "source"):
        groups = group_column(clips, unit)
        if groups is not None:
            return groups, unit
    return None, "clip"


def _targets(corpus: Corpus, track: Track | None, names: Sequence[str]) -> tuple[Target, ...]:
    if not track and not names:
        known = ", ".join(t.name for t in corpus.targets) or "none (declare them in corpus.yaml)"
        raise TrainingError(
            "MER-T035", "nothing to learn was named.", f"Name --track ID or --target NAME...; targets: {known}."
        )
    if track and names and set(names) != {t.name for t in track.targets}:
        raise TrainingError(
            "MER-T036",
            f"track {track.id} asks for {_names(track.targets)}, --target for {', '.join(names)}.",
            "Leave --target out, or --track.",
        )
    targets = track.targets if track else tuple(corpus.target(name) for name in dict.fromkeys(names))
    for target in targets:
        if target.kind not in ("classes", "value") or target.per != "clip":
            raise TrainingError(
                "MER-T037",
                f"target '{target.name}' is of kind {target.kind} per {target.per}; fusion models learn classes and "
                "values per clip.",
                "Choose another target.",
            )
    return tuple(_matched(corpus, target, track) for target in targets) if track else targets


def _matched(corpus: Corpus, target: Target, track: Track) -> Target:
    """The track's target with the corpus's way of saying "missing"."""
    own = corpus.target(target.name)
    if own.kind != target.kind or not set(own.classes) <= set(target.classes):
        raise TrainingError(
            "MER-T038",
            f"target '{target.name}' is {own.kind} ({', '.join(own.classes) or own.range}) in corpus '{corpus.name}' "
            f"and {target.kind} ({', '.join(target.classes) or target.range}) in track {track.id}.",
            "Map the classes in corpus.yaml and clips.csv.",
        )
    return replace(target, missing=own.missing)


def _test_splits(
    corpus: Corpus, track: Track | None, train_splits: Sequence[str], options: TrainOptions
) -> tuple[str, ...]:
    if options.test_splits:
        corpus.select(options.test_splits)
        chosen = list(options.test_splits)
    elif track:
        known = {s.name for s in corpus.splits}
        chosen = [s for s in track.test_splits if s in known]
        for name in track.test_splits:
            if name not in known:
                log.warning("corpus '%s' has no split '%s', which track %s scores", corpus.name, name, track.id)
    else:
        chosen = list(_of_role(corpus, "test"))
    if options.labels == "candidates":
        candidates = _of_role(corpus, "candidate")
        if not candidates:
            raise TrainingError(
                "MER-T039",
                f"--labels candidates: corpus '{corpus.name}' has no split of role candidate.",
                "Declare one in corpus.yaml.",
            )
        chosen += candidates
    return tuple(name for name in dict.fromkeys(chosen) if name not in train_splits)


def _of_role(corpus: Corpus, *roles: str) -> tuple[str, ...]:
    return tuple(s.name for s in corpus.splits if s.role in roles)


def _names(targets: Sequence[Target]) -> str:
    return ", ".join(t.name for t in targets)
