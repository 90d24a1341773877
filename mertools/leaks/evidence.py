r"""How much an agreement between two codes proves.

Bits of two unrelated recordings differ half of the time. Recordings that are alike, though not the same, differ a
little less often: the same words, spoken again by the same voice, at a rate of 0.39 in the worst of 476 such pairs of
EmoDB. So what is to be ruled out is an error rate of at least q, `CHANCE` of the modality, not of 1/2. Were all N
compared bits independent, the probability of an error rate of at most p < q would be bounded by Chernoff's
:math:`e^{-N K(p, q)}`, with the divergence :math:`K(p, q) = p \ln (p/q) + (1-p) \ln ((1-p)/(1-q))`.

Bits of one clip are not independent: neighbouring rows and channels repeat each other. The variance of the number of
agreements between two unrelated codes x, y grows by

.. math::
    r = \Bigl(1 + 2 \sum_{k \ge 1} (1 - k/T)\, \rho_x(k) \rho_y(k)\Bigr)
        \cdot \frac{1}{C} \sum_{c, c'} Q_x(c, c') Q_y(c, c')

with each code's own correlation over time :math:`\rho` (Bartlett, 1946) and across channels :math:`Q`; so ``N / r``
independent bits take the place of N. Nothing in r is fitted to data: it is measured on the two codes in question,
so a hum, a loop or a flicker, which repeat themselves, prove little by construction.

The *exponent* of an agreement is ``(N / r) K(p, q)``, in nats. Exponents of picture and sound add up; two of them reach
x by chance with probability at most :math:`(1 + x) e^{-x}`. Times the number of comparisons, that is the false-positive
probability of a whole search, and what it is held against is `ALPHA`. Measured margins: among 339 clips of EmoDB (ten
speakers, ten sentences) the strongest pair reaches 10 of 38 nats required; among the real clips of the tests, copies
blurred by four under the sound of other clips at 5 dB reach 40 and more of 35.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from mertools.leaks.bits import Code

CHANCE = {"picture": 0.47, "sound": 0.45}
"""Error rates that clips which merely resemble each other hardly fall below: what remains of the evidence of words
spoken again is at most 10 nats, a quarter of what a search of a few hundred clips requires."""

ALPHA = 1e-6
"""A whole search may find a false pair with this probability."""

DAMAGED = 0.25
"""Error rate of a damaged copy that a clip must have enough bits to prove, or else it is undecidable."""

SUPPORT = math.log(1e3)
"""Nats at which the picture alone says, at a given offset, that two clips are one recording: one chance in 1000."""

BADLY_DAMAGED = 0.35
"""Error rate of a picture that `SUPPORT` must still be reached with, or else lack of support means nothing."""


@dataclass(frozen=True)
class Agreement:
    """How two codes agree at one shift.

    Attributes:
        modality: "picture" or "sound".
        n_bits: bits compared.
        n_independent: how many independent bits they are worth.
        error_rate: part of the bits that differ, in [0, 1]; about 0.5 for unrelated clips.
    """

    modality: str
    n_bits: int
    n_independent: float
    error_rate: float

    @property
    def exponent(self) -> float:
        """Negative logarithm of the probability of so good an agreement by chance, nats; 0 if it is no better."""
        return self.n_independent * evidence(self.error_rate, CHANCE[self.modality])

    @property
    def supports(self) -> bool:
        """Whether, at an offset known from elsewhere, it is better than pure chance: see `SUPPORT`."""
        return self.n_independent * evidence(self.error_rate, 0.5) >= SUPPORT

    @property
    def denies(self) -> bool:
        """Whether it does not support, though it has bits enough to do so for a badly damaged copy."""
        return not self.supports and self.n_independent * evidence(BADLY_DAMAGED, 0.5) >= SUPPORT

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


def evidence(error_rate: float, chance: float) -> float:
    """What one independent bit proves: divergence of an error rate from a higher one, nats; 0 if it is not lower.

    Args:
        error_rate: in [0, 1].
        chance: in (0, 1).

    Example:
        >>> round(evidence(0.0, 0.5), 6), evidence(0.6, 0.5)
        (0.693147, 0.0)
    """
    if error_rate >= chance:
        return 0.0
    errors = error_rate * math.log(error_rate / chance) if error_rate > 0 else 0.0
    return errors + (1 - error_rate) * math.log((1 - error_rate) / (1 - chance))


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


def capacity(code: Code | None, modality: str) -> float:
    """The exponent that a copy with an error rate of `DAMAGED` would reach; 0 without a code."""
    if code is None or not code.n_known:
        return 0.0
    own = Repetition.of(code)
    return code.n_known / own.redundancy(own) * evidence(DAMAGED, CHANCE[modality])
