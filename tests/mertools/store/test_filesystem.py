"""Network file systems: told by the mount table; rollback journal and one writer per lease."""

from __future__ import annotations

import errno
import fcntl
import json
import multiprocessing
import os
import socket
import threading
from pathlib import Path

import numpy as np
import pytest

from mertools.errors import MachineError, StoreError
from mertools.store import SpaceSpec, filesystem, open_store
from mertools.store.filesystem import Lease, file_system_of, is_network

MOUNTS = [
    "/dev/sda1 / ext4 rw 0 0",
    "tmpfs /dev/shm tmpfs rw 0 0",
    "server:/vol /data nfs4 rw 0 0",
    "/dev/sdb /data/local xfs rw 0 0",
    "//nas/share /mnt/my\\040share cifs rw 0 0",
    "old /twice ext4 rw 0 0",
    "new:/ /twice nfs rw 0 0",
    "broken",
]


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/home/me", "ext4"),
        ("/dev/shm/x", "tmpfs"),
        ("/data/store", "nfs4"),
        ("/database", "ext4"),
        ("/data/local/store", "xfs"),
        ("/mnt/my share/store", "cifs"),
        ("/twice/store", "nfs"),
    ],
)
def test_the_innermost_mount_decides(path: str, kind: str) -> None:
    assert file_system_of(Path(path), MOUNTS) == kind


def test_the_mount_table_says_whether_a_folder_is_on_the_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = tmp_path / "mounts"
    monkeypatch.setattr(filesystem, "_MOUNTS", table)
    assert not is_network(tmp_path)
    table.write_text(f"a / ext4 rw 0 0\nb {tmp_path} nfs rw 0 0\n")
    assert is_network(tmp_path / "store")
    table.write_text(f"a {tmp_path} ext4 rw 0 0\n")
    assert not is_network(tmp_path / "store")


SPEC = SpaceSpec("face/hog", "frame", 2, 1, {})


def _write_on_network(folder: Path, tag: str) -> None:
    import mertools.store.store as module

    module.is_network = lambda path: True
    with open_store(folder, create=True) as store:
        space = store.declare(SPEC)
        for n in range(5):
            with store.writer(space) as writer:
                writer.add(f"{tag}_{n}", np.full((2, 2), n, np.float32), np.zeros(2))


def test_several_writers_on_a_network_file_system(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    folder = tmp_path / "store"
    workers = [context.Process(target=_write_on_network, args=(folder, f"w{n}")) for n in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0, 0, 0]
    with open_store(folder) as store:
        assert len(store.read_all("face/hog", verify=True)) == 15
        assert store.verify(deep=True) == []
        assert store.index.select("PRAGMA journal_mode") == [("delete",)]
    assert not (folder / "index.lease").exists()
    assert not (folder / "index.sqlite-wal").exists()


def test_a_local_store_uses_the_write_ahead_log(tmp_path: Path) -> None:
    with open_store(tmp_path / "store", create=True) as store:
        assert store.index.select("PRAGMA journal_mode") == [("wal",)]


def test_a_lease_lets_one_in_at_a_time(tmp_path: Path) -> None:
    path, inside, most = tmp_path / "lease", [0], [0]

    def work() -> None:
        for _ in range(5):
            with Lease(path).held():
                inside[0] += 1
                most[0] = max(most[0], inside[0])
                inside[0] -= 1

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1]
    assert not path.exists()


def test_the_lease_of_a_dead_process_is_taken_over_at_once(tmp_path: Path) -> None:
    path = tmp_path / "lease"
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    path.write_text(json.dumps({"token": "x", "host": socket.gethostname(), "pid": child}))
    with Lease(path).held():
        assert json.loads(path.read_text())["pid"] == os.getpid()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", ['{"token": "x", "host": "elsewhere", "pid": 1}', "", "[]"])
def test_a_lease_that_stays_silent_is_taken_over(tmp_path: Path, content: str) -> None:
    path = tmp_path / "lease"
    path.write_text(content)
    with Lease(path, lease_s=0.01).held():
        assert json.loads(path.read_text())["pid"] == os.getpid()


def test_a_lease_that_was_taken_away_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "lease"

    def robbed() -> None:
        with Lease(path).held():
            path.write_text('{"token": "thief"}')

    with pytest.raises(StoreError) as caught:
        robbed()
    assert caught.value.code == "MER-V006"
    assert json.loads(path.read_text()) == {"token": "thief"}


def test_a_lease_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(MachineError), Lease(tmp_path / "no" / "lease").held():
        pytest.fail("the lease was given")


@pytest.mark.parametrize("network", [True, False])
def test_a_file_system_without_locks_can_hold_a_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, network: bool
) -> None:
    def no_locks(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    monkeypatch.setattr("mertools.store.store.is_network", lambda path: network)
    with open_store(tmp_path / "store", create=True) as store:
        with store.writer(store.declare(SPEC)) as writer:
            writer.fail("a", "silent", "")
        unfinished = store.layout.shards(SPEC.fingerprint) / f".{'a' * 32}.safetensors.tmp"
        unfinished.write_bytes(b"")
        assert bool(store.gc().temporary) is not network
        if network:  # another host may be at work on it, until it is old
            os.utime(unfinished, (1, 1))
            assert store.gc().temporary == [unfinished.name]
        assert set(store.status("face/hog")) == {"a"}
