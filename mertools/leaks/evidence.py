r"""How much an agreement between two codes proves.

Bits of two unrelated recordings agree by chance, half of them on average. Were all N compared bits independent, the
probability of an error rate of at most p < 1/2 would be bounded by Chernoff's :math:`e^{-N K(p)}` with
:math:`K(p) = \ln 2 + p \ln p + (1-p) \ln(1-p)`. Bits of one clip are not independent: neighbouring rows and
channels repeat each other. The variance of the number of agreements between two unrelated codes x, y grows by

.. math::
    r = \Bigl(1 + 2 \sum_{k \ge 1} (1 - k/T)\, \rho_x(k) \rho_y(k)\Bigr)
        \cdot \frac{1}{C} \sum_{c, c'} Q_x(c, c') Q_y(c, c')

with each code's own correlation over time :math:`\rho` (Bartlett, 1946) and across channels :math:`Q`; so ``N / r``
independent bits take the place of N. Nothing here is fitted to data: both are measured on the two codes in question,
so a hum, a loop or a flicker, which repeat themselves, prove little by construction.

The *exponent* of an agreement is ``(N / r) K(p)``, in nats. Exponents of picture and sound add up; two of them reach
x by chance with probability at most :math:`(1 + x) e^{-x}`. Times the number of comparisons, that is the false-positive
probability of a whole search, and what it is held against is `ALPHA`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from mertools.leaks.bits import Code

ALPHA = 1e-6
"""A search may find a false pair with this probability, by the argument above. On unrelated real clips the strongest
agreement comes out as the argument predicts (exponents of 10 to 13 in 10^5 comparisons); `ALPHA` adds 14 to that."""

DAMAGED = 0.30
"""Error rate for which a clip must have enough bits to be decidable."""

SUPPORT = math.log(1e3)
"""Exponent at which the picture alone says, at a given offset, that two clips are one recording: one chance in 1000."""


@dataclass(frozen=True)
class Agreement:
    """How two codes agree at one shift.

    Attributes:
        n_bits: bits compared.
        n_independent: how many independent bits they are worth.
        error_rate: part of the bits that differ, in [0, 1]; about 0.5 for unrelated clips.
    """

    n_bits: int
    n_independent: float
    error_rate: float

    @property
    def exponent(self) -> float:
        """Negative logarithm of the probability of so good an agreement by chance, nats; 0 at 0.5 and above."""
        return self.n_independent * divergence(self.error_rate, 0.5) if self.error_rate < 0.5 else 0.0

    @property
    def denies(self) -> bool:
        """Whether a damaged copy would agree far better: enough bits to tell at `DAMAGED`, yet no `SUPPORT`."""
        return self.exponent < SUPPORT <= self.n_independent * divergence(DAMAGED, 0.5)

    def as_json(self) -> dict[str, float]:
        """JSON-able."""
        return {
            "bits": self.n_bits,
            "independent_bits": round(self.n_independent, 1),
            "bit_error_rate": round(self.error_rate, 4),
        }


@dataclass(frozen=True, eq=False)
class Repetition:
    """How a code repeats itself.

    Attributes:
        over_time: ``(T,)``, correlation of rows k apart, 1 at 0.
        across: ``(C, C)``, correlation of channels, 1 on the diagonal.
    """

    over_time: np.ndarray
    across: np.ndarray

    @classmethod
    def of(cls, code: Code) -> Repetition:
        """Measure a code."""
        values = code.ternary().astype(np.float32)
        known = np.abs(values)
        n_rows = len(values)
        size = 1 << (2 * n_rows - 1).bit_length()
        sums, counts = (
            np.fft.irfft((np.abs(np.fft.rfft(x, size, axis=0)) ** 2).sum(axis=1), size)[:n_rows]
            for x in (values, known)
        )
        over_time = np.where(counts > 0.5, sums / np.maximum(counts, 1), 0.0)
        shared = known.T @ known
        across = np.where(shared > 0, values.T @ values / np.maximum(shared, 1), 0.0)
        return cls(over_time.astype(np.float32), across.astype(np.float32))

    def redundancy(self, other: Repetition) -> float:
        """By what factor the variance of the agreements exceeds that of independent bits; at least 1."""
        n = min(len(self.over_time), len(other.over_time))
        lags = np.arange(1, n)
        together = self.over_time[1:n].astype(np.float64) * other.over_time[1:n]
        over_time = 1 + 2 * float(((1 - lags / n) * together).sum())
        across = float((self.across.astype(np.float64) * other.across).sum()) / len(self.across)
        return max(1.0, over_time) * max(1.0, across)


def divergence(p: float, q: float) -> float:
    """Kullback-Leibler divergence between two coins, nats: of probability `p` from probability `q` (0 < q < 1).

    Example:
        >>> round(divergence(0.0, 0.5), 6), divergence(0.5, 0.5)
        (0.693147, 0.0)
    """
    first = p * math.log(p / q) if p > 0 else 0.0
    second = (1 - p) * math.log((1 - p) / (1 - q)) if p < 1 else 0.0
    return first + second


def log_probability(exponent: float, n_comparisons: float) -> float:
    """Natural logarithm of the false-positive probability of the best of `n_comparisons`; at most 0.

    Args:
        exponent: sum of the exponents of picture and sound.
        n_comparisons: pairs of clips times shifts tried, over the whole search.
    """
    return min(0.0, math.log1p(exponent) - exponent + math.log(max(n_comparisons, 1.0)))


def required_exponent(n_comparisons: float, alpha: float = ALPHA) -> float:
    """The smallest exponent whose false-positive probability does not exceed `alpha`."""
    low, high = 0.0, 10_000.0
    while high - low > 1e-6:
        middle = (low + high) / 2
        low, high = (low, middle) if log_probability(middle, n_comparisons) <= math.log(alpha) else (middle, high)
    return high


def capacity(code: Code | None) -> float:
    """The exponent that a copy with an error rate of `DAMAGED` would reach; 0 without a code."""
    if code is None or not code.n_known:
        return 0.0
    own = Repetition.of(code)
    return code.n_known / own.redundancy(own) * divergence(DAMAGED, 0.5)
