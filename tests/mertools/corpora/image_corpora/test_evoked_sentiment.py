"""Abstract, ArtPhoto, Twitter I and II: votes, names and lists to categories and polarity."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from mertools.corpora import prepare
from mertools.corpora.evoked_emotions import ABSTRACT, ARTPHOTO, polarity_of
from mertools.corpora.fakes import fake_image, fake_text

Refusal = Callable[..., None]

HEADER = "''," + ",".join(f"'{label}'" for label in ABSTRACT) + "\n"


def image(path: Path) -> Path:
    return fake_image(path, side=8)


def test_abstract_takes_the_category_with_most_votes_and_leaves_ties_out(raw: Path) -> None:
    fake_text(
        raw / "ABSTRACT_groundTruth.csv",
        HEADER
        + "'abstract_0001.jpg',1,0,0,5,2,0,0,0\n'abstract_0002.jpg',0,4,4,0,0,0,0,0\n"
        + "'abstract_0003.jpg',0,0,0,0,0,0,0,1\n'abstract_0009.jpg',0,1,0,0,0,0,0,0\n",
    )
    for number in (1, 2, 3):
        image(raw / "testImages_abstract" / f"abstract_{number:04}.jpg")
    made = prepare("abstract", raw, raw.parent / "out")
    cells = {c.name: (c.cells["discrete"], c.cells["polarity"]) for c in made.corpus.clips}
    assert cells == {"abstract_0001": ("Content", "positive"), "abstract_0003": ("Sad", "negative")}
    assert made.corpus.clip("abstract_0001").cells["votes_Disgust"] == "2"
    assert any("two categories with most votes, left out: abstract_0002.jpg" in w for w in made.warnings)
    assert any("abstract_0009.jpg" in w for w in made.warnings)
    assert [t.name for t in made.corpus.targets] == ["discrete", "polarity"]


def test_abstract_bad_votes(raw: Path, fails: Refusal) -> None:
    image(raw / "abstract_0001.jpg")
    fake_text(raw / "ABSTRACT_groundTruth.csv", HEADER + "'abstract_0001.jpg',1,0,0,-5,2,0,0,0\n")
    fails("abstract", "MER-C288", "column Content")
    fake_text(raw / "ABSTRACT_groundTruth.csv", HEADER.replace("'Awe'", "'Ave'") + "'abstract_0001.jpg',1\n")
    fails("abstract", "MER-C284", "no column Awe")


def test_artphoto_reads_the_category_from_the_name(raw: Path) -> None:
    for name in ("amusement_0123", "content_0001", "sad_0044", "sunset_0001"):
        image(raw / f"{name}.jpg")
    made = prepare("artphoto", raw, raw.parent / "out")
    assert {c.name: (c.cells["discrete"], c.cells["polarity"]) for c in made.corpus.clips} == {
        "amusement_0123": ("amusement", "positive"),
        "content_0001": ("contentment", "positive"),
        "sad_0044": ("sad", "negative"),
    }
    assert made.corpus.target("discrete").classes == ARTPHOTO
    assert any("sunset_0001.jpg" in w for w in made.warnings)


@pytest.mark.parametrize("name", ["abstract", "artphoto"])
def test_categories_may_be_folders(name: str, raw: Path) -> None:
    image(raw / "images" / "Awe" / "1.jpg")
    image(raw / "images" / "fear" / "2.jpg")
    corpus = prepare(name, raw, raw.parent / "out").corpus
    assert [c.cells["polarity"] for c in corpus.clips] == ["positive", "negative"]


def test_polarity_splits_both_sets_of_eight_in_half() -> None:
    for classes in (ABSTRACT, ARTPHOTO):
        assert sum(polarity_of(label) == "positive" for label in classes) == 4


def test_twitter1_keeps_the_list_of_so_many_agreeing_people(raw: Path) -> None:
    for index in range(3):
        image(raw / "images" / f"{index}.jpg")
    fake_text(raw / "five_agrees.txt", "0.jpg 1\n")
    fake_text(raw / "at_least_four_agrees.txt", "0.jpg 1\n1.jpg\t0\n")
    fake_text(
        raw / "label_at_least_three_agree.csv", "name,gt,gpt4v\n0.jpg,positive,\n1.jpg,negative,\n2.jpg,positive,\n"
    )

    def labels(**options: str) -> dict[str, str]:
        corpus = prepare("twitter1", raw, raw.parent / "out", **options).corpus
        return {clip.name: clip.cells["discrete"] for clip in corpus.clips}

    assert labels() == {"0": "positive", "1": "negative", "2": "positive"}
    assert labels(agree="four") == {"0": "positive", "1": "negative"}
    assert labels(agree="five") == {"0": "positive"}


def test_twitter_bad_input(raw: Path, fails: Refusal) -> None:
    image(raw / "0.jpg")
    fails("twitter1", "MER-C280")
    fails("twitter1", "MER-C282", "no list with 'five'", agree="five")
    fails("twitter1", "MER-C289", agree="six")
    fake_text(raw / "three.txt", "0.jpg 2\n")
    fails("twitter1", "MER-C285", "row 1: '2'")
    fake_text(raw / "three.txt", "0.jpg 1\n0.jpg 0\n")
    fails("twitter1", "MER-C287", "row 2: '0.jpg' stands in row 1")
    fake_text(raw / "three.txt", "9.jpg 1\n")
    fails("twitter1", "MER-C286")
    fake_text(raw / "three_too.txt", "9.jpg 1\n")
    fails("twitter1", "MER-C293")


def test_twitter2_reads_folders_or_the_list_with_labels(raw: Path) -> None:
    image(raw / "a.jpg")
    fake_text(raw / "readme.txt", "about this corpus\n")
    fake_text(raw / "notes.txt", "more about it\n")
    fake_text(raw / "ground_truth.txt", "a.jpg -1\n")
    assert prepare("twitter2", raw, raw.parent / "list").corpus.clips[0].cells["discrete"] == "negative"
    image(raw / "positive" / "b.jpg")
    made = prepare("twitter2", raw, raw.parent / "folders")
    assert [(c.name, c.cells["discrete"]) for c in made.corpus.clips] == [("b", "positive")]
    assert any("a.jpg" in w for w in made.warnings)


def test_twitter2_does_not_choose_among_lists(raw: Path, fails: Refusal) -> None:
    image(raw / "a.jpg")
    for name in ("one.txt", "two.txt"):
        fake_text(raw / name, "a.jpg 1\n")
    fails("twitter2", "MER-C293")
