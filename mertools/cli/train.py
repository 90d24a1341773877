"""``mertools train``: a baseline on embeddings of a corpus, as a run folder."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from baselines.trainer_options import OWNED, PASSED, PREFIX, gather
from mertools.cli import Outcome, assignments, say
from mertools.errors import ConfigError

if TYPE_CHECKING:
    from baselines.runs import Recipe, Run

HELP = "train a baseline on embeddings and write a run folder"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the verb."""
    add_common_arguments(parser)
    table = parser.add_mutually_exclusive_group()
    table.add_argument(
        "--combinations", metavar="unimodal|all|topn:N", help="a table of runs: --out holds one per cell"
    )
    table.add_argument(
        "--test-corpus", nargs="+", type=Path, metavar="DIR", help="also score other corpora (--class-map)"
    )
    parser.add_argument("--each-corpus", action="store_true", help="train on each of the corpora in turn: a matrix")
    parser.add_argument("--class-map", metavar="NAME|FILE", help="how the classes or ranges of the corpora meet")


def add_common_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of every verb that trains on a corpus."""
    parser.add_argument("--corpus", type=Path, metavar="DIR", help="corpus folder")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--track", metavar="ID", help="a track: gives targets, splits and metrics")
    what.add_argument("--target", nargs="+", metavar="NAME", help="targets of the corpus to learn")
    parser.add_argument("--features", metavar="A,B,C", help="spaces: NAME[@FINGERPRINT][:key=value...]")
    parser.add_argument("--model", metavar="NAME", help="`mertools list models`")
    parser.add_argument("--out", type=Path, required=True, metavar="RUN", help="run folder to make")
    parser.add_argument("--folds", metavar="track|K|COLUMN", help="folds of the track, a number, or leave a value out")
    parser.add_argument("--store", type=Path, metavar="DIR", help="embedding store (default: CORPUS_DIR/store)")
    parser.add_argument("--augment-corpus", metavar="DIR,DIR", help="corrupted versions of the clips to train on, too")
    parser.add_argument("--seed", type=int, metavar="N", help="first seed (default: 0)")
    parser.add_argument("--labels", choices=("known", "candidates"), help="candidates: predict candidate splits, too")
    parser.add_argument("--allow-seen", action="store_true", default=None, help="score clips an extractor trained on")
    parser.add_argument("--recipe", type=Path, metavar="F", help="take what is not given here from RUN/recipe.yaml")
    for name in (*PASSED, *OWNED):
        shown = "an argument of lightning.Trainer, e.g. --trainer.devices=2" if name == "devices" else argparse.SUPPRESS
        parser.add_argument(f"--{PREFIX}{name}", dest=f"{PREFIX}{name}", metavar="VALUE", help=shown)
    parser.add_argument("settings", nargs="*", metavar="KEY=VALUE", help="options of training and model; come last")


def run(arguments: argparse.Namespace) -> Outcome:
    """Train and show the scores."""
    from baselines import train
    from baselines.runs import Recipe

    recipe = Recipe.read(arguments.recipe) if arguments.recipe else Recipe("", (), "")
    if recipe.sweep:
        raise ConfigError(
            "MER-T062",
            f"{arguments.recipe} is the recipe of a sweep: each fold has options of its own.",
            f"Run: mertools sweep --recipe {arguments.recipe} --out RUN",
        )
    asked = common_arguments(arguments, recipe, "train")
    options = {**(recipe.options or {}), **asked.pop("options")}
    with_progress()
    if arguments.test_corpus or arguments.class_map or arguments.each_corpus:
        from baselines.cross_corpus import train_across

        matrix = train_across(
            **asked,
            test_on=arguments.test_corpus or (),
            each=arguments.each_corpus,
            maps=arguments.class_map,
            **options,
        )
        return Outcome(matrix.document(), matrix.text())
    if arguments.combinations:
        from baselines.grid import train_grid

        grid = train_grid(**asked, combinations=arguments.combinations, **options)
        return Outcome(grid.document(), grid.text())
    made = train(**asked, **options)
    return Outcome({"run": str(arguments.out), **made.metrics}, table(made))


def common_arguments(arguments: argparse.Namespace, recipe: Recipe, verb: str) -> dict[str, Any]:
    """Arguments of `baselines.train`: those given, else those of a recipe; and under ``options`` the options given.

    Raises:
        ConfigError: if one is lacking.
    """
    from mertools.corpus import Corpus

    targets, settings = _split_words(arguments.target or (), arguments.settings)
    names = ("folds", "store", "augment_corpus", "seed", "labels", "allow_seen")
    flags = {name: getattr(arguments, name) for name in (*names, *(PREFIX + name for name in (*PASSED, *OWNED)))}
    said = assignments(settings)
    for name in said:
        if name not in flags and hasattr(arguments, name):
            raise ConfigError("MER-T063", f"'{name}={said[name]}' is an option of its own.", f"Write --{name} ...")
    given = gather({name: value for name, value in flags.items() if value is not None} | said)
    if "trainer" in given:
        given["trainer"] = {**((recipe.options or {}).get("trainer") or {}), **given["trainer"]}
    named = bool(arguments.track or targets)
    corpus = _needed(arguments.corpus or recipe.corpus, "--corpus DIR", verb)
    return {
        "features": _needed(arguments.features or recipe.features, "--features A,B,C", verb),
        "model": _needed(arguments.model or recipe.model, "--model NAME", verb),
        "corpus": Corpus.read(corpus),
        "out": arguments.out,
        "track": arguments.track if named else recipe.track or None,
        "target": targets if named else () if recipe.track else recipe.target,
        "options": given,
    }


def table(run: Run) -> str:
    """Scores of a run for people."""
    metrics = run.metrics
    low, high = metrics["interval"]["low"], metrics["interval"]["high"]
    seeds, protocol = metrics["seeds"], metrics["protocol"]
    lines = [
        f"{metrics['model']} on {', '.join(metrics['features'])}",
        f"{metrics['n_clips']} clips of {metrics['corpus']}, {protocol['n_folds']} folds by {protocol['groups']}, "
        f"{len(seeds)} seed{'s' * (len(seeds) > 1)}" + (" (synthetic clips)" if metrics["synthetic"] else ""),
        "",
        *_optimism(metrics),
        *_transduction(metrics),
        f"{'OPTIMISTIC' if metrics.get('optimistic') else 'out of fold':<16}{'mean of seeds':>14}{'ensemble':>10}"
        f"{'of logits':>11}"
        f"{'mean of folds':>15}{'fold spread':>13}",
    ]
    lines += [
        f"{name:<16}{_number(value):>14}{_number(metrics['ensemble_probabilities'][name]):>10}"
        f"{_number(metrics['ensemble_logits'][name]):>11}"
        f"{_number(metrics['fold_mean'][name]):>15}{_number(metrics['fold_spread'][name]):>13}"
        for name, value in metrics["metrics"].items()
    ]
    if low is not None:
        level = round(100 * metrics["interval"]["level"])
        lines.append(
            f"{level} % interval of {metrics['interval']['metric']}: [{low:.4f}, {high:.4f}], "
            f"{metrics['n_groups']} groups by {metrics['interval_unit']}"
        )
    for split, found in metrics["splits"].items():
        scores = ", ".join(f"{k} {_number(v)}" for k, v in found["metrics"].items() if v is not None)
        lines.append(f"split {split} ({found['n_clips']} clips): {scores or 'predicted; no annotations to score'}")
    return "\n".join([*lines, *_found_by_search(metrics), *_rounds(metrics), "", f"run folder: {run.folder}"])


def _optimism(metrics: Mapping[str, Any]) -> list[str]:
    """What is to be known about scores that the scored clips had a say in."""
    if not metrics.get("optimistic"):
        return []
    lines = ["OPTIMISTIC: epochs were chosen on the very clips that are scored (protocol=published)."]
    if metrics.get("gap"):
        name = metrics["gap"]["metric"]
        lines.append(
            f"{name}, mean of folds: {_number(metrics['fold_mean'][name])}; "
            f"{_number(metrics['honest']['fold_mean'][name])} on the same folds with everything chosen inside their "
            f"training parts; gap {_number(metrics['gap']['value'])}."
        )
    return [*lines, ""]


def _transduction(metrics: Mapping[str, Any]) -> list[str]:
    """What is to be known about scores of clips that were not predicted one by one."""
    if not metrics.get("transductive"):
        return []
    column = metrics["protocol"]["standardise_by"]
    return [
        f"TRANSDUCTIVE: embeddings are standardised within each {column} (standardise_by={column}), without labels; "
        f"predicting a clip takes all clips of its {column}.",
        "",
    ]


def _found_by_search(metrics: Mapping[str, Any]) -> list[str]:
    """What a sweep chose."""
    search = metrics.get("search")
    if not search:
        return []
    failed = f", {search['failed']} failed" if search["failed"] else ""
    lines = ["", f"search: {search['trials']} trials ({search['sampler']}{failed}), chosen by {search['select_by']}"]
    for chosen in search["chosen"]:
        options = " ".join(f"{k}={v:g}" if isinstance(v, float) else f"{k}={v}" for k, v in chosen["options"].items())
        epochs = "" if metrics["optimistic"] else f", {chosen['epochs']} epochs"
        lines.append(f"  fold {chosen['fold'] + 1}: {options}{epochs}")
    return lines


def _rounds(metrics: Mapping[str, Any]) -> list[str]:
    """Rounds of self-training, one line each."""
    found, lines = metrics.get("self_training") or {"rounds": []}, []
    for entry in found["rounds"]:
        gain, score = entry.get("gain"), _number(entry["metrics"][found["primary"]])
        said = f", gain {_number(gain['value'])} [{_number(gain['low'])}, {_number(gain['high'])}]" if gain else ""
        lines.append(f"round {entry['round']}: {found['primary']} {score}{said}, {entry['n_pseudo']:.0f} pseudo labels")
    return lines


def with_progress() -> None:
    """Let the packages' progress and warnings through to stderr, one line each."""

    class Say(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            prefix = "warning: " if record.levelno >= logging.WARNING else ""
            say(prefix + record.getMessage())

    logger = logging.getLogger("baselines")
    logger.handlers = [Say()]
    logger.setLevel(logging.INFO)
    logger.propagate = False


def _split_words(target: Sequence[str], settings: Sequence[str]) -> tuple[list[str], list[str]]:
    """``--target`` takes several words and so swallows KEY=VALUE words that follow it."""
    words = [word for entry in target for word in (entry.split(",") if "=" not in entry else [entry]) if word]
    return [w for w in words if "=" not in w], [*(w for w in words if "=" in w), *settings]


def _needed(value: Any, option: str, verb: str) -> Any:
    if value:
        return value
    raise ConfigError("MER-T060", f"{verb} needs {option}.", "Give it, or a --recipe that has it.")


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"
