"""Recorded synonym groups on disk: ``.npy`` texts in a folder or zip, or JSON lines. Pickles are never opened."""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from mertools.errors import SubmissionError
from mertools.wheels.synonyms import Grouping, parse_groups

MAX_FILES = 250_000
MAX_BYTES = 1 << 20
"""Largest single answer (recorded ones have about 0.5 kB)."""
MAX_TOTAL = 512 << 20

_AGAIN = "Name the folder or zip of <name>.npy that MER2024's ov_store holds, or a file of JSON lines."
_RUN = re.compile(r"run[-_ ]?(\d+)", re.IGNORECASE)


def read_runs(path: Path) -> tuple[Mapping[str, Grouping], ...]:
    """Groups by clip name of each run, at least one; see `Groups.read`."""
    if path.is_dir():
        lines = sorted(path.glob("*.jsonl"))
        if len(lines) == 1 and not any(path.glob("*.npy")):
            return _lines(lines[0])
        return _runs(path, _of_folder(path))
    if not path.is_file():
        raise SubmissionError("MER-S141", f"{path} does not exist; expected groups of synonyms.", _AGAIN)
    if path.suffix == ".jsonl":
        return _lines(path)
    return _runs(path, _of_zip(path))


def _runs(path: Path, files: Iterator[tuple[PurePosixPath, bytes]]) -> tuple[Mapping[str, Grouping], ...]:
    found: dict[PurePosixPath, dict[str, Grouping]] = {}
    total = 0
    for n, (file, content) in enumerate(files, start=1):
        total += len(content)
        if n > MAX_FILES or total > MAX_TOTAL:
            raise _too_large(f"{path} holds more than {MAX_FILES} files or {MAX_TOTAL} bytes.")
        found.setdefault(file.parent, {})[file.stem] = parse_groups(_text(f"{path}: {file}", content))
    if not found:
        raise SubmissionError("MER-S141", f"{path} holds no .npy file; expected one per clip.", _AGAIN)
    if len(found) == 1:
        return tuple(found.values())
    numbers = {folder: _RUN.fullmatch(folder.name) for folder in found}
    odd = [str(folder) for folder, number in numbers.items() if number is None]
    if odd:
        raise SubmissionError(
            "MER-S143",
            f"{path} has .npy files in {len(found)} folders, one of them '{odd[0]}'; expected run1, run2, ... or one.",
            _AGAIN,
        )
    order = sorted(found, key=lambda folder: int(numbers[folder][1]))  # type: ignore[index]
    return tuple(found[folder] for folder in order)


def _of_folder(path: Path) -> Iterator[tuple[PurePosixPath, bytes]]:
    for file in sorted(path.rglob("*.npy")):
        if file.stat().st_size > MAX_BYTES:
            raise _too_large(f"{file} has {file.stat().st_size} bytes; expected at most {MAX_BYTES}.")
        yield PurePosixPath(file.relative_to(path).as_posix()), file.read_bytes()


def _of_zip(path: Path) -> Iterator[tuple[PurePosixPath, bytes]]:
    try:
        with zipfile.ZipFile(path) as archive:
            members = sorted(archive.infolist(), key=lambda member: member.filename)
            for member in members:
                file = PurePosixPath(member.filename)
                if file.suffix != ".npy" or file.name.startswith("._"):
                    continue
                if member.file_size > MAX_BYTES:
                    raise _too_large(f"{path}: {file} has {member.file_size} bytes; expected at most {MAX_BYTES}.")
                yield file, archive.read(member)
    except SubmissionError:
        raise
    except Exception as error:  # zipfile has many ways to say "damaged"
        raise SubmissionError("MER-S142", f"{path} is no readable zip ({error}).", _AGAIN) from None


def _text(where: str, content: bytes) -> str:
    """The text in a 0-d unicode array. The bytes are decoded here: nothing is unpickled, nothing large allocated."""
    file = io.BytesIO(content)
    try:
        version = np.lib.format.read_magic(file)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = read(file)
    except Exception as error:  # numpy evaluates the header as a literal, which can fail in many ways
        raise SubmissionError("MER-S142", f"{where} is no .npy file ({str(error)[:100]}).", _AGAIN) from None
    if dtype.kind != "U" or shape != ():
        what = "pickled objects, which are never opened" if dtype.hasobject else f"an array {shape} of {dtype}"
        raise SubmissionError("MER-S142", f"{where} holds {what}; expected one text.", _AGAIN)
    text = file.read()
    if len(text) != dtype.itemsize:
        raise SubmissionError("MER-S142", f"{where} is cut short: {len(text)} bytes of {dtype.itemsize}.", _AGAIN)
    try:
        return text.decode("utf-32-be" if dtype.byteorder == ">" else "utf-32-le").rstrip("\0")
    except UnicodeDecodeError:
        raise SubmissionError("MER-S142", f"{where} holds no text.", _AGAIN) from None


def _lines(path: Path) -> tuple[Mapping[str, Grouping], ...]:
    if path.stat().st_size > MAX_TOTAL:
        raise _too_large(f"{path} has more than {MAX_TOTAL} bytes.")
    runs: dict[int, dict[str, Grouping]] = {}
    try:
        with path.open(encoding="utf-8") as file:
            for n, line in enumerate(file, start=1):
                if line.strip():
                    run, name, groups = _entry(line, f"{path}, line {n}")
                    runs.setdefault(run, {})[name] = groups
    except UnicodeDecodeError as error:
        raise SubmissionError("MER-S142", f"{path} is not UTF-8 ({error.reason}).", _AGAIN) from None
    if not runs:
        raise SubmissionError("MER-S141", f"{path} is empty; expected a line per clip and run.", _AGAIN)
    return tuple(runs[run] for run in sorted(runs))


def _entry(line: str, where: str) -> tuple[int, str, Grouping]:
    expected = '{"run": 1, "name": "...", "groups": [["word", ...], ...]}'
    try:
        entry: Any = json.loads(line)
        run, name, groups = int(entry["run"]), entry["name"], entry["groups"]
        if not isinstance(name, str) or not all(isinstance(word, str) for group in groups for word in group):
            raise ValueError
        if not all(isinstance(group, list) and group for group in groups):
            raise ValueError
    except (ValueError, KeyError, TypeError, RecursionError):
        raise SubmissionError("MER-S142", f"{where} is not of the form {expected}.", _AGAIN) from None
    return run, name, tuple(map(tuple, groups))


def _too_large(message: str) -> SubmissionError:
    return SubmissionError("MER-S147", message, "Check that it is the right file.")
