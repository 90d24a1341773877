"""Published tables: their structure, and when a row stands beside a run."""

from typing import Any

import pytest

from baselines.published import Beside, as_text, beside, published_tables
from feature_extractors import EXTRACTORS
from mertools.tracks import get_track

TABLES = published_tables()
IMPORTED_ONLY = {"audio/wav2vec-large-c", "text/moss-base-7b", "text/stablelm-base-alpha-7b"}
"""Embeddings of papers that only come from folders of others."""

BEST = ("audio/chinese-hubert-large", "text/chinese-macbert-large", "face/resnet50-ferplus")
OPTIONS = {
    "protocol": "published", "epochs": 100, "weight_decay": 1e-5, "dropout": 0.3, "hidden_dim": 128, "lr": 1e-3,
}  # fmt: skip


def run_of(names: tuple[str, ...], **changes: Any) -> dict[str, Any]:
    return {
        "track": "mer2023-multi",
        "model": "attention",
        "features": [f"{name}@0123456789abcdef" for name in names],
        "corpus": "mer2023",
        "protocol": {"n_folds": 5},
        "seeds": [0, 1, 2],
        "fold_mean": {"waf": 0.72, "mse": 0.9, "mer2023_combined": 0.5},
        "splits": {"test1": {"metrics": {"waf": 0.76, "mse": 0.85, "mer2023_combined": 0.55}}},
        **changes,
    }


def test_editions_are_marked_by_whether_numbers_are_known() -> None:
    assert {name: table.known for name, table in TABLES.items()} == {
        "mer2023": True, "merbench": False, "mer2024": False, "mer2025": False, "mer2026": False,
    }  # fmt: skip
    for table in TABLES.values():
        assert table.known == bool(table.rows)
        assert table.source
        assert table.known or table.ranking
        assert table.known or any("no published table known" in n or "no numbers are known" in n for n in table.notes)


@pytest.mark.parametrize("name", TABLES)
def test_every_name_stands_for_an_extractor(name: str) -> None:
    table = TABLES[name]
    named = [n for found in table.ranking.values() for n in found] + [n for r in table.rows for n in r["features"]]
    assert named
    for one in named:
        assert table.extractor(one) in EXTRACTORS or table.extractor(one) in IMPORTED_ONLY
    for modality, found in table.ranking.items():
        assert len(set(found)) == len(found)
        assert all(table.extractor(one).startswith(f"{modality}/") for one in found)


@pytest.mark.parametrize("row", TABLES["mer2023"].rows, ids=lambda row: "+".join(row["features"]))
def test_combined_is_f1_minus_a_quarter_of_the_error(row: dict[str, Any]) -> None:
    for part in ("train_val", "multi", "noise"):
        numbers = row[part]
        rounding = 0.005 + 0.00005 + 0.25 * 0.005
        assert abs(numbers["waf"] / 100 - 0.25 * numbers["mse"] - numbers["combined"]) <= rounding + 1e-9
    assert set(row["semi"]) == {"waf"}


def test_the_best_f1_and_the_best_error_are_two_systems() -> None:
    rows = TABLES["mer2023"].rows
    assert len(rows) == 32
    assert len({frozenset(row["features"]) for row in rows}) == 32
    best = max(rows, key=lambda row: row["multi"]["waf"])
    least = min(rows, key=lambda row: row["multi"]["mse"])
    assert (best["multi"]["waf"], least["multi"]["mse"]) == (77.57, 0.82)
    assert best["features"] != least["features"]


def test_columns_are_those_of_the_tracks_own_test_splits() -> None:
    for table in TABLES.values():
        for track, columns in table.tracks.items():
            assert set(columns["splits"]) <= set(get_track(track).test_splits)
            assert all(column in row for row in table.rows for column in columns["splits"].values())


def test_the_same_settings_stand_beside_without_a_word() -> None:
    (found,) = beside(run_of(BEST), {"options": OPTIONS})
    assert found.differences == ()
    assert found.features == ("HUBERT-large", "MacBERT-large", "ResNet-FER2013")
    assert ("split test1", "waf", 0.76, pytest.approx(0.7757)) in [tuple(n) for n in found.numbers]
    assert ("mean of folds", "mse", 0.9, 0.83) in found.numbers
    assert "NOT THE SAME" not in as_text(found, "run")


def test_the_order_of_features_does_not_matter() -> None:
    assert beside(run_of(BEST[::-1]), {"options": OPTIONS}) == beside(run_of(BEST), {"options": OPTIONS})


@pytest.mark.parametrize(
    ("run", "options", "said"),
    [
        ({}, {"protocol": "nested"}, "protocol is nested"),
        ({}, {"lr": 5e-4}, "lr is 0.0005"),
        ({}, {"hidden_dim": 64}, "hidden_dim is 64"),
        ({}, {"epochs": 10}, "epochs is 10"),
        ({"protocol": {"n_folds": 3}}, {}, "3 folds"),
        ({"seeds": [0]}, {}, "1 seed,"),
        ({"corpus": "mine"}, {}, "corpus 'mine'"),
        ({"synthetic": True}, {}, "synthetic"),
    ],
)
def test_other_settings_are_never_silent(run: dict[str, Any], options: dict[str, Any], said: str) -> None:
    (found,) = beside(run_of(BEST, **run), {"options": {**OPTIONS, **options}})
    assert len(found.differences) == 1
    assert said in found.differences[0]
    assert "NOT THE SAME SETTINGS" in as_text(found, "run")


@pytest.mark.parametrize(
    "changes",
    [
        {"track": "mer2024-semi"},
        {"track": None},
        {"model": "lmf"},
        {"features": ["audio/chinese-hubert-large@1", "face/hog@2"]},
        {"features": ["audio/chinese-hubert-large@1", "audio/chinese-hubert-large@2"]},
    ],
)
def test_other_features_models_and_tracks_have_no_row(changes: dict[str, Any]) -> None:
    assert beside(run_of(BEST, **changes), {"options": OPTIONS}) == []


def test_a_run_without_the_test_split_shows_a_dash() -> None:
    (found,) = beside(run_of(BEST, splits={}), {})
    assert isinstance(found, Beside)
    assert [ours for where, _, ours, _ in found.numbers if where == "split test1"] == [None] * 3
    assert " - " in as_text(found, "run")
