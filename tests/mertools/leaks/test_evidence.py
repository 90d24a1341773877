"""What an agreement proves: bounds hold for simulated clips, and repetition counts once."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from mertools.leaks import evidence
from mertools.leaks.bits import Code, agreement, packed
from mertools.leaks.evidence import Agreement, Repetition, capacity, log_probability, required_exponent


def code_of(values: np.ndarray) -> Code:
    return Code(packed(values > 0), packed(values != 0), packed(values == 9), values.shape[1], 16.0)


def smooth(rng: np.random.Generator, n_rows: int, n_bits: int, rows: int, mix: np.ndarray) -> Code:
    """Signs of noise averaged over `rows` rows, mixed across channels."""
    noise = rng.normal(size=(n_rows + rows - 1, n_bits))
    kernel = np.ones(rows)
    return code_of(np.stack([np.convolve(c, kernel, "valid") for c in (noise @ mix).T], axis=1))


@given(st.integers(1, 400), st.floats(0.05, 0.5), st.data())
def test_the_exponent_bounds_the_binomial_tail(n, chance, data):
    errors = data.draw(st.integers(0, n))
    bound = -n * evidence.evidence(errors / n, chance)
    assert stats.binom.logcdf(errors, n, chance) <= bound + 1e-9


def test_evidence_is_scipys_relative_entropy():
    for p, q in ((0.1, 0.5), (0.3, 0.45), (0.0, 0.47)):
        assert evidence.evidence(p, q) == pytest.approx(stats.entropy([p, 1 - p], [q, 1 - q]))


@pytest.mark.parametrize(("rows", "mixing"), [(1, 0.0), (4, 0.0), (1, 1.0), (5, 0.6)])
def test_redundancy_is_by_how_much_the_variance_of_agreements_grows(rows, mixing):
    rng = np.random.default_rng(3)
    mix = np.eye(8) + mixing * rng.normal(size=(8, 8))
    scores, factors = [], []
    for _ in range(400):
        a, b = smooth(rng, 120, 8, rows, mix), smooth(rng, 120, 8, rows, mix)
        n_same, n_both = agreement(a, b, 0)
        scores.append((2 * n_same - n_both) / math.sqrt(n_both))
        factors.append(Repetition.of(a).redundancy(Repetition.of(b)))
    assert np.var(scores) == pytest.approx(np.median(factors), rel=0.3)


def test_what_repeats_itself_proves_little():
    rng = np.random.default_rng(0)
    loop = code_of(np.tile(rng.choice([-1, 1], (10, 32)), (40, 1)))
    fresh = code_of(rng.choice([-1, 1], (400, 32)))
    looped, new = (x.n_known / Repetition.of(x).redundancy(Repetition.of(x)) for x in (loop, fresh))
    assert looped < 32 * 11
    assert new > 0.8 * 32 * 400


def test_unrelated_smooth_clips_never_reach_what_is_required():
    rng = np.random.default_rng(5)
    mix = np.eye(32) + 0.3 * rng.normal(size=(32, 32))
    codes = [smooth(rng, 200, 32, 4, mix) for _ in range(25)]
    n_comparisons, strongest = 0, 0.0
    for number, a in enumerate(codes):
        for b in codes[:number]:
            factor = Repetition.of(a).redundancy(Repetition.of(b))
            for shift in range(-100, 101, 2):
                n_same, n_both = agreement(a, b, shift)
                found = Agreement("sound", n_both, n_both / factor, 1 - n_same / n_both)
                strongest = max(strongest, found.n_independent * evidence.evidence(found.error_rate, 0.5))
                n_comparisons += 1
    assert strongest < math.log(n_comparisons) + 5
    assert strongest < required_exponent(n_comparisons)


@given(st.floats(1, 1e15), st.sampled_from([1e-2, 1e-6]))
def test_the_required_exponent_is_the_smallest_that_will_do(n_comparisons, alpha):
    needed = required_exponent(n_comparisons, alpha)
    assert log_probability(needed + 1e-3, n_comparisons) <= math.log(alpha)
    assert log_probability(needed - 1e-3, n_comparisons) > math.log(alpha)


def test_two_exponents_together_follow_their_law():
    total = np.random.default_rng(1).exponential(size=(200_000, 2)).sum(axis=1)
    for x in (2.0, 5.0, 8.0):
        assert math.exp(log_probability(x, 1)) == pytest.approx((total > x).mean(), rel=0.2)


def test_a_picture_denies_only_if_it_could_have_supported():
    assert Agreement("picture", 4000, 1000.0, 0.49).denies
    assert not Agreement("picture", 4000, 1000.0, 0.36).denies
    assert Agreement("picture", 4000, 1000.0, 0.36).supports
    assert not Agreement("picture", 100, 50.0, 0.49).denies


def test_no_code_no_capacity():
    assert capacity(None, "sound") == 0.0
    assert capacity(code_of(np.zeros((9, 4))), "sound") == 0.0
