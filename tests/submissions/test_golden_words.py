"""Recorded results of the organisers' scorers for preferences, emotion wheels and synonym groups, through files."""

import csv
import json
import math
from pathlib import Path
from typing import Any

import pytest

from mertools.errors import SubmissionError
from submissions import score

CORE = Path(__file__).parents[1] / "mertools"
PREFERENCE = json.loads((CORE / "metrics" / "golden" / "preference_cases.json").read_text())["cases"]
WHEEL = json.loads((CORE / "wheels" / "golden" / "wheel_cases.json").read_text())["cases"]
GROUPS = json.loads((CORE / "wheels" / "golden" / "mer2024_ov_cases.json").read_text())["cases"]
EXACT = 1e-12


def write(path: Path, header: list[str], rows: list[list[Any]]) -> Path:
    with path.open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([header, *rows])
    return path


def same(found: float, recorded: float | None) -> bool:
    return math.isnan(found) if recorded is None else found == pytest.approx(recorded, rel=0, abs=EXACT)


# -- preferences -------------------------------------------------------------------------------------------------------


def pairs(path: Path, labels: list[str]) -> Path:
    """Rows of two clips only: the two descriptions tell the pairs apart."""
    rows = [[f"clip{i % 2}", f"first {i}", f"second {i}", label] for i, label in enumerate(labels)]
    return write(path, ["name", "a1", "a2", "preference"], rows)


@pytest.mark.parametrize("case", PREFERENCE, ids=lambda case: case["id"])
def test_preferences_agree_with_the_organisers(case: dict, tmp_path: Path) -> None:
    truth, file = pairs(tmp_path / "t.csv", case["gt"]), pairs(tmp_path / "p.csv", case["pred"])
    two, three = case["twoclass"], case["threeclass"]
    if "error" in two or "error" in three:
        with pytest.raises(SubmissionError) as raised:
            score("mer2026-prefer", file, truth, n_draws=0)
        stops = {"all_gt_same": "MER-S164", "tie_gt": "MER-S075", "upper": "MER-S075", "length_mismatch": "MER-S080"}
        assert raised.value.code == stops[case["id"]]
        return
    found = score("mer2026-prefer", file, truth, n_draws=0).metrics
    assert same(found["prefer_waf2"], two["waf"])
    assert same(found["prefer_accuracy2"], two["acc"])
    assert same(found["prefer_waf3"], three["waf"])
    assert same(found["prefer_accuracy3"], three["acc"])


# -- wheels ------------------------------------------------------------------------------------------------------------


def is_text(case: dict) -> bool:
    """Lists that are no text cannot stand in a CSV."""
    return all(cell is None or isinstance(cell, str) for side in ("gt", "pred") for cell in case[side].values())


def words(path: Path, cells: dict[str, str | None], column: str = "openset") -> Path:
    return write(path, ["name", column], [[name, "" if cell is None else cell] for name, cell in cells.items()])


@pytest.mark.parametrize("year", ["2025", "2026"])
@pytest.mark.parametrize("case", [c for c in WHEEL if is_text(c)], ids=lambda case: case["id"])
def test_wheel_scores_agree_with_the_organisers(case: dict, year: str, real_data: Path, tmp_path: Path) -> None:
    truth, file = words(tmp_path / "t.csv", case["gt"]), words(tmp_path / "p.csv", case["pred"])
    track, wheels = f"mer{year}-fg", real_data / "emotion_wheel" / year
    level1, level2 = case["expected"][year]["level1"], case["expected"][year]["level2"]
    if "error" in level1:
        with pytest.raises(SubmissionError) as raised:
            score(track, file, truth, wheels=wheels, n_draws=0)
        assert raised.value.code == {"edge_missing_name": "MER-S080", "edge_open_bracket_only": "MER-S131"}[case["id"]]
        return
    scored = score(track, file, truth, wheels=wheels, n_draws=0)
    found = scored.metrics
    assert same(found[f"ew{year}_level1_f1"], level1["f"])
    assert same(found[f"ew{year}_level2_f1"], level2["f"])
    assert same(found[f"ew{year}_level1_precision"], level1["precision"])
    assert same(found[f"ew{year}_level1_recall"], level1["recall"])
    assert "official tables" in scored.resources["wheels"]
    if year == "2025":
        both = None if None in (level1["f"], level2["f"]) else (level1["f"] + level2["f"]) / 2
        assert same(scored.value, both)


@pytest.mark.parametrize(("year", "final"), [("2025", 0.4890961279190678), ("2026", 0.5546077966514373)])
def test_the_recorded_open_predictions_have_the_recorded_wheel_scores(
    year: str, final: float, real_data: Path, tmp_path: Path
) -> None:
    folder = real_data / "mer2024_ov"
    found = score(
        f"mer{year}-fg",
        folder / "predict-openset.csv",
        folder / "check-openset.csv",
        wheels=real_data / "emotion_wheel" / year,
        n_draws=0,
    )
    assert found.value == pytest.approx(final, rel=0, abs=EXACT)
    assert found.n == 332


# -- groups of synonyms ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", GROUPS, ids=lambda case: case["id"])
def test_set_overlap_agrees_with_the_organisers(case: dict, tmp_path: Path) -> None:
    from mertools.wheels.synonyms import parse_groups

    truth, file = words(tmp_path / "t.csv", case["gt"]), words(tmp_path / "p.csv", case["pred"])
    lines = [
        json.dumps({"run": 1, "name": name, "groups": parse_groups(answer)}) for name, answer in case["synonym"].items()
    ]
    groups = tmp_path / "g.jsonl"
    groups.write_text("\n".join([*lines, ""]))
    recorded = case["result"]
    if "error" in recorded:
        with pytest.raises(SubmissionError) as raised:
            score("mer2024-ov", file, truth, groups=groups, n_draws=0)
        assert raised.value.code.startswith("MER-S")
        return
    scored = score("mer2024-ov", file, truth, groups=groups, n_draws=0)
    assert scored.n == recorded["n_scored"]
    assert same(scored.metrics["set_accuracy"], recorded["accuracy"])
    assert same(scored.metrics["set_recall"], recorded["recall"])
    assert same(scored.value, recorded["avg"])


def test_the_recorded_open_predictions_have_the_recorded_set_overlap(real_data: Path) -> None:
    folder = real_data / "mer2024_ov"
    found = score(
        "mer2024-ov",
        folder / "predict-openset.csv",
        folder / "check-openset.csv",
        groups=folder / "openset-synonym.zip",
        n_draws=0,
    )
    assert found.n == 332
    assert found.metrics["set_accuracy"] == pytest.approx(0.581777108433735, rel=0, abs=EXACT)
    assert found.metrics["set_recall"] == pytest.approx(0.4977911646586345, rel=0, abs=EXACT)
    assert found.value == pytest.approx(0.5397841365461847, rel=0, abs=EXACT)
