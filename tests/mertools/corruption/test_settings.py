"""What is drawn hangs on seed and name alone, is uniform, and is refused where it makes no sense."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mertools.corruption import Settings, draw
from mertools.corruption.settings import Draws, parse_blur, parse_snr
from mertools.errors import ConfigError

NAMES = [f"sample_{n:08d}" for n in range(6000)]


def test_all_ratios_and_factors_are_equally_likely():
    drawn = [draw(name, Settings(seed=3)) for name in NAMES]
    counts = Counter((d.snr_db, d.blur) for d in drawn)
    assert set(counts) == {(snr, blur) for snr in range(5, 11) for blur in (1, 2, 4)}
    expected = len(NAMES) / 18
    chi_squared = sum((count - expected) ** 2 / expected for count in counts.values())
    assert chi_squared < 40.8  # 99.9 % for 17 degrees of freedom


@given(st.text(), st.integers(), st.integers(1, 1000))
def test_draws_lie_in_range_and_come_again(name, seed, n):
    first, second = (Draws(seed, name, "noise") for _ in range(2))
    values = [first.below(n) for _ in range(5)]
    assert all(0 <= value < n for value in values)
    assert values == [second.below(n) for _ in range(5)]


def test_draws_are_the_same_in_every_version():
    drawn = [draw(name, Settings(seed=1)) for name in ("a", "b", "c", "d", "e", "f")]
    assert [(d.snr_db, d.blur) for d in drawn] == [(6, 4), (6, 4), (7, 4), (10, 1), (10, 4), (8, 1)]
    draws = Draws(1, "a", "noise")
    assert [draws.below(1000) for _ in range(3)] == [648, 625, 134]


def test_another_seed_draws_otherwise():
    assert [draw(n, Settings(seed=1)) for n in NAMES[:50]] != [draw(n, Settings(seed=2)) for n in NAMES[:50]]


def test_leaving_one_part_out_does_not_change_the_other():
    for name in NAMES[:50]:
        both = draw(name, Settings(seed=1))
        assert draw(name, Settings(seed=1, noise=False)).blur == both.blur
        assert draw(name, Settings(seed=1, picture=False)).snr_db == both.snr_db
        assert draw(name, Settings(seed=1, picture=False)).blur == 1
        assert draw(name, Settings(seed=1, snr_db=(15,))).blur == both.blur


def test_lists_are_read():
    assert parse_snr("5,10,15") == (5, 10, 15)
    assert parse_snr("-2.5") == (-2.5,)
    assert parse_blur("1, 8") == (1, 8)


@pytest.mark.parametrize("text", ["", "5,", "five", "nan", "inf", "5,5", "100", "5;10"])
def test_wrong_ratios_are_refused_with_the_text(text):
    with pytest.raises(ConfigError) as caught:
        Settings(snr_db=parse_snr(text))
    assert caught.value.code == "MER-C351"
    assert text in caught.value.message


@pytest.mark.parametrize("text", ["", "3", "0", "-2", "1,1", "2.0", "128"])
def test_wrong_factors_are_refused_with_the_text(text):
    with pytest.raises(ConfigError) as caught:
        Settings(blur=parse_blur(text))
    assert caught.value.code == "MER-C352"
    assert text in caught.value.message


def test_something_must_be_corrupted():
    with pytest.raises(ConfigError) as caught:
        Settings(noise=False, picture=False)
    assert caught.value.code == "MER-C353"
