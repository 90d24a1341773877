"""`mmim` and its auxiliary losses compute what was published, or what was meant, as asked."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from baselines import create_model
from baselines.models.base import Batch, FusionModel
from baselines.models.layers import encode_present
from baselines.models.mmim import LowerBound
from mertools.errors import ConfigError

HEADS = {"discrete": 6, "valence": 1}
SPACES = (1024, 1024, 768)
"""Audio, text, video, at which the published models were counted."""


def make(**options: object) -> FusionModel:
    torch.manual_seed(0)
    model = create_model("mmim", dims=(5, 3, 4), heads=HEADS, hidden_dim=4, **options)
    assert isinstance(model, FusionModel)
    return model.double().eval()


def some_clips() -> Batch:
    """Five clips; the second has no text, the third nothing at all."""
    torch.manual_seed(1)
    present = torch.ones(5, 3, dtype=torch.bool)
    present[1, 1] = False
    present[2] = False
    return Batch(tuple(torch.randn(5, dim, dtype=torch.float64) for dim in (5, 3, 4)), present)


State = dict[str, np.ndarray]


def linear(s: State, name: str, x: np.ndarray) -> np.ndarray:
    return s[f"{name}.weight"] @ x + s[f"{name}.bias"]


def slow_bound(s: State, name: str, x: list[np.ndarray], y: list[np.ndarray], reference: bool) -> float:
    """lld of pairs of vectors, by loops."""
    total = 0.0
    for a, b in zip(x, y, strict=True):
        mean = linear(s, f"{name}.mean.2", np.maximum(linear(s, f"{name}.mean.0", a), 0))
        v = linear(s, f"{name}.log_variance.2", np.maximum(linear(s, f"{name}.log_variance.0", a), 0))
        for i in range(len(b)):
            if reference:
                total += -((mean[i] - b[i]) ** 2) / (2 * math.exp(v[i]))
            else:
                total += -((mean[i] - b[i]) ** 2) / (2 * math.exp(math.tanh(v[i]))) - math.tanh(v[i]) / 2
    return total / len(x)


def slow_contrast(s: State, name: str, n_layers: int, x: list[np.ndarray], z: list[np.ndarray]) -> float:
    """NCE of encodings and fused vectors, by loops."""
    predicted = []
    for fused in z:
        p = linear(s, f"{name}.0", fused)
        if n_layers > 1:
            p = np.tanh(p)
        for layer in range(2, n_layers + 1):
            p = linear(s, f"{name}.{layer}", p)
        predicted.append(p / np.sqrt(sum(p * p)))
    units = [v / np.sqrt(sum(v * v)) for v in x]
    total = 0.0
    for i, unit in enumerate(units):
        total -= unit @ predicted[i] - math.log(sum(math.exp(unit @ p) for p in predicted))
    return total / len(units)


@pytest.mark.parametrize("reference", [False, True])
@pytest.mark.parametrize(("main", "cpc_layers"), [(0, 1), (0, 2), (2, 4), (3, 2)])
def test_fusion_and_auxiliary_losses_follow_the_formulas(main: int, cpc_layers: int, reference: bool) -> None:
    model = make(main=main, cpc_layers=cpc_layers, reference=reference, alpha=0.7, beta=0.3)
    clips = some_clips()
    s = {name: value.numpy() for name, value in model.state_dict().items()}
    H = encode_present(model.encoders, clips).detach().numpy()
    first = main - 1 if main else 1  # text
    others = [m for m in range(3) if m != first]
    z = []
    for row in range(5):
        x = np.concatenate([H[row, m] for m in (first, *others)])
        z.append(np.tanh(linear(s, "fusion.3", np.tanh(linear(s, "fusion.1", x)))))
    output = model(clips)
    np.testing.assert_allclose(output.fused.detach().numpy(), np.array(z), rtol=1e-9, atol=1e-12)

    contrast = bound = 0.0
    for m in range(3):
        rows = [row for row in range(5) if clips.present[row, m]]
        contrast += slow_contrast(s, f"contrasts.{m}", cpc_layers, [H[r, m] for r in rows], [z[r] for r in rows])
    for number, m in enumerate(others):
        rows = [row for row in range(5) if clips.present[row, m] and clips.present[row, first]]
        bound += slow_bound(s, f"bounds.{number}", [H[r, first] for r in rows], [H[r, m] for r in rows], reference)
    assert float(output.auxiliary.detach()) == pytest.approx(0.7 * contrast - 0.3 * bound, rel=1e-9)


@given(scale=st.floats(0, 1e3), seed=st.integers(0, 99))
def test_the_intended_lower_bound_is_bounded(scale: float, seed: int) -> None:
    torch.manual_seed(seed)
    bound = LowerBound(4, reference=False)
    with torch.no_grad():
        bound.log_variance[2].bias.add_(scale * torch.randn(4))
        x = torch.randn(3, 4)
        for y in (bound.mean(x), torch.randn(3, 4)):
            assert float(bound(x, y, torch.ones(3, dtype=torch.bool))) <= 2 + 1e-5  # h / 2


def test_the_parameters_are_as_many_as_in_the_reference() -> None:
    intended, reference = (
        create_model("mmim", dims=SPACES, heads=HEADS, hidden_dim=128, cpc_layers=2, reference=reference)
        for reference in (False, True)
    )
    dead = sum(p.numel() for name, p in reference.named_parameters() if ".entropy." in name)
    assert dead == 8_256
    assert sum(p.numel() for p in reference.parameters()) == 766_023
    assert sum(p.numel() for p in intended.parameters()) == 766_023 - dead


def test_the_entropy_head_of_the_reference_gets_no_gradient_and_all_else_does() -> None:
    model = make(reference=True).train()
    output = model(some_clips())
    (sum(head.sum() for head in output.heads.values()) + output.auxiliary).backward()
    for name, parameter in model.named_parameters():
        assert (parameter.grad is None) == (".entropy." in name), name


def test_a_space_that_no_clip_of_a_batch_has_leaves_finite_gradients_in_a_stack() -> None:
    model, clips = make(dropout=0.0).train(), some_clips()
    present = torch.stack([clips.present, clips.present & torch.tensor([True, False, True]), torch.zeros(5, 3) > 0])
    parameters = dict(model.named_parameters())

    def loss(p: dict[str, torch.Tensor], here: torch.Tensor) -> torch.Tensor:
        return torch.func.functional_call(model, p, (Batch(clips.embeddings, here),)).auxiliary

    for gradient in torch.func.vmap(torch.func.grad(loss), in_dims=(None, 0))(parameters, present).values():
        assert torch.isfinite(gradient).all()


def test_an_encoding_of_zeros_leaves_finite_gradients() -> None:
    model, clips = make(dropout=0.0).train(), some_clips()
    with torch.no_grad():
        model.encoders[0][5].bias.fill_(-1e3)  # ReLU behind it
    model(clips).auxiliary.backward()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)


def test_a_main_space_that_does_not_exist_is_reported() -> None:
    with pytest.raises(ConfigError, match="main=3 is no space of 2"):
        create_model("mmim", dims=(3, 3), heads=HEADS, main=3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cpc_layers": 0}, "cpc_layers must be at least 1"),
        ({"beta": -1}, "must not be negative"),
        ({"main": -1}, "main must not be negative"),
    ],
)
def test_options_out_of_range_are_reported(options: dict[str, int], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        create_model("mmim", dims=(3,), heads=HEADS, **options)


def test_the_search_space_has_the_published_size() -> None:
    assert math.prod(len(values) for values in type(make()).search_space.values()) == 2_592
