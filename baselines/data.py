"""A store and a corpus as matrices: one row per clip, a mask where an embedding is missing."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

from mertools.errors import TrainingError

if TYPE_CHECKING:
    from baselines.spaces import Feature
    from mertools.corpus import Clip, Corpus
    from mertools.store import Store
    from mertools.targets import Target

MISSING_CLASS = -1
"""Index of a class that is not annotated; a missing value is NaN."""


class ClipTable(ABC):
    """N clips with what is known of them; what their embeddings look like is the business of a subclass.

    Attributes:
        names: clip names.
        present: ``(N, M)`` bool: where a clip has an embedding.
        annotations: per target ``(N,)``: class index int64 (-1 = missing), or value float64 (NaN = missing).
    """

    names: tuple[str, ...]
    present: np.ndarray
    annotations: Mapping[str, np.ndarray]

    def __len__(self) -> int:
        """Number of clips."""
        return len(self.names)

    @property
    @abstractmethod
    def dims(self) -> tuple[int, ...]:
        """D of each space."""

    @abstractmethod
    def rows(self, index: np.ndarray) -> Self:
        """Some of the clips, in the order of `index` (positions or a mask)."""

    def annotated(self) -> np.ndarray:
        """``(N,)`` bool: clips with at least one annotation."""
        known = [is_annotated(values) for values in self.annotations.values()]
        return np.any(known, axis=0) if known else np.zeros(len(self), bool)


@dataclass(frozen=True)
class Table(ClipTable):
    """Utterance embeddings and annotations of N clips.

    Attributes:
        names: clip names.
        embeddings: per space ``(N, D_m)`` float32; rows that are missing hold zeros and are never looked at.
        present: ``(N, M)`` bool.
        annotations: per target ``(N,)``: class index int64 (-1 = missing), or value float64 (NaN = missing).
        versions: the same clips under other conditions, without annotations; only what is trained on is drawn from
            them.
    """

    names: tuple[str, ...]
    embeddings: tuple[np.ndarray, ...]
    present: np.ndarray
    annotations: Mapping[str, np.ndarray]
    versions: tuple[Table, ...] = ()

    @property
    def dims(self) -> tuple[int, ...]:
        """D of each space."""
        return tuple(e.shape[1] for e in self.embeddings)

    def rows(self, index: np.ndarray) -> Table:
        """Some of the clips, in the order of `index` (positions or a mask)."""
        positions = np.arange(len(self))[index]
        return Table(
            tuple(self.names[i] for i in positions),
            tuple(e[positions] for e in self.embeddings),
            self.present[positions],
            {target: values[positions] for target, values in self.annotations.items()},
            tuple(version.rows(positions) for version in self.versions),
        )


def is_annotated(values: np.ndarray) -> np.ndarray:
    """Where a column of annotations is not missing."""
    return values != MISSING_CLASS if values.dtype.kind == "i" else ~np.isnan(values)


def load_table(
    store: Store, features: Sequence[Feature], corpus: Corpus, clips: Sequence[Clip], targets: Sequence[Target]
) -> Table:
    """Read embeddings and annotations of `clips` into memory.

    A clip without a row in a space, or with a status other than ok, is masked there.

    Raises:
        TrainingError: if embeddings hold NaN or infinity, or do not have the space's dimension.
    """
    names = tuple(clip.name for clip in clips)
    matrices, present = zip(*(_matrix(store, feature, names) for feature in features), strict=True)
    annotations = {t.name: annotation_column(t, corpus.annotations(t.name, clips)) for t in targets}
    return Table(names, tuple(matrices), np.stack(present, axis=1), annotations)


def annotation_column(target: Target, cells: Sequence[object]) -> np.ndarray:
    """Parsed annotations as an array: class indices int64, or values float64."""
    if target.kind == "classes":
        index = {label: i for i, label in enumerate(target.classes)}
        return np.array([MISSING_CLASS if c is None else index[str(c)] for c in cells], dtype=np.int64)
    return np.array([np.nan if c is None else float(c) for c in cells], dtype=np.float64)  # type: ignore[arg-type]


def coverage(table: ClipTable, features: Sequence[Feature]) -> dict[str, float]:
    """Share of clips that have an embedding, per space."""
    return {f.label: float(table.present[:, m].mean()) if len(table) else 0.0 for m, f in enumerate(features)}


def _matrix(store: Store, feature: Feature, names: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
    found = store.read_all(store.space(feature.fingerprint), list(names))
    matrix = np.zeros((len(names), feature.dim), dtype=np.float32)
    present = np.zeros(len(names), dtype=bool)
    for row, name in enumerate(names):
        if name not in found or not len(found[name].values):
            continue
        values = found[name].values
        if values.shape[1] != feature.dim:
            raise TrainingError(
                "MER-T007",
                f"clip '{name}' has {values.shape[1]} dimensions in space {feature.label}, expected {feature.dim}.",
                "Run: mertools store verify STORE",
            )
        matrix[row] = values[0] if len(values) == 1 else values.mean(axis=0, dtype=np.float64)
        present[row] = True
    bad = [names[i] for i in np.flatnonzero(~np.isfinite(matrix).all(axis=1))]
    if bad:
        raise TrainingError(
            "MER-T008",
            f"space {feature.label} holds NaN or infinity for {len(bad)} clips, first '{bad[0]}'.",
            "Extract them again (mertools extract ... --retry ok) or leave the space out.",
        )
    return matrix, present
