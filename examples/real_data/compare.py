"""Compare runs on the same clips: mean of seeds, ensemble, interval, and a paired test that resamples speakers.

    python examples/real_data/compare.py --corpus DIR RUN OTHER_RUN [--metric accuracy] [--json FILE]

Either may be a CSV of predictions, too (``floors.py`` writes one), which then counts once per seed. The paired test
compares the mean over seeds of the metric: statistics of all seeds' out-of-fold predictions are summed per speaker,
and the two runs are swapped speaker by speaker.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

from baselines.runs import Run
from mertools.corpus import Corpus
from mertools.metrics import METRICS
from mertools.metrics.intervals import interval, paired_test
from mertools.predictions import Predictions


def main() -> None:
    """Score both runs and test the difference."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", type=Path, nargs="+", help="one run (or CSV of predictions), or two to compare")
    parser.add_argument("--corpus", type=Path, required=True)
    parser.add_argument("--metric", default="accuracy")
    parser.add_argument("--group", default="speaker")
    parser.add_argument("--json", type=Path, help="write the numbers here")
    arguments = parser.parse_args()
    corpus = Corpus.read(arguments.corpus)
    cells = {clip.name: clip.cells for clip in corpus.clips}
    metric = METRICS.get(arguments.metric)
    seeds = [seeds_of(path) for path in arguments.runs]
    most = max(len(each) for each in seeds)
    found: dict[str, Any] = {}
    columns = []
    for path, each in zip(arguments.runs, seeds, strict=True):
        if len(each) not in (1, most):
            parser.error(f"{path} has {len(each)} seeds, the other {most}")
        truth, said, groups = stacked(each * (most // len(each)), cells, arguments.group)
        columns.append(((truth, said), groups))
        ends = interval(metric, (truth, said), groups, unit=arguments.group)
        found[path.name] = {
            "seeds": len(each),
            "mean_of_seeds": float(metric(truth, said)),
            "interval": [ends.low, ends.high],
            "n_groups": ends.n_groups,
        }
        if path.is_dir():
            truth, said, groups = stacked([Run.read(path).predictions("oof")], cells, arguments.group)
            ends = interval(metric, (truth, said), groups, unit=arguments.group)
            found[path.name] |= {"ensemble": float(metric(truth, said)), "ensemble_interval": [ends.low, ends.high]}
    if len(columns) == 2:
        (first, groups), (second, other_groups) = columns
        if len(groups) != len(other_groups) or (first[0] != second[0]).any():
            parser.error("the runs do not have the same clips and the same number of seeds")
        test = paired_test(metric, first, second, groups, unit=arguments.group)
        found["difference"] = {
            "value": test.difference,
            "interval": [test.low, test.high],
            "p": test.p,
            "n_groups": test.n_groups,
        }
    text = json.dumps(found, indent=2)
    print(text)
    if arguments.json:
        arguments.json.write_text(text + "\n", encoding="utf-8")


def seeds_of(path: Path) -> list[Predictions]:
    """Out-of-fold predictions of each seed of a run, or the one CSV that `path` is."""
    files = sorted((path / "predictions" / "seeds").glob("oof-*.csv")) if path.is_dir() else [path]
    return [Predictions.read(file) for file in files]


def stacked(seeds: list[Predictions], cells: dict[str, Any], group: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Truth, prediction and group of every clip, seeds one after the other; clips in the order of their names."""
    truth, said, groups = [], [], []
    for predictions in seeds:
        labels = np.array(predictions.labels)[predictions.probabilities.argmax(axis=1)]
        index = {label: i for i, label in enumerate(predictions.labels)}
        for row in np.argsort(predictions.names):
            name = predictions.names[row]
            truth.append(index[cells[name]["discrete"]])
            said.append(index[str(labels[row])])
            groups.append(cells[name][group])
    return np.array(truth), np.array(said), np.array(groups)


if __name__ == "__main__":
    main()
