"""Metrics as pure numpy functions; `METRICS` holds each with its facts."""

from mertools.metrics import intervals
from mertools.metrics.base import METRICS, Metric, ShapeError
from mertools.metrics.classification import (
    ClassRow,
    accuracy,
    class_table,
    confusion,
    f1_per_class,
    macro_f1,
    uar,
    waf,
)
from mertools.metrics.joint import mer2023_combined
from mertools.metrics.regression import ccc, mse, pcc, rmse
from mertools.metrics.wheel import case1, case2, ew2025_f1, ew2026_level1_f1, wheel_table
from mertools.metrics.words import set_accuracy, set_overlap, set_recall

__all__ = [
    "METRICS",
    "ClassRow",
    "Metric",
    "ShapeError",
    "accuracy",
    "case1",
    "case2",
    "ccc",
    "class_table",
    "confusion",
    "ew2025_f1",
    "ew2026_level1_f1",
    "f1_per_class",
    "intervals",
    "macro_f1",
    "mer2023_combined",
    "mse",
    "pcc",
    "rmse",
    "set_accuracy",
    "set_overlap",
    "set_recall",
    "uar",
    "waf",
    "wheel_table",
]
