"""`lf_dnn` computes what was published."""

import math

import torch

from baselines import create_model
from baselines.models.base import Batch, FusionModel
from baselines.models.layers import encode_present

HEADS = {"discrete": 6, "valence": 1}
SPACES = (1024, 1024, 768)
"""Audio, text, video, at which the published models were counted."""


def make(**options: object) -> FusionModel:
    torch.manual_seed(0)
    model = create_model("lf_dnn", dims=(5, 3, 4), heads=HEADS, hidden_dim=4, **options)
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
    model = create_model("lf_dnn", dims=SPACES, heads=HEADS, hidden_dim=128)
    assert sum(p.numel() for p in model.parameters()) == 526_599


def test_the_published_formula_is_computed() -> None:
    model, clips = make(), some_clips()
    state = model.state_dict()
    H = encode_present(model.encoders, clips)
    for row, found in enumerate(model(clips).fused):
        x = torch.cat([H[row, 0], H[row, 2], H[row, 1]])  # audio, video, text
        for layer in (1, 3):
            x = (state[f"fusion.{layer}.weight"] @ x + state[f"fusion.{layer}.bias"]).clamp(min=0)
        torch.testing.assert_close(found, x)


def test_the_search_space_has_the_published_size() -> None:
    assert math.prod(len(values) for values in type(make()).search_space.values()) == 24
