"""Whitening is the inverse square root of the shrunk covariance within classes, fitted on the training part."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.covariance import LedoitWolf
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from baselines import predict, train
from baselines.data import Table
from baselines.fitted import fit
from baselines.runs import Run
from baselines.whitening import whitening
from mertools.corpus import Corpus
from mertools.targets import Target


def correlated(n: int, dim: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    classes = np.arange(n) % 3
    return rng.normal(size=(n, dim)) @ rng.normal(size=(dim, dim)) + 2 * rng.normal(size=(3, dim))[classes], classes


def class_centred(rows: np.ndarray, classes: np.ndarray) -> np.ndarray:
    return np.stack([row - rows[classes == c].mean(axis=0) for row, c in zip(rows, classes, strict=True)])


def test_the_shrunk_covariance_within_classes_becomes_the_identity() -> None:
    rows, classes = correlated(200, 7)
    turn = whitening(rows, classes)
    reference = LedoitWolf(assume_centered=True).fit(class_centred(rows, classes)).covariance_
    np.testing.assert_allclose(turn @ reference @ turn.T, np.eye(7), atol=1e-8)
    np.testing.assert_allclose(turn, turn.T, atol=1e-10)


def test_the_nearest_class_mean_is_what_discriminant_analysis_says() -> None:
    rows, classes = correlated(300, 6)
    turned = rows @ whitening(rows, classes).T
    means = np.stack([turned[classes == c].mean(axis=0) for c in range(3)])
    nearest = ((turned[:, None] - means) ** 2).sum(axis=2).argmin(axis=1)

    class Fixed(LedoitWolf):  # type: ignore[misc]
        """The pooled covariance, whatever part of it discriminant analysis asks for."""

        def fit(self, _: np.ndarray, y: None = None) -> "Fixed":
            self.covariance_ = LedoitWolf(assume_centered=True).fit(class_centred(rows, classes)).covariance_
            return self

    reference = LinearDiscriminantAnalysis(solver="lsqr", covariance_estimator=Fixed(), priors=[1 / 3] * 3)
    assert (nearest == reference.fit(rows, classes).predict(rows)).all()


def test_fewer_clips_than_dimensions_keep_the_directions_in_which_they_differ() -> None:
    rows, classes = correlated(20, 50)
    turn = whitening(rows, classes)
    assert turn.shape == (19, 50)
    turned = (rows - rows.mean(axis=0)) @ turn.T
    assert np.isfinite(turned).all()
    assert np.linalg.matrix_rank(turned) == 19  # no clip falls on another one


def test_clips_of_unknown_class_have_no_say_in_the_covariance() -> None:
    rows, classes = correlated(90, 4)
    classes[60:] = -1
    turn = whitening(rows, classes)
    reference = LedoitWolf(assume_centered=True).fit(class_centred(rows[:60], classes[:60])).covariance_
    np.testing.assert_allclose(turn @ reference @ turn.T, np.eye(4), atol=1e-8)


@given(n=st.integers(2, 12), dim=st.integers(1, 9), constant=st.booleans(), seed=st.integers(0, 9))
@settings(deadline=None, max_examples=60)
def test_any_rows_give_finite_numbers(n: int, dim: int, constant: bool, seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows = np.ones((n, dim)) if constant else rng.normal(size=(n, dim))
    turn = whitening(rows, rng.integers(-1, 2, n))
    assert turn.shape == (min(dim, n - 1) if dim >= n else dim, dim)
    assert np.isfinite(rows @ turn.T).all()


def test_a_fitted_space_is_scaled_projected_and_whitened_in_that_order() -> None:
    rows, classes = correlated(80, 6)
    present = np.ones((80, 1), bool)
    present[::5] = False
    table = Table(tuple(map(str, range(80))), (rows.astype(np.float32),), present, {"d": classes})
    target = (Target("d", "classes", ("a", "b", "c")),)
    found = fit(table, target, standardise=True, pca=3, whiten=True)
    plain = fit(table, target, standardise=True, pca=3)
    before = plain.batch(table).embeddings[0].numpy()
    expected = before @ whitening(before[present[:, 0]], classes[present[:, 0]]).T
    np.testing.assert_allclose(found.batch(table).embeddings[0].numpy(), expected, rtol=1e-3, atol=1e-4)


def test_without_a_class_target_all_clips_are_one_class() -> None:
    rows, _ = correlated(80, 4)
    rows = rows.astype(np.float32)
    table = Table(tuple(map(str, range(80))), (rows,), np.ones((80, 1), bool), {"v": np.zeros(80)})
    found = fit(table, (Target("v", "value"),), standardise=False, pca=0, whiten=True).projections[0].components
    reference = LedoitWolf().fit(rows).covariance_
    np.testing.assert_allclose(found @ reference @ found.T, np.eye(4), atol=1e-4)


@pytest.mark.parametrize("pca", [0, 3])
def test_a_whitened_run_predicts_after_reading_as_it_did(
    corpus: Corpus, tmp_path: Any, quick: dict[str, Any], pca: int
) -> None:
    options = {**quick, "whiten": True, "pca": pca}
    run = train(corpus, ["face/made-up", "audio/made-up"], "wide_deep", tmp_path / "r", target="discrete", **options)
    again = predict(Run.read(run.folder), corpus, "test1")
    np.testing.assert_allclose(again.probabilities, run.predictions("test1").probabilities, atol=1e-6)
    plain = train(
        corpus, ["face/made-up", "audio/made-up"], "wide_deep", tmp_path / "p", target="discrete", **quick
    ).predictions("test1")
    assert not np.allclose(again.probabilities, plain.probabilities)
