"""The frame around all verbs: exit codes, errors as one paragraph or as JSON, nearest words."""

import json
from pathlib import Path

import pytest

from mertools import cli


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = cli.main(list(words))
    out = capsys.readouterr()
    return code, out.out, out.err


def test_overview_names_every_verb(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "--help")
    assert code == 0
    assert all(f"  {verb}" in out for verb in cli.verbs())


def test_no_verb_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys)
    assert code == 2
    assert "mertools VERB" in out


def test_unknown_verb_suggests_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "lst")
    assert (code, out) == (2, "")
    assert "MER-R010" in err
    assert "Did you mean 'list'?" in err


def test_unknown_option_suggests_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, "list", "tracks", "--jsn")
    assert code == 2
    assert "MER-R011" in err
    assert "'--json'" in err


def test_error_as_json_is_one_document(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "list", "planets", "--json")
    assert code == 2
    error = json.loads(out)["error"]
    assert error["code"] == "MER-R012"
    assert set(error) == {"code", "message", "hint"}
    assert "Traceback" not in err


def test_debug_lets_the_traceback_through() -> None:
    with pytest.raises(cli.ConfigError):
        cli.main(["list", "planets", "--debug"])


@pytest.mark.parametrize("things", ["extractors", "models", "tracks", "corpora", "metrics"])
def test_list_json_has_the_contracted_keys(things: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "list", things, "--json")
    assert code == 0
    found = json.loads(out)
    assert found
    assert all({"name", "available", "licence"} <= set(entry) for entry in found)


def test_list_with_a_pattern_that_matches_nothing_is_not_fine(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "list", "tracks", "nothing-*")
    assert code == 1
    assert "nothing-*" in out


@pytest.mark.parametrize(
    ("problem", "code"),
    [
        (OSError(28, "No space left on device", "out.csv"), "MER-O002"),
        (FileNotFoundError(2, "No such file", "gone.csv"), "MER-O004"),
        (PermissionError(13, "Permission denied", "locked.csv"), "MER-O003"),
    ],
)
def test_operating_system_errors_are_one_paragraph(
    problem: OSError, code: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(words: list[str], as_json: bool) -> int:
        raise problem

    monkeypatch.setattr(cli, "_dispatch", fail)
    assert cli.main(["list", "tracks"]) == 2
    err = capsys.readouterr().err
    assert code in err
    assert Path(problem.filename).name in err


def test_what_nobody_foresaw_is_one_paragraph_and_one_document(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(words: list[str], as_json: bool) -> int:
        raise KeyError("targets")

    monkeypatch.setattr(cli, "_dispatch", fail)
    code, out, err = run(capsys, "list", "tracks", "--json")
    assert code == 2
    assert json.loads(out)["error"]["code"] == "MER-O099"
    assert "KeyError: 'targets'" in err
    assert "Traceback" not in err
    with pytest.raises(KeyError):
        cli.main(["list", "tracks", "--debug"])


def test_an_interruption_is_a_document_too(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def stop(words: list[str], as_json: bool) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "_dispatch", stop)
    code, out, err = run(capsys, "list", "tracks", "--json")
    assert code == cli.INTERRUPTED
    assert json.loads(out)["error"]["code"] == "MER-O098"
    assert "everything reported done is kept" in err


@pytest.mark.parametrize(("pattern", "near"), [("hog", "*hog*"), ("face/hgo", "face/hog")])
def test_list_suggests_what_would_be_found(pattern: str, near: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "list", "extractors", pattern)
    assert code == 1
    assert f"Did you mean '{near}'?" in out
