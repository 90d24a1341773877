"""The writer thread: rows go to disk while the model computes, and groups are reported when they are durable."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from queue import Queue, SimpleQueue
from typing import TYPE_CHECKING

from feature_extractors.base import Rows
from feature_extractors.engine.embedding import Failure
from feature_extractors.engine.report import Kept, TaskReport

if TYPE_CHECKING:
    from mertools.store import Space, Writer


LONG_GROUP = 5
"""Rows of a group that is still in the works become durable after so many times `flush_s`: a slow group of long clips
would else lose minutes to a kill. A resumed run computes the same batches, whichever of their rows are there."""


class WriterThread:
    """Owns one `Writer` per space.

    Args:
        writers: by fingerprint.
        flush_s: groups are made durable together if they end within so many seconds.
    """

    def __init__(self, writers: Mapping[str, Writer], flush_s: float) -> None:
        self._writers = dict(writers)
        self._flush_s = flush_s
        self._flushed = time.monotonic()
        self._queue: Queue[Callable[[], None] | None] = Queue(maxsize=64)
        self._ended: list[Kept | TaskReport] = []
        self._failure: BaseException | None = None
        self.durable: SimpleQueue[Kept | TaskReport] = SimpleQueue()
        """Clips, and reports of groups, whose rows are on disk."""
        self._thread = threading.Thread(target=self._work, name="writer", daemon=True)
        self._thread.start()

    def write(self, space: Space, clip: str, rows: Rows | Failure, media: str) -> None:
        """Queue one row.

        Raises:
            BaseException: what an earlier row failed with, e.g. a full disk.
        """
        writer = self._writers[space.fingerprint]
        if isinstance(rows, Failure):
            self._put(lambda: writer.fail(clip, rows.status, rows.reason, media=media))
        else:
            self._put(lambda: writer.add(clip, rows.values, rows.times_s, media=media))

    def end_clip(self, task: int) -> None:
        """All rows of one of the task's clips have been queued."""
        self._put(lambda: self._end(Kept(task), LONG_GROUP * self._flush_s))

    def end_task(self, report: TaskReport) -> None:
        """All rows of a group have been queued."""
        self._put(lambda: self._end(report, self._flush_s))

    def finish(self) -> None:
        """Make everything durable that was queued, and end the thread."""
        if self._thread.is_alive():
            self._queue.put(self._flush)
            self._queue.put(None)
            self._thread.join()
        self._raise_failure()

    def abandon(self) -> None:
        """End the thread without writing what is buffered."""
        self._failure = self._failure or RuntimeError("the run was abandoned")
        if self._thread.is_alive():
            self._queue.put(None)
            self._thread.join()

    def _put(self, action: Callable[[], None]) -> None:
        self._raise_failure()
        self._queue.put(action)

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure

    def _work(self) -> None:
        while (action := self._queue.get()) is not None:
            if self._failure is not None:
                continue  # keep taking, so that nobody waits for a place in the queue
            try:
                action()
            except BaseException as error:  # raised where the next row is queued
                self._failure = error

    def _end(self, ended: Kept | TaskReport, flush_s: float) -> None:
        self._ended.append(ended)
        if time.monotonic() - self._flushed >= flush_s:
            self._flush()

    def _flush(self) -> None:
        for writer in self._writers.values():
            writer.flush()
        for ended in self._ended:
            self.durable.put(ended)
        self._ended.clear()
        self._flushed = time.monotonic()
