"""Tables of runs: which cells, what is kept, how they are ranked."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from baselines import train
from baselines.cells import Combinations, best_of_each, combined
from baselines.grid import Grid, cells_of, train_grid
from baselines.grid_files import read_ranking, top
from baselines.runs import Run
from mertools.corpus import Corpus
from mertools.errors import ConfigError, MerToolsError, TrainingError

FACE, AUDIO, NOISE = "face/made-up", "audio/made-up", "audio/noise"
OPTIONS: dict[str, Any] = {"epochs": 12, "selection": "last", "hidden_dim": 8, "lr": 5e-3, "folds": "3"}


@pytest.fixture(scope="module")
def grid(original: Corpus, tmp_path_factory: pytest.TempPathFactory) -> Grid:
    return train_grid(
        original,
        [FACE, AUDIO, NOISE],
        "attention",
        tmp_path_factory.mktemp("grid") / "table",
        combinations="all",
        target=["discrete"],
        **OPTIONS,
    )


def again(corpus: Corpus, out: Path, **changes: Any) -> Grid:
    options = {"combinations": "all", "target": ["discrete"], "features": [FACE, AUDIO, NOISE], **OPTIONS, **changes}
    features = options.pop("features")
    return train_grid(corpus, features, "attention", out, **options)


def test_all_combinations_take_one_space_of_each_modality(grid: Grid) -> None:
    assert list(grid.runs) == [
        "face-made-up", "audio-made-up", "audio-noise", "face-made-up+audio-made-up", "face-made-up+audio-noise",
    ]  # fmt: skip


@given(sizes=st.lists(st.integers(1, 4), min_size=1, max_size=3))
@settings(max_examples=25, deadline=None)
def test_the_number_of_combinations_is_the_product_of_one_more_than_each_modality_has(sizes: list[int]) -> None:
    features = [f"{m}/e{i}" for m, size in zip(("face", "audio", "text"), sizes, strict=False) for i in range(size)]
    cells, expected = combined(features), 1
    for size in sizes:
        expected *= size + 1
    assert len(cells) == expected - 1
    assert len({cell.name for cell in cells}) == len(cells)
    assert len({cell.features for cell in cells}) == len(cells)


def test_each_cell_is_the_run_that_train_would_make(grid: Grid, original: Corpus, tmp_path: Path) -> None:
    alone = train(original, [FACE, AUDIO], "attention", tmp_path / "run", target=["discrete"], **OPTIONS)
    cell = Run.read(grid.folder / "cells" / "face-made-up+audio-made-up")
    assert cell.metrics["metrics"] == alone.metrics["metrics"]
    assert cell.recipe.features == alone.recipe.features


def test_the_table_holds_the_scores_of_the_runs(grid: Grid) -> None:
    with (grid.folder / "table.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["cell"] for row in rows] == list(grid.runs)
    for row in rows:
        metrics = grid.runs[row["cell"]].metrics
        assert float(row["single"]) == metrics["metrics"]["waf"]
        assert float(row["test1_waf"]) == metrics["splits"]["test1"]["metrics"]["waf"]
    assert rows[3]["face"] == FACE
    assert rows[3]["audio"] == AUDIO


def test_the_ranking_comes_from_out_of_fold_scores_of_unimodal_runs(grid: Grid) -> None:
    ranking = read_ranking(grid.folder / "ranking.yaml")
    assert {m: [f for f, _ in found] for m, found in ranking.items()} == {"face": [FACE], "audio": [NOISE, AUDIO]}
    assert dict(ranking["audio"])[AUDIO] == grid.runs["audio-made-up"].metrics["metrics"]["waf"]
    assert top(ranking, 1) == [FACE, AUDIO]
    with pytest.raises(TrainingError, match="1 spaces of face"):
        top(ranking, 2)


def test_lower_errors_rank_higher(original: Corpus, tmp_path: Path) -> None:
    found = again(
        original, tmp_path / "t", target=["valence"], features=[AUDIO, NOISE], combinations="unimodal", select_by="mse"
    )
    scores = {name: run.metrics["metrics"] for name, run in found.runs.items()}
    primary = found.rows[0]["metric"]
    assert [f for f, _ in found.ranking["audio"]] == [NOISE, AUDIO]
    assert scores["audio-made-up"][primary] > scores["audio-noise"][primary]


def test_what_is_done_is_kept_and_what_is_missing_is_trained(original: Corpus, tmp_path: Path) -> None:
    out = tmp_path / "table"
    again(original, out, combinations="unimodal")
    kept = out / "cells" / "face-made-up" / "metrics.json"
    before = kept.stat().st_mtime_ns
    import shutil

    shutil.rmtree(out / "cells" / "audio-noise")
    whole = again(original, out)
    assert kept.stat().st_mtime_ns == before
    assert len(whole.runs) == 5
    assert [path.name for path in cells_of(out)] == list(whole.runs)


def test_a_cell_that_fails_leaves_the_others_in_place(
    original: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(corpus: Corpus, features: Any, *rest: Any, **options: Any) -> Run:
        if NOISE in features:
            raise TrainingError("MER-T000", "out of order.", "")
        return train(corpus, features, *rest, **options)

    monkeypatch.setattr("baselines.train", failing)
    out = tmp_path / "table"
    with pytest.raises(TrainingError, match="out of order"):
        again(original, out, combinations="unimodal")
    monkeypatch.undo()
    assert [path.name for path in cells_of(out)] == ["face-made-up", "audio-made-up"]
    assert len(again(original, out, combinations="unimodal").runs) == 3


def test_the_best_of_each_modality_are_trained_together(original: Corpus, tmp_path: Path) -> None:
    found = again(original, tmp_path / "top", combinations="topn:1")
    last = list(found.runs.values())[-1]
    assert [f.partition("@")[0] for f in last.recipe.features] == [FACE, AUDIO]
    assert list(found.runs)[-1].startswith("top1-face+audio-")
    assert len(found.runs) == 4


def test_top_cells_take_the_last_of_each_list_and_are_named_after_them() -> None:
    ranking = {"audio": ["audio/a", "audio/b", "audio/c"], "text": ["text/x", "text/y"], "face": ["face/p", "face/q"]}
    cells = best_of_each(ranking, 2)
    assert [len(cell.features) for cell in cells] == [4, 4, 4, 6]
    assert cells[0].features == ("audio/c", "audio/b", "text/y", "text/x")
    assert len({cell.name for cell in cells}) == 4
    turned = best_of_each(ranking | {"audio": ["audio/c", "audio/b", "audio/a"]}, 2)
    assert turned[0].name != cells[0].name
    assert best_of_each({"audio": ["audio/a", "audio/b"]}, 2)[0].features == ("audio/b", "audio/a")


@pytest.mark.parametrize("text", ["", "every", "topn", "topn:0", "topn:x", "topn:-1"])
def test_unknown_combinations_are_refused(text: str) -> None:
    with pytest.raises(TrainingError) as caught:
        Combinations.parse(text)
    assert caught.value.code == "MER-T180"


@pytest.mark.parametrize(
    ("changes", "code"),
    [({"epochs": 3}, "MER-T181"), ({"target": ["valence"]}, "MER-T181"), ({"combinations": "topn:2"}, "MER-T184"),
     ({"features": [FACE, "audio/none"]}, "MER-T006"), ({"epoch": 3}, "MER-T001")],
)  # fmt: skip
def test_what_does_not_fit_is_refused_before_anything_is_trained(
    grid: Grid, original: Corpus, changes: dict[str, Any], code: str
) -> None:
    before = sorted(p.name for p in (grid.folder / "cells").iterdir())
    with pytest.raises(MerToolsError) as caught:
        again(original, grid.folder, **changes)
    assert caught.value.code == code
    assert sorted(p.name for p in (grid.folder / "cells").iterdir()) == before


def test_changed_annotations_are_another_table(grid: Grid, corpus: Corpus) -> None:
    text = (corpus.folder / "clips.csv").read_text()
    (corpus.folder / "clips.csv").write_text(text.replace("happy", "sad", 1))
    with pytest.raises(TrainingError, match="another clips"):
        again(Corpus.read(corpus.folder), grid.folder)


def test_folders_of_others_are_not_touched(original: Corpus, tmp_path: Path) -> None:
    (tmp_path / "diary.txt").write_text("x")
    with pytest.raises(TrainingError) as caught:
        again(original, tmp_path)
    assert caught.value.code == "MER-T182"
    assert cells_of(tmp_path) == []


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"cells": 3}', "\x00"])
def test_damaged_files_are_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "grid.json").write_text(content)
    with pytest.raises(TrainingError) as caught:
        cells_of(tmp_path)
    assert caught.value.code == "MER-T183"
    (tmp_path / "ranking.yaml").write_text(content)
    with pytest.raises((TrainingError, ConfigError)):
        read_ranking(tmp_path / "ranking.yaml")


def test_the_document_is_json_and_the_text_names_every_cell(grid: Grid) -> None:
    document = json.loads(json.dumps(grid.document(), allow_nan=False))
    assert [cell["cell"] for cell in document["cells"]] == list(grid.runs)
    assert all(name in grid.text() for name in grid.runs)
