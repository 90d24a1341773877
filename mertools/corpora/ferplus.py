"""FER+: ten people's votes on every image of FER2013, 8 emotions (Barsoum et al., 2016).

Known layouts: ``fer2013new.csv`` (columns ``Usage, Image name``, eight emotions, ``unknown``, ``NF``; same rows and
order as ``fer2013.csv``) beside the images ``fer0000000.png`` or beside ``fer2013.csv``, whose pixels are then written
as images into the corpus folder; or the authors' folders ``FER2013Train``, ``FER2013Valid``, ``FER2013Test`` with a
``label.csv`` each (image name and the ten votes, no header). Rows without an image name show no face and are left out.

Labels. ``rule=most``: the emotion with most votes, the first in the official order where several have as many; all
images stay. ``rule=majority``: the authors' rule. Single votes are dropped; an image stays only if one emotion has
more than half of the votes left, those for unknown and NF ("not a face") included. The share of each of the ten in
all votes stands in a column of its own either way. Classes are in the official column order, which the benchmark of
GPT-4V has too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from mertools.corpora import CORPORA, Maker, Prepared
from mertools.corpora.fakes import fake_table
from mertools.corpora.fer2013 import USAGES, faces_of, fake_fer2013_rows, pixel_table
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
from mertools.corpora.sheets import lines_of, rows_of, whole_number
from mertools.corpus import Clip, Target, Terms
from mertools.errors import CorpusError

EMOTIONS = ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt")
VOTED = (*EMOTIONS, "unknown", "NF")
FOLDERS = {"fer2013train": "training", "fer2013valid": "publictest", "fer2013test": "privatetest"}
TABLE = "fer2013new.csv"


@dataclass(frozen=True)
class FerplusOptions:
    """What may be chosen.

    Attributes:
        rule: ``most`` (all images, label with most votes) or ``majority`` (the authors' filter).
    """

    rule: str = "most"


@dataclass(frozen=True)
class Votes:
    """The votes on one image: its file name, its usage, the votes in the order of `VOTED`, and where they stand."""

    image: str
    usage: str
    votes: tuple[int, ...]
    where: str


def label_by_most(votes: Sequence[int]) -> str:
    """The emotion with most votes, the first of several; empty if no emotion has any.

    Example:
        >>> label_by_most([2, 2, 0, 0, 0, 0, 0, 0, 6, 0])
        'neutral'
    """
    emotions = votes[: len(EMOTIONS)]
    return EMOTIONS[emotions.index(max(emotions))] if any(emotions) else ""


def label_by_majority(votes: Sequence[int]) -> str:
    """The emotion with more than half of the votes that are not alone; empty if there is none.

    Example:
        >>> label_by_majority([5, 1, 4, 0, 0, 0, 0, 0, 0, 0])
        'neutral'
        >>> label_by_majority([4, 0, 0, 4, 0, 0, 0, 0, 2, 0])
        ''
    """
    kept = [n if n > 1 else 0 for n in votes]
    most = max(kept)
    at = kept.index(most)
    return EMOTIONS[at] if 2 * most > sum(kept) and at < len(EMOTIONS) else ""


RULES = {"most": label_by_most, "majority": label_by_majority}


@CORPORA.register(
    "ferplus",
    licence="labels MIT (Barsoum et al., 2016); images of FER2013, research use",
    summary="FER+: ten votes on each image of FER2013, 8 emotions; train, validation, test",
)
class Ferplus(Maker):
    """The corpus ``ferplus``."""

    Options = FerplusOptions
    counts: ClassVar[dict[str, int]] = {"train": 28_558, "validation": 3_579, "test": 3_573}

    def expected(self, options: FerplusOptions) -> Mapping[str, int]:
        """Images with a face, known without the filter."""
        return self.counts if options.rule == "most" else {}

    def fake(self, raw: Path) -> dict[str, str]:
        """FER2013's table and votes on it, the last row without a face; see `Maker.fake`."""
        rows = fake_fer2013_rows()
        fake_table(raw / "fer2013.csv", rows)
        votes: list[dict[str, object]] = []
        for index, row in enumerate(rows):
            last = index == len(rows) - 1
            given = dict.fromkeys(VOTED, 0) | ({"NF": 10} if last else {VOTED[index % 8]: 8, "unknown": 2})
            name = "" if last else f"fer{index:07}.png"
            votes.append({"Usage": row["Usage"], "Image name": name, **given})
        fake_table(raw / TABLE, votes)
        return {}

    def make(self, raw: Path, out: Path, options: FerplusOptions) -> Prepared:
        """Read the votes, and the images from files or from FER2013's table; see `Maker.make`."""
        choice("rule", options.rule, tuple(RULES))
        images = find_images(raw)
        table = images.table(TABLE)
        voted = list(_votes_of(table)) if table else list(_votes_of_folders(images))
        if not voted:
            expected = f"{TABLE} beside fer2013.csv or the images, or FER2013Train/label.csv"
            raise unknown_layout("FER+", raw, images, expected)
        pixels = pixel_table(images)
        if table and pixels and not images.named(next((v.image for v in voted if v.image), "")):
            found = _from_pixels(voted, pixels, out, options.rule)
        else:
            found = _from_images(voted, images, options.rule, table or "label.csv")
        terms = Terms(licence="labels MIT (Barsoum et al., 2016); images of FER2013, research use")
        target = Target("discrete", "classes", classes=EMOTIONS)
        return prepared("ferplus", raw, out, found, [target], terms, roles="train,validation,test")


def _votes_of(path: Path) -> Iterator[Votes]:
    columns = {"usage": ("Usage",), "image": ("Image name",), **{name: (name,) for name in VOTED}}
    for row in rows_of(path, columns):
        where = f"{path}, row {row.number}"
        votes = tuple(whole_number(row[name], f"{where}, column {name}", range(1000)) for name in VOTED)
        yield Votes(row["image"], row["usage"].lower(), votes, where)


def _votes_of_folders(images: Images) -> Iterator[Votes]:
    for path in images.tables:
        usage = FOLDERS.get(path.parent.name.lower())
        if path.name.lower() != "label.csv" or usage is None:
            continue
        for number, cells in enumerate(lines_of(path), start=1):
            where = f"{path}, row {number}"
            if len(cells) < 1 + len(VOTED):
                raise CorpusError(
                    "MER-C284",
                    f"{where}: {len(cells)} cells.",
                    f"Expected the image's name and {len(VOTED)} votes: {', '.join(VOTED)}.",
                )
            votes = tuple(whole_number(cell, where, range(1000)) for cell in cells[-len(VOTED) :])
            yield Votes(f"{path.parent.name}/{cells[0]}", usage, votes, where)


def _from_pixels(voted: list[Votes], pixels: Path, out: Path, rule: str) -> Found:
    clips, files = [], {}
    n_faces = 0
    for face in faces_of(pixels):
        n_faces += 1
        row = voted[n_faces - 1] if n_faces <= len(voted) else None
        if row is None or row.usage != face.usage:
            fault = f"has no row {face.number}" if row is None else f"says '{row.usage}', not '{face.usage}'"
            raise CorpusError(
                "MER-C291",
                f"{TABLE} and {pixels.name} are not the same rows in the same order: in row {face.number} the first "
                f"{fault}.",
                "Take both files as they were distributed, unsorted.",
            )
        if row.image:
            name = f"images/{row.image}"
            clip = _clip(row, out / name, rule)
            if clip.cells["discrete"]:
                files[name] = face.png
                clips.append(clip)
    if n_faces < len(voted):
        raise CorpusError(
            "MER-C291",
            f"{TABLE} has {len(voted)} rows, {pixels.name} has {n_faces}.",
            "Take both files as they were distributed.",
        )
    return Found(clips, _left_out(voted, len(clips), rule), files)


def _from_images(voted: list[Votes], images: Images, rule: str, table: Path | str) -> Found:
    clips, absent = [], []
    named = [row for row in voted if row.image]
    for row in named:
        path = images.named(row.image)
        if path is None:
            absent.append(row.image)
            continue
        clip = _clip(row, path, rule)
        if clip.cells["discrete"]:
            clips.append(clip)
    warnings = [*images.warnings, *without_image(absent, table, len(named))]
    return Found(clips, [*warnings, *_left_out(voted, len(clips) + len(absent), rule)])


def _clip(row: Votes, path: Path, rule: str) -> Clip:
    split = class_of(row.usage, USAGES, f"{row.where}, column Usage")
    total = sum(row.votes)
    shares = {f"share_{name}": f"{n / total if total else 0:.6g}" for name, n in zip(VOTED, row.votes, strict=True)}
    return still(path.stem, split, path, discrete=RULES[rule](row.votes), **shares)


def _left_out(voted: Iterable[Votes], n_kept: int, rule: str) -> list[str]:
    faceless = sum(not row.image for row in voted)
    n_voted = sum(bool(row.image) for row in voted)
    warnings = [f"{faceless} rows have no image name (no face), left out."] if faceless else []
    if n_voted > n_kept:
        why = "no emotion has a majority" if rule == "majority" else "no emotion has a vote"
        warnings.append(f"{n_voted - n_kept} images are left out: {why} (rule={rule}).")
    return warnings
