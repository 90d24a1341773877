"""Predictions in, a validated package and a score out."""

from submissions.packaging import Mended, mend, package
from submissions.problems import InvalidSubmissionError, Problem, is_valid
from submissions.receipt import Receipt
from submissions.scoring import Comparison, Score, score
from submissions.validation import validate

__all__ = [
    "Comparison",
    "InvalidSubmissionError",
    "Mended",
    "Problem",
    "Receipt",
    "Score",
    "is_valid",
    "mend",
    "package",
    "score",
    "validate",
]
