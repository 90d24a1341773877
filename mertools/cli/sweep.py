"""``mertools sweep``: a search over options inside each fold's training part, and a run of what it found."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mertools.cli import Outcome
from mertools.cli.train import add_common_arguments, common_arguments, table, with_progress

if TYPE_CHECKING:
    from baselines.runs import Recipe

HELP = "search over options of a baseline, and train the best ones with new seeds; may be interrupted"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the verb."""
    add_common_arguments(parser)
    parser.add_argument("--trials", type=int, metavar="N", help="points to try, none twice (default: 50)")
    parser.add_argument("--space", type=Path, metavar="FILE.yaml", help="KEY: [A, B] or KEY: {low: A, high: B} lines")
    parser.add_argument("--sampler", choices=("random", "tpe"), help="how points are chosen (default: random)")
    parser.epilog = (
        "KEY=[A,B,...] searches over an option, KEY=VALUE fixes it; without --space the published space of the model "
        "is taken. repeats=N (default 6) seeds train the best options. The same command goes on where it stopped."
    )


def run(arguments: argparse.Namespace) -> Outcome:
    """Search, train the best and show the scores."""
    from baselines import sweep
    from baselines.runs import Recipe

    recipe = Recipe.read(arguments.recipe) if arguments.recipe else Recipe("", (), "")
    asked = common_arguments(arguments, recipe, "sweep")
    of_recipe = recipe.sweep or {}
    space = arguments.space or of_recipe.get("space")
    options = {**_fixed(recipe, asked["model"], space), **asked.pop("options")}
    with_progress()
    made = sweep(
        **asked,
        trials=of_recipe.get("trials", 50) if arguments.trials is None else arguments.trials,
        sampler=arguments.sampler or of_recipe.get("sampler", "random"),
        space=space,
        **options,
    )
    return Outcome({"run": str(arguments.out), **made.metrics}, table(made))


def _fixed(recipe: Recipe, model: str, space: Any) -> dict[str, Any]:
    """Options of a recipe, which names every one of them, without those that are searched over."""
    from baselines.draws import read_space
    from baselines.training import fusion_model

    searched = read_space(space) if space else fusion_model(model).search_space
    of_training = () if recipe.sweep else ("repeats",)  # a training's one seed is no choice for a sweep
    return {k: v for k, v in (recipe.options or {}).items() if k not in searched and k not in of_training}
