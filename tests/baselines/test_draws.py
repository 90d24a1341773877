"""What a sweep searches over and in which order; the published spaces of all models."""

import itertools
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from baselines import MODELS
from baselines.draws import Range, Space, choose_space
from baselines.models.attention import Attention
from baselines.models.base import FusionModel
from baselines.proposals import propose, rounds
from mertools.errors import ConfigError


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 4), min_size=1, max_size=4), st.integers(0, 1000))
def test_draws_are_distinct_cover_the_grid_and_depend_on_seed_and_number(lengths: list[int], seed: int) -> None:
    space = Space({f"k{i}": tuple(range(n)) for i, n in enumerate(lengths)})
    points = [tuple(p.values()) for p in space.draws(seed)]
    assert len(points) == space.size == np.prod(lengths)
    assert set(points) == set(itertools.product(*space.dimensions.values()))
    few = [tuple(p.values()) for p in itertools.islice(space.draws(seed), 3)]
    assert few == points[:3]


def test_another_seed_draws_in_another_order() -> None:
    space = Space({"a": tuple(range(50))})
    assert list(space.draws(0)) != list(space.draws(1))


@settings(max_examples=60, deadline=None)
@given(st.floats(1e-6, 1e3), st.floats(1.01, 1e3), st.booleans(), st.floats(0, 1, exclude_max=True))
def test_ranges_stay_inside(low: float, factor: float, log: bool, share: float) -> None:
    found = Range(low, low * factor, log).at(share)
    assert low * (1 - 1e-12) <= found <= low * factor * (1 + 1e-12)


def test_ranges_of_whole_numbers_end() -> None:
    space = Space({"a": Range(1, 3, whole=True), "b": Range(1, 4, log=True, whole=True)})
    assert space.size == 12
    assert len(list(space.draws(0))) == 12
    assert Space({"a": Range(0.0, 1.0)}).size is None


def test_draws_are_spread_evenly() -> None:
    low = [point["a"] for point in itertools.islice(Space({"a": Range(1e-4, 1.0, log=True)}).draws(0), 400)]
    assert np.mean(np.array(low) < 1e-2) == pytest.approx(0.5, abs=0.08)


@pytest.mark.parametrize("model", MODELS.names())
def test_published_spaces_fit_their_models(model: str) -> None:
    model_class = MODELS.get(model)
    if not (isinstance(model_class, type) and issubclass(model_class, FusionModel)):
        pytest.skip("no fusion model")
    if not model_class.search_space:
        pytest.skip("no published space")
    space, fixed = choose_space(model, model_class, None, {})
    assert set(space.dimensions) == set(model_class.search_space)
    assert not fixed


def test_options_replace_add_and_fix_dimensions(tmp_path: Path) -> None:
    options = {"dropout": "0.3", "lr": "[1e-2, 0.01,1e-3]", "batch_size": [8, 16], "seed": 3}
    space, fixed = choose_space("attention", Attention, None, options)
    assert space.dimensions == {"hidden_dim": (64, 128, 256), "lr": (0.01, 0.001), "batch_size": (8, 16)}
    assert fixed == {"dropout": "0.3", "seed": 3}
    (tmp_path / "space.yaml").write_text("lr: {low: 1e-4, high: 1e-2, log: true}\npca: [0, '2']\n")
    space, _ = choose_space("attention", Attention, tmp_path / "space.yaml", {})
    assert space.dimensions == {"lr": Range(1e-4, 1e-2, log=True), "pca": (0, 2)}


@pytest.mark.parametrize(
    ("space", "options", "found"),
    [
        ({"learning": [1, 2]}, {}, r"MER-T121.*'learning' is no option"),
        ({"dropot": [0.1]}, {}, r"MER-T121.*Did you mean 'dropout'"),
        ({"folds": ["3", "5"]}, {}, r"MER-T121.*'folds' says what is trained on"),
        (None, {"seed": [1, 2]}, r"MER-T121.*'seed' says what is trained on"),
        ({"lr": ["fast"]}, {}, r"MER-R004.*lr: 'fast' is not a number"),
        ({"lr": [-1.0]}, {}, r"lr must be positive"),
        ({"dropout": [1.5]}, {}, r"dropout must lie in \[0, 1\)"),
        ({"lr": []}, {}, r"MER-T123"),
        ({"lr": 0.1}, {}, r"MER-T123.*no list"),
        ({"lr": {"low": 1.0, "high": 0.1}}, {}, r"MER-T123.*no range"),
        ({"lr": {"low": 0.1, "high": 1.0, "step": 2}}, {}, r"MER-T123.*no range"),
        ({"standardise": {"low": 0, "high": 1}}, {}, r"MER-T123.*no range"),
        ({}, {}, r"MER-T122"),
        (None, {"hidden_dim": 8, "dropout": 0.1, "lr": 0.1}, r"MER-T122.*every option of it is fixed"),
    ],
)
def test_a_wrong_space_is_refused(space: Any, options: dict[str, Any], found: str) -> None:
    with pytest.raises(ConfigError) as caught:
        choose_space("attention", Attention, space, options)
    assert re.search(found, str(caught.value)), caught.value


def test_a_file_that_is_no_space_is_refused(tmp_path: Path) -> None:
    (tmp_path / "space.yaml").write_text("- lr\n")
    with pytest.raises(ConfigError, match="MER-T123"):
        choose_space("attention", Attention, tmp_path / "space.yaml", {})
    with pytest.raises(ConfigError, match="MER-R005"):
        choose_space("attention", Attention, tmp_path / "absent.yaml", {})


def test_tpe_repeats_itself_and_tries_nothing_twice() -> None:
    space = Space({"a": tuple(range(5)), "b": (0.1, 0.2, 0.3)})
    (first, second) = rounds("tpe", 15)
    before = {n: (p, float(p["a"])) for n, p in zip(first, propose(space, "tpe", 0, first, {}, 0), strict=True)}
    points = propose(space, "tpe", 0, second, before, 0)
    assert points == propose(space, "tpe", 0, second, before, 0)
    everything = [tuple(p.values()) for p in (*(p for p, _ in before.values()), *points)]
    assert len(set(everything)) == space.size


def test_tpe_learns_from_earlier_rounds() -> None:
    space = Space({"x": Range(0.0, 1.0)})
    known: dict[int, Any] = {}
    for numbers in rounds("tpe", 40):
        for number, point in zip(numbers, propose(space, "tpe", 1, numbers, known, 0), strict=True):
            known[number] = (point, -abs(point["x"] - 0.9))
    off = [-score for _, score in known.values()]
    assert np.mean(off[20:]) < 0.5 * np.mean(off[:10])
