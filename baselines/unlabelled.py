"""Clips without labels that a training may learn from: those of splits of role candidate and unlabelled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from baselines.data import MISSING_CLASS, Table
from baselines.plan import group_column
from baselines.protocol import Fold
from mertools.errors import TrainingError

if TYPE_CHECKING:
    from baselines.options import TrainOptions
    from baselines.plan import Plan
    from mertools.corpus import Clip, Corpus

ROLES = ("candidate", "unlabelled")


def unlabelled_clips(corpus: Corpus, plan: Plan, options: TrainOptions) -> tuple[Clip, ...]:
    """The clips to learn from without labels; empty if no option asks for them.

    Raises:
        TrainingError: if an option asks for them and the corpus has none.
        CorpusError: for a split that it does not have.
    """
    if not (options.self_training or options.teacher):
        return ()
    if options.self_training and not any(target.kind == "classes" for target in plan.targets):
        raise TrainingError(
            "MER-T105",
            "self_training labels clips with classes, and no target with classes is learned.",
            "Leave self_training out, or use teacher=0.99, which teaches values, too.",
        )
    splits = options.unlabelled_splits or tuple(split.name for split in corpus.splits if split.role in ROLES)
    trained = {clip.name for clip in plan.clips}
    scored = {
        clip.name for split in plan.test_splits if corpus.split(split).labelled for clip in corpus.select([split])
    }
    clips = tuple(clip for clip in corpus.select(splits) if clip.name not in trained) if splits else ()
    if not clips:
        raise TrainingError(
            "MER-T103",
            f"self_training and teacher learn from clips without labels, and corpus '{corpus.name}' has none in "
            f"{', '.join(splits) or 'splits of role candidate or unlabelled (there is none)'}.",
            "Declare such a split in corpus.yaml, or name splits: unlabelled_splits=A,B.",
        )
    met = [clip.name for clip in clips if clip.name in scored]
    if met:
        raise TrainingError(
            "MER-T104",
            f"{len(met)} clips without labels stand in splits that this run scores, first '{met[0]}'; a score on clips "
            "that were learned from says little about new ones.",
            "Name other splits: unlabelled_splits=A,B.",
        )
    return clips


def joined(table: Table, unlabelled: Table | None) -> Table:
    """`table` with the clips without labels behind its own; whatever is annotated there is left out."""
    if unlabelled is None:
        return table

    def below(own: Table) -> Table:
        embeddings = zip(own.embeddings, unlabelled.embeddings, strict=True)
        annotations = {
            target: np.concatenate([column, np.full(len(unlabelled), _missing(column), column.dtype)])
            for target, column in own.annotations.items()
        }
        return Table(
            (*own.names, *unlabelled.names),
            tuple(np.concatenate(pair) for pair in embeddings),
            np.concatenate([own.present, unlabelled.present]),
            annotations,
        )

    return replace(below(table), versions=tuple(below(version) for version in table.versions))


def open_to(fold: Fold, labelled: Sequence[Clip], unlabelled: Sequence[Clip], column: str) -> np.ndarray:
    """Positions (behind the labelled clips) of clips without labels that members of a fold may learn from.

    A clip of a group (speaker) that the fold leaves out is closed to them: its score would be of a known speaker.
    """
    groups, left_out = group_column(unlabelled, column), group_column(labelled, column)
    closed = np.zeros(len(unlabelled), bool)
    if groups is not None and left_out is not None:
        closed = np.isin(groups, left_out[fold.test])
    return len(labelled) + np.flatnonzero(~closed)


def _missing(column: np.ndarray) -> float:
    return MISSING_CLASS if column.dtype.kind == "i" else np.nan
