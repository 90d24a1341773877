"""The inverted index: proposes shared moments among many others, without comparing all pairs."""

import numpy as np
import pytest

from mertools.leaks.bits import Code, coded
from mertools.leaks.index import MAX_CANDIDATES, PICTURE_WINDOWS, SLACK, SOUND_WINDOWS, KeyIndex


def changes_of(rng: np.random.Generator, n_rows: int, n_bits: int) -> np.ndarray:
    noise = rng.normal(size=(n_rows + 3, n_bits))
    return noise[3:] + noise[2:-1] + noise[1:-2]


def code_of(changes: np.ndarray, n_weak: int, rate_hz: float) -> Code:
    return coded(changes, 0.0, n_weak, rate_hz)


@pytest.mark.parametrize(
    ("n_bits", "n_weak", "windows", "n_rows"), [(32, 6, SOUND_WINDOWS, 200), (48, 12, PICTURE_WINDOWS, 120)]
)
def test_noisy_cuts_of_indexed_clips_are_proposed_at_the_right_shift(n_bits, n_weak, windows, n_rows):
    rng = np.random.default_rng(2)
    originals = [changes_of(rng, n_rows, n_bits) for _ in range(300)]
    index = KeyIndex([code_of(c, n_weak, 16.0) for c in originals], windows)
    found = 0
    for clip in range(0, 300, 10):
        worse = originals[clip][40:] + rng.normal(0, 1.4, (n_rows - 40, n_bits))
        wrong = (np.sign(worse) != np.sign(originals[clip][40:])).mean()
        assert 0.18 < wrong < 0.3
        proposed = index.candidates(code_of(worse, n_weak, 16.0))
        assert len(proposed) <= MAX_CANDIDATES
        found += any(other == clip and abs(shift - 40) <= SLACK for other, shift in proposed)
    assert found >= 29


def test_wider_keys_for_more_rows():
    rng = np.random.default_rng(0)
    few, many = ([code_of(changes_of(rng, 200, 32), 6, 62.5)] * n for n in (2, 2000))
    assert KeyIndex(few, SOUND_WINDOWS).key_bits < KeyIndex(many, SOUND_WINDOWS).key_bits <= 24


def test_what_is_not_known_has_no_keys():
    silent = coded(np.zeros((50, 32)), 0.0, 6, 62.5)
    index = KeyIndex([None, silent], SOUND_WINDOWS)
    assert index.candidates(silent) == []
    assert index.candidates(None) == []
    assert KeyIndex([], SOUND_WINDOWS).candidates(silent) == []


def test_clips_to_skip_are_left_out():
    rng = np.random.default_rng(1)
    code = code_of(changes_of(rng, 100, 32), 6, 62.5)
    index = KeyIndex([code, code], SOUND_WINDOWS)
    assert {clip for clip, _ in index.candidates(code, skip=[0])} == {1}
