"""The index: a SQLite database with one row per (space, clip), made for many readers and writers at once.

Everything in it but the cache of media facts can be made anew from the shards (`mertools.store.rebuild`).
"""

from __future__ import annotations

import errno
import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any
from uuid import uuid4

from mertools.errors import MerToolsError, StoreError
from mertools.files import disk_problem
from mertools.store.filesystem import Lease
from mertools.store.layout import Layout
from mertools.store.records import Row
from mertools.store.shards import Header

SCHEMA_VERSION = 1
BUSY_S = 60.0
_SCHEMA = """
CREATE TABLE facts (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE shards (
    id INTEGER PRIMARY KEY AUTOINCREMENT, space TEXT NOT NULL, name TEXT NOT NULL UNIQUE,
    size INTEGER NOT NULL, header_crc32 INTEGER NOT NULL);
CREATE TABLE rows (
    space TEXT NOT NULL, clip TEXT NOT NULL, status TEXT NOT NULL, reason TEXT NOT NULL, n_rows INTEGER NOT NULL,
    media TEXT NOT NULL, dim INTEGER NOT NULL, dtype TEXT NOT NULL, rate_hz REAL, crc32 INTEGER NOT NULL,
    shard INTEGER NOT NULL, offset INTEGER NOT NULL, n_bytes INTEGER NOT NULL, written_ns INTEGER NOT NULL,
    PRIMARY KEY (space, clip)) WITHOUT ROWID;
CREATE INDEX rows_by_shard ON rows (space, shard);
CREATE TABLE media (
    path TEXT PRIMARY KEY, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL,
    digest TEXT NOT NULL, duration_s REAL, n_frames INTEGER) WITHOUT ROWID;
"""
_COLUMNS = "status, reason, n_rows, media, dim, dtype, rate_hz, crc32, shard, offset, n_bytes, written_ns"
_abandoned: list[sqlite3.Connection] = []


class Index:
    """One process's connection to the index; safe to use from several threads and after a fork.

    Args:
        layout: where the store lies.
        read_only: open without the right to change anything.
        network: whether the store lies on a network file system: rollback journal and a lease instead of WAL.
    """

    def __init__(self, layout: Layout, *, read_only: bool, network: bool) -> None:
        self.layout = layout
        self.read_only = read_only
        self.network = network
        self.lock = threading.RLock()
        self._connection: sqlite3.Connection | None = None
        self._owner = (0, 0)  # process, inode
        self._generation = 0

    def connection(self) -> sqlite3.Connection:
        """The connection of this process to the file that now lies at the path."""
        owner = (os.getpid(), self._inode())
        if self._connection is None or owner != self._owner:
            self._abandon()
            with self.translated():
                self._connection = self._connect()
            self._owner = owner
            self._generation += 1
        return self._connection

    def close(self) -> None:
        """Close; the last process to do so folds the write-ahead log into the database."""
        with self.lock:
            if self._connection is not None and self._owner[0] == os.getpid():
                self._connection.close()
            self._connection = None

    def is_made(self) -> bool:
        """Whether the file exists and has the schema.

        Raises:
            StoreError: if it is damaged or of a newer version.
        """
        if not self.layout.index.exists():
            return False
        with self.lock, self.translated():
            version = self.connection().execute("PRAGMA user_version").fetchone()[0]
        if version > SCHEMA_VERSION:
            raise StoreError(
                "MER-V002",
                f"the index {self.layout.index} has version {version}; this release reads {SCHEMA_VERSION}.",
                "Install a newer mertools.",
            )
        return bool(version == SCHEMA_VERSION)

    def make(self, contents: Iterable[tuple[str, str, Header]]) -> None:
        """Create the schema and fill it, in one transaction.

        Args:
            contents: fingerprint, file name and header of every shard.
        """
        self._touch()
        with self.lock, self.translated():
            self.connection().execute(f"PRAGMA journal_mode = {'DELETE' if self.network else 'WAL'}")
            with self.transaction() as connection:
                for (table,) in connection.execute(
                    "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
                ).fetchall():
                    if table != "media":
                        connection.execute(f"DROP TABLE {table}")
                for statement in _SCHEMA.replace("CREATE TABLE", "CREATE TABLE IF NOT EXISTS").split(";"):
                    connection.execute(statement)
                connection.execute("INSERT INTO facts VALUES ('epoch', ?)", (uuid4().hex,))
                for space, name, header in contents:
                    self.insert(connection, space, name, header)
                connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """A write transaction: all or nothing, one at a time among all processes.

        Raises:
            MachineError: if the disk is full.
            StoreError: if the index is damaged, or busy for longer than `BUSY_S`.
        """
        lease = Lease(self.layout.lease).held() if self.network else nullcontext()
        with self.lock, lease, self.translated():
            connection = self.connection()
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    @staticmethod
    def insert(connection: sqlite3.Connection, space: str, name: str, header: Header) -> None:
        """Enter a shard and its rows inside a transaction; a row replaces an older one of the same clip."""
        shard = connection.execute(
            "INSERT INTO shards (space, name, size, header_crc32) VALUES (?, ?, ?, ?)",
            (space, name, header.size, header.crc32),
        ).lastrowid
        connection.executemany(
            f"INSERT INTO rows (space, clip, {_COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?) "  # noqa: S608
            "ON CONFLICT (space, clip) DO UPDATE SET status = excluded.status, reason = excluded.reason, "
            "n_rows = excluded.n_rows, media = excluded.media, dim = excluded.dim, dtype = excluded.dtype, "
            "rate_hz = excluded.rate_hz, crc32 = excluded.crc32, shard = excluded.shard, offset = excluded.offset, "
            "n_bytes = excluded.n_bytes, written_ns = excluded.written_ns "
            "WHERE excluded.written_ns >= rows.written_ns",
            (
                (
                    *(space, row.clip, row.status, row.reason, row.n_rows, row.media, row.dim, row.dtype, row.rate_hz),
                    *(row.crc32, shard, row.offset, row.n_bytes, row.written_ns),
                )
                for row in header.rows
            ),
        )

    def select(self, sql: str, arguments: tuple[Any, ...] = ()) -> list[Any]:
        """All results of one query."""
        with self.lock, self.translated():
            return self.connection().execute(sql, arguments).fetchall()

    def rows(self, space: str, after_shard: int = 0) -> dict[str, Row]:
        """Rows of a space that were entered after the shard of that number."""
        found = self.select(
            f"SELECT clip, {_COLUMNS} FROM rows WHERE space = ? AND shard > ?",  # noqa: S608
            (space, after_shard),
        )
        return {clip: Row(*rest) for clip, *rest in found}

    def rows_of_shard(self, shard: int) -> dict[str, Row]:
        """Rows by clip whose bytes lie in one shard."""
        found = self.select(
            f"SELECT clip, {_COLUMNS} FROM rows WHERE shard = ? AND space = (SELECT space FROM shards WHERE id = ?)",  # noqa: S608
            (shard, shard),
        )
        return {clip: Row(*rest) for clip, *rest in found}

    def shards(self, space: str | None = None) -> dict[int, tuple[str, str, int, int]]:
        """Shards by number: fingerprint, file name, size, checksum of the header."""
        found = self.select(
            "SELECT id, space, name, size, header_crc32 FROM shards WHERE space = coalesce(?, space)", (space,)
        )
        return {number: tuple(rest) for number, *rest in found}

    def data_version(self) -> tuple[int, int]:
        """A value that changes when another connection changed the index."""
        with self.lock, self.translated():
            connection = self.connection()
            version: int = connection.execute("PRAGMA data_version").fetchone()[0]
            return self._generation, version

    def epoch(self) -> str:
        """A value that changes when the index was made anew or shards were rewritten."""
        return str(self.select("SELECT value FROM facts WHERE key = 'epoch'")[0][0])

    @staticmethod
    def new_epoch(connection: sqlite3.Connection) -> None:
        """Tell all readers, inside a transaction, to forget what they know."""
        connection.execute("UPDATE facts SET value = ? WHERE key = 'epoch'", (uuid4().hex,))

    @contextmanager
    def translated(self) -> Iterator[None]:
        """Turn SQLite's errors into ours."""
        try:
            yield
        except sqlite3.Error as error:
            raise self._problem(error) from error

    def _problem(self, error: sqlite3.Error) -> MerToolsError:
        path, name = self.layout.index, getattr(error, "sqlite_errorname", "")
        if name == "SQLITE_FULL":
            return disk_problem(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), path)
        if name == "SQLITE_IOERR_WRITE":  # SQLite says no more; a quota or a limit on file sizes, as a rule
            return disk_problem(OSError(errno.EDQUOT, "a quota, a limit on file sizes, or a failing disk"), path)
        if name.startswith(("SQLITE_IOERR", "SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM")):
            return disk_problem(OSError(errno.EIO, f"{error}, {name}"), path)
        if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
            return StoreError(
                "MER-V010",
                f"another process has kept the index {path} busy for more than {BUSY_S:g} s.",
                "Find it (`fuser` on the file), or try again.",
            )
        return StoreError(
            "MER-V011",
            f"the index {path} is damaged ({error}).",
            f"Nothing in the shards is lost. Make it anew: mertools store verify {self.layout.root} --rebuild",
        )

    def _touch(self) -> None:
        try:
            os.close(os.open(self.layout.index, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666))
        except OSError as error:
            raise disk_problem(error, self.layout.index) from error

    def _inode(self) -> int:
        try:
            return os.stat(self.layout.index).st_ino
        except FileNotFoundError:
            return 0

    def _connect(self) -> sqlite3.Connection:
        uri = self.layout.index.absolute().as_uri()
        if self.read_only:
            log = self.layout.index.with_name(self.layout.index.name + "-wal")
            settled = not (log.exists() and log.stat().st_size)
            frozen = settled and not os.access(self.layout.root, os.W_OK)
            uri += "?mode=ro" + ("&immutable=1" if frozen else "")
        else:
            uri += "?mode=rw"
        connection = sqlite3.connect(
            uri, uri=True, timeout=BUSY_S, isolation_level=None, check_same_thread=False, cached_statements=64
        )
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA trusted_schema = OFF")
        return connection

    def _abandon(self) -> None:
        """Let go of a connection to another file, or one inherited through a fork (which must not be closed here)."""
        if self._connection is not None:
            if self._owner[0] == os.getpid():
                self._connection.close()
            else:
                _abandoned.append(self._connection)
        self._connection = None
