"""Fusion models at utterance level against published parameter counts and slow loops over their equations."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import layer_norm

from baselines import create_model
from baselines.models.base import Batch, FusionModel
from baselines.models.statistics import (
    central_moment_discrepancy,
    noise_contrastive,
    orthogonality,
    safe_norm,
)
from mertools.errors import ConfigError

HEADS = {"discrete": 6, "valence": 1}
PUBLISHED_DIMS = (1024, 1024, 768)  # audio, text, video
DIMS = (5, 4, 3)
B = 6


def make(name: str, dims: tuple[int, ...] = DIMS, **options: object) -> FusionModel:
    torch.manual_seed(0)
    return create_model(name, dims=dims, heads=HEADS, **{"hidden_dim": 4, **options}).eval()


@pytest.fixture
def clips() -> Batch:
    generator = torch.Generator().manual_seed(1)
    embeddings = tuple(torch.randn(B, d, generator=generator) for d in DIMS)
    return Batch(embeddings, torch.ones(B, 3, dtype=torch.bool))


def encoded(model: FusionModel, clips: Batch) -> list[Tensor]:
    """H_audio, H_text, H_video by hand."""
    found = []
    for m, x in enumerate(clips.embeddings):
        for layer in (1, 3, 5):
            state = model.state_dict()
            x = (x @ state[f"encoders.{m}.{layer}.weight"].T + state[f"encoders.{m}.{layer}.bias"]).clamp(min=0)
        found.append(x)
    return found


def linear(model: FusionModel, name: str, x: Tensor) -> Tensor:
    state = model.state_dict()
    return x @ state[f"{name}.weight"].T + state[f"{name}.bias"]


@pytest.mark.parametrize(
    ("name", "options", "published"),
    [
        ("attention", {"hidden_dim": 64}, 226_698),
        ("attention", {}, 543_498),
        ("attention", {"hidden_dim": 256}, 1_447_434),
        ("attention_topn", {}, 543_498),
        ("lf_dnn", {}, 526_599),
        ("lmf", {"rank": 4}, 559_499),
        ("tfn", {"hidden_dim": 64}, 17_786_055),
        ("misa", {}, 1_539_207),
        ("mmim", {"cpc_layers": 2, "reference": True}, 766_023),
        ("mmim", {"cpc_layers": 2}, 766_023 - 8_256),  # without the entropy head, which no loss reaches
    ],
)
def test_parameters_are_as_many_as_published(name: str, options: dict[str, object], published: int) -> None:
    with torch.device("meta"):
        model = create_model(name, dims=PUBLISHED_DIMS, heads=HEADS, **{"hidden_dim": 128, **options})
    assert sum(p.numel() for p in model.parameters()) == published


def test_lf_dnn_is_two_layers_on_the_concatenation(clips: Batch) -> None:
    model = make("lf_dnn")
    x = torch.cat(encoded(model, clips), dim=1)
    x = linear(model, "fusion.1", x).clamp(min=0)
    torch.testing.assert_close(model(clips).fused, linear(model, "fusion.3", x).clamp(min=0))


def test_lmf_is_a_sum_over_ranks_of_products(clips: Batch) -> None:
    model = make("lmf", rank=3)
    H, state = encoded(model, clips), model.state_dict()
    expected = torch.zeros(B, 2)
    for clip in range(B):
        for r in range(3):
            product = torch.ones(2)
            for m in range(3):
                g = torch.cat([torch.ones(1), H[m][clip]])
                product = product * (g @ state[f"factors.{m}"][r])
            expected[clip] += state["weights"][0, r] * product
        expected[clip] += state["bias"][0]
    torch.testing.assert_close(model(clips).fused, expected)


def test_tfn_is_the_outer_product_of_audio_video_and_text(clips: Batch) -> None:
    model = make("tfn", hidden_dim=3)
    audio, text, video = (torch.cat([torch.ones(B, 1), h], dim=1) for h in encoded(model, clips))
    rows = [torch.stack([a * v * t for a in audio[i] for v in video[i] for t in text[i]]) for i in range(B)]
    x = linear(model, "fusion.1", torch.stack(rows)).clamp(min=0)
    torch.testing.assert_close(model(clips).fused, linear(model, "fusion.3", x).clamp(min=0))


def test_tfn_refuses_a_layer_that_fills_the_memory() -> None:
    with pytest.raises(ConfigError, match=r"MER-T014.*lower hidden_dim") as caught:
        make("tfn", hidden_dim=256)
    assert "4,345" in str(caught.value)


def test_misa_is_its_published_steps(clips: Batch) -> None:
    model = make("misa", sim_weight=0.3, diff_weight=0.2, recon_weight=0.1)
    state, P, S, U = model.state_dict(), [], [], []
    for m, h in enumerate(encoded(model, clips)):
        u = linear(model, f"projections.{m}.0", h).clamp(min=0)
        U.append(layer_norm(u, (4,), state[f"projections.{m}.2.weight"], state[f"projections.{m}.2.bias"]))
        P.append(torch.sigmoid(linear(model, f"private.{m}", U[m])))
        S.append(torch.sigmoid(linear(model, "shared", U[m])))
    audio, text, video = 0, 1, 2
    tokens = torch.stack([P[text], P[video], P[audio], S[text], S[video], S[audio]], dim=1)
    layer = torch.nn.TransformerEncoderLayer(4, 2, 2048, batch_first=True).eval()
    names = {
        "self_attn.in_proj_weight": "qkv.weight",
        "self_attn.in_proj_bias": "qkv.bias",
        "self_attn.out_proj.weight": "out.weight",
        "self_attn.out_proj.bias": "out.bias",
        "linear1.weight": "feed_forward.0.weight",
        "linear1.bias": "feed_forward.0.bias",
        "linear2.weight": "feed_forward.3.weight",
        "linear2.bias": "feed_forward.3.bias",
        **{f"norm{i}.{kind}": f"norm{i}.{kind}" for i in (1, 2) for kind in ("weight", "bias")},
    }
    layer.load_state_dict({theirs: state[f"mixer.{ours}"] for theirs, ours in names.items()})
    with torch.no_grad():
        x = layer(tokens).flatten(1)
    expected = linear(model, "fusion.3", linear(model, "fusion.0", x).clamp(min=0))
    output = model(clips)
    torch.testing.assert_close(output.fused, expected, rtol=1e-5, atol=1e-6)
    recon = np.mean(
        [float((linear(model, f"reconstructions.{m}", P[m] + S[m]) - U[m]).square().mean()) for m in range(3)]
    )
    pairs = [(P[0], S[0]), (P[1], S[1]), (P[2], S[2]), (P[audio], P[text]), (P[audio], P[video]), (P[text], P[video])]
    diff = sum(difference_by_loop(a, b) for a, b in pairs)
    cmd = (discrepancy_by_loop(S[1], S[2]) + discrepancy_by_loop(S[1], S[0]) + discrepancy_by_loop(S[0], S[2])) / 3
    assert output.auxiliary.item() == pytest.approx(0.3 * cmd + 0.2 * diff + 0.1 * recon, rel=1e-4)


def difference_by_loop(a: Tensor, b: Tensor) -> float:
    a, b = ((x - x.mean(0)).double().numpy() for x in (a, b))
    a, b = (np.stack([row / (np.sqrt((row**2).sum()) + 1e-6) for row in x]) for x in (a, b))
    return float(np.mean([(a[:, i] @ b[:, j]) ** 2 for i in range(a.shape[1]) for j in range(b.shape[1])]))


def discrepancy_by_loop(a: Tensor, b: Tensor) -> float:
    a, b = a.double().numpy(), b.double().numpy()
    total = np.linalg.norm(a.mean(0) - b.mean(0))
    for k in range(2, 6):
        total += np.linalg.norm(((a - a.mean(0)) ** k).mean(0) - ((b - b.mean(0)) ** k).mean(0))
    return float(total)


@pytest.mark.parametrize("reference", [False, True])
@pytest.mark.parametrize("cpc_layers", [1, 3])
def test_mmim_is_its_published_steps(clips: Batch, reference: bool, cpc_layers: int) -> None:
    model = make("mmim", reference=reference, cpc_layers=cpc_layers, alpha=0.3, beta=0.2)
    audio, text, video = encoded(model, clips)
    z = torch.tanh(linear(model, "fusion.1", torch.cat([text, audio, video], dim=1)))
    z = torch.tanh(linear(model, "fusion.3", z))
    output = model(clips)
    torch.testing.assert_close(output.fused, z)
    bound = 0.0
    for place, y in enumerate((audio, video)):
        mean = linear(model, f"means.{place}.2", linear(model, f"means.{place}.0", text).clamp(min=0))
        spread = linear(model, f"log_variances.{place}.2", linear(model, f"log_variances.{place}.0", text).clamp(min=0))
        if reference:
            bound += float(sum((-((mean - y) ** 2) / (2 * spread.exp())).sum(1)) / B)
        else:
            normal = torch.distributions.Normal(mean, torch.tanh(spread).exp().sqrt())
            bound += float((normal.log_prob(y) + 0.5 * np.log(2 * np.pi)).sum(1).mean())
    contrast = 0.0
    for m, h in enumerate((audio, text, video)):
        predicted = linear(model, f"predictors.{m}.0", z)
        if cpc_layers > 1:
            predicted = torch.tanh(predicted)
            for layer in range(2, cpc_layers + 1):
                predicted = linear(model, f"predictors.{m}.{layer}", predicted)
        contrast += contrast_by_loop(h, predicted)
    assert output.auxiliary.item() == pytest.approx(0.3 * contrast - 0.2 * bound, rel=1e-4)


def contrast_by_loop(x: Tensor, predicted: Tensor) -> float:
    x, p = x.double().numpy(), predicted.double().numpy()
    x = x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)
    p = p / np.linalg.norm(p, axis=1, keepdims=True)
    rows = [x[i] @ p[i] - np.log(sum(np.exp(x[i] @ p[j]) for j in range(len(p)))) for i in range(len(x))]
    return float(-np.mean(rows))


def test_only_the_reference_of_mmim_can_raise_its_bound_without_end(clips: Batch) -> None:
    losses = {}
    for reference in (False, True):
        model = make("mmim", reference=reference, beta=1.0, alpha=0.0)
        losses[reference] = []
        for bias in (0.0, 5.0, 50.0):
            for layer in model.log_variances:
                layer[2].bias.data.fill_(bias)
            losses[reference].append(model(clips).auxiliary.item())
    assert losses[True][2] == pytest.approx(0, abs=1e-9)  # the larger the variance, the smaller the loss
    assert all(a > b for a, b in pairwise(losses[True]))
    assert losses[False][2] >= losses[False][1]


def test_statistics_count_only_rows_that_are_there() -> None:
    generator = torch.Generator().manual_seed(3)
    a, b = (torch.rand(8, 3, generator=generator) for _ in range(2))
    here = torch.tensor([True] * 5 + [False] * 3)
    spoilt_a, spoilt_b = torch.where(here[:, None], a, 0.7), torch.where(here[:, None], b, -3.0)
    for statistic in (central_moment_discrepancy, orthogonality):
        few = statistic(a[:5], b[:5], here[:5], here[:5])
        torch.testing.assert_close(statistic(spoilt_a, spoilt_b, here, here), few)
        assert statistic(a, b, ~here & here, here).isfinite()
    torch.testing.assert_close(noise_contrastive(spoilt_a, spoilt_b, here), noise_contrastive(a[:5], b[:5], here[:5]))


def test_the_norm_of_nothing_has_a_gradient() -> None:
    x = torch.zeros(2, 3, requires_grad=True)
    safe_norm(x).sum().backward()
    assert torch.equal(x.grad, torch.zeros(2, 3))


def test_the_softmax_of_the_paper_is_an_option(clips: Batch) -> None:
    model = make("attention", softmax=True)
    H = encoded(model, clips)
    x = torch.cat(H, dim=1)
    for layer in (1, 3, 5):
        x = linear(model, f"attention.{layer}", x).clamp(min=0)
    weights = torch.softmax(linear(model, "scores", x), dim=1)
    torch.testing.assert_close(model(clips).fused, sum(weights[:, m, None] * H[m] for m in range(3)))


def test_a_missing_space_has_no_weight_under_the_softmax(clips: Batch) -> None:
    model = make("attention", softmax=True)
    present = clips.present.clone()
    present[:, 1:] = False
    lone = model(Batch(clips.embeddings, present)).fused
    torch.testing.assert_close(lone, encoded(model, clips)[0])
    assert model(Batch(clips.embeddings, ~present & present)).fused.isfinite().all()


def test_options_out_of_range_are_named() -> None:
    for name, option, words in [
        ("lmf", {"rank": 0}, "rank must be at least 1"),
        ("misa", {"hidden_dim": 5}, "multiple of 2"),
        ("misa", {"diff_weight": -1}, "must not be negative"),
        ("mmim", {"cpc_layers": 0}, "cpc_layers must be at least 1"),
        ("mmim", {"alpha": -0.1}, "must not be negative"),
    ]:
        with pytest.raises(ConfigError, match=words):
            make(name, **option)
