"""Losses against torch's, torchvision's and scikit-learn's; hiding of spaces."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.utils.class_weight import compute_class_weight
from torch.nn.functional import cross_entropy
from torchvision.ops import sigmoid_focal_loss

from baselines import train
from baselines.hiding import ModalityDropout, hidden
from baselines.losses import class_weights, classification_loss, joint_loss
from baselines.models.base import Output
from mertools.corpus import Corpus
from mertools.errors import ConfigError

FACE, AUDIO = "face/made-up", "audio/made-up"


def some(n: int = 40, n_classes: int = 5, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits and classes, a quarter of which is missing."""
    generator = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(n, n_classes, generator=generator, dtype=torch.float64)
    goal = torch.randint(n_classes, (n,), generator=generator)
    goal[::4] = -1
    return logits, goal


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.7])
@pytest.mark.parametrize("weighted", [False, True])
def test_weights_and_smoothing_are_those_of_torch(weighted: bool, smoothing: float) -> None:
    logits, goal = some()
    weights = torch.tensor([0.2, 1.0, 3.0, 0.5, 2.0], dtype=torch.float64) if weighted else None
    expected = cross_entropy(logits, goal, weights, ignore_index=-1, label_smoothing=smoothing)
    torch.testing.assert_close(classification_loss(logits, goal, weights, smoothing), expected)


@pytest.mark.parametrize("gamma", [0.5, 2.0, 5.0])
def test_focal_loss_of_two_classes_is_torchvisions(gamma: float) -> None:
    logits, goal = some(n_classes=2)
    known = goal >= 0
    margin = logits[:, 1] - logits[:, 0]
    expected = sigmoid_focal_loss(margin[known], goal[known].double(), alpha=-1, gamma=gamma, reduction="mean")
    torch.testing.assert_close(classification_loss(logits, goal, focal=gamma), expected)


@given(st.integers(0, 2**31), st.floats(0, 0.9), st.floats(0, 4))
def test_clips_without_annotation_change_nothing(seed: int, smoothing: float, gamma: float) -> None:
    logits, goal = some(seed=seed)
    known = goal >= 0
    weights = torch.linspace(0.5, 2, 5, dtype=torch.float64)
    whole = classification_loss(logits, goal, weights, smoothing, gamma)
    torch.testing.assert_close(whole, classification_loss(logits[known], goal[known], weights, smoothing, gamma))
    assert classification_loss(logits, torch.full_like(goal, -1), weights, smoothing, gamma) == 0


@pytest.mark.parametrize(("smoothing", "gamma"), [(0.0, 0.0), (0.2, 0.5), (0.0, 2.0)])
def test_gradients_are_finite_where_the_network_is_certain(smoothing: float, gamma: float) -> None:
    logits = torch.tensor([[100.0, 0.0], [0.0, 100.0], [50.0, 0.0]], requires_grad=True)
    classification_loss(logits, torch.tensor([0, 0, -1]), torch.ones(2), smoothing, gamma).backward()
    assert torch.isfinite(logits.grad).all()
    assert (logits.grad[2] == 0).all()


def test_values_that_are_missing_never_count() -> None:
    values = torch.tensor([[1.0], [2.0], [5.0]], requires_grad=True)
    output = Output(torch.zeros(3, 1), {"valence": values}, torch.zeros(()))
    loss = joint_loss(output, {"valence": torch.tensor([0.0, float("nan"), 5.0])}, 2.0)
    loss.backward()
    assert loss.item() == pytest.approx(2.0 * 1.0 / 2)
    assert values.grad.squeeze().tolist() == [2.0, 0.0, 0.0]


def test_a_stack_of_members_may_have_settings_of_their_own() -> None:
    logits, goal = some()
    stacked = torch.stack([logits, 2 * logits, -logits])
    smoothing, gamma = torch.tensor([0.0, 0.1, 0.3]).double(), torch.tensor([0.0, 2.0, 1.0]).double()
    weights = torch.rand(3, 5, dtype=torch.float64) + 0.5
    found = torch.func.vmap(classification_loss, (0, None, 0, 0, 0))(stacked, goal, weights, smoothing, gamma)
    alone = [classification_loss(stacked[i], goal, weights[i], smoothing[i].item(), gamma[i].item()) for i in range(3)]
    torch.testing.assert_close(found, torch.stack(alone))


@given(st.lists(st.integers(1, 50), min_size=2, max_size=6))
def test_balanced_weights_are_scikit_learns(counts: list[int]) -> None:
    labels = np.repeat(np.arange(len(counts)), counts)
    expected = compute_class_weight("balanced", classes=np.arange(len(counts)), y=labels)
    priors = np.array(counts) / sum(counts)
    np.testing.assert_allclose(class_weights(priors, "balanced"), expected, rtol=1e-6)
    np.testing.assert_allclose(class_weights(priors, "sqrt"), np.sqrt(expected), rtol=1e-6)
    assert (class_weights(priors, "none") == 1).all()


def test_a_class_that_does_not_occur_takes_no_weight_from_the_others() -> None:
    np.testing.assert_allclose(class_weights(np.array([0.5, 0.0, 0.5]), "balanced"), [1, 1, 1])


@given(st.integers(0, 2**31), st.floats(0, 0.999))
def test_hiding_never_shows_what_is_absent_nor_hides_everything(seed: int, p: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    present = torch.rand(64, 3, generator=generator) < 0.6
    kept = hidden(present, torch.rand(64, 3, generator=generator), p)
    assert not (kept & ~present).any()
    assert (kept.any(dim=1) == present.any(dim=1)).all()


def test_spaces_are_hidden_as_often_as_asked_unless_it_is_the_last_one() -> None:
    present = torch.ones(200_000, 2, dtype=torch.bool)
    layer = ModalityDropout(0.3)
    layer.generator = torch.Generator().manual_seed(0)
    kept = layer(present).double().mean(dim=0)
    # Hidden with 0.3, and of the 0.09 clips that would lose both, one of the two comes back.
    assert kept == pytest.approx(torch.full((2,), 0.7 + 0.045).double(), abs=5e-3)
    layer.eval()
    assert layer(present) is present


def test_hiding_draws_from_its_own_generator() -> None:
    layer = ModalityDropout(0.5)
    layer.generator = torch.Generator().manual_seed(0)
    state = torch.get_rng_state()
    layer(torch.ones(8, 3, dtype=torch.bool))
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize(
    "options",
    [{"class_weights": "balanced"}, {"class_weights": "sqrt"}, {"label_smoothing": 0.2}, {"focal": 2.0},
     {"modality_dropout": 0.5}],
)  # fmt: skip
def test_each_option_changes_what_is_learned_and_repeats(
    options: dict[str, Any], corpus: Corpus, quick: dict[str, Any]
) -> None:
    def fitted(name: str, **more: Any) -> np.ndarray:
        run = train(corpus, [FACE, AUDIO], "attention", corpus.folder.parent / name, target="discrete", **quick, **more)
        return run.predictions().probabilities

    # Classes are even in this corpus: take most of one away.
    rows = [c for i, c in enumerate(corpus.clips) if c.cells.get("discrete") != "sad" or i % 9 == 2]
    corpus = Corpus(**{**corpus.__dict__, "clips": tuple(rows)}) if "class_weights" in options else corpus
    plain, changed, again = fitted("a"), fitted("b", **options), fitted("c", **options)
    np.testing.assert_array_equal(changed, again)
    assert (changed != plain).any()


@pytest.mark.parametrize(
    ("option", "value"),
    [("class_weights", "cubic"), ("label_smoothing", "1"), ("focal", "-1"), ("modality_dropout", "1")],
)
def test_values_out_of_range_are_refused(
    option: str, value: str, corpus: Corpus, quick: Callable[[], dict[str, Any]]
) -> None:
    with pytest.raises(ConfigError, match=option):
        train(
            corpus, [FACE], "attention", corpus.folder.parent / "x", target="discrete", **{**dict(quick), option: value}
        )


@pytest.mark.parametrize(
    "options",
    [{"class_weights": "sqrt"}, {"label_smoothing": 0.1}, {"focal": 1.0}, {"modality_dropout": 0.1}, {"teacher": 0.9}],
)
def test_what_stacks_do_not_know_is_trained_one_by_one(options: dict[str, Any]) -> None:
    from baselines.data import Table
    from baselines.jobs import Job
    from baselines.members import Task
    from baselines.models.attention import Attention
    from baselines.options import split_options
    from baselines.population.plan import may_be_stacked
    from mertools.targets import Target

    table = Table(("a", "b"), (np.eye(2, dtype=np.float32),), np.ones((2, 1), bool), {"d": np.array([0, 1])})

    def stacked(**more: Any) -> bool:
        settings, config = split_options({"stack": 4, **more}, "attention", Attention)
        task = Task("attention", config, (Target("d", "classes", ("x", "y")),), settings)
        return may_be_stacked(Job(task, table, np.arange(2), 0, 0, 500))

    assert stacked()
    assert not stacked(**options)
