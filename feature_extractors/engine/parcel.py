"""What stands for the store where the store is out of reach: rows are packed into shards and sent home."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from mertools.status import Status
from mertools.store import Embedding, Space
from mertools.store.shards import Record
from mertools.store.transfer import pack

if TYPE_CHECKING:
    from mertools.store import MediaFacts, SpaceSpec


class Parcel:
    """The part of `mertools.store.Store` that a worker uses, in memory."""

    def __init__(self) -> None:
        self._records: dict[str, dict[str, Record]] = {}
        self._given: Mapping[str, tuple[np.ndarray, np.ndarray]] = {}
        self._lock = threading.Lock()

    def give(self, geometry: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> None:
        """Values and times of the face tracks, by clip, that may be read until others are given."""
        self._given = geometry

    def take(self) -> list[tuple[str, bytes]]:
        """Everything that was written, as fingerprint and shard; the parcel is empty then."""
        with self._lock:
            records, self._records = self._records, {}
        return [(space, pack(space, list(rows.values()))) for space, rows in records.items() if rows]

    def declare(self, spec: SpaceSpec) -> Space:
        """The space that `spec` describes."""
        return Space.of(spec)

    def writer(self, space: Space) -> _Writer:
        """A writer to a space."""
        return _Writer(self, space.fingerprint)

    def read(self, space: Space, clip: str) -> Embedding:
        """What was given for a clip."""
        return Embedding(*self._given[clip])

    def media_facts(self, path: object) -> MediaFacts | None:
        """Nothing is known here beforehand."""
        return None

    def remember_media(self, path: object, facts: MediaFacts) -> None:
        """The worker's own catalog remembers it."""

    def put(self, space: str, record: Record) -> None:
        """Keep a row until it is taken."""
        with self._lock:
            self._records.setdefault(space, {})[record.clip] = record


class _Writer:
    """As `mertools.store.Writer`."""

    def __init__(self, parcel: Parcel, space: str) -> None:
        self._parcel, self._space = parcel, space

    def add(self, clip: str, values: np.ndarray, times_s: np.ndarray, *, media: str = "") -> None:
        values, times_s = np.array(values, order="C"), np.array(times_s, "<f8", order="C")
        self._parcel.put(self._space, Record(clip, Status.OK.value, "", media, 0, values, times_s))

    def fail(self, clip: str, status: str, reason: str, *, media: str = "") -> None:
        self._parcel.put(self._space, Record(clip, str(status), reason, media, 0))

    def flush(self) -> int:
        """Nothing is durable before the shard has come home."""
        return 0
