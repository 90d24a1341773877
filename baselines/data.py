"""A store and a corpus as matrices: one row per clip, a mask where an embedding is missing."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self, TypeVar

import numpy as np

from mertools.errors import TrainingError, did_you_mean

if TYPE_CHECKING:
    from baselines.spaces import Feature
    from mertools.corpus import Clip, Corpus
    from mertools.store import Store
    from mertools.targets import Target

MISSING_CLASS = -1
"""Index of a class that is not annotated; a missing value is NaN."""


SMALLEST_DEVIATION = 1e-6
"""Of what is divided by, relative to the size of the values: rounding noise must not be turned into data."""


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


AnyTable = TypeVar("AnyTable", bound=ClipTable)


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

    def standardised_within(self, groups: np.ndarray) -> Self:
        """The same clips, each space brought to mean 0 and variance 1 inside each group; annotations are not looked at.

        A dimension that is constant in a group is 0 there, and so is everything in a group of one clip.

        Args:
            groups: ``(N,)`` group of each clip.
        """
        _, codes = np.unique(groups, return_inverse=True)
        embeddings = tuple(e.copy() for e in self.embeddings)
        for m, matrix in enumerate(embeddings):
            for code in range(codes.max(initial=-1) + 1):
                rows = (codes == code) & self.present[:, m]
                if rows.any():
                    matrix[rows] = _standardised(matrix[rows].astype(np.float64))
        versions = tuple(version.standardised_within(groups) for version in self.versions)
        return replace(self, embeddings=embeddings, versions=versions)


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


def standardised_by(table: AnyTable, clips: Sequence[Clip], column: str) -> AnyTable:
    """`table` standardised within the values of a column of its clips (``standardise_by``); as it is for no column.

    Raises:
        TrainingError: if there is no such column, a clip has an empty cell, or the table is of level frame.
    """
    if not column:
        return table
    if not isinstance(table, Table):
        raise TrainingError(
            "MER-T093", "standardise_by works at level utterance.", "Leave standardise_by out, or level=frame."
        )
    columns = sorted({key for clip in clips for key in clip.cells})
    if clips and column not in columns:
        raise TrainingError(
            "MER-T090",
            f"standardise_by={column}: clips.csv has no column '{column}'.{did_you_mean(column, columns)}",
            f"Expected one of: {', '.join(columns)}.",
        )
    values = np.array([clip.cells.get(column, "").strip() for clip in clips])
    empty = [clip.name for clip, value in zip(clips, values, strict=True) if not value]
    if empty:
        raise TrainingError(
            "MER-T091",
            f"standardise_by={column}: the column is empty for {len(empty)} of {len(clips)} clips, first '{empty[0]}'.",
            "Fill the column, or leave standardise_by out.",
        )
    return table.standardised_within(values)


def annotation_column(target: Target, cells: Sequence[object]) -> np.ndarray:
    """Parsed annotations as an array: class indices int64, or values float64."""
    if target.kind == "classes":
        index = {label: i for i, label in enumerate(target.classes)}
        return np.array([MISSING_CLASS if c is None else index[str(c)] for c in cells], dtype=np.int64)
    return np.array([np.nan if c is None else float(c) for c in cells], dtype=np.float64)  # type: ignore[arg-type]


def coverage(table: ClipTable, features: Sequence[Feature]) -> dict[str, float]:
    """Share of clips that have an embedding, per space."""
    return {f.label: float(table.present[:, m].mean()) if len(table) else 0.0 for m, f in enumerate(features)}


def _standardised(rows: np.ndarray) -> np.ndarray:
    """``(N, D)`` float64 with each column at mean 0 and variance 1; constant columns are 0."""
    centred = rows - rows.mean(axis=0)
    deviation = centred.std(axis=0)
    varies = deviation > SMALLEST_DEVIATION * np.maximum(1.0, np.abs(rows).max(axis=0))
    found: np.ndarray = np.where(varies, centred / np.where(varies, deviation, 1.0), 0.0)
    return found


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
