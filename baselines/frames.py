"""Frame-level embeddings of a corpus: all rows of a space one behind the other, and where each clip's rows lie.

Nothing is padded here. A batch is padded to its own longest clip when it is made, so that a clip looks the same
whatever corpus or split it comes with; folds and splits are views of the same rows.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from baselines.data import ClipTable, annotation_column
from baselines.models.base import Batch, FusionModel, Output
from mertools.errors import TrainingError

if TYPE_CHECKING:
    from baselines.alignment import Alignment
    from baselines.fitted import Projection
    from baselines.spaces import Feature
    from mertools.corpus import Clip, Corpus
    from mertools.store import Store
    from mertools.targets import Target

RESIDENT_BYTES = 4 << 30
"""Rows of one table beyond so many bytes lie in a temporary file instead of memory."""

CHUNK_BYTES = 64 << 20
"""Bytes of rows that are looked at at a time when something is fitted on all of them."""

EVALUATION_VALUES = 32 << 20
"""Values of a padded batch when nothing is learned: 128 MiB in float32."""


@dataclass(frozen=True)
class Ragged:
    """Rows of N clips in one space.

    Attributes:
        values: ``(ΣT, D)`` float32, of these clips and maybe of others.
        starts: ``(N,)`` int64, where each clip's rows begin.
        lengths: ``(N,)`` int64, how many they are; 0 where a clip has no embedding.
    """

    values: np.ndarray
    starts: np.ndarray
    lengths: np.ndarray

    def rows(self, index: np.ndarray) -> Ragged:
        """Some of the clips; shares the values."""
        return Ragged(self.values, self.starts[index], self.lengths[index])

    def together(self) -> np.ndarray:
        """``(ΣT, D)``: the rows of these clips alone, clip by clip, a copy."""
        behind = np.cumsum(self.lengths) - self.lengths
        index = np.repeat(self.starts - behind, self.lengths) + np.arange(int(self.lengths.sum()))
        return np.asarray(self.values[index])

    def chunks(self) -> Iterator[np.ndarray]:
        """As `together`, some clips at a time."""
        most = max(CHUNK_BYTES // (4 * max(self.values.shape[1], 1)), 1)
        which = (np.cumsum(self.lengths) - self.lengths) // most
        for chunk in np.unique(which[self.lengths > 0]):
            yield self.rows(np.flatnonzero(which == chunk)).together()


def longest(spaces: Sequence[Ragged]) -> np.ndarray:
    """``(N,)`` rows of each clip in the space where it has most."""
    found: np.ndarray = np.max([space.lengths for space in spaces], axis=0)
    return found


@dataclass(frozen=True)
class FrameTable(ClipTable):
    """Frame-level embeddings and annotations of N clips.

    Attributes:
        names: clip names.
        spaces: rows per space.
        present: ``(N, M)`` bool.
        annotations: per target ``(N,)``, see `ClipTable`.
        aligned: whether all spaces of a clip have one length.
    """

    names: tuple[str, ...]
    spaces: tuple[Ragged, ...]
    present: np.ndarray
    annotations: Mapping[str, np.ndarray]
    aligned: bool = False

    @property
    def dims(self) -> tuple[int, ...]:
        """D of each space."""
        return tuple(space.values.shape[1] for space in self.spaces)

    @property
    def lengths(self) -> np.ndarray:
        """``(N,)`` rows of each clip in the space where it has most."""
        return longest(self.spaces)

    def rows(self, index: np.ndarray) -> FrameTable:
        """Some of the clips; embeddings are shared, not copied."""
        positions = np.arange(len(self))[index]
        return FrameTable(
            tuple(self.names[i] for i in positions),
            tuple(space.rows(positions) for space in self.spaces),
            self.present[positions],
            {target: values[positions] for target, values in self.annotations.items()},
            self.aligned,
        )


@dataclass(frozen=True)
class FrameClips:
    """Inputs of a network for N clips that become a `Batch` when some of them are asked for.

    Attributes:
        spaces: rows per space, as they were read.
        projections: what scales them.
        present: ``(N, M)`` bool, on the CPU.
        aligned: whether all spaces of a clip have one length, and a batch one mask.
        device: where batches go.
    """

    spaces: tuple[Ragged, ...]
    projections: tuple[Projection, ...]
    present: Tensor
    aligned: bool = False
    device: torch.device | str = "cpu"

    def __len__(self) -> int:
        """Number of clips."""
        return len(self.present)

    @property
    def lengths(self) -> np.ndarray:
        """``(N,)`` rows of each clip in the space where it has most."""
        return longest(self.spaces)

    def to(self, device: torch.device | str) -> FrameClips:
        """The same with batches on another device; the rows stay where they are."""
        return FrameClips(self.spaces, self.projections, self.present, self.aligned, device)

    def rows(self, index: Tensor | slice) -> Batch:
        """Some of the clips, padded to the longest of them."""
        positions = np.arange(len(self))[index if isinstance(index, slice) else index.cpu().numpy()]
        chosen = [space.rows(positions) for space in self.spaces]
        lengths = [space.lengths for space in chosen]
        if self.aligned:
            lengths = [np.max(lengths, axis=0)] * len(chosen)
        embeddings, masks = [], []
        for space, projection, length in zip(chosen, self.projections, lengths, strict=True):
            row = np.arange(max(int(length.max(initial=0)), 1))
            padded = np.zeros((len(positions), len(row), projection.dim), np.float32)
            padded[row < space.lengths[:, None]] = projection(space.together())
            embeddings.append(torch.from_numpy(padded))
            masks.append(torch.from_numpy(row < length[:, None]))
        if self.aligned:
            masks = [masks[0]] * len(masks)
        return Batch(tuple(embeddings), self.present[torch.from_numpy(positions)], tuple(masks)).to(self.device)

    def passes(self) -> Iterator[Tensor]:
        """Positions of all clips, some at a time, alike in length: the passes of a network that learns nothing."""
        order = np.argsort(self.lengths, kind="stable")
        per_row = sum(projection.dim for projection in self.projections)
        start = 0
        while start < len(order):
            stop = start + 1
            while stop < len(order) and (stop + 1 - start) * self.lengths[order[stop]] * per_row <= EVALUATION_VALUES:
                stop += 1
            yield torch.from_numpy(order[start:stop])
            start = stop


def forward(model: FusionModel, inputs: Batch | FrameClips) -> Output:
    """Outputs for all clips: at once, or at frame level some at a time, in the order of the clips.

    The auxiliary loss is then the mean of the passes', weighted by clips.
    """
    if isinstance(inputs, Batch):
        return model(inputs)  # type: ignore[no-any-return]
    passes = list(inputs.passes())
    if not passes:
        nothing = torch.zeros(0, model.fused_dim)
        heads = {target: head(nothing) for target, head in zip(model.targets, model.heads, strict=True)}
        return Output(nothing, heads, nothing.sum())
    outputs = [model(inputs.rows(positions)) for positions in passes]
    back = torch.argsort(torch.cat(passes))
    shares = [len(positions) / len(inputs) for positions in passes]
    return Output(
        torch.cat([output.fused for output in outputs])[back],
        {target: torch.cat([output.heads[target] for output in outputs])[back] for target in model.targets},
        torch.stack([output.auxiliary * share for output, share in zip(outputs, shares, strict=True)]).sum(),
    )


def load_frames(
    store: Store,
    features: Sequence[Feature],
    corpus: Corpus,
    clips: Sequence[Clip],
    targets: Sequence[Target],
    alignment: Alignment,
) -> FrameTable:
    """Read frame-level embeddings and annotations of `clips`, brought together by `alignment`.

    A clip without a row in a space, or with a status other than ok, is masked there. The rows lie in memory, or in a
    temporary file without a name if they are more than `RESIDENT_BYTES`.

    Raises:
        TrainingError: if embeddings hold NaN or infinity, or do not have the space's dimension.
    """
    names = tuple(clip.name for clip in clips)
    spaces = [store.space(feature.fingerprint) for feature in features]
    status = [store.status(space) for space in spaces]
    piles = [_Pile(feature.dim, RESIDENT_BYTES // len(features)) for feature in features]
    bad: dict[str, list[str]] = {}
    for name in names:
        values, times = [], []
        for feature, space, known in zip(features, spaces, status, strict=True):
            if known.get(name, ("",))[0] == "ok":
                found = store.read(space, name)
                _check_dim(name, feature, found.values)
                values.append(found.values)
                times.append(found.times_s)
            else:
                values.append(np.zeros((0, feature.dim), np.float32))
                times.append(np.zeros(0))
        with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is reported below
            together = alignment(values, times)
        for feature, pile, rows in zip(features, piles, together, strict=True):
            if not np.isfinite(rows).all():
                bad.setdefault(feature.label, []).append(name)
            pile.add(rows)
    for label, of_space in bad.items():
        raise TrainingError(
            "MER-T008",
            f"space {label} holds NaN or infinity for {len(of_space)} clips, first '{of_space[0]}'.",
            "Extract them again (mertools extract ... --retry ok) or leave the space out.",
        )
    ragged = tuple(pile.ragged() for pile in piles)
    present = np.stack([space.lengths > 0 for space in ragged], axis=1)
    annotations = {t.name: annotation_column(t, corpus.annotations(t.name, clips)) for t in targets}
    return FrameTable(names, ragged, present, annotations, alignment.aligned)


def _check_dim(name: str, feature: Feature, values: np.ndarray) -> None:
    if values.shape[1] != feature.dim:
        raise TrainingError(
            "MER-T007",
            f"clip '{name}' has {values.shape[1]} dimensions in space {feature.label}, expected {feature.dim}.",
            "Run: mertools store verify STORE",
        )


class _Pile:
    """Collects the rows of clips, one behind the other."""

    def __init__(self, dim: int, resident_bytes: int) -> None:
        self.dim = dim
        self.lengths: list[int] = []
        self.parts: list[np.ndarray] = []
        self.left = resident_bytes
        # Without a name: nothing is left behind, however the process ends.
        self.file = tempfile.TemporaryFile(prefix="mertools-frames-")  # noqa: SIM115 - lives as long as the rows

    def add(self, rows: np.ndarray) -> None:
        """Rows of the next clip, ``(T, D)`` float32."""
        self.lengths.append(len(rows))
        self.left -= rows.nbytes
        self.parts.append(rows)
        if self.left < 0:
            self.file.writelines(np.ascontiguousarray(part).data for part in self.parts)
            self.parts = []

    def ragged(self) -> Ragged:
        """Everything that was added."""
        lengths = np.array(self.lengths, np.int64)
        starts = np.cumsum(lengths) - lengths
        if self.left < 0:
            self.file.flush()
            values: np.ndarray = np.memmap(self.file, np.float32, "r", shape=(int(lengths.sum()), self.dim))
        else:
            self.file.close()
            values = np.concatenate(self.parts) if self.parts else np.zeros((0, self.dim), np.float32)
        return Ragged(values, starts, lengths)
