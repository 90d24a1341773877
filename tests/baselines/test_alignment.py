"""Rows of several spaces over time, brought together."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from baselines.alignment import Alignment, as_reference, in_windows, pooled, reference_rule

ROWS = st.integers(1, 60)


def count(n: int) -> np.ndarray:
    return np.arange(1.0, n + 1)[:, None]


def some(n_rows: int, dim: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(1.0, 2.0, (n_rows, dim))


@pytest.mark.parametrize(
    ("n_rows", "length", "expected"),
    [
        (9, 8, [0, 0, 0, 0.5, 2.5, 4.5, 6.5, 8.5]),
        (17, 8, [0, 0, 1, 4, 7, 10, 13, 16]),
        (7, 3, [1 / 3, 3, 6]),
        (6, 3, [1.5, 3.5, 5.5]),
        (4, 8, [0, 0, 0, 0, 1, 2, 3, 4]),
        (5, 5, [1, 2, 3, 4, 5]),
        (1, 1, [1]),
    ],
)
def test_the_reference_rule_gives_the_measured_numbers(n_rows: int, length: int, expected: list[float]) -> None:
    np.testing.assert_allclose(reference_rule(count(n_rows), length)[:, 0], expected, atol=1e-12)


@pytest.mark.parametrize(("n_rows", "length", "zeros"), [(100, 99, 49), (33, 32, 15)])
def test_one_row_too_many_makes_nearly_half_of_the_reference_zero(n_rows: int, length: int, zeros: int) -> None:
    assert (reference_rule(np.ones((n_rows, 1)), length) == 0).sum() == zeros


@given(ROWS, ROWS, st.integers(1, 4))
def test_the_reference_rule_keeps_the_sum(n_rows: int, length: int, dim: int) -> None:
    x = some(n_rows, dim)
    found = reference_rule(x, length)
    assert found.shape == (length, dim)
    np.testing.assert_allclose(found.sum(axis=0) * -(-n_rows // length), x.sum(axis=0), atol=1e-9)


def test_the_reference_shortens_by_six_to_the_text_or_by_twelve() -> None:
    values = [count(100), count(20), count(61)]
    short = [reference_rule(v, -(-len(v) // 6)) for v in values]
    found = as_reference(values, leader=1)
    assert [len(rows) for rows in found] == [4, 4, 4]
    for rows, before in zip(found, short, strict=True):
        np.testing.assert_array_equal(rows, reference_rule(before, 4))
    times = [np.full(len(v), np.nan) for v in values]
    unaligned = Alignment("reference")(values, times)
    assert [len(rows) for rows in unaligned] == [9, 2, 6]
    assert [rows.dtype for rows in unaligned] == [np.float32] * 3


def test_without_its_text_a_clip_is_led_by_its_shortest_space() -> None:
    found = as_reference([count(100), np.zeros((0, 1)), count(13)], leader=1)
    assert [len(rows) for rows in found] == [3, 0, 3]
    assert [len(rows) for rows in as_reference([np.zeros((0, 2))], leader=None)] == [0]


@given(st.integers(1, 300), st.integers(1, 40), st.integers(1, 3))
def test_pooled_rows_keep_the_mean_and_are_no_more_than_asked_for(n_rows: int, most: int, dim: int) -> None:
    x = some(n_rows, dim)
    found = pooled(x, most)
    assert len(found) == min(n_rows, most)
    sizes = np.diff([k * n_rows // len(found) for k in range(len(found) + 1)])
    assert sizes.max() - sizes.min() <= 1
    ends = np.cumsum(sizes)
    for row, start, end in zip(found, ends - sizes, ends, strict=True):
        np.testing.assert_allclose(row, np.mean([x[t] for t in range(start, end)], axis=0), atol=1e-9)
    np.testing.assert_allclose((found * sizes[:, None]).sum(axis=0) / n_rows, x.mean(axis=0), atol=1e-9)


def slow_windows(
    values: list[np.ndarray], times: list[np.ndarray], step_s: float
) -> tuple[list[int], list[list[np.ndarray | None]]]:
    """Means per window by a loop; None where a space has no row."""
    used = sorted({int(t // step_s) for ts in times for t in ts})
    found = []
    for v, ts in zip(values, times, strict=True):
        per_window: list[np.ndarray | None] = []
        for window in used:
            rows = [row for row, t in zip(v, ts, strict=True) if int(t // step_s) == window]
            per_window.append(np.mean(rows, axis=0) if rows else None)
        found.append(per_window)
    return used, found


@given(
    st.lists(st.lists(st.integers(0, 90), min_size=1, max_size=25), min_size=1, max_size=3),
    st.sampled_from([0.25, 0.5, 1.0]),
)
def test_windows_hold_the_mean_of_their_rows_and_the_nearest_row_where_they_have_none(
    ticks: list[list[int]], step_s: float
) -> None:
    times = [np.sort(np.array(t)) / 16.0 for t in ticks]
    values = [some(len(t), 2, seed=m) for m, t in enumerate(times)]
    used, expected = slow_windows(values, times, step_s)
    found = in_windows(values, times, step_s, 1000)
    for rows, per_window, v, ts in zip(found, expected, values, times, strict=True):
        assert len(rows) == len(used)
        for row, mean, window in zip(rows, per_window, used, strict=True):
            if mean is None:
                distance = np.abs(ts - (window + 0.5) * step_s)
                nearest = ts[distance == distance.min()].min()
                mean = v[ts == nearest].mean(axis=0)
            np.testing.assert_allclose(row, mean, atol=1e-9)


@given(arrays(np.float64, st.integers(1, 80), elements=st.floats(0, 20)), st.integers(1, 12))
def test_no_zero_row_is_invented_and_windows_are_never_more_than_allowed(times: np.ndarray, most: int) -> None:
    found = in_windows([np.full((len(times), 1), 3.0), count(4) + 1], [times, np.full(4, np.nan)], 0.25, most)
    assert 1 <= len(found[0]) == len(found[1]) <= most
    np.testing.assert_allclose(found[0], 3.0)
    assert (found[1] >= 2.0 - 1e-12).all()
    assert (found[1] <= 5.0 + 1e-12).all()


def test_every_window_with_rows_of_one_space_keeps_its_weighted_mean() -> None:
    values = some(37, 3)
    times = np.arange(37) / 10
    (found,) = in_windows([values], [times], 0.5, 1000)
    sizes = np.bincount((times / 0.5).astype(int))
    np.testing.assert_allclose((found * sizes[:, None]).sum(axis=0) / 37, values.mean(axis=0), atol=1e-12)


def test_tokens_without_times_are_spread_over_the_clip() -> None:
    face_times = np.arange(20) / 10  # the last row ends at 2 s
    face, text = in_windows([count(20), count(4)], [face_times, np.full(4, np.nan)], 0.5, 100)
    np.testing.assert_allclose(text[:, 0], [1, 2, 3, 4])
    np.testing.assert_allclose(face[:, 0], [3, 8, 13, 18])


def test_without_any_times_rows_meet_by_their_relative_position() -> None:
    long, short = in_windows([count(8), count(2)], [np.full(8, np.nan), np.full(2, np.nan)], 0.25, 100)
    np.testing.assert_allclose(long[:, 0], np.arange(1, 9))
    assert short[0, 0] == 1
    assert short[-1, 0] == 2
    assert (np.diff(short[:, 0]) >= 0).all()


def test_a_row_without_a_time_lies_between_its_neighbours() -> None:
    (found,) = in_windows([count(3)], [np.array([0.0, np.nan, 2.0])], 1.0, 100)
    np.testing.assert_allclose(found[:, 0], [1, 2, 3])


def test_gaps_that_no_space_fills_are_left_out() -> None:
    (found,) = in_windows([count(2)], [np.array([0.1, 9.9])], 0.5, 100)
    np.testing.assert_allclose(found[:, 0], [1, 2])


@pytest.mark.parametrize("kind", ["time", "reference", "none"])
@pytest.mark.parametrize("aligned", [False, True])
def test_one_row_one_dimension_and_nothing_at_all_pass(kind: str, aligned: bool) -> None:
    rule = Alignment(kind, aligned)  # type: ignore[arg-type]
    one, nothing = rule([np.ones((1, 1), np.float16), np.zeros((0, 4))], [np.zeros(1), np.zeros(0)])
    np.testing.assert_array_equal(one, [[1.0]])
    assert nothing.shape == (0, 4)
    assert [rows.shape for rows in rule([np.zeros((0, 2))], [np.zeros(0)])] == [(0, 2)]


@given(ROWS, ROWS, st.integers(1, 20))
def test_aligned_spaces_have_one_length(first: int, second: int, most: int) -> None:
    values = [some(first, 2), some(second, 3)]
    times = [np.arange(first) / 25, np.full(second, np.nan)]
    for rule in (Alignment("time", True, 0.25, most), Alignment("reference", True, leader=1)):
        lengths = {len(rows) for rows in rule(values, times)}
        assert len(lengths) == 1
