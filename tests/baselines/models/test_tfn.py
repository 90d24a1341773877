"""`tfn` computes what was published, and does not fill the memory."""

import itertools
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
    model = create_model("tfn", dims=(5, 3, 4), heads=HEADS, hidden_dim=4, **options)
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
    with torch.device("meta"):
        model = create_model("tfn", dims=SPACES, heads=HEADS, hidden_dim=64)
    assert sum(p.numel() for p in model.parameters()) == 17_786_055


def test_the_largest_published_layer_is_allowed() -> None:
    with torch.device("meta"):
        model = create_model("tfn", dims=SPACES, heads=HEADS, hidden_dim=128)
    assert model.first.weight.numel() == 274_776_192


@pytest.mark.parametrize(("hidden_dim", "n_spaces", "options"), [(128, 4, {}), (9, 1, {"max_parameters": 89})])
def test_a_layer_that_is_too_large_is_refused_before_it_is_made(
    hidden_dim: int, n_spaces: int, options: dict[str, int]
) -> None:
    with pytest.raises(ConfigError, match=f"tfn with {n_spaces} spaces and hidden_dim={hidden_dim}.*lmf"):
        create_model("tfn", dims=(3,) * n_spaces, heads=HEADS, hidden_dim=hidden_dim, **options)


def test_the_published_formula_is_computed() -> None:
    model, clips = make(), some_clips()
    state = model.state_dict()
    H = encode_present(model.encoders, clips)
    for row, found in enumerate(model(clips).fused):
        audio, text, video = ([1.0, *H[row, m].tolist()] for m in range(3))
        outer = torch.tensor([a * v * t for a, v, t in itertools.product(audio, video, text)])
        assert len(outer) == 125
        x = (state["first.weight"] @ outer + state["first.bias"]).clamp(min=0)
        x = (state["second.weight"] @ x + state["second.bias"]).clamp(min=0)
        torch.testing.assert_close(found, x)


def test_evaluation_in_blocks_gives_what_training_gives_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    model, clips = make(dropout=0.0), some_clips()
    monkeypatch.setattr("baselines.models.tfn._NUMBERS_AT_ONCE", 250)  # two clips at a time
    torch.testing.assert_close(model(clips).fused, model.train()(clips).fused)


def test_the_search_space_has_the_published_size() -> None:
    assert math.prod(len(values) for values in type(make()).search_space.values()) == 16
