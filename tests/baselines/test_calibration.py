"""Temperatures: against a grid, on clips that had no say, and what `predict` makes of them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import log_loss

from baselines import train
from baselines.calibration import calibration_error, fit_temperature, negative_log_likelihood, tempered
from baselines.prediction import Ensemble, predict
from baselines.runs import Run
from mertools import cli
from mertools.corpus import Corpus
from mertools.errors import TrainingError
from mertools.predictions import Predictions

FACE, AUDIO = "face/made-up", "audio/made-up"


def sure(temperature: float, n: int = 4000, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities from logits that are `temperature` times too large for the classes drawn from them."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(n, 4)) * 1.5
    true = torch.softmax(torch.from_numpy(logits), dim=1).numpy()
    truth = np.array([rng.choice(4, p=p) for p in true])
    return torch.softmax(torch.from_numpy(logits * temperature), dim=1).numpy(), truth


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_the_temperature_that_was_put_in_is_found_again(temperature: float) -> None:
    assert fit_temperature(*sure(temperature)) == pytest.approx(temperature, rel=0.1)


@given(st.integers(0, 1000), st.floats(0.3, 4))
def test_no_temperature_of_a_grid_is_better(seed: int, temperature: float) -> None:
    probabilities, truth = sure(temperature, n=60, seed=seed)
    found = negative_log_likelihood(tempered(probabilities, fit_temperature(probabilities, truth)), truth)
    for t in np.geomspace(0.05, 20, 80):
        assert found <= negative_log_likelihood(tempered(probabilities, float(t)), truth) + 1e-6


def test_tempering_is_the_softmax_of_divided_logits() -> None:
    logits = torch.randn(20, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    expected = torch.softmax(logits / 2.5, dim=1).numpy()
    np.testing.assert_allclose(tempered(torch.softmax(logits, dim=1).numpy(), 2.5), expected, atol=1e-9)


def test_likelihood_is_scikit_learns_and_missing_classes_do_not_count() -> None:
    probabilities, truth = sure(2.0, n=50)
    assert negative_log_likelihood(probabilities, truth) == pytest.approx(
        log_loss(truth, probabilities, labels=range(4))
    )
    gaps = truth.copy()
    gaps[::3] = -1
    known = gaps >= 0
    assert negative_log_likelihood(probabilities, gaps) == negative_log_likelihood(probabilities[known], gaps[known])
    assert calibration_error(probabilities, gaps) == calibration_error(probabilities[known], gaps[known])
    assert fit_temperature(probabilities, gaps) == fit_temperature(probabilities[known], gaps[known])
    assert fit_temperature(probabilities, np.full(50, -1)) == 1.0


def test_calibration_error_is_the_gap_over_bins() -> None:
    probabilities, truth = sure(3.0, n=300)
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == truth
    expected = 0.0
    for b in range(15):
        here = (confidence > b / 15) & (confidence <= (b + 1) / 15)
        if here.any():
            expected += here.mean() * abs(right[here].mean() - confidence[here].mean())
    assert calibration_error(probabilities, truth) == pytest.approx(expected)


def test_a_run_knows_its_temperature_from_inner_clips_alone(run: Run, corpus: Corpus) -> None:
    found = run.metrics["calibration"]
    files = sorted((run.folder / "predictions" / "inner").glob("*.csv"))
    assert found["n_inner"] == sum(len(Predictions.read(file).names) for file in files)
    labels = run.design.targets[0].classes
    inner = [Predictions.read(file) for file in files]
    truth = np.array([labels.index(corpus.clip(name).cells["discrete"]) for p in inner for name in p.names])
    pooled = np.concatenate([p.probabilities for p in inner])
    assert found["temperature"] == pytest.approx(fit_temperature(pooled, truth))
    fold_of = dict(line.split(",")[:2] for line in (run.folder / "folds.csv").read_text().splitlines()[1:])
    for file, predictions in zip(files, inner, strict=True):
        fold = file.stem.split("-")[0].removeprefix("fold")
        assert all(fold_of[name] != fold for name in predictions.names)  # none of the clips that the fold scores
    assert set(found["before"]) == set(found["after"]) == {"nll", "ece"}


def test_ensembles_are_what_they_say(run: Run, corpus: Corpus) -> None:
    from baselines.members import predict_table
    from baselines.prediction import load_for
    from mertools.store import open_store

    with open_store(corpus.folder / "store", read_only=True) as store:
        table = load_for(run, store, corpus, corpus.select(["test1"]))
    each = [predict_table(member, table, run.design.targets)["discrete"] for member in run.members]
    t = run.metrics["calibration"]["temperature"]

    def said(**options: Any) -> np.ndarray:
        return predict(run, corpus, "test1", ensemble=Ensemble(**options)).probabilities

    np.testing.assert_allclose(said(), np.mean(each, axis=0), atol=1e-12)
    np.testing.assert_allclose(said(calibrate=True), np.mean([tempered(p, t) for p in each], axis=0), atol=1e-12)
    np.testing.assert_allclose(said(fold=1), np.mean(each[2:4], axis=0), atol=1e-12)
    logits = np.mean([np.log(p) for p in each], axis=0)
    expected = torch.softmax(torch.from_numpy(logits), dim=1).numpy()
    np.testing.assert_allclose(said(averaging="logits"), expected, atol=1e-9)


def test_the_command_line_takes_them_and_refuses_what_is_not_there(
    run: Run, corpus: Corpus, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["predict", str(run.folder), "--corpus", str(corpus.folder), "--split", "test1", "--out", "x.csv"]
    words[-1] = str(tmp_path / "x.csv")
    assert cli.main([*words, "--calibrate", "--ensemble", "logits", "--members", "1"]) == 0
    assert cli.main([*words, "--members", "7"]) == 2
    assert "MER-T115" in capsys.readouterr().err


def test_a_run_without_inner_predictions_has_no_temperature(corpus: Corpus, quick: dict[str, Any]) -> None:
    run = train(corpus, [FACE], "attention", corpus.folder.parent / "last", target="discrete", **quick)
    assert "calibration" not in run.metrics
    with pytest.raises(TrainingError) as found:
        predict(run, corpus, "test1", ensemble=Ensemble(calibrate=True))
    assert found.value.code == "MER-T113"
