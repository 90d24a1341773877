"""Zips, arrays and folders of texts: each single defect of the container is caught under its own code."""

import io
import pickle
import struct
import warnings
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from submissions import InvalidSubmissionError, archive, is_valid, mend, package, validate
from submissions import problems as codes

# -- zips --------------------------------------------------------------------------------------------------------------


def zip_of(*members: tuple[str | zipfile.ZipInfo, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression) as z:
        for name, content in members:
            z.writestr(name, content)
    return out.getvalue()


def twice(*members: tuple[str, bytes]) -> bytes:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return zip_of(*members)


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
    "same name twice": (lambda c: twice(("answer.csv", c), ("answer.csv", c)), codes.REPEATED_MEMBER),
    "same name in capitals": (lambda c: zip_of(("answer.csv", c), ("ANSWER.csv", c)), codes.REPEATED_MEMBER),
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
    assert {p.code for p in problems} - {codes.SEVERAL_FILES} == {code} - {codes.SEVERAL_FILES}
    assert code in {p.code for p in problems}
    assert not is_valid(problems)


def test_a_file_that_is_too_large_is_not_read(zipped, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("submissions.archive.MAX_BYTES", 200)
    plain = validate(zipped.track, zipped.write())
    assert codes.TOO_LARGE in {p.code for p in plain}
    monkeypatch.setattr("submissions.archive.MAX_BYTES", 600)
    packed = zipped.write(zip_of(("answer.csv", zipped.text() * 4)), "upload.zip")
    assert packed.stat().st_size < 600
    assert {p.code for p in validate(zipped.track, packed)} == {codes.TOO_LARGE}


def test_too_many_rows_columns_or_members_are_refused(zipped, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("submissions.table.MAX_ROWS", 5)
    rows = validate(zipped.track, zipped.write())
    assert [(p.code, p.row) for p in rows if p.code != codes.CONTAINER] == [(codes.TOO_LARGE, 6)]
    monkeypatch.undo()
    wide = validate(zipped.track, zipped.write(b"name,discrete" + b",x" * 2000 + b"\n"), zipped.candidates)
    assert codes.TOO_LARGE in {p.code for p in wide}
    many = zip_of(*[(f"{i}.csv", b"") for i in range(archive.MAX_MEMBERS + 1)])
    assert {p.code for p in validate(zipped.track, zipped.write(many, "m.zip"))} == {codes.ZIP_BOMB}


def test_an_upload_above_the_organisers_limit_is_refused(made, tmp_path: Path) -> None:
    size = len(made.text())
    limited = replace(made.track, upload=replace(made.track.upload, max_bytes=100))
    assert codes.TOO_LARGE in {p.code for p in validate(limited, made.write(), made.candidates)}
    out = tmp_path / f"up{made.suffix}"
    with pytest.raises(InvalidSubmissionError):
        package(limited, made.write(), out, candidates=made.candidates)
    assert not out.exists()
    roomy = replace(made.track, upload=replace(made.track.upload, max_bytes=10 * size))
    assert is_valid(validate(roomy, made.write(), made.candidates))


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


def test_members_that_overlap_are_a_bomb(zipped) -> None:
    """Two entries of the directory that point at one member."""
    data = zip_of(("answer.csv", zipped.text()), compression=zipfile.ZIP_STORED)
    at = data.rindex(b"PK\x01\x02")
    end = data.rindex(b"PK\x05\x06")
    entry = data[at:end]
    other = entry.replace(b"answer.csv", b"wanser.csv")
    tail = bytearray(data[end:])
    struct.pack_into("<HHI", tail, 8, 2, 2, 2 * len(entry))
    problems = validate(zipped.track, zipped.write(data[:end] + other + bytes(tail), "o.zip"))
    assert codes.ZIP_BOMB in {p.code for p in problems}


# -- arrays ------------------------------------------------------------------------------------------------------------


def arrays(m) -> dict[str, np.ndarray]:
    names, items = zip(*m.rows[1:], strict=True)
    return {"filenames": np.array(names), "fileitems": np.array(items)}


def npz(columns: dict[str, np.ndarray]) -> bytes:
    out = io.BytesIO()
    np.savez(out, **columns)
    return out.getvalue()


def npy(array: np.ndarray) -> bytes:
    out = io.BytesIO()
    np.save(out, array)
    return out.getvalue()


def with_items(change: Callable[[bytes], bytes]) -> Callable:
    """The same upload, the bytes of the array ``fileitems`` changed."""

    def make(m) -> bytes:
        found = arrays(m)
        return zip_of(("filenames.npy", npy(found["filenames"])), ("fileitems.npy", change(npy(found["fileitems"]))))

    return make


def more_rows(content: bytes) -> bytes:
    """A header that promises a terabyte; the padding keeps its length."""
    header = content.replace(b"(12,), }" + b" " * 12, b"(99999999999,), }" + b" " * 3, 1)
    assert header != content
    return header


ARRAY_DEFECTS: dict[str, tuple[Callable, str]] = {
    "objects": (
        lambda m: npz(
            arrays(m) | {"fileitems": np.array([r[1].split(", ") for r in m.rows[1:]] + [["x"]], object)[:-1]}
        ),
        codes.OBJECT_ARRAY,
    ),
    "numbers": (lambda m: npz(arrays(m) | {"fileitems": np.arange(12)}), codes.ARRAY_FORM),
    "bytes": (lambda m: npz(arrays(m) | {"fileitems": np.array([b"happy"] * 12)}), codes.ARRAY_FORM),
    "two dimensions": (lambda m: npz(arrays(m) | {"fileitems": np.array([["a", "b"]] * 12)}), codes.ARRAY_FORM),
    "another length": (lambda m: npz(arrays(m) | {"fileitems": np.array(["happy"] * 11)}), codes.CELL_COUNT),
    "no items": (lambda m: npz({"filenames": arrays(m)["filenames"]}), codes.MISSING_COLUMN),
    "other names": (lambda m: npz({"names": np.array(["a"]), "items": np.array(["b"])}), codes.MISSING_COLUMN),
    "a further array": (lambda m: npz(arrays(m) | {"scores": np.arange(12)}), codes.EXTRA_COLUMN),
    "header that lies": (with_items(more_rows), codes.ARRAY_SIZE),
    "cut off": (with_items(lambda c: c[:-7]), codes.ARRAY_SIZE),
    "no header": (with_items(lambda c: c[10:]), codes.ARRAY_FORM),
    "long header": (with_items(lambda c: c[:8] + b"\xff\xff" + c[10:]), codes.ARRAY_FORM),
    "header that is code": (
        with_items(lambda c: c.replace(b"'fortran_order': False", b"'fortran_order': exit()")),
        codes.ARRAY_FORM,
    ),
    "no characters": (with_items(lambda c: c[:-4] + b"\xff\xff\xff\xff"), codes.ARRAY_FORM),
    "half a surrogate": (with_items(lambda c: c[:-4] + b"\x00\xd8\x00\x00"), codes.ARRAY_FORM),
    "bomb": (
        lambda m: zip_of(("filenames.npy", npy(np.array(["a" * 3_000_000] * 3)))),
        codes.ZIP_BOMB,
    ),
    "a file beside them": (
        lambda m: zip_of(*((f"{k}.npy", npy(v)) for k, v in arrays(m).items()), ("run.sh", b"x")),
        codes.SEVERAL_FILES,
    ),
}


@pytest.mark.parametrize("defect", ARRAY_DEFECTS)
def test_a_defect_of_the_arrays_has_its_own_code(fine, defect: str) -> None:
    make, code = ARRAY_DEFECTS[defect]
    problems = validate(fine.track, fine.write(make(fine)), fine.candidates)
    errors = {p.code for p in problems if p.severity == "error"}
    assert code in errors
    assert errors <= {code, codes.MISSING_NAME, codes.MISSING_COLUMN}


def test_a_pickle_in_an_array_is_never_opened(fine, tmp_path: Path) -> None:
    canary = tmp_path / "canary"

    class Payload:
        def __reduce__(self):
            return (Path.touch, (canary,))

    items = np.empty(12, object)
    items[:] = [Payload()] * 12
    content = npz(arrays(fine) | {"fileitems": items})
    assert pickle.loads(pickle.dumps(Payload())) is None
    assert canary.exists()  # it would have worked
    canary.unlink()
    problems = validate(fine.track, fine.write(content), fine.candidates)
    assert codes.OBJECT_ARRAY in {p.code for p in problems}
    assert not canary.exists()


def test_big_endian_and_compressed_arrays_are_read(fine) -> None:
    out = io.BytesIO()
    np.savez_compressed(
        out, **{name: array.astype(array.dtype.newbyteorder(">")) for name, array in arrays(fine).items()}
    )
    assert is_valid(validate(fine.track, fine.write(out.getvalue()), fine.candidates))


def test_the_arrays_that_are_written_are_numpy_s_own(fine, tmp_path: Path) -> None:
    out = tmp_path / "up-openset.npz"
    package(fine.track, fine.write(), out, candidates=fine.candidates)
    with np.load(out, allow_pickle=False) as written:
        assert [written["filenames"].tolist(), written["fileitems"].tolist()] == [
            list(column) for column in zip(*fine.rows[1:], strict=True)
        ]
    with zipfile.ZipFile(out) as archive_, zipfile.ZipFile(io.BytesIO(npz(arrays(fine)))) as numpys:
        assert {n: archive_.read(n) for n in archive_.namelist()} == {n: numpys.read(n) for n in numpys.namelist()}


def test_an_npz_in_a_zip_is_the_upload_where_a_zip_is_wanted(fine, tmp_path: Path) -> None:
    out = tmp_path / "up.zip"
    receipt = package(fine.track, fine.write(), out, candidates=fine.candidates)
    assert receipt.member.endswith("-openset.npz")
    assert validate(fine.track, out, fine.candidates) == []


# -- texts -------------------------------------------------------------------------------------------------------------


def texts(m, **changed: bytes) -> bytes:
    members = {f"{row[0]}.txt": row[1].encode() for row in m.rows[1:]}
    first = next(iter(members))
    return zip_of(*(members | {first: changed["first"]}).items()) if "first" in changed else zip_of(*members.items())


TEXT_DEFECTS: dict[str, tuple[Callable, str, bool]] = {
    "two words": (lambda m: texts(m, first=b"Angry\nSad\n"), codes.TEXT_FILE, False),
    "no word": (lambda m: texts(m, first=b""), codes.NO_LABEL, False),
    "CRLF": (lambda m: texts(m, first=b"Angry\r\n"), codes.LINE_ENDS, True),
    "blank line": (lambda m: texts(m, first=b"Angry\n\n"), codes.BLANK_LINES, True),
    "space": (lambda m: texts(m, first=b"Angry \n"), codes.SPACES, True),
    "byte order mark": (lambda m: texts(m, first=b"\xef\xbb\xbfAngry"), codes.BYTE_ORDER_MARK, True),
    "not UTF-8": (lambda m: texts(m, first=b"\xff\xfeA"), codes.NOT_UTF8, False),
    "long": (lambda m: texts(m, first=b"A" * 5000), codes.TEXT_FILE, False),
    "folder": (lambda m: zip_of(*((f"run/{r[0]}.txt", r[1].encode()) for r in m.rows[1:])), codes.FOLDER_IN_ZIP, True),
    "another file": (
        lambda m: zip_of(*((f"{r[0]}.txt", r[1].encode()) for r in m.rows[1:]), ("a.png", b"x")),
        codes.SEVERAL_FILES,
        True,
    ),
}


@pytest.mark.parametrize("defect", TEXT_DEFECTS)
def test_a_defect_of_the_texts_has_its_own_code_and_a_mend_where_certain(maker, defect: str, tmp_path: Path) -> None:
    m = maker("emotiw-afew")
    make, code, certain = TEXT_DEFECTS[defect]
    file, out = m.write(make(m)), tmp_path / "mended.zip"
    problems = validate(m.track, file, m.candidates)
    assert code in {p.code for p in problems}
    assert not is_valid(problems)
    if certain:
        mend(m.track, file, out, m.candidates)
        assert out.read_bytes() == m.text()
    else:
        with pytest.raises(InvalidSubmissionError):
            mend(m.track, file, out, m.candidates)


def test_a_final_line_feed_in_a_text_is_no_defect(maker) -> None:
    m = maker("emotiw-afew")
    assert validate(m.track, m.write(texts(m, first=b"Angry\n")), m.candidates) == []


def test_every_code_is_tested() -> None:
    """Codes of problems stand in these tests or in those of single defects."""
    here = Path(__file__).read_text() + (Path(__file__).parent / "test_mutations.py").read_text()
    names = [n for n, v in vars(codes).items() if n.isupper() and str(v).startswith("MER-S")]
    assert [n for n in names if f"codes.{n}" not in here] == ["NOT_FOUND"]
