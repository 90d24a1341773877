"""Training refuses clips that the track scores, in whatever way that is known."""

from dataclasses import replace
from pathlib import Path

import pytest

from baselines.options import TrainOptions
from baselines.plan import make_plan
from mertools.corpus import Clip, Corpus, Split, with_cells
from mertools.errors import TrainingError
from mertools.labels import MER_EMOTIONS
from mertools.targets import Target


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    """Six labelled clips in each of train and test1; valence too."""
    clips = tuple(
        Clip(f"{split}{i}", split, None, None, {"discrete": label, "valence": "0.5"})
        for split in ("train", "test1")
        for i, label in enumerate(MER_EMOTIONS)
    )
    targets = (Target("discrete", "classes", classes=MER_EMOTIONS), Target("valence", "value", range=(-5.0, 5.0)))
    return Corpus("mine", tmp_path, clips, tmp_path, (Split("train"), Split("test1", "test")), targets)


def plan(corpus: Corpus, track: str = "mer2023-multi", **options):
    return make_plan(corpus, track, (), TrainOptions(**options))


def test_a_corpus_of_unknown_origin_is_trained_on(corpus: Corpus) -> None:
    assert len(plan(corpus).clips) == 6


def test_the_tracks_own_test_split_is_refused(corpus: Corpus) -> None:
    own = replace(corpus, name="mer2023")
    assert len(plan(own).clips) == 6
    with pytest.raises(TrainingError, match=r"MER-T041.*split test1.*--allow-seen"):
        plan(own, train_splits=("train", "test1"))


@pytest.mark.parametrize(
    ("name", "track", "said"),
    [
        ("mer2024", "mer2023-multi", "5,030 clips"),
        ("mer2026", "mer2024-semi", "1,169 clips"),
        ("mer2026", "mer2025-semi", "2,026 clips"),
    ],
)
def test_a_later_edition_is_refused_for_an_earlier_track(corpus: Corpus, name: str, track: str, said: str) -> None:
    with pytest.raises(TrainingError, match=f"MER-T041.*{said}"):
        plan(replace(corpus, name=name), track)


def test_an_earlier_edition_is_trained_on_for_a_later_track(corpus: Corpus) -> None:
    assert plan(replace(corpus, name="mer2023"), "mer2025-semi").clips


def test_what_leaks_found_counts_clip_by_clip(corpus: Corpus) -> None:
    noted = [with_cells(clip, seen_in="other;mer2023" if i < 2 else "") for i, clip in enumerate(corpus.clips)]
    with pytest.raises(TrainingError, match=r"MER-T041.*2 clips that the column seen_in finds in mer2023"):
        plan(replace(corpus, clips=tuple(noted), seen_in=("mer2023",)))
    assert plan(replace(corpus, clips=tuple(noted), seen_in=("mer2023",)), "mer2024-semi").clips


def test_an_origin_that_says_no_more_is_a_warning(corpus: Corpus, caplog: pytest.LogCaptureFixture) -> None:
    assert plan(replace(corpus, seen_in=("mer2023",))).clips
    assert "mertools leaks --write-seen-in" in caplog.text


def test_it_can_be_accepted(corpus: Corpus, caplog: pytest.LogCaptureFixture) -> None:
    assert plan(replace(corpus, name="mer2024"), allow_seen=True).clips
    assert "its score says nothing" in caplog.text
