"""What holds for every fusion model in the registry."""

import pytest
import torch
from torch.nn.functional import cross_entropy

from baselines import MODELS as MODELS_REGISTRY
from baselines import create_model, list_models
from baselines.models.base import Batch, FusionModel
from baselines.models.dropout import Dropout, dropout_layers, seed_dropout
from mertools.errors import ConfigError, UnknownNameError

HEADS = {"discrete": 6, "valence": 1}
DIMS = (7, 5, 3)
MODELS = [name for name in list_models() if issubclass(MODELS_REGISTRY.get(name), FusionModel)]
CASES = [(name, level) for name in MODELS for level in MODELS_REGISTRY.get(name).levels]
REFERENCE_CASES = [(name, level) for name, level in CASES if MODELS_REGISTRY.get(name).deviations]
every_model = pytest.mark.parametrize(("name", "level"), CASES)


def make(name: str, level: str, dims: tuple[int, ...] = DIMS, **options: object) -> FusionModel:
    torch.manual_seed(0)
    model = create_model(name, dims=dims, heads=HEADS, level=level, **options)
    assert isinstance(model, FusionModel)
    return model.eval()


def batch(name: str, level: str, n: int, dims: tuple[int, ...] = DIMS, rows: int = 6) -> Batch:
    """Clips of a model's level; at frame level of 3 to `rows` rows, with junk behind them."""
    torch.manual_seed(1)
    present = torch.ones(n, len(dims), dtype=torch.bool)
    if level == "utterance":
        return Batch(tuple(torch.randn(n, d) for d in dims), present)
    n_rows = [rows if MODELS_REGISTRY.get(name).aligned else rows + m for m in range(len(dims))]
    lengths = [3 + (torch.arange(n) % (t - 2)) for t in n_rows]
    masks = tuple(torch.arange(t)[None] < length[:, None] for t, length in zip(n_rows, lengths, strict=True))
    embeddings = tuple(
        torch.where(mask.unsqueeze(-1), torch.randn(*mask.shape, d), 0.0) for mask, d in zip(masks, dims, strict=True)
    )
    return Batch(embeddings, present, masks)


def spoilt(clips: Batch, value: float) -> Batch:
    """The same clips with something else where an embedding is missing."""
    embeddings = tuple(
        torch.where(clips.present[:, m].view(-1, *[1] * (e.dim() - 1)), e, value)
        for m, e in enumerate(clips.embeddings)
    )
    return Batch(embeddings, clips.present, clips.masks)


def with_missing(clips: Batch, *places: tuple[object, object]) -> Batch:
    present = clips.present.clone()
    for rows, space in places:
        present[rows, space] = False
    return Batch(clips.embeddings, present, clips.masks)


@every_model
@pytest.mark.parametrize("dims", [(4,), (4, 3), (7, 5, 3), (3, 3, 3, 3)])
@pytest.mark.parametrize("n", [1, 9])
def test_outputs_have_one_row_per_clip(name: str, level: str, dims: tuple[int, ...], n: int) -> None:
    spaces = MODELS_REGISTRY.get(name).n_spaces
    if spaces and len(dims) not in spaces:
        with pytest.raises(ConfigError, match="spaces"):
            make(name, level, dims)
        return
    model = make(name, level, dims)
    output = model(batch(name, level, n, dims))
    assert output.fused.shape == (n, model.fused_dim)
    assert {t: tuple(h.shape) for t, h in output.heads.items()} == {"discrete": (n, 6), "valence": (n, 1)}
    assert output.auxiliary.shape == ()
    assert all(h.dtype == torch.float32 and torch.isfinite(h).all() for h in output.heads.values())


@every_model
def test_every_parameter_gets_a_gradient(name: str, level: str) -> None:
    model = make(name, level).train()
    output = model(batch(name, level, 32))
    loss = cross_entropy(output.heads["discrete"], torch.arange(32) % 6)
    (loss + output.heads["valence"].square().mean() + output.auxiliary).backward()
    for parameter_name, parameter in model.named_parameters():
        assert parameter.grad is not None, parameter_name
        assert parameter.grad.abs().sum() > 0, parameter_name


@every_model
def test_a_clip_is_predicted_alike_alone_and_among_others(name: str, level: str) -> None:
    model, clips = make(name, level), batch(name, level, 9)
    together = model(clips).heads
    for row in range(9):
        one = clips.rows(slice(row, row + 1))
        rows = [int(mask.sum()) for mask in one.masks]
        trimmed = Batch(
            tuple(e[:, :t] for e, t in zip(one.embeddings, rows, strict=True)) if rows else one.embeddings,
            one.present,
            tuple(mask[:, :t] for mask, t in zip(one.masks, rows, strict=True)),
        )
        alone = model(trimmed).heads
        for target in HEADS:
            torch.testing.assert_close(alone[target][0], together[target][row], rtol=1e-5, atol=1e-6)


@every_model
@pytest.mark.parametrize("junk", [0.0, 1e30, float("nan"), float("inf")])
def test_the_value_of_a_missing_embedding_changes_nothing(name: str, level: str, junk: float) -> None:
    model = make(name, level)
    clips = with_missing(batch(name, level, 6), (slice(None, None, 2), 1), (3, slice(None)))
    clean, dirty = model(clips).heads, model(spoilt(clips, junk)).heads
    for target in HEADS:
        assert torch.equal(clean[target], dirty[target])


@every_model
def test_a_present_embedding_does_change_outputs(name: str, level: str) -> None:
    model, clips = make(name, level), batch(name, level, 4)
    before = model(clips).heads["discrete"]
    for m in range(3):
        changed = tuple(e + (i == m) for i, e in enumerate(clips.embeddings))
        assert not torch.allclose(before, model(Batch(changed, clips.present, clips.masks)).heads["discrete"])
        assert not torch.allclose(before, model(with_missing(clips, (slice(None), m))).heads["discrete"])


@every_model
def test_missing_embeddings_do_not_poison_gradients(name: str, level: str) -> None:
    model = make(name, level).train()
    clips = spoilt(with_missing(batch(name, level, 6), (2, 0)), float("nan"))
    output = model(clips)
    (output.heads["discrete"].sum() + output.auxiliary).backward()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)


@every_model
def test_a_state_dict_restores_the_outputs(name: str, level: str) -> None:
    model, clips = make(name, level), batch(name, level, 5)
    torch.manual_seed(99)
    other = create_model(name, dims=DIMS, heads=HEADS, level=level).eval()
    assert not torch.equal(other(clips).heads["discrete"], model(clips).heads["discrete"])
    other.load_state_dict(model.state_dict())
    assert torch.equal(other(clips).heads["discrete"], model(clips).heads["discrete"])


@every_model
def test_dropout_depends_on_its_seed_and_the_step_only(name: str, level: str) -> None:
    model, clips = make(name, level, dropout=0.5).train(), batch(name, level, 5)

    def outputs(seed: int, step: int) -> torch.Tensor:
        seed_dropout(dropout_layers(model), seed, step)
        found: torch.Tensor = model(clips).heads["discrete"]
        return found

    torch.manual_seed(0)
    first = outputs(3, 7)
    assert torch.equal(torch.rand(3), torch.manual_seed(0) and torch.rand(3))  # the global stream was not touched
    assert torch.equal(first, outputs(3, 7))
    assert not torch.equal(first, outputs(4, 7))
    assert not torch.equal(first, outputs(3, 8))


@every_model
def test_a_model_learns_sixteen_clips_by_heart(name: str, level: str) -> None:
    model, clips = make(name, level, dropout=0.0, hidden_dim=64).train(), batch(name, level, 16)
    classes, values = torch.arange(16) % 6, torch.linspace(-1, 1, 16)
    optimiser = torch.optim.Adam(model.parameters(), 2e-3)
    for _ in range(400):
        output = model(clips)
        loss = cross_entropy(output.heads["discrete"], classes)
        loss = loss + (output.heads["valence"].squeeze(-1) - values).square().mean()
        if loss < 0.02:
            return
        optimiser.zero_grad()
        (loss + output.auxiliary).backward()
        optimiser.step()
    pytest.fail(f"loss {loss.item():.3f} after 400 steps")


@pytest.mark.parametrize(("name", "level"), [case for case in CASES if case[1] == "utterance"])
def test_members_of_a_stack_compute_what_each_computes_alone(name: str, level: str) -> None:
    members = []
    for seed in range(3):
        torch.manual_seed(seed)
        members.append(create_model(name, dims=DIMS, heads=HEADS, level=level).eval())
    clips = batch(name, level, 5)
    parameters, buffers = torch.func.stack_module_state(members)

    def one(p: dict[str, torch.Tensor], b: dict[str, torch.Tensor], inputs: tuple[torch.Tensor, ...]) -> torch.Tensor:
        output = torch.func.functional_call(members[0], (p, b), (Batch(inputs, clips.present),))
        return torch.cat([output.heads["discrete"].sum(1), output.auxiliary.reshape(1)])

    inputs = tuple(torch.stack([e + seed for seed in range(3)]) for e in clips.embeddings)
    stacked = torch.func.vmap(one)(parameters, buffers, inputs)
    for seed, member in enumerate(members):
        alone = member(Batch(tuple(e[seed] for e in inputs), clips.present))
        expected = torch.cat([alone.heads["discrete"].sum(1), alone.auxiliary.reshape(1)])
        torch.testing.assert_close(stacked[seed], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("hidden_dim", "expected"), [(64, 226_698), (128, 543_498), (256, 1_447_434)])
def test_attention_has_the_parameters_of_the_reference(hidden_dim: int, expected: int) -> None:
    model = create_model("attention", dims=(1024, 1024, 768), heads=HEADS, hidden_dim=hidden_dim)
    assert sum(p.numel() for p in model.parameters()) == expected


def test_attention_computes_the_published_formula() -> None:
    model, clips = make("attention", "utterance", hidden_dim=4), batch("attention", "utterance", 3)
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
    seed_dropout([layer], 0, 0)
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
