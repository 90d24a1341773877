"""Packing and comparing codes, against slow loops."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mertools.leaks.bits import Code, agreement, coded, overlap, packed, unpacked

bit_tables = st.tuples(st.integers(0, 12), st.integers(1, 64)).flatmap(lambda shape: arrays(bool, shape))


def ternary_code(values: np.ndarray) -> Code:
    nothing = np.zeros(values.shape, bool)
    return Code(packed(values > 0), packed(values != 0), packed(nothing), values.shape[1], 16.0)


@given(bit_tables)
def test_packing_puts_column_c_at_bit_c(bits):
    words = packed(bits)
    assert [int(word) for word in words] == [sum(1 << c for c in range(bits.shape[1]) if row[c]) for row in bits]
    assert words.dtype == (np.uint32 if bits.shape[1] <= 32 else np.uint64)


@given(bit_tables)
def test_unpacking_undoes_packing(bits):
    assert np.array_equal(unpacked(packed(bits), bits.shape[1]), bits)


def test_more_than_64_columns_do_not_fit_a_word():
    with pytest.raises(ValueError, match="64"):
        packed(np.zeros((2, 65), bool))


@given(st.data(), st.integers(1, 64), st.integers(-12, 12))
def test_agreement_equals_a_slow_loop(data, n_bits, shift):
    a, b = (
        data.draw(arrays(np.int8, (data.draw(st.integers(0, 9)), n_bits), elements=st.integers(-1, 1))) for _ in "ab"
    )
    n_same = n_both = 0
    for row in range(len(a)):
        if 0 <= row + shift < len(b):
            for here, there in zip(a[row], b[row + shift], strict=True):
                n_both += int(here != 0 and there != 0)
                n_same += int(here != 0 and here == there)
    code_a, code_b = ternary_code(a), ternary_code(b)
    assert agreement(code_a, code_b, shift) == (n_same, n_both)
    here, there = overlap(code_a, code_b, shift)
    assert agreement(code_a.part(here), code_b.part(there), 0) == (n_same, n_both)


def test_agreement_is_the_same_seen_from_the_other_side():
    rng = np.random.default_rng(0)
    a, b = (ternary_code(rng.integers(-1, 2, (n, 48))) for n in (40, 25))
    assert agreement(a, b, -7) == agreement(b, a, 7)


@given(arrays(np.float64, (6, 5), elements=st.floats(-9, 9).map(lambda x: round(x, 2))), st.integers(0, 5))
def test_a_code_keeps_signs_above_the_floor_and_marks_the_smallest_weak(changes, n_weak):
    code = coded(changes, 1.0, n_weak, 16.0)
    expected = np.where(np.abs(changes) > 1.0, np.sign(changes), 0)
    assert np.array_equal(code.ternary(), expected)
    weak = unpacked(code.weak, 5)
    assert not (weak & (expected == 0)).any()
    assert (weak.sum(axis=1) <= n_weak).all()


def test_weakness_is_measured_in_medians_of_the_column():
    changes = np.array([[100.0, 1.0], [20.0, 1.0], [100.0, 1.0]])
    weak = unpacked(coded(changes, 0.0, 1, 16.0).weak, 2)
    assert weak[1].tolist() == [True, False]
