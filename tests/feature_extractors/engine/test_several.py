"""Several worker processes over one queue: the same rows as one worker makes, whatever dies meanwhile."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from feature_extractors import extract
from feature_extractors.engine import running
from feature_extractors.engine.report import Beat, Kept, TaskReport
from mertools.errors import ExtractionError
from mertools.store import open_store

OPTIONS = {"group_clips": 3, "quiet": True, "device": "cpu", "flush_s": 0.0, "decoders": 1}


@pytest.fixture(autouse=True)
def _importable(monkeypatch):
    """Worker processes find the fakes where this process does."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent))


@pytest.fixture
def told(monkeypatch):
    """Everything that is said to the progress line."""
    said = []
    add = running.Progress.add
    monkeypatch.setattr(running.Progress, "add", lambda self, one: (said.append(one), add(self, one)))
    return said


def test_extractors_without_torch_share_the_queue_too(corpus, store, new_store, fakes, told):
    extract(corpus, ["text/solo"], store, **{**OPTIONS, "group_clips": 1})
    told.clear()
    several = new_store("several")
    assert extract(corpus, ["text/solo"], several, workers=2, **{**OPTIONS, "group_clips": 1}).rows == 12
    assert fakes.contents(several) == fakes.contents(store)
    kinds = [type(one) for one in told]
    assert (kinds.count(Beat), kinds.count(Kept), kinds.count(TaskReport)) == (12, 12, 3)


@pytest.mark.slow
def test_the_rows_are_those_of_one_worker_bit_for_bit(corpus, store, new_store, fakes, told):
    names = fakes.names_of(corpus)
    extract(corpus, names, store, **OPTIONS)
    told.clear()
    several = new_store("several")
    summary = extract(corpus, names, several, workers=3, **OPTIONS)
    assert fakes.contents(several) == fakes.contents(store)
    assert (summary.rows, summary.status) == (36, {"ok": 35, "no_text": 1})
    media = [one for one in told if isinstance(one, Beat | Kept)]
    assert len([one for one in media if isinstance(one, Beat)]) == len([one for one in media if isinstance(one, Kept)])
    assert sum(one.n_rows for one in told if isinstance(one, TaskReport)) == 36
    assert extract(corpus, names, several, workers=3, **OPTIONS).rows == 0


@pytest.mark.slow
@pytest.mark.parametrize("lives", [1, 2])
def test_a_worker_that_is_killed_costs_no_row_and_makes_none_twice(
    corpus, store, new_store, fakes, tmp_path, told, lives
):
    extract(corpus, ["text/deadly"], store, **OPTIONS)
    assert store.status("text/deadly")["clip05"] == ("ok", "")
    (tmp_path / "grave").mkdir()
    told.clear()
    killed = new_store("killed")
    # f is the last letter of clip05 alone
    name = f"text/deadly:letter=f:lives={lives}:grave={tmp_path / 'grave'}"
    summary = extract(corpus, [name], killed, workers=2, **OPTIONS)
    assert len(list((tmp_path / "grave").iterdir())) == lives
    assert fakes.contents(killed) == fakes.contents(store)
    assert summary.rows == 12
    assert sum(isinstance(one, Beat) for one in told) == sum(isinstance(one, Kept) for one in told) == 12
    shards = [len(killed.index.rows_of_shard(number)) for number in killed.index.shards()]
    assert sum(shards) == 12


@pytest.mark.slow
def test_a_clip_over_which_workers_die_again_and_again_is_named_when_the_others_are_done(
    corpus, store, fakes, tmp_path
):
    (tmp_path / "grave").mkdir()
    name = f"text/deadly:letter=f:lives=99:grave={tmp_path / 'grave'}"
    with pytest.raises(ExtractionError, match=r"[89] clips") as caught:
        extract(corpus, [name], store, workers=2, **OPTIONS)
    assert caught.value.code == "MER-E062"
    assert "SIGKILL" in str(caught.value)
    assert "clip05" not in store.status("text/deadly")
    assert 3 <= len(list((tmp_path / "grave").iterdir())) <= 4
    assert set(store.status("text/deadly")) >= {c.name for c in corpus.clips if c.split == "test"}


def test_weights_that_cannot_be_read_stop_the_run_with_the_workers_own_words(corpus, store, fakes):
    with pytest.raises(ExtractionError, match="cannot be read on cpu") as caught:
        extract(corpus, ["text/unloadable"], store, workers=2, **OPTIONS)
    assert caught.value.code == "MER-E116"


def test_a_worker_that_ends_while_it_loads_is_an_error_and_no_endless_loop(corpus, store, fakes, monkeypatch):
    from feature_extractors.engine import several

    monkeypatch.setattr(several, "_BOOT", "import sys; sys.exit(7)")
    with pytest.raises(ExtractionError, match="exit code 7") as caught:
        extract(corpus, ["text/batchy"], store, workers=2, **OPTIONS)
    assert caught.value.code == "MER-E061"


SCRIPT = """
import sys
sys.path.insert(0, sys.argv[1])
import extraction_fakes as fakes
from feature_extractors.engine import running
from mertools.cli import main

fakes.register()
add = running.Progress.add

def told(progress, said):
    add(progress, said)
    print(type(said).__name__, flush=True)

running.Progress.add = told
sys.exit(main(sys.argv[2:]))
"""


def start(corpus, names, store, *options):
    here = str(Path(__file__).parent)
    words = ["extract", str(corpus.folder), "--with", ",".join(names), "--store", str(store), "--device", "cpu"]
    command = [sys.executable, "-c", SCRIPT, here, *words, "--workers", "2", "--decoders", "1", *options]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, process_group=0)


def hear_until(process, word, times):
    """Read what a process says until it has said a word so many times."""
    while times:
        line = process.stdout.readline()
        assert line, process.stderr.read()
        times -= line.strip() == word


@pytest.fixture
def large(tmp_path, fakes):
    return fakes.make_corpus(tmp_path / "large", n_clips=100)


@pytest.mark.slow
def test_ctrl_c_has_all_workers_keep_what_is_complete(large, tmp_path, fakes, new_store):
    path = tmp_path / "stopped"
    process = start(large, fakes.names_of(large), path, "--flush", "1000")
    hear_until(process, "Beat", 30)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate()
    assert process.returncode == 130, err
    assert "Traceback" not in err
    check_resume(large, path, fakes, new_store, at_least=1)


@pytest.mark.slow
def test_workers_whose_head_is_killed_end_by_themselves_and_lose_nothing_that_was_told(
    large, tmp_path, fakes, new_store
):
    path = tmp_path / "beheaded"
    process = start(large, fakes.names_of(large), path, "--flush", "0")
    hear_until(process, "TaskReport", 1)
    workers = children(process.pid)
    assert len(workers) == 2
    process.kill()
    process.communicate()
    for worker in workers:
        wait_for_the_end(worker)
    check_resume(large, path, fakes, new_store, at_least=25)


def children(pid):
    """Processes that one has started."""
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for task in tasks for child in task.read_text().split()]


def wait_for_the_end(pid):
    """Blocks until a process that is nobody's child here has ended."""
    import os
    import select

    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        assert select.select([descriptor], [], [], 120)[0], f"process {pid} does not end"
    finally:
        os.close(descriptor)


def check_resume(large, path, fakes, new_store, at_least):
    """What is there is right, and another run completes it, bit for bit."""
    whole = new_store("whole")
    extract(large, fakes.names_of(large), whole, device="cpu", quiet=True)
    with open_store(path) as store:
        kept = fakes.contents(store)
        assert kept.items() <= fakes.contents(whole).items()
        assert len(kept) >= at_least
        extract(large, fakes.names_of(large), store, device="cpu", quiet=True, workers=2)
        assert fakes.contents(store) == fakes.contents(whole)


@pytest.mark.slow
def test_the_command_line_says_one_document_with_several_workers(corpus, tmp_path, fakes):
    command = [
        sys.executable,
        "-m",
        "mertools.cli",
        "extract",
        str(corpus.folder),
        "--with",
        "text/ngram,audio/prosody",
    ]
    options = ["--store", str(tmp_path / "new"), "--device", "cpu", "--workers", "2", "--json"]
    done = subprocess.run([*command, *options], capture_output=True, text=True)
    assert done.returncode == 1, done.stderr  # one clip has no text
    assert json.loads(done.stdout)["status"] == {"ok": 23, "no_text": 1}
