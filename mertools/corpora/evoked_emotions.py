"""Images by the emotion they evoke: Abstract and ArtPhoto (Machajdik & Hanbury, 2010), 8 categories and polarity.

Abstract: ``ABSTRACT_groundTruth.csv`` (image name in quotation marks, then votes for Amusement, Anger, Awe, Content,
Disgust, Excitement, Fear, Sad) beside the images ``abstract_0001.jpg``. An image whose most votes are shared by two
categories has no label and is left out; 228 of 280 remain by the paper.
ArtPhoto: the category is the start of a name, ``amusement_0123.jpg``; 806 images. Class folders are read as well.

`polarity` follows from the category: amusement, awe, content(ment) and excitement are positive. The classes are in
the order of the benchmark's requests, which for Abstract is that of the table; ArtPhoto has no official order.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from mertools.corpora import CORPORA, Maker, NoOptions, Prepared
from mertools.corpora.fakes import fake_image, fake_text
from mertools.corpora.images import (
    Found,
    Images,
    find_images,
    not_sorted,
    prepared,
    sort_by_folder,
    still,
    unknown_layout,
    without_image,
)
from mertools.corpora.scanning import some
from mertools.corpora.sheets import rows_of, whole_number
from mertools.corpus import Clip, Target, Terms

ABSTRACT = ("Amusement", "Anger", "Awe", "Content", "Disgust", "Excitement", "Fear", "Sad")
ARTPHOTO = ("disgust", "awe", "sad", "fear", "anger", "excitement", "contentment", "amusement")
POSITIVE = ("amusement", "awe", "content", "contentment", "excitement")
POLARITY = ("positive", "negative")
LICENCE = "research only; rights in the images remain with their authors (Machajdik & Hanbury, 2010)"
VOTES = "ABSTRACT_groundTruth.csv"
_ARTPHOTO_NAMES = {label: label for label in ARTPHOTO} | {"content": "contentment", "sadness": "sad"}
_ARTPHOTO_NAME = re.compile(r"([a-z]+)_\d+", re.IGNORECASE)


def polarity_of(category: str) -> str:
    """``positive`` or ``negative``, for a category of either corpus, any case.

    Example:
        >>> polarity_of("Awe"), polarity_of("sad")
        ('positive', 'negative')
    """
    return POLARITY[category.lower() not in POSITIVE]


@CORPORA.register(
    "abstract", licence=LICENCE, summary="Abstract: 228 abstract paintings by the emotion they evoke, 8 categories"
)
class Abstract(Maker):
    """The corpus ``abstract``."""

    counts: ClassVar[dict[str, int]] = {"": 228}

    def fake(self, raw: Path) -> dict[str, str]:
        """One image per category and one with shared most votes; see `Maker.fake`."""
        lines = ["''," + ",".join(f"'{label}'" for label in ABSTRACT)]
        for index in range(len(ABSTRACT) + 1):
            votes = [2 if at == index or index == len(ABSTRACT) else 1 for at in range(len(ABSTRACT))]
            lines.append(f"'abstract_{index + 1:04}.jpg'," + ",".join(map(str, votes)))
            fake_image(raw / "testImages_abstract" / f"abstract_{index + 1:04}.jpg", shade=9 * index)
        fake_text(raw / VOTES, "\n".join(lines) + "\n")
        return {}

    def make(self, raw: Path, out: Path, options: NoOptions) -> Prepared:
        """Read the votes, else class folders; see `Maker.make`."""
        images = find_images(raw)
        table = images.table(VOTES)
        found = _voted(images, table) if table else _folders(images, {label.lower(): label for label in ABSTRACT})
        if not found.clips:
            raise unknown_layout("Abstract", raw, images, f"{VOTES} beside the images, or one folder per category")
        return prepared("abstract", raw, out, found, _targets(ABSTRACT), Terms(licence=LICENCE))


@CORPORA.register(
    "artphoto", licence=LICENCE, summary="ArtPhoto: 806 artistic photographs by the emotion they evoke, 8 categories"
)
class Artphoto(Maker):
    """The corpus ``artphoto``."""

    counts: ClassVar[dict[str, int]] = {"": 806}

    def fake(self, raw: Path) -> dict[str, str]:
        """One image per category; see `Maker.fake`."""
        for index, label in enumerate(ARTPHOTO):
            name = "content" if label == "contentment" else label
            fake_image(raw / "testImages_artphoto" / f"{name}_{index + 1:04}.jpg", shade=9 * index)
        return {}

    def make(self, raw: Path, out: Path, options: NoOptions) -> Prepared:
        """Read the names, else class folders; see `Maker.make`."""
        images = find_images(raw)
        found = _named(images)
        if not found.clips:
            found = _folders(images, _ARTPHOTO_NAMES)
        if not found.clips:
            expected = "images named like amusement_0123.jpg, or one folder per category"
            raise unknown_layout("ArtPhoto", raw, images, expected)
        return prepared("artphoto", raw, out, found, _targets(ARTPHOTO), Terms(licence=LICENCE))


def _voted(images: Images, table: Path) -> Found:
    columns = {label: (label,) for label in ABSTRACT}
    clips, absent, shared = [], [], []
    n_labelled = 0
    for row in rows_of(table, columns):
        where = f"{table}, row {row.number}"
        name = row.first.strip("'\"")
        votes = [whole_number(row[label], f"{where}, column {label}", range(100_000)) for label in ABSTRACT]
        if votes.count(max(votes)) > 1:
            shared.append(name)
            continue
        n_labelled += 1
        path = images.named(name)
        if path is None:
            absent.append(name)
            continue
        columns_of_votes = {f"votes_{label}": str(n) for label, n in zip(ABSTRACT, votes, strict=True)}
        clips.append(_clip(path, ABSTRACT[votes.index(max(votes))], **columns_of_votes))
    warnings = [*images.warnings, *without_image(absent, table, n_labelled)]
    if shared:
        warnings.append(f"{len(shared)} images have two categories with most votes, left out: {some(shared)}.")
    return Found(clips, warnings)


def _named(images: Images) -> Found:
    clips, others = [], []
    for path in images.files:
        match = _ARTPHOTO_NAME.match(path.stem)
        label = _ARTPHOTO_NAMES.get(match[1].lower()) if match else None
        if label:
            clips.append(_clip(path, label))
        else:
            others.append(path)
    return Found(clips, [*images.warnings, *(not_sorted(others, "are not named as in ArtPhoto") if clips else ())])


def _folders(images: Images, names: Mapping[str, str]) -> Found:
    found, others = sort_by_folder(images, names)
    warnings = [*images.warnings, *(not_sorted(others) if found else ())]
    return Found([_clip(image.path, image.label) for image in found], warnings)


def _clip(path: Path, label: str, **cells: str) -> Clip:
    return still(path.stem, "train", path, discrete=label, polarity=polarity_of(label), **cells)


def _targets(classes: tuple[str, ...]) -> tuple[Target, Target]:
    return Target("discrete", "classes", classes=classes), Target("polarity", "classes", classes=POLARITY)
