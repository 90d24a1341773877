"""The test of chance: it passes where nothing was learnt and fails where labels leaked."""

from pathlib import Path

import numpy as np

from mertools.corpus import Clip, Corpus, Split, Target
from mertools.demo.chance import columns_of, on_test_split, out_of_fold, shuffled
from mertools.labels import MER_EMOTIONS
from mertools.metrics import METRICS
from mertools.predictions import Predictions

LABELS = np.array(MER_EMOTIONS)


def corpus_in(folder: Path) -> Corpus:
    clips = tuple(
        Clip(f"c{i}", "train" if i < 30 else "test1", cells=_cells(i) if i < 30 else {"discrete": "", "valence": ""})
        for i in range(40)
    )
    targets = (Target("discrete", "classes", classes=MER_EMOTIONS), Target("valence", "value", range=(-50, 50)))
    return Corpus("c", folder, clips, folder, (Split("train"), Split("test1", "test")), targets)


def _cells(i: int) -> dict[str, str]:
    return {"discrete": MER_EMOTIONS[i % 6], "valence": str(i), "text": f"t{i}"}


def test_shuffling_moves_whole_annotations_among_training_clips_only(tmp_path: Path) -> None:
    corpus = corpus_in(tmp_path / "a")
    copy = shuffled(corpus, tmp_path / "b", seed=1)
    on_disk = [c.cells["valence"] for c in Corpus.read(tmp_path / "b").clips]
    assert on_disk == [c.cells["valence"] for c in copy.clips]
    before = [(c.cells["discrete"], c.cells["valence"]) for c in corpus.clips[:30]]
    after = [(c.cells["discrete"], c.cells["valence"]) for c in copy.clips[:30]]
    assert before != after
    assert sorted(before) == sorted(after)
    assert [c.cells["text"] for c in copy.clips[:30]] == [c.cells["text"] for c in corpus.clips[:30]]
    assert all(c.cells["discrete"] == "" for c in copy.clips[30:])
    other = shuffled(corpus, tmp_path / "c", seed=2)
    assert [c.cells for c in copy.clips] != [c.cells for c in other.clips]


def simulate(draw: np.random.Generator, leak: float) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray], np.ndarray]:
    """A seed: truth in random order, predictions that know a share `leak` of it, folds."""
    truth = draw.permutation(np.repeat(LABELS, 14))
    said = np.where(draw.random(84) < leak, truth, draw.choice(LABELS, 84))
    return {"classes": truth}, {"classes": said}, np.arange(84) % 5


def test_out_of_fold_chance_is_inside_and_a_leak_outside() -> None:
    waf = METRICS.get("waf")
    passed = 0
    for seed in range(20):
        draw = np.random.default_rng(seed)
        clean = [simulate(draw, 0.0) for _ in range(3)]
        passed += out_of_fold(waf, *map(list, zip(*clean, strict=True))).passed  # type: ignore[arg-type]
    assert passed >= 17
    draw = np.random.default_rng(0)
    leaky = [simulate(draw, 0.3) for _ in range(3)]
    found = out_of_fold(waf, *map(list, zip(*leaky, strict=True)))  # type: ignore[arg-type]
    assert not found.passed
    assert found.mean > found.high
    assert "OUTSIDE" in str(found)


def test_scores_are_the_metric_of_the_predictions_as_they_are() -> None:
    waf = METRICS.get("waf")
    truth, said, fold = simulate(np.random.default_rng(5), 0.5)
    found = out_of_fold(waf, [truth], [said], [fold])
    assert found.scores == (waf(truth["classes"], said["classes"]),)


def test_on_the_test_split_clusters_named_at_random_are_chance_but_right_names_are_not() -> None:
    truth = np.repeat(LABELS, 6)
    right = on_test_split(truth, [truth] * 5, MER_EMOTIONS)
    assert not right.passed
    passed = 0
    for seed in range(20):
        draw = np.random.default_rng(seed)
        named = [draw.permutation(LABELS)[np.repeat(np.arange(6), 6)] for _ in range(5)]  # whole clusters, any name
        passed += on_test_split(truth, named, MER_EMOTIONS).passed
    assert passed >= 17


def test_columns_come_in_the_order_asked_for() -> None:
    predictions = Predictions(
        ("a", "b"), ("x", "y"), np.array([[0.9, 0.1], [0.2, 0.8]]), {"valence": np.array([1.0, 2.0])}
    )
    found = columns_of(predictions, ["b", "a"])
    assert found["classes"].tolist() == ["y", "x"]
    assert found["value"].tolist() == [2.0, 1.0]
