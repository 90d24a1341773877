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
    (found,) = score("mer2023-semi", good, truth, against=bad, n_draws=50).against
    assert found.test.difference > 0
    assert found.test.p == 1 / 10_000
    assert found.test.separable
    (same,) = score("mer2023-semi", good, truth, against=good, n_draws=50).against
    assert (same.test.difference, same.test.p) == (0.0, 1.0)
    assert not same.test.separable
    both = score("mer2023-semi", good, truth, against=[bad, good], n_draws=50).against
    assert [c.file for c in both] == ["bad.csv", "good.csv"]
    assert both[0].test.p_adjusted == 2 * both[0].test.p  # Holm: the smaller of two p-values counts twice


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


def test_every_track_with_a_scorer_scores_its_own_truth(made, tmp_path: Path) -> None:
    file = made.write()
    if made.track.scorer is None:
        with pytest.raises(SubmissionError) as raised:
            score(made.track, file, made.truth)
        assert raised.value.code == "MER-S076"
        return
    found = score(made.track, file, made.truth, groups=groups_for(made, tmp_path), n_draws=20)
    best = 0.0 if made.track.metrics[0].higher_is_better is False else 1.0
    assert found.n == 12
    assert found.value == pytest.approx(best, abs=1e-12)
    document = json.loads(json.dumps(found.as_json(), allow_nan=False))
    assert {"track", "n", "primary", "metrics", "interval", "interval_unit", "n_groups", "floors"} <= set(document)
    assert document["n_groups"] is not None
    assert document["floors"]


def groups_for(made, folder: Path) -> Path | None:
    """Recorded groups that join no words, where the track needs some."""
    if "groups" not in made.track.needs:
        return None
    lines = [json.dumps({"run": 1, "name": row[0], "groups": []}) for row in made.rows[1:]]
    (folder / "groups.jsonl").write_text("\n".join(lines) + "\n")
    return folder / "groups.jsonl"


def test_rows_are_grouped_by_what_the_track_says_they_share(maker, tmp_path: Path) -> None:
    frames = maker("abaw6-va")
    found = score(frames.track, frames.write(), frames.truth, n_draws=20)
    assert (found.interval.unit, found.interval.n_groups) == ("video", 3)
    pairs = maker("mer2026-prefer")
    found = score(pairs.track, pairs.write(), pairs.truth, n_draws=20)
    assert (found.interval.unit, found.interval.n_groups) == ("name", 6)


def test_rows_that_are_marked_as_not_annotated_are_left_out(maker) -> None:
    m = maker("abaw6-va")
    lines = m.truth.read_text().splitlines()
    lines[2] = lines[2].split(",")[0] + ",-5,0.5"
    m.truth.write_text("\n".join(lines) + "\n")
    found = score(m.track, m.write(), m.truth, n_draws=20)
    assert (found.n, found.n_unannotated) == (11, 1)
    assert "1 rows of the truth are marked" in found.notes[0]
    m.truth.write_text("\n".join([lines[0], lines[2]]) + "\n")
    with pytest.raises(SubmissionError) as raised:
        score(m.track, m.write(), m.truth)
    assert raised.value.code == "MER-S163"


def test_expressions_may_be_annotated_by_name_or_by_code(maker) -> None:
    from sklearn.metrics import f1_score as f1

    m = maker("abaw6-expr")
    names = m.track.targets[0].classes
    rng = np.random.default_rng(0)
    true = rng.integers(0, 8, 12)
    frames = [row[0] for row in m.rows[1:]]
    said = [int(row[1]) for row in m.rows[1:]]
    values = []
    for cells in (map(str, true), (names[i] for i in true)):
        table(m.truth, {"image_location": frames, "expression": list(cells)})
        values.append(score(m.track, m.write(), m.truth, n_draws=20).value)
    assert values == [pytest.approx(f1(true, said, average="macro", zero_division=0), abs=1e-12)] * 2
    m.truth.write_text("name,frame,expression\nclip0,1,-1\nclip0,2,1\nclip0,3,Disgust\n")
    assert score(m.track, m.write(), m.truth, n_draws=20).metrics["accuracy"] == 1.0


def test_parts_are_what_the_metric_is_the_mean_of(maker) -> None:
    m = maker("abaw6-au", 40)
    rows = [list(row) for row in m.rows]
    for row in rows[1:20]:
        row[3] = "1"
    found = score(m.track, m.write(m.text(rows)), m.truth, n_draws=20)
    parts = found.parts["au_f1"]
    assert list(parts) == [t.name for t in m.track.targets]
    assert np.mean(list(parts.values())) == pytest.approx(found.value, abs=1e-12)
    assert parts["AU4"] < 1.0 == parts["AU1"]


def test_a_truth_that_covers_only_some_candidates_is_told(multi) -> None:
    lines = multi.truth.read_text().splitlines(keepends=True)
    multi.truth.write_text("".join(lines[:-2]))
    track = get_track("mer2023-semi")
    found = score(track, multi.write(), multi.truth, candidates=multi.candidates, n_draws=20)
    (warning,) = [p for p in found.warnings if p.code == "MER-S160"]
    assert "10 of 12 candidates" in warning.found


def test_undefined_numbers_stay_so_in_reference_and_are_zero_in_strict_mode(fine) -> None:
    wrong = fine.text([fine.rows[0], *[[row[0], "xyzzy"] for row in fine.rows[1:]]])
    reference = score(fine.track, fine.write(wrong), fine.truth, n_draws=20)
    assert np.isnan(reference.value)
    assert reference.as_json()["metrics"]["ew2025_f1"] is None
    strict = score(fine.track, fine.write(wrong), fine.truth, n_draws=20, mode="strict")
    assert strict.value == 0.0
    assert any("strict" in note for note in strict.notes)


def test_scores_say_which_wheels_they_were_made_with(fine) -> None:
    found = score(fine.track, fine.write(), fine.truth, n_draws=20)
    assert "not official" in found.resources["wheels"]
    assert any("not official" in note for note in found.notes)


def test_groups_are_asked_for_where_they_are_needed(maker, tmp_path: Path) -> None:
    m = maker("mer2024-ov")
    with pytest.raises(SubmissionError) as raised:
        score(m.track, m.write(), m.truth)
    assert raised.value.code == "MER-S162"
    groups = groups_for(m, tmp_path)
    groups.write_text("".join(groups.read_text().splitlines(keepends=True)[:-2]))
    found = score(m.track, m.write(), m.truth, groups=groups, n_draws=20)
    assert found.n == 10
    assert "MER-S161" in {p.code for p in found.warnings}


def test_a_predicted_tie_counts_as_the_first_description(maker) -> None:
    m = maker("mer2026-prefer")
    rows = [list(row) for row in m.rows]
    for row in rows[1:]:
        row[3] = "same" if row[3] == "a1" else row[3]
    found = score(m.track, m.write(m.text(rows)), m.truth, n_draws=20)
    assert found.value == 1.0
    assert found.metrics["prefer_accuracy3"] == 0.5
    rows[1][3] = "tie"
    with pytest.raises(SubmissionError) as raised:
        score(m.track, m.write(m.text(rows)), m.truth)
    assert raised.value.code == "MER-S082"
