"""Each single defect is caught under its own code, on every track that it can happen to; what is fine stays valid."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from mertools.tracks import TRACKS, Track
from submissions import InvalidSubmissionError, is_valid, mend, package, validate
from submissions import problems as codes


@dataclass(frozen=True)
class Defect:
    """What makes a defect, its code, whether it is an error, whether its mend is certain, which codes may follow."""

    mutate: Callable
    code: str
    rejected: bool = True
    certain: bool = False
    also: tuple[str, ...] = ()


def swapped(m):
    return m.text([m.rows[0], m.rows[2], m.rows[1], *m.rows[3:]])


def columns_swapped(m):
    return m.text([[row[1], row[0], *row[2:]] for row in m.rows])


def with_column(m):
    return m.text([[*m.rows[0], "note"], *[[*row, "x"] for row in m.rows[1:]]])


def doubled_column(m):
    return m.text([row + row[1:2] for row in m.rows])


def column_spelt(m):
    header = list(m.rows[0])
    header[1] = f"{header[1].swapcase()} "
    return m.text([header, *m.rows[1:]])


def column_renamed(m):
    return m.text([[m.rows[0][0], "emotion", *m.rows[0][2:]], *m.rows[1:]])


def named(m, name: str) -> bytes:
    """The fourth row under another name (of several keys: under another first one)."""
    return m.edited(4, 0, name)


def fourth(m) -> str:
    return m.rows[4][0]


def extra(m):
    name = m.rows[1][0].replace("clip0", "clip99").replace("sample_0", "sample_9")
    return m.text([*m.rows, [name, *m.rows[1][1:]]])


def semicolons(m):
    return m.text([[f"{';'.join(row)}"] for row in m.rows]).replace(b'"', b"")


ROWS = {
    "order": Defect(swapped, codes.ORDER, rejected=False, certain=True),
    "missing": Defect(lambda m: m.text(m.rows[:-1]), codes.MISSING_NAME),
    "extra": Defect(extra, codes.EXTRA_NAME),
    "name case": Defect(lambda m: named(m, fourth(m).upper().replace("JPG", "jpg")), codes.NAME_CASE, certain=True),
    "name space": Defect(lambda m: named(m, f" {fourth(m)}"), codes.SPACES, certain=True),
    "name empty": Defect(lambda m: named(m, ""), codes.EMPTY_NAME, also=(codes.EXTRA_NAME, codes.FRAME_KEY)),
}
TABLES = {
    "duplicate": Defect(lambda m: m.text([*m.rows, m.rows[3]]), codes.DUPLICATE_NAME),
}
CSVS = {
    "byte order mark": Defect(lambda m: b"\xef\xbb\xbf" + m.text(), codes.BYTE_ORDER_MARK, certain=True),
    "CRLF": Defect(lambda m: m.text().replace(b"\n", b"\r\n"), codes.LINE_ENDS, certain=True),
    "cell missing": Defect(
        lambda m: m.text([*m.rows[:5], m.rows[5][:-1], *m.rows[6:]]),
        codes.CELL_COUNT,
        also=(codes.NO_NUMBER, codes.NO_LABEL, codes.EMPTY_TEXT, codes.SCORED_AS_EMPTY),
    ),
    "blank line": Defect(lambda m: m.text().replace(b"\n", b"\n\n", 1), codes.BLANK_LINES, certain=True),
    "not UTF-8": Defect(lambda m: m.text() + b"\xff\xfe,sad\n", codes.NOT_UTF8),
    "open quote": Defect(lambda m: m.text() + b'"abc', codes.NOT_CSV),
    "NUL": Defect(
        lambda m: m.text().replace(fourth(m).encode(), fourth(m).encode()[:-1] + b"\x00", 1),
        codes.CONTROL_CHARACTER,
        also=(codes.EXTRA_NAME, codes.FRAME_KEY),
    ),
    "nothing": Defect(lambda m: b"\n", codes.EMPTY_FILE),
}
HEADERS = {
    "column renamed": Defect(column_renamed, codes.MISSING_COLUMN, also=(codes.EXTRA_COLUMN,)),
    "column spelt": Defect(column_spelt, codes.HEADER_SPELLING, certain=True),
    "column added": Defect(with_column, codes.EXTRA_COLUMN),
    "column doubled": Defect(doubled_column, codes.REPEATED_COLUMN),
    "columns swapped": Defect(columns_swapped, codes.COLUMN_ORDER, certain=True),
}
PRESCRIBED_HEADER = {
    "header of the columns": Defect(
        lambda m: m.text().replace(",".join(m.track.upload.header).encode(), ",".join(m.rows[0]).encode()),
        codes.HEADER_LINE,
        certain=True,
    ),
    "header cut short": Defect(
        lambda m: m.text().replace(f",{m.track.upload.header[-1]}\n".encode(), b"\n", 1),
        codes.HEADER_LINE,
        certain=True,
    ),
    "header spelt": Defect(
        lambda m: m.text().replace(m.track.upload.header[1].encode(), m.track.upload.header[1].upper().encode(), 1),
        codes.HEADER_SPELLING,
        certain=True,
    ),
}


def in_column(kind: str, change: Callable[[str], str] | str) -> Callable:
    def mutate(m):
        at = m.rows[0].index(m.column(kind).name)
        return m.edited(6, at, change if isinstance(change, str) else change(m.rows[6][at]))

    return mutate


def frame(change: Callable[[str], str]) -> Callable:
    return lambda m: named(m, change(fourth(m)))


KINDS: dict[str, dict[str, Defect]] = {
    "label": {
        "label space": Defect(in_column("label", lambda c: c + " "), codes.SPACES, certain=True),
        "label wrong": Defect(in_column("label", "contempt"), codes.WRONG_LABEL),
        "label empty": Defect(in_column("label", ""), codes.NO_LABEL),
        "label none": Defect(in_column("label", "None"), codes.NO_LABEL),
    },
    "word label": {
        "label case": Defect(in_column("label", str.swapcase), codes.LABEL_CASE, certain=True),
    },
    "respelt label": {
        "label misspelt": Defect(in_column("label", lambda c: c + "d"), codes.WRONG_LABEL, certain=True),
    },
    "code label": {
        "label as a number": Defect(in_column("label", lambda c: c + ".0"), codes.WRONG_LABEL, certain=True),
    },
    "preference": {
        "preference case": Defect(in_column("preference", str.upper), codes.LABEL_CASE, certain=True),
        "preference space": Defect(in_column("preference", lambda c: " " + c), codes.SPACES, certain=True),
        "preference tie": Defect(in_column("preference", "same"), codes.WRONG_LABEL),
        "preference empty": Defect(in_column("preference", ""), codes.NO_LABEL),
    },
    "number": {
        "NaN": Defect(in_column("number", "nan"), codes.NO_NUMBER),
        "no number": Defect(in_column("number", ""), codes.NO_NUMBER),
        "words": Defect(in_column("number", "high"), codes.NOT_A_NUMBER),
        "comma": Defect(in_column("number", "1,5"), codes.NOT_A_NUMBER),
        "infinite": Defect(in_column("number", "inf"), codes.INFINITE),
        "number space": Defect(in_column("number", lambda c: " " + c), codes.SPACES, certain=True),
    },
    "ranged number": {
        "outside": Defect(in_column("number", "7.5"), codes.OUTSIDE_RANGE, rejected=False),
    },
    "text": {
        "text empty": Defect(in_column("text", " "), codes.EMPTY_TEXT),
        "text foreign": Defect(in_column("text", "他看起来很高兴"), codes.TEXT_LANGUAGE, rejected=False),
    },
    "labels mer2025": {
        "semicolon": Defect(in_column("labels", "happy; sad"), codes.WORD_SEPARATOR, certain=True),
        "and": Defect(in_column("labels", "happy and sad"), codes.WORD_SEPARATOR, rejected=False),
        "dot": Defect(in_column("labels", "happy, sad."), codes.WORD_DOT, certain=True),
        "glued bracket": Defect(in_column("labels", " [happy, sad]"), codes.WORD_BRACKETS, certain=True),
        "half a list": Defect(in_column("labels", "["), codes.WORDS_UNREADABLE),
    },
    "labels mer2024": {
        "no brackets": Defect(in_column("labels", "happy, sad"), codes.WORDS_UNREADABLE, certain=True),
        "no quotes": Defect(in_column("labels", "[happy, sad]"), codes.WORD_SEPARATOR, certain=True),
        "blanks in quotes": Defect(in_column("labels", "['happy ', 'sad']"), codes.SPACES, certain=True),
        "words empty": Defect(in_column("labels", ""), codes.SCORED_AS_EMPTY),
    },
    "labels": {
        "nothing": Defect(in_column("labels", "None"), codes.SCORED_AS_EMPTY),
        "foreign": Defect(
            in_column("labels", lambda c: c.replace("happy", "heureuxé").replace(c[-7:], "é" + c[-7:], 1)),
            codes.WORD_LETTERS,
            rejected=False,
        ),
        "long": Defect(
            in_column("labels", lambda c: "['" + "', '".join(f"word{i}" for i in range(10_000)) + "']"),
            codes.LONG_CELL,
            also=(codes.MANY_WORDS,),
        ),
        "many": Defect(
            in_column("labels", lambda c: "['" + "', '".join(f"word{'abcdefghijklmn'[i]}" for i in range(12)) + "']"),
            codes.MANY_WORDS,
            rejected=False,
        ),
        "twice": Defect(
            in_column("labels", lambda c: c.replace("]", ", 'joy', 'joy']") if "[" in c else c + ", joy, joy"),
            codes.REPEATED_WORD,
            rejected=False,
        ),
        "apostrophe": Defect(
            in_column("labels", lambda c: c.replace("]", ", 'can't stand']") if "[" in c else c + ", can't stand"),
            codes.WORD_APOSTROPHE,
            rejected=False,
        ),
    },
    "frame": {
        "four digits": Defect(frame(lambda k: k.replace("/0", "/")), codes.FRAME_KEY, certain=True),
        "no suffix": Defect(frame(lambda k: k.removesuffix(".jpg")), codes.FRAME_KEY, certain=True),
        "frame 0": Defect(frame(lambda k: k[:-9] + "00000.jpg"), codes.FRAME_KEY, also=(codes.EXTRA_NAME,)),
        "no frame": Defect(frame(lambda k: k.split("/")[0]), codes.FRAME_KEY, also=(codes.EXTRA_NAME,)),
    },
}


def defects_of(track: Track) -> dict[str, Defect]:
    """All defects that can happen to uploads of a track."""
    upload = track.upload
    found = dict(ROWS)
    if upload.kind != "texts":
        found |= TABLES
    if upload.kind == "csv":
        found |= CSVS | (PRESCRIBED_HEADER if upload.header else HEADERS)
    for column in upload.columns:
        kinds = [column.kind, f"{column.kind} {column.words}"]
        if column.kind == "label":
            kinds.append("word label" if column.allowed[0].isalpha() else "code label")
            kinds += ["respelt label"] * bool(column.respellings)
        kinds += ["ranged number"] * (column.kind == "number" and column.range is not None)
        kinds += ["frame"] * (column.kind == "key" and ":" in column.made_of)
        if column.scored and column.required:
            for kind in kinds:
                found |= KINDS.get(kind, {})
    if upload.kind == "texts":
        del found["label space"]  # told apart from line ends in its own test
    return found


CASES = [(name, defect) for name in TRACKS.names() for defect in defects_of(TRACKS.get(name))]


def found(problems) -> set[str]:
    return {p.code for p in problems if p.code not in (codes.CONTAINER, codes.MISSING_NAME)}


def test_the_unmutated_file_is_valid(made) -> None:
    assert found(validate(made.track, made.write(), made.candidates)) <= {codes.FILE_NAME}
    assert is_valid(validate(made.track, made.write(), made.candidates))
    assert is_valid(validate(made.track, made.write()))


@pytest.mark.parametrize(("track", "defect"), CASES)
def test_a_defect_has_its_own_code(maker, track: str, defect: str) -> None:
    m = maker(track)
    the = defects_of(m.track)[defect]
    file = m.write(the.mutate(m))
    assert file.read_bytes() != m.text()
    problems = validate(m.track, file, m.candidates)
    assert the.code in {p.code for p in problems}
    assert is_valid(problems) is not (the.rejected or (defect == "order" and m.track.candidates.ordered))
    assert found(problems) - {the.code, codes.FILE_NAME} <= set(the.also)


@pytest.mark.parametrize(("track", "defect"), CASES)
def test_a_mend_is_written_only_where_it_is_certain(maker, track: str, defect: str, tmp_path: Path) -> None:
    m = maker(track)
    the = defects_of(m.track)[defect]
    file, out = m.write(the.mutate(m)), tmp_path / f"mended{m.suffix}"
    if the.certain:
        assert the.code in {p.code for p in mend(m.track, file, out, m.candidates).mended}
        assert is_valid(validate(m.track, out, m.candidates))
        package(m.track, m.write(), tmp_path / f"right{m.suffix}", candidates=m.candidates)
        if "labels" not in {c.kind for c in m.track.upload.columns} or defect in ROWS:
            right = tmp_path / f"right{m.suffix}"
            assert defect == "label misspelt" or out.read_bytes() == right.read_bytes()
    elif the.rejected:
        with pytest.raises(InvalidSubmissionError) as raised:
            mend(m.track, file, out, m.candidates)
        assert not is_valid(raised.value.problems)
        assert not out.exists()


@pytest.mark.parametrize(
    ("cell", "mended"),
    [
        ("happy; sad.", "happy, sad"),
        ("[happy, sad].", "happy, sad"),
        ("Happy/Sad", "happy, sad"),
        ("['happy', 'sad']; calm", "happy, sad, calm"),
    ],
)
def test_words_are_mended_to_what_was_meant(fine, cell: str, mended: str, tmp_path: Path) -> None:
    import numpy as np

    out = tmp_path / "mended-openset.npz"
    mend(fine.track, fine.write(fine.edited(3, 1, cell)), out, fine.candidates)
    assert np.load(out)["fileitems"][2] == mended


def test_valence_that_is_not_read_is_a_warning(tmp_path: Path) -> None:
    path = tmp_path / "s.csv"
    path.write_text("name,discrete,valence\na,sad,\n")
    (tmp_path / "c.csv").write_text("name\na\n")
    problems = validate("mer2023-semi", path, tmp_path / "c.csv")
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


def test_semicolons_between_cells_are_mended(multi, tmp_path: Path) -> None:
    file = multi.write(multi.text().replace(b",", b";"))
    assert found(validate(multi.track, file, multi.candidates)) == {codes.SEPARATOR}
    mend(multi.track, file, tmp_path / "m.csv", multi.candidates)
    assert (tmp_path / "m.csv").read_bytes() == multi.text()


def test_a_pair_is_told_from_another_of_the_same_clip(maker) -> None:
    m = maker("mer2026-prefer")
    assert len({row[0] for row in m.rows[1:]}) < len(m.rows) - 1
    assert is_valid(validate(m.track, m.write(), m.candidates))
    twice = validate(m.track, m.write(m.text([*m.rows, m.rows[2]])), m.candidates)
    assert codes.DUPLICATE_NAME in {p.code for p in twice}


def test_words_that_no_wheel_knows_are_counted_and_named(fine) -> None:
    from mertools.wheels import Wheels
    from submissions.reading import read_table
    from submissions.validation import check

    content = fine.edited(2, 1, "happy, perpendicular")
    table = read_table(fine.write(content), fine.track)
    problems = check(fine.track, table, "s-openset.npz", None, Wheels.builtin())
    (warning,) = [p for p in problems if p.code == codes.UNKNOWN_WORDS]
    assert (warning.severity, warning.row) == ("warning", 2)
    assert "perpendicular 1" in warning.found
    assert "of 24 words" in warning.found


def test_package_refuses_what_it_cannot_mend(multi, tmp_path: Path) -> None:
    bad = multi.write(multi.edited(2, 1, "Angry"))
    out = tmp_path / "upload.csv"
    with pytest.raises(InvalidSubmissionError) as raised:
        package(multi.track, bad, out, candidates=multi.candidates)
    assert [p.code for p in raised.value.problems] == [codes.LABEL_CASE]
    assert not out.exists()
    package(multi.track, bad, out, candidates=multi.candidates, fix=True)
    assert out.read_bytes() == multi.text()
