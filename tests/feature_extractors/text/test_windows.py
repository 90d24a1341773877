"""Windows of tokens: each token is kept once, from the window in which it stands further from an edge."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feature_extractors.text.tokens import Encoding
from feature_extractors.text.windows import cut, padded

BEFORE, AFTER = 900, 901  # special tokens


def encoding(n_own, before=1, after=1):
    ids = np.array([BEFORE] * before + list(range(n_own)) + [AFTER] * after, np.int64)
    types = np.array([0] * (before + n_own) + [2] * after, np.int64)
    return Encoding({"input_ids": ids, "token_type_ids": types}, before, before + n_own)


@given(
    n_own=st.integers(1, 200),
    around=st.tuples(st.integers(0, 2), st.integers(0, 2)),
    longest=st.integers(8, 40),
    share=st.floats(0, 0.99),
)
def test_every_token_is_kept_once_and_away_from_inner_edges(n_own, around, longest, share):
    before, after = around
    room = longest - before - after
    overlap = int(share * room)
    windows = cut(3, encoding(n_own, before, after), longest, overlap)
    assert [int(i) for w in windows for i in w.inputs["input_ids"][w.kept]] == list(range(n_own))
    for i, window in enumerate(windows):
        ids = list(window.inputs["input_ids"])
        assert window.text == 3
        assert len(window) <= longest
        assert ids[:before] == [BEFORE] * before
        assert ids[len(ids) - after :] == [AFTER] * after
        assert list(window.inputs["token_type_ids"][len(ids) - after :]) == [2] * after
        if i > 0:
            assert window.kept[0] >= before + overlap // 2
        if i < len(windows) - 1:
            assert len(window) == longest
            assert window.kept[-1] < longest - after - (overlap - overlap // 2)


def test_a_text_without_tokens_has_no_window():
    assert cut(0, Encoding({"input_ids": np.array([BEFORE, AFTER])}, 0, 0), 10, 2) == []


@pytest.mark.parametrize("side", ["left", "right"])
def test_filling_stands_on_the_side_that_was_asked_for(side):
    windows = [cut(i, encoding(n), 40, 0)[0] for i, n in enumerate((3, 5))]
    inputs, kept = padded(windows, 77, side)
    for row, window in enumerate(windows):
        filling = inputs["input_ids"][row] == 77
        assert filling.sum() == 7 - len(window)
        assert not filling.any() or filling[0] == (side == "left")
        np.testing.assert_array_equal(inputs["input_ids"][row, kept[row]], window.inputs["input_ids"][window.kept])
        assert not inputs["token_type_ids"][row][filling].any()
