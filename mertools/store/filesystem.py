"""Locks, and whether a folder lies on a network file system (where SQLite's WAL cannot be used)."""

from __future__ import annotations

import errno
import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from mertools.errors import StoreError
from mertools.files import disk_problem

# fmt: off
NETWORK_TYPES = frozenset({
    "9p", "acfs", "afs", "beegfs", "ceph", "cifs", "fuse.ceph", "fuse.gcsfuse", "fuse.glusterfs",
    "fuse.juicefs", "fuse.mount-s3", "fuse.rclone", "fuse.s3fs", "fuse.sshfs", "gfs2", "glusterfs", "gpfs",
    "juicefs", "lustre", "ncpfs", "nfs", "nfs4", "ocfs2", "orangefs", "panfs", "pvfs2", "smb2", "smb3", "smbfs",
    "vboxsf", "vmhgfs", "wekafs",
})
# fmt: on
LEASE_S = 120.0
_MOUNTS = Path("/proc/self/mounts")


def is_network(folder: Path) -> bool:
    """Whether `folder` lies on a file system that several hosts may share; False where the system does not say."""
    try:
        mounts = _MOUNTS.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return False
    return file_system_of(folder.resolve(), mounts) in NETWORK_TYPES


def file_system_of(path: Path, mounts: list[str]) -> str:
    """Type of the file system that holds the absolute `path`, by lines in the format of ``/proc/mounts``.

    Example:
        >>> file_system_of(Path("/data/x"), ["/dev/sda / ext4 rw 0 0", "host:/v /data nfs4 rw 0 0"])
        'nfs4'
    """
    best, kind = -1, ""
    for line in mounts:
        fields = line.split(" ")
        if len(fields) < 3:
            continue
        point = Path(fields[1].replace("\\040", " ").replace("\\011", "\t").replace("\\134", "\\"))
        if path.is_relative_to(point) and len(point.parts) >= best:  # a later mount hides an earlier one
            best, kind = len(point.parts), fields[2]
    return kind


@contextmanager
def locked(path: Path, *, shared: bool = False) -> Iterator[None]:
    """Hold the lock file `path` among the processes of this host, alone or `shared`; waits. Who dies frees it."""
    import fcntl

    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except OSError as error:
        raise disk_problem(error, path) from error
    try:
        _flock(descriptor, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def is_abandoned(path: Path) -> bool:
    """Whether no living process of this host holds the temporary file `path` locked (see `hold`)."""
    import fcntl

    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        _flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True


def hold(descriptor: int) -> None:
    """Mark an open file as in use by this process until it is closed."""
    import fcntl

    _flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _flock(descriptor: int, how: int) -> None:
    """Lock an open file; file systems that know no locks (some network ones, where leases and ages do it) let it be."""
    import fcntl

    try:
        fcntl.flock(descriptor, how)
    except BlockingIOError:
        raise
    except OSError as error:
        if error.errno not in (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS):
            raise


class Lease:
    """A lock that works between hosts: a file that only one process can have made.

    A lease whose holder died on this host is taken over at once; one that stays unchanged for `lease_s` seconds is
    taken over from any host. Time is measured here, by watching, so that the hosts' clocks need not agree.

    Args:
        path: the lease file.
        lease_s: how long a holder may stay silent.
    """

    def __init__(self, path: Path, lease_s: float = LEASE_S) -> None:
        self.path = path
        self.lease_s = lease_s

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the lease; waits until it is free or may be taken over.

        Raises:
            StoreError: ``MER-V006`` if it was taken over by another process meanwhile.
            MachineError: if the lease file cannot be written.
        """
        token = uuid4().hex
        self._acquire(token)
        try:
            yield
        finally:
            lost = self._token() != token
            if not lost:
                self.path.unlink(missing_ok=True)
        if lost:
            raise StoreError(
                "MER-V006",
                f"the lease {self.path} was taken over by another process after {self.lease_s:g} s.",
                "Run `mertools store verify` on the store; rows that are missing are made again by the next run.",
            )

    def _acquire(self, token: str) -> None:
        seen, since = "", time.monotonic()
        while not self._try(token):
            holder = self._token()
            if holder != seen:
                seen, since = holder, time.monotonic()
            if holder and (self._holder_is_dead() or time.monotonic() - since > self.lease_s):
                self._take_away(holder)
                continue
            time.sleep(min(0.05, self.lease_s / 4))

    def _try(self, token: str) -> bool:
        try:
            descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        except FileExistsError:
            return False
        except OSError as error:
            raise disk_problem(error, self.path) from error
        with os.fdopen(descriptor, "w") as file:
            json.dump({"token": token, "host": socket.gethostname(), "pid": os.getpid()}, file)
        return True

    def _read(self, path: Path | None = None) -> dict[str, object]:
        try:
            found = json.loads((path or self.path).read_text())
        except FileNotFoundError:
            return {}
        except ValueError:  # made but not yet filled, or by a process that died in between
            return {"token": "unreadable"}
        return found if isinstance(found, dict) and "token" in found else {"token": "unreadable"}

    def _token(self, path: Path | None = None) -> str:
        return str(self._read(path).get("token", ""))

    def _holder_is_dead(self) -> bool:
        holder = self._read()
        pid = holder.get("pid")
        if holder.get("host") != socket.gethostname() or type(pid) is not int or pid <= 0:
            return False
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        except PermissionError:
            return False
        return False

    def _take_away(self, token: str) -> None:
        """Remove the lease of `token`; only one of several processes that try succeeds."""
        aside = self.path.with_name(f"{self.path.name}.{uuid4().hex}")
        try:
            self.path.rename(aside)
        except FileNotFoundError:
            return
        try:
            if self._token(aside) != token:  # someone else was quicker and this lease is a fresh one: put it back
                os.link(aside, self.path)
        except FileExistsError:
            pass
        finally:
            aside.unlink()
