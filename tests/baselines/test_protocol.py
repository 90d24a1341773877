"""Folds, inner splits and random streams."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from baselines.models.attention import Attention
from baselines.options import TrainOptions, split_options
from baselines.protocol import inner_split, k_folds, leave_one_value_out, strata_of
from baselines.streams import Streams
from mertools.errors import ConfigError, TrainingError


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 6), st.integers(6, 12), st.integers(1, 7), st.integers(0, 1000))
def test_no_group_stands_on_both_sides_of_a_fold(k: int, n_groups: int, size: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    groups = np.repeat(np.arange(n_groups), size)
    strata = rng.integers(0, 3, len(groups))
    folds = k_folds(k, strata, groups, rng)
    assert len(folds) == k
    assert sorted(np.concatenate([f.test for f in folds]).tolist()) == list(range(len(groups)))
    for fold in folds:
        assert len(fold.test)
        assert not set(groups[fold.train]) & set(groups[fold.test])
        assert sorted([*fold.train, *fold.test]) == list(range(len(groups)))
        inside = groups[fold.train]
        if len(set(inside)) > 1:
            fitted, held = inner_split(5, strata[fold.train], inside, rng)
            assert not set(inside[fitted]) & set(inside[held])
            assert len(fitted)
            assert len(held)
            assert len(fitted) + len(held) == len(fold.train)


def test_folds_spread_classes_evenly() -> None:
    strata = np.repeat([0, 1, 2], [50, 30, 20])
    for fold in k_folds(5, strata, None, np.random.default_rng(0)):
        assert np.bincount(strata[fold.test]).tolist() == [10, 6, 4]


def test_folds_follow_their_seed() -> None:
    strata = np.arange(40) % 4
    first, again, other = (k_folds(4, strata, None, np.random.default_rng(s)) for s in (1, 1, 2))
    assert all(np.array_equal(a.test, b.test) for a, b in zip(first, again, strict=True))
    assert any(not np.array_equal(a.test, b.test) for a, b in zip(first, other, strict=True))


def test_rare_classes_do_not_stop_the_folds() -> None:
    strata = np.array([0, 1, 2, 3, 4, 5])  # fewer clips of each class than folds
    folds = k_folds(3, strata, None, np.random.default_rng(0))
    assert [len(f.test) for f in folds] == [2, 2, 2]


@pytest.mark.parametrize(("k", "groups"), [(7, np.arange(6)), (3, np.array([0, 0, 0, 1, 1, 1])), (1, None), (7, None)])
def test_more_folds_than_groups_are_refused(k: int, groups: np.ndarray | None) -> None:
    with pytest.raises(TrainingError, match="MER-T010"):
        k_folds(k, np.zeros(6, int), groups, np.random.default_rng(0))


def test_leaving_one_value_out_makes_a_fold_per_value() -> None:
    folds = leave_one_value_out("speaker", ["b", "a", "b", "c"])
    assert [(f.name, f.test.tolist(), f.train.tolist()) for f in folds] == [
        ("a", [1], [0, 2, 3]),
        ("b", [0, 2], [1, 3]),
        ("c", [3], [0, 1, 2]),
    ]
    with pytest.raises(TrainingError, match="empty for 1 of 2"):
        leave_one_value_out("speaker", ["a", ""])
    with pytest.raises(TrainingError, match="has one value"):
        leave_one_value_out("speaker", ["a", "a"])


def test_an_inner_split_of_one_group_is_refused() -> None:
    with pytest.raises(TrainingError, match="selection=last"):
        inner_split(5, np.zeros(4, int), np.zeros(4, int), np.random.default_rng(0))


def test_values_are_spread_by_quantile_and_missing_ones_apart() -> None:
    strata = strata_of(np.array([np.nan, 1.0, 2.0, 3.0, 4.0, 5.0]))
    assert strata.tolist() == [-1, 0, 1, 2, 3, 4]
    assert strata_of(np.array([2, -1, 0])).tolist() == [2, -1, 0]
    assert strata_of(np.array([np.nan, np.nan])).tolist() == [0, 0]


STREAMS = ("fold", "selection", "initialisation", "order", "dropout")


@pytest.mark.parametrize("changed", STREAMS)
def test_reseeding_one_stream_leaves_the_others_alone(changed: str) -> None:
    base, other = Streams(5), Streams(5, {changed: 6})  # type: ignore[dict-item]
    for stream in STREAMS:
        same = np.array_equal(base.numpy(stream, 1).random(4), other.numpy(stream, 1).random(4))  # type: ignore[arg-type]
        assert same == (stream != changed)
        drawn = [torch.rand(4, generator=s.torch(stream, 1)) for s in (base, other)]  # type: ignore[arg-type]
        assert torch.equal(*drawn) == (stream != changed)


def test_streams_and_folds_of_one_seed_differ() -> None:
    streams = Streams(5)
    drawn = [tuple(streams.numpy(s, fold).random(2)) for s in STREAMS for fold in (0, 1)]  # type: ignore[arg-type]
    assert len(set(drawn)) == len(drawn)


def test_initialising_leaves_the_global_stream_alone() -> None:
    torch.manual_seed(0)
    expected = torch.rand(2)
    torch.manual_seed(0)
    with Streams(1).initialising(0):
        first = torch.rand(2)
    assert torch.equal(torch.rand(2), expected)
    with Streams(1).initialising(0):
        assert torch.equal(torch.rand(2), first)


def test_folds_are_the_same_for_every_repeat() -> None:
    options = TrainOptions(seed=3, repeats=2)
    assert options.seeds == (3, 4)
    drawn = [options.streams(s).numpy("fold").random() for s in options.seeds]
    assert drawn[0] == drawn[1]
    assert options.streams(3).numpy("order").random() != options.streams(4).numpy("order").random()


def test_words_find_their_place_among_options() -> None:
    options, config = split_options({"lr": "1e-4", "dropout": "0.2", "train_splits": "a,b"}, "attention", Attention)
    assert (options.lr, options.train_splits) == (1e-4, ("a", "b"))
    assert config == {"hidden_dim": 128, "dropout": 0.2, "reference": False, "softmax": False}
    with pytest.raises(ConfigError, match=r"'patiense'\. Did you mean 'patience'"):
        split_options({"patiense": 3}, "attention", Attention)
    with pytest.raises(ConfigError, match="MER-R004"):
        split_options({"lr": "fast"}, "attention", Attention)
    with pytest.raises(ConfigError, match="epochs must be at least 1"):
        split_options({"epochs": 0}, "attention", Attention)
