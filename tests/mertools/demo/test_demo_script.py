"""The plan of the synthetic corpus."""

from collections import Counter

import pytest

from mertools.demo import DemoSettings, write_script
from mertools.errors import ConfigError
from mertools.labels import MER_EMOTIONS, MER_VALENCE_RANGE


def test_default_corpus_has_every_emotion_equally_often_in_both_splits() -> None:
    scenes = write_script(DemoSettings())
    assert len(scenes) >= 96
    counts = Counter((s.speaker.split, s.emotion) for s in scenes)
    assert set(counts) == {(split, e) for split in ("train", "test1") for e in MER_EMOTIONS}
    for split in ("train", "test1"):
        assert len({counts[split, e] for e in MER_EMOTIONS}) == 1


def test_no_speaker_stands_in_both_splits() -> None:
    scenes = write_script(DemoSettings())
    train = {s.speaker.name for s in scenes if s.speaker.split == "train"}
    test = {s.speaker.name for s in scenes if s.speaker.split == "test1"}
    assert train
    assert test
    assert not train & test


def test_same_seed_same_plan_other_seed_other_plan() -> None:
    assert write_script(DemoSettings(seed=1)) == write_script(DemoSettings(seed=1))
    assert write_script(DemoSettings(seed=1)) != write_script(DemoSettings(seed=2))


def test_annotations_are_in_range_and_follow_the_emotion() -> None:
    scenes = write_script(DemoSettings(takes=4))
    low, high = MER_VALENCE_RANGE
    assert all(low <= s.valence <= high and (s.valence * 4).is_integer() for s in scenes)
    mean = {e: sum(s.valence for s in scenes if s.emotion == e) for e in MER_EMOTIONS}
    assert mean["happy"] > mean["surprise"] > mean["worried"] > mean["angry"]


def test_text_alone_does_not_give_the_emotion_away() -> None:
    scenes = write_script(DemoSettings(takes=8))
    marks = {e: {s.text.split()[0] for s in scenes if s.emotion == e} for e in MER_EMOTIONS}
    shared = [a for a in MER_EMOTIONS for b in MER_EMOTIONS if a < b and marks[a] & marks[b]]
    assert len(shared) >= 10


@pytest.mark.parametrize("wrong", [{"speakers": 1}, {"takes": 0}, {"size": 97}, {"fps": 1}, {"test_speakers": 10}])
def test_settings_that_make_no_corpus_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match="Expected"):
        DemoSettings(**wrong)  # type: ignore[arg-type]
