"""Feeder threads: one decoder session per clip feeds every extractor, ahead of the model and in plan order."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from feature_extractors.base import FaceCrops, Waveform
from feature_extractors.engine.asked import Asked, InputKey
from feature_extractors.engine.channel import Channel, Stopped
from feature_extractors.engine.cutting import CutAll, shipped_crops, shipped_digest
from feature_extractors.engine.sources import ClipSource, MediaCatalog, text_digest
from feature_extractors.engine.tasks import Task
from mertools.errors import MediaError
from mertools.status import SILENCE_RMS, Status

if TYPE_CHECKING:
    from feature_extractors.facetrack import Geometry
    from mertools.media import DecoderPool

BROKEN = (Status.TIMEOUT, Status.CRASH, Status.OOM)
"""After these a session's process is gone."""


@dataclass(frozen=True)
class Piece:
    """A part of an input, in order."""

    key: InputKey
    payload: Any


@dataclass(frozen=True)
class End:
    """No more pieces of this input. A status other than ``ok`` says why there is none."""

    key: InputKey
    status: str = Status.OK
    reason: str = ""


class Done:
    """Nothing more of this clip."""


@dataclass
class ClipJob:
    """One clip of a task on its way through a feeder.

    Attributes:
        stream: its number, counting in plan order.
        task: that it belongs to.
        source: of its inputs.
        keys: the inputs that somebody needs.
        last: whether it is the last of its task.
        media: digest per input, set before the first item of the input is put.
    """

    stream: int
    task: Task
    source: ClipSource
    keys: tuple[InputKey, ...]
    last: bool
    media: dict[InputKey, str] = field(default_factory=dict)


class GeometryKeeper(Protocol):
    """Reads and keeps the face tracks of clips."""

    def read(self, clip: str) -> Geometry:
        """From the store."""

    def keep(self, clip: str, geometry: Geometry, media: str) -> None:
        """Into the store."""

    def fail(self, clip: str, status: str, reason: str, media: str) -> None:
        """The clip has no geometry, and why."""


class Feeder:
    """Threads that turn clips into items on a channel.

    Args:
        tasks: in the order of work; taken one by one as feeders become free.
        asked: the spaces.
        pool: of decoder processes; None if no space needs media.
        catalog: of media digests.
        keeper: of geometry; None if no space needs it.
        n_threads: feeders, each with its own face tracker.
        device: of the face tracker.
        budget: bytes that may wait for the model.
    """

    def __init__(
        self,
        tasks: Iterable[Task],
        asked: Sequence[Asked],
        *,
        pool: DecoderPool | None,
        catalog: MediaCatalog,
        keeper: GeometryKeeper | None,
        n_threads: int,
        device: str,
        budget: int = 512 << 20,
    ) -> None:
        self._asked, self._pool, self._catalog, self._keeper, self._device = asked, pool, catalog, keeper, device
        self.channel: Channel[Piece | End | Done] = Channel(budget, ahead=2 * n_threads)
        self._expanded = self._expand(tasks)
        self._claim_lock = threading.Lock()
        self._claimed: dict[int, ClipJob | None] = {}
        self._threads = [
            threading.Thread(target=self._work, name=f"feeder-{i}", daemon=True) for i in range(n_threads)
        ]

    def start(self) -> None:
        """Let the threads run."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Stop; a feeder in the middle of a clip leaves at its next item."""
        self.channel.stop()

    def join(self, timeout_s: float) -> None:
        """Wait until the threads have left."""
        for thread in self._threads:
            thread.join(timeout_s)

    def job(self, stream: int) -> ClipJob | None:
        """The job with this number; None beyond the last. Claims it if no feeder has come that far."""
        with self._claim_lock:
            while stream not in self._claimed:
                self._claim()
            return self._claimed.pop(stream)

    def _expand(self, tasks: Iterable[Task]) -> Iterator[ClipJob]:
        stream = 0
        for task in tasks:
            for place, source in enumerate(task.clips):
                keys = dict.fromkeys(self._asked[i].key for i, part in task.parts.items() if source.name in part.fed)
                yield ClipJob(stream, task, source, tuple(keys), last=place == len(task.clips) - 1)
                stream += 1
