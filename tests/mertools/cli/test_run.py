"""Walking a road: nothing is done twice, and what changed is done again."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from mertools.cli import Outcome, main
from mertools.cli.run import outcome_of, walk
from mertools.errors import TrainingError
from mertools.recipe import Recipe, parse_recipe

DOCUMENTS: dict[str, dict[str, Any]] = {
    "prepare": {"clips": 3},
    "extract": {"clips": 3, "spaces": ["a"], "status": {"ok": 3}},
    "train": {
        "primary": "waf", "metrics": {"waf": 0.5}, "interval": {"low": None, "high": None}, "n_groups": 1,
        "interval_unit": "clip",
    },
    "predict": {"clips": 1, "labels": {}},
    "validate": {"valid": True, "problems": []},
    "package": {"out": "f", "rows": 1, "sha256": "0" * 64},
    "score": {
        "primary": "waf", "metrics": {"waf": 0.4}, "interval": [0.1, 0.6], "n_groups": 2, "interval_unit": "clip",
    },
    "report": {},
}  # fmt: skip


class Verbs:
    """Stands in for the verbs: writes what each would write and remembers what was asked."""

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe
        self.asked: list[str] = []
        self.codes: dict[str, int] = {}

    def __call__(self, words: Sequence[str]) -> Outcome:
        from mertools.recipe import stages

        verb = words[1] if words[0] == "submission" else words[0]
        self.asked.append(verb)
        stage = next(s for s in stages(self.recipe) if s.words == tuple(words))
        if stage.replaces:
            assert not stage.replaces.exists()
        for path in stage.writes:
            if path != stage.save:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(" ".join(words))
        return Outcome(DOCUMENTS[verb], "", self.codes.get(verb, 0))


def recipe_in(folder: Path, **train: Any) -> Recipe:
    (folder / "raw").mkdir(exist_ok=True)
    if not (folder / "raw" / "a.mp4").exists():
        (folder / "raw" / "a.mp4").write_bytes(b"a")
    (folder / "truth.csv").write_text("name\na\n")
    return parse_recipe(
        {
            "out": str(folder / "out"),
            "prepare": {"raw": str(folder / "raw")},
            "extract": {"extractors": ["text/ngram"]},
            "train": {"track": "mer2023-multi", **train},
            "predict": {"splits": ["test1"]},
            "package": {"truth": str(folder / "truth.csv")},
        },
        "test",
    )


ALL = ["prepare", "extract", "train", "predict", "validate", "package", "score", "report"]


def test_walking_twice_does_everything_once(tmp_path: Path) -> None:
    recipe = recipe_in(tmp_path)
    verbs = Verbs(recipe)
    first = walk(recipe, run_verb=verbs)
    assert verbs.asked == ALL
    again = walk(recipe, run_verb=verbs)
    assert verbs.asked == ALL
    assert all(p.kept for p in again)
    assert [p.result for p in again] == [p.result for p in first]


def test_a_changed_setting_redoes_its_stage_and_what_builds_on_it(tmp_path: Path) -> None:
    walk(recipe_in(tmp_path), run_verb=Verbs(recipe_in(tmp_path)))
    changed = recipe_in(tmp_path, seed=4)
    verbs = Verbs(changed)
    walk(changed, run_verb=verbs)
    assert verbs.asked == ALL[2:]


def test_a_new_clip_redoes_everything(tmp_path: Path) -> None:
    recipe = recipe_in(tmp_path)
    walk(recipe, run_verb=Verbs(recipe))
    (tmp_path / "raw" / "b.mp4").write_bytes(b"b")
    verbs = Verbs(recipe)
    walk(recipe, run_verb=verbs)
    assert verbs.asked == ALL


def test_a_manifest_changed_by_hand_is_kept_and_what_builds_on_it_is_redone(tmp_path: Path) -> None:
    recipe = recipe_in(tmp_path)
    walk(recipe, run_verb=Verbs(recipe))
    (recipe.corpus_folder / "clips.csv").write_text("by hand")
    verbs = Verbs(recipe)
    walk(recipe, run_verb=verbs)
    assert verbs.asked == ALL[1:]
    assert (recipe.corpus_folder / "clips.csv").read_text() == "by hand"


def test_a_lost_output_is_made_again(tmp_path: Path) -> None:
    recipe = recipe_in(tmp_path)
    walk(recipe, run_verb=Verbs(recipe))
    (recipe.out / "report.html").unlink()
    verbs = Verbs(recipe)
    walk(recipe, run_verb=verbs)
    assert verbs.asked == ["report"]


def test_an_error_keeps_what_was_done_before_it(tmp_path: Path) -> None:
    recipe = recipe_in(tmp_path)
    verbs = Verbs(recipe)

    def fail(words: Sequence[str]) -> Outcome:
        if words[0] == "train":
            raise TrainingError("MER-T000", "no")
        return verbs(words)

    with pytest.raises(TrainingError):
        walk(recipe, run_verb=fail)
    assert verbs.asked == ALL[:2]
    walk(recipe, run_verb=verbs)
    assert verbs.asked == ALL


def test_failed_clips_do_not_stop_the_road_but_an_invalid_submission_does(tmp_path: Path) -> None:
    recipe = recipe_in(tmp_path)
    verbs = Verbs(recipe)
    verbs.codes = {"extract": 1, "validate": 1}
    passages = walk(recipe, run_verb=verbs)
    assert verbs.asked == ALL[:5]
    found = outcome_of(recipe, passages)
    assert found.exit_code == 1
    assert not found.document["done"]
    assert "Stopped at: validate" in found.text


def test_a_run_folder_of_somebody_else_is_not_removed(tmp_path: Path) -> None:
    recipe = recipe_in(tmp_path)
    precious = recipe.out / "run" / "precious.txt"
    precious.parent.mkdir(parents=True)
    precious.write_text("mine")
    with pytest.raises(AssertionError):  # the stand-in refuses a folder that exists, as train does
        walk(recipe, run_verb=Verbs(recipe))
    assert precious.read_text() == "mine"


def test_the_table_names_each_step_its_result_and_the_commands(tmp_path: Path) -> None:
    recipe = recipe_in(tmp_path)
    found = outcome_of(recipe, walk(recipe, run_verb=Verbs(recipe)), synthetic=True)
    assert found.exit_code == 0
    assert found.text.count("[synthetic]") == len(ALL)
    assert "waf 0.400, 0.100 to 0.600 (2 groups by clip)" in found.text
    assert "mertools submission score" in found.text
    assert "--json > " in found.text
    assert json.dumps(found.document)


def test_a_damaged_state_file_is_one_clear_error(tmp_path: Path) -> None:
    recipe = recipe_in(tmp_path)
    recipe.out.mkdir()
    (recipe.out / "road.json").write_text("{")
    with pytest.raises(Exception, match="MER-R121"):
        walk(recipe, run_verb=Verbs(recipe))


def test_the_verb_refuses_a_missing_recipe_and_a_bad_setting(tmp_path: Path) -> None:
    assert main(["run", str(tmp_path / "none.yaml")]) == 2
    (tmp_path / "r.yaml").write_text("out: x\n")
    assert main(["run", str(tmp_path / "r.yaml"), "nonsense"]) == 2
