"""`lmf` computes what was published."""

import math

import pytest
import torch

from baselines import create_model
from baselines.models.base import Batch, FusionModel
from baselines.models.layers import encode_present
from mertools.errors import ConfigError

HEADS = {"discrete": 6, "valence": 1}
SPACES = (1024, 1024, 768)
"""Audio, text, video, at which the published models were counted."""


def make(**options: object) -> FusionModel:
    torch.manual_seed(0)
    model = create_model("lmf", dims=(5, 3, 4), heads=HEADS, hidden_dim=4, **options)
    assert isinstance(model, FusionModel)
    return model.eval()


def some_clips() -> Batch:
    """Five clips; the second has no text, the third nothing at all."""
    torch.manual_seed(1)
    present = torch.ones(5, 3, dtype=torch.bool)
    present[1, 1] = False
    present[2] = False
    return Batch(tuple(torch.randn(5, dim) for dim in (5, 3, 4)), present)


def test_the_parameters_are_as_many_as_in_the_reference() -> None:
    model = create_model("lmf", dims=SPACES, heads=HEADS, hidden_dim=128, rank=4)
    assert sum(p.numel() for p in model.parameters()) == 559_499


@pytest.mark.parametrize("rank", [1, 3])
def test_the_published_formula_is_computed(rank: int) -> None:
    model, clips = make(rank=rank), some_clips()
    torch.nn.init.normal_(model.bias)
    model.requires_grad_(False)
    H = encode_present(model.encoders, clips)
    for row, found in enumerate(model(clips).fused):
        expected = [float(b) for b in model.bias[0]]
        for r in range(rank):
            for o in range(2):
                product = float(model.rank_weights[0, r])
                for m in range(3):
                    factor = model.factors[m][r, :, o]
                    product *= float(factor[0]) + sum(float(H[row, m, i] * factor[i + 1]) for i in range(4))
                expected[o] += product
        torch.testing.assert_close(found, torch.tensor(expected))


def test_factors_are_drawn_as_published() -> None:
    torch.manual_seed(0)
    model = create_model("lmf", dims=SPACES, heads=HEADS, hidden_dim=128, rank=4)
    expected = math.sqrt(2 / (129 * 64 + 4 * 64))  # Xavier: the first axis counts as outputs, the second as inputs
    for factor in model.factors:
        assert float(factor.detach().std()) == pytest.approx(expected, rel=0.03)
    assert not model.bias.any()


@pytest.mark.parametrize(("option", "value"), [("rank", 0), ("hidden_dim", 1)])
def test_options_out_of_range_are_reported(option: str, value: int) -> None:
    with pytest.raises(ConfigError, match=f"{option} must be at least"):
        create_model("lmf", dims=(3,), heads=HEADS, **{option: value})


def test_the_search_space_has_the_published_size() -> None:
    assert math.prod(len(values) for values in type(make()).search_space.values()) == 128
