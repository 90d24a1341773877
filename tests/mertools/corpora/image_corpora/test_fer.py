"""FER2013 and FER+: pixels out of tables and archives, votes to labels, and rows that do not fit."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from mertools import Corpus
from mertools.corpora import CORPORA, NoOptions, prepare
from mertools.corpora.fakes import fake_image
from mertools.corpora.fer2013 import fake_fer2013_rows
from mertools.corpora.ferplus import EMOTIONS, VOTED, label_by_majority, label_by_most
from mertools.errors import CorpusError

Refusal = Callable[..., None]

SIDE = 48


def write_table(path: Path, header: Sequence[str], *rows: Sequence[object]) -> None:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])


def pixels(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (SIDE, SIDE), dtype=np.uint8)


def text(array: np.ndarray) -> str:
    return " ".join(map(str, array.ravel()))


@pytest.mark.parametrize("header", [["emotion", "pixels", "Usage"], ["emotion", " Usage", " pixels"]])
def test_pixels_of_the_table_become_the_same_pixels_in_a_file(raw: Path, header: list[str]) -> None:
    faces = [pixels(seed) for seed in range(3)]
    usages = ("Training", "PublicTest", "PrivateTest")
    rows = [
        {"emotion": 3 * i, "pixels": text(f), "Usage": u} for i, (f, u) in enumerate(zip(faces, usages, strict=True))
    ]
    name = "fer2013.csv" if header[1] == "pixels" else "icml_face_data.csv"
    write_table(raw / name, header, *([row[column.strip()] for column in header] for row in rows))
    prepare("fer2013", raw, raw.parent / "out")
    corpus = Corpus.read(raw.parent / "out")
    assert [(c.name, c.split, c.cells["discrete"]) for c in corpus.clips] == [
        ("fer0000000", "train", "angry"),
        ("fer0000001", "validation", "happy"),
        ("fer0000002", "test", "neutral"),
    ]
    for clip, face in zip(corpus.clips, faces, strict=True):
        assert clip.video is not None
        assert np.array_equal(np.array(Image.open(clip.video)), face)
    assert list(raw.iterdir()) == [raw / name], "the raw folder is only read"


def test_the_challenge_files_give_test_images_without_labels(raw: Path) -> None:
    write_table(raw / "train.csv", ["emotion", "pixels"], [0, text(pixels(0))])
    write_table(raw / "test.csv", ["pixels"], [text(pixels(1))])
    corpus = prepare("fer2013", raw, raw.parent / "out").corpus
    assert [(c.name, c.split, c.cells["discrete"]) for c in corpus.clips] == [
        ("fer0000000", "train", "angry"),
        ("test_fer0000000", "candidate", ""),
    ]


def test_class_folders_are_split_by_name_and_repeated_names_are_kept_apart(raw: Path) -> None:
    for path in (
        "train/surprise/Training_52789098.jpg",
        "train/neutral/Training_52789098.jpg",
        "test/angry/PublicTest_1.jpg",
        "test/angry/PrivateTest_1.jpg",
        "test/happy/im0.png",
        "train/happy/im0.png",
    ):
        fake_image(raw / path, side=8)
    corpus = prepare("fer2013", raw, raw.parent / "out").corpus
    assert {c.name: (c.split, c.cells["discrete"]) for c in corpus.clips} == {
        "Training_52789098": ("train", "neutral"),
        "Training_52789098_2": ("train", "surprise"),
        "PublicTest_1": ("validation", "angry"),
        "PrivateTest_1": ("test", "angry"),
        "test_happy_im0": ("test", "happy"),
        "train_happy_im0": ("train", "happy"),
    }


@pytest.mark.parametrize(
    ("row", "code", "says"),
    [
        ([7, text(pixels(0)), "Training"], "MER-C285", "column emotion: '7'"),
        ([1, text(pixels(0)), "Trainig"], "MER-C285", "column Usage"),
        ([1, "1 2 3", "Training"], "MER-C290", "3 pixels, expected 2304"),
        ([1, text(pixels(0)).replace(" ", " 999 ", 1), "Training"], "MER-C290", "row 2"),
        ([1, "a b", "Training"], "MER-C290", "row 2"),
    ],
)
def test_a_bad_row_of_the_table_is_named(raw: Path, fails: Refusal, row: list[object], code: str, says: str) -> None:
    write_table(raw / "fer2013.csv", ["emotion", "pixels", "Usage"], row)
    fails("fer2013", code, says)


def test_a_table_without_pixels_is_refused(raw: Path, fails: Refusal) -> None:
    write_table(raw / "fer2013.csv", ["emotion", "Usage"], [1, "Training"])
    fails("fer2013", "MER-C284", "no column pixels")


def test_an_archive_that_is_none_is_refused(raw: Path, fails: Refusal) -> None:
    (raw / "fer2013_train.npz").write_bytes(b"PK not really")
    fails("fer2013", "MER-C292")
    with (raw / "fer2013_train.npz").open("wb") as file:
        np.savez(file, name=np.array(["a", "b"]), label=np.array([0]), classes=np.array(["angry"]),
                 offsets=np.array([0, 1]), jpeg=np.zeros(1, np.uint8))  # fmt: skip
    fails("fer2013", "MER-C292", "2 names, 1 labels, 2 offsets")
    with (raw / "fer2013_train.npz").open("wb") as file:
        np.savez(file, name=np.array([{"a": 1}], dtype=object))
    fails("fer2013", "MER-C292")


def test_real_fer2013_has_its_official_counts(real_data: Path, tmp_path: Path) -> None:
    made = CORPORA.get("fer2013")().make(real_data / "fer2013", tmp_path, NoOptions())
    counts = Counter((clip.split, clip.cells["discrete"]) for clip in made.corpus.clips)
    order = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
    assert [counts["train", label] for label in order] == [3995, 436, 4097, 7215, 4830, 3171, 4965]
    assert [counts["validation", label] for label in order] == [467, 56, 496, 895, 653, 415, 607]
    assert len(made.files) == len(made.corpus) == 28_709 + 3_589
    assert (
        made.corpus.clip("Training_52789098").cells["discrete"]
        != made.corpus.clip("Training_52789098_2").cells["discrete"]
    )
    for content in list(made.files.values())[::1000]:
        assert Image.open(io.BytesIO(content)).size == (SIDE, SIDE)


# -- FER+ --------------------------------------------------------------------------------------------------------


def reference_majority(votes: list[int]) -> str:
    """The authors' rule, told in another way: more than half of all votes that at least two people share."""
    shared = [n for n in votes if n >= 2]
    winners = [at for at, n in enumerate(votes) if n >= 2 and n > sum(shared) - n]
    return EMOTIONS[winners[0]] if winners and winners[0] < 8 else ""


@given(st.lists(st.integers(0, 10), min_size=10, max_size=10))
def test_majority_and_most_follow_the_votes(votes: list[int]) -> None:
    assert label_by_majority(votes) == reference_majority(votes)
    most = label_by_most(votes)
    assert (most == "") == (not any(votes[:8]))
    if most:
        assert votes[EMOTIONS.index(most)] == max(votes[:8])
    if label_by_majority(votes):
        assert label_by_majority(votes) == most


def voted(raw: Path, *rows: tuple[str, str, Sequence[int]]) -> None:
    write_table(raw / "fer2013new.csv", ["Usage", "Image name", *VOTED], *([u, n, *v] for u, n, v in rows))


CLEAR, UNSURE, NOBODY = [8, 0, 0, 0, 0, 0, 0, 0, 2, 0], [4, 4, 0, 0, 0, 0, 0, 0, 2, 0], [0] * 9 + [10]


def test_votes_beside_images(raw: Path) -> None:
    voted(
        raw,
        ("Training", "fer0000000.png", CLEAR),
        ("PublicTest", "fer0000001.png", UNSURE),
        ("PrivateTest", "", NOBODY),
        ("PrivateTest", "fer0000003.png", [0, 0, 0, 0, 0, 0, 0, 1, 5, 4]),
        ("PrivateTest", "fer0000004.png", CLEAR),
    )
    for index in (0, 1, 3):
        fake_image(raw / "FER2013Any" / f"fer{index:07}.png", side=8)
    made = prepare("ferplus", raw, raw.parent / "out")
    assert {c.name: (c.split, c.cells["discrete"]) for c in made.corpus.clips} == {
        "fer0000000": ("train", "neutral"),
        "fer0000001": ("validation", "neutral"),
        "fer0000003": ("test", "contempt"),
    }
    clip = made.corpus.clip("fer0000000")
    assert (clip.cells["share_neutral"], clip.cells["share_unknown"], clip.cells["share_NF"]) == ("0.8", "0.2", "0")
    assert any("1 rows have no image name" in w for w in made.warnings)
    assert any("fer0000004.png" in w for w in made.warnings)
    strict = prepare("ferplus", raw, raw.parent / "strict", rule="majority")
    assert [c.name for c in strict.corpus.clips] == ["fer0000000"]
    assert any("2 images are left out: no emotion has a majority" in w for w in strict.warnings)


def test_votes_beside_pixels_write_only_the_images_that_stay(raw: Path) -> None:
    CORPORA.get("ferplus")().fake(raw)
    made = prepare("ferplus", raw, raw.parent / "out")
    assert len(made.corpus) == len(fake_fer2013_rows()) - 1
    written = {path.stem for path in (raw.parent / "out" / "images").iterdir()}
    assert written == {clip.name for clip in made.corpus.clips}
    shares = [float(made.corpus.clips[0].cells[f"share_{name}"]) for name in VOTED]
    assert sum(shares) == pytest.approx(1)


def test_votes_in_the_authors_folders(raw: Path) -> None:
    for folder in ("FER2013Train", "FER2013Valid"):
        fake_image(raw / folder / "fer0000007.png" if folder == "FER2013Train" else raw / folder / "fer8.png", side=8)
    (raw / "FER2013Train" / "label.csv").write_text("fer0000007.png," + ",".join(map(str, CLEAR)) + "\n")
    (raw / "FER2013Valid" / "label.csv").write_text('fer8.png,"(0, 0, 48, 48)",' + ",".join(map(str, UNSURE)) + "\n")
    corpus = prepare("ferplus", raw, raw.parent / "out").corpus
    assert [(c.name, c.split) for c in corpus.clips] == [("fer0000007", "train"), ("fer8", "validation")]
    (raw / "FER2013Valid" / "label.csv").write_text("fer8.png,1,2\n")
    with pytest.raises(CorpusError, match="3 cells"):
        prepare("ferplus", raw, raw.parent / "out2")


def test_tables_that_are_not_in_the_same_order_are_refused(raw: Path, fails: Refusal) -> None:
    face = text(pixels(0))
    write_table(raw / "fer2013.csv", ["emotion", "pixels", "Usage"], [0, face, "Training"], [0, face, "PublicTest"])
    voted(raw, ("PublicTest", "fer0000000.png", CLEAR), ("Training", "fer0000001.png", CLEAR))
    fails("ferplus", "MER-C291", "in row 2 the first says 'publictest', not 'training'")
    voted(raw, ("Training", "fer0000000.png", CLEAR))
    fails("ferplus", "MER-C291", "has no row 3")
    voted(raw, *[("Training", "a.png", CLEAR), ("PublicTest", "b.png", CLEAR), ("PublicTest", "c.png", CLEAR)])
    fails("ferplus", "MER-C291", "3 rows, fer2013.csv has 2")


def test_an_image_name_that_leaves_the_corpus_folder_is_refused(raw: Path) -> None:
    write_table(raw / "fer2013.csv", ["emotion", "pixels", "Usage"], [0, text(pixels(0)), "Training"])
    voted(raw, ("Training", "../../outside.png", CLEAR))
    with pytest.raises(CorpusError):
        prepare("ferplus", raw, raw.parent / "deep" / "out")
    assert not list(raw.parent.rglob("outside.png"))


def test_bad_votes(raw: Path, fails: Refusal) -> None:
    fake_image(raw / "fer0000000.png", side=8)
    voted(raw, ("Training", "fer0000000.png", [*CLEAR[:-1], "x"]))  # type: ignore[list-item]
    fails("ferplus", "MER-C288", "row 2, column NF: 'x'")
    voted(raw, ("Test", "fer0000000.png", CLEAR))
    fails("ferplus", "MER-C285", "column Usage")
    voted(raw, ("Training", "fer0000009.png", CLEAR))
    fails("ferplus", "MER-C286", "fer0000009.png")
    fails("ferplus", "MER-C289", "Did you mean 'majority'", rule="majorty")
