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

__all__ = [
    "METRICS",
    "ClassRow",
    "Metric",
    "ShapeError",
    "accuracy",
    "ccc",
    "class_table",
    "confusion",
    "f1_per_class",
    "intervals",
    "macro_f1",
    "mer2023_combined",
    "mse",
    "pcc",
    "rmse",
    "uar",
    "waf",
]
