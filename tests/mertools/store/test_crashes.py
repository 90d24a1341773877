"""Killed at any moment, failing at any system call, out of disk: the store is as before or as after, never between."""

from __future__ import annotations

import errno
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mertools.errors import MachineError, StoreError
from mertools.store import Store, open_store

sys.path.insert(0, str(Path(__file__).parent))
from writing_child import SPEC, values_of

CHILD = Path(__file__).with_name("writing_child.py")


def start(folder: Path, tag: str, *more: str) -> subprocess.Popen[str]:
    command = [sys.executable, str(CHILD), str(folder), tag, *more]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)


def check_everything(store: Store, acknowledged: set[str]) -> None:
    status = store.status(SPEC.fingerprint)
    assert acknowledged <= set(status)
    for clip, (state, _) in status.items():
        if state == "ok":
            found = store.read(SPEC.fingerprint, clip, verify=True)
            np.testing.assert_array_equal(found.values, values_of(clip))
    assert [problem for problem in store.verify(deep=True) if problem.severity == "error"] == []


def kill_rounds(folder: Path, n_rounds: int, n_writers: int, seed: int) -> None:
    """Start writers, kill them one by one after a random number of acknowledgements, look at the store."""
    chance = random.Random(seed)
    acknowledged: set[str] = set()
    for turn in range(n_rounds):
        writers = [start(folder, f"r{turn}w{n}") for n in range(n_writers)]
        for writer in writers:
            assert writer.stdout is not None
            for _ in range(chance.randrange(1, 6)):
                acknowledged.update(writer.stdout.readline().split())
            for _ in range(chance.randrange(20_000)):  # somewhere within the next flush
                pass
            writer.send_signal(signal.SIGKILL)
        for writer in writers:
            rest = writer.communicate()[0].rpartition("\n")[0]
            acknowledged.update(rest.split())
        with open_store(folder) as store:
            check_everything(store, acknowledged)
    with open_store(folder) as store:
        assert len(acknowledged) >= 8 * n_rounds * n_writers
        store.gc()
        assert store.verify(deep=True) == []
        check_everything(store, acknowledged)
        before = store.status(SPEC.fingerprint)
        store.rebuild_index()
        assert store.status(SPEC.fingerprint) == before


def test_nothing_acknowledged_is_lost_when_writers_are_killed(tmp_path: Path) -> None:
    kill_rounds(tmp_path / "store", n_rounds=3, n_writers=3, seed=1)


@pytest.mark.slow
def test_nothing_acknowledged_is_lost_in_many_kills(tmp_path: Path) -> None:
    kill_rounds(tmp_path / "store", n_rounds=25, n_writers=4, seed=2)


def test_a_full_disk_is_one_clear_error_and_nothing_is_lost(tmp_path: Path) -> None:
    child = start(tmp_path / "store", "w", "300000")
    lines = child.communicate()[0].splitlines()
    assert child.returncode == 0
    assert lines[-2] == "MER-O002"
    assert lines[-1].endswith(" again")
    acknowledged = {clip for line in lines if not line.startswith("MER") for clip in line.split()} - {"again"}
    with open_store(tmp_path / "store") as store:
        check_everything(store, acknowledged)
        assert list(store.layout.temporary_files()) == []
        store.gc()  # a shard whose COMMIT failed is left behind: SQLite's log might still have won
        assert store.verify(deep=True) == []
        check_everything(store, acknowledged)


# --- every system call of one flush -----------------------------------------------------------------------------------

CALLS = ("open", "write", "fdatasync", "replace", "fsync")


class Fault:
    """Fails at the n-th call of the named functions of `os` and of SQLite, as `how` says."""

    def __init__(self, n: int, how: Callable[[], Any]) -> None:
        self.left = n
        self.how = how

    def step(self) -> None:
        self.left -= 1
        if self.left == 0:
            self.how()

    def install(self, patch: pytest.MonkeyPatch, store: Store) -> None:
        for name in CALLS:
            patch.setattr(os, name, self._wrapped(getattr(os, name)))
        connection = store.index.connection()
        patch.setattr(store.index, "_connection", Watched(connection, self))

    def _wrapped(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            self.step()
            return function(*args, **kwargs)

        return call


class Watched:
    """A connection whose every statement counts as one call."""

    def __init__(self, connection: sqlite3.Connection, fault: Fault) -> None:
        self._real = connection
        self._fault = fault

    def execute(self, sql: str, *args: Any) -> Any:
        if sql != "ROLLBACK":
            self._step()
        return self._real.execute(sql, *args)

    def executemany(self, *args: Any) -> Any:
        self._step()
        return self._real.executemany(*args)

    def _step(self) -> None:
        try:
            self._fault.step()
        except OSError as error:
            full = sqlite3.OperationalError("database or disk is full")
            full.sqlite_errorname = "SQLITE_FULL"
            raise full from error

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


def no_space() -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def prepared(folder: Path) -> tuple[Store, dict[str, np.ndarray]]:
    shutil.rmtree(folder, ignore_errors=True)
    store = open_store(folder, create=True)
    space = store.declare(SPEC)
    with store.writer(space) as writer:
        writer.add("old", values_of("old"), np.zeros(len(values_of("old"))))
        writer.add("both", np.zeros((1, 16), np.float32), np.zeros(1))
    fresh = {clip: values_of(clip) for clip in ("new", "both")}
    return store, fresh


def calls_of_one_flush(folder: Path) -> int:
    store, fresh = prepared(folder)
    writer = store.writer(SPEC.fingerprint)
    for clip, values in fresh.items():
        writer.add(clip, values, np.zeros(len(values)))
    count = Fault(0, no_space)
    with pytest.MonkeyPatch.context() as patch:
        count.install(patch, store)
        writer.flush()
    store.close()
    return -count.left


def state(store: Store) -> dict[str, list[list[float]]]:
    return {clip: found.values.tolist() for clip, found in store.read_all(SPEC.fingerprint, verify=True).items()}


def test_an_error_at_any_system_call_leaves_the_store_as_it_was(tmp_path: Path) -> None:
    """For all n: the n-th call of a flush says that the disk is full; the flush raises; repeated, it works."""
    n_failed = 0
    n_calls = calls_of_one_flush(tmp_path / "store")
    for n in range(1, n_calls + 2):
        store, fresh = prepared(tmp_path / "store")
        before = state(store)
        writer = store.writer(SPEC.fingerprint)
        for clip, values in fresh.items():
            writer.add(clip, values, np.zeros(len(values)))
        fault = Fault(n, no_space)
        with pytest.MonkeyPatch.context() as patch:
            fault.install(patch, store)
            expected = pytest.raises(MachineError, match="MER-O002") if n <= n_calls else nullcontext()
            with expected:
                writer.flush()
            failed = fault.left <= 0
        if not failed:
            break
        n_failed += 1
        with open_store(store.path) as other:
            assert state(other) == before == state(store)
            assert [p for p in other.verify(deep=True) if p.severity == "error"] == []
        assert writer.flush() == 2
        assert state(store) == {**before, **{clip: values.tolist() for clip, values in fresh.items()}}
        store.gc()
        assert store.verify(deep=True) == []
        store.close()
    assert n_failed == n_calls >= 10


def test_a_process_that_dies_at_any_system_call_leaves_the_store_before_or_after(tmp_path: Path) -> None:
    """For all n: the process ends at the n-th call of a flush, as if by `kill -9`."""
    after_seen = before_seen = 0
    for n in range(1, 200):
        store, fresh = prepared(tmp_path / "store")
        before = state(store)
        after = {**before, **{clip: values.tolist() for clip, values in fresh.items()}}
        store.close()
        child = os.fork()
        if child == 0:
            with open_store(store.path) as dying:
                writer = dying.writer(SPEC.fingerprint)
                for clip, values in fresh.items():
                    writer.add(clip, values, np.zeros(len(values)))
                Fault(n, lambda: os._exit(9)).install(pytest.MonkeyPatch(), dying)
                writer.flush()
            os._exit(0)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        with open_store(store.path) as again:
            found = state(again)
            assert found in (before, after)
            before_seen, after_seen = before_seen + (found == before), after_seen + (found == after)
            assert [p for p in again.verify(deep=True) if p.severity == "error"] == []
            again.gc()
            assert again.verify(deep=True) == []
            assert state(again) == found
        if code == 0:
            assert found == after
            break
    assert before_seen >= 10
    assert after_seen >= 1


def test_short_writes_are_continued(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: real(descriptor, bytes(data[:100])))
    with store.writer(store.declare(SPEC)) as writer:
        writer.add("a", values_of("a"), np.zeros(len(values_of("a"))))
    np.testing.assert_array_equal(store.read(SPEC.fingerprint, "a", verify=True).values, values_of("a"))


def test_a_busy_index_is_named(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    space = store.declare(SPEC)
    monkeypatch.setattr("mertools.store.index.BUSY_S", 0.01)
    with open_store(store.path) as other, store.index.transaction():
        writer = other.writer(space)
        writer.fail("a", "silent", "")
        with pytest.raises(StoreError) as caught:
            writer.flush()
        assert caught.value.code == "MER-V010"
    assert store.status(space) == {}
    assert store.verify(deep=True) == []
