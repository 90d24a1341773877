"""What a corpus of one's own allows."""

import csv
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from mertools.corpus import Clip, Corpus, Split, Target
from mertools.demo.own import Possible, extend, with_embeddings
from mertools.labels import MER_EMOTIONS
from mertools.recipe import Extract, Prepare, Recipe, stages
from mertools.store import SpaceSpec, open_store
from mertools.tracks import get_track

DISCRETE = Target("discrete", "classes", classes=MER_EMOTIONS)
VALENCE = Target("valence", "value", range=(-5, 5))
BOTH = (Split("train"), Split("test1", "test"))
FEATURES = ("face/hog", "text/ngram")


def corpus(
    n_labelled: int = 6, speakers: int = 3, splits: tuple[Split, ...] = BOTH, tested: bool = False, **changes: Any
) -> Corpus:
    clips = []
    for split in splits:
        for i in range(8):
            known = tested if split.role == "test" else i < n_labelled
            cells = {"discrete": "sad", "valence": "-1"} if known else {"discrete": "", "valence": ""}
            clips.append(Clip(f"{split.name}_{i}", split.name, cells={**cells, "speaker": f"s{i % speakers}"}))
    return replace(Corpus("c", Path("c"), tuple(clips), Path("c"), splits, (DISCRETE, VALENCE)), **changes)


def possible(tmp_path: Path, found: Corpus, features: tuple[str, ...] = FEATURES) -> Possible:
    recipe = Recipe(tmp_path / "o", prepare=Prepare(Path("clips")), extract=Extract(FEATURES))
    return extend(recipe, found, features, get_track("mer2023-multi"))


def names(found: Possible) -> list[str]:
    return [stage.name for stage in stages(found.recipe)]


def test_labels_that_fit_the_track_walk_to_the_upload(tmp_path: Path) -> None:
    found = possible(tmp_path, corpus())
    assert names(found) == ["prepare", "extract", "train", "predict test1", "validate", "package", "report"]
    assert found.remarks == ()
    assert found.recipe.train is not None
    assert (found.recipe.train.track, found.recipe.train.folds) == ("mer2023-multi", "3")
    assert found.recipe.package is not None
    assert found.recipe.package.candidates is not None
    assert found.recipe.package.candidates.read_text().split() == ["name", *(f"test1_{i}" for i in range(8))]


def test_an_annotated_test_split_is_scored(tmp_path: Path) -> None:
    found = possible(tmp_path, corpus(tested=True))
    assert "score" in names(found)
    assert found.recipe.package is not None
    assert found.recipe.package.truth is not None
    with found.recipe.package.truth.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows[0] == {"name": "test1_0", "discrete": "sad", "valence": "-1", "speaker": "s0"}


def test_other_labels_are_trained_without_a_track_and_it_is_said(tmp_path: Path) -> None:
    found = possible(tmp_path, corpus(splits=(Split("train"),), targets=(DISCRETE,)))
    assert names(found) == ["prepare", "extract", "train", "report"]
    assert found.recipe.train is not None
    assert found.recipe.train.target == ("discrete",)
    assert "without a track" in found.remarks[0]


def test_no_labels_one_speaker_or_no_embedding_train_nothing_and_it_is_said(tmp_path: Path) -> None:
    cases = (
        (corpus(n_labelled=0), FEATURES, "labels.csv"),
        (corpus(speakers=1), FEATURES, "one speaker"),
        (corpus(), (), "No clip gave an embedding"),
    )
    for lacking, features, word in cases:
        found = possible(tmp_path, lacking, features)
        assert names(found) == ["prepare", "extract"]
        assert word in found.remarks[-1]


def test_a_modality_without_embeddings_is_left_out_and_it_is_said(tmp_path: Path) -> None:
    found = possible(tmp_path, corpus(), ("face/hog",))
    assert found.recipe.features == ("face/hog",)
    assert "text/ngram" in found.remarks[0]


def test_embeddings_count_only_where_there_is_something_to_learn(tmp_path: Path) -> None:
    folder = tmp_path / "c"
    found = corpus(folder=folder, media_root=folder)
    with open_store(folder / "store", create=True) as store:
        for extractor, clip in (("face/hog", "train_0"), ("audio/prosody", "test1_0")):
            with store.writer(store.declare(SpaceSpec(extractor, "utterance", 2, 1, {}))) as writer:
                writer.add(clip, np.ones((1, 2), np.float32), np.zeros(1))
                writer.fail("train_1", "silent", "no sound")
    assert with_embeddings(found, ("audio/prosody", "face/hog", "text/ngram")) == ("face/hog",)
