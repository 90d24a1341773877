"""``mertools submission`` as users and scripts call it."""

import json
from pathlib import Path

import pytest

from mertools.cli import main
from mertools.labels import MER_EMOTIONS

PROBLEM_KEYS = {"code", "severity", "row", "column", "found", "expected", "mend"}
GOOD = "name,discrete\n" + "".join(f"c{i},{MER_EMOTIONS[i % 6]}\n" for i in range(24))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "good.csv").write_text(GOOD)
    (tmp_path / "bad.csv").write_text(GOOD.replace("c1,angry", "c1,Angry").replace("surprise", "surprised", 1))
    (tmp_path / "worse.csv").write_text(GOOD.replace("c1,angry", "c1,joy"))
    (tmp_path / "candidates.csv").write_text("name\n" + "".join(f"c{i}\n" for i in range(24)))
    (tmp_path / "truth.csv").write_text(GOOD)
    return tmp_path


def call(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, dict]:
    code = main(["submission", *words, "--track", "mer2023-semi", "--json"])
    return code, json.loads(capsys.readouterr().out)


def test_validate_says_valid_with_exit_0_and_invalid_with_exit_1(folder: Path, capsys) -> None:
    assert call(capsys, "validate", "good.csv", "--candidates", "candidates.csv") == (
        0,
        {"valid": True, "problems": []},
    )
    code, document = call(capsys, "validate", "bad.csv", "--candidates", "candidates.csv")
    assert (code, document["valid"]) == (1, False)
    assert [(p["code"], p["row"], p["found"]) for p in document["problems"]] == [
        ("MER-S015", 3, "Angry"),
        ("MER-S014", 7, "surprised"),
    ]
    assert all(set(problem) == PROBLEM_KEYS for problem in document["problems"])


def test_fix_writes_a_copy_or_refuses(folder: Path, capsys) -> None:
    listed = ["--candidates", "candidates.csv", "--fix", "--out"]
    code, document = call(capsys, "validate", "bad.csv", *listed, "mended.csv")
    assert (code, document["valid"], len(document["mended"])) == (0, True, 2)
    assert (folder / "mended.csv").read_text() == GOOD
    code, document = call(capsys, "validate", "worse.csv", *listed, "refused.csv")
    assert (code, document["valid"]) == (1, False)
    assert not (folder / "refused.csv").exists()


def test_package_writes_the_upload_and_its_receipt(folder: Path, capsys) -> None:
    code, document = call(capsys, "package", "good.csv", "--candidates", "candidates.csv", "--out", "up.csv")
    assert (code, document["rows"], document["out"]) == (0, 24, "up.csv")
    assert (folder / "up.csv").read_text() == GOOD
    assert json.loads((folder / "up.csv.receipt.json").read_text())["sha256"] == document["sha256"]
    code, document = call(capsys, "package", "good.csv", "--candidates", "candidates.csv")
    assert (code, document["out"]) == (0, "mer2023-semi.csv")
    code, document = call(capsys, "package", "bad.csv", "--candidates", "candidates.csv", "--out", "no.csv")
    assert (code, document["valid"], len(document["problems"])) == (1, False, 2)
    assert not (folder / "no.csv").exists()


def test_score_prints_the_contract(folder: Path, capsys) -> None:
    code, document = call(capsys, "score", "good.csv", "--truth", "truth.csv", "--against", "good.csv")
    assert code == 0
    assert {"track", "n", "primary", "metrics", "interval", "interval_unit", "n_groups", "floors"} <= set(document)
    assert (document["n"], document["primary"], document["metrics"]["waf"]) == (24, "waf", 1.0)
    assert [(a["file"], a["p"], a["separable"]) for a in document["against"]] == [("good.csv", 1.0, False)]
    assert document["looks"] is None
    assert set(document["floors"]) == {"majority_class", "prior_draw", "shuffled"}


def test_the_text_forms_hold_the_numbers(folder: Path, capsys) -> None:
    assert main(["submission", "score", "good.csv", "--track", "mer2023-semi", "--truth", "truth.csv"]) == 0
    assert "waf = 1.0 on 24 clips" in capsys.readouterr().out
    assert main(["submission", "validate", "bad.csv", "--track", "mer2023-semi"]) == 1
    shown = capsys.readouterr().out
    assert "MER-S015  bad.csv, row 3 (c1), column discrete: found Angry." in shown
    assert "not valid, 3 errors" in shown


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["validate", "none.csv"], "MER-S010"),
        (["score", "good.csv"], "MER-S083"),
        (["score", "good.csv", "--truth", "truth.csv", "--out", "x"], "MER-S083"),
        (["score", "worse.csv", "--truth", "truth.csv"], "MER-S082"),
        (["validate", "good.csv", "--fix"], "MER-S083"),
        (["validate", "good.csv", "--candidates", "none.csv"], "MER-S010"),
        (["package", "good.csv", "--out", "x.txt"], "MER-S074"),
        (["bundle", "good.csv"], "MER-S083"),
        (["bundle", "--truth", "truth.csv"], "MER-S083"),
        (["dry-run", "good.csv"], "MER-S190"),
        (["ensemble", "good.csv", "--out", "e.csv"], "MER-S170"),
        (["ensemble", "good.csv", "bad.csv"], "MER-S083"),
        (["validate", "good.csv", "bad.csv"], "MER-S083"),
        (["validate", "good.csv", "--how", "vote"], "MER-S083"),
        (["score", "good.csv", "--truth", "truth.csv", "--ask"], "MER-S167"),
        (["ledger", "good.csv"], "MER-S083"),
        (["rate", "good.csv"], "MER-R012"),
    ],
)
def test_wrong_usage_and_bad_input_are_one_paragraph_with_exit_2(words, code, folder: Path, capsys) -> None:
    exit_code, document = call(capsys, *words)
    assert (exit_code, document["error"]["code"]) == (2, code)


def test_an_unknown_track_is_exit_2_with_the_nearest(folder: Path, capsys) -> None:
    assert main(["submission", "validate", "good.csv", "--track", "mer2023-sem", "--json"]) == 2
    assert "Did you mean 'mer2023-semi'" in json.loads(capsys.readouterr().out)["error"]["message"]


def test_reports_for_people_cannot_be_formulas_or_escape_codes(folder: Path, capsys) -> None:
    (folder / "evil.csv").write_text("name,discrete\nc0,=cmd|x\nc1,\x1b[31msad\n")
    main(["submission", "validate", "evil.csv", "--track", "mer2023-semi"])
    shown = capsys.readouterr().out
    assert "found '=cmd|x" in shown
    assert "\x1b" not in shown
    _, document = call(capsys, "validate", "evil.csv")
    assert "=cmd|x" in {problem["found"] for problem in document["problems"]}


def test_gaps_that_cannot_be_told_apart_are_called_not_separable(folder: Path, capsys) -> None:
    near = GOOD.replace("c3,sad", "c3,happy")
    (folder / "near.csv").write_text(near)
    assert near != GOOD
    words = ["submission", "score", "good.csv", "--track", "mer2023-semi", "--truth", "truth.csv"]
    assert main([*words, "--against", "near.csv", "good.csv"]) == 0
    shown = capsys.readouterr().out
    assert shown.count("; not separable") == 2
    assert "after Holm" in shown


def test_a_bundle_is_made_and_rehearsed(folder: Path, capsys) -> None:
    code, document = call(capsys, "bundle", "--truth", "truth.csv", "--out", "b")
    assert code == 0
    assert set(document["sha256"]) == {"scoring_program.zip", "reference_data.zip"}
    code, document = call(capsys, "dry-run", "good.csv", "--bundle", "b")
    assert (code, document["equal"], document["scores"]["waf"]) == (0, True, 1.0)
    assert main(["submission", "dry-run", "good.csv", "--track", "mer2023-semi", "--truth", "truth.csv"]) == 0
    assert "equal to `submission score`" in capsys.readouterr().out


def test_files_are_put_together_and_packaged(folder: Path, capsys) -> None:
    (folder / "other.csv").write_text(GOOD.replace("c3,sad", "c3,happy"))
    code, document = call(capsys, "ensemble", "other.csv", "good.csv", "good.csv", "--out", "e.csv")
    assert (code, document["rows"], document["ties"]) == (0, 24, 0)
    code, _ = call(capsys, "package", "e.csv", "--candidates", "candidates.csv", "--out", "up.csv")
    assert code == 0
    assert (folder / "up.csv").read_text() == GOOD


def test_the_ledger_and_the_looks_are_shown(folder: Path, capsys, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MERTOOLS_LEDGER", raising=False)
    kept = ["--ledger", "l"]
    code, document = call(
        capsys, "package", "good.csv", "--candidates", "candidates.csv", "--out", "u.csv", "--truth", "truth.csv", *kept
    )
    assert (code, document["score"], document["packaged"], document["left"]) == (0, 1.0, 1, 19)
    _, document = call(capsys, "score", "good.csv", "--truth", "truth.csv", *kept)
    assert document["looks"] == 2
    _, document = call(capsys, "ledger", *kept)
    assert (document["packaged"], document["limit"], document["left"], document["looks"]) == (1, 20, 19, 2)
    assert main(["submission", "score", "good.csv", "--track", "mer2023-semi", "--truth", "truth.csv", *kept]) == 0
    assert "this truth has been looked at 3 times here" in capsys.readouterr().out
    assert main(["submission", "ledger", "--track", "mer2023-semi", *kept]) == 0
    assert "19 uploads left if every packaged file is sent" in capsys.readouterr().out
    _, document = call(capsys, "ledger", "--ledger", "nowhere")
    assert (document["packaged"], document["events"]) == (0, [])
