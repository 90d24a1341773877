"""Each single defect is caught under its own code; the unmutated file is always valid."""

import io
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from submissions import InvalidSubmissionError, archive, is_valid, mend, package, validate
from submissions import problems as codes


def swapped(m):
    return m.text([m.rows[0], m.rows[2], m.rows[1], *m.rows[3:]])


def columns_swapped(m):
    return m.text([[row[1], row[0], *row[2:]] for row in m.rows])


def with_column(m):
    return m.text([[*m.rows[0], "note"], *[[*row, "x"] for row in m.rows[1:]]])


def doubled_column(m):
    return m.text([row + row[1:2] for row in m.rows])


# name of the defect: (what makes it, its code, rejected?, certain mend?)
ROW_DEFECTS: dict[str, tuple[Callable, str, bool, bool]] = {
    "order": (swapped, codes.ORDER, False, True),
    "missing": (lambda m: m.text(m.rows[:-1]), codes.MISSING_NAME, True, False),
    "duplicate": (lambda m: m.text([*m.rows, m.rows[3]]), codes.DUPLICATE_NAME, True, False),
    "extra": (lambda m: m.text([*m.rows, ["sample_9", *m.rows[1][1:]]]), codes.EXTRA_NAME, True, False),
    "label case": (lambda m: m.edited(2, 1, m.rows[2][1].upper()), codes.LABEL_CASE, True, True),
    "label space": (lambda m: m.edited(2, 1, m.rows[2][1] + " "), codes.SPACES, True, True),
    "label misspelt": (lambda m: m.edited(6, 1, "surprised"), codes.WRONG_LABEL, True, True),
    "label wrong": (lambda m: m.edited(6, 1, "disgust"), codes.WRONG_LABEL, True, False),
    "label empty": (lambda m: m.edited(6, 1, ""), codes.NO_LABEL, True, False),
    "label none": (lambda m: m.edited(6, 1, "None"), codes.NO_LABEL, True, False),
    "name case": (lambda m: m.edited(4, 0, "Sample_00000003"), codes.NAME_CASE, True, True),
    "name space": (lambda m: m.edited(4, 0, " sample_00000003"), codes.SPACES, True, True),
    "name empty": (lambda m: m.edited(4, 0, ""), codes.EMPTY_NAME, True, False),
    "byte order mark": (lambda m: b"\xef\xbb\xbf" + m.text(), codes.BYTE_ORDER_MARK, True, True),
    "CRLF": (lambda m: m.text().replace(b"\n", b"\r\n"), codes.LINE_ENDS, True, True),
    "column renamed": (lambda m: m.edited(0, 1, "emotion"), codes.MISSING_COLUMN, True, False),
    "column spelt": (lambda m: m.edited(0, 1, "Discrete "), codes.HEADER_SPELLING, True, True),
    "column added": (with_column, codes.EXTRA_COLUMN, True, False),
    "column doubled": (doubled_column, codes.REPEATED_COLUMN, True, False),
    "columns swapped": (columns_swapped, codes.COLUMN_ORDER, True, True),
    "cell missing": (lambda m: m.text([*m.rows[:5], m.rows[5][:-1], *m.rows[6:]]), codes.CELL_COUNT, True, False),
    "blank line": (lambda m: m.text().replace(b"\n", b"\n\n", 1), codes.BLANK_LINES, True, True),
    "semicolons": (lambda m: m.text().replace(b",", b";"), codes.SEPARATOR, True, True),
    "not UTF-8": (lambda m: m.text() + b"\xff\xfe,sad\n", codes.NOT_UTF8, True, False),
    "open quote": (lambda m: m.text() + b'"abc', codes.NOT_CSV, True, False),
    "NUL": (lambda m: m.text().replace(b"sample_00000003", b"sample\x000000003"), codes.CONTROL_CHARACTER, True, False),
    "nothing": (lambda m: b"\n", codes.EMPTY_FILE, True, False),
}
VALENCE_DEFECTS = {
    "NaN": ("nan", codes.NO_NUMBER, True),
    "empty": ("", codes.NO_NUMBER, True),
    "text": ("high", codes.NOT_A_NUMBER, True),
    "comma": ("1,5", codes.NOT_A_NUMBER, True),
    "infinite": ("inf", codes.INFINITE, True),
    "space": (" 1.5", codes.SPACES, True),
    "outside": ("7.5", codes.OUTSIDE_RANGE, False),
}


def found(problems) -> set[str]:
    return {p.code for p in problems if p.code not in (codes.CONTAINER, codes.MISSING_NAME)}


def test_the_unmutated_file_is_valid(made) -> None:
    assert found(validate(made.track, made.write(), made.candidates)) == set()
    assert found(validate(made.track, made.write())) == set()


@pytest.mark.parametrize("defect", ROW_DEFECTS)
def test_a_defect_of_rows_has_its_own_code(made, defect: str) -> None:
    mutate, code, rejected, _ = ROW_DEFECTS[defect]
    problems = validate(made.track, made.write(mutate(made)), made.candidates)
    assert code in {p.code for p in problems}
    assert is_valid(problems) is not rejected
    others = found(problems) - {code}
    assert others <= {
        "column renamed": {codes.EXTRA_COLUMN},
        "NUL": {codes.EXTRA_NAME},
        "name empty": {codes.EXTRA_NAME},
        "cell missing": {codes.NO_NUMBER, codes.NO_LABEL},
        "column doubled": set(),
    }.get(defect, set())


@pytest.mark.parametrize("defect", ROW_DEFECTS)
def test_a_mend_is_written_only_where_it_is_certain(made, defect: str, tmp_path: Path) -> None:
    mutate, code, _, certain = ROW_DEFECTS[defect]
    out = tmp_path / "mended.csv"
    if code == codes.EXTRA_NAME:
        assert not certain
    if certain:
        done = mend(made.track, made.write(mutate(made)), out, made.candidates)
        assert code in {p.code for p in done.mended}
        expected = made.edited(6, 1, "surprise") if defect == "label misspelt" else made.text()
        assert out.read_bytes() == expected
    else:
        with pytest.raises(InvalidSubmissionError) as raised:
            mend(made.track, made.write(mutate(made)), out, made.candidates)
        assert not is_valid(raised.value.problems)
        assert not out.exists()


@pytest.mark.parametrize("defect", VALENCE_DEFECTS)
def test_a_defect_of_valence_has_its_own_code(multi, defect: str) -> None:
    cell, code, rejected = VALENCE_DEFECTS[defect]
    problems = validate(multi.track, multi.write(multi.edited(3, 2, cell)), multi.candidates)
    assert [(p.code, p.row, p.column, p.found) for p in problems] == [(code, 4, "valence", cell)]
    assert is_valid(problems) is not rejected


def test_valence_that_is_not_read_is_a_warning(tmp_path: Path) -> None:
    from mertools.tracks import get_track

    path = tmp_path / "s.csv"
    path.write_text("name,discrete,valence\na,sad,\n")
    (tmp_path / "c.csv").write_text("name\na\n")
    problems = validate(get_track("mer2023-semi"), path, tmp_path / "c.csv")
    assert [(p.code, p.severity) for p in problems] == [(codes.NO_NUMBER, "warning")]


def test_the_official_count_is_demanded_unless_candidates_are_given(multi) -> None:
    path = multi.write(multi.text(multi.rows[:-1]))
    assert found(validate(multi.track, path)) == {codes.ROW_COUNT}
    assert {p.code for p in validate("mer2023-multi", path)} == {codes.ROW_COUNT}


def test_order_is_an_error_where_the_track_demands_it(multi) -> None:
    track = replace(multi.track, candidates=replace(multi.track.candidates, ordered=True))
    (problem,) = validate(track, multi.write(swapped(multi)), multi.candidates)
    assert (problem.code, problem.severity, problem.row) == (codes.ORDER, "error", 2)


def test_all_problems_come_at_once(multi) -> None:
    rows = [list(row) for row in multi.rows]
    rows[1][1], rows[2][2], rows[3][0] = "Angry", "x", "sample_x"
    content = b"\xef\xbb\xbf" + multi.text(rows).replace(b"\n", b"\r\n")
    problems = validate(multi.track, multi.write(content), multi.candidates)
    assert {(p.code, p.row) for p in problems} == {
        (codes.BYTE_ORDER_MARK, 1),
        (codes.LINE_ENDS, 1),
        (codes.LABEL_CASE, 2),
        (codes.NOT_A_NUMBER, 3),
        (codes.EXTRA_NAME, 4),
        (codes.MISSING_NAME, None),
    }


def test_a_predictions_file_is_valid_with_a_warning(multi) -> None:
    rows = [[*multi.rows[0], "prob_sad"], *[[*row, "0.5"] for row in multi.rows[1:]]]
    problems = validate(multi.track, multi.write(multi.text(rows)), multi.candidates)
    assert [(p.code, p.severity) for p in problems] == [(codes.PREDICTIONS_FILE, "warning")]


# -- zips --------------------------------------------------------------------------------------------------------------


def zip_of(*members: tuple[str | zipfile.ZipInfo, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression) as z:
        for name, content in members:
            z.writestr(name, content)
    return out.getvalue()


def encrypted(content: bytes) -> bytes:
    """The same zip with the encryption flag of its member set, as tools write it."""
    data = bytearray(zip_of(("answer.csv", content)))
    data[6] |= 1
    data[data.rindex(b"PK\x01\x02") + 8] |= 1
    return bytes(data)


def symlink(content: bytes) -> bytes:
    info = zipfile.ZipInfo("answer.csv")
    info.external_attr = 0o120777 << 16
    return zip_of((info, content))


def wrong_size(content: bytes) -> bytes:
    data = bytearray(zip_of(("answer.csv", content)))
    at = data.rindex(b"PK\x01\x02") + 24
    data[at : at + 4] = (len(content) - 5).to_bytes(4, "little")
    return bytes(data)


ZIP_DEFECTS: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "folder": (lambda c: zip_of(("run1/answer.csv", c)), codes.FOLDER_IN_ZIP),
    "wrong name": (lambda c: zip_of(("results.csv", c)), codes.FILE_NAME),
    "wrong suffix": (lambda c: zip_of(("answer.txt", c)), codes.FILE_NAME),
    "two files": (lambda c: zip_of(("answer.csv", c), ("other.csv", c)), codes.SEVERAL_FILES),
    "a file beside it": (lambda c: zip_of(("answer.csv", c), ("readme.md", b"x")), codes.SEVERAL_FILES),
    "__MACOSX": (lambda c: zip_of(("answer.csv", c), ("__MACOSX/._answer.csv", b"x")), codes.JUNK_IN_ZIP),
    ".DS_Store": (lambda c: zip_of(("answer.csv", c), (".DS_Store", b"x")), codes.JUNK_IN_ZIP),
    "encrypted": (encrypted, codes.ENCRYPTED),
    "path upwards": (lambda c: zip_of(("../answer.csv", c)), codes.UNSAFE_PATH),
    "absolute path": (lambda c: zip_of(("/etc/answer.csv", c)), codes.UNSAFE_PATH),
    "drive letter": (lambda c: zip_of(("C:answer.csv", c)), codes.UNSAFE_PATH),
    "backslashes": (lambda c: zip_of(("a\\answer.csv", c)), codes.UNSAFE_PATH),
    "link": (symlink, codes.UNSAFE_PATH),
    "bomb": (lambda c: zip_of(("answer.csv", c + b"\n" * (20 << 20))), codes.ZIP_BOMB),
    "empty": (lambda c: zip_of(), codes.EMPTY_FILE),
    "cut off": (lambda c: zip_of(("answer.csv", c))[:-30], codes.BROKEN_ZIP),
    "size that lies": (wrong_size, codes.BROKEN_ZIP),
    "no zip": (lambda c: c, codes.BROKEN_ZIP),
}


def test_the_unmutated_zip_is_valid(zipped) -> None:
    path = zipped.write(zip_of(("answer.csv", zipped.text())), "upload.zip")
    assert validate(zipped.track, path, zipped.candidates) == []


@pytest.mark.parametrize("defect", ZIP_DEFECTS)
def test_a_defect_of_the_zip_has_its_own_code(zipped, defect: str) -> None:
    mutate, code = ZIP_DEFECTS[defect]
    problems = validate(zipped.track, zipped.write(mutate(zipped.text()), "upload.zip"), zipped.candidates)
    assert {p.code for p in problems} == {code}
    assert not is_valid(problems)


def test_a_file_that_is_too_large_is_not_read(zipped, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("reading", "archive"):
        monkeypatch.setattr(f"submissions.{module}.MAX_BYTES", 200)
    plain = validate(zipped.track, zipped.write(), zipped.candidates)
    assert codes.TOO_LARGE in {p.code for p in plain}
    monkeypatch.setattr("submissions.reading.MAX_BYTES", 10_000)
    packed = zipped.write(zip_of(("answer.csv", zipped.text())), "upload.zip")
    assert {p.code for p in validate(zipped.track, packed, zipped.candidates)} == {codes.TOO_LARGE}


def test_too_many_rows_columns_or_members_are_refused(zipped, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("submissions.reading.MAX_ROWS", 5)
    rows = validate(zipped.track, zipped.write())
    assert [(p.code, p.row) for p in rows if p.code != codes.CONTAINER] == [(codes.TOO_LARGE, 6)]
    monkeypatch.undo()
    wide = validate(zipped.track, zipped.write(b"name,discrete" + b",x" * 2000 + b"\n"), zipped.candidates)
    assert codes.TOO_LARGE in {p.code for p in wide}
    many = zip_of(*[(f"{i}.csv", b"") for i in range(archive.MAX_MEMBERS + 1)])
    assert {p.code for p in validate(zipped.track, zipped.write(many, "m.zip"))} == {codes.ZIP_BOMB}


def test_a_huge_cell_is_an_error_with_its_row(zipped) -> None:
    content = zipped.text() + b"x" * 200_000 + b",sad\n"
    problems = validate(zipped.track, zipped.write(content))
    assert [(p.code, p.row) for p in problems if p.severity == "error"] == [(codes.NOT_CSV, len(zipped.rows) + 1)]


def test_a_zip_where_the_file_itself_is_wanted_is_refused(multi) -> None:
    path = multi.write(zip_of(("s.csv", multi.text())), "upload.zip")
    assert [(p.code, p.severity) for p in validate(multi.track, path, multi.candidates)] == [(codes.CONTAINER, "error")]


def test_a_file_name_that_is_only_inferred_is_a_warning(zipped) -> None:
    track = replace(zipped.track, upload=replace(zipped.track.upload, file_name_source="inferred"))
    problems = validate(track, zipped.write(zip_of(("x.csv", zipped.text())), "u.zip"), zipped.candidates)
    assert [(p.code, p.severity) for p in problems] == [(codes.FILE_NAME, "warning")]


def test_a_folder_junk_or_wrong_name_in_a_zip_is_mended(zipped, tmp_path: Path) -> None:
    content = zip_of(("run/x.csv", zipped.text()), ("__MACOSX/x", b""))
    out = tmp_path / "good.zip"
    mend(zipped.track, zipped.write(content, "bad.zip"), out, zipped.candidates)
    assert validate(zipped.track, out, zipped.candidates) == []


def test_every_code_is_used_for_one_kind_of_problem_and_tested() -> None:
    known = {value for name, value in vars(codes).items() if name.isupper() and str(value).startswith("MER-S")}
    tested = {d[1] for d in ROW_DEFECTS.values()} | {d[1] for d in VALENCE_DEFECTS.values()}
    tested |= {d[1] for d in ZIP_DEFECTS.values()}
    elsewhere = {codes.NOT_FOUND, codes.TOO_LARGE, codes.ROW_COUNT, codes.CONTAINER, codes.PREDICTIONS_FILE}
    assert known == tested | elsewhere


def test_package_refuses_what_it_cannot_mend(multi, tmp_path: Path) -> None:
    bad = multi.write(multi.edited(2, 1, "Angry"))
    out = tmp_path / "upload.csv"
    with pytest.raises(InvalidSubmissionError) as raised:
        package(multi.track, bad, out, candidates=multi.candidates)
    assert [p.code for p in raised.value.problems] == [codes.LABEL_CASE]
    assert not out.exists()
    package(multi.track, bad, out, candidates=multi.candidates, fix=True)
    assert out.read_bytes() == multi.text()
