"""What is fitted on the training part of a fold and nothing else: scaling, components, value ranges, the prior."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from baselines.data import MISSING_CLASS, SMALLEST_DEVIATION, Table, is_annotated
from baselines.models.base import Batch
from baselines.whitening import whitening

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

    def batch(self, table: Table) -> Batch:
        """Inputs of the network for a table."""
        projected = tuple(torch.from_numpy(p(e)) for p, e in zip(self.projections, table.embeddings, strict=True))
        seen = np.array([p.seen for p in self.projections])
        return Batch(projected, torch.from_numpy(table.present & seen))

    def annotations(self, table: Table) -> dict[str, torch.Tensor]:
        """Goals of the network: class indices (-1 = missing), values standardised (NaN = missing) float32."""
        goals = {}
        for target, column in table.annotations.items():
            if target in self.values:
                mean, scale = self.values[target]
                column = ((column - mean) / scale).astype(np.float32)
            goals[target] = torch.from_numpy(np.ascontiguousarray(column))
        return goals


def fit(
    table: Table,
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
    projections = []
    for m, embeddings in enumerate(table.embeddings):
        here = table.present[:, m]
        projection = _projection(embeddings[here], standardise, pca)
        if whiten and here.sum() > 1:
            turned = whitening(projection(embeddings[here]), _classes(table.rows(here), targets))
            components = turned @ projection.components if len(projection.components) else turned
            projection = replace(projection, components=components.astype(np.float32))
        projections.append(projection)
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
        deviation = rows.std(axis=0, dtype=np.float64)
        # A constant dimension says nothing; dividing rounding noise by its own size would turn it into data.
        scale = np.where(deviation > SMALLEST_DEVIATION * np.maximum(1.0, np.abs(mean)), deviation, 1.0)
    components = np.zeros((0, dim))
    if pca and len(rows) > 1:
        _, _, directions = np.linalg.svd((rows - mean) / scale, full_matrices=False)
        components = directions[: min(pca, dim)]
        largest = np.abs(components).argmax(axis=1)
        components = components * np.sign(components[np.arange(len(components)), largest])[:, None]
    return Projection(
        mean.astype(np.float32), scale.astype(np.float32), components.astype(np.float32), seen=len(rows) > 0
    )
