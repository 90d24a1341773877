"""The organisers' tables are told apart by hash, read without pickles, and refused with file and row where damaged."""

import contextlib
import csv
import io
import json
import shutil
import zipfile
from pathlib import Path

import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mertools.errors import SubmissionError
from mertools.wheels import Wheels
from mertools.wheels.official import FILES

WHEEL_ROWS = [
    ("Mad ", "Hurt", "Jealous"),
    (None, None, " Selfish"),
    (None, "Angry", "Furious"),
    ("Joyful", "Cheerful", "Playful"),
    (None, "Aware", "Furious"),
]
FORMS = [("rage", "rages,raging"), ("furious", "furiously, furies"), ("play", "plays"), ("no words", "")]
SYNONYMS = [("Furious", "Rage, wrath"), ("Playful", "play"), ("jealous", "['envious', 'play']"), ("hurt", "fury")]


def workbook(path: Path, rows: list[tuple], sheet: str = "Sheet1") -> None:
    book = openpyxl.Workbook()
    book.active.title = sheet
    for row in rows:
        book.active.append(row)
    book.save(path)


@pytest.fixture
def folder(tmp_path) -> Path:
    """Small tables of the organisers' layout."""
    with (tmp_path / "format.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("name", "format"), *FORMS])
    workbook(
        tmp_path / "synonym.xlsx",
        [("word_run1", "synonym_run1", "word_run2", "synonym_run2"), *(row * 2 for row in SYNONYMS)],
    )
    for n in range(1, 6):
        workbook(tmp_path / f"wheel{n}.xlsx", [("level1", "level2", "level3"), *WHEEL_ROWS])
    return tmp_path


def refused(folder: Path, code: str) -> str:
    with pytest.raises(SubmissionError) as error:
        Wheels.read(folder)
    assert error.value.code == code
    assert error.value.hint
    return error.value.message


@pytest.mark.parametrize("year", ["2025", "2026"])
def test_the_official_tables_are_recognised(real_data, year) -> None:
    wheels = Wheels.read(real_data / "emotion_wheel" / year)
    assert wheels.edition == f"mer{year}"
    assert wheels.official
    assert wheels.warnings == ()
    assert wheels.label == f"official tables of MER{year}"
    assert len(wheels.forms) == {"2025": 7386, "2026": 7356}[year]
    assert len(wheels.synonyms) == 1255
    assert [len(w.level1) for w in wheels.wheels] == [114, 126, 78, 102, 77]
    assert [len(set(w.level2.values())) for w in wheels.wheels] == [36, 41, 36, 48, 36]
    other = {"2025": "mer2026", "2026": "mer2025"}[year]
    assert wheels.warnings_for(f"mer{year}") == ()
    assert "scored with others" in wheels.warnings_for(other)[0]


def test_the_peculiar_places_of_the_official_tables(real_data) -> None:
    wheels = Wheels.read(real_data / "emotion_wheel" / "2026")
    covered = [sum(place[n] is not None for place in wheels.places.values()) for n in range(5)]
    assert covered == [4023, 4369, 3219, 4058, 3034]
    assert wheels.cluster("happy", 4, 1) == "powerful"
    assert wheels.cluster("satisfied", 3, 1) == "genius"
    assert wheels.wheels[1].level2["disappointed"] == "hurt"
    assert [w.level2[label] for w, label in zip(wheels.wheels, ("happy", "bad"), strict=False)] == ["accepted", "bored"]
    for word in ("neutral", "complaining", "none"):
        assert word not in wheels
        assert {wheels.cluster(word, n, level) for n in range(5) for level in (1, 2)} == {None}
    assert [n for n in range(5) if wheels.cluster("serious", n, 1)] == [3]
    assert [n for n in range(5) if wheels.cluster("negative", n, 1)] == [1]


def test_a_folder_that_holds_emotion_wheel_will_do(real_data, tmp_path) -> None:
    shutil.copytree(real_data / "emotion_wheel" / "2026", tmp_path / "emotion_wheel")
    assert Wheels.read(tmp_path).edition == "mer2026"


def test_changed_tables_are_used_with_a_warning(real_data, tmp_path) -> None:
    shutil.copytree(real_data / "emotion_wheel" / "2026", tmp_path, dirs_exist_ok=True)
    (tmp_path / "format.csv").chmod(0o644)
    with (tmp_path / "format.csv").open("a") as file:
        file.write("zany,zanier\n")
    wheels = Wheels.read(tmp_path)
    assert (wheels.edition, wheels.official) == ("unknown", False)
    assert "format.csv" in wheels.warnings[0]
    assert "zanier" in wheels


def test_tables_follow_the_rules(folder) -> None:
    wheels = Wheels.read(folder)
    assert wheels.edition == "unknown"
    assert wheels.forms["raging"] == ("rage",)
    assert wheels.forms["furies"] == ("furious",)
    assert wheels.synonyms["play"] == ("jealous", "playful")
    assert wheels.base(" RAGES ") == "rage"
    assert wheels.synonym("rages") == "furious"
    assert wheels.cluster("rages", 0, 1) == "joyful"  # furious stands twice, the later place counts
    assert wheels.cluster("rages", 0, 2) == "aware"
    assert wheels.cluster("plays", 0, 1) == "mad"  # jealous comes before playful
    assert wheels.wheels[0].level2["mad"] == "angry"
    assert wheels.wheels[0].level1["selfish"] == "mad"
    assert wheels.cluster("no words", 0, 1) is None
    assert "no words" in wheels


def test_tables_survive_json(folder) -> None:
    wheels = Wheels.read(folder)
    again = Wheels.from_json(json.loads(json.dumps(wheels.as_json())))
    assert again.as_json() == wheels.as_json()
    assert (again.places, again.wheels) == (wheels.places, wheels.wheels)
    assert len(repr(again)) < 1000


def test_files_are_read_anew_when_they_change(folder) -> None:
    assert "zany" not in Wheels.read(folder)
    assert Wheels.read(folder) is Wheels.read(folder)
    with (folder / "format.csv").open("a") as file:
        file.write("zany,\n")
    assert "zany" in Wheels.read(folder)


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_named(folder, name) -> None:
    (folder / name).unlink()
    assert name in refused(folder, "MER-S134")


def test_a_folder_that_is_none_is_named(tmp_path) -> None:
    assert "does not exist" in refused(tmp_path / "nowhere", "MER-S134")
    (tmp_path / "file").write_text("")
    assert "it is a file" in refused(tmp_path / "file", "MER-S134")


@pytest.mark.parametrize("name", FILES)
def test_damaged_files_are_named(folder, name) -> None:
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(b"\xff\xfe\x00" + content[: len(content) // 2])
    assert name in refused(folder, "MER-S135")


@pytest.mark.parametrize("name", [name for name in FILES if name.endswith("xlsx")][:2])
@settings(max_examples=25, deadline=None)
@given(at=st.floats(0, 1), byte=st.binary(min_size=1, max_size=4))
def test_no_damage_of_a_workbook_makes_a_traceback(tmp_path_factory, name, at, byte) -> None:
    folder = tmp_path_factory.mktemp("wheels")
    workbook(folder / name, [("level1", "level2", "level3"), *WHEEL_ROWS])
    from mertools.wheels.workbook import read_sheet

    content = bytearray((folder / name).read_bytes())
    start = int(at * (len(content) - len(byte)))
    content[start : start + len(byte)] = byte
    with contextlib.suppress(SubmissionError):
        assert len(read_sheet(name, bytes(content)).cells) <= len(WHEEL_ROWS)


def test_missing_columns_and_sheets_are_named(folder) -> None:
    workbook(folder / "wheel2.xlsx", [("level1", "level 2", "level3"), *WHEEL_ROWS])
    message = refused(folder, "MER-S137")
    assert "wheel2.xlsx has no column 'level2'" in message
    assert "Did you mean 'level 2'?" in message
    workbook(folder / "wheel2.xlsx", [("level1", "level2", "level3"), *WHEEL_ROWS], "Tabelle1")
    assert "Tabelle1" in refused(folder, "MER-S137")
    workbook(folder / "synonym.xlsx", [("word_run1", "synonym_run2"), ("a", "b")])
    assert "synonym_run1" in refused(folder, "MER-S137")
    (folder / "format.csv").write_text("name,forms\nrage,rages\n")
    assert "expected name and format" in refused(folder, "MER-S137")


def test_empty_cells_are_named_by_row(folder) -> None:
    workbook(folder / "wheel3.xlsx", [("level1", "level2", "level3"), *WHEEL_ROWS, (None, "Proud", " ")])
    assert refused(folder, "MER-S138") == "wheel3.xlsx, row 7: the cell of column level3 is empty."
    workbook(folder / "wheel3.xlsx", [("level1", "level2", "level3"), (None, "Proud", "x")])
    assert refused(folder, "MER-S138") == "wheel3.xlsx, row 2: the cell of column level1 is empty."
    workbook(folder / "wheel3.xlsx", [("level1", "level2", "level3"), *WHEEL_ROWS, ("New", None, "x")])
    assert refused(folder, "MER-S138") == "wheel3.xlsx, row 7: the cell of column level2 is empty."
    workbook(folder / "wheel3.xlsx", [("level1", "level2", "level3")])
    assert "no rows" in refused(folder, "MER-S138")
    workbook(folder / "synonym.xlsx", [("word_run1", "synonym_run1"), ("a", "b"), ("c", None)])
    assert refused(folder, "MER-S138") == "synonym.xlsx, row 3: the cell of column synonym_run1 is empty."
    (folder / "format.csv").write_text("name,format\nrage,rages\n ,x\n")
    assert refused(folder, "MER-S138") == "format.csv, row 3: the cell of column name is empty."
    (folder / "format.csv").write_text("name,format\nrage\n")
    assert "row 2: 1 cells" in refused(folder, "MER-S138")


def test_a_workbook_that_unpacks_to_too_much_is_not_unpacked(folder) -> None:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/worksheets/sheet1.xml", b" " * (30 << 20))
    (folder / "wheel1.xlsx").write_bytes(content.getvalue())
    assert "wheel1.xlsx unpacks to" in refused(folder, "MER-S136")
    with zipfile.ZipFile(folder / "wheel1.xlsx", "w") as archive:
        for n in range(300):
            archive.writestr(f"{n}.xml", b"x")
    assert "300 members" in refused(folder, "MER-S136")


def test_a_large_file_and_xml_entities_are_refused(folder) -> None:
    with zipfile.ZipFile(folder / "wheel1.xlsx", "a") as archive:
        archive.writestr("xl/extra.xml", b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "c">]><a/>')
    assert "XML entities" in refused(folder, "MER-S135")
    (folder / "wheel1.xlsx").write_bytes(b"P" * (9 << 20))
    assert "wheel1.xlsx has more than" in refused(folder, "MER-S136")


def test_pickles_in_the_folder_are_never_opened(folder) -> None:
    (folder / "wheel_mapping.npz").write_bytes(b"cos\nsystem\n(S'false'\ntR.")
    assert Wheels.read(folder).forms


def test_wheels_are_found_by_argument_then_environment_then_built_in(folder, tmp_path, monkeypatch) -> None:
    monkeypatch.delenv("MERTOOLS_WHEELS", raising=False)
    assert Wheels.find().edition == "built-in"
    monkeypatch.setenv("MERTOOLS_WHEELS", str(folder))
    assert Wheels.find().edition == "unknown"
    monkeypatch.setenv("MERTOOLS_WHEELS", str(tmp_path / "nowhere"))
    assert Wheels.find(folder).edition == "unknown"
    with pytest.raises(SubmissionError, match="nowhere"):
        Wheels.find()
