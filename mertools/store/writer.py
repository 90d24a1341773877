"""Writing: buffer, shard, index, in that order, so that a crash at any moment leaves the state before or after.

A flush writes one shard to a temporary file, forces it to disk, and then, holding the index's write lock, renames it,
forces the folder to disk and enters the rows in one transaction. Any number of processes may do so at once.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from mertools.errors import StoreError, did_you_mean
from mertools.files import disk_problem, sync_folder
from mertools.status import Status
from mertools.store import shards
from mertools.store.filesystem import hold, locked
from mertools.store.index import Index
from mertools.store.layout import Layout, new_shard_name
from mertools.store.records import Space
from mertools.store.shards import Header, Record

FLUSH_BYTES = 64 << 20
_FLUSH_CLIPS = 20_000
_DTYPES = ("float16", "float32", "float64")
_LONGEST_NAME = 1024


class Writer:
    """Adds embeddings and failures to one space; a context manager; made by `Store.writer`.

    Leaving the ``with`` block normally flushes; leaving it by an exception writes nothing further. What an earlier
    `flush` returned for is durable either way. Methods may be called from several threads.

    Args:
        layout: where the store lies.
        index: its index.
        space: the space to write to.
        flush_bytes: values are written out when the buffer holds this many bytes.
        written: called after each flush.
    """

    def __init__(
        self, layout: Layout, index: Index, space: Space, *, flush_bytes: int, written: Callable[[], None]
    ) -> None:
        self.space = space
        self._layout = layout
        self._index = index
        self._flush_bytes = flush_bytes
        self._written = written
        self._buffer: dict[str, tuple[Any, ...]] = {}
        self._n_bytes = 0
        self._lock = threading.RLock()
        self._closed = False

    def add(self, clip: str, values: np.ndarray, times_s: np.ndarray, *, media: str = "") -> None:
        """Add the embedding of a clip; it replaces an earlier row of the clip.

        Args:
            clip: name of the clip.
            values: ``(T, D)``, float16, float32 or float64; kept in the type given (bfloat16 is not a numpy type: give
                float32 or float16). Copied. T is 1 at utterance level and at least 1 at frame level.
            times_s: ``(T,)``, seconds from the clip's start; NaN where a row has no time.
            media: digest of the media the embedding was made from.

        Raises:
            StoreError: ``MER-V030`` to ``MER-V032`` if the arrays or the name do not fit the space.
            MachineError: if the buffer had to be written out and the disk is full.
        """
        values, times_s = np.asarray(values), np.asarray(times_s, dtype="<f8")
        self._check_name(clip)
        self._check_arrays(clip, values, times_s)
        values = np.array(values, dtype=values.dtype.newbyteorder("<"), order="C", copy=True)
        times_s = np.array(times_s, order="C", copy=True)
        self._put(clip, (str(Status.OK), "", media, values, times_s))

    def fail(self, clip: str, status: str, reason: str, *, media: str = "") -> None:
        """Record that a clip has no embedding, and why; it replaces an earlier row of the clip.

        Args:
            clip: name of the clip.
            status: a value of `mertools.status.Status` other than ``ok``.
            reason: one line for people.
            media: digest of the media.

        Raises:
            StoreError: ``MER-V032`` for the name, ``MER-V033`` if the status is not in the closed list.
        """
        self._check_name(clip)
        known = [str(s) for s in Status if s is not Status.OK]
        if str(status) not in known:
            raise StoreError(
                "MER-V033",
                f"'{status}' is not a status of a failure.{did_you_mean(str(status), known)}",
                f"Expected one of: {', '.join(known)}.",
            )
        self._put(clip, (str(status), _clean(reason), media, None, None))

    def flush(self) -> int:
        """Write out what is buffered.

        Returns:
            How many rows became durable.

        Raises:
            MachineError: if the disk is full or the store cannot be written: nothing of the buffer is in the store, the
                buffer is kept, and `flush` may be called again.
        """
        with self._lock:
            if not self._buffer:
                return 0
            moment = self._moment()
            records = [
                Record(clip, status, reason, media, moment, values, times_s)
                for clip, (status, reason, media, values, times_s) in self._buffer.items()
            ]
            publish(self._layout, self._index, self.space.fingerprint, records)
            self._buffer, self._n_bytes = {}, 0
            self._written()
            return len(records)

    def close(self) -> None:
        """Flush and refuse further rows."""
        with self._lock:
            if not self._closed:
                self.flush()
                self._closed = True

    def __enter__(self) -> Writer:
        """The writer itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Flush, unless an exception is on its way."""
        if kind is None:
            self.close()
        else:
            self._closed = True

    def _put(self, clip: str, row: tuple[Any, ...]) -> None:
        with self._lock:
            if self._closed:
                raise ValueError("the writer is closed")
            earlier = self._buffer.pop(clip, None)
            self._buffer[clip] = row
            self._n_bytes += _size(row) - _size(earlier)
            if self._n_bytes >= self._flush_bytes or len(self._buffer) >= _FLUSH_CLIPS:
                self.flush()

    def _moment(self) -> int:
        """Now, but later than every row of the space, however the clock was set."""
        latest = self._index.select("SELECT max(written_ns) FROM rows WHERE space = ?", (self.space.fingerprint,))
        return max(time.time_ns(), (latest[0][0] or 0) + 1)

    def _check_name(self, clip: str) -> None:
        try:
            sound = 0 < len(clip.encode("utf-8")) <= _LONGEST_NAME and clip.isprintable()
        except UnicodeEncodeError:
            sound = False
        if not sound:
            raise StoreError(
                "MER-V032",
                f"{clip[:60]!r} cannot be the name of a clip.",
                f"Expected 1 to {_LONGEST_NAME} bytes of printable text.",
            )

    def _check_arrays(self, clip: str, values: np.ndarray, times_s: np.ndarray) -> None:
        space = self.space
        if values.dtype.name not in _DTYPES:
            raise StoreError(
                "MER-V030",
                f"{space}, clip '{clip}': values of type {values.dtype} cannot be stored.",
                f"Expected one of: {', '.join(_DTYPES)}.",
            )
        expected = {"utterance": "(1, D)", "frame": "(T, D) with T >= 1", "geometry": "(T, D)"}[space.level]
        lengths = {"utterance": values.ndim == 2 and len(values) == 1, "frame": len(values) >= 1, "geometry": True}
        fits = values.ndim == 2 and values.shape[1] == space.dim and lengths[space.level]
        if not fits or times_s.shape != values.shape[:1]:
            raise StoreError(
                "MER-V031",
                f"{space}, clip '{clip}': values have the shape {values.shape} and times the shape {times_s.shape}.",
                f"Expected values {expected} with D = {space.dim} and times (T,).",
            )


def publish(layout: Layout, index: Index, space: str, records: list[Record], *, rewritten: bool = False) -> str:
    """Make a shard of `records` part of the store.

    Args:
        layout: where the store lies.
        index: its index.
        space: fingerprint.
        records: the rows.
        rewritten: whether the rows were there before, in other shards (readers must look again).

    Returns:
        The file name of the shard.

    Raises:
        MachineError: if the disk is full or cannot be written; then the store is as it was.
    """
    header, pieces = shards.encode(space, records)
    name = new_shard_name()
    final = layout.shard(space, name)
    temporary = final.with_name(f".{name}.tmp")
    descriptor = -1
    published = entered = False
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
        with locked(layout.lock, shared=True):  # `collect` cannot look at the file before it is marked as in use
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
            hold(descriptor)
        shards.write(descriptor, pieces)
        with index.transaction() as connection:
            os.replace(temporary, final)
            published = True
            sync_folder(final.parent)
            _enter(index, connection, space, name, header, rewritten)
            entered = True  # from here on only COMMIT can fail, and then the shard must stay: the log may still win
    except OSError as error:
        raise disk_problem(error, final) from error
    finally:
        if not entered:
            _discard(final if published else temporary)
        if descriptor >= 0:
            os.close(descriptor)
    return name


def _enter(index: Index, connection: Any, space: str, name: str, header: Header, rewritten: bool) -> None:
    index.insert(connection, space, name, header)
    if rewritten:
        index.new_epoch(connection)


def _discard(path: Path) -> None:
    path.unlink(missing_ok=True)


def _size(row: tuple[Any, ...] | None) -> int:
    return 0 if row is None or row[3] is None else row[3].nbytes + row[4].nbytes


def _clean(text: str) -> str:
    """One line of text that any encoder accepts."""
    return " ".join(text.encode("utf-8", "replace").decode().split())[:2000]
