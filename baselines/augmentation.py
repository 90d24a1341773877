"""Further versions of the training clips, mostly corrupted ones: the network sees one version of a clip per step.

A version shares its clip's row in the table, so a clip and its versions always stand on the same side of a split.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from baselines.data import Table, load_table
from baselines.models.base import Batch
from mertools.corpus import Corpus
from mertools.errors import TrainingError
from mertools.store import open_store

if TYPE_CHECKING:
    from baselines.spaces import Feature

log = logging.getLogger(__name__)


def load_versions(folders: Sequence[str], features: Sequence[Feature], corpus: Corpus, table: Table) -> Table:
    """`table` with the versions that corpora of `mertools corrupt` hold of its clips.

    What a corpus lacks, whole clips or single spaces (the transcript is not corrupted), is as in `table`.

    Args:
        folders: corpus folders, each with its store beside ``clips.csv``.
        features: spaces of `table`; a version is embedded in the very same ones.
        corpus: whose clips `table` holds.
        table: clips to train on.

    Raises:
        TrainingError: if a folder is the corpus itself, or holds no embedding of any of the clips.
        CorpusError: if a folder holds no corpus.
    """
    return replace(table, versions=tuple(_version(Path(folder), features, corpus, table) for folder in folders))


def _version(folder: Path, features: Sequence[Feature], corpus: Corpus, table: Table) -> Table:
    if folder.resolve() == corpus.folder.resolve():
        raise TrainingError(
            "MER-T100",
            f"augment_corpus: {folder} is the corpus that is trained on, not another version of it.",
            "Name corpora that were made with: mertools corrupt",
        )
    found = read_version(folder, features, table.names)
    if not found.present.any():
        here = set(table.names) & {clip.name for clip in Corpus.read(folder).clips}
        hint = f"Run: mertools extract {folder} --with {','.join(f.name for f in features)}"
        raise TrainingError(
            "MER-T101",
            f"augment_corpus: {folder} holds {len(here)} of the {len(table)} training clips, and no embedding of them "
            f"in {', '.join(f.label for f in features)}.",
            hint if here else "Corrupt the corpus that is trained on: mertools corrupt CORPUS_DIR --out DIR",
        )
    log.info("%s: versions of %d of %d training clips", folder.name, int(found.present.any(axis=1).sum()), len(table))
    return filled(found, table)


def read_version(folder: Path, features: Sequence[Feature], names: Sequence[str]) -> Table:
    """Embeddings that the store of a corpus has of clips with these names; what it has not is masked.

    Raises:
        TrainingError: if the folder has no store.
        CorpusError: if it holds no corpus.
    """
    corpus = Corpus.read(folder)
    if not (folder / "store" / "store.json").is_file():
        raise TrainingError(
            "MER-T102",
            f"{folder} has no embeddings: there is no store in it.",
            f"Run: mertools extract {folder} --with {','.join(f.name for f in features)}",
        )
    there = {clip.name: clip for clip in corpus.clips}
    with open_store(folder / "store", read_only=True) as store:
        spaces = {space.fingerprint for space in store.spaces()}
        known = [feature for feature in features if feature.fingerprint in spaces]
        part = load_table(store, known, corpus, [there[n] for n in names if n in there], ()) if known else None
    present = np.zeros((len(names), len(features)), bool)
    embeddings = [np.zeros((len(names), feature.dim), np.float32) for feature in features]
    rows = [i for i, name in enumerate(names) if name in there]
    for m, feature in enumerate(known):
        assert part is not None  # noqa: S101 - it was read, because a space is known
        position = list(features).index(feature)
        embeddings[position][rows] = part.embeddings[m]
        present[rows, position] = part.present[:, m]
    return Table(tuple(names), tuple(embeddings), present, {})


def filled(version: Table, clean: Table) -> Table:
    """`version` with the embeddings of `clean` where it has none."""
    pairs = zip(version.embeddings, clean.embeddings, strict=True)
    embeddings = tuple(np.where(version.present[:, m, None], a, b) for m, (a, b) in enumerate(pairs))
    return replace(version, embeddings=embeddings, present=version.present | clean.present)


def mixed(batch: Batch, versions: Sequence[Batch], chosen: Tensor) -> Batch:
    """One version of each clip, all its spaces from the same one.

    Args:
        batch: B clips.
        versions: K further versions of the same clips.
        chosen: ``(B,)`` int64: 0 for `batch`, k for the k-th version.
    """
    if not versions:
        return batch
    every, row = (batch, *versions), torch.arange(len(batch), device=chosen.device)
    embeddings = tuple(torch.stack(parts)[chosen, row] for parts in zip(*(b.embeddings for b in every), strict=True))
    return replace(batch, embeddings=embeddings, present=torch.stack([b.present for b in every])[chosen, row])
