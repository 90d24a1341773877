"""The made examples are valid, are what package makes, and can be scored, for every track."""

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest

from mertools.cli import main
from mertools.tracks import TRACKS

FOLDER = Path(__file__).parents[2] / "examples" / "submissions"


@pytest.fixture(scope="module")
def maker() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_submissions", FOLDER / "make.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(params=TRACKS.names())
def track(request: pytest.FixtureRequest) -> str:
    return request.param


def upload_of(track: str) -> Path:
    known = {"predictions.csv", "candidates.csv", "truth.csv", "groups.jsonl"}
    (upload,) = [path for path in (FOLDER / track).iterdir() if path.name not in known]
    return upload


def call(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, dict]:
    code = main(["submission", *map(str, words), "--json"])
    return code, json.loads(capsys.readouterr().out)


def test_there_is_an_example_for_every_track_and_no_other() -> None:
    assert sorted(path.name for path in FOLDER.iterdir() if path.is_dir()) == sorted(TRACKS.names())


def test_the_script_makes_the_examples_byte_for_byte(track: str, maker: ModuleType, tmp_path: Path) -> None:
    maker.make(TRACKS.get(track), tmp_path / track)
    made = {path.name: path.read_bytes() for path in (tmp_path / track).iterdir()}
    assert made == {path.name: path.read_bytes() for path in (FOLDER / track).iterdir()}


def test_predictions_and_upload_are_valid(track: str, capsys: pytest.CaptureFixture[str]) -> None:
    listed = ("--track", track, "--candidates", FOLDER / track / "candidates.csv")
    for file in (FOLDER / track / "predictions.csv", upload_of(track)):
        code, document = call(capsys, "validate", file, *listed)
        assert (code, document["valid"]) == (0, True)
    assert [p for p in document["problems"] if p["severity"] == "error"] == []


def test_predictions_are_packaged_to_the_upload(
    track: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MERTOOLS_LEDGER", raising=False)
    folder, out = FOLDER / track, tmp_path / upload_of(track).name
    words = (folder / "predictions.csv", "--track", track, "--candidates", folder / "candidates.csv", "--out", out)
    code, document = call(capsys, "package", *words)
    assert (code, document["rows"]) == (0, 8)
    assert out.read_bytes() == upload_of(track).read_bytes()


def test_predictions_and_upload_have_the_same_score(
    track: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MERTOOLS_WHEELS", raising=False)
    folder = FOLDER / track
    truth = ["--track", track, "--truth", folder / "truth.csv"]
    if TRACKS.get(track).scorer is None:
        (tmp_path / "t.csv").write_text("name\nclip_0\n")
        code, document = call(capsys, "score", upload_of(track), "--track", track, "--truth", tmp_path / "t.csv")
        assert (code, document["error"]["code"]) == (2, "MER-S076")
        return
    groups = ["--groups", folder / "groups.jsonl"] if (folder / "groups.jsonl").exists() else []
    found = [call(capsys, "score", file, *truth, *groups) for file in (folder / "predictions.csv", upload_of(track))]
    assert [code for code, _ in found] == [0, 0]
    assert found[0][1]["metrics"] == found[1][1]["metrics"]
    assert found[0][1]["n"] == 8
