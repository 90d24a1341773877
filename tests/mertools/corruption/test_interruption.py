"""Killed or interrupted in the middle: nothing that was done is lost, nothing torn stays, and the end is the same."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from mertools import Corpus
from mertools.media import read_frames

CHILD = Path(__file__).with_name("corrupting_child.py")
N_CLIPS = 6


@pytest.fixture(scope="module")
def many(make, tmp_path_factory) -> Corpus:
    raw, folder = tmp_path_factory.mktemp("raw"), tmp_path_factory.mktemp("corpus")
    for index in range(N_CLIPS):
        make.movie(raw / f"{index}.mkv", make.pictures(40, 96, 128, index), make.speech(1.6, index))
    return make.corpus(folder, [{"name": f"c{i}", "video": f"{i}.mkv"} for i in range(N_CLIPS)], raw)


@pytest.fixture(scope="module")
def undisturbed(many, noise, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("undisturbed") / "out"
    with start(many, noise, out) as child:
        child.communicate()
    return out


def start(corpus: Corpus, noise: Path, out: Path) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    command = [sys.executable, str(CHILD), str(corpus.folder), str(noise), str(out)]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, start_new_session=True
    )


def test_kill_in_the_middle_loses_nothing_and_leaves_nothing_torn(many, noise, make, undisturbed, tmp_path):
    out = tmp_path / "out"
    n_acknowledged = 0
    for n_lines in (1, 2):
        with start(many, noise, out) as child:
            for _ in range(n_acknowledged + n_lines):
                n_done = int(child.stdout.readline().split()[0])
            child.send_signal(signal.SIGKILL)
        assert child.returncode == -signal.SIGKILL
        n_acknowledged = max(n_acknowledged, n_done)
        assert not (out / "corpus.yaml").exists()
        for path in (out / "media").glob("[!.]*.mp4"):  # what has a name is whole
            assert len(read_frames(path)) == 40
    with start(many, noise, out) as child:
        lines = child.communicate()[0].split("\n")[:-1]
    n_done, n_skipped = map(int, lines[-1].split())
    assert n_done == N_CLIPS
    assert n_skipped >= n_acknowledged
    assert {p.name for p in (out / "media").iterdir()} == {p.name for p in (undisturbed / "media").iterdir()}
    for path in (undisturbed / "media").iterdir():
        assert (out / "media" / path.name).read_bytes() == path.read_bytes()
    assert (out / "clips.csv").read_bytes() == (undisturbed / "clips.csv").read_bytes()


@pytest.mark.slow
def test_interrupt_ends_cleanly_and_the_same_command_goes_on(many, noise, make, undisturbed, tmp_path):
    out = tmp_path / "out"
    with start(many, noise, out) as child:
        child.stdout.readline()
        child.send_signal(signal.SIGINT)
        _, said = child.communicate()
    assert child.returncode != 0
    assert "KeyboardInterrupt" in said
    assert not list((out / "media").glob(".*"))
    assert not (out / "corpus.yaml").exists()
    with start(many, noise, out) as child:
        child.communicate()
    assert make.manifest(out) == make.manifest(undisturbed)
