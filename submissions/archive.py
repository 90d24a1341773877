"""Looking into a zip that somebody else made: nothing is unpacked to disk, sizes are bounded before memory is used."""

from __future__ import annotations

import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import PurePosixPath

from submissions import problems as codes
from submissions.problems import Problem, Severity

MAX_BYTES = 64 << 20
"""Largest file read, and largest content of a zip."""
MAX_MEMBERS = 1_000
MAX_RATIO = 200
"""A member that unpacks to more than this many times its size is refused (CSV files reach about 20)."""

_DIRECTORY_BYTES = 1 << 20
_JUNK = re.compile(r"(^|/)(__MACOSX(/|$)|\._|\.DS_Store$|Thumbs\.db$|desktop\.ini$)", re.IGNORECASE)


@dataclass
class Opened:
    """What a zip holds.

    Attributes:
        member: name of the member that was read; empty if none could be.
        content: its bytes; None if none could be read.
        problems: everything wrong with the zip.
    """

    member: str = ""
    content: bytes | None = None
    problems: list[Problem] = field(default_factory=list)


def is_zip(content: bytes) -> bool:
    """Whether bytes start as a zip does, full or empty."""
    return content[:4] in (b"PK\x03\x04", b"PK\x05\x06")


def open_zip(content: bytes, suffix: str) -> Opened:
    """Read the one data file of a zip.

    Args:
        content: the zip, at most `MAX_BYTES`.
        suffix: what data files end in, e.g. ``.csv``.
    """
    opened = Opened()
    if not _directory_is_small(content):
        opened.problems.append(_problem(codes.ZIP_BOMB, "a zip with a huge list of members", "one small file"))
        return opened
    try:
        with zipfile.ZipFile(BytesIO(content)) as archive:
            members = archive.infolist()
            opened.problems += _member_problems(members)
            data = [m for m in members if _is_data(m, suffix)]
            opened.problems += _choice_problems(members, data, suffix)
            if len(data) == 1 and not _blocked(opened.problems):
                opened.member = data[0].filename
                opened.content = _read(archive, data[0], opened.problems)
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, EOFError, struct.error, OSError, ValueError) as error:
        opened.problems.append(_problem(codes.BROKEN_ZIP, f"a damaged zip ({error})", "a zip that opens"))
        opened.content = None
    return opened


def write_zip(name: str, content: bytes) -> bytes:
    """A zip with one member at its root, the same bytes on every machine: not compressed, fixed time and mode."""
    out = BytesIO()
    member = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
    member.compress_type = zipfile.ZIP_STORED
    member.create_system = 3
    member.external_attr = 0o644 << 16
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(member, content)
    return out.getvalue()


def _directory_is_small(content: bytes) -> bool:
    """Checked before the directory is parsed: a million members would fill memory. Zip64 is refused with it."""
    end = content.rfind(b"PK\x05\x06")
    if end < 0 or end + 20 > len(content):
        return True  # not a zip: zipfile says so
    n_members, n_bytes = struct.unpack_from("<HI", content, end + 10)
    return bool(n_members <= MAX_MEMBERS and n_bytes <= _DIRECTORY_BYTES)


def _is_data(member: zipfile.ZipInfo, suffix: str) -> bool:
    return member.filename.lower().endswith(suffix) and not _JUNK.search(member.filename) and not member.is_dir()


def _member_problems(members: list[zipfile.ZipInfo]) -> Iterator[Problem]:
    total = sum(m.file_size for m in members)
    if total > MAX_BYTES:
        yield _problem(codes.TOO_LARGE, f"a zip of {total} bytes unpacked", f"at most {MAX_BYTES}")
    for member in members:
        if member.flag_bits & 1:
            yield _problem(codes.ENCRYPTED, f"the encrypted member {member.filename}", "a zip without a password")
        if _unsafe(member):
            yield _problem(codes.UNSAFE_PATH, f"the member {member.orig_filename}", "a plain file name")
        elif _JUNK.search(member.filename):
            yield _problem(
                codes.JUNK_IN_ZIP, f"the member {member.filename}", "nothing but the submission", codes.RUN_FIX
            )
        if member.file_size > MAX_RATIO * max(member.compress_size, 1) and member.file_size > 1 << 20:
            ratio = member.file_size // max(member.compress_size, 1)
            yield _problem(codes.ZIP_BOMB, f"{member.filename}, compressed {ratio} times", f"at most {MAX_RATIO} times")


def _choice_problems(members: list[zipfile.ZipInfo], data: list[zipfile.ZipInfo], suffix: str) -> Iterator[Problem]:
    plain = [m.filename for m in members if not m.is_dir() and not _JUNK.search(m.filename)]
    if not plain:
        yield _problem(codes.EMPTY_FILE, "a zip without a file", f"one {suffix} file at its root")
    elif not data:
        yield _problem(codes.FILE_NAME, ", ".join(plain[:5]), f"a file that ends in {suffix}")
    elif len(plain) > 1:
        yield _problem(codes.SEVERAL_FILES, ", ".join(plain[:5]), f"one {suffix} file")
    if data and all("/" in m.filename and not _unsafe(m) for m in data):
        yield _problem(codes.FOLDER_IN_ZIP, data[0].filename, "the file at the zip's root, no folder", codes.RUN_FIX)


def _blocked(problems: list[Problem]) -> bool:
    stop = {codes.TOO_LARGE, codes.ENCRYPTED, codes.ZIP_BOMB, codes.SEVERAL_FILES, codes.UNSAFE_PATH}
    return any(problem.code in stop for problem in problems)


def _read(archive: zipfile.ZipFile, member: zipfile.ZipInfo, problems: list[Problem]) -> bytes | None:
    """The member's bytes; a size in the directory may lie, so no more than promised is read."""
    with archive.open(member) as file:
        content = file.read(member.file_size + 1)
    if len(content) != member.file_size:
        problems.append(_problem(codes.BROKEN_ZIP, "a member of another size than stated", "a zip that opens"))
        return None
    return content


def _unsafe(member: zipfile.ZipInfo) -> bool:
    name = member.orig_filename
    link = stat.S_ISLNK(member.external_attr >> 16)
    return (
        link
        or "\\" in name
        or "\0" in name
        or re.match(r"[A-Za-z]:", name) is not None
        or PurePosixPath(name).is_absolute()
        or ".." in PurePosixPath(name).parts
    )


def _problem(code: str, found: str, expected: str, also: str = "", severity: Severity = "error") -> Problem:
    mend = "Zip the one file again, from its own folder" + (
        f", {also}" if also else ", or use: mertools submission package."
    )
    return Problem(code, severity, None, None, found, expected, mend)
