"""The cluster engine: actors of Ray Data, one per GPU, on this machine or on many.

An actor never touches the store, which may lie on another machine: it packs its rows into shards and hands them over,
through the cluster's object store or through a spool (any folder or URL that fsspec knows). This process checks them
and enters them into the store. Media and weights must be found under the same paths everywhere.

If an actor dies, Ray starts another and repeats the job that it had; nothing of it is in the store by then.
"""

from __future__ import annotations

import logging
import os
import pickle
import socket
import time
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from feature_extractors.engine.cluster_worker import Actor, Delivery, Job
from feature_extractors.engine.report import Beat, Kept, Said, TaskReport
from feature_extractors.engine.tasks import Task
from mertools.errors import ExtractionError, MachineError, MerToolsError
from mertools.status import Status
from mertools.store.transfer import put, unpack

if TYPE_CHECKING:
    from feature_extractors.engine.options import ExtractionOptions
    from feature_extractors.engine.worker import WorkerSetup
    from mertools.store import Store

TASKS_PER_JOB = 4
"""A worker reads ahead within a job only, and a job is repeated as a whole."""

JOBS_PER_ACTOR = 8
"""Jobs are made smaller until there are so many for each actor, so that all end at about the same time."""

DEATHS = 3
"""So many times a job is repeated whose actor died."""

CPUS_PER_WORKER = 4
"""One worker for so many CPUs, in a cluster without GPUs."""

CONNECT_S = 10.0
"""A head node that does not answer within so many seconds is not there."""

FEW_CPUS = 8
"""With so few CPUs an actor asks for half of one, so that reading and merging always find a place."""


def find_devices(asked: str, options: ExtractionOptions) -> tuple[str, ...]:
    """See `feature_extractors.engine.engines.Engine.find_devices`."""
    if asked not in ("auto", "cpu", "cuda"):
        raise ExtractionError(
            "MER-E070",
            f"device '{asked}' was given, but the cluster chooses the device of each worker.",
            "Expected auto, cpu or cuda; --workers N bounds how many are used.",
        )
    _connect(options.address)
    import ray

    found = ray.cluster_resources()
    n_gpus, n_cpus = int(found.get("GPU", 0)), int(found.get("CPU", 0))
    if asked == "cuda" and not n_gpus:
        raise MachineError("MER-E071", "the cluster has no GPU.", "Give --device cpu, or add a node with a GPU.")
    if asked != "cpu" and n_gpus:
        return ("cuda",) * n_gpus
    return ("cpu",) * max(1, n_cpus // CPUS_PER_WORKER)


def count_cores(options: ExtractionOptions) -> int:
    """See `feature_extractors.engine.engines.Engine.count_cores`."""
    _connect(options.address)
    import ray

    return max(1, int(ray.cluster_resources().get("CPU", 1)))


def run_tasks(setup: WorkerSetup, tasks: Sequence[Task], store: Store) -> Iterator[Said]:
    """See `feature_extractors.engine.engines.Engine.run_tasks`."""
    _connect(setup.address)
    with ExitStack() as stack:
        spool = stack.enter_context(_spool(setup.spool))
        keeper = stack.enter_context(_Keeper(setup, store, tasks))
        for delivery in _deliveries(setup, spool, [*_jobs(setup, tasks)], store):
            if delivery.error is not None:
                raise _error(delivery.error)
            yield from keeper.take(delivery)
        yield from keeper.flush()
        keeper.name_what_is_missing()


def _connect(address: str) -> None:
    """Join a cluster, or start one on this machine; it ends with this process.

    Raises:
        MachineError: if there is none at the address.
    """
    import ray

    if ray.is_initialized():
        return
    address = address or os.environ.get("RAY_ADDRESS", "")
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # what goes wrong comes as an exception
    try:
        _knock(address)
        ray.init(
            address=address or "local",
            log_to_driver=False,
            logging_level=logging.ERROR,
            **({} if address else {"include_dashboard": False}),
        )
    except (ConnectionError, RuntimeError, ValueError, OSError) as error:
        reason = " ".join(str(error).split())[:300]
        where = f"joined at '{address}'" if address else "started on this machine"
        raise MachineError(
            "MER-E073", f"no Ray cluster can be {where}: {reason}", "Check the address: `ray status` on the head node."
        ) from error


def _knock(address: str) -> None:
    """Look whether anybody listens: where nobody does, Ray's core ends the whole process after a minute.

    Raises:
        OSError: if nobody does.
    """
    host, colon, port = address.rpartition("://")[2].rpartition(":")
    if colon and port.isdecimal():
        socket.create_connection((host.strip("[]"), int(port)), timeout=CONNECT_S).close()


def _jobs(setup: WorkerSetup, tasks: Sequence[Task]) -> Iterator[tuple[Task, ...]]:
    size = max(1, min(TASKS_PER_JOB, len(tasks) // (JOBS_PER_ACTOR * len(setup.devices))))
    for start in range(0, len(tasks), size):
        yield tuple(tasks[start : start + size])


def _deliveries(setup: WorkerSetup, spool: str, jobs: Sequence[tuple[Task, ...]], store: Store) -> Iterator[Delivery]:
    """Run the jobs; yield what the actors deliver, in any order."""
    import pyarrow as pa
    import ray
    import ray.data

    logging.getLogger("ray.data").setLevel(logging.ERROR)
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    context.max_errored_blocks = len(jobs)  # a job that cannot be done leaves the others alone
    refs = []
    for job in jobs:  # face tracks of many clips may need more than memory: the object store has a disk
        packed = pickle.dumps(Job(job, _geometry(setup, job, store)))
        refs.append(ray.put(pa.table({"job": pa.array([packed], pa.large_binary())})))
    n_actors = min(len(setup.devices), len(jobs))
    on_gpu = setup.device != "cpu"
    n_cpus = ray.cluster_resources().get("CPU", 1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # these two have no other name in Ray 2.60
        done = ray.data.from_arrow_refs(refs).map_batches(
            Actor,
            fn_constructor_args=(setup.on(setup.device), spool),
            batch_format="pyarrow",
            batch_size=None,
            compute=ray.data.ActorPoolStrategy(size=n_actors, max_tasks_in_flight_per_actor=1),
            num_cpus=0.5 if n_cpus <= FEW_CPUS else 1,
            num_gpus=1 if on_gpu else 0,
            max_restarts=-1,
            max_task_retries=DEATHS,
        )
    for table in done.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0):
        for packed in table["delivery"].to_pylist():
            yield pickle.loads(packed)  # noqa: S301 - a message of our own actor


def _geometry(setup: WorkerSetup, tasks: Iterable[Task], store: Store) -> dict[str, tuple[Any, Any]]:
    if setup.geometry is None:
        return {}
    names = [clip for task in tasks for clip, (status, _) in task.geometry.items() if status == Status.OK]
    found = store.read_all(setup.geometry.fingerprint, names) if names else {}
    return {clip: (one.values, one.times_s) for clip, one in found.items()}


def _error(error: MerToolsError | str) -> Exception:
    return error if isinstance(error, MerToolsError) else RuntimeError(f"a worker of the cluster failed:\n{error}")


@contextmanager
def _spool(place: str) -> Iterator[str]:
    """A folder of this run within the spool, removed at the end; empty if there is no spool.

    Raises:
        ExtractionError: if it cannot be written.
    """
    if not place:
        yield ""
        return
    import fsspec

    url = place if "://" in place else os.path.abspath(place)
    mine = f"{url.rstrip('/')}/{uuid4().hex}"
    try:
        files, path = fsspec.core.url_to_fs(mine)
        files.makedirs(path, exist_ok=True)
    except (ValueError, ImportError, OSError) as error:
        raise ExtractionError(
            "MER-E074",
            f"the spool '{place}' cannot be used: {' '.join(str(error).split())[:300]}",
            "Expected a folder or URL that all workers can write, e.g. s3://bucket/folder (needs the package s3fs).",
        ) from error
    try:
        yield mine
    finally:
        with suppress(OSError):
            files.rm(path, recursive=True)


class _Keeper:
    """Enters what is delivered into the store; a context manager that makes durable what was taken in.

    Args:
        setup: of the workers.
        store: the store.
        tasks: all.
    """

    def __init__(self, setup: WorkerSetup, store: Store, tasks: Sequence[Task]) -> None:
        self._flush_s = setup.flush_s
        specs = [one.spec for one in setup.asked] + ([setup.geometry] if setup.geometry else [])
        self._writers = {spec.fingerprint: store.writer(store.declare(spec)) for spec in specs}
        self._left = {task.index: task for task in tasks}
        self._ended: list[TaskReport] = []
        self._places: list[str] = []
        self._began = self._flushed = time.monotonic()
        self._waited_s = self._worked_s = 0.0

    def __enter__(self) -> _Keeper:
        return self

    def __exit__(self, *_: object) -> None:
        for _said in self.flush():
            pass

    def take(self, delivery: Delivery) -> Iterator[Said]:
        """Take a delivery in; say which clips went through, and what has become durable."""
        rows = []  # all are checked before the first is kept
        for space, shard in delivery.shards:
            content = _fetched(shard) if isinstance(shard, str) else shard
            rows += [(space, record) for record in unpack(content, space)]
        for space, record in rows:
            put(self._writers[space], record)
        self._places += [shard for _, shard in delivery.shards if isinstance(shard, str)]
        if delivery.reports:  # of one call of a worker: the last counts from its beginning
            self._worked_s += delivery.reports[-1].worked_s
            self._waited_s += delivery.reports[-1].waited_s
        for report in delivery.reports:
            for length in self._left[report.index].lengths.values():
                yield Beat(report.index, length, *self._times())
        self._ended += delivery.reports
        if time.monotonic() - self._flushed >= self._flush_s:
            yield from self.flush()

    def flush(self) -> Iterator[Said]:
        """Make durable what was taken in, and say so."""
        for writer in self._writers.values():
            writer.flush()
        ended, self._ended = self._ended, []
        places, self._places = self._places, []
        self._flushed = time.monotonic()
        for place in places:
            _remove(place)
        for report in ended:
            task = self._left.pop(report.index)
            yield from (Kept(report.index) for _ in task.lengths)
            worked_s, waited_s = self._times()
            yield TaskReport(report.index, report.n_rows, report.n_bytes, report.length, worked_s, waited_s)

    def name_what_is_missing(self) -> None:
        """Raise if a task was not delivered."""
        clips = [name for task in self._left.values() for name in task.lengths]
        if clips:
            raise ExtractionError(
                "MER-E062",
                f"{len(clips)} clips ({', '.join(clips[:5])}{', ...' if len(clips) > 5 else ''}) were not computed: "
                f"the workers died over their group, and {DEATHS} repetitions did not help. All others are done.",
                "Too little memory for so many workers is the usual reason: repeat with fewer --workers.",
            )

    def _times(self) -> tuple[float, float]:
        """Seconds since the beginning, and the workers' share of waiting of them."""
        worked_s = time.monotonic() - self._began
        return worked_s, worked_s * self._waited_s / max(self._worked_s, 1e-9)


def _fetched(place: str) -> bytes:
    import fsspec

    try:
        with fsspec.open(place, "rb") as file:
            content: bytes = file.read()
    except OSError as error:
        raise MachineError("MER-E075", f"{place} cannot be fetched from the spool: {error}.", "Run again.") from error
    return content


def _remove(place: str) -> None:
    import fsspec

    with suppress(OSError):
        files, path = fsspec.core.url_to_fs(place)
        files.rm(path)
