"""``mertools train``: a baseline on embeddings of a corpus, as a run folder."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mertools.cli import Outcome, assignments, say
from mertools.errors import ConfigError

if TYPE_CHECKING:
    from baselines.runs import Recipe, Run

HELP = "train a baseline on embeddings and write a run folder"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the verb."""
    add_common_arguments(parser)


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
    parser.add_argument("--seed", type=int, metavar="N", help="first seed (default: 0)")
    parser.add_argument("--labels", choices=("known", "candidates"), help="candidates: predict candidate splits, too")
    parser.add_argument("--allow-seen", action="store_true", default=None, help="score clips an extractor trained on")
    parser.add_argument("--recipe", type=Path, metavar="F", help="take what is not given here from RUN/recipe.yaml")
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
    made = train(**asked, **options)
    return Outcome({"run": str(arguments.out), **made.metrics}, table(made))


def common_arguments(arguments: argparse.Namespace, recipe: Recipe, verb: str) -> dict[str, Any]:
    """Arguments of `baselines.train`: those given, else those of a recipe; and under ``options`` the options given.

    Raises:
        ConfigError: if one is lacking.
    """
    from mertools.corpus import Corpus

    targets, settings = _split_words(arguments.target or (), arguments.settings)
    flags = {name: getattr(arguments, name) for name in ("folds", "store", "seed", "labels", "allow_seen")}
    named = bool(arguments.track or targets)
    corpus = _needed(arguments.corpus or recipe.corpus, "--corpus DIR", verb)
    return {
        "features": _needed(arguments.features or recipe.features, "--features A,B,C", verb),
        "model": _needed(arguments.model or recipe.model, "--model NAME", verb),
        "corpus": Corpus.read(corpus),
        "out": arguments.out,
        "track": arguments.track if named else recipe.track or None,
        "target": targets if named else () if recipe.track else recipe.target,
        "options": {
            **{name: value for name, value in flags.items() if value is not None},
            **assignments(settings),
        },
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
        f"{'mean of folds':>15}{'fold spread':>13}",
    ]
    lines += [
        f"{name:<16}{_number(value):>14}{_number(metrics['ensemble'][name]):>10}"
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
    return "\n".join([*lines, *_found_by_search(metrics), "", f"run folder: {run.folder}"])


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
