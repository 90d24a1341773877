"""What stands beside the organisers' number: independent agreement, intervals, floors, comparisons, warnings."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, mean_squared_error, recall_score

from mertools import get_track
from mertools.errors import SubmissionError
from mertools.labels import MER_EMOTIONS
from mertools.tracks import Candidates, Column, Upload
from submissions import problems as codes
from submissions import score, validate


def table(path: Path, columns: dict[str, list[object]]) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))
    return path


def drawn(rng: np.random.Generator, n: int) -> tuple[dict[str, list[object]], dict[str, list[object]]]:
    """A truth and a prediction, rows of the latter in another order."""
    names = [f"clip{i}" for i in range(n)]
    true = rng.choice(rng.choice(MER_EMOTIONS, rng.integers(1, 7), replace=False), n)
    said = np.where(rng.random(n) < rng.random(), true, rng.choice(MER_EMOTIONS, n))
    valence = rng.uniform(-5, 5, n)
    predicted = valence + rng.normal(0, 1, n)
    order = rng.permutation(n)
    truth = {"name": names, "discrete": true.tolist(), "valence": valence.tolist()}
    prediction = {
        "name": [names[i] for i in order],
        "discrete": said[order].tolist(),
        "valence": predicted[order].tolist(),
    }
    return truth, prediction


@pytest.mark.parametrize("start", range(0, 200, 20))
def test_scores_equal_those_of_scikit_learn_on_random_files(start: int, tmp_path: Path) -> None:
    for seed in range(start, start + 20):
        rng = np.random.default_rng(seed)
        truth, prediction = drawn(rng, int(rng.integers(2, 80)))
        found = score(
            "mer2023-multi", table(tmp_path / "p.csv", prediction), table(tmp_path / "t.csv", truth), n_draws=20
        )
        row = {name: i for i, name in enumerate(prediction["name"])}
        said = [prediction["discrete"][row[name]] for name in truth["name"]]
        valence = [prediction["valence"][row[name]] for name in truth["name"]]
        waf = f1_score(truth["discrete"], said, average="weighted", zero_division=0)
        mse = mean_squared_error(truth["valence"], valence)
        assert found.metrics == pytest.approx(
            {
                "mer2023_combined": waf - 0.25 * mse,
                "waf": waf,
                "mse": mse,
                "accuracy": accuracy_score(truth["discrete"], said),
                "uar": recall_score(
                    truth["discrete"], said, average="macro", labels=sorted(set(truth["discrete"])), zero_division=0
                ),
                "macro_f1": f1_score(truth["discrete"], said, average="macro", zero_division=0),
            },
            rel=0,
            abs=1e-12,
        )
        expected = confusion_matrix(truth["discrete"], said, labels=MER_EMOTIONS)
        assert found.confusion.tolist() == expected.tolist()


def perfect(tmp_path: Path, n: int = 60, **more: list[object]) -> tuple[Path, dict[str, list[object]]]:
    columns: dict[str, list[object]] = {
        "name": [f"c{i}" for i in range(n)],
        "discrete": [MER_EMOTIONS[i % 5] for i in range(n)],
    }
    return table(tmp_path / "t.csv", columns | more), columns


def test_the_interval_resamples_speakers_where_the_truth_names_them(tmp_path: Path) -> None:
    truth, columns = perfect(tmp_path, speaker=[f"s{i % 25}" for i in range(60)])
    said = table(tmp_path / "p.csv", columns)
    found = score("mer2023-semi", said, truth, n_draws=50)
    assert (found.interval.unit, found.interval.n_groups, found.interval.method) == ("speaker", 25, "bca")
    few, _ = perfect(tmp_path, source=[f"s{i % 5}" for i in range(60)])
    found = score("mer2023-semi", said, few, n_draws=50)
    assert (found.interval.unit, found.interval.n_groups, found.interval.method) == ("source", 5, "jackknife-t")
    holes, _ = perfect(tmp_path, speaker=["s", "", *["x"] * 58])
    found = score("mer2023-semi", said, holes, n_draws=50)
    assert (found.interval.unit, found.interval.n_groups) == ("clip", 60)
    assert [p.code for p in found.warnings] == ["MER-S051"]


def test_floors_are_what_a_slow_loop_gives(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    truth, prediction = drawn(rng, 300)
    found = score("mer2023-multi", table(tmp_path / "p.csv", prediction), table(tmp_path / "t.csv", truth))
    true, valence = truth["discrete"], np.array(truth["valence"])
    majority = max(MER_EMOTIONS, key=true.count)
    constant = f1_score(true, [majority] * 300, average="weighted", zero_division=0) - 0.25 * valence.var()
    assert found.floors["majority_class"].value == pytest.approx(constant, abs=1e-12)
    assert found.floors["mean_valence"].value == pytest.approx(found.metrics["waf"] - 0.25 * valence.var(), abs=1e-12)
    expected = {"prior_draw": (true, valence), "shuffled": (prediction["discrete"], np.array(prediction["valence"]))}
    for name, (labels, values) in expected.items():
        loop = []
        for _ in range(100):
            pick = rng.integers(0, 300, 300) if name == "prior_draw" else rng.permutation(300)
            waf = f1_score(true, np.array(labels)[pick], average="weighted", zero_division=0)
            loop.append(waf - 0.25 * mean_squared_error(valence, values[pick]))
        error = 4 * np.hypot(np.std(loop), found.floors[name].spread) / np.sqrt(100)
        assert found.floors[name].value == pytest.approx(np.mean(loop), abs=error)


def test_a_better_submission_is_told_from_a_worse_and_an_equal_one_is_not(tmp_path: Path) -> None:
    truth, columns = perfect(tmp_path, n=100)
    good = table(tmp_path / "good.csv", columns)
    bad = table(tmp_path / "bad.csv", columns | {"discrete": [*columns["discrete"][:60], *["surprise"] * 40]})
    found = score("mer2023-semi", good, truth, against=bad, n_draws=50).against
    assert found.test.difference > 0
    assert found.test.p == 1 / 10_000
    same = score("mer2023-semi", good, truth, against=good, n_draws=50).against
    assert (same.test.difference, same.test.p) == (0.0, 1.0)


def test_oddities_that_the_organisers_pass_over_are_warnings(tmp_path: Path) -> None:
    truth, columns = perfect(tmp_path, n=20)
    text = table(tmp_path / "p.csv", columns).read_bytes()
    odd = b"\xef\xbb\xbf" + text.replace(b"\n", b"\r\n") + b"c0,surprise\r\n"
    (tmp_path / "p.csv").write_bytes(odd)
    found = score("mer2024-semi", tmp_path / "p.csv", truth, n_draws=20)
    assert {p.code for p in found.warnings} == {
        codes.BYTE_ORDER_MARK,
        codes.LINE_ENDS,
        codes.DUPLICATE_NAME,
    }
    assert {p.severity for p in found.warnings} == {"warning"}
    assert found.metrics["accuracy"] == 0.95  # the last row of the repeated name counts


def test_the_document_is_json_even_where_a_number_is_undefined(tmp_path: Path) -> None:
    truth, columns = perfect(tmp_path, n=1)
    found = score("mer2023-semi", table(tmp_path / "p.csv", columns), truth)
    document = json.loads(json.dumps(found.as_json(), allow_nan=False))
    assert document["interval"] == [None, None]
    assert (document["n"], document["n_groups"], document["interval_unit"]) == (1, 1, "clip")


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("name\nc0\n", "MER-S066"),
        ("name,discrete\nc0,surprised\n", "MER-S075"),
        ("name,discrete\nc0,\n", "MER-S075"),
        ("name,discrete\n", "MER-S068"),
        ("name,discrete\nc0\n", "MER-S067"),
        ("", "MER-S065"),
    ],
)
def test_a_truth_that_is_not_usable_is_refused(text: str, code: str, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(text)
    (tmp_path / "p.csv").write_text("name,discrete\nc0,sad\n")
    with pytest.raises(SubmissionError) as raised:
        score("mer2023-semi", tmp_path / "p.csv", tmp_path / "t.csv")
    assert raised.value.code == code


def test_rows_may_be_identified_by_several_columns(tmp_path: Path) -> None:
    """A name may repeat where the track tells rows apart by more than the name."""
    track = get_track("mer2023-semi")
    columns = (Column("name", "key"), Column("a1", "key"), track.upload.column("discrete"))
    track = replace(track, upload=Upload(columns), candidates=Candidates(3))
    truth = tmp_path / "t.csv"
    truth.write_text("name,a1,discrete\nc,x,sad\nc,y,happy\nd,x,sad\n")
    said = tmp_path / "p.csv"
    said.write_text("name,a1,discrete\nc,y,happy\nd,x,sad\nc,x,angry\n")
    assert validate(track, said) == []
    assert [p.code for p in validate(track, said, truth)] == [codes.ORDER]
    assert score(track, said, truth).metrics["accuracy"] == pytest.approx(2 / 3)
    said.write_text("name,a1,discrete\nc,y,happy\nc,y,sad\nc,X,angry\n")
    found = {(p.code, p.row) for p in validate(track, said, truth)}
    assert found == {(codes.DUPLICATE_NAME, 3), (codes.NAME_CASE, 4), (codes.MISSING_NAME, None)}


def test_names_that_do_not_fit_the_truth_are_named(tmp_path: Path) -> None:
    truth = table(tmp_path / "truth.csv", {"name": ["a", "b", "c"], "discrete": ["sad"] * 3, "valence": [0, 0, 0]})
    said = table(tmp_path / "said.csv", {"name": ["a", "x"], "discrete": ["sad"] * 2, "valence": [0, 0]})
    with pytest.raises(SubmissionError, match=r"MER-S079.*Missing \(2\): b, c\. Not in the truth \(1\): x\."):
        score("mer2023-multi", said, truth)
