"""A worker: extractors on one device, decoders that run ahead of them, a writer behind them.

The local engine has one in its own process; on several devices (`several`) and in a cluster (`cluster`) each process
has its own. A worker takes tasks one by one as its feeders become free.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from feature_extractors.base import Rows
from feature_extractors.engine.asked import Asked
from feature_extractors.engine.batching import Batcher, ClipRows
from feature_extractors.engine.embedding import Embedder, Failure
from feature_extractors.engine.feeder import Feeder
from feature_extractors.engine.items import ClipJob, End, Piece
from feature_extractors.engine.report import Beat, Said, TaskReport
from feature_extractors.engine.sources import MediaCatalog
from feature_extractors.engine.tasks import Task
from feature_extractors.engine.writing import WriterThread
from feature_extractors.facetrack import Geometry
from mertools.media import DecoderPool
from mertools.status import Status

if TYPE_CHECKING:
    from mertools.store import Space, SpaceSpec, Store


@dataclass(frozen=True)
class WorkerSetup:
    """What a worker needs to know; picklable.

    Attributes:
        asked: the spaces.
        geometry: the space of face tracks; None if no space needs them.
        devices: for extractors and face tracker, one per worker; a worker uses the first.
        decoders: decoder processes of each worker.
        timeout_s: that one clip may take to decode.
        flush_s: see `WriterThread`.
        address: of the cluster, if the engine has one.
        spool: see `ExtractionOptions`.
    """

    asked: tuple[Asked, ...]
    geometry: SpaceSpec | None
    devices: tuple[str, ...]
    decoders: int
    timeout_s: float
    flush_s: float
    address: str = ""
    spool: str = ""

    @property
    def device(self) -> str:
        """Of the worker that is given this."""
        return self.devices[0]

    def on(self, device: str) -> WorkerSetup:
        """For the worker on one device."""
        return replace(self, devices=(device,))


class Worker:
    """Computes tasks. Weights are loaded when it is made.

    Args:
        setup: what it works on.
        store: where rows go; geometry is also read from it: a `Store`, or what stands for one in a cluster (`parcel`).

    Raises:
        MerToolsError: if weights are missing or do not fit.
    """

    def __init__(self, setup: WorkerSetup, store: Store) -> None:
        self._setup, self._store = setup, store
        self._catalog = MediaCatalog(store)
        self._pool: DecoderPool | None = None
        for one in setup.asked:
            one.extractor.load(setup.device, one.precision)
        self._spaces = [store.declare(one.spec) for one in setup.asked]
        self._geometry = store.declare(setup.geometry) if setup.geometry is not None else None
        self._embedders = [Embedder(one, setup.device) for one in setup.asked]

    def work(self, tasks: Iterable[Task], *, keep_decoders: bool = False) -> Iterator[Said]:
        """Compute tasks; yield a beat for each clip, and what has become durable of clips and tasks.

        If it is interrupted or closed, what is complete is made durable first.

        Args:
            tasks: in the order of work.
            keep_decoders: whether decoder processes wait for the next call; they end with this process.

        Raises:
            MerToolsError: if the run cannot go on (disk full, an extractor that always fails).
        """
        spaces = [*self._spaces, *([self._geometry] if self._geometry else [])]
        writer = WriterThread({s.fingerprint: self._store.writer(s) for s in spaces}, self._setup.flush_s)
        pool, self._pool = self._pool or DecoderPool(self._setup.decoders, timeout_s=self._setup.timeout_s), None
        feeder = Feeder(
            tasks,
            self._setup.asked,
            pool=pool,
            catalog=self._catalog,
            keeper=_Keeper(self._store, self._geometry, writer),
            n_threads=self._setup.decoders,
            device=self._setup.device,
        )
        try:
            with closing(self._compute(feeder, writer)) as beats:
                for beat in beats:
                    yield beat
                    while not writer.durable.empty():
                        yield writer.durable.get()
        except Exception:
            self._end(feeder, pool)
            writer.abandon()
            raise
        except BaseException:  # Ctrl-C, or the caller has enough
            self._end(feeder, pool)
            writer.finish()
            raise
        if keep_decoders:
            feeder.join()
            self._pool = pool
        else:
            self._end(feeder, pool)
        writer.finish()
        while not writer.durable.empty():
            yield writer.durable.get()

    def _end(self, feeder: Feeder, pool: DecoderPool) -> None:
        feeder.stop()
        pool.close()
        feeder.join()

    def _compute(self, feeder: Feeder, writer: WriterThread) -> Generator[Beat]:
        began = time.perf_counter()
        group: _Group | None = None
        for job in feeder.jobs():
            if group is None:
                group = _Group(job.task, self._setup.asked, self._embedders, self._spaces, writer)
            group.take(job, feeder.items(job))
            if job.last:
                group.finish(began, feeder.channel.waited_s)
                group = None
            if (length := job.task.lengths.get(job.source.name)) is not None:
                yield Beat(job.task.index, length, time.perf_counter() - began, feeder.channel.waited_s)


class _Group:
    """One task in the works."""

    def __init__(
        self,
        task: Task,
        asked: Sequence[Asked],
        embedders: Sequence[Embedder],
        spaces: Sequence[Space],
        writer: WriterThread,
    ) -> None:
        self._task, self._asked, self._spaces, self._writer = task, asked, spaces, writer
        self._batchers = {i: Batcher(asked[i], embedders[i], self._emitter(i)) for i in task.parts}
        self._media: dict[tuple[int, str], str] = {}
        self._left = Counter(clip for part in task.parts.values() for clip in part.wanted)
        self._n_rows = self._n_bytes = 0

    def take(self, job: ClipJob, items: Iterable[Piece | End]) -> None:
        """Feed one clip to all batchers that want it."""
        clip = job.source.name
        for item in items:
            for i, batcher in self._batchers.items():
                if self._asked[i].key != item.key or clip not in self._task.parts[i].fed:
                    continue
                self._media[i, clip] = job.media[item.key]
                if isinstance(item, Piece):
                    batcher.feed(clip, item.payload)
                else:
                    failed = item.status != Status.OK
                    batcher.end(clip, Failure(Status(item.status), item.reason) if failed else None)

    def finish(self, began: float, waited_s: float) -> None:
        """Compute the last batches and report.

        Args:
            began: when the worker did (``time.perf_counter()``).
            waited_s: seconds that it waited for decoders since.
        """
        for batcher in self._batchers.values():
            batcher.finish()
        self._writer.end_task(
            TaskReport(
                index=self._task.index,
                n_rows=self._n_rows,
                n_bytes=self._n_bytes,
                length=self._task.length,
                worked_s=time.perf_counter() - began,
                waited_s=waited_s,
            )
        )

    def _emitter(self, place: int) -> Callable[[ClipRows], None]:
        def emit(outcome: ClipRows) -> None:
            media = self._media.pop((place, outcome.clip))
            if outcome.clip in self._task.parts[place].wanted:
                self._writer.write(self._spaces[place], outcome.clip, outcome.rows, media)
                self._n_rows += 1
                self._n_bytes += outcome.rows.values.nbytes if isinstance(outcome.rows, Rows) else 0
                self._left[outcome.clip] -= 1
                if not self._left[outcome.clip]:
                    self._writer.end_clip(self._task.index)

        return emit


class _Keeper:
    """Geometry in the store, as `GeometryKeeper`."""

    def __init__(self, store: Store, space: Space | None, writer: WriterThread) -> None:
        self._store, self._space, self._writer = store, space, writer

    def read(self, clip: str) -> Geometry:
        embedding = self._store.read(self._of(clip), clip)
        return Geometry.from_values(embedding.values, embedding.times_s)

    def keep(self, clip: str, geometry: Geometry, media: str) -> None:
        self._writer.write(self._of(clip), clip, Rows(*geometry.to_values()), media)

    def fail(self, clip: str, status: str, reason: str, media: str) -> None:
        self._writer.write(self._of(clip), clip, Failure(Status(status), reason), media)

    def _of(self, clip: str) -> Space:
        if self._space is None:
            raise RuntimeError(f"clip '{clip}' needs face tracks, but no space was declared for them")
        return self._space
