"""From pieces of input to batches, and from rows back to clips: one batcher per space and group."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from feature_extractors.base import FaceCrops, Rows, Waveform
from feature_extractors.engine.asked import Asked
from feature_extractors.engine.embedding import Embedder, Failure
from mertools.status import Status


class MeanOfRows:
    """Mean over rows, in float64, row after row: the same bits however the rows were cut into pieces."""

    def __init__(self, dim: int) -> None:
        self._sum = np.zeros(dim, np.float64)
        self._count = 0

    def add(self, values: np.ndarray) -> None:
        """Take in rows, shape ``(T, D)``."""
        for row in values:
            self._sum += row
        self._count += len(values)

    def value(self) -> np.ndarray:
        """The mean, shape ``(1, D)``, float32."""
        return (self._sum / self._count).astype(np.float32)[None]


@dataclass(frozen=True)
class ClipRows:
    """The outcome of one clip in one space."""

    clip: str
    rows: Rows | Failure


@dataclass
class _Open:
    """A clip on its way through a batcher."""

    waiting: list[FaceCrops] = field(default_factory=list)  # crops not yet cut into pieces
    n_waiting: int = 0
    pending: int = 0  # pieces whose rows are not there yet
    ended: bool = False
    failure: Failure | None = None
    kept: list[Rows] = field(default_factory=list)
    mean: MeanOfRows | None = None
    offset_s: float = 0.0


@dataclass
class _Bucket:
    """Pieces that will share a batch."""

    pieces: list[tuple[str, Any]] = field(default_factory=list)
    cost: float = 0.0


class Batcher:
    """Collects the inputs of one group for one space.

    The batches depend on the inputs and their order alone: pieces of faces are packed over clips; sounds and texts
    share a batch if they are equally long or the extractor is `padding_invariant`; an extractor that does not run on
    torch gets one input at a time.

    Args:
        asked: the space.
        embedder: calls its extractor.
        emit: takes the outcome of each clip, once.
    """

    def __init__(self, asked: Asked, embedder: Embedder, emit: Callable[[ClipRows], None]) -> None:
        self._asked, self._embedder, self._emit = asked, embedder, emit
        self._open: dict[str, _Open] = {}
        self._buckets: dict[int, _Bucket] = {}
        self._piece_rows = None if asked.own else asked.extractor.chunk_rows

    def feed(self, clip: str, payload: FaceCrops | Waveform | str) -> None:
        """Take in a piece of a clip's input."""
        state = self._state(clip)
        if state.failure is not None:
            return
        if not isinstance(payload, FaceCrops):
            state.offset_s = payload.start_s if isinstance(payload, Waveform) else 0.0
            self._submit(clip, state, payload)
            return
        state.waiting.append(payload)
        state.n_waiting += len(payload)
        while self._piece_rows is not None and state.n_waiting >= self._piece_rows:
            whole = _joined(state.waiting)
            rest = whole.piece(self._piece_rows, len(whole))
            state.waiting, state.n_waiting = [rest], len(rest)
            self._submit(clip, state, whole.piece(0, self._piece_rows))

    def end(self, clip: str, failure: Failure | None = None) -> None:
        """No more input of this clip."""
        state = self._state(clip)
        state.failure = state.failure or failure
        if state.failure is None and state.n_waiting:
            crops = _joined(state.waiting)
            state.waiting, state.n_waiting = [], 0
            self._submit(clip, state, crops)
        state.ended = True
        self._close_if_complete(clip, state)

    def finish(self) -> None:
        """Compute what still waits: the group is complete."""
        for length in list(self._buckets):
            self._run(self._buckets.pop(length))

    def _state(self, clip: str) -> _Open:
        return self._open.setdefault(clip, _Open())

    def _submit(self, clip: str, state: _Open, piece: Any) -> None:
        state.pending += 1
        extractor = self._asked.extractor
        if not extractor.torch_model:
            self._run(_Bucket([(clip, piece)]))
            return
        mixed = self._asked.modality == "face" or extractor.padding_invariant
        length = 0 if mixed else len(piece)
        cost = extractor.cost(len(piece))
        bucket = self._buckets.setdefault(length, _Bucket())
        if bucket.pieces and bucket.cost + cost > extractor.batch_cost:
            self._run(bucket)
            bucket = self._buckets[length] = _Bucket()
        bucket.pieces.append((clip, piece))
        bucket.cost += cost

    def _run(self, bucket: _Bucket) -> None:
        found = self._embedder.embed([piece for _, piece in bucket.pieces])
        for (clip, _), rows in zip(bucket.pieces, found, strict=True):
            state = self._open[clip]
            state.pending -= 1
            self._collect(state, rows)
            self._close_if_complete(clip, state)

    def _collect(self, state: _Open, rows: Rows | Failure) -> None:
        if isinstance(rows, Failure):
            state.failure = state.failure or rows
            state.waiting, state.n_waiting = [], 0
        elif self._asked.level == "utterance" and not self._asked.own:
            state.mean = state.mean or MeanOfRows(self._asked.spec.dim)
            state.mean.add(rows.values)
        else:
            state.kept.append(rows)

    def _close_if_complete(self, clip: str, state: _Open) -> None:
        if not state.ended or state.pending:
            return
        del self._open[clip]
        self._emit(ClipRows(clip, state.failure or _outcome(state)))


def utterance_of(frames: np.ndarray) -> Rows:
    """The utterance row of frame rows, shape ``(T, D)``: their mean, at the clip's start."""
    mean = MeanOfRows(frames.shape[1])
    mean.add(frames)
    return Rows(mean.value(), np.zeros(1))


def _outcome(state: _Open) -> Rows | Failure:
    if state.mean is not None:
        return Rows(state.mean.value(), np.zeros(1))
    if not state.kept:
        return Failure(Status.TOO_SHORT, "the input is empty.")
    kept, state.kept = state.kept, []  # of an hour-long clip these are gigabytes: no copy outlives its use
    if len(kept) == 1:
        return Rows(kept[0].values, kept[0].times_s + state.offset_s)
    times_s = np.concatenate([rows.times_s for rows in kept]) + state.offset_s
    return Rows(np.concatenate([rows.values for rows in kept]), times_s)


def _joined(parts: list[FaceCrops]) -> FaceCrops:
    if len(parts) == 1:
        return parts[0]
    pixels, times_s = np.concatenate([p.pixels for p in parts]), np.concatenate([p.times_s for p in parts])
    return FaceCrops(pixels, times_s, parts[0].sampled_from)
