"""CASME, CASME II and SAMM: coding sheets as they are released, apex frames, the selections of classes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from mertools.corpora import prepare
from mertools.corpora.fakes import fake_image
from mertools.corpora.micro_expressions import RELEASES
from mertools.errors import CorpusError

Refusal = Callable[..., None]

CASME2 = [
    "Subject",
    "Filename",
    None,
    "OnsetFrame",
    "ApexFrame",
    "OffsetFrame",
    None,
    "Action Units",
    "Estimated Emotion",
]
SAMM = [
    *("Subject", "Filename", "Inducement Code", "Onset Frame", "Apex Frame", "Offset Frame", "Duration", "Micro"),
    *("Action Units", "Estimated Emotion", "Objective Classes", "Notes"),
]


def sheet(path: Path, *rows: Sequence[object]) -> None:
    from openpyxl import Workbook

    book = Workbook()
    for row in rows:
        book.active.append(list(row))
    book.save(path)


def frame(path: Path) -> None:
    fake_image(path, side=8)


def casme2_row(subject: object, file: str, apex: object, emotion: str, onset: int = 10) -> list[object]:
    return [subject, file, None, onset, apex, 90, None, "4+L10", emotion]


def test_casme2_finds_the_apex_frame_of_each_row(raw: Path) -> None:
    sheet(
        raw / "CASME2-coding.xlsx",
        CASME2,
        casme2_row("01", "EP02_01f", 59, "happiness"),
        casme2_row("17", "EP02_01f", 59, "others"),
        casme2_row("04", "EP12_01f", "/", "others"),
        casme2_row("05", "EP19_01", 33.0, "fear"),
        [None] * 9,
    )
    for path in ("sub01/EP02_01f/img58", "sub01/EP02_01f/img59", "sub17/EP02_01f/img059", "sub05/EP19_01/img33"):
        frame(raw / "CASME2_RAW_selected" / f"{path}.jpg")
    made = prepare("casme2", raw, raw.parent / "out")
    assert {c.name: (c.cells["discrete"], c.cells["speaker"]) for c in made.corpus.clips} == {
        "sub01_EP02_01f": ("happiness", "01"),
        "sub17_EP02_01f": ("others", "17"),
    }
    clip = made.corpus.clip("sub01_EP02_01f")
    assert clip.video == raw / "CASME2_RAW_selected/sub01/EP02_01f/img59.jpg"
    assert [clip.cells[column] for column in ("onset", "apex", "offset")] == ["10", "59", "90"]
    assert clip.cells["action_units"] == "4+L10"
    assert clip.cells["sequence"] == "CASME2_RAW_selected/sub01/EP02_01f"
    assert any("1 expressions have no apex frame" in w and "sub04_EP12_01f" in w for w in made.warnings)
    assert any("no class of the selection, left out: fear 1" in w for w in made.warnings)
    everything = prepare("casme2", raw, raw.parent / "all", emotions="all").corpus
    assert everything.clip("sub05_EP19_01").cells["discrete"] == "fear"
    assert everything.target("discrete").classes[:5] == made.corpus.target("discrete").classes


def test_a_frame_of_another_person_is_never_taken(raw: Path) -> None:
    sheet(
        raw / "coding.xlsx",
        CASME2,
        casme2_row("01", "EP02_01f", 59, "happiness"),
        casme2_row("02", "EP02_01f", 59, "happiness"),
    )
    frame(raw / "sub02" / "EP02_01f" / "img59.jpg")
    assert [c.name for c in prepare("casme2", raw, raw.parent / "out").corpus.clips] == ["sub02_EP02_01f"]


def test_samm_has_remarks_above_its_header_and_names_with_the_person(raw: Path) -> None:
    sheet(
        raw / "SAMM_Micro_FACS_Codes_v2.xlsx",
        ["SAMM codes, notes above the table"],
        [],
        ["Micro", "the duration decides"],
        SAMM,
        ["006", "006_1_2", 1, 5562, 5588, 5632, 71, "Micro - 1/2", "A4", "Anger", 4, ""],
        [7, "007_3_1", 1, 10, 20, 30, 21, "Micro - 1/2", "A4", "Other", 7, ""],
        ["007", "007_3_2", 1, 10, 20, 30, 21, "Micro - 1/2", "A4", "Sadness", 7, ""],
    )
    for name in ("006/006_1_2/006_05588", "007/007_3_1/007_0020"):
        frame(raw / "SAMM" / f"{name}.jpg")
    made = prepare("samm", raw, raw.parent / "out")
    assert {c.name: c.cells["discrete"] for c in made.corpus.clips} == {"006_1_2": "Anger", "007_3_1": "Other"}
    assert made.corpus.clip("006_1_2").cells["objective_class"] == "4"
    assert made.corpus.target("discrete").classes == ("Anger", "Contempt", "Happiness", "Surprise", "Other")


def test_casme_sheet_as_csv(raw: Path) -> None:
    (raw / "casme.csv").write_text(
        "Subject,Filename,OnsetF,ApexF1,ApexF2,OffsetF,AU,Emotion\n1,EP01_12,68,84,0,98,4,tense\n"
    )
    frame(raw / "sub01" / "EP01_12" / "EP01_12-84.jpg")
    (clip,) = prepare("casme", raw, raw.parent / "out").corpus.clips
    assert (clip.name, clip.cells["discrete"], clip.cells["apex"]) == ("sub01_EP01_12", "tense", "84")


def test_of_two_releases_of_the_frames_one_is_chosen(raw: Path, fails: Refusal) -> None:
    sheet(raw / "coding.xlsx", CASME2, casme2_row("01", "EP02_01f", 59, "happiness"))
    frame(raw / "CASME2_RAW_selected" / "sub01" / "EP02_01f" / "img59.jpg")
    frame(raw / "Cropped" / "sub01" / "EP02_01f" / "reg_img59.jpg")
    made = prepare("casme2", raw, raw.parent / "out")
    assert made.corpus.clips[0].video == raw / "CASME2_RAW_selected/sub01/EP02_01f/img59.jpg"
    assert any("CASME2_RAW_selected is used, not Cropped" in w for w in made.warnings)
    chosen = prepare("casme2", raw, raw.parent / "cropped", frames="Cropped")
    assert chosen.corpus.clips[0].video == raw / "Cropped/sub01/EP02_01f/reg_img59.jpg"
    assert not any("is used, not" in w for w in chosen.warnings)
    fails("casme2", "MER-C289", "there are no images below", frames="Croped")


def test_two_expressions_of_one_recording_are_two_clips(raw: Path, fails: Refusal) -> None:
    rows = [casme2_row("01", "EP02_01f", apex, "happiness", onset=apex - 5) for apex in (20, 60)]
    sheet(raw / "coding.xlsx", CASME2, *rows)
    for apex in (20, 60):
        frame(raw / "sub01" / "EP02_01f" / f"img{apex}.jpg")
    assert [c.name for c in prepare("casme2", raw, raw.parent / "out").corpus.clips] == [
        *("sub01_EP02_01f", "sub01_EP02_01f-55"),
    ]
    sheet(raw / "coding.xlsx", CASME2, rows[0], rows[0])
    fails("casme2", "MER-C287", "stands twice")


def test_bad_sheets(raw: Path, fails: Refusal) -> None:
    frame(raw / "sub01" / "EP02_01f" / "img59.jpg")
    fails("casme2", "MER-C280", "no known layout")
    sheet(raw / "coding.xlsx", CASME2, casme2_row("01", "EP02_01f", 59, "hapiness"))
    fails("casme2", "MER-C285", "row 2: 'hapiness' is no label of this corpus. Did you mean 'happiness'?")
    sheet(raw / "coding.xlsx", CASME2, casme2_row("01", "EP02_01f", 60, "happiness"))
    fails("casme2", "MER-C286", "sub01_EP02_01f")
    sheet(raw / "coding.xlsx", CASME2[:-1], casme2_row("01", "EP02_01f", 59, "")[:-1])
    fails("casme2", "MER-C284", "no column Estimated Emotion")
    sheet(raw / "coding.xlsx", CASME2, casme2_row("01", "EP02_01f", 59, "fear"))
    fails("casme2", "MER-C286", "names no expression of happiness")
    fails("casme2", "MER-C289", "Did you mean 'selection'", emotions="selected")
    (raw / "coding.xlsx").write_bytes(b"not a zip")
    fails("casme2", "MER-C283", "cannot be read as xlsx")
    (raw / "coding.xlsx").rename(raw / "coding.xls")
    fails("casme2", "MER-C283", "old Excel file")


def test_the_sheet_is_told_from_other_tables_by_its_columns(raw: Path) -> None:
    frame(raw / "sub01" / "EP02_01f" / "img59.jpg")
    sheet(raw / "coding.xlsx", CASME2, casme2_row("01", "EP02_01f", 59, "happiness"))
    (raw / "subjects.csv").write_text("Subject,Age\n1,22\n")
    assert len(prepare("casme2", raw, raw.parent / "out").corpus) == 1
    sheet(raw / "more.xlsx", CASME2, casme2_row("01", "EP02_01f", 59, "happiness"))
    with pytest.raises(CorpusError, match="two coding sheets"):
        prepare("casme2", raw, raw.parent / "out")


def test_selections_are_those_of_the_benchmark() -> None:
    assert {name: len(release.selection) for name, release in RELEASES.items()} == {"casme": 4, "casme2": 5, "samm": 5}
