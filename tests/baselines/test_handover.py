"""A handover rebuilds its submission to the byte, in a fresh process, and carries nothing of the machine."""

import csv
import hashlib
import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from baselines import train
from baselines.ablations import compared
from baselines.environment import installed_packages, portable
from baselines.handover import check, rebuild
from baselines.runs import Run
from mertools import cli
from mertools.corpus import Corpus
from mertools.errors import TrainingError

FACE, AUDIO = "face/made-up", "audio/made-up"
ROOT = Path(__file__).parents[2]


def hand_over(run: Run, corpus: Corpus, out: Path, *more: str) -> int:
    return cli.main(["handover", str(run.folder), "--corpus", str(corpus.folder), "--out", str(out), *more])


def rebuilt(folder: Path) -> "subprocess.CompletedProcess[str]":
    """``python rebuild.py`` somewhere else, without the corpus."""
    return subprocess.run(
        [sys.executable, str(folder / "rebuild.py")],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        cwd=folder.parent,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
def test_a_fresh_process_rebuilds_predictions_and_upload_to_the_byte(
    corpus: Corpus, fast: dict[str, Any], tmp_path: Path
) -> None:
    run = train(
        corpus,
        [FACE, AUDIO],
        "attention",
        tmp_path / "run",
        track="mer2023-multi",
        test_splits="test1",
        repeats=2,
        **fast,
    )
    original = (run.folder / "predictions" / "test1.csv").read_bytes()
    names = tmp_path / "candidates.csv"
    names.write_text("name\n" + "\n".join(clip.name for clip in corpus.select(["test1"])) + "\n")
    words = ["submission", "package", str(run.folder / "predictions" / "test1.csv"), "--track", "mer2023-multi"]
    assert cli.main([*words, "--candidates", str(names), "--out", str(tmp_path / "upload")]) == 0
    (upload,) = [p for p in (tmp_path / "upload").iterdir() if p.suffix in (".csv", ".zip")]
    out = tmp_path / "for the organiser.zip"
    assert hand_over(run, corpus, out, "--candidates", str(names)) == 0
    zipfile.ZipFile(out).extractall(tmp_path / "there")
    (folder,) = (tmp_path / "there").iterdir()
    assert (folder / "predictions" / "test1.csv").read_bytes() == original
    assert (folder / "submission" / upload.name).read_bytes() == upload.read_bytes()
    shutil.rmtree(corpus.folder)
    shutil.rmtree(run.folder)
    found = rebuilt(folder)
    assert found.returncode == 0, found.stderr
    assert found.stdout.count("equal") == 2
    assert "DIFFERS" not in found.stdout


def test_nothing_of_the_machine_no_media_and_no_labels(run: Run, corpus: Corpus, tmp_path: Path) -> None:
    assert hand_over(run, corpus, tmp_path / "out") == 0
    parts = [part for part in (str(tmp_path), str(corpus.folder), str(Path.home())) if len(part) > 5]
    files = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    for path in files:
        content = path.read_bytes()
        for part in parts:
            assert part.encode() not in content, path
    assert not [p for p in files if p.suffix in (".mp4", ".wav", ".png", ".jpg")]
    assert not (tmp_path / "out" / "labels.csv").exists()
    trained = {clip.name for clip in corpus.select(["train"])}
    assert not [p for p in files if p.suffix == ".csv" and any(name in p.read_text() for name in trained)]


def test_labels_come_along_when_asked_for(run: Run, corpus: Corpus, tmp_path: Path) -> None:
    assert hand_over(run, corpus, tmp_path / "out", "--with-labels") == 0
    rows = list(csv.DictReader((tmp_path / "out" / "labels.csv").open()))
    assert {row["name"]: row["discrete"] for row in rows} == {
        clip.name: clip.cells["discrete"] for clip in corpus.select(["train"])
    }


def test_everything_has_its_sum_and_a_change_is_noticed(run: Run, corpus: Corpus, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert hand_over(run, corpus, out) == 0
    told = dict(reversed(line.split("  ")) for line in (out / "SHA256SUMS").read_text().splitlines())
    files = {p.relative_to(out).as_posix(): p for p in out.rglob("*") if p.is_file() and p.name != "SHA256SUMS"}
    assert told == {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in files.items()}
    assert check(out) == []
    assert all(r.equal for r in rebuild(out, tmp_path / "again"))
    member = next((out / "run" / "checkpoints").glob("*.safetensors"))
    content = bytearray(member.read_bytes())
    content[-1] ^= 1
    member.write_bytes(content)
    with pytest.raises(TrainingError, match="has changed") as found:
        rebuild(out, tmp_path / "again")
    assert found.value.code == "MER-T134"


def test_the_zip_is_the_same_bytes_each_time(run: Run, corpus: Corpus, tmp_path: Path) -> None:
    for name in ("a", "b"):
        assert hand_over(run, corpus, tmp_path / name / "x.zip") == 0
    assert (tmp_path / "a" / "x.zip").read_bytes() == (tmp_path / "b" / "x.zip").read_bytes()


def test_predictions_that_were_changed_since_are_told(run: Run, corpus: Corpus, tmp_path: Path) -> None:
    path = run.folder / "predictions" / "test1.csv"
    path.write_text(path.read_text().replace("clip072", "clip072", 1).replace("sad", "happy"))
    assert hand_over(run, corpus, tmp_path / "out") == 1
    assert "test1" in json.loads((tmp_path / "out" / "handover.json").read_text())["differing"]


@pytest.mark.slow
def test_ablations_leave_each_space_out_with_the_same_settings(run: Run, corpus: Corpus, tmp_path: Path) -> None:
    alone = train(
        corpus, [FACE], "attention", tmp_path / "alone", target=["discrete", "valence"], **(run.recipe.options or {})
    )
    assert hand_over(run, corpus, tmp_path / "out", "--ablate", "--ablations", str(alone.folder)) == 0
    entries = json.loads((tmp_path / "out" / "ablations.json").read_text())
    left_out = [entry["left_out"][0].split("@")[0] for entry in entries]
    assert left_out == [FACE, AUDIO, AUDIO]
    assert entries[1]["metrics"] == pytest.approx(alone.metrics["metrics"], abs=1e-12)
    assert entries[1] == entries[2]
    own = compared(run, alone, corpus)["difference"]
    assert own["value"] == pytest.approx(alone.metrics["ensemble"]["waf"] - run.metrics["ensemble"]["waf"], abs=1e-9)
    assert "| audio/made-up@" in (tmp_path / "out" / "README.md").read_text()


def test_environment_lists_packages_without_addresses() -> None:
    found = installed_packages()
    assert any(line.startswith("numpy==") for line in found)
    assert not [line for line in found if "://" in line or "@" in line or "/" in line]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("/home/ann/store", "store"),
        ("C:\\data\\hub", "hub"),
        ("audio/hubert:weights=/data/my-hub", "audio/hubert:weights=my-hub"),
        ("https://huggingface.co/a/b", "https://huggingface.co/a/b"),
        ("face/clip@ab12", "face/clip@ab12"),
        (["/a/b", {"k": "/c/d"}], ["b", {"k": "d"}]),
    ],
)
def test_paths_are_cut_down_to_their_last_part(value: Any, expected: Any) -> None:
    assert portable(value) == expected


def test_wrong_wishes_are_refused_and_leave_nothing(
    run: Run, corpus: Corpus, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert hand_over(run, corpus, tmp_path / "out", "--split", "nowhere") == 2
    assert hand_over(run, corpus, tmp_path / "out", "--members", "9") == 2
    assert "MER-T115" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    with pytest.raises(TrainingError) as found:
        rebuild(tmp_path, tmp_path / "again")
    assert found.value.code == "MER-T133"
