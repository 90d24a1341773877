"""``mertools demo``: the whole road on a synthetic corpus, or on your own clips."""

from __future__ import annotations

import argparse
import csv
import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mertools.cli import FINE, NOT_FINE, Outcome, assignments, say
from mertools.cli.run import Passage, outcome_of, walk
from mertools.errors import ConfigError

if TYPE_CHECKING:
    from mertools.corpus import Corpus
    from mertools.demo import DemoSettings
    from mertools.recipe import Recipe

HELP = "make a small corpus, or take your clips, and walk the whole road offline"

EXTRACTORS = ("face/hog", "audio/prosody", "text/ngram")
TRACK = "mer2023-multi"
N_SHUFFLES = 5
N_FOLDS = 5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the verb."""
    parser.add_argument("--out", type=Path, default=Path("mertools-demo"), metavar="DIR", help="where everything goes")
    parser.add_argument("--data", type=Path, metavar="DIR", help="your own clips, with or without a labels.csv")
    parser.add_argument(
        "--shuffle-labels", action="store_true", help="also train on shuffled labels: the score must be chance"
    )
    parser.add_argument("--only-clips", action="store_true", help="make the synthetic clips and stop")
    parser.add_argument(
        "settings", nargs="*", metavar="KEY=VALUE", help="of the synthetic corpus: speakers=10 seed=1 ..."
    )


def run(arguments: argparse.Namespace) -> Outcome:
    """Walk the road and show how it went."""
    if arguments.data:
        if arguments.settings or arguments.only_clips:
            raise ConfigError(
                "MER-R103", "--data takes your clips; KEY=VALUE and --only-clips are for synthetic ones.", "Drop one."
            )
        recipe, remark, passages = own_recipe(arguments.out, arguments.data)
    else:
        settings = _settings(arguments.settings)
        if arguments.only_clips:
            return _make_clips(arguments.out, settings)
        recipe, remark, passages = demo_recipe(arguments.out, settings), "", []
    passages += walk(recipe)[len(passages) :]
    found = outcome_of(recipe, passages, synthetic=not arguments.data)
    text, document, code = [found.text, remark and "\n" + remark], {**found.document, "remark": remark}, found.exit_code
    if arguments.shuffle_labels and code == FINE:
        chance = _chance(recipe)
        document["chance"] = chance
        text += ["", "With shuffled labels" + ("" if arguments.data else " [synthetic]") + ":", *chance["lines"]]
        code = FINE if chance["passed"] else NOT_FINE
    if not arguments.data:
        text.append("\nThe clips are synthetic: these numbers show that the road works and are no result about people.")
    text.append(
        f"Everything lies in {recipe.out}" + (f"; open {recipe.out / 'report.html'}" if recipe.train else "") + "."
    )
    return Outcome(document, "\n".join(line for line in text if line), code)


def demo_recipe(out: Path, settings: DemoSettings) -> Recipe:
    """The recipe of the synthetic demo."""
    from mertools.recipe import Extract, Package, Predict, Recipe, Train

    withheld, n_train = out / "raw" / "withheld", settings.speakers - settings.test_speakers
    return Recipe(
        out=out,
        synthesise=settings,
        extract=Extract(EXTRACTORS),
        train=Train("attention", TRACK, folds=str(n_train) if n_train < N_FOLDS else "", seed=0),
        predict=Predict(("test1",)),
        package=Package(candidates=withheld / "candidates.csv", truth=withheld / "truth.csv"),
    )


def own_recipe(out: Path, data: Path) -> tuple[Recipe, str, list[Passage]]:
    """As much of the road as a folder of clips allows, a word about what it does not, and the passages so far."""
    from mertools.corpus import Corpus
    from mertools.demo.own import extend, with_embeddings
    from mertools.recipe import Extract, Prepare, Recipe
    from mertools.tracks import get_track

    first = Recipe(out=out, prepare=Prepare(data), extract=Extract(EXTRACTORS))
    passages = walk(first)
    corpus = Corpus.read(first.corpus_folder)
    found = extend(first, corpus, with_embeddings(corpus, EXTRACTORS), get_track(TRACK))
    return found.recipe, "\n".join(found.remarks), passages


def _settings(words: Sequence[str]) -> DemoSettings:
    from mertools.config import from_mapping
    from mertools.demo import DemoSettings

    return from_mapping(DemoSettings, assignments(words), "the synthetic corpus")


def _make_clips(out: Path, settings: DemoSettings) -> Outcome:
    from mertools.demo import make_raw

    def progress(done: int, total: int) -> None:
        if done == total or done % 20 == 0:
            say(f"synthetic clips: {done} of {total}")

    raw = make_raw(out / "raw", settings, progress)
    speakers = {scene.speaker.name for scene in raw.scenes}
    document = {"clips": len(raw.scenes), "speakers": len(speakers), "folder": str(raw.clips), "synthetic": True}
    return Outcome(document, f"{len(raw.scenes)} synthetic clips of {len(speakers)} speakers: {raw.clips}")


def _chance(recipe: Recipe) -> dict[str, Any]:
    """Train on shuffled labels with several seeds and compare with chance."""
    from mertools.corpus import Corpus
    from mertools.demo import chance
    from mertools.metrics import METRICS

    corpus = Corpus.read(recipe.corpus_folder)
    runs = [_shuffled_run(recipe, corpus, seed) for seed in range(N_SHUFFLES)]
    metric = METRICS.get(_primary(runs[0][1]))
    columns = [_out_of_fold(folder, copy) for copy, folder in runs]
    tests = [chance.out_of_fold(metric, *zip(*columns, strict=True))]
    truth = recipe.package.truth if recipe.package else None
    if truth:
        tests.append(_on_test_split(truth, recipe.split, [folder for _, folder in runs]))
    return {
        "passed": all(test.passed for test in tests),
        "tests": [asdict(test) | {"mean": test.mean, "passed": test.passed} for test in tests],
        "lines": [f"  {test}" for test in tests],
    }


def _shuffled_run(recipe: Recipe, corpus: Corpus, seed: int) -> tuple[Corpus, Path]:
    """Train on labels shuffled with `seed`; the copy of the corpus and the run folder."""
    from mertools.demo import chance
    from mertools.recipe import Recipe

    if recipe.train is None:
        raise ConfigError("MER-R104", "there is nothing to shuffle: nothing was trained.", "Add labels to the clips.")
    out = recipe.out / "shuffled" / f"seed-{seed}"
    copy = chance.shuffled(corpus, out / "corpus", seed)
    options = {**recipe.train.options, "store": str(recipe.corpus_folder / "store")}
    train = replace(recipe.train, seed=seed, features=recipe.features, options=options)
    walk(Recipe(out=out, corpus=copy.folder, train=train, report=False))
    return copy, out / "run"


def _out_of_fold(run: Path, corpus: Corpus) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray], np.ndarray]:
    """Shuffled truth and out-of-fold predictions by kind of target, and the fold of each clip."""
    from mertools.demo.chance import columns_of
    from mertools.predictions import Predictions

    predictions = Predictions.read(run / "predictions" / "oof.csv")
    with (run / "folds.csv").open(encoding="utf-8", newline="") as file:
        fold = {row["name"]: int(row["fold"]) for row in csv.DictReader(file)}
    truth: dict[str, np.ndarray] = {}
    targets = [t for t in corpus.targets if t.name in predictions.values or t.classes == predictions.labels != ()]
    clips = [corpus.clip(name) for name in predictions.names]
    annotated = [all(t.parse(c.cells.get(t.name, "")) is not None for t in targets) for c in clips]
    names = [c.name for c, known in zip(clips, annotated, strict=True) if known]
    for target in targets:
        truth.setdefault(target.kind, np.array(corpus.annotations(target.name, [corpus.clip(n) for n in names])))
    return truth, columns_of(predictions, names), np.array([fold[name] for name in names])


def _on_test_split(truth_file: Path, split: str, runs: Sequence[Path]) -> Any:
    from mertools.demo.chance import columns_of, on_test_split
    from mertools.predictions import Predictions

    with truth_file.open(encoding="utf-8", newline="") as file:
        truth = {row["name"]: row["discrete"] for row in csv.DictReader(file)}
    found = [Predictions.read(run / "predictions" / f"{split}.csv") for run in runs]
    said = [columns_of(predictions, list(truth))["classes"] for predictions in found]
    return on_test_split(np.array(list(truth.values())), said, found[0].labels)


def _primary(run: Path) -> str:
    return str(json.loads((run / "metrics.json").read_text(encoding="utf-8"))["primary"])
