"""Corrupted versions of clips: seen in training, only those of the training part, and never instead of the clip."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from baselines import train
from baselines.augmentation import filled, load_versions, mixed
from baselines.data import Table
from baselines.models.base import Batch
from baselines.spaces import find_features
from mertools.corpus import Clip, Corpus
from mertools.errors import TrainingError
from mertools.store import open_store

FACE, AUDIO = "face/made-up", "audio/made-up"


def fitted(corpus: Corpus, name: str, options: dict[str, Any], **more: Any) -> Any:
    out = corpus.folder.parent / name
    return train(corpus, [FACE, AUDIO], "attention", out, target="discrete", **{**options, **more})


def test_each_clip_is_seen_in_the_version_that_was_drawn() -> None:
    def batch(value: float) -> Batch:
        return Batch((torch.full((4, 2), value), torch.full((4, 3), -value)), torch.tensor([[True, value < 2]] * 4))

    shown = mixed(batch(0.0), [batch(1.0), batch(2.0)], torch.tensor([2, 0, 1, 0]))
    assert shown.embeddings[0][:, 0].tolist() == [2, 0, 1, 0]
    assert shown.embeddings[1][:, 0].tolist() == [-2, 0, -1, 0]
    assert shown.present.tolist() == [[True, False], [True, True], [True, True], [True, True]]


def test_drawing_can_be_mapped_over_a_stack_of_members() -> None:
    clean, other = torch.zeros(4, 2), torch.ones(4, 2)
    here = torch.ones(4, 1, dtype=torch.bool)
    chosen = torch.tensor([[0, 1, 0, 1], [1, 1, 1, 0]])

    def shown(which: torch.Tensor) -> torch.Tensor:
        return mixed(Batch((clean,), here), [Batch((other,), here)], which).embeddings[0][:, 0]

    assert torch.func.vmap(shown)(chosen).tolist() == chosen.tolist()


def test_what_a_version_lacks_is_as_in_the_clean_clip() -> None:
    clean = Table(("a", "b"), (np.ones((2, 2), np.float32),), np.array([[True], [False]]), {})
    version = Table(("a", "b"), (np.full((2, 2), 9, np.float32),), np.array([[False], [True]]), {})
    found = filled(version, clean)
    assert found.embeddings[0][:, 0].tolist() == [1, 9]
    assert found.present.all()


def test_versions_change_what_is_learned_and_repeat(corpus: Corpus, quick: dict[str, Any], corrupt_as: Any) -> None:
    noisy = str(corrupt_as(corpus, corpus.folder.parent / "noisy").folder)
    plain, changed, again = (
        fitted(corpus, "plain", quick),
        fitted(corpus, "b", quick, augment_corpus=noisy),
        fitted(corpus, "c", quick, augment_corpus=[noisy]),
    )
    assert (plain.predictions().probabilities != changed.predictions().probabilities).any()
    np.testing.assert_array_equal(changed.predictions().probabilities, again.predictions().probabilities)
    assert changed.recipe.options["augment_corpus"] == [noisy]


def test_only_versions_of_the_training_part_are_seen(
    corpus: Corpus, quick: dict[str, Any], corrupt_as: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Versions of clips that a fold leaves out may be anything: its members stay the same, to the bit."""
    from safetensors.torch import load_file

    from baselines import material

    noisy = str(corrupt_as(corpus, corpus.folder.parent / "noisy").folder)
    honest = fitted(corpus, "honest", quick, augment_corpus=noisy)
    folds = (honest.folder / "folds.csv").read_text().splitlines()[1:]
    left_out = {line.split(",")[0] for line in folds if line.split(",")[1] == "0"}

    def spoiled(*arguments: Any) -> Table:
        table = load_versions(*arguments)
        for embedding in table.versions[0].embeddings:
            embedding[[i for i, name in enumerate(table.names) if name in left_out]] = 1e3
        return table

    monkeypatch.setattr(material, "load_versions", spoiled)
    again = fitted(corpus, "spoiled", quick, augment_corpus=noisy)

    def weights(run: Any, fold: int) -> dict[str, torch.Tensor]:
        return load_file(run.folder / "checkpoints" / f"fold{fold}-seed0.safetensors")

    first, second = weights(honest, 0), weights(again, 0)
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert any(not torch.equal(weights(honest, 1)[key], weights(again, 1)[key]) for key in first)


def test_scaling_is_that_of_the_clean_clips(corpus: Corpus, quick: dict[str, Any], corrupt_as: Any) -> None:
    noisy = str(corrupt_as(corpus, corpus.folder.parent / "noisy", shift=100.0).folder)
    plain, changed = fitted(corpus, "plain", quick), fitted(corpus, "noise", quick, augment_corpus=noisy)
    for a, b in zip(plain.members[0].fitted.projections, changed.members[0].fitted.projections, strict=True):
        np.testing.assert_array_equal(a.mean, b.mean)


def test_a_space_that_is_not_corrupted_comes_from_the_clean_clips(corpus: Corpus, corrupt_as: Any) -> None:
    from baselines.data import load_table

    noisy = corrupt_as(corpus, corpus.folder.parent / "noisy", spaces=(AUDIO,))
    clips = corpus.select(["train"])
    with open_store(corpus.folder / "store", read_only=True) as store:
        features = find_features(store, [FACE, AUDIO], corpus.folder)
        table = load_table(store, features, corpus, clips, ())
    (version,) = load_versions([str(noisy.folder)], features, corpus, table).versions
    np.testing.assert_array_equal(version.embeddings[0], table.embeddings[0])
    np.testing.assert_allclose(version.embeddings[1], table.embeddings[1] + 3, rtol=1e-6)


def test_wrong_folders_are_refused_with_the_way_out(corpus: Corpus, quick: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"the corpus that is trained on") as found:
        fitted(corpus, "x", quick, augment_corpus=str(corpus.folder))
    assert found.value.code == "MER-T100"
    stranger = Clip("stranger", "train", cells={"name": "stranger", "split": "train", "discrete": "sad"})
    other = Corpus("other", tmp_path / "other", (stranger,), tmp_path / "other", corpus.splits, corpus.targets)
    other.write()
    with pytest.raises(TrainingError, match="no store") as found:
        fitted(corpus, "x", quick, augment_corpus=str(other.folder))
    assert found.value.code == "MER-T102"
    open_store(other.folder / "store", create=True).close()
    with pytest.raises(TrainingError, match=r"holds 0 of the 72 training clips") as found:
        fitted(corpus, "x", quick, augment_corpus=str(other.folder))
    assert found.value.code == "MER-T101"
    assert not (corpus.folder.parent / "x").exists()


def test_rows_over_time_have_no_versions_yet_and_say_so(rows_corpus: Corpus, quick: dict[str, Any]) -> None:
    with pytest.raises(TrainingError) as found:
        train(
            rows_corpus, ["face/rows", "audio/rows"], "attention", rows_corpus.folder.parent / "x", target="discrete",
            level="frame", augment_corpus="anywhere", **quick,
        )  # fmt: skip
    assert found.value.code == "MER-T106"
