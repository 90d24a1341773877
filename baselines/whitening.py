"""Whitening of a space within classes: the part of linear discriminant analysis that needs no decision.

Linear discriminant analysis divides by the covariance of clips *within* their classes. Done once, before any network,
it gives a network inputs whose dimensions are uncorrelated and equally noisy, so that its weight decay means the same
for all of them. The covariance is shrunk towards a multiple of the identity by as much as Ledoit and Wolf (2004)
estimate to be best, which makes it invertible with fewer clips than dimensions.
"""

from __future__ import annotations

import numpy as np


def whitening(rows: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """The matrix P for which ``rows @ P.T`` has an identity for its shrunk covariance within classes.

    With more clips than dimensions P is symmetric (dimensions stay as near to what they were as can be); else it keeps
    the directions in which the clips differ at all.

    Args:
        rows: clips in a space, ``(N, D)``, N ≥ 2.
        classes: class of each clip, ``(N,)``; negative = unknown, the clip is left out of the covariance. If fewer than
            two are known, all clips are one class.

    Returns:
        ``(K, D)`` float64, K = D or N - 1, whichever is less.
    """
    from sklearn.covariance import ledoit_wolf

    centred = rows - rows.mean(axis=0, dtype=np.float64)
    n, dim = centred.shape
    basis = np.linalg.svd(centred, full_matrices=False)[2][: n - 1] if dim >= n else np.eye(dim)  # (K, D)
    known = classes >= 0
    if known.sum() < 2:
        known, classes = np.ones(n, bool), np.zeros(n, np.int64)
    within = _within_classes(centred[known] @ basis.T, classes[known])
    covariance, _ = ledoit_wolf(within, assume_centered=True)
    values, vectors = np.linalg.eigh(covariance)
    if not values.max(initial=0.0) > 0:  # clips of a class do not differ: there is no noise to divide by
        return basis
    scales = np.maximum(values, values.max() * np.finfo(np.float32).eps) ** -0.5
    found: np.ndarray = (vectors * scales) @ vectors.T @ basis
    return found


def _within_classes(rows: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Rows as deviations from the mean of their class."""
    _, codes, counts = np.unique(classes, return_inverse=True, return_counts=True)
    sums = np.zeros((len(counts), rows.shape[1]))
    np.add.at(sums, codes, rows)
    found: np.ndarray = rows - (sums / counts[:, None])[codes]
    return found
