"""What runs in a process of `several`: a worker that asks for tasks over a connection."""

from __future__ import annotations

import os
import signal
import threading
import traceback
from collections.abc import Iterator
from contextlib import closing, suppress
from multiprocessing.connection import Connection
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

from mertools.errors import MerToolsError

if TYPE_CHECKING:
    from feature_extractors.engine.tasks import Task
    from feature_extractors.engine.worker import WorkerSetup


def main(descriptor: int) -> None:
    """Work until no task is left or SIGINT comes; then rows that are complete are durable."""
    line = _Line(Connection(descriptor))
    try:
        _work(line)
    except KeyboardInterrupt:
        line.send("bye")
    except MerToolsError as error:
        line.send("error", error)
    except Exception:
        line.send("error", traceback.format_exc())
    else:
        line.send("bye")


def _work(line: _Line) -> None:
    from feature_extractors.engine.worker import Worker
    from mertools.store import open_store

    setup, store = line.hello()
    with open_store(store) as opened:
        worker = Worker(setup, opened)
        line.send("ready")
        with closing(worker.work(line.tasks())) as saying:  # type: ignore[type-var]
            for said in saying:
                line.send("said", said)


class _Line:
    """The connection to the process that has the queue; several threads speak, one listens."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._speaking = threading.Lock()
        self._inbox: SimpleQueue[Task | None] = SimpleQueue()

    def hello(self) -> tuple[WorkerSetup, Path]:
        """The first message; from then on tasks are listened for."""
        setup, store = self._connection.recv()
        threading.Thread(target=self._listen, name="listener", daemon=True).start()
        return setup, store

    def send(self, kind: str, value: Any = None) -> None:
        """Say something; nobody may be there to hear it."""
        with self._speaking, suppress(OSError):
            self._connection.send((kind, value))

    def tasks(self) -> Iterator[Task]:
        """Tasks, each asked for when it is needed."""
        while True:
            self.send("want")
            task = self._inbox.get()
            if task is None:
                return
            yield task

    def _listen(self) -> None:
        with suppress(EOFError, OSError):
            while True:
                self._inbox.put(self._connection.recv())
        self._inbox.put(None)
        os.kill(os.getpid(), signal.SIGINT)  # the other process is gone: end as after a Ctrl-C
