"""Looking into a zip that somebody else made: nothing is unpacked to disk, sizes are bounded before memory is used."""

from __future__ import annotations

import re
import stat
import struct
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import PurePosixPath

from submissions import problems as codes
from submissions.problems import Problem, Severity

MAX_BYTES = 512 << 20
"""Largest file read, and largest content of a zip."""
MAX_MEMBERS = 1_000
MAX_RATIO = 200
"""A member that unpacks to more than this many times its size is refused (CSV files reach about 20)."""

_DIRECTORY_BYTES = 1 << 20
_DAMAGE = (zipfile.BadZipFile, zlib.error, NotImplementedError, EOFError, struct.error, OSError, ValueError)
_JUNK = re.compile(r"(^|/)(__MACOSX(/|$)|\._|\.DS_Store$|Thumbs\.db$|desktop\.ini$)", re.IGNORECASE)


@dataclass
class Opened:
    """What a zip holds.

    Attributes:
        contents: name of each data member that was read -> its bytes, in the zip's order.
        problems: everything wrong with the zip.
    """

    contents: dict[str, bytes] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)


def is_zip(content: bytes) -> bool:
    """Whether bytes start as a zip does, full or empty."""
    return content[:4] in (b"PK\x03\x04", b"PK\x05\x06")


def member_names(content: bytes) -> list[str]:
    """Names of a zip's files without what file managers add; empty if it does not open or has too many."""
    if not _directory_is_small(content, 1 << 16):
        return []
    try:
        with zipfile.ZipFile(BytesIO(content)) as archive:
            return [m.filename for m in archive.infolist() if not m.is_dir() and not _JUNK.search(m.filename)]
    except _DAMAGE:
        return []


def open_zip(content: bytes, suffix: str, *, max_ratio: int = MAX_RATIO) -> Opened:
    """Read the one data file of a zip.

    Args:
        content: the zip, at most `MAX_BYTES`.
        suffix: what data files end in, e.g. ``.csv``.
        max_ratio: how many times its size a member may unpack to.
    """
    return _open(content, suffix, single=True, max_members=MAX_MEMBERS, max_ratio=max_ratio)


def open_members(content: bytes, suffix: str, *, max_members: int = MAX_MEMBERS, max_ratio: int = MAX_RATIO) -> Opened:
    """Read all data files of a zip; see `open_zip`.

    Args:
        content: the zip, at most `MAX_BYTES`.
        suffix: what data files end in.
        max_members: how many of them there may be.
        max_ratio: how many times its size a member may unpack to.
    """
    return _open(content, suffix, single=False, max_members=max_members, max_ratio=max_ratio)


def write_zip(members: Mapping[str, bytes]) -> bytes:
    """A zip with members at its root, the same bytes on every machine: not compressed, fixed time and mode."""
    out = BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in members.items():
            member = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
            member.compress_type = zipfile.ZIP_STORED
            member.create_system = 3
            member.external_attr = 0o644 << 16
            archive.writestr(member, content)
    return out.getvalue()


def _open(content: bytes, suffix: str, *, single: bool, max_members: int, max_ratio: int) -> Opened:
    opened = Opened()
    if not _directory_is_small(content, max_members):
        opened.problems.append(_problem(codes.ZIP_BOMB, "a zip with a huge list of members", "one small file"))
        return opened
    try:
        with zipfile.ZipFile(BytesIO(content)) as archive:
            members = archive.infolist()
            opened.problems += _member_problems(members, len(content), max_ratio)
            data = [m for m in members if _is_data(m, suffix)]
            opened.problems += _choice_problems(members, data, suffix, single=single)
            if (len(data) == 1 or not single) and not _blocked(opened.problems):
                for member in data:
                    opened.contents[member.filename] = _read(archive, member)
    except _DAMAGE as error:
        opened.problems.append(_problem(codes.BROKEN_ZIP, f"a damaged zip ({error})", "a zip that opens"))
        opened.contents.clear()
    return opened


def _directory_is_small(content: bytes, max_members: int) -> bool:
    """Checked before the directory is parsed: a million members would fill memory. Zip64 is refused with it."""
    end = content.rfind(b"PK\x05\x06")
    if end < 0 or end + 20 > len(content):
        return True  # not a zip: zipfile says so
    n_members, n_bytes = struct.unpack_from("<HI", content, end + 10)
    return bool(n_members <= max_members and n_bytes <= _DIRECTORY_BYTES + 256 * max_members)


def _is_data(member: zipfile.ZipInfo, suffix: str) -> bool:
    return member.filename.lower().endswith(suffix) and not _JUNK.search(member.filename) and not member.is_dir()


def _member_problems(members: list[zipfile.ZipInfo], n_bytes: int, max_ratio: int) -> Iterator[Problem]:
    total = sum(m.file_size for m in members)
    if sum(m.compress_size for m in members) > n_bytes:
        yield _problem(codes.ZIP_BOMB, "members that overlap", "members one behind the other")
    for name, n in Counter(m.filename.casefold() for m in members).items():
        if n > 1:
            yield _problem(codes.REPEATED_MEMBER, f"{n} members called {name}", "each name once, in capitals or not")
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
        if member.file_size > max_ratio * max(member.compress_size, 1) and member.file_size > 1 << 20:
            ratio = member.file_size // max(member.compress_size, 1)
            yield _problem(codes.ZIP_BOMB, f"{member.filename}, compressed {ratio} times", f"at most {max_ratio} times")


def _choice_problems(
    members: list[zipfile.ZipInfo], data: list[zipfile.ZipInfo], suffix: str, *, single: bool
) -> Iterator[Problem]:
    plain = [m.filename for m in members if not m.is_dir() and not _JUNK.search(m.filename)]
    if not plain:
        yield _problem(codes.EMPTY_FILE, "a zip without a file", f"one {suffix} file at its root")
    elif not data:
        yield _problem(codes.FILE_NAME, ", ".join(plain[:5]), f"a file that ends in {suffix}")
    elif len(plain) > 1 and single:
        yield _problem(codes.SEVERAL_FILES, ", ".join(plain[:5]), f"one {suffix} file")
    elif len(plain) > len(data):
        other = [name for name in plain if not name.lower().endswith(suffix)]
        yield _problem(codes.SEVERAL_FILES, ", ".join(other[:5]), f"nothing but {suffix} files")
    if data and any("/" in m.filename and not _unsafe(m) for m in data):
        yield _problem(codes.FOLDER_IN_ZIP, data[0].filename, "the file at the zip's root, no folder", codes.RUN_FIX)


def _blocked(problems: list[Problem]) -> bool:
    stop = {codes.TOO_LARGE, codes.ENCRYPTED, codes.ZIP_BOMB, codes.UNSAFE_PATH, codes.REPEATED_MEMBER}
    return any(problem.code in stop for problem in problems)


def _read(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    """The member's bytes; a size in the directory may lie, so no more than promised is read.

    Raises:
        ValueError: if there are more or fewer.
    """
    with archive.open(member) as file:
        content = file.read(member.file_size + 1)
    if len(content) != member.file_size:
        raise ValueError(f"{member.filename} has another size than stated")
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
