"""Decoder processes: persistent, spawned, each with a time limit; one that hangs or dies costs one clip."""

from __future__ import annotations

import json
import os
import pickle
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from mertools.errors import MachineError, MediaError
from mertools.media.audio import Audio
from mertools.media.channel import Channel
from mertools.media.frames import Frames
from mertools.media.source import MediaSource
from mertools.status import Status

START_LIMIT_S = 120.0
"""A decoder process that is not ready by then will never be."""

CLIPS_PER_WORKER = 1000
"""A worker is replaced after so many clips: whatever media libraries leak goes with it."""

_BOOT = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[3]); "
    "from mertools.media.worker import main; main(int(sys.argv[1]), int(sys.argv[2]))"
)


class DecoderPool:
    """Child processes that decode clips. Thread-safe: several threads may hold sessions, one worker each.

    Workers start when first needed, import nothing of torch, ignore SIGINT, and end with this process, however it ends.

    Args:
        n_workers: processes at most; a further session waits for a free one.
        timeout_s: seconds of decoding that one session may take; waiting for the caller does not count.
        hold_bytes: a worker keeps the decoded frames of its clip if they need no more than this.
        memory_bytes: limit of each worker's address space; beyond it a clip ends with status oom. 0 = no limit.

    Raises:
        ValueError: if `n_workers` or `timeout_s` is not positive.
    """

    def __init__(
        self, n_workers: int = 2, timeout_s: float = 60.0, hold_bytes: int = 256 << 20, memory_bytes: int = 6 << 30
    ) -> None:
        if n_workers < 1 or not timeout_s > 0:
            raise ValueError(f"n_workers and timeout_s must be positive, not {n_workers} and {timeout_s}")
        self.timeout_s = timeout_s
        self.hold_bytes = hold_bytes
        self.memory_bytes = memory_bytes
        self._places = threading.BoundedSemaphore(n_workers)
        self._lock = threading.Lock()
        self._idle: list[_Worker] = []
        self._busy: set[_Worker] = set()
        self._closed = False

    @contextmanager
    def session(self, source: MediaSource) -> Iterator[Session]:
        """Work on one clip; blocks while all workers are busy."""
        with self._places:
            session = Session(self, source)
            try:
                yield session
            finally:
                session.close()

    def close(self) -> None:
        """End all workers. Sessions that are still open lose theirs."""
        with self._lock:
            self._closed = True
            workers = [*self._idle, *self._busy]
            self._idle.clear()
            self._busy.clear()
        for worker in workers:
            worker.kill()

    def __enter__(self) -> DecoderPool:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def take(self) -> _Worker:
        """A ready worker, for a session.

        Raises:
            MachineError: if none can be started.
            RuntimeError: if the pool is closed.
        """
        with self._lock:
            if self._closed:
                raise RuntimeError("the decoder pool is closed")
            worker = self._idle.pop() if self._idle else None
        if worker is None or not worker.alive():
            if worker is not None:
                worker.kill()
            worker = _Worker(self.memory_bytes)
        with self._lock:
            self._busy.add(worker)
        return worker

    def give(self, worker: _Worker) -> None:
        """Take a worker back from a session; a worn-out or dead one is not kept."""
        worker.n_clips += 1
        with self._lock:
            self._busy.discard(worker)
            keep = not self._closed and worker.alive() and worker.n_clips < CLIPS_PER_WORKER
            if keep:
                self._idle.append(worker)
        if not keep:
            worker.kill()


class Session:
    """One clip in one worker; made by `DecoderPool.session`, used by one thread."""

    def __init__(self, pool: DecoderPool, source: MediaSource) -> None:
        self.source = source
        self._pool = pool
        self._worker: _Worker | None = None
        self._left_s = pool.timeout_s
        self._answering = False

    def map_frames(self, function: Callable[[Frames], Any], *, fps: float | None = None) -> Iterator[Any]:
        """Apply `function` to each chunk of frames in the worker; yield its results in order.

        The frames of a clip that fits in `hold_bytes` are decoded once per `fps`. Leaving the iterator early is fine.

        Args:
            function: picklable and importable (not of ``__main__``), without torch; must not change the frames. What
                it raises ends the clip: `MediaError` as it is, `MemoryError` as oom, anything else as crash.
            fps: frames per second of a regular grid; None = every frame.

        Raises:
            MediaError: with the status that the clip ends with.
            TypeError: if the function cannot be sent to, or its result back from, another process.
        """
        if getattr(function, "__module__", "") == "__main__":
            raise TypeError(f"{function!r} lives in __main__; move it into a module that decoder processes can import")
        return self._answers("map", pickle.dumps(function), fps)

    def audio(self, rate_hz: int = 16_000) -> Audio:
        """The clip's sound; see `mertools.media.read_audio`.

        Raises:
            MediaError: with the status that the clip ends with.
        """
        (audio,) = self._answers("audio", rate_hz)
        return audio  # type: ignore[no-any-return]

    def close(self) -> None:
        """Give the worker back."""
        worker, self._worker = self._worker, None
        if worker is None:
            return
        if self._answering:
            worker.kill()
        self._pool.give(worker)

    def _answers(self, verb: str, *values: Any) -> Iterator[Any]:
        if self._answering:
            raise RuntimeError("finish or close the previous iterator of this session first")
        worker = self._ready()
        self._answering = True
        ended = False
        try:
            self._tell(worker, (verb, *values, self._left_s))
            while True:
                kind, value = self._hear(worker)
                ended = kind != "item"
                if kind == "item":
                    yield value
                elif kind == "media":
                    raise value
                elif kind == "unfit":
                    raise TypeError(f"a decoder process cannot use this function or its result: {value}")
                else:
                    return
        finally:
            if not ended and self._worker is worker:
                self._stop(worker)
            self._answering = False

    def _ready(self) -> _Worker:
        if self._worker is None:
            self._worker = self._pool.take()
            self._tell(self._worker, ("open", self.source, self._pool.hold_bytes))
        return self._worker

    def _stop(self, worker: _Worker) -> None:
        """The caller left early: let the worker finish its chunk and forget the rest."""
        with suppress(MediaError):
            self._tell(worker, ("stop",))
            while self._hear(worker)[0] == "item":
                pass

    def _tell(self, worker: _Worker, message: Any) -> None:
        try:
            worker.channel.send(message, self._left_s)
        except OSError:
            raise self._lost(worker) from None

    def _hear(self, worker: _Worker) -> tuple[str, Any]:
        """The next message; the time spent waiting is taken off what the clip has left."""
        began = time.monotonic()
        try:
            message: tuple[str, Any] = worker.channel.receive(self._left_s)
        except TimeoutError:
            self._left_s = 0.0
            self._drop(worker)
            raise MediaError(
                "MER-M009",
                f"decoding took longer than {self._pool.timeout_s:g} s.",
                "Raise the time limit if the clip is long.",
                Status.TIMEOUT,
            ) from None
        except (EOFError, OSError):
            raise self._lost(worker) from None
        self._left_s = max(self._left_s - (time.monotonic() - began), 0.0)
        return message

    def _drop(self, worker: _Worker) -> None:
        worker.kill()
        self._worker = None
        self._pool.give(worker)

    def _lost(self, worker: _Worker) -> MediaError:
        """The error for a worker that died."""
        how, status = worker.death()
        self._drop(worker)
        code = "MER-M011" if status == Status.OOM else "MER-M010"
        return MediaError(code, f"the decoder process died: {how}.", "", status)


class _Worker:
    """One decoder process and the channel to it.

    Raises:
        MachineError: if the process does not start.
    """

    def __init__(self, memory_bytes: int) -> None:
        self.n_clips = 0
        self._oom_kills = _oom_kills()
        ours, theirs = socket.socketpair()
        with theirs:
            self.channel = Channel(ours)
            self._process = subprocess.Popen(
                [sys.executable, "-c", _BOOT, str(theirs.fileno()), str(memory_bytes), json.dumps(sys.path)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                process_group=0,  # a Ctrl-C or a Ctrl-Z of the terminal is the parent's business
                env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
            )
        try:
            self.channel.receive(START_LIMIT_S)
        except (EOFError, OSError) as error:
            how = self.death()[0]
            self.kill()
            raise MachineError(
                "MER-O010",
                f"a decoder process does not start ({how}).",
                "Its own message stands above; check memory and process limits.",
            ) from error

    def alive(self) -> bool:
        """Whether the process runs."""
        return self._process.poll() is None

    def kill(self) -> None:
        """End the process at once."""
        self.channel.close()
        self._process.kill()
        with suppress(subprocess.TimeoutExpired):  # a process stuck in the kernel is left to it
            self._process.wait(5)

    def death(self) -> tuple[str, Status]:
        """How the process ended, and the status for its clip."""
        try:
            code = self._process.wait(5)
        except subprocess.TimeoutExpired:
            return "it closed its connection", Status.CRASH
        if code >= 0:
            return f"exit code {code}", Status.CRASH
        if code == -signal.SIGKILL and _oom_kills() > self._oom_kills:
            return "the system ran out of memory and killed it", Status.OOM
        name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
        return name, Status.CRASH


def _oom_kills() -> int:
    """How many processes the kernel has killed for lack of memory; 0 where it does not say."""
    try:
        lines = Path("/proc/vmstat").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("oom_kill ")), 0)
