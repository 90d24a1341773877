"""Runs that are killed or interrupted: what was reported done is there, and the rest comes out bit-equal."""

import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from feature_extractors import extract
from mertools.store import open_store

SCRIPT = """
import sys
sys.path.insert(0, sys.argv[1])
import extraction_fakes as fakes
from feature_extractors.engine import running
from mertools.cli import main

fakes.register()
fakes.announce = lambda name: print("embed", flush=True)
add = running.Progress.add

def told(progress, said):
    add(progress, said)
    if hasattr(said, "n_rows"):
        print("done", said.n_rows, flush=True)

running.Progress.add = told
sys.exit(main(sys.argv[2:]))
"""


def start(corpus, names, store, *options):
    here = str(Path(__file__).parent)
    words = ["extract", str(corpus.folder), "--with", ",".join(names), "--store", str(store), "--device", "cpu"]
    command = [sys.executable, "-c", SCRIPT, here, *words, *options]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def run_until(process, n_lines):
    """Read so many lines of what a process says, and return them."""
    return [line for _ in range(n_lines) if (line := process.stdout.readline())]


@pytest.fixture
def large(tmp_path, fakes):
    """Enough clips for several groups of the size that the command line plans."""
    return fakes.make_corpus(tmp_path / "large", n_clips=100)


@pytest.fixture
def whole(large, new_store, fakes):
    """The contents of an uninterrupted run."""
    store = new_store("whole")
    extract(large, fakes.names_of(large), store, device="cpu", quiet=True)
    return fakes.contents(store)


def check_resume(large, fakes, path, whole):
    """Whatever is there is right; after another run everything is there, bit for bit, and nothing was done twice."""
    with open_store(path, create=True) as store:
        kept = fakes.contents(store)
        assert kept.items() <= whole.items()
        again = extract(large, fakes.names_of(large), store, device="cpu", quiet=True)
        assert again.rows == len(whole) - len(kept)
        assert fakes.contents(store) == whole
    return len(kept)


@pytest.mark.slow
def test_after_kill_9_at_any_moment_a_second_run_completes_bit_for_bit(large, tmp_path, fakes, whole):
    chance = random.Random(20240501)
    n_lines = 60
    for attempt in range(5):
        path = tmp_path / f"killed{attempt}"
        process = start(large, fakes.names_of(large), path, "--flush", "0")
        said = run_until(process, chance.randint(1, n_lines))
        process.kill()
        said += process.stdout.read().splitlines(keepends=True)
        process.communicate()
        done = [int(line.split()[1]) for line in said if line.startswith("done")]
        assert check_resume(large, fakes, path, whole) >= sum(done)


@pytest.mark.slow
def test_what_was_reported_done_survives_kill_9(large, tmp_path, fakes, whole):
    """Killed right after the first report, the rows of the first group (all texts) are in the store."""
    path = tmp_path / "killed"
    process = start(large, ["text/batchy"], path, "--flush", "0")
    while not (line := process.stdout.readline()).startswith("done"):
        assert line
    process.kill()
    process.communicate()
    with open_store(path) as store:
        assert len(store.status("text/batchy")) >= 25


@pytest.mark.slow
def test_ctrl_c_keeps_what_is_complete_and_leaves_cleanly(large, tmp_path, fakes, whole):
    path = tmp_path / "stopped"
    process = start(large, fakes.names_of(large), path, "--flush", "1000")
    assert len(run_until(process, 30)) == 30
    process.send_signal(signal.SIGINT)
    _, err = process.communicate()
    assert process.returncode == 130, err
    assert "Traceback" not in err
    assert "stopped" in err
    assert check_resume(large, fakes, path, whole) > 0
