"""What a run is made of, in memory: tables of embeddings, folds, groups."""

from __future__ import annotations

import logging
import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from baselines.alignment import Alignment
from baselines.augmentation import load_versions
from baselines.data import ClipTable, Table, coverage, load_table, standardised_by
from baselines.levels import alignment_of, load_clips
from baselines.options import TrainOptions
from baselines.plan import Plan, make_folds, warn_of_absent_classes
from baselines.protocol import Fold
from baselines.seen import refuse_seen
from baselines.spaces import Feature, find_features, level_option
from baselines.unlabelled import joined, open_to, unlabelled_clips
from mertools.corpus import Corpus
from mertools.errors import TrainingError
from mertools.store import Store, open_store

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Material:
    """Everything in memory that members are made of.

    Attributes:
        plan: targets and splits.
        features: spaces.
        table: the training clips.
        tests: tables of the splits to predict.
        folds: of `table`.
        groups: what inner splits keep together.
        alignment: how rows over time were brought together; None at level utterance.
        unlabelled: clips without labels to learn from; None = none.
        open_rows: per fold the positions in `everything` of clips without labels that its members may learn from.
    """

    plan: Plan
    features: tuple[Feature, ...]
    table: ClipTable
    tests: Mapping[str, ClipTable]
    folds: Sequence[Fold]
    groups: np.ndarray | None
    alignment: Alignment | None = None
    unlabelled: Table | None = None
    open_rows: tuple[np.ndarray, ...] | None = None

    @cached_property
    def everything(self) -> ClipTable:
        """The training clips, and behind them those without labels."""
        return joined(self.table, self.unlabelled) if isinstance(self.table, Table) else self.table


def load_material(corpus: Corpus, features: str | Sequence[str], plan: Plan, options: TrainOptions) -> Material:
    """Read embeddings and annotations, and make folds.

    Raises:
        TrainingError: if a space is absent or ambiguous, no clip has an embedding, folds cannot be made, or an
            extractor was trained on these clips.
    """
    with open_store(Path(options.store) if options.store else corpus.folder / "store", read_only=True) as store:
        spaces = tuple(find_features(store, features, corpus.folder, level=options.level))
        refuse_seen(corpus, spaces, options.allow_seen)
        alignment = alignment_of(options, spaces)
        table = load_clips(store, spaces, corpus, plan.clips, plan.targets, alignment)
        _require_embeddings(table, spaces, store, corpus)
        spare = unlabelled_clips(corpus, plan, options)
        if isinstance(table, Table):
            table = load_versions(options.augment_corpus, spaces, corpus, table)
        elif spare or options.augment_corpus:
            raise TrainingError(
                "MER-T106",
                "augment_corpus, self_training and teacher work at level utterance.",
                "Leave them out, or level=frame.",
            )
        unlabelled = load_table(store, spaces, corpus, spare, ()) if spare else None
        tests = {
            split: load_clips(store, spaces, corpus, corpus.select([split]), plan.targets, alignment)
            for split in plan.test_splits
        }
    table = standardised_by(table, plan.clips, options.standardise_by)
    tests = {s: standardised_by(t, corpus.select([s]), options.standardise_by) for s, t in tests.items()}
    unlabelled = standardised_by(unlabelled, spare, options.standardise_by) if unlabelled is not None else None
    for label, share in coverage(table, spaces).items():
        if share < 1:
            log.warning("%s: %.1f %% of the training clips have an embedding, the rest is masked", label, 100 * share)
    folds, groups = make_folds(plan, table, options)
    warn_of_absent_classes(plan, table, folds)
    if unlabelled is None:
        return Material(plan, spaces, table, tests, folds, groups, alignment)
    column = options.folds if options.folds in plan.clips[0].cells else options.group
    open_rows = tuple(open_to(fold, plan.clips, spare, column) for fold in folds)
    log.info("%d clips without labels are learned from", len(unlabelled))
    return Material(plan, spaces, table, tests, folds, groups, alignment, unlabelled, open_rows)


def _require_embeddings(table: ClipTable, spaces: Sequence[Feature], store: Store, corpus: Corpus) -> None:
    """Refuse a space without an embedding of any training clip, and say whether they failed or were never made."""
    for feature, (label, share) in zip(spaces, coverage(table, spaces).items(), strict=True):
        if share:
            continue
        rows = store.status(label)
        found = Counter(rows[name][0] for name in table.names if name in rows)
        if found:
            counts = ", ".join(f"{n} {status}" for status, n in found.most_common())
            reasons = f"mertools store show {shlex.quote(str(store.path))} {label}"
            hint = f"Leave the space out, or mend the clips. Reasons: {reasons}"
        else:
            again = f"mertools extract {corpus.folder} --with {feature.name}{level_option(feature.level)}"
            counts, hint = "none was extracted", f"Run: {again}"
        raise TrainingError("MER-T041", f"no training clip has an embedding in {label} ({counts}).", hint)
