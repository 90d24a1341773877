"""Whatever bytes come: a list of problems or one of our errors, never a traceback."""

import io
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mertools.errors import SubmissionError
from submissions import is_valid, mend, package, score, validate

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


def survives(folder: Path, content: bytes, track: str) -> None:
    file, listed, truth, out = (folder / name for name in ("s.csv", "c.csv", "t.csv", "out.csv"))
    file.write_bytes(content)
    listed.write_text("name\na\nb\n")
    truth.write_bytes(GOOD)
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
    survives(tmp_path_factory.mktemp("f"), content, track)
