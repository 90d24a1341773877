"""The verb: exit codes, JSON, words; and real clips, where they are at hand."""

import csv
import json
import os
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest

from mertools.cli import main
from mertools.corpora import prepare
from mertools.corpora.fakes import fake_video, fake_wav
from mertools.media import read_frames


@pytest.fixture
def road(tmp_path):
    """A corpus of three clips and a folder of noise."""
    raw = tmp_path / "raw"
    for index in range(2):
        fake_wav(raw / f"clip{index}.wav", pitch_hz=200 + 50 * index)
        fake_video(raw / f"clip{index}.mp4", shade=40 * index)
    fake_wav(raw / "voice.wav", pitch_hz=180)
    fake_wav(tmp_path / "noise" / "n.wav", seconds=0.5, pitch_hz=777)
    prepare("folder", raw, tmp_path / "corpus")
    return tmp_path


def call(capsys, road, *words, noise=True):
    """Exit code, stdout and stderr of one command."""
    options = ["--noise", str(road / "noise")] if noise else []
    code = main(["corrupt", str(road / "corpus"), "--out", str(road / "out"), *options, *words])
    return code, *capsys.readouterr()


def test_summary_as_json_and_in_words(capsys, road):
    code, out, _ = call(capsys, road, "--seed", "4", "--json")
    document = json.loads(out)
    assert code == 0
    assert {k: document[k] for k in ("clips", "done", "skipped", "failed")} == {
        **{"clips": 3, "done": 3, "skipped": 0},
        "failed": [],
    }
    assert document["seconds"] > 0
    code, out, _ = call(capsys, road, "--seed", "4")
    assert code == 0
    assert "3 clips: 0 done, 3 were done already, 0 failed" in out
    with (road / "out" / "clips.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["seed"] for row in rows} == {"4"}
    assert all(row["snr_db"] in ("5", "6", "7", "8", "9", "10") for row in rows)


def test_options_reach_the_clips(capsys, road):
    assert call(capsys, road, "--snr", "15", "--blur", "2", "--split", "train", "--audio", "aac")[0] == 0
    with (road / "out" / "clips.csv").open(newline="") as file:
        rows = {row["name"]: row for row in csv.DictReader(file)}
    assert {row["snr_db"] for row in rows.values()} == {"15"}
    assert (rows["clip0"]["blur"], rows["voice"]["blur"]) == ("2", "")
    assert (rows["clip0"]["audio"], rows["voice"]["audio"]) == ("", "media/voice.wav")


def test_bad_clips_are_named_and_make_exit_code_1(capsys, road):
    (road / "raw" / "clip0.mp4").write_bytes(b"no film")
    code, out, _ = call(capsys, road)
    assert code == 1
    assert "clip0: decode_error  MER-M003" in out
    code, out, _ = call(capsys, road, "--json")
    assert code == 1
    (failed,) = json.loads(out)["failed"]
    assert (failed["name"], failed["status"]) == ("clip0", "decode_error")
    assert "clip0.mp4" in failed["reason"]


@pytest.mark.parametrize(("words", "code"), [
    (["--snr", "five"], "MER-C351"),
    (["--blur", "3"], "MER-C352"),
    (["--audio-only", "--blur-only"], "MER-R012"),
    (["--split", "tarin"], "MER-C002"),
    (["--workers", "-2"], "MER-C362"),
    (["--sed", "1"], "MER-R011"),
    (["--seed", "one"], "MER-R012"),
])  # fmt: skip
def test_wrong_input_is_one_paragraph_with_a_code(capsys, road, words, code):
    found, out, err = call(capsys, road, *words)
    assert found == 2
    assert err.startswith(code)
    assert out == ""
    assert not (road / "out").exists()


def test_noise_is_needed_unless_only_blur_is_asked_for(capsys, road):
    code, _, err = call(capsys, road, noise=False)
    assert (code, err[:8]) == (2, "MER-C361")
    assert call(capsys, road, "--blur-only", noise=False)[0] == 0


def test_terms_are_respected(capsys, road):
    header = road / "corpus" / "corpus.yaml"
    header.write_text(header.read_text().replace("licence: unknown", "licence: MER EULA\n  may_edit: false"))
    code, _, err = call(capsys, road)
    assert (code, err[:8]) == (2, "MER-C350")
    assert "may_edit: true" in err


def test_ctrl_c_says_how_to_go_on(road):
    long = fake_video(road / "raw" / "long0.mp4", n_frames=150, side=192)
    for index in range(1, 80):
        shutil.copy(long, road / "raw" / f"long{index}.mp4")
    prepare("folder", road / "raw", road / "corpus")
    command = [sys.executable, "-m", "mertools.cli", "corrupt", str(road / "corpus"), "--noise", str(road / "noise")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    child = subprocess.Popen(
        [*command, "--out", str(road / "out"), "--blur", "2"],
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        start_new_session=True,
    )
    journal = road / "out" / "corruption.jsonl"
    while child.poll() is None and not (journal.exists() and journal.read_bytes().endswith(b"\n")):
        pass
    child.send_signal(signal.SIGINT)
    said = child.communicate()[1]
    assert child.returncode == 130
    assert "Run the same command to continue" in said
    assert "Traceback" not in said
    assert not list((road / "out" / "media").glob(".*"))


@pytest.mark.slow
def test_real_clips_keep_frames_times_and_ratio(capsys, tmp_path, real_data):
    raw = tmp_path / "raw"
    raw.mkdir()
    sources = [p for p in sorted((real_data / "clips").iterdir()) if p.suffix in (".mpg", ".mov", ".mp4")][::4]
    for source in sources:
        (raw / source.name).symlink_to(source)
    prepare("folder", raw, tmp_path / "corpus")
    words = ["--noise", str(real_data / "emodb"), "--out", str(tmp_path / "out"), "--blur", "1,2"]
    assert main(["corrupt", str(tmp_path / "corpus"), *words]) == 0
    capsys.readouterr()
    with (tmp_path / "out" / "clips.csv").open(newline="") as file:
        rows = {row["name"]: row for row in csv.DictReader(file)}
    assert any(row["snr_db"] for row in rows.values())
    for source in sources:
        row = rows[source.stem]
        if row["snr_db"]:
            assert abs(float(row["snr_db"]) - float(row["measured_snr_db"])) < 0.01
        before, after = read_frames(source), read_frames(tmp_path / "out" / row["video"])
        assert before.pixels.shape == after.pixels.shape
        np.testing.assert_allclose(before.times_s, after.times_s, atol=2e-3)
