"""Recipes: what they mean, and the errors of those that mean nothing."""

from pathlib import Path
from typing import Any

import pytest

from mertools.errors import ConfigError
from mertools.recipe import Recipe, parse_recipe, read_recipe, stages

RECIPES = sorted((Path(__file__).parents[2] / "recipes").glob("*.yaml"))
WHOLE: dict[str, Any] = {
    "out": "x",
    "prepare": {"raw": "clips"},
    "extract": {"extractors": ["face/hog", "audio/prosody"]},
    "train": {"track": "mer2023-multi", "folds": 3, "options": {"epochs": 2}},
    "predict": {"splits": ["test1"]},
    "package": {"truth": "truth.csv", "candidates": "names.csv"},
}


@pytest.mark.parametrize("path", RECIPES, ids=lambda p: p.stem)
def test_shipped_recipes_are_valid(path: Path) -> None:
    assert stages(read_recipe(path))


def test_a_whole_recipe_becomes_the_road_in_order() -> None:
    road = stages(parse_recipe(WHOLE, "test"))
    assert [s.name for s in road] == [
        "prepare", "extract", "train", "predict test1", "validate", "package", "score", "report",
    ]  # fmt: skip
    assert len({s.name for s in road}) == len(road)


def test_command_lines_are_those_of_the_verbs() -> None:
    road = {s.name: " ".join(s.words) for s in stages(parse_recipe(WHOLE, "test"))}
    assert road["prepare"] == "prepare folder --raw clips --out x/corpus"
    assert road["extract"] == "extract x/corpus --with face/hog,audio/prosody"
    assert road["train"] == (
        "train --corpus x/corpus --track mer2023-multi --features face/hog,audio/prosody --model attention "
        "--out x/run --folds 3 epochs=2"
    )
    assert road["score"] == "submission score x/submission/mer2023-multi.csv --track mer2023-multi --truth truth.csv"


def test_a_track_whose_upload_is_a_zip_gets_a_zip() -> None:
    recipe = parse_recipe({**WHOLE, "train": {"track": "mer2024-semi"}}, "test")
    (package,) = [s for s in stages(recipe) if s.name == "package"]
    assert package.writes[0].suffix == ".zip"


def test_what_is_left_out_is_not_done() -> None:
    recipe = parse_recipe({"out": "x", "corpus": "there", "extract": {"extractors": ["text/ngram"]}}, "test")
    (only,) = stages(recipe)
    assert only.words == ("extract", "there", "--with", "text/ngram")


@pytest.mark.parametrize(
    ("change", "code", "said"),
    [
        ({"trian": {}}, "MER-R118", "Did you mean 'train'?"),
        ({"train": {"modle": "attention"}}, "MER-R003", "Did you mean 'model'?"),
        ({"train": {"track": "mer2023-multi", "seed": "many"}}, "MER-R004", "many"),
        ({"out": None}, "MER-R119", "where to write"),
        ({"extract": "face/hog"}, "MER-R120", "not a section"),
        ({"corpus": "there"}, "MER-R110", "exactly one of prepare and corpus"),
        ({"train": None}, "MER-R111", "train"),
        ({"predict": None}, "MER-R112", "predict"),
        ({"extract": None}, "MER-R113", "train.features"),
        ({"train": {}}, "MER-R114", "train.track"),
        ({"train": {"target": ["discrete"]}}, "MER-R115", "track"),
        ({"package": {"split": "test2"}}, "MER-R116", "Did you mean 'test1'?"),
    ],
)
def test_a_recipe_that_means_nothing_is_refused(change: dict[str, Any], code: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_recipe({**WHOLE, **change}, "test")
    assert caught.value.code == code
    assert said in str(caught.value)


def test_settings_replace_what_the_file_says(tmp_path: Path) -> None:
    (tmp_path / "r.yaml").write_text("out: a\nprepare: {raw: b}\nextract: {extractors: [text/ngram]}\n")
    recipe = read_recipe(tmp_path / "r.yaml", {"out": "c", "prepare.raw": "d", "extract.device": "cpu"})
    assert (recipe.out, recipe.prepare and recipe.prepare.raw) == (Path("c"), Path("d"))
    assert recipe.extract is not None
    assert recipe.extract.device == "cpu"
    with pytest.raises(ConfigError, match="Did you mean 'device'"):
        read_recipe(tmp_path / "r.yaml", {"extract.devise": "cpu"})


@pytest.mark.parametrize("text", ["", "- a\n", "out: [", "just words"])
def test_a_file_that_is_no_recipe_is_one_clear_error(tmp_path: Path, text: str) -> None:
    (tmp_path / "r.yaml").write_text(text)
    with pytest.raises(ConfigError):
        read_recipe(tmp_path / "r.yaml")


def test_demo_recipe_on_disk_is_the_one_of_the_verb() -> None:
    from mertools.cli.demo import demo_recipe
    from mertools.demo import DemoSettings

    on_disk: Recipe = read_recipe(RECIPES[0].parent / "demo.yaml")
    assert on_disk == demo_recipe(Path("demo-out"), DemoSettings())


def test_combinations_make_a_table_that_is_never_removed() -> None:
    train = {"track": "mer2023-multi", "features": ["face/hog", "text/ngram"], "combinations": "all"}
    road = stages(parse_recipe({"out": "x", "corpus": "there", "train": train}, "test"))
    assert [s.name for s in road] == ["train", "report"]
    assert "--combinations all" in " ".join(road[0].words)
    assert road[0].replaces is None
    assert [path.name for path in road[0].writes] == ["table.csv", "ranking.yaml"]


def test_a_table_of_runs_predicts_nothing() -> None:
    train = {"track": "mer2023-multi", "combinations": "all"}
    with pytest.raises(ConfigError, match=r"train\.combinations") as caught:
        parse_recipe({**WHOLE, "train": train}, "test")
    assert caught.value.code == "MER-R122"


@pytest.mark.parametrize("path", RECIPES, ids=lambda p: p.stem)
def test_shipped_recipes_name_options_extractors_and_combinations_that_exist(path: Path) -> None:
    from baselines.cells import Combinations, unimodal
    from baselines.options import split_options
    from baselines.training import fusion_model
    from feature_extractors import EXTRACTORS

    recipe = read_recipe(path)
    assert recipe.train is not None
    assert {str(name).split(":")[0] for name in recipe.features} <= set(EXTRACTORS.names())
    split_options(recipe.train.options, recipe.train.model, fusion_model(recipe.train.model))
    if recipe.train.combinations:
        Combinations.parse(recipe.train.combinations).check(unimodal(recipe.features))


@pytest.mark.parametrize("path", RECIPES, ids=lambda p: p.stem)
def test_recipes_without_published_numbers_say_so(path: Path) -> None:
    known = ("demo", "emodb", "mer2023")
    assert path.stem.startswith(known) or "no published table known" in path.read_text(encoding="utf-8")


def test_a_dry_run_shows_commands_and_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from mertools.cli import main

    monkeypatch.chdir(tmp_path)
    for path in RECIPES:
        assert main(["run", str(path), "--dry-run"]) == 0
        assert "mertools train" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []
