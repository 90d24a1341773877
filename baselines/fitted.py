"""What is fitted on the training part of a fold and nothing else: scaling, components, value ranges, the prior."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from baselines.data import MISSING_CLASS, SMALLEST_DEVIATION, ClipTable, Table, is_annotated
from baselines.frames import FrameClips, FrameTable, Ragged
from baselines.models.base import Batch
from baselines.whitening import whitening
from mertools.errors import TrainingError

if TYPE_CHECKING:
    from mertools.targets import Target


@dataclass(frozen=True)
class Projection:
    """One space: subtract `mean`, divide by `scale`, project on `components`.

    Attributes:
        mean: ``(D,)`` float32.
        scale: ``(D,)`` float32, positive.
        components: ``(K, D)`` float32, principal components or a whitening; ``(0, D)`` = no projection.
        seen: whether any clip of the training part has an embedding here. Where none has, the network has not learned
            what to make of one, and it is masked in every clip.
    """

    mean: np.ndarray
    scale: np.ndarray
    components: np.ndarray
    seen: bool = True

    @property
    def dim(self) -> int:
        """Width of what comes out."""
        return len(self.components) or len(self.mean)

    def __call__(self, embeddings: np.ndarray) -> np.ndarray:
        """``(N, D)`` -> ``(N, dim)`` float32."""
        scaled = (embeddings - self.mean) / self.scale
        return scaled @ self.components.T if len(self.components) else scaled


@dataclass(frozen=True)
class Fitted:
    """The fitted state of one fold.

    Attributes:
        projections: one per space.
        values: per value target mean and standard deviation of its annotations.
        priors: per class target the relative frequency of each class, ``(C,)`` float64.
    """

    projections: tuple[Projection, ...]
    values: Mapping[str, tuple[float, float]]
    priors: Mapping[str, np.ndarray]

    def batch(self, table: ClipTable) -> Batch | FrameClips:
        """Inputs of the network for a table: all of them, or at frame level what makes batches of them."""
        if isinstance(table, FrameTable):
            heard = torch.from_numpy(table.present & np.array([p.seen for p in self.projections]))
            return FrameClips(table.spaces, self.projections, heard, table.aligned)
        assert isinstance(table, Table)  # noqa: S101 - there are two kinds of tables
        projected = tuple(torch.from_numpy(p(e)) for p, e in zip(self.projections, table.embeddings, strict=True))
        seen = np.array([p.seen for p in self.projections])
        return Batch(projected, torch.from_numpy(table.present & seen))

    def annotations(self, table: ClipTable) -> dict[str, torch.Tensor]:
        """Goals of the network: class indices (-1 = missing), values standardised (NaN = missing) float32."""
        goals = {}
        for target, column in table.annotations.items():
            if target in self.values:
                mean, scale = self.values[target]
                column = ((column - mean) / scale).astype(np.float32)
            goals[target] = torch.from_numpy(np.ascontiguousarray(column))
        return goals


def fit(
    table: ClipTable,
    targets: Sequence[Target],
    *,
    standardise: bool,
    pca: int,
    standardise_values: bool = True,
    whiten: bool = False,
) -> Fitted:
    """Fit on every clip of `table`, the training part.

    Args:
        table: the training part; masked rows and missing annotations do not count.
        targets: targets of kinds classes and value.
        standardise: whether dimensions are brought to mean 0 and variance 1.
        pca: components kept per space; 0 = all dimensions.
        standardise_values: whether annotated values are brought to mean 0 and variance 1.
        whiten: whether spaces are whitened within the classes of the first class target.
    """
    if isinstance(table, FrameTable):
        if whiten:
            raise TrainingError("MER-T093", "whiten works at level utterance.", "Leave whiten out, or level=frame.")
        projections = tuple(_projection_of_frames(space, standardise, pca) for space in table.spaces)
    else:
        assert isinstance(table, Table)  # noqa: S101 - there are two kinds of tables
        found = []
        for m, embeddings in enumerate(table.embeddings):
            here = table.present[:, m]
            projection = _projection(embeddings[here], standardise, pca)
            if whiten and here.sum() > 1:
                turned = whitening(projection(embeddings[here]), _classes(table.rows(here), targets))
                components = turned @ projection.components if len(projection.components) else turned
                projection = replace(projection, components=components.astype(np.float32))
            found.append(projection)
        projections = tuple(found)
    values, priors = {}, {}
    for target in targets:
        column = table.annotations[target.name]
        known = column[is_annotated(column)]
        if target.kind == "classes":
            counts = np.bincount(known, minlength=len(target.classes)).astype(np.float64)
            priors[target.name] = counts / max(counts.sum(), 1)
        elif not standardise_values:
            values[target.name] = (0.0, 1.0)
        else:
            scale = float(known.std()) if len(known) else 0.0
            values[target.name] = (float(known.mean()) if len(known) else 0.0, scale or 1.0)
    return Fitted(tuple(projections), values, priors)


def _classes(table: Table, targets: Sequence[Target]) -> np.ndarray:
    """Class of each clip by the first class target, -1 = not annotated; without such a target none is known."""
    first = next((t.name for t in targets if t.kind == "classes"), None)
    return np.full(len(table), MISSING_CLASS) if first is None else table.annotations[first]


def _projection(rows: np.ndarray, standardise: bool, pca: int) -> Projection:
    dim = rows.shape[1]
    mean, scale = np.zeros(dim), np.ones(dim)
    if len(rows) and (standardise or pca):
        mean = rows.mean(axis=0, dtype=np.float64)
    if len(rows) and standardise:
        scale = _scale(mean, rows.std(axis=0, dtype=np.float64))
    components = np.zeros((0, dim))
    if pca and len(rows) > 1:
        _, _, directions = np.linalg.svd((rows - mean) / scale, full_matrices=False)
        components = _signed(directions[: min(pca, dim)])
    return Projection(
        mean.astype(np.float32), scale.astype(np.float32), components.astype(np.float32), seen=len(rows) > 0
    )


def _projection_of_frames(space: Ragged, standardise: bool, pca: int) -> Projection:
    """Of all rows of all clips, each row counting alike; sums in float64, some rows at a time."""
    dim, n_rows = space.values.shape[1], int(space.lengths.sum())
    mean, scale = np.zeros(dim), np.ones(dim)
    if n_rows and (standardise or pca):
        for rows in space.chunks():
            mean += rows.sum(axis=0, dtype=np.float64)
        mean /= n_rows
    if n_rows and standardise:
        squares = np.zeros(dim)
        for rows in space.chunks():
            squares += np.square(rows - mean).sum(axis=0)
        scale = _scale(mean, np.sqrt(squares / n_rows))
    components = np.zeros((0, dim))
    if pca and n_rows > 1:
        products = np.zeros((dim, dim))
        for rows in space.chunks():
            scaled = (rows - mean) / scale
            products += scaled.T @ scaled
        _, directions = np.linalg.eigh(products)  # ascending
        components = _signed(directions[:, ::-1].T[: min(pca, dim, n_rows)])
    return Projection(mean.astype(np.float32), scale.astype(np.float32), components.astype(np.float32), seen=n_rows > 0)


def _scale(mean: np.ndarray, deviation: np.ndarray) -> np.ndarray:
    """What to divide by. A constant dimension says nothing; divided by its rounding noise it would look like data."""
    return np.where(deviation > SMALLEST_DEVIATION * np.maximum(1.0, np.abs(mean)), deviation, 1.0)


def _signed(components: np.ndarray) -> np.ndarray:
    """The same directions, the largest number of each positive."""
    largest = np.abs(components).argmax(axis=1)
    signed: np.ndarray = components * np.sign(components[np.arange(len(components)), largest])[:, None]
    return signed
