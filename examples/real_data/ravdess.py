"""RAVDESS as published features (an npz with ``au`` and ``mfcc`` per clip) as a corpus folder with a store.

    python examples/real_data/ravdess.py ravdess_au_mfcc.npz out/ravdess

Spaces: ``face/action-units`` (35 OpenFace action units, mean over the clip), ``face/action-units-root`` (their square
roots: intensities are skewed), ``audio/mfcc-contour`` (the published 259 values: MFCC averaged over coefficients, one
value per instant), ``audio/mfcc-statistics`` (50 statistics of that contour, which do not depend on when something is
said). The last two and the root are functions of one clip's values; nothing is fitted here.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from writing import existing_file, write_corpus

QUANTILES = (0, 5, 10, 25, 50, 75, 90, 95, 99, 100)
SPOKEN_ABOVE = 8.0
"""How far above the contour's 20th percentile an instant counts as spoken; the contour is in MFCC units."""


def main() -> None:
    """Read the npz, write the corpus."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("npz", type=existing_file)
    parser.add_argument("out", type=Path)
    arguments = parser.parse_args()
    data = np.load(arguments.npz, allow_pickle=False)
    classes = tuple(str(name) for name in data["emotion_names"])
    cells = [
        {
            "name": str(data["name"][i]),
            "discrete": classes[int(data["emotion"][i])],
            "speaker": f"{int(data['actor'][i]):02d}",
            "fold": str(int(data["fold"][i])),
            "statement": str(int(data["statement"][i])),
        }
        for i in range(len(data["name"]))
    ]
    units, contour = data["au"].astype(np.float64), data["mfcc"].astype(np.float64)
    spaces = {
        "face/action-units": units,
        "face/action-units-root": np.sqrt(units),
        "audio/mfcc-contour": contour,
        "audio/mfcc-statistics": contour_statistics(contour),
    }
    write_corpus(arguments.out, "ravdess-features", cells, classes, spaces, "CC BY-NC-SA 4.0")


def contour_statistics(contour: np.ndarray) -> np.ndarray:
    """``(N, T)`` -> ``(N, 50)``: moments, quantiles, how long it is spoken, how it moves, every 8th sorted value."""
    low = np.quantile(contour, 0.2, axis=1, keepdims=True)
    spoken = contour > low + SPOKEN_ABOVE
    steps = np.diff(contour, axis=1)
    return np.column_stack(
        [
            contour.mean(axis=1),
            contour.std(axis=1),
            np.percentile(contour, QUANTILES, axis=1).T,
            spoken.sum(axis=1),
            steps.std(axis=1),
            np.abs(steps).mean(axis=1),
            spoken.argmax(axis=1),
            (contour[:, 1:] - contour[:, :1] > 1).sum(axis=1),
            np.sort(contour, axis=1)[:, ::8],
        ]
    )


if __name__ == "__main__":
    main()
