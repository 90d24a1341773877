"""What holds for every fusion model in the registry."""

import pytest
import torch
from torch.nn.functional import cross_entropy

from baselines import create_model, list_models
from baselines.models.base import Batch, FusionModel
from baselines.models.layers import Dropout, seed_dropout
from mertools.errors import ConfigError, UnknownNameError

HEADS = {"discrete": 6, "valence": 1}
MODELS = list_models()


def make(name: str, dims: tuple[int, ...] = (7, 5, 3), **options: object) -> FusionModel:
    torch.manual_seed(0)
    model = create_model(name, dims=dims, heads=HEADS, **options)
    assert isinstance(model, FusionModel)
    return model.eval()


def batch(n: int, dims: tuple[int, ...] = (7, 5, 3)) -> Batch:
    torch.manual_seed(1)
    return Batch(tuple(torch.randn(n, d) for d in dims), torch.ones(n, len(dims), dtype=torch.bool))


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("dims", [(4,), (4, 3), (7, 5, 3), (3, 3, 3, 3, 3)])
@pytest.mark.parametrize("n", [1, 9])
def test_outputs_have_one_row_per_clip(name: str, dims: tuple[int, ...], n: int) -> None:
    model = make(name, dims)
    output = model(batch(n, dims))
    assert output.fused.shape == (n, model.fused_dim)
    assert {t: tuple(h.shape) for t, h in output.heads.items()} == {"discrete": (n, 6), "valence": (n, 1)}
    assert output.auxiliary.shape == ()
    assert all(h.dtype == torch.float32 and torch.isfinite(h).all() for h in output.heads.values())


@pytest.mark.parametrize("name", MODELS)
def test_every_parameter_gets_a_gradient(name: str) -> None:
    model = make(name).train()
    output = model(batch(32))
    loss = cross_entropy(output.heads["discrete"], torch.arange(32) % 6)
    (loss + output.heads["valence"].square().mean() + output.auxiliary).backward()
    for parameter_name, parameter in model.named_parameters():
        assert parameter.grad is not None, parameter_name
        assert parameter.grad.abs().sum() > 0, parameter_name


@pytest.mark.parametrize("name", MODELS)
def test_a_clip_is_predicted_alike_alone_and_among_others(name: str) -> None:
    model, clips = make(name), batch(9)
    together = model(clips).heads
    for row in range(9):
        alone = model(clips.rows(slice(row, row + 1))).heads
        for target in HEADS:
            torch.testing.assert_close(alone[target][0], together[target][row], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("junk", [0.0, 1e30, float("nan"), float("inf")])
def test_the_value_of_a_missing_embedding_changes_nothing(name: str, junk: float) -> None:
    model, clips = make(name), batch(6)
    present = clips.present.clone()
    present[::2, 1] = False
    present[3] = False
    clean = model(Batch(clips.embeddings, present)).heads
    for m in range(3):
        clips.embeddings[m][~present[:, m]] = junk
    dirty = model(Batch(clips.embeddings, present)).heads
    for target in HEADS:
        assert torch.equal(clean[target], dirty[target])


@pytest.mark.parametrize("name", MODELS)
def test_a_present_embedding_does_change_outputs(name: str) -> None:
    model, clips = make(name), batch(4)
    before = model(clips).heads["discrete"]
    for m in range(3):
        changed = tuple(e + (i == m) for i, e in enumerate(clips.embeddings))
        assert not torch.allclose(before, model(Batch(changed, clips.present)).heads["discrete"])
        present = clips.present.clone()
        present[:, m] = False
        assert not torch.allclose(before, model(Batch(clips.embeddings, present)).heads["discrete"])


@pytest.mark.parametrize("name", MODELS)
def test_missing_embeddings_do_not_poison_gradients(name: str) -> None:
    model, clips = make(name).train(), batch(6)
    clips.embeddings[0][2] = float("nan")
    clips.present[2, 0] = False
    model(clips).heads["discrete"].sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)


@pytest.mark.parametrize("name", MODELS)
def test_a_state_dict_restores_the_outputs(name: str) -> None:
    model, clips = make(name), batch(5)
    torch.manual_seed(99)
    other = create_model(name, dims=(7, 5, 3), heads=HEADS).eval()
    assert not torch.equal(other(clips).heads["discrete"], model(clips).heads["discrete"])
    other.load_state_dict(model.state_dict())
    assert torch.equal(other(clips).heads["discrete"], model(clips).heads["discrete"])


@pytest.mark.parametrize("name", MODELS)
def test_dropout_draws_from_its_own_generator_only(name: str) -> None:
    model, clips = make(name, dropout=0.5).train(), batch(5)
    seed_dropout(model, torch.Generator().manual_seed(3))
    torch.manual_seed(0)
    first = model(clips).heads["discrete"]
    assert torch.equal(torch.rand(3), torch.manual_seed(0) and torch.rand(3))  # the global stream was not touched
    seed_dropout(model, torch.Generator().manual_seed(3))
    assert torch.equal(first, model(clips).heads["discrete"])
    seed_dropout(model, torch.Generator().manual_seed(4))
    assert not torch.equal(first, model(clips).heads["discrete"])


@pytest.mark.parametrize(("hidden_dim", "expected"), [(64, 226_698), (128, 543_498), (256, 1_447_434)])
def test_attention_has_the_parameters_of_the_reference(hidden_dim: int, expected: int) -> None:
    model = create_model("attention", dims=(1024, 1024, 768), heads=HEADS, hidden_dim=hidden_dim)
    assert sum(p.numel() for p in model.parameters()) == expected


def test_attention_computes_the_published_formula() -> None:
    model, clips = make("attention", hidden_dim=4), batch(3)
    state = model.state_dict()

    def mlp(x: torch.Tensor, prefix: str) -> torch.Tensor:
        for layer in (1, 3, 5):
            x = (x @ state[f"{prefix}.{layer}.weight"].T + state[f"{prefix}.{layer}.bias"]).clamp(min=0)
        return x

    encoded = [mlp(e, f"encoders.{m}") for m, e in enumerate(clips.embeddings)]
    hidden = mlp(torch.cat(encoded, dim=1), "attention")
    scores = hidden @ state["scores.weight"].T + state["scores.bias"]  # raw: no softmax
    fused = sum(scores[:, m, None] * encoded[m] for m in range(3))
    expected = fused @ state["heads.0.weight"].T + state["heads.0.bias"]
    torch.testing.assert_close(model(clips).heads["discrete"], expected)


def test_dropout_keeps_the_mean_and_is_off_in_evaluation() -> None:
    layer, x = Dropout(0.4), torch.ones(200, 200)
    layer.generator = torch.Generator().manual_seed(0)
    dropped = layer(x)
    assert abs(float((dropped == 0).float().mean()) - 0.4) < 0.02
    assert abs(float(dropped.mean()) - 1) < 0.03
    assert torch.equal(layer.eval()(x), x)


def test_unknown_names_and_options_are_reported() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'attention'"):
        create_model("atention", dims=(3,), heads=HEADS)
    with pytest.raises(ConfigError, match="Did you mean 'hidden_dim'"):
        create_model("attention", dims=(3,), heads=HEADS, hiden_dim=3)
    with pytest.raises(ConfigError, match="dropout must lie in"):
        create_model("attention", dims=(3,), heads=HEADS, dropout=1.0)
