"""The organisers' tables, read from their CSV and XLSX files and told apart by hash."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path

from mertools.errors import SubmissionError, did_you_mean
from mertools.openset import parse_mer2025
from mertools.wheels.tables import Wheel, Wheels, fold
from mertools.wheels.workbook import MAX_BYTES, MAX_ROWS, read_sheet

N_WHEELS = 5
FILES = ("format.csv", "synonym.xlsx", *(f"wheel{n}.xlsx" for n in range(1, N_WHEELS + 1)))

_SHARED = {
    "synonym.xlsx": "23f81f9ab1d2418aaf96775304fb5dc52c62bb5d5ef652a97471d045fc9d2e29",
    "wheel1.xlsx": "e70485d354b82a7491ff24648273182a5f4f13f92c76e6b3e4f9033f5e6afcc1",
    "wheel2.xlsx": "acc001e076a8e60440361f58dd8c05ed900c4890c84bb7d8d1df93708a7d9c87",
    "wheel3.xlsx": "d62f30bf88c17c55876634cd088eacaef98278fc25457474364439872f9dbf83",
    "wheel4.xlsx": "660260561b7fe15550f3679a01e7c783608ce3403d4c28db0a88520f68d83aea",
    "wheel5.xlsx": "2dd4595b2cf8e7628ca06a416a8e38ac831614b244f23d1ae613dc34007649f1",
}
SHA256: Mapping[str, Mapping[str, str]] = {
    "mer2025": {"format.csv": "ba6de7d61db8e129d1d7ef8a2aae22a9e93a2c2e3e683e6f2735d04455f016f2", **_SHARED},
    "mer2026": {"format.csv": "82234299875465ecf6c196ace42ffbe745baaeea72b5e39de955af36929982a4", **_SHARED},
}
"""Edition -> file -> hash of what the organisers published (MERTools 89120b7)."""
_FORMATS = {hashes["format.csv"]: edition for edition, hashes in SHA256.items()}


def read_folder(folder: Path) -> Wheels:
    """See `Wheels.read`."""
    folder = _folder(folder)
    return _read(tuple(_bytes(folder / name) for name in FILES))


@lru_cache(maxsize=4)
def _read(contents: tuple[bytes, ...]) -> Wheels:
    """Tables out of the bytes of `FILES`; these, not the folder's name, are what is remembered."""
    sha256 = {name: hashlib.sha256(content).hexdigest() for name, content in zip(FILES, contents, strict=True)}
    edition, label, warnings = _identify(sha256)
    forms = _read_forms(contents[0])
    synonyms = _read_synonyms(contents[1])
    wheels = tuple(_read_wheel(f"wheel{n + 1}", contents[2 + n]) for n in range(N_WHEELS))
    places = {}
    for form, names in forms.items():
        candidates = sorted({label for name in names for label in synonyms.get(name, ())})
        places[form] = tuple(next((c for c in candidates if c in wheel.level1), None) for wheel in wheels)
    return Wheels(wheels, forms, synonyms, places, edition, label, warnings, sha256)


def _identify(sha256: Mapping[str, str]) -> tuple[str, str, tuple[str, ...]]:
    edition = _FORMATS.get(sha256["format.csv"], "unknown")
    differing = [name for name in FILES if sha256[name] != SHA256.get(edition, SHA256["mer2026"])[name]]
    if not differing:
        return edition, f"official tables of {edition.upper()}", ()
    changed = ", ".join(differing)
    return (
        "unknown",
        f"tables of an unknown edition ({changed}): not official",
        (f"{changed}: not the files that the organisers published (sha256 differs); the score is not official",),
    )


def _folder(folder: Path) -> Path:
    for place in (folder, folder / "emotion_wheel"):
        if (place / "format.csv").is_file():
            return place
    if folder.is_file():
        found = "it is a file"
    elif not folder.exists():
        found = "it does not exist"
    else:
        found = "it has no format.csv"
    raise SubmissionError(
        "MER-S134",
        f"{folder} is no folder of emotion wheels: {found}; expected {', '.join(FILES)}.",
        "Name the folder emotion_wheel of a MERTools checkout, or none for the built-in wheels.",
    )


def _bytes(path: Path) -> bytes:
    if not path.is_file():
        raise SubmissionError(
            "MER-S134",
            f"{path} is missing; expected the files {', '.join(FILES)}.",
            "Copy the whole folder emotion_wheel of a MERTools checkout.",
        )
    with path.open("rb") as file:
        content = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise SubmissionError(
            "MER-S136", f"{path} has more than {MAX_BYTES} bytes.", "Check that it is the right file."
        )
    return content


def _read_forms(content: bytes) -> dict[str, tuple[str, ...]]:
    """Form -> names; each name is a form of itself."""
    found: dict[str, set[str]] = {}
    for row, name, others in _format_rows(content):
        if not name:
            raise SubmissionError("MER-S138", f"format.csv, row {row}: the cell of column name is empty.", _COPY)
        for form in (name, *map(fold, parse_mer2025(others))):
            found.setdefault(form, set()).add(name)
    return {form: tuple(sorted(names)) for form, names in found.items()}


def _format_rows(content: bytes) -> Iterator[tuple[int, str, str]]:
    """Row number, name and other forms; the header is row 1."""
    try:
        text = content.decode("utf-8-sig")
        reader = csv.reader(io.StringIO(text, newline=""), strict=True)
        header = next(reader, [])
        at = {column: header.index(column) for column in ("name", "format") if column in header}
        if len(at) < 2:
            near = did_you_mean("format" if "name" in at else "name", header)
            raise SubmissionError(
                "MER-S137", f"format.csv has the columns {header[:8]}; expected name and format.{near}", _COPY
            )
        for row, cells in enumerate(reader, start=2):
            if row > MAX_ROWS:
                raise SubmissionError("MER-S136", f"format.csv has more than {MAX_ROWS} rows.", _COPY)
            if cells and len(cells) <= max(at.values()):
                raise SubmissionError("MER-S138", f"format.csv, row {row}: {len(cells)} cells, expected 2.", _COPY)
            if cells:
                yield row, fold(cells[at["name"]]), cells[at["format"]]
    except UnicodeDecodeError as error:
        raise SubmissionError("MER-S135", f"format.csv is not UTF-8 (byte {error.start}).", _COPY) from None
    except csv.Error as error:
        raise SubmissionError("MER-S135", f"format.csv, line {reader.line_num}: {error}.", _COPY) from None


def _read_synonyms(content: bytes) -> dict[str, tuple[str, ...]]:
    """Word -> wheel labels it stands for, over all runs; each label stands for itself."""
    sheet = read_sheet("synonym.xlsx", content)
    runs = [column.removeprefix("word_run") for column in sheet.header if column.startswith("word_run")]
    sheet.require([f"{what}_run{run}" for run in runs or ["1"] for what in ("word", "synonym")])
    found: dict[str, set[str]] = {}
    for run in runs:
        for row, (label, said) in sheet.rows(f"word_run{run}", f"synonym_run{run}"):
            label = fold(sheet.filled(row, f"word_run{run}", label))
            for word in (label, *map(fold, parse_mer2025(sheet.filled(row, f"synonym_run{run}", said)))):
                found.setdefault(word, set()).add(label)
    return {word: tuple(sorted(labels)) for word, labels in found.items()}


def _read_wheel(name: str, content: bytes) -> Wheel:
    """A wheel; cells of level 1 and level 2 are written once and hold for the rows below."""
    sheet = read_sheet(f"{name}.xlsx", content)
    sheet.require(_LEVELS)
    rows: list[tuple[str, str, str]] = []
    first = second = ""
    for row, (level1, level2, level3) in sheet.rows(*_LEVELS):
        if level1.strip():
            first, second = fold(level1), ""
        second = fold(level2) or second
        rows.append(
            (
                sheet.filled(row, "level1", first),
                sheet.filled(row, "level2", second),
                fold(sheet.filled(row, "level3", level3)),
            )
        )
    return Wheel.from_rows(name, rows)


_LEVELS = ("level1", "level2", "level3")
_COPY = "Copy the file again from a MERTools checkout."
