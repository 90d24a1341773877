"""Whatever bytes come: a list of problems or one of our errors, never a traceback."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mertools.errors import SubmissionError
from submissions import is_valid, mend, package, score, validate
from submissions.archive import write_zip

GOOD = b"name,discrete,valence\na,sad,1.0\nb,happy,-2.5\n"
CELL = st.sampled_from(["a", "b", "sad", "Happy ", "1.0", "nan", "", "=x", '"', "\r", "\x00", "é", "name", "discrete"])
TABLES = st.lists(st.lists(CELL, max_size=4), max_size=6).map(lambda rows: "\n".join(map(",".join, rows)).encode())


@st.composite
def damaged(draw: st.DrawFn, content: bytes) -> bytes:
    data = bytearray(content)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data) - 1))
        data[at] = draw(st.integers(0, 255))
    return bytes(data[: draw(st.integers(1, len(data)))]) if draw(st.booleans()) else bytes(data)


def a_zip() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("submission.csv", GOOD)
    return out.getvalue()


def survives(folder: Path, content: bytes, track: str, name: str, good: bytes) -> None:
    file, listed, truth, out = (folder / n for n in (name, "c.csv", "t.csv", f"out{Path(name).suffix}"))
    if track == "mer2025-fg":
        out = folder / "out-openset.npz"
    file.write_bytes(content)
    listed.write_text("name\na\nb\n")
    truth.write_bytes(good)
    out.unlink(missing_ok=True)
    problems = validate(track, file, listed)
    for write in (mend, lambda *args: package(*args[:3], candidates=args[3])):
        try:
            write(track, file, out, listed)
        except SubmissionError:
            assert not out.exists()
        else:
            assert is_valid(validate(track, out, listed))
            out.unlink()
    try:
        scored = score(track, file, truth, n_draws=20)
    except SubmissionError as error:
        if is_valid(problems):
            pytest.fail(f"a valid file cannot be scored: {error}")
    else:
        assert scored.n == 2


@pytest.mark.parametrize("track", ["mer2023-multi", "mer2024-semi"])
@settings(max_examples=60, deadline=None)
@given(content=st.one_of(st.binary(max_size=60), TABLES, damaged(GOOD), damaged(a_zip())))
def test_any_bytes_end_in_problems_or_one_of_our_errors(
    tmp_path_factory: pytest.TempPathFactory, track: str, content: bytes
) -> None:
    survives(tmp_path_factory.mktemp("f"), content, track, "s.csv", GOOD)


def arrays() -> bytes:
    out = io.BytesIO()
    np.savez(out, filenames=np.array(["a", "b"]), fileitems=np.array(["happy, sad", "calm"]))
    return out.getvalue()


@settings(max_examples=80, deadline=None)
@given(content=st.one_of(st.binary(max_size=60), damaged(arrays())))
def test_any_arrays_end_in_problems_or_one_of_our_errors(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    truth = b"name,openset\na,happy\nb,sad\n"
    survives(tmp_path_factory.mktemp("f"), content, "mer2025-fg", "s-openset.npz", truth)


def texts() -> bytes:
    return write_zip({"a.txt": b"Sad", "b.txt": b"Happy"})


@settings(max_examples=80, deadline=None)
@given(content=st.one_of(st.binary(max_size=60), damaged(texts())))
def test_any_texts_end_in_problems_or_one_of_our_errors(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    truth = b"name,discrete\na,Sad\nb,Happy\n"
    survives(tmp_path_factory.mktemp("f"), content, "emotiw-afew", "s.zip", truth)
