"""CREMA-D's crowd votes as a corpus folder with a store: what raters heard and what raters saw as two spaces.

    python examples/real_data/cremad.py tabulatedVotes.csv out/cremad

Spaces: ``audio/votes`` and ``face/votes``, the shares of six emotions among the raters who were given the voice alone
or the face alone. Target: the emotion that the actor was asked for. Folds are those of MAE-DFER and HiCMAE (actors
1001-1018, -1036, -1054, -1072, -1091).
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

import numpy as np
from writing import existing_file, write_corpus

from mertools.corpora.cremad import EMOTIONS

VOTES = ("A", "D", "F", "H", "N", "S")
SPACES = {"1": "audio/votes", "2": "face/votes"}
"""First digit of a stimulus's number -> what its raters were given."""

FIRST_OF_FOLD = (1001, 1019, 1037, 1055, 1073)


def main() -> None:
    """Read the votes, write the corpus."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("votes", type=existing_file)
    parser.add_argument("out", type=Path)
    arguments = parser.parse_args()
    counts: dict[str, dict[str, np.ndarray]] = {space: {} for space in SPACES.values()}
    with arguments.votes.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            space = SPACES.get(row[""][0])
            if space:
                found = counts[space].setdefault(row["fileName"], np.zeros(len(VOTES)))
                found += [int(row[letter]) for letter in VOTES]
    names = sorted(set(counts["audio/votes"]) & set(counts["face/votes"]))
    cells = []
    for name in names:
        actor, _, emotion, level = name.split("_")
        fold = sum(int(actor) >= first for first in FIRST_OF_FOLD)
        cells.append(
            {"name": name, "discrete": EMOTIONS[emotion], "speaker": actor, "fold": str(fold), "intensity": level}
        )
    spaces = {space: np.stack([_shares(found[name]) for name in names]) for space, found in counts.items()}
    write_corpus(arguments.out, "cremad-votes", cells, tuple(EMOTIONS.values()), spaces, "ODbL 1.0 / DbCL 1.0")


def _shares(counts: np.ndarray) -> np.ndarray:
    return counts / max(counts.sum(), 1)


if __name__ == "__main__":
    main()
