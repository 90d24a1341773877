"""Classical models on the same corpus, store and folds: what any network has to beat.

    python examples/real_data/floors.py CORPUS_DIR --features A,B --model lda --out floor.csv [--standardise-by speaker]

Writes out-of-fold predictions (column ``fold`` unless told otherwise), which ``compare.py`` takes in place of a run.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from baselines.data import load_table, standardised_by
from baselines.spaces import find_features
from mertools.corpus import Corpus
from mertools.predictions import Predictions
from mertools.store import open_store

MODELS: dict[str, Any] = {
    "lda": lambda: LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto"),
    "logistic": lambda: LogisticRegression(max_iter=2000),
    "svc": lambda: SVC(C=3),
}


def main() -> None:
    """Fit one fold after the other, write what was predicted for the clips that were left out."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--features", required=True)
    parser.add_argument("--model", choices=sorted(MODELS), required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--folds", default="fold", help="column")
    parser.add_argument("--standardise-by", default="", help="column; transductive")
    arguments = parser.parse_args()
    corpus = Corpus.read(arguments.corpus)
    target = corpus.target("discrete")
    with open_store(arguments.corpus / "store", read_only=True) as store:
        features = find_features(store, arguments.features, arguments.corpus)
        table = load_table(store, features, corpus, corpus.clips, [target])
    table = standardised_by(table, corpus.clips, arguments.standardise_by)
    inputs, classes = np.concatenate(table.embeddings, axis=1), table.annotations["discrete"]
    folds = np.array([clip.cells[arguments.folds] for clip in corpus.clips])
    said = np.zeros(len(table), np.int64)
    for fold in np.unique(folds):
        model = make_pipeline(StandardScaler(), MODELS[arguments.model]())
        model.fit(inputs[folds != fold], classes[folds != fold])
        said[folds == fold] = model.predict(inputs[folds == fold])
    print(f"{arguments.model}: accuracy {np.mean(said == classes):.4f} on {len(table)} clips")
    Predictions(table.names, target.classes, np.eye(len(target.classes))[said]).write(arguments.out)


if __name__ == "__main__":
    main()
