"""An ordered channel from several feeder threads to the model: bounded in bytes, read clip by clip in plan order."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")


class Stopped(Exception):  # noqa: N818 - a signal between threads, not an error
    """The run ends; feeders leave."""


class Channel(Generic[T]):
    """Items of many numbered streams. The reader takes streams in order; writers run ahead until `budget` is full.

    The stream that is being read may always put, so that a full budget cannot stop the reader.

    Args:
        budget: bytes that may wait, over all streams.
        ahead: streams that may be begun beyond the one being read.
    """

    def __init__(self, budget: int, ahead: int) -> None:
        self._budget, self._ahead = budget, ahead
        self._changed = threading.Condition()
        self._waiting: dict[int, deque[tuple[T, int]]] = {}
        self._held = 0
        self._head = 0
        self._stopped = False
        self._failure: BaseException | None = None
        self.waited_s = 0.0
        """Seconds that the reader waited for writers."""

    def begin(self, stream: int) -> None:
        """Wait until `stream` may be begun."""
        with self._changed:
            self._changed.wait_for(lambda: self._stopped or stream <= self._head + self._ahead)
            self._leave_if_stopped()

    def put(self, stream: int, item: T, n_bytes: int = 0) -> None:
        """Add an item to a stream; waits while too many bytes are held."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._stopped or stream == self._head or self._held + n_bytes <= self._budget
            )
            self._leave_if_stopped()
            self._waiting.setdefault(stream, deque()).append((item, n_bytes))
            self._held += n_bytes
            self._changed.notify_all()

    def get(self, stream: int) -> T:
        """The next item of a stream; the streams before it are taken to be done with.

        Raises:
            BaseException: what a feeder failed with.
        """
        begin = time.perf_counter()
        with self._changed:
            self._head = stream
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._failure is not None or bool(self._waiting.get(stream)))
            self.waited_s += time.perf_counter() - begin
            if self._failure is not None:
                raise self._failure
            queue = self._waiting[stream]
            item, n_bytes = queue.popleft()
            if not queue:
                del self._waiting[stream]
            self._held -= n_bytes
            self._changed.notify_all()
            return item

    def fail(self, failure: BaseException) -> None:
        """A feeder cannot go on: the reader raises `failure`."""
        with self._changed:
            self._failure = self._failure or failure
            self._stopped = True
            self._changed.notify_all()

    def stop(self) -> None:
        """Send all writers home."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def check(self) -> None:
        """Leave if the channel was stopped.

        Raises:
            Stopped: if so.
        """
        with self._changed:
            self._leave_if_stopped()

    def _leave_if_stopped(self) -> None:
        if self._stopped:
            raise Stopped
