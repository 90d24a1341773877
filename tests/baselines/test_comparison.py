"""Comparing runs: what is compared, what is refused, what the numbers are."""

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import f1_score

from baselines import train
from baselines.comparison import compare
from baselines.runs import Run
from mertools.corpus import Corpus
from mertools.errors import TrainingError
from mertools.metrics import METRICS
from mertools.metrics.intervals import holm
from mertools.predictions import Predictions

FACE, AUDIO, NOISE = "face/made-up", "audio/made-up", "audio/noise"
OPTIONS: dict[str, Any] = {"epochs": 25, "selection": "last", "hidden_dim": 16, "batch_size": 16, "lr": 5e-3}


@pytest.fixture(scope="module")
def pair(original: Corpus, tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Run, Run]:
    """One run that can learn, one that cannot, one much like the first; five seeds each, same folds."""
    folder = tmp_path_factory.mktemp("pair")
    names = {"good": FACE, "bad": NOISE, "alike": AUDIO}
    return tuple(  # type: ignore[return-value]
        train(original, [space], "attention", folder / name, target=["discrete"], folds="3", repeats=5, **OPTIONS)
        for name, space in names.items()
    )


def truth_of(corpus: Corpus, names: tuple[str, ...]) -> list[str]:
    return [corpus.clip(name).cells["discrete"] for name in names]


def test_standings_are_means_over_seeds_and_ensembles_of_probabilities_and_of_logits(
    pair: tuple[Run, Run, Run], original: Corpus
) -> None:
    found = compare(pair[:2])
    run, standing = pair[0], found.runs[0]
    seeds = [run.predictions(f"seeds/oof-{seed}") for seed in range(5)]
    truth = truth_of(original, seeds[0].names)
    scores = [f1_score(truth, s.discrete, average="weighted", zero_division=0) for s in seeds]
    assert standing.single == pytest.approx(np.mean(scores))
    assert standing.seed_spread == pytest.approx(np.std(scores, ddof=1))
    classes = np.array(seeds[0].labels)
    mean = np.mean([s.probabilities for s in seeds], axis=0)
    product = np.prod([s.probabilities for s in seeds], axis=0)  # its maximum is that of the mean logit
    said = {"ensemble": classes[mean.argmax(axis=1)], "ensemble_logits": classes[product.argmax(axis=1)]}
    for name, labels in said.items():
        value = f1_score(truth, labels, average="weighted", zero_division=0)
        assert getattr(standing, name) == pytest.approx(value)
    assert run.metrics["ensemble_probabilities"]["waf"] == pytest.approx(standing.ensemble)
    assert run.metrics["ensemble_logits"]["waf"] == pytest.approx(standing.ensemble_logits)


def test_a_model_that_learns_is_told_from_one_that_cannot(pair: tuple[Run, Run, Run]) -> None:
    found = compare(pair)
    assert [(p.first, p.second) for p in found.pairs] == [("good", "bad"), ("good", "alike"), ("bad", "alike")]
    good_bad = found.pairs[0]
    assert good_bad.value == pytest.approx(found.runs[0].single - found.runs[1].single)
    assert 0 < good_bad.low < good_bad.value < good_bad.high
    assert good_bad.p_adjusted < 0.05
    assert [p.p_adjusted for p in found.pairs] == holm([p.p for p in found.pairs])
    assert (found.unit, found.n_groups, found.n_clips) == ("speaker", 6, 72)
    assert found.warnings == ()
    json.dumps(found.document(), allow_nan=False)


def test_not_inferior_within_a_wide_margin_and_not_within_a_narrow_one(pair: tuple[Run, Run, Run]) -> None:
    for margin, expected in ((0.9, True), (1e-6, False)):
        (test,) = compare([pair[1], pair[0]], margin=margin).pairs
        assert (test.margin, test.not_inferior) == (margin, expected)
    (other,) = compare([pair[0], pair[1]], margin=1e-6).pairs
    assert other.not_inferior


def test_a_reference_is_compared_with_each_of_the_others(pair: tuple[Run, Run, Run]) -> None:
    found = compare(pair, reference=pair[2].folder)
    assert [(p.first, p.second) for p in found.pairs] == [("good", "alike"), ("bad", "alike")]


def test_values_are_compared_by_errors_where_lower_is_better(original: Corpus, tmp_path: Path) -> None:
    runs = [
        train(original, [space], "attention", tmp_path / name, target=["valence"], folds="3", repeats=2, **OPTIONS)
        for name, space in (("good", FACE), ("bad", NOISE))
    ]
    found = compare(runs, metric="mse", margin=0.5)
    assert not found.higher_is_better
    assert found.pairs[0].value < 0
    assert found.pairs[0].not_inferior
    assert len(found.warnings) == 2
    assert "2 seeds" in found.warnings[0]


def changed(run: Run, folder: Path, change: Any) -> Path:
    shutil.copytree(run.folder, folder)
    change(folder)
    return folder


def rewrite_folds(path: Path, change: Any) -> None:
    with path.open(newline="") as file:
        rows = [change(dict(row)) for row in csv.DictReader(file)]
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, ["name", "fold", "left_out"])
        writer.writeheader()
        writer.writerows(row for row in rows if row)


def test_other_numbers_of_the_same_folds_are_no_difference(pair: tuple[Run, Run, Run], tmp_path: Path) -> None:
    turned = changed(
        pair[1],
        tmp_path / "turned",
        lambda f: rewrite_folds(f / "folds.csv", lambda row: row | {"fold": str(7 - int(row["fold"]))}),
    )
    assert compare([pair[0], turned]).pairs


@pytest.mark.parametrize(
    ("change", "code", "said"),
    [
        (lambda row: row | {"fold": "9"} if row["name"] == "clip005" else row, "MER-T076", "clip005"),
        (lambda row: None if row["name"] == "clip005" else row, "MER-T075", "clip005"),
        (lambda row: row | {"fold": "0"}, "MER-T076", "different folds"),
    ],
)
def test_other_folds_and_other_clips_are_refused(
    pair: tuple[Run, Run, Run], tmp_path: Path, change: Any, code: str, said: str
) -> None:
    other = changed(pair[1], tmp_path / "other", lambda f: rewrite_folds(f / "folds.csv", change))
    with pytest.raises(TrainingError, match=said) as caught:
        compare([pair[0], other])
    assert caught.value.code == code


def test_folds_of_another_seed_are_refused(pair: tuple[Run, Run, Run], original: Corpus, tmp_path: Path) -> None:
    other = train(original, [FACE], "attention", tmp_path / "x", target=["discrete"], folds="3", seed=4, **OPTIONS)
    with pytest.raises(TrainingError, match="fold"):
        compare([pair[0], other])


@pytest.mark.parametrize(
    ("options", "code"),
    [({"metric": "wff"}, "MER-T078"), ({"margin": -1.0}, "MER-T072"), ({"margin": float("nan")}, "MER-T072"),
     ({"reference": "nowhere"}, "MER-T073")],
)  # fmt: skip
def test_wrong_wishes_are_explained(pair: tuple[Run, Run, Run], options: dict[str, Any], code: str) -> None:
    with pytest.raises(TrainingError) as caught:
        compare(pair, **options)
    assert caught.value.code == code


def test_a_run_is_not_compared_with_itself_or_with_nothing(pair: tuple[Run, Run, Run]) -> None:
    for runs in (pair[:1], [pair[0], pair[0]]):
        with pytest.raises(TrainingError) as caught:
            compare(runs)
        assert caught.value.code == "MER-T073"


def test_other_targets_are_refused(pair: tuple[Run, Run, Run], original: Corpus, tmp_path: Path) -> None:
    other = train(original, [FACE], "attention", tmp_path / "v", target=["valence"], folds="3", **OPTIONS)
    with pytest.raises(TrainingError, match="differ in their target"):
        compare([pair[0], other])


def test_annotations_that_changed_between_corpora_are_refused(
    pair: tuple[Run, Run, Run], corpus: Corpus, tmp_path: Path
) -> None:
    text = (corpus.folder / "clips.csv").read_text()
    (corpus.folder / "clips.csv").write_text(text.replace("happy", "sad", 1))
    other = train(
        Corpus.read(corpus.folder), [FACE], "attention", tmp_path / "o", target=["discrete"], folds="3", **OPTIONS
    )
    with pytest.raises(TrainingError) as caught:
        compare([pair[0], other])
    assert caught.value.code in ("MER-T076", "MER-T077")


def test_sums_agree_with_the_metric_even_if_a_run_never_says_a_class(
    pair: tuple[Run, Run, Run], tmp_path: Path, original: Corpus
) -> None:
    def never(folder: Path) -> None:
        for path in (folder / "predictions" / "seeds").glob("*.csv"):
            found = Predictions.read(path)
            sure = np.tile([0.9, 0.06, 0.04], (len(found.names), 1))
            Predictions(found.names, found.labels, sure).write(path)

    dull = changed(pair[1], tmp_path / "dull", never)
    found = compare([pair[0], dull])
    truth = truth_of(original, pair[0].predictions().names)
    assert found.runs[1].single == pytest.approx(float(METRICS.get("waf")(truth, ["angry"] * len(truth))))
    assert found.pairs[0].value == pytest.approx(found.runs[0].single - found.runs[1].single)
