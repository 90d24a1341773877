"""What a run is made of, in memory: tables of embeddings, folds, groups."""

from __future__ import annotations

import logging
import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from baselines.data import Table, coverage, load_table, standardised_by
from baselines.options import TrainOptions
from baselines.plan import Plan, make_folds, warn_of_absent_classes
from baselines.protocol import Fold
from baselines.seen import refuse_seen
from baselines.spaces import Feature, find_features
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
    """

    plan: Plan
    features: tuple[Feature, ...]
    table: Table
    tests: Mapping[str, Table]
    folds: Sequence[Fold]
    groups: np.ndarray | None


def load_material(corpus: Corpus, features: str | Sequence[str], plan: Plan, options: TrainOptions) -> Material:
    """Read embeddings and annotations, and make folds.

    Raises:
        TrainingError: if a space is absent or ambiguous, no clip has an embedding, folds cannot be made, or an
            extractor was trained on these clips.
    """
    with open_store(Path(options.store) if options.store else corpus.folder / "store", read_only=True) as store:
        spaces = tuple(find_features(store, features, corpus.folder))
        refuse_seen(corpus, spaces, options.allow_seen)
        table = load_table(store, spaces, corpus, plan.clips, plan.targets)
        _require_embeddings(table, spaces, store, corpus)
        tests = {s: load_table(store, spaces, corpus, corpus.select([s]), plan.targets) for s in plan.test_splits}
    table = standardised_by(table, plan.clips, options.standardise_by)
    tests = {s: standardised_by(t, corpus.select([s]), options.standardise_by) for s, t in tests.items()}
    for label, share in coverage(table, spaces).items():
        if share < 1:
            log.warning("%s: %.1f %% of the training clips have an embedding, the rest is masked", label, 100 * share)
    folds, groups = make_folds(plan, table, options)
    warn_of_absent_classes(plan, table, folds)
    return Material(plan, spaces, table, tests, folds, groups)


def _require_embeddings(table: Table, spaces: Sequence[Feature], store: Store, corpus: Corpus) -> None:
    """Refuse a space without an embedding of any training clip, and say whether they failed or were never made."""
    for label, share in coverage(table, spaces).items():
        if share:
            continue
        rows = store.status(label)
        found = Counter(rows[name][0] for name in table.names if name in rows)
        if found:
            counts = ", ".join(f"{n} {status}" for status, n in found.most_common())
            reasons = f"mertools store show {shlex.quote(str(store.path))} {label}"
            hint = f"Leave the space out, or mend the clips. Reasons: {reasons}"
        else:
            counts, hint = "none was extracted", f"Run: mertools extract {corpus.folder} --with {label.split('@')[0]}"
        raise TrainingError("MER-T041", f"no training clip has an embedding in {label} ({counts}).", hint)
