"""Several workers on one machine: a process per device, all fed by this one from one queue.

A process that dies (killed by the system, by a driver, by hand) costs no clip: what it had made durable stands, the
rest of its tasks goes back to the queue, and another process takes its place. Since a worker reads ahead, it is not
known which of its tasks it died over: each gets a process of its own then. A task over which such processes die again
and again is given up, and named when everything else is done.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection, wait
from typing import TYPE_CHECKING, Any

from feature_extractors.engine.report import Beat, Kept, Said, TaskReport
from feature_extractors.engine.tasks import Task, narrowed
from mertools.errors import ExtractionError, MerToolsError
from mertools.machine import available_cores

if TYPE_CHECKING:
    from feature_extractors.engine.worker import WorkerSetup
    from mertools.store import Store

DEATHS = 3
"""So many processes may die over one task alone before it is given up."""

PATIENCE_S = 120.0
"""A worker that was told to stop ends its batch and makes its rows durable; after so long it is ended."""

_BOOT = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[2]); "
    "from feature_extractors.engine.several_worker import main; main(int(sys.argv[1]))"
)


def run_tasks(setup: WorkerSetup, tasks: Sequence[Task], store: Store) -> Iterator[Said]:
    """See `feature_extractors.engine.engines.Engine.run_tasks`."""
    crew = _Crew(setup, tasks, store)
    try:
        yield from crew.work()
    finally:
        crew.stop()
    crew.name_what_was_given_up()


@dataclass
class _Member:
    """One worker process.

    Attributes:
        device: that it computes on.
        process: it.
        line: the connection to it.
        ready: whether its weights are loaded.
        has_worked: whether it was given a task.
        held: tasks that it was given and has not reported.
        beat: the last that it said.
    """

    device: str
    process: subprocess.Popen[bytes]
    line: Connection
    ready: bool = False
    has_worked: bool = False
    held: dict[int, Task] = field(default_factory=dict)
    beat: Beat | None = None


@dataclass
class _Account:
    """What has been told of one task.

    Attributes:
        n_clips: that it began with.
        passed: clips that have gone through, those that an earlier process made durable included.
        told: the most that were, as told: a repetition tells no clip again.
        kept: clips that are durable, as told.
        rows: that processes which have died made durable.
        suspect: whether a process died that held it.
        deaths: processes that died over it alone.
    """

    n_clips: int
    passed: int = 0
    told: int = 0
    kept: int = 0
    rows: int = 0
    suspect: bool = False
    deaths: int = 0


class _Crew:
    """The processes and the queue."""

    def __init__(self, setup: WorkerSetup, tasks: Sequence[Task], store: Store) -> None:
        self._setup, self._store = setup, store
        self._queue = deque(tasks)
        self._accounts = {task.index: _Account(len(task.lengths)) for task in tasks}
        self._given_up: list[tuple[Task, str]] = []
        self._before = [self._latest(one.spec.fingerprint) for one in setup.asked]
        self._members: list[_Member] = []
        self._began = time.monotonic()
        self._n_threads = max(1, available_cores() // len(setup.devices))

    def work(self) -> Generator[Said]:
        """Until nothing is left."""
        for device in self._setup.devices[: len(self._queue)]:
            self._members.append(self._start(device))
        while self._members:
            for line in wait([member.line for member in self._members]):
                member = next(one for one in self._members if one.line is line)
                try:
                    message = member.line.recv()
                except (EOFError, OSError):
                    yield from self._lost(member)
                else:
                    yield from self._hear(member, *message)

    def stop(self) -> None:
        """Have all processes make durable what is complete, and end them."""
        try:
            for member in self._members:
                if member.ready:
                    member.process.send_signal(signal.SIGINT)
                else:
                    member.process.kill()
            deadline = time.monotonic() + PATIENCE_S
            for member in self._members:
                self._see_off(member, deadline)
        finally:
            for member in self._members:
                member.process.kill()
                member.process.wait()
                member.line.close()
            self._members.clear()

    def name_what_was_given_up(self) -> None:
        """Raise if a task was given up."""
        if not self._given_up:
            return
        clips = [name for task, _ in self._given_up for name in task.lengths]
        raise ExtractionError(
            "MER-E062",
            f"{len(clips)} clips ({', '.join(clips[:5])}{', ...' if len(clips) > 5 else ''}) were not computed: "
            f"{DEATHS} worker processes died over the group they are in, the last by {self._given_up[-1][1]}. "
            "All others are done.",
            "Too little memory for so many workers is the usual reason: repeat with fewer --workers.",
        )

    def _latest(self, space: str) -> int:
        """The moment of the newest row of a space; rows of this run are later."""
        return max((row.written_ns for row in self._store.rows(space).values()), default=0)

    def _start(self, device: str) -> _Member:
        ours, theirs = socket.socketpair()
        threads = {"OMP_NUM_THREADS": str(self._n_threads)} if device == "cpu" else {}
        with theirs:
            process = subprocess.Popen(
                [sys.executable, "-c", _BOOT, str(theirs.fileno()), json.dumps(sys.path)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,  # the documents of --json are this process's alone
                pass_fds=[theirs.fileno()],
                process_group=0,  # a Ctrl-C of the terminal is this process's business, which passes it on
                env={**threads, **os.environ},
            )
        member = _Member(device, process, Connection(ours.detach()))
        with suppress(OSError):  # dead already: that is heard as any death
            member.line.send((self._setup.on(device), self._store.path))
        return member

    def _hear(self, member: _Member, kind: str, value: Any = None) -> Generator[Said]:
        if kind == "ready":
            member.ready = True
        elif kind == "want":
            self._give(member)
        elif kind == "said":
            yield from self._told(member, value)
        elif kind == "error":
            raise value if isinstance(value, MerToolsError) else RuntimeError(f"a worker process failed:\n{value}")
        elif kind == "bye":
            self._members.remove(member)
            member.process.wait()
            member.line.close()
            self._replace(member)

    def _give(self, member: _Member) -> None:
        """Answer with a task, or with None, which sends the process home."""
        task = self._next(member)
        if task is not None:
            self._queue.remove(task)
            member.held[task.index] = task
            member.has_worked = True
        with suppress(OSError):
            member.line.send(task)

    def _next(self, member: _Member) -> Task | None:
        """A task for a worker: a suspect only for one that is fresh, and nothing more for one that has a suspect."""
        suspects = {index for index, account in self._accounts.items() if account.suspect}
        if suspects & member.held.keys():
            return None
        fit = (task for task in self._queue if task.index not in suspects or not member.has_worked)
        return next(fit, None)

    def _replace(self, member: _Member) -> None:
        """Start another process in the place of one that has ended, if there is work for it."""
        if self._queue:
            self._members.append(self._start(member.device))

    def _told(self, member: _Member, said: Said) -> Generator[Said]:
        if isinstance(said, TaskReport):
            member.held.pop(said.index)
            yield replace(self._timed(said), n_rows=said.n_rows + self._accounts[said.index].rows)
            return
        account = self._accounts[said.task]
        if isinstance(said, Kept):
            account.kept += 1
            yield said
            return
        member.beat = said
        account.passed += 1
        if account.passed > account.told:
            account.told = account.passed
            yield self._timed(said)

    def _timed(self, said: Any) -> Any:
        """With the time since the crew began, and the share of waiting of all its members."""
        beats = [member.beat for member in self._members if member.beat is not None]
        share = sum(beat.waited_s for beat in beats) / max(sum(beat.worked_s for beat in beats), 1e-9)
        worked_s = time.monotonic() - self._began
        return replace(said, worked_s=worked_s, waited_s=share * worked_s)

    def _lost(self, member: _Member) -> Generator[Said]:
        """A process has died: its tasks go back, and another takes its place."""
        self._members.remove(member)
        member.line.close()
        how = _death(member.process)
        if not member.ready:
            raise ExtractionError(
                "MER-E061",
                f"a worker process on device '{member.device}' ended while it was loading: {how}.",
                "Its own message stands above; too little memory for so many workers is the usual reason.",
            )
        for task in reversed(member.held.values()):
            account = self._accounts[task.index]
            account.suspect = True
            account.deaths += len(member.held) == 1
            yield from self._take_back(task, how)
        self._replace(member)

    def _take_back(self, task: Task, how: str) -> Generator[Said]:
        """Queue what is not durable of a task, and tell what is."""
        account = self._accounts[task.index]
        done = [
            {name for name, row in self._store.rows(one.spec.fingerprint).items() if row.written_ns > before}
            for one, before in zip(self._setup.asked, self._before, strict=True)
        ]
        left = narrowed(task, done, self._setup.asked)
        account.rows += task.n_rows - (left.n_rows if left is not None else 0)
        account.passed = account.n_clips - (len(left.lengths) if left is not None else 0)
        yield from (Kept(task.index) for _ in range(account.passed - account.kept))
        account.kept = account.passed
        if left is None:
            yield self._timed(TaskReport(task.index, account.rows, 0, task.length, 0.0, 0.0))
        elif account.deaths >= DEATHS:
            self._given_up.append((left, how))
        else:
            self._queue.appendleft(left)

    def _see_off(self, member: _Member, deadline: float) -> None:
        """Take what a process still says until it has ended."""
        with suppress(EOFError, OSError):
            while member.line.poll(max(deadline - time.monotonic(), 0)):
                if member.line.recv()[0] == "want":
                    member.line.send(None)


def _death(process: subprocess.Popen[bytes]) -> str:
    try:
        code = process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return "it closed its connection"
    if code >= 0:
        return f"exit code {code}"
    return signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
