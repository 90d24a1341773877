"""Feeder threads: they read clips ahead of the model and hand over what they read in plan order."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from queue import SimpleQueue
from typing import TYPE_CHECKING

from feature_extractors.engine.asked import Asked
from feature_extractors.engine.channel import Channel, Stopped
from feature_extractors.engine.items import ClipJob, Done, End, Piece
from feature_extractors.engine.reader import ClipReader, GeometryKeeper
from feature_extractors.engine.sources import MediaCatalog
from feature_extractors.engine.tasks import Task

if TYPE_CHECKING:
    from mertools.media import DecoderPool


class Feeder:
    """Threads that turn clips into items on a channel.

    Args:
        tasks: in the order of work; taken one by one as feeders become free.
        asked: the spaces.
        pool: of decoder processes.
        catalog: of media digests.
        keeper: of geometry.
        n_threads: feeders, each with its own face tracker.
        device: of the face tracker.
        budget: bytes that may wait for the model.
    """

    def __init__(
        self,
        tasks: Iterable[Task],
        asked: Sequence[Asked],
        *,
        pool: DecoderPool,
        catalog: MediaCatalog,
        keeper: GeometryKeeper,
        n_threads: int,
        device: str,
        budget: int = 512 << 20,
    ) -> None:
        self._asked, self._pool, self._catalog, self._keeper, self._device = asked, pool, catalog, keeper, device
        self.channel: Channel[Piece | End | Done] = Channel(budget, ahead=2 * n_threads)
        self._jobs = self._expand(tasks)
        self._claiming = threading.Lock()
        self._order: SimpleQueue[ClipJob | BaseException | None] = SimpleQueue()
        self._threads = [threading.Thread(target=self._work, name=f"feeder-{i}", daemon=True) for i in range(n_threads)]

    def jobs(self) -> Iterator[ClipJob]:
        """Start the threads and yield the clips in plan order; their items are on the channel."""
        for thread in self._threads:
            thread.start()
        while (job := self._order.get()) is not None:
            if isinstance(job, BaseException):
                raise job
            yield job

    def items(self, job: ClipJob) -> Iterator[Piece | End]:
        """What was read of a clip, in order."""
        while not isinstance(item := self.channel.get(job.stream), Done):
            yield item

    def stop(self) -> None:
        """Send the threads home; one in the middle of a clip leaves at its next item."""
        self.channel.stop()

    def join(self) -> None:
        """Wait until the threads have left."""
        for thread in self._threads:
            if thread.ident is not None:
                thread.join()

    def _expand(self, tasks: Iterable[Task]) -> Iterator[ClipJob]:
        stream = 0
        for task in tasks:
            for place, source in enumerate(task.clips):
                keys = dict.fromkeys(self._asked[i].key for i, part in task.parts.items() if source.name in part.fed)
                yield ClipJob(stream, task, source, tuple(keys), last=place == len(task.clips) - 1)
                stream += 1

    def _claim(self) -> ClipJob | None:
        with self._claiming:
            job = next(self._jobs, None)
            self._order.put(job)
            return job

    def _work(self) -> None:
        reader = ClipReader(self._pool, self._catalog, self._keeper, self._device, self._put, self.channel.check)
        try:
            while (job := self._claim()) is not None:
                self.channel.begin(job.stream)
                reader.read(job)
                self.channel.put(job.stream, Done())
        except Stopped:
            return
        except BaseException as error:  # the reader of the channel raises it
            self.channel.fail(error)
            self._order.put(error)

    def _put(self, job: ClipJob, item: Piece | End) -> None:
        self.channel.put(job.stream, item, item.n_bytes if isinstance(item, Piece) else 0)
