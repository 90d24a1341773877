"""Scaling, components, value ranges and priors are those of the training part, and nothing else."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler

from baselines.data import Table
from baselines.fitted import fit
from baselines.losses import joint_loss
from baselines.members import decode
from baselines.models.base import Output
from mertools.targets import Target

TARGETS = (Target("discrete", "classes", ("a", "b", "c")), Target("valence", "value", range=(-5.0, 5.0)))


def make_table(n: int = 40, seed: int = 0) -> Table:
    rng = np.random.default_rng(seed)
    embeddings = (rng.normal(3, 4, (n, 6)).astype(np.float32), rng.normal(-1, 0.1, (n, 3)).astype(np.float32))
    present = np.ones((n, 2), bool)
    present[::4, 1] = False
    embeddings[1][::4] = 0
    classes, values = rng.integers(0, 3, n), rng.normal(1, 2, n)
    classes[1], values[2] = -1, np.nan
    return Table(tuple(f"c{i}" for i in range(n)), embeddings, present, {"discrete": classes, "valence": values})


def test_scaling_is_the_standard_scaler_of_the_clips_that_are_present() -> None:
    table = make_table()
    fitted = fit(table, TARGETS, standardise=True, pca=0)
    for m, embeddings in enumerate(table.embeddings):
        reference = StandardScaler().fit(embeddings[table.present[:, m]].astype(np.float64))
        expected = reference.transform(embeddings.astype(np.float64))
        np.testing.assert_allclose(fitted.batch(table).embeddings[m].numpy(), expected, rtol=2e-4, atol=2e-5)


def test_components_are_those_of_principal_component_analysis() -> None:
    table = make_table()
    fitted = fit(table, TARGETS, standardise=False, pca=2)
    reference = PCA(2).fit(table.embeddings[0])
    found = fitted.batch(table).embeddings[0].numpy()
    assert found.shape == (40, 2)
    assert fitted.projections[0].dim == 2
    np.testing.assert_allclose(np.abs(found), np.abs(reference.transform(table.embeddings[0])), rtol=1e-3, atol=1e-3)


def test_constant_dimensions_are_not_blown_up() -> None:
    table = make_table()
    table.embeddings[0][:, 0] = 1000.1
    scaled = fit(table, TARGETS, standardise=True, pca=0).batch(table).embeddings[0][:, 0]
    assert scaled.abs().max() < 1e-2


def test_values_are_standardised_and_priors_are_frequencies_of_what_is_annotated() -> None:
    table = make_table()
    fitted = fit(table, TARGETS, standardise=True, pca=0)
    known = table.annotations["valence"][~np.isnan(table.annotations["valence"])]
    assert fitted.values["valence"] == (pytest.approx(known.mean()), pytest.approx(known.std()))
    goals = fitted.annotations(table)
    assert goals["discrete"].dtype == torch.int64
    assert bool(goals["valence"].isnan()[2])
    assert float(goals["valence"].nanmean()) == pytest.approx(0, abs=1e-6)
    counts = [(table.annotations["discrete"] == c).sum() for c in range(3)]
    np.testing.assert_allclose(fitted.priors["discrete"], np.array(counts) / 39)


def test_values_come_back_in_their_unit_and_stay_within_the_declared_range() -> None:
    table = make_table()
    fitted = fit(table, TARGETS, standardise=True, pca=0)
    mean, scale = fitted.values["valence"]
    standardised = fitted.annotations(table)["valence"]
    heads = {"discrete": torch.zeros(len(table), 3), "valence": standardised.unsqueeze(1)}
    found = decode(heads, fitted, np.zeros(len(table), bool), TARGETS)["valence"]
    known = ~np.isnan(table.annotations["valence"])
    np.testing.assert_allclose(found[known], np.clip(table.annotations["valence"][known], -5, 5), atol=1e-5)
    far = torch.tensor([[100.0], [-100.0], [(6.0 - mean) / scale]])
    heads = {"discrete": torch.zeros(3, 3), "valence": far}
    assert decode(heads, fitted, np.zeros(3, bool), TARGETS)["valence"].tolist() == [5.0, -5.0, 5.0]


def test_the_joint_loss_is_cross_entropy_plus_squared_error_of_what_is_annotated() -> None:
    torch.manual_seed(0)
    logits, values = torch.randn(5, 3), torch.randn(5, 1)
    goals = {"discrete": torch.tensor([0, 2, -1, 1, -1]), "valence": torch.tensor([0.5, float("nan"), 1, -1, 0])}
    output = Output(torch.zeros(5, 1), {"discrete": logits, "valence": values}, torch.tensor(0.25))
    entropy = -torch.log_softmax(logits, 1)[[0, 1, 3], [0, 2, 1]].mean()
    error = (values[[0, 2, 3, 4], 0] - torch.tensor([0.5, 1, -1, 0])).square().mean()
    torch.testing.assert_close(joint_loss(output, goals, 0.5), 0.25 + entropy + 0.5 * error)


def test_a_batch_without_annotations_has_no_loss_and_finite_gradients() -> None:
    logits, values = torch.randn(2, 3, requires_grad=True), torch.randn(2, 1, requires_grad=True)
    goals = {"discrete": torch.tensor([-1, -1]), "valence": torch.full((2,), float("nan"))}
    loss = joint_loss(Output(logits, {"discrete": logits, "valence": values}, torch.zeros(())), goals, 1.0)
    loss.backward()
    assert float(loss.detach()) == 0
    assert logits.grad is not None
    assert values.grad is not None
    assert not logits.grad.any()
    assert not values.grad.any()


def test_a_space_that_no_training_clip_has_is_masked_in_every_clip() -> None:
    table = make_table()
    bare = replace(table, present=table.present & [False, True])
    fitted = fit(bare, TARGETS, standardise=True, pca=0)
    assert [p.seen for p in fitted.projections] == [False, True]
    assert fitted.batch(table).present.numpy().tolist() == bare.present.tolist()
