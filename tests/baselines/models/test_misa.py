"""`misa` and its auxiliary losses compute what was published, over the clips that have the spaces."""

import itertools
import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from baselines import create_model
from baselines.models.base import Batch, FusionModel
from baselines.models.blocks import TransformerLayer
from baselines.models.layers import encode_present
from baselines.models.misa import central_moment_discrepancy, difference
from mertools.errors import ConfigError

HEADS = {"discrete": 6, "valence": 1}
SPACES = (1024, 1024, 768)
"""Audio, text, video, at which the published models were counted."""


def make(**options: object) -> FusionModel:
    torch.manual_seed(0)
    model = create_model("misa", dims=(5, 3, 4), heads=HEADS, hidden_dim=4, **options)
    assert isinstance(model, FusionModel)
    return model.double().eval()


def some_clips() -> Batch:
    """Five clips; the second has no text, the third nothing at all."""
    torch.manual_seed(1)
    present = torch.ones(5, 3, dtype=torch.bool)
    present[1, 1] = False
    present[2] = False
    return Batch(tuple(torch.randn(5, dim, dtype=torch.float64) for dim in (5, 3, 4)), present)


def slow_difference(a: np.ndarray, b: np.ndarray) -> float:
    """Of all rows of two arrays (n, h), by loops."""
    n, h = a.shape
    centred = []
    for x in (a, b):
        x = x - x.sum(axis=0) / n
        centred.append([row / (math.sqrt(sum(v * v for v in row)) + 1e-6) for row in x])
    entries = [
        sum(centred[0][k][i] * centred[1][k][j] for k in range(n)) for i, j in itertools.product(range(h), repeat=2)
    ]
    return sum(e * e for e in entries) / (h * h)


def slow_discrepancy(a: np.ndarray, b: np.ndarray) -> float:
    """Of all rows of two arrays (n, h), by loops."""

    def norm(v: np.ndarray) -> float:
        return math.sqrt(sum(x * x for x in v))

    mean_a, mean_b = sum(a) / len(a), sum(b) / len(b)
    total = norm(mean_a - mean_b)
    for k in (2, 3, 4, 5):
        total += norm(sum((x - mean_a) ** k for x in a) / len(a) - sum((x - mean_b) ** k for x in b) / len(b))
    return total


LOSSES = [(difference, slow_difference), (central_moment_discrepancy, slow_discrepancy)]


@pytest.mark.parametrize(("fast", "slow"), LOSSES)
@given(n=st.integers(2, 6), extra=st.integers(0, 3), h=st.integers(1, 4), seed=st.integers(0, 99))
def test_losses_are_those_of_the_clips_that_count(
    fast: Callable[..., torch.Tensor], slow: Callable[..., float], n: int, extra: int, h: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(2, n + extra, h))
    counts = rng.permutation(np.arange(n + extra) < n)
    found = fast(torch.from_numpy(a), torch.from_numpy(b), torch.from_numpy(counts))
    assert float(found) == pytest.approx(slow(a[counts], b[counts]), rel=1e-9, abs=1e-12)


def test_shrinking_the_parts_lowers_the_difference_loss_in_the_reference_only() -> None:
    torch.manual_seed(0)
    a, b = torch.randn(2, 6, 3, dtype=torch.float64).unbind()
    a, b = (x - x.mean(0) for x in (a, b))
    everything = torch.ones(6, dtype=torch.bool)
    along = {}
    for reference in (False, True):
        x = a.clone().requires_grad_()
        loss = difference(x, b, everything, reference=reference)
        loss.backward()
        along[reference] = float((x.grad * a).sum())  # how the loss seems to change as `a` grows
    assert abs(along[False]) < 1e-4 < loss.item() < along[True]
    assert float(difference(0.1 * a, b, everything)) == pytest.approx(loss.item(), rel=1e-4)  # and how it does


def slow_parts(model: FusionModel, clips: Batch) -> tuple[list[np.ndarray], ...]:
    """U, P, S and reconstructions of the three spaces, each (B, h)."""
    s = {name: value.numpy() for name, value in model.state_dict().items()}

    def linear(x: np.ndarray, name: str) -> np.ndarray:
        return x @ s[f"{name}.weight"].T + s[f"{name}.bias"]

    def sigmoid(x: np.ndarray) -> np.ndarray:
        return 1 / (1 + np.exp(-x))

    H = encode_present(model.encoders, clips).detach().numpy()
    U, P, S, R = [], [], [], []
    for m in range(3):
        u = np.maximum(linear(H[:, m], f"projections.{m}.0"), 0)
        u = (u - u.mean(1, keepdims=True)) / np.sqrt(u.var(1, keepdims=True) + 1e-5)
        U.append(u * s[f"projections.{m}.2.weight"] + s[f"projections.{m}.2.bias"])
        P.append(sigmoid(linear(U[m], f"private.{m}")))
        S.append(sigmoid(linear(U[m], "shared")))
        R.append(linear(P[m] + S[m], f"reconstructions.{m}"))
    return U, P, S, R


def test_the_published_fusion_is_computed() -> None:
    model, clips = make(), some_clips()
    _, P, S, _ = slow_parts(model, clips)
    layer = as_torch_layer(model.transformer, 4).double().eval()
    state = model.state_dict()
    for row, found in enumerate(model(clips).fused):
        order = [(parts, m) for parts in (P, S) for m in (1, 2, 0)]  # text, video, audio
        here = [clips.present[row, m] for _, m in order]
        attended = torch.zeros(6, 4, dtype=torch.float64)
        if any(here):
            tokens = torch.tensor(np.array([parts[m][row] for (parts, m), h in zip(order, here, strict=True) if h]))
            attended[torch.stack(here)] = layer(tokens.unsqueeze(0))[0]
        x = (state["fusion.0.weight"] @ attended.flatten() + state["fusion.0.bias"]).clamp(min=0)
        expected = state["fusion.3.weight"] @ x + state["fusion.3.bias"]
        torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("weights", [(1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0), (0.1, 0.2, 0.3)])
def test_the_published_auxiliary_losses_are_computed(weights: tuple[float, float, float]) -> None:
    model = make(**dict(zip(("diff_weight", "sim_weight", "recon_weight"), weights, strict=True)))
    clips = some_clips()
    U, P, S, R = slow_parts(model, clips)
    here = clips.present.numpy()
    both = {(i, j): here[:, i] & here[:, j] for i in range(3) for j in range(3)}
    diff = sum(slow_difference(P[m][here[:, m]], S[m][here[:, m]]) for m in range(3))
    diff += sum(slow_difference(P[i][both[i, j]], P[j][both[i, j]]) for i, j in ((0, 1), (0, 2), (1, 2)))
    sim = sum(slow_discrepancy(S[i][both[i, j]], S[j][both[i, j]]) for i, j in ((1, 2), (1, 0), (0, 2))) / 3
    recon = sum(np.mean((R[m][here[:, m]] - U[m][here[:, m]]) ** 2) for m in range(3)) / 3
    expected = weights[0] * diff + weights[1] * sim + weights[2] * recon
    assert float(model(clips).auxiliary.detach()) == pytest.approx(expected, rel=1e-9)


def as_torch_layer(ours: TransformerLayer, dim: int) -> torch.nn.TransformerEncoderLayer:
    """PyTorch's layer with the same weights."""
    theirs = torch.nn.TransformerEncoderLayer(dim, 2, 2048, 0.1, batch_first=True)
    names = {
        "self_attn.in_proj_": "query_key_value.",
        "self_attn.out_proj.": "out.",
        "linear1.": "widen.",
        "linear2.": "narrow.",
        "norm1.": "norm1.",
        "norm2.": "norm2.",
    }
    state = ours.state_dict()
    theirs.load_state_dict({t + kind: state[o + kind] for t, o in names.items() for kind in ("weight", "bias")})
    return theirs


def test_the_parameters_are_as_many_as_in_the_reference() -> None:
    model = create_model("misa", dims=SPACES, heads=HEADS, hidden_dim=128)
    assert sum(p.numel() for p in model.parameters()) == 1_539_207


def test_a_space_that_no_clip_of_a_batch_has_leaves_finite_gradients_in_a_stack() -> None:
    model, clips = make().train(), some_clips()
    model.transformer.dropout.p = 0.0
    for layer in (*(encoder[0] for encoder in model.encoders), model.fusion[1]):
        layer.p = 0.0
    present = torch.stack([clips.present, clips.present & torch.tensor([True, False, True]), torch.zeros(5, 3) > 0])
    parameters = dict(model.named_parameters())

    def loss(p: dict[str, torch.Tensor], here: torch.Tensor) -> torch.Tensor:
        return torch.func.functional_call(model, p, (Batch(clips.embeddings, here),)).auxiliary

    for gradient in torch.func.vmap(torch.func.grad(loss), in_dims=(None, 0))(parameters, present).values():
        assert torch.isfinite(gradient).all()


def test_one_space_has_no_pairs_to_compare() -> None:
    torch.manual_seed(0)
    model = create_model("misa", dims=(3,), heads=HEADS, hidden_dim=4, diff_weight=0.0, recon_weight=0.0).eval()
    assert float(model(Batch((torch.randn(4, 3),), torch.ones(4, 1, dtype=torch.bool))).auxiliary.detach()) == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [({"hidden_dim": 5}, "hidden_dim must be even"), ({"sim_weight": -0.1}, "must not be negative")],
)
def test_options_out_of_range_are_reported(options: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        create_model("misa", dims=(3,), heads=HEADS, **options)


def test_the_search_space_has_the_published_size() -> None:
    assert math.prod(len(values) for values in type(make()).search_space.values()) == 1_944
