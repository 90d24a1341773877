"""What runs in an actor of `cluster`: a worker that packs its rows into shards."""

from __future__ import annotations

import pickle
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from feature_extractors.engine.parcel import Parcel
from feature_extractors.engine.report import TaskReport
from mertools.errors import MerToolsError

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

    from feature_extractors.engine.tasks import Task
    from feature_extractors.engine.worker import Worker, WorkerSetup


@dataclass(frozen=True)
class Job:
    """What an actor is given at a time.

    Attributes:
        tasks: in the order of work.
        geometry: values and times of the face tracks that the store has, by clip.
    """

    tasks: tuple[Task, ...]
    geometry: Mapping[str, tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class Delivery:
    """What an actor gives back for a job.

    Attributes:
        reports: of its tasks.
        shards: fingerprint with the bytes of a shard, or with the place where they were put.
        error: why the run cannot go on; None if it can.
    """

    reports: Sequence[TaskReport] = ()
    shards: Sequence[tuple[str, bytes | str]] = ()
    error: MerToolsError | str | None = None


class Actor:
    """A worker with its weights loaded; called with one job at a time.

    Args:
        setup: of the worker.
        spool: where shards are put; empty = they are given back themselves.
    """

    def __init__(self, setup: WorkerSetup, spool: str) -> None:
        self._setup, self._spool = setup, spool
        self._parcel = Parcel()
        self._worker: Worker | None = None

    def __call__(self, table: pa.Table) -> pa.Table:
        """Jobs in, deliveries out, both pickled: these are messages between our own processes."""
        import pyarrow as pa

        deliveries = [self._deliver(pickle.loads(job)) for job in table["job"].to_pylist()]  # noqa: S301
        packed = [pickle.dumps(one) for one in deliveries]
        return pa.table({"delivery": pa.array(packed, pa.large_binary())})

    def _deliver(self, job: Job) -> Delivery:
        try:
            reports = self._work(job)
            return Delivery(reports, [(space, self._hand_over(space, shard)) for space, shard in self._parcel.take()])
        except MerToolsError as error:
            return Delivery(error=error)
        except Exception:  # shown where the run was started
            return Delivery(error=traceback.format_exc())

    def _work(self, job: Job) -> list[TaskReport]:
        if self._worker is None:
            from feature_extractors.engine.worker import Worker

            store: Any = self._parcel
            self._worker = Worker(self._setup, store)
        self._parcel.give(job.geometry)
        saying = self._worker.work(job.tasks, keep_decoders=True)
        return [said for said in saying if isinstance(said, TaskReport)]

    def _hand_over(self, space: str, shard: bytes) -> bytes | str:
        if not self._spool:
            return shard
        import fsspec

        place = f"{self._spool}/{space}-{uuid4().hex}.safetensors"
        with fsspec.open(place, "wb") as file:
            file.write(shard)
        return place
