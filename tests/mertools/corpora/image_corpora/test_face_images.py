"""CK+, JAFFE, SFEW, RAF-DB and AffectNet: label maps, splits, both layouts of each, and what goes wrong."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mertools import Corpus
from mertools.corpora import CORPORA, prepare
from mertools.corpora.fakes import fake_image, fake_text

Refusal = Callable[..., None]


def image(path: Path) -> Path:
    return fake_image(path, side=8)


def labels_of(corpus: Corpus, column: str = "discrete") -> dict[str, str]:
    return {clip.name: clip.cells[column] for clip in corpus.clips}


# -- CK+ ---------------------------------------------------------------------------------------------------------


def sequence(raw: Path, person: str, number: str, code: str | None, n_frames: int = 5) -> None:
    names = [f"{person}_{number}_{frame:08}" for frame in range(1, n_frames + 1)]
    for name in names:
        image(raw / "cohn-kanade-images" / person / number / f"{name}.png")
    if code is not None:
        fake_text(raw / "Emotion" / person / number / f"{names[-1]}_emotion.txt", code)


def test_ckplus_takes_the_last_three_frames_of_labelled_sequences(raw: Path) -> None:
    sequence(raw, "S010", "004", "   1.0000000e+00\n")
    sequence(raw, "S011", "001", "   7.0000000e+00\n", n_frames=2)
    sequence(raw, "S011", "002", None)
    made = prepare("ck+", raw, raw.parent / "out")
    assert labels_of(made.corpus) == {
        **{f"S010_004_0000000{frame}": "anger" for frame in (3, 4, 5)},
        **{f"S011_001_0000000{frame}": "surprise" for frame in (1, 2)},
    }
    assert labels_of(made.corpus, "speaker")["S011_001_00000001"] == "S011"
    assert labels_of(made.corpus, "source")["S010_004_00000005"] == "S010_004"
    classes = "anger contempt disgust fear happy sadness surprise"
    assert made.corpus.target("discrete").classes == tuple(classes.split())
    assert made.warnings == ("ck+: 5 clips, published are 981.",)


def test_ckplus_gives_the_first_frame_as_neutral_if_asked(raw: Path) -> None:
    sequence(raw, "S010", "004", "5.0")
    corpus = prepare("ck+", raw, raw.parent / "out", frames="1", neutral="first").corpus
    assert labels_of(corpus) == {"S010_004_00000001": "neutral", "S010_004_00000005": "happy"}
    assert corpus.target("discrete").classes[-1] == "neutral"


def test_ckplus_reads_class_folders(raw: Path) -> None:
    image(raw / "CK+48" / "happy" / "S010_006_00000013.png")
    image(raw / "CK+48" / "anger" / "unknown_person.png")
    image(raw / "CK+48" / "preview.png")
    made = prepare("ck+", raw, raw.parent / "out")
    assert labels_of(made.corpus) == {"unknown_person": "anger", "S010_006_00000013": "happy"}
    assert labels_of(made.corpus, "speaker") == {"unknown_person": "", "S010_006_00000013": "S010"}
    assert any("preview.png" in w for w in made.warnings)
    assert any("speaker is empty: unknown_person.png" in w for w in made.warnings)


def test_ckplus_bad_input(raw: Path, fails: Refusal) -> None:
    sequence(raw, "S010", "004", "8.0")
    fails("ck+", "MER-C285", "'8.0' is no emotion code")
    sequence(raw, "S010", "004", "happy")
    fails("ck+", "MER-C285", "'happy' is no emotion code")
    fails("ck+", "MER-C289", "frames=0", frames="0")
    fails("ck+", "MER-C289", "Did you mean 'first'", neutral="frist")
    for path in list(raw.rglob("*.png")):
        path.unlink()
    fails("ck+", "MER-C286", "S010_004_00000005")
    image(raw / "cohn-kanade-images" / "S999" / "001" / "S999_001_00000001.png")
    fails("ck+", "MER-C286", "S010_004_00000005")


# -- JAFFE -------------------------------------------------------------------------------------------------------


def test_jaffe_reads_person_and_expression_from_names(raw: Path, fails: Refusal) -> None:
    for name in ("KA.AN1.39", "YM.SU3.60", "KM.FE2.12"):
        image(raw / f"{name}.tiff")
    image(raw / "portrait.tiff")
    made = prepare("jaffe", raw, raw.parent / "out")
    assert labels_of(made.corpus) == {"KA.AN1.39": "anger", "YM.SU3.60": "surprise", "KM.FE2.12": "fear"}
    assert labels_of(made.corpus, "speaker")["YM.SU3.60"] == "YM"
    assert any("portrait.tiff" in w for w in made.warnings)
    image(raw / "copy" / "KA.AN1.39.tiff")
    fails("jaffe", "MER-C281", "two images would be the clip 'KA.AN1.39'")


# -- SFEW --------------------------------------------------------------------------------------------------------


def test_sfew_splits_by_folder_and_leaves_test_images_without_a_label(raw: Path) -> None:
    image(raw / "Train" / "Angry" / "Film_One_000329240_00000004.png")
    image(raw / "Val" / "Sad" / "FilmTwo_000100020_00000001.png")
    image(raw / "Test" / "FilmThree_000100020_00000001.png")
    image(raw / "stray.png")
    made = prepare("sfew", raw, raw.parent / "out")
    splits = {clip.name: clip.split for clip in made.corpus.clips}
    assert splits == {
        "Film_One_000329240_00000004": "train",
        "FilmTwo_000100020_00000001": "validation",
        "FilmThree_000100020_00000001": "candidate",
    }
    assert labels_of(made.corpus)["FilmThree_000100020_00000001"] == ""
    assert labels_of(made.corpus, "source")["Film_One_000329240_00000004"] == "Film_One"
    assert {s.name: s.role for s in made.corpus.splits}["candidate"] == "candidate"
    assert any("stray.png" in w for w in made.warnings)


def test_sfew_keeps_frames_and_aligned_faces_apart(raw: Path, fails: Refusal) -> None:
    name = "Film_000329240_00000004.png"
    image(raw / "Train" / "Happy" / name)
    image(raw / "Train_Aligned_Faces" / "Happy" / name)
    image(raw / "Test_Aligned_Faces_new" / "Film_000329241_00000004.png")
    frames = prepare("sfew", raw, raw.parent / "frames").corpus
    assert [clip.video for clip in frames.clips] == [raw / "Train" / "Happy" / name]
    faces = prepare("sfew", raw, raw.parent / "faces", images="aligned").corpus
    assert [(clip.split, clip.video.parts[-3]) for clip in faces.clips if clip.video] == [
        *(("train", "Train_Aligned_Faces"), ("candidate", raw.name)),
    ]
    fails("sfew", "MER-C289", "Did you mean 'aligned'", images="align")


# -- RAF-DB ------------------------------------------------------------------------------------------------------


def rafdb(raw: Path, lines: str, top: str = "basic") -> None:
    fake_text(raw / top / "EmoLabel" / "list_patition_label.txt", lines)


def test_rafdb_reads_codes_splits_and_attributes(raw: Path) -> None:
    rafdb(raw, "train_00001.jpg 5\ntest_0002.jpg 7\n")
    image(raw / "basic/Image/aligned/train_00001_aligned.jpg")
    image(raw / "basic/Image/original/train_00001.jpg")
    image(raw / "basic/Image/original/test_0002.jpg")
    fake_text(raw / "basic/Annotation/manual/train_00001_manu_attri.txt", "1.5\t2.5\n" * 5 + "1\n2\n3\n")
    corpus = prepare("rafdb", raw, raw.parent / "out").corpus
    assert labels_of(corpus) == {"train_00001": "Sadness", "test_0002": "Neutral"}
    clip = corpus.clip("train_00001")
    assert clip.video == raw / "basic/Image/aligned/train_00001_aligned.jpg", "aligned first"
    assert (clip.cells["sex"], clip.cells["race"], clip.cells["age"]) == ("female", "Asian", "40-69")
    assert corpus.clip("test_0002").split == "test"
    original = prepare("rafdb", raw, raw.parent / "original", images="original").corpus
    assert original.clip("train_00001").video == raw / "basic/Image/original/train_00001.jpg"


def test_rafdb_compound_emotions_are_a_set_of_their_own(raw: Path) -> None:
    rafdb(raw, "train_1.jpg 5\n")
    rafdb(raw, "train_1.jpg 11\n", top="compound")
    image(raw / "basic/Image/aligned/train_1_aligned.jpg")
    image(raw / "compound/Image/aligned/train_1_aligned.jpg")
    corpus = prepare("rafdb", raw, raw.parent / "out", emotions="compound").corpus
    assert labels_of(corpus) == {"train_1": "Disgustedly Surprised"}
    assert corpus.clips[0].video == raw / "compound/Image/aligned/train_1_aligned.jpg"
    assert labels_of(prepare("rafdb", raw, raw.parent / "basic").corpus) == {"train_1": "Sadness"}


def test_rafdb_reads_numbered_folders(raw: Path) -> None:
    image(raw / "DATASET/train/1/train_00001_aligned.jpg")
    image(raw / "DATASET/test/4/test_0001_aligned.jpg")
    corpus = prepare("rafdb", raw, raw.parent / "out").corpus
    assert labels_of(corpus) == {"train_00001": "Surprise", "test_0001": "Happiness"}
    assert [clip.split for clip in corpus.clips] == ["test", "train"]


def test_rafdb_tells_rows_without_image_and_images_without_row(raw: Path) -> None:
    rafdb(raw, "train_1.jpg 5\ntrain_2.jpg 5\n")
    image(raw / "basic/Image/aligned/train_1_aligned.jpg")
    image(raw / "basic/Image/aligned/train_9_aligned.jpg")
    made = prepare("rafdb", raw, raw.parent / "out")
    assert len(made.corpus) == 1
    assert any("names 1 images that are not there, left out: train_2.jpg" in w for w in made.warnings)
    assert any("have no row in list_patition_label.txt, left out: train_9_aligned.jpg" in w for w in made.warnings)


@pytest.mark.parametrize(
    ("lines", "options", "code", "says"),
    [
        ("train_1.jpg 8\n", {}, "MER-C285", "row 1: '8' is no label"),
        ("train_1.jpg\n", {}, "MER-C283", "is not a name and a label"),
        ("train_7.jpg 1\n", {}, "MER-C286", "none of the 1 images"),
        ("train_1.jpg 1\n", {"emotions": "basics"}, "MER-C289", "Did you mean 'basic'"),
        ("train_1.jpg 1\ntrain_1.jpg 2\n", {}, "MER-C281", "train_1"),
    ],
)
def test_rafdb_bad_input(raw: Path, fails: Refusal, lines: str, options: dict[str, str], code: str, says: str) -> None:
    rafdb(raw, lines)
    image(raw / "basic/Image/aligned/train_1_aligned.jpg")
    fails("rafdb", code, says, **options)


def test_rafdb_with_two_lists_is_refused(raw: Path, fails: Refusal) -> None:
    for top in ("a/basic", "b/basic"):
        rafdb(raw, "train_1.jpg 1\n", top=top)
        image(raw / top / "Image/aligned/train_1_aligned.jpg")
    fails("rafdb", "MER-C293")


# -- AffectNet ---------------------------------------------------------------------------------------------------


def affectnet_table(path: Path, *rows: tuple[str, int, float, float]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["subDirectory_filePath", "face_x", "facial_landmarks", "expression", "valence", "arousal"])
        writer.writerows([name, 1, "1;2;3", code, valence, arousal] for name, code, valence, arousal in rows)


def test_affectnet_full_release(raw: Path) -> None:
    affectnet_table(
        raw / "training.csv",
        ("689/a.jpg", 1, 0.5, -0.25),
        ("689/b.jpg", 10, -2, -2),
        ("12/a.jpg", 7, -2, -2),
        ("1/gone.jpg", 0, 0, 0),
    )
    affectnet_table(raw / "validation.csv", ("12/c.jpg", 0, 0, 1))
    for name in ("689/a.jpg", "689/b.jpg", "12/a.jpg", "12/c.jpg"):
        image(raw / "Manually_Annotated_Images" / name)
    made = prepare("affectnet", raw, raw.parent / "out")
    corpus = made.corpus
    assert labels_of(corpus) == {"689_a": "Happiness", "12_a": "Contempt", "12_c": "Neutral"}
    assert labels_of(corpus, "valence") == {"689_a": "0.5", "12_a": "", "12_c": "0"}
    assert labels_of(corpus, "arousal")["689_a"] == "-0.25"
    assert corpus.target("valence").range == (-1, 1)
    assert Counter(clip.split for clip in corpus.clips) == {"train": 2, "validation": 1}
    assert any("No-Face 1" in w for w in made.warnings)
    assert any("1/gone.jpg" in w for w in made.warnings)
    seven = prepare("affectnet", raw, raw.parent / "seven", classes="7").corpus
    assert "12_a" not in labels_of(seven)
    assert "Contempt" not in seven.target("discrete").classes


def annotate(folder: Path, number: int, **values: object) -> None:
    image(folder / "images" / f"{number}.jpg")
    (folder / "annotations").mkdir(exist_ok=True)
    for kind, value in values.items():
        np.save(folder / "annotations" / f"{number}_{kind}.npy", np.array(value), allow_pickle=True)


def test_affectnet_release_of_eight_labels(raw: Path) -> None:
    annotate(raw / "train_set", 10, exp="6", val="-0.5", aro="0.25")
    annotate(raw / "train_set", 2, exp="1", val=0.5, aro=-2)
    annotate(raw / "val_set", 2, exp=3, val="0", aro="0")
    image(raw / "val_set" / "images" / "7.jpg")
    made = prepare("affectnet", raw, raw.parent / "out")
    assert labels_of(made.corpus) == {"train_2": "Happiness", "train_10": "Anger", "val_2": "Surprise"}
    assert labels_of(made.corpus, "valence") == {"train_2": "0.5", "train_10": "-0.5", "val_2": "0"}
    assert labels_of(made.corpus, "arousal")["train_2"] == ""
    assert any("have no annotation, left out: 7.jpg" in w for w in made.warnings)


def test_affectnet_class_folders(raw: Path) -> None:
    for path in ("train/happy/image1.jpg", "train/sad/image1.jpg", "val/7/image1.png"):
        image(raw / path)
    corpus = prepare("affectnet", raw, raw.parent / "out").corpus
    assert labels_of(corpus) == {
        "train_happiness_image1": "Happiness",
        "train_sadness_image1": "Sadness",
        "validation_contempt_image1": "Contempt",
    }
    assert [target.name for target in corpus.targets] == ["discrete"]


def test_affectnet_bad_input(raw: Path, fails: Refusal) -> None:
    affectnet_table(raw / "training.csv", ("1/a.jpg", 11, 0, 0))
    image(raw / "1" / "a.jpg")
    fails("affectnet", "MER-C285", "row 2, column expression")
    affectnet_table(raw / "training.csv", ("1/a.jpg", 1, 3, 0))
    fails("affectnet", "MER-C288", "column valence: '3'")
    fails("affectnet", "MER-C289", classes="9")
    (raw / "training.csv").write_text("subDirectory_filePath,expression\n1/a.jpg,1\n")
    fails("affectnet", "MER-C284", "no column valence and no column arousal")
    (raw / "training.csv").write_bytes(b"\xff\xfe\x00")
    fails("affectnet", "MER-C283")
    (raw / "training.csv").unlink()
    annotate(raw / "train_set", 1, exp={"a": 1}, val=0, aro=0)
    fails("affectnet", "MER-C292", "1_exp.npy")


@pytest.mark.parametrize("name", ["ck+", "jaffe", "sfew", "rafdb", "affectnet", "fer2013", "ferplus"])
def test_a_folder_of_other_images_is_refused_with_the_layout_that_is_expected(
    name: str, raw: Path, fails: Refusal
) -> None:
    image(raw / "holiday" / "beach.jpg")
    fails(name, "MER-C280", "1 images, no known layout. Expected")


@pytest.mark.parametrize("name", ["ck+", "jaffe", "sfew", "rafdb", "affectnet", "abstract", "twitter2", "casme2"])
def test_images_are_referred_to_and_last_no_time(name: str, raw: Path) -> None:
    CORPORA.get(name)().fake(raw)
    corpus = prepare(name, raw, raw.parent / "out").corpus
    assert {clip.cells["duration"] for clip in corpus.clips} == {"0"}
    assert all(clip.video and clip.video.is_relative_to(raw) for clip in corpus.clips)
