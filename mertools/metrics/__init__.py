"""Metrics as pure numpy functions; `METRICS` holds each with its facts."""

from mertools.metrics import intervals
from mertools.metrics.base import METRICS, InputError, Metric, ShapeError
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
from mertools.metrics.flags import au_accuracy, au_f1
from mertools.metrics.joint import mer2023_combined
from mertools.metrics.preference import (
    prefer_accuracy2,
    prefer_accuracy3,
    prefer_waf2,
    prefer_waf3,
    preference_of_text,
)
from mertools.metrics.regression import ccc, mae, mse, pcc, rmse
from mertools.metrics.sentiment import (
    acc2_has0,
    acc2_non0,
    acc5,
    acc7,
    f1_has0,
    f1_non0,
    sims_acc2,
    sims_acc3,
    sims_acc5,
    sims_f1,
)
from mertools.metrics.values import mean_ccc, mean_mse, mean_pcc, mean_rmse
from mertools.metrics.wheel import case1, case2, ew2025_f1, ew2026_level1_f1, wheel_table
from mertools.metrics.words import set_accuracy, set_overlap, set_recall

__all__ = [
    "METRICS",
    "ClassRow",
    "InputError",
    "Metric",
    "ShapeError",
    "acc2_has0",
    "acc2_non0",
    "acc5",
    "acc7",
    "accuracy",
    "au_accuracy",
    "au_f1",
    "case1",
    "case2",
    "ccc",
    "class_table",
    "confusion",
    "ew2025_f1",
    "ew2026_level1_f1",
    "f1_has0",
    "f1_non0",
    "f1_per_class",
    "intervals",
    "macro_f1",
    "mae",
    "mean_ccc",
    "mean_mse",
    "mean_pcc",
    "mean_rmse",
    "mer2023_combined",
    "mse",
    "pcc",
    "prefer_accuracy2",
    "prefer_accuracy3",
    "prefer_waf2",
    "prefer_waf3",
    "preference_of_text",
    "rmse",
    "set_accuracy",
    "set_overlap",
    "set_recall",
    "sims_acc2",
    "sims_acc3",
    "sims_acc5",
    "sims_f1",
    "uar",
    "waf",
    "wheel_table",
]
