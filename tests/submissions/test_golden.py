"""Our score is the organisers' score, and where their code stops ours refuses."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mertools import get_track
from mertools.errors import SubmissionError
from mertools.labels import MER_EMOTIONS
from mertools.tracks import ReferenceScorer
from submissions import score

GOLDEN = Path(__file__).parent / "golden"
MER2023 = json.loads((GOLDEN / "mer2023_cases.json").read_text())["cases"]
TRACK1 = json.loads((GOLDEN / "track1_cases.json").read_text())["cases"]
EXACT = 1e-12

STOPS = {
    "extra_names": "MER-S079",
    "missing_names": "MER-S079",
    "missing_replaced": "MER-S080",
    "unknown_label": "MER-S082",
    "upper_label": "MER-S082",
    "space_label": "MER-S082",
    "nan_valence": "MER-S081",
    "valence_text": "MER-S081",
    "no_valence_column": "MER-S077",
    "missing_scored": "MER-S080",
    "bad_label_scored": "MER-S082",
    "empty_label": "MER-S082",
    "no_discrete_column": "MER-S077",
}


def write(path: Path, rows: list[dict[str, object]]) -> Path:
    columns = list(dict.fromkeys(key for row in rows for key in row))
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return path


def agrees(track, case: dict, expected: dict, folder: Path) -> None:
    prediction, truth = write(folder / "p.csv", case["pred"]), write(folder / "t.csv", case["label"])
    if "error" in expected:
        with pytest.raises(SubmissionError) as raised:
            score(track, prediction, truth)
        assert raised.value.code == STOPS[case["id"]]
        return
    found = score(track, prediction, truth).metrics
    ours = {"weighted_f1": "waf", "mse": "mse", "overall": "mer2023_combined"}
    for theirs, value in expected.items():
        assert found[ours[theirs]] == pytest.approx(value, rel=0, abs=EXACT)


@pytest.mark.parametrize("track", ["mer2023-multi", "mer2023-noise"])
@pytest.mark.parametrize("case", MER2023, ids=lambda case: case["id"])
def test_mer2023_with_valence_agrees_with_the_organisers(track: str, case: dict, tmp_path: Path) -> None:
    agrees(track, case, case["test1_test2"], tmp_path)


@pytest.mark.parametrize("case", MER2023, ids=lambda case: case["id"])
def test_mer2023_semi_agrees_with_the_organisers(case: dict, tmp_path: Path) -> None:
    agrees("mer2023-semi", case, case["test3"], tmp_path)


@pytest.mark.parametrize("track", ["mer2024-semi", "mer2024-noise", "mer2025-semi", "mer2026-cross"])
@pytest.mark.parametrize("case", [c for c in TRACK1["2026"] if "pred" in c], ids=lambda case: case["id"])
def test_mer2024_agrees_with_the_public_scorer_of_the_same_task(track: str, case: dict, tmp_path: Path) -> None:
    agrees(track, case, case["result"], tmp_path)


def test_twenty_thousand_candidates_give_the_recorded_number(tmp_path: Path) -> None:
    rng = np.random.default_rng(7)
    scored = np.sort(rng.choice(20_000, 2026, replace=False))
    true = rng.integers(6, size=20_000)
    hit = rng.random(20_000) < 0.75
    said = np.where(hit, true, rng.integers(6, size=20_000))
    name = [f"sample_{i:08d}" for i in range(20_000)]
    prediction = write(
        tmp_path / "p.csv", [{"name": name[i], "discrete": MER_EMOTIONS[said[i]]} for i in range(20_000)]
    )
    truth = write(tmp_path / "t.csv", [{"name": name[i], "discrete": MER_EMOTIONS[true[i]]} for i in scored])
    recorded = [c["result"]["weighted_f1"] for c in TRACK1["2025"] if c["id"] == "full_20000_2026"]
    found = score("mer2024-semi", prediction, truth, n_draws=50)
    assert recorded == [pytest.approx(found.metrics["waf"], rel=0, abs=EXACT)]
    assert found.n == 2026


@pytest.mark.parametrize("case", [c for c in TRACK1["2025"] if "pred" in c], ids=lambda case: case["id"])
def test_their_demand_for_20000_names_is_not_ours(case: dict, tmp_path: Path) -> None:
    """MER2025's scorer stops at any other number; what it would give otherwise is what that of MER2026 gives."""
    assert case["result"] == {"error": "AssertionError: "}
    other = next(c for c in TRACK1["2026"] if c["id"] == case["id"])
    agrees("mer2025-semi", case, other["result"], tmp_path)


def test_every_recorded_stop_is_a_stop_of_a_scorer() -> None:
    stopped = {c["id"] for c in MER2023 if "error" in c["test1_test2"]}
    stopped |= {c["id"] for c in TRACK1["2026"] if "error" in c["result"]}
    assert stopped == set(STOPS)


def test_no_official_count_is_demanded_but_the_names_of_the_truth_are(tmp_path: Path) -> None:
    case = next(c for c in TRACK1["2025"] if c["id"] == "small_200_40")
    recorded = next(c for c in TRACK1["2026"] if c["id"] == "small_200_40")["result"]["weighted_f1"]
    prediction, truth = write(tmp_path / "p.csv", case["pred"]), write(tmp_path / "t.csv", case["label"])
    assert score("mer2024-semi", prediction, truth).value == pytest.approx(recorded, rel=0, abs=EXACT)


def test_a_track_without_a_public_scorer_is_not_scored(tmp_path: Path) -> None:
    track = replace(get_track("mer2024-semi"), scorer=None)
    with pytest.raises(SubmissionError, match="no public scorer"):
        score(track, tmp_path / "p.csv", tmp_path / "t.csv")


def test_rows_that_are_not_scored_matter_only_where_the_organisers_convert_them(tmp_path: Path) -> None:
    truth = write(tmp_path / "t.csv", [{"name": "a", "discrete": "sad"}])
    rows = [{"name": "a", "discrete": "sad"}, {"name": "b", "discrete": "surprised"}]
    prediction = write(tmp_path / "p.csv", rows)
    track = get_track("mer2024-semi")
    assert score(track, prediction, truth).value == 1.0
    strict = replace(track, scorer=ReferenceScorer("any", all_labels=True))
    with pytest.raises(SubmissionError, match="surprised"):
        score(strict, prediction, truth)
