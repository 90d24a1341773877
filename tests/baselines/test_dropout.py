"""Masks of dropout: what they depend on, and that they look random."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest, chi2_contingency

from baselines.models.dropout import Dropout, mask_keys, seed_dropout


def kept(p: float, shape: tuple[int, ...], seed: int = 0, step: int = 0, number: int = 0) -> torch.Tensor:
    layers = [Dropout(p) for _ in range(number + 1)]
    seed_dropout(layers, seed, step)
    return layers[number](torch.ones(shape)) > 0


@pytest.mark.parametrize("p", [0.0, 0.1, 0.3, 0.5, 0.97])
def test_the_share_dropped_is_p(p: float) -> None:
    mask = kept(p, (500, 401))
    assert binomtest(int((~mask).sum()), mask.numel(), p).pvalue > 1e-4


@pytest.mark.parametrize("other", [{"seed": 1}, {"step": 1}, {"number": 1}, {"seed": 2**62}, {"step": 2**20}])
def test_masks_of_other_seeds_steps_and_layers_are_independent(other: dict[str, int]) -> None:
    first, second = kept(0.4, (300, 301)).numpy().ravel(), kept(0.4, (300, 301), **other).numpy().ravel()
    counts = np.histogram2d(first, second, bins=2)[0]
    assert chi2_contingency(counts).pvalue > 1e-4


def test_neighbours_in_a_mask_are_independent() -> None:
    mask = kept(0.5, (400, 400)).numpy()
    for first, second in ((mask[:, 1:], mask[:, :-1]), (mask[1:], mask[:-1]), (mask[:, :200], mask[:, 200:])):
        assert chi2_contingency(np.histogram2d(first.ravel(), second.ravel(), bins=2)[0]).pvalue > 1e-4


def test_each_element_is_dropped_as_often_over_many_steps() -> None:
    dropped = sum((~kept(0.3, (4, 7), step=step)).numpy().astype(int) for step in range(2000))
    assert np.all(np.abs(dropped - 600) < 5 * np.sqrt(2000 * 0.3 * 0.7))


@given(st.integers(1, 9), st.integers(1, 9), st.integers(1, 20))
def test_a_row_is_masked_alike_whatever_follows(n_rows: int, more: int, width: int) -> None:
    assert torch.equal(kept(0.5, (n_rows, width)), kept(0.5, (n_rows + more, width))[:n_rows])


def test_what_is_kept_is_scaled_and_nothing_else_changes() -> None:
    layer, x = Dropout(0.25), torch.randn(50, 40)
    seed_dropout([layer], 3, 0)
    y = layer(x)
    torch.testing.assert_close(y[y != 0], (x / 0.75)[y != 0])


def test_a_layer_called_twice_in_a_step_drops_other_elements_and_repeats_both() -> None:
    layer, x = Dropout(0.5), torch.ones(40, 40)
    seed_dropout([layer], 3, 0)
    first, second = layer(x), layer(x)
    assert not torch.equal(first, second)
    seed_dropout([layer], 3, 0)
    assert torch.equal(first, layer(x))
    assert torch.equal(second, layer(x))


def test_a_layer_that_drops_nothing_is_left_alone() -> None:
    layer, x = Dropout(0.0), torch.randn(5, 4)
    seed_dropout([layer], 3, 0)
    assert layer(x) is x


def test_keys_can_be_made_for_many_steps_at_once() -> None:
    together = mask_keys(5, 10, 4, 3)
    assert together.shape == (4, 3, 2)
    assert np.array_equal(together, np.concatenate([mask_keys(5, 10 + i, 1, 3) for i in range(4)]))
    assert len(np.unique(mask_keys(5, 0, 1000, 20).view(np.int64))) == 20_000
