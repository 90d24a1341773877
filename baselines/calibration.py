"""Temperature scaling (Guo et al., 2017): probabilities that are as sure as they are right.

The temperature is fitted on inner held-out predictions alone: clips of a fold's training part that the predicting
network was not trained on. What it does is measured out of fold, on clips that had no say in it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mertools.errors import TrainingError
from mertools.predictions import Predictions

if TYPE_CHECKING:
    from baselines.runs import Run
    from mertools.targets import Target

SMALLEST = 1e-12
COLDEST, HOTTEST = 0.05, 20.0
"""Temperatures are looked for between these."""

N_BINS = 15


def fit_temperature(probabilities: np.ndarray, truth: np.ndarray) -> float:
    """The temperature T that minimises the negative log-likelihood of softmax(log p / T).

    Args:
        probabilities: ``(N, C)``, rows sum to 1.
        truth: class indices ``(N,)``; -1 = missing, does not count.

    Returns:
        A temperature in [0.05, 20]; above 1 where the probabilities are too sure. 1 if nothing is annotated.
    """
    from scipy.optimize import minimize_scalar

    known = truth >= 0
    if not known.any():
        return 1.0
    found = minimize_scalar(
        lambda log_t: negative_log_likelihood(tempered(probabilities[known], float(np.exp(log_t))), truth[known]),
        bounds=(np.log(COLDEST), np.log(HOTTEST)),
        method="bounded",
        options={"xatol": 1e-8},
    )
    return float(np.exp(found.x))


def tempered(probabilities: np.ndarray, temperature: float) -> np.ndarray:
    """softmax(log p / T): the softmax of logits divided by T, for logits are log p up to a number per clip."""
    logs = np.log(np.maximum(probabilities, SMALLEST)) / temperature
    raised = np.exp(logs - logs.max(axis=1, keepdims=True))
    scaled: np.ndarray = raised / raised.sum(axis=1, keepdims=True)
    return scaled


def negative_log_likelihood(probabilities: np.ndarray, truth: np.ndarray) -> float:
    """Mean of -log p of the true class, in nats, over the clips that are annotated; NaN if none is."""
    known = np.flatnonzero(truth >= 0)
    said = probabilities[known, truth[known]]
    return float(-np.log(np.maximum(said, SMALLEST)).mean()) if len(known) else float("nan")


def calibration_error(probabilities: np.ndarray, truth: np.ndarray, *, n_bins: int = N_BINS) -> float:
    """Expected calibration error: mean distance of confidence and accuracy over bins of equal width.

    Args:
        probabilities: ``(N, C)``.
        truth: class indices ``(N,)``; -1 = missing, does not count.
        n_bins: bins of the confidence, (0, 1/n], (1/n, 2/n], ...

    Returns:
        A value in [0, 1]; NaN if nothing is annotated.
    """
    known = truth >= 0
    sure, right = probabilities[known].max(axis=1), probabilities[known].argmax(axis=1) == truth[known]
    if not len(sure):
        return float("nan")
    bins = np.clip(np.ceil(sure * n_bins).astype(int) - 1, 0, n_bins - 1)
    gaps = np.bincount(bins, right - sure, minlength=n_bins)
    return float(np.abs(gaps).sum() / len(sure))


def calibrate(
    folder: Path, targets: Sequence[Target], annotations: Mapping[str, np.ndarray], names: Sequence[str]
) -> dict[str, Any] | None:
    """Fit the temperature of a run, and measure what it does out of fold.

    Args:
        folder: a run whose predictions are written.
        targets: what it predicts; the first class target has probabilities.
        annotations: per target ``(N,)``, see `Table`.
        names: the training clips, ``(N,)``.

    Returns:
        ``target``, ``temperature``, ``n_inner`` (predictions it was fitted on), and ``before`` and ``after``: ``nll``
        and ``ece`` out of fold, of the mean of probabilities over seeds; None if the run predicts no classes or kept no
        inner predictions (``selection=last``).
    """
    target = next((t for t in targets if t.kind == "classes"), None)
    files = sorted((folder / "predictions" / "inner").glob("*.csv"))
    if target is None or not files:
        return None
    row = {name: i for i, name in enumerate(names)}

    def truth(found: Predictions) -> np.ndarray:
        own: np.ndarray = annotations[target.name][[row[name] for name in found.names]]
        return own

    inner = [Predictions.read(path) for path in files]
    pooled = np.concatenate([found.probabilities for found in inner])
    temperature = fit_temperature(pooled, np.concatenate([truth(found) for found in inner]))
    seeds = [Predictions.read(path) for path in sorted((folder / "predictions" / "seeds").glob("oof-*.csv"))]
    before = np.mean([found.probabilities for found in seeds], axis=0)
    after = np.mean([tempered(found.probabilities, temperature) for found in seeds], axis=0)
    return {
        "target": target.name,
        "temperature": temperature,
        "n_inner": len(pooled),
        "before": _quality(before, truth(seeds[0])),
        "after": _quality(after, truth(seeds[0])),
    }


def temperature_of(run: Run) -> dict[str, float]:
    """The fitted temperature of a run, by target.

    Raises:
        TrainingError: if none was fitted.
    """
    found = run.metrics.get("calibration")
    if not found:
        raise TrainingError(
            "MER-T113",
            f"{run.folder} has no temperature: it predicts no classes, or kept no predictions of inner splits.",
            "Train classes with selection=inner, or leave --calibrate out.",
        )
    return {found["target"]: float(found["temperature"])}


def _quality(probabilities: np.ndarray, truth: np.ndarray) -> dict[str, float | None]:
    found = {
        "nll": negative_log_likelihood(probabilities, truth),
        "ece": calibration_error(probabilities, truth),
    }
    return {name: value if np.isfinite(value) else None for name, value in found.items()}
