"""Quantiles of Student's t without scipy, so that intervals and bundled scorers need numpy alone."""

from __future__ import annotations

import math
from functools import lru_cache
from statistics import NormalDist

_TINY = 1e-300
_AS_GOOD_AS_NORMAL = 1e6


@lru_cache(maxsize=4096)
def t_quantile(probability: float, degrees: float) -> float:
    """The value that a t-distributed variable stays below with `probability`.

    Args:
        probability: in (0, 1).
        degrees: degrees of freedom, > 0; from a million on (infinity included) the normal distribution stands in.

    Returns:
        The quantile, to 1e-6 of an absolute error.

    Raises:
        ValueError: for arguments outside these ranges.

    Example:
        >>> round(t_quantile(0.975, 9), 4)
        2.2622
    """
    if not 0 < probability < 1 or not degrees > 0:
        raise ValueError(f"probability {probability} must lie in (0, 1) and degrees {degrees} above 0.")
    if degrees >= _AS_GOOD_AS_NORMAL:
        return NormalDist().inv_cdf(probability)
    if probability == 0.5:
        return 0.0
    tail = min(probability, 1 - probability)
    low, high = 0.0, 1.0
    while _tail(high, degrees) > tail:
        low, high = high, 2 * high
    for _ in range(200):
        middle = (low + high) / 2
        if not low < middle < high:
            break
        low, high = (middle, high) if _tail(middle, degrees) > tail else (low, middle)
    return math.copysign((low + high) / 2, probability - 0.5)


def _tail(t: float, degrees: float) -> float:
    """Probability of a value above `t` >= 0."""
    return 0.5 * _incomplete_beta(degrees / 2, 0.5, degrees / (degrees + t * t))


def _incomplete_beta(a: float, b: float, x: float) -> float:
    """Regularised incomplete beta function by its continued fraction, on the side where that converges quickly."""
    if x <= 0 or x >= 1:
        return float(x >= 1)
    front = math.exp(a * math.log(x) + b * math.log1p(-x) + math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b))
    if x < (a + 1) / (a + b + 2):
        return front * _fraction(a, b, x) / a
    return 1 - front * _fraction(b, a, 1 - x) / b


def _fraction(a: float, b: float, x: float) -> float:
    """Continued fraction of the incomplete beta function (Lentz's method)."""
    c, d = 1.0, 1 / _away_from_zero(1 - (a + b) * x / (a + 1))
    found = d
    for m in range(1, 1000):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        for term in (even, odd):
            d = 1 / _away_from_zero(1 + term * d)
            c = _away_from_zero(1 + term / c)
            found *= c * d
        if abs(c * d - 1) < 1e-15:
            break
    return found


def _away_from_zero(value: float) -> float:
    return value if abs(value) > _TINY else _TINY
