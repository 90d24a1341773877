"""A corpus folder with a store from arrays: what the scripts beside this one share."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from mertools.corpus import Clip, Corpus, Split, Target, Terms
from mertools.store import SpaceSpec, open_store


def existing_file(text: str) -> Path:
    """A path given on the command line, if there is a file."""
    path = Path(text)
    if not path.is_file():
        raise argparse.ArgumentTypeError(f"{path} is not a file; see docs/results.md for where it comes from")
    return path


def write_corpus(
    out: Path,
    name: str,
    cells: Sequence[Mapping[str, str]],
    classes: tuple[str, ...],
    spaces: Mapping[str, np.ndarray],
    licence: str,
) -> None:
    """Write ``clips.csv``, ``corpus.yaml`` and ``store/``.

    Args:
        out: folder to make.
        name: of the corpus.
        cells: per clip at least ``name``, ``discrete`` and ``speaker``.
        classes: of the target ``discrete``.
        spaces: per space its name and an array ``(N, D)``, rows in the order of `cells`.
        licence: of the data.
    """
    clips = tuple(Clip(row["name"], "train", cells={"split": "train", **row}) for row in cells)
    target = Target("discrete", "classes", classes)
    Corpus(name, out, clips, out, (Split("train"),), (target,), Terms(licence=licence)).write()
    with open_store(out / "store", create=True) as store:
        for space, values in spaces.items():
            made = store.declare(SpaceSpec(space, "utterance", values.shape[1], 1, {"source": name}))
            with store.writer(made) as writer:
                for row, embedding in zip(cells, values.astype(np.float32), strict=True):
                    writer.add(row["name"], embedding[None], np.zeros(1))
    print(f"{len(clips)} clips, spaces {', '.join(f'{k} ({v.shape[1]})' for k, v in spaces.items())} -> {out}")
