"""CASME (Yan et al., 2013), CASME II (Yan et al., 2014) and SAMM (Davison et al., 2018): micro-expressions.

Each comes as folders of frames, one per expression (``sub01/EP02_01f/img46.jpg``; SAMM ``006/006_1_2/006_05562.jpg``),
and a coding sheet with subject, file name, onset, apex and offset frame and the emotion. A clip is the apex frame, as
in the benchmark of GPT-4V; its sequence stands in the column ``sequence``, the frame numbers in ``onset``, ``apex`` and
``offset``. A frame is found by its folder and the number at the end of its name, so raw and cropped releases are both
read; where one folder holds both, ``frames=FOLDER`` chooses.

The sheet is any ``.xlsx`` or ``.csv`` with those columns, under the names of CASME II and SAMM (an old ``.xls`` has to
be saved as one of them). The names assumed for CASME (``OnsetF``, ``ApexF1``, ``OffsetF``) are not documented publicly.
``emotions=selection`` keeps the classes of the benchmark, in the order of its requests (there is no official index
order); ``emotions=all`` keeps all, the others behind them.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from mertools.corpora import CORPORA, Maker, Prepared
from mertools.corpora.fakes import fake_image, fake_table
from mertools.corpora.images import (
    Found,
    Images,
    choice,
    class_of,
    find_images,
    prepared,
    still,
    unknown_layout,
    without_image,
)
from mertools.corpora.scanning import some
from mertools.corpora.sheets import Row, rows_of
from mertools.corpus import Clip, Target, Terms
from mertools.errors import CorpusError

LICENCE = "academic research only, by agreement; images not to be passed on"
COLUMNS = {
    "subject": ("Subject", "Sub"),
    "file": ("Filename", "File name", "Video"),
    "onset": ("OnsetFrame", "OnsetF", "Onset"),
    "apex": ("ApexFrame", "ApexF1", "ApexF", "Apex"),
    "offset": ("OffsetFrame", "OffsetF", "Offset"),
    "emotion": ("Estimated Emotion", "Emotion", "Emotions"),
}
OPTIONAL = {"action_units": ("Action Units", "AU", "AUs"), "objective_class": ("Objective Classes",)}
_NUMBER = re.compile(r"(\d+)$")
_PERSON = re.compile(r"(?:subject|sub|s)?_?(\d+)", re.IGNORECASE)
"""Folder of one person; without such a folder the name of the expression's folder has to be enough."""


@dataclass(frozen=True)
class MicroOptions:
    """What may be chosen.

    Attributes:
        emotions: ``selection`` (the classes of the benchmark) or ``all``.
        frames: folder below the raw one that holds the frames; needed where there are several releases of them.
    """

    emotions: str = "selection"
    frames: str = ""


@dataclass(frozen=True)
class Release:
    """What tells the three corpora apart.

    Attributes:
        name: the corpus.
        selection: classes of the benchmark, in its order.
        others: further classes of the coding sheet.
        spellings: further ways to write a class, lower case.
        n_selected: published number of clips of the selection, where known.
        n_all: published number of all clips.
    """

    name: str
    selection: tuple[str, ...]
    others: tuple[str, ...]
    spellings: Mapping[str, str] = field(default_factory=dict)
    n_selected: int = 0
    n_all: int = 0

    @property
    def labels(self) -> Mapping[str, str]:
        """Cell, lower case -> class."""
        return {label.lower(): label for label in (*self.selection, *self.others)} | dict(self.spellings)


RELEASES = {
    "casme": Release(
        "casme",
        ("tense", "disgust", "repression", "surprise"),
        ("happiness", "sadness", "contempt", "fear"),
        {"amusement": "happiness"},
        n_all=195,
    ),
    "casme2": Release(
        "casme2",
        ("happiness", "surprise", "disgust", "repression", "others"),
        ("sadness", "fear"),
        {"other": "others"},
        n_selected=247,
    ),
    "samm": Release(
        "samm",
        ("Anger", "Contempt", "Happiness", "Surprise", "Other"),
        ("Disgust", "Fear", "Sadness"),
        {"others": "Other"},
        n_all=159,
    ),
}


class MicroExpressions(Maker):
    """What the three corpora share."""

    Options = MicroOptions
    release: ClassVar[Release]

    def expected(self, options: MicroOptions) -> Mapping[str, int]:
        """The published number of clips, where it is known for the choice."""
        published = self.release.n_all if options.emotions == "all" else self.release.n_selected
        return {"": published} if published else {}

    def make(self, raw: Path, out: Path, options: MicroOptions) -> Prepared:
        """Read the coding sheet and find the apex frames; see `Maker.make`."""
        release = self.release
        choice("emotions", options.emotions, ("selection", "all"))
        images = find_images(raw)
        sheet = _sheet(images)
        if sheet is None or not images.files:
            expected = "a coding sheet (.xlsx or .csv) and folders of frames such as sub01/EP02_01f/"
            raise unknown_layout(release.name, raw, images, expected)
        searched = _searched(images, options.frames)
        classes = release.selection + (release.others if options.emotions == "all" else ())
        found = _clips(release, classes, sheet, searched)
        targets = [Target("discrete", "classes", classes=classes)]
        return prepared(release.name, raw, out, found, targets, Terms(licence=LICENCE))

    def fake(self, raw: Path) -> dict[str, str]:
        """One expression per class of two people, and one of another class; see `Maker.fake`."""
        release = self.release
        rows = []
        for index, label in enumerate((*release.selection, release.others[0])):
            person = index % 2 + 1
            folder = raw / "frames" / f"sub{person:02}" / f"EP{index + 1:02}_01f"
            for frame in range(3):
                fake_image(folder / f"img{10 + frame}.jpg", shade=20 * index + frame)
            numbers = {"OnsetFrame": 10, "ApexFrame": 11, "OffsetFrame": 12}
            rows.append({"Subject": f"{person:02}", "Filename": folder.name, **numbers, "Estimated Emotion": label})
        fake_table(raw / "coding.csv", rows)
        return {}


@CORPORA.register(
    "casme", licence=LICENCE, summary="CASME: apex frames of 195 micro-expressions; leave one speaker out"
)
class Casme(MicroExpressions):
    """The corpus ``casme``."""

    release = RELEASES["casme"]


@CORPORA.register(
    "casme2",
    licence=LICENCE,
    summary="CASME II: apex frames of 247 micro-expressions, 5 classes; leave one speaker out",
)
class Casme2(MicroExpressions):
    """The corpus ``casme2``."""

    release = RELEASES["casme2"]
    counts: ClassVar[dict[str, int]] = {"": 247}


@CORPORA.register("samm", licence=LICENCE, summary="SAMM: apex frames of 159 micro-expressions; leave one speaker out")
class Samm(MicroExpressions):
    """The corpus ``samm``."""

    release = RELEASES["samm"]


def _sheet(images: Images) -> Path | None:
    """The coding sheet: the one table whose header holds its columns.

    Raises:
        CorpusError: what is wrong with the only table, or ``MER-C293`` for several sheets.
    """
    tables = [p for p in images.tables if p.suffix.lower() in (".xlsx", ".xls", ".csv") and not p.name.startswith("~")]
    if len(tables) < 2:
        return tables[0] if tables else None
    sheets, faults = [], []
    for path in tables:
        try:
            next(rows_of(path, COLUMNS), None)
            sheets.append(path)
        except CorpusError as error:
            faults.append(error)
    if not sheets:
        raise faults[0]
    if len(sheets) > 1:
        raise CorpusError("MER-C293", f"two coding sheets: {sheets[0]} and {sheets[1]}.", "Keep the one that is meant.")
    return sheets[0]


def _searched(images: Images, frames: str) -> Images:
    if not frames:
        return images
    within = images.within(frames)
    if not within.files:
        raise CorpusError(
            "MER-C289",
            f"frames={frames}: there are no images below {images.root / frames}.",
            "Name a folder of frames.",
        )
    return within


def _clips(release: Release, classes: Sequence[str], sheet: Path, images: Images) -> Found:
    frames = _Frames(images)
    labels = release.labels
    clips: dict[str, Clip] = {}
    absent: list[str] = []
    n_wanted = 0
    others: Counter[str] = Counter()
    for row in _rows(sheet):
        label = class_of(row["emotion"], labels, f"{sheet}, row {row.number}")
        if label not in classes:
            others[label] += 1
            continue
        n_wanted += 1
        path = frames.find(row["subject"], row["file"], row["apex"])
        name = _name(row)
        if path is None:
            absent.append(name)
            continue
        if name in clips and clips[name].cells["onset"] != row["onset"]:
            name = f"{name}-{row['onset']}"  # one recording may hold several expressions
        if name in clips:
            raise CorpusError(
                "MER-C287", f"{sheet}, row {row.number}: '{name}' stands twice.", "Keep one row per expression."
            )
        clips[name] = _clip(name, row, label, path, images.root)
    warnings = [*images.warnings, *frames.warnings]
    if n_wanted and len(absent) == n_wanted:
        without_image([f"{name} (apex)" for name in absent], sheet, n_wanted)
    if absent:
        warnings.append(
            f"{len(absent)} expressions have no apex frame in {sheet.name} or on disk, left out: {some(absent)}."
        )
    if others:
        counts = ", ".join(f"{label} {n}" for label, n in sorted(others.items()))
        warnings.append(f"{others.total()} expressions are no class of the selection, left out: {counts}.")
    if not clips:
        raise CorpusError("MER-C286", f"{sheet} names no expression of {', '.join(classes)}.", "Is it the right sheet?")
    return Found(list(clips.values()), warnings)


def _rows(sheet: Path) -> Iterator[Row]:
    """Rows that code an expression; sheets have remarks below."""
    return (row for row in rows_of(sheet, COLUMNS, OPTIONAL) if row["file"] and row["emotion"])


def _name(row: Row) -> str:
    """Person and file name; SAMM's file names begin with the person's number."""
    person = _trailing(row["subject"])
    whose = row["file"].split("_")[0]
    if whose.isdigit() and int(whose) == person:
        return row["file"]
    return f"{row['subject'] if person is None else f'sub{person:02}'}_{row['file']}"


def _clip(name: str, row: Row, label: str, path: Path, root: Path) -> Clip:
    cells = {
        "discrete": label,
        "speaker": row["subject"],
        "source": f"{row['subject']}/{row['file']}",
        "sequence": path.parent.relative_to(root).as_posix(),
        **{column: row[column] for column in ("onset", "apex", "offset")},
        **{column: row[column] for column in OPTIONAL if row[column]},
    }
    return still(name, "train", path, **cells)


class _Frames:
    """Frames by subject, folder and number.

    Attributes:
        warnings: that there are several releases of the frames, once that was met.
    """

    def __init__(self, images: Images) -> None:
        self._found: dict[tuple[int | None, str, int], list[Path]] = {}
        self._root = images.root
        self.warnings: list[str] = []
        for path in images.files:
            number = _trailing(path.stem)
            if number is None:
                continue
            folder = path.parent.name.lower()
            person = _PERSON.fullmatch(path.parent.parent.name)
            key = (int(person[1]) if person else None, folder, number)
            self._found.setdefault(key, []).append(path)

    def find(self, subject: str, file: str, apex: str) -> Path | None:
        """The apex frame; None if the sheet or the disk has none."""
        if not apex.isdigit():
            return None
        keys = [(person, file.lower(), int(apex)) for person in (_trailing(subject), None)]
        paths = next((self._found[key] for key in keys if key in self._found), [])
        if len(paths) > 1 and not self.warnings:
            kept, other = (path.relative_to(self._root).parts[0] for path in paths[:2])
            self.warnings.append(
                f"several releases of the frames; {kept} is used, not {other} (frames=FOLDER chooses)."
            )
        return paths[0] if paths else None


def _trailing(text: str) -> int | None:
    match = _NUMBER.search(text)
    return int(match[1]) if match else None
