"""What must hold before a model of one corpus is scored on another: the same spaces, and no clip in both."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Sequence
from pathlib import Path

from baselines.seen import SEEN_COLUMN, refuse_seen
from baselines.spaces import find_features
from mertools.corpora.editions import scored_in
from mertools.corpus import Corpus
from mertools.errors import TrainingError
from mertools.store import open_store

log = logging.getLogger(__name__)


def require_same_spaces(
    corpora: Sequence[Corpus], stores: Sequence[Path], features: str | Sequence[str], *, allow_seen: bool
) -> list[str]:
    """The spaces of the first corpus, by fingerprint, after making sure that every other store has them, too.

    Args:
        corpora: the first is the one that `features` are looked up for.
        stores: one per corpus.
        features: as users name them.
        allow_seen: whether extractors may have been trained on a corpus.

    Returns:
        ``NAME@FINGERPRINT[:key=value...]`` each.

    Raises:
        TrainingError: if a store lacks one; the message names both spaces and their dimensions.
    """
    with open_store(stores[0], read_only=True) as store:
        wanted = find_features(store, features, corpora[0].folder)
    for corpus, path in zip(corpora, stores, strict=True):
        refuse_seen(corpus, wanted, allow_seen)
        with open_store(path, read_only=True) as store:
            there = {space.fingerprint: space for space in store.spaces()}
        for feature in wanted:
            if feature.fingerprint in there:
                continue
            alike = [space for space in there.values() if space.extractor == feature.name]
            found = ", ".join(f"{space.extractor}@{space.fingerprint} ({space.dim} dimensions)" for space in alike)
            raise TrainingError(
                "MER-T196",
                f"{corpora[0].name} has {feature.label} ({feature.dim} dimensions), and {corpus.name} has "
                f"{found or f'no embeddings of {feature.name}'}: a model of one cannot read the other.",
                f"Run: mertools extract {corpus.folder} --with {feature.name}, with the settings of {corpora[0].name}.",
            )
    return [feature.typed for feature in wanted]


def refuse_overlap(corpora: Sequence[Corpus], *, allow: bool) -> None:
    """Refuse corpora that share clips, as far as names, media files, ``seen_in`` and known editions tell.

    Raises:
        TrainingError: if two do and `allow` is False (otherwise a warning).
    """
    for first, second in itertools.combinations(corpora, 2):
        found = shared(first, second)
        if found and not allow:
            raise TrainingError(
                "MER-T197",
                f"{first.name} and {second.name} share clips: {found}. A score on clips that were trained on says "
                "nothing.",
                "Leave one of them out, leave the shared clips out, or accept it with --allow-seen.",
            )
        if found:
            log.warning("%s and %s share clips (%s): scores are optimistic", first.name, second.name, found)


def shared(first: Corpus, second: Corpus) -> str:
    """What two corpora share, in words; empty if nothing is known of it."""
    media = [{p.resolve() for c in corpus.clips for p in (c.video, c.audio) if p} for corpus in (first, second)]
    same = media[0] & media[1]
    if same:
        return f"{len(same)} media files, first {min(same).name}"
    for one, other in ((first, second), (second, first)):
        noted = [c for c in one.clips if other.name in _names(c.cells.get(SEEN_COLUMN, ""))]
        if noted:
            return f"{len(noted)} clips of {one.name} that its column {SEEN_COLUMN} finds in {other.name}"
        by_edition = scored_in(one.name, other.name)
        if by_edition:
            return by_edition
        if other.name in one.seen_in and not any(c.cells.get(SEEN_COLUMN) for c in one.clips):
            return (
                f"corpus.yaml of {one.name} says that clips of it stand in {other.name}, and not which "
                "(`mertools leaks --write-seen-in` finds out)"
            )
    return ""


def _names(cell: str) -> set[str]:
    return {name.strip() for name in cell.split(";")}
