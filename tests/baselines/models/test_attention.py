"""The two attention models compute what was published."""

import math

import pytest
import torch

from baselines import MODELS, create_model
from baselines.models.base import Batch

HEADS = {"discrete": 6, "valence": 1}
SPACES = (1024, 1024, 768)
NAMES = ("attention", "attention_topn")


def some_clips() -> Batch:
    """Five clips; the second has no text, the third nothing at all."""
    torch.manual_seed(1)
    present = torch.ones(5, 3, dtype=torch.bool)
    present[1, 1] = False
    present[2] = False
    return Batch(tuple(torch.randn(5, dim) for dim in (5, 3, 4)), present)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("hidden_dim", "expected"), [(64, 226_698), (128, 543_498), (256, 1_447_434)])
def test_the_parameters_are_as_many_as_in_the_reference(name: str, hidden_dim: int, expected: int) -> None:
    model = create_model(name, dims=SPACES, heads=HEADS, hidden_dim=hidden_dim)
    assert sum(p.numel() for p in model.parameters()) == expected


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("softmax", [False, True])
def test_the_published_formula_is_computed(name: str, softmax: bool) -> None:
    torch.manual_seed(0)
    model = create_model(name, dims=(5, 3, 4), heads=HEADS, hidden_dim=4, softmax=softmax).eval()
    clips, state = some_clips(), model.state_dict()

    def mlp(x: torch.Tensor, prefix: str) -> torch.Tensor:
        for layer in (1, 3, 5):
            x = (x @ state[f"{prefix}.{layer}.weight"].T + state[f"{prefix}.{layer}.bias"]).clamp(min=0)
        return x

    for row, found in enumerate(model(clips).heads["discrete"]):
        here = [m for m in range(3) if clips.present[row, m]]
        encoded = [mlp(clips.embeddings[m][row], f"encoders.{m}") if m in here else torch.zeros(4) for m in range(3)]
        scores = mlp(torch.cat(encoded), "attention") @ state["scores.weight"].T + state["scores.bias"]
        if softmax:
            total = sum(math.exp(scores[m]) for m in here)
            scores = [math.exp(scores[m]) / total if m in here else 0.0 for m in range(3)]
        fused = sum((scores[m] * encoded[m] for m in here), torch.zeros(4))
        torch.testing.assert_close(found, fused @ state["heads.0.weight"].T + state["heads.0.bias"])


def test_many_spaces_are_fused_and_the_same_one_may_occur_twice() -> None:
    torch.manual_seed(0)
    model = create_model("attention_topn", dims=(3,) * 18, heads=HEADS, hidden_dim=4).eval()
    x = torch.randn(2, 3)
    assert model(Batch((x,) * 18, torch.ones(2, 18, dtype=torch.bool))).fused.shape == (2, 4)


@pytest.mark.parametrize("name", NAMES)
def test_the_search_space_has_the_published_size(name: str) -> None:
    assert math.prod(len(values) for values in MODELS.get(name).search_space.values()) == 24
