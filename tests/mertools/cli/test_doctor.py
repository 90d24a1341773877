"""``mertools doctor``: the document, the verdict, and agreement with the package metadata."""

import configparser
import json
from pathlib import Path

import pytest

from mertools.cli import doctor, main

SETUP = Path(__file__).parents[3] / "setup.cfg"


def test_json_lists_checks_and_the_verdict(capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["doctor", "--json"])
    document = json.loads(capsys.readouterr().out)
    assert code == (0 if document["ok"] else 1)
    assert {"room", "name", "state", "found", "mend"} == set(document["checks"][0])
    rooms = {check["room"] for check in document["checks"]}
    assert {"machine", "torch", "packages", "media", "weights", "extras"} <= rooms
    assert document["ok"] == (not any(check["state"] == "broken" for check in document["checks"]))


def test_what_is_absent_or_broken_comes_with_a_mend(capsys: pytest.CaptureFixture[str]) -> None:
    main(["doctor", "--json"])
    for check in json.loads(capsys.readouterr().out)["checks"]:
        if check["room"] == "extras" and check["state"] == "absent":
            assert check["mend"] == f"pip install 'mertools[{check['name']}]'"
        if check["state"] == "broken":
            assert check["mend"]


def test_missing_core_package_is_broken_with_its_install_command() -> None:
    checks = list(doctor.packages(("numpy", "mertools_no_such_module")))
    assert [check.state for check in checks] == ["ok", "broken"]
    assert checks[1].mend == "pip install mertools_no_such_module"


def test_a_broken_check_makes_the_exit_code_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(doctor, "CORE", ("mertools_no_such_module",))
    assert main(["doctor", "--json"]) == 1
    assert not json.loads(capsys.readouterr().out)["ok"]


def test_old_python_is_broken() -> None:
    assert doctor._python((3, 10, 1)).state == "broken"
    assert doctor._python((3, 11, 0)).state == "ok"


def test_a_folder_that_may_not_be_written_is_broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(doctor.tempfile, "NamedTemporaryFile", refuse)
    writing = next(check for check in doctor.machine(tmp_path) if check.name == "writing")
    assert writing.state == "broken"
    assert "Permission denied" in writing.found


def test_extras_and_trio_agree_with_the_package_metadata() -> None:
    config = configparser.ConfigParser()
    config.read(SETUP)
    assert set(doctor.EXTRAS) == set(config["options.extras_require"])
    required = config["options"]["install_requires"]
    for name, wanted in doctor.TRIO.items():
        assert f"{name}>={wanted}," in required
    for module in doctor.CORE:
        assert doctor._pip(module).lower() in required.lower()
