"""Twitter I and II: images of tweets with the sentiment they evoke, positive or negative.

Twitter I (You et al., 2015; 1,269 images, five people each) comes as lists of those on which five, at least four and
at least three people agree (882, 1,116 and 1,269 images). Twitter II (Borth et al., 2013) has 603 images, 470 positive.
How the images are packed is not documented; read are: lists ``NAME LABEL`` (also with commas, or CSV with columns
name and gt), whose file name says ``five``, ``four`` or ``three`` for Twitter I, labels written ``positive`` and
``negative`` or ``1`` and ``0``; else folders ``positive/`` and ``negative/``. Neither corpus has official splits. The
classes are in the order of the benchmark of GPT-4V.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from mertools.corpora import CORPORA, Maker, NoOptions, Prepared
from mertools.corpora.fakes import fake_image, fake_text
from mertools.corpora.images import (
    Found,
    Images,
    choice,
    class_of,
    find_images,
    not_sorted,
    prepared,
    sort_by_folder,
    still,
    unknown_layout,
    without_image,
)
from mertools.corpora.sheets import lines_of, pairs_of
from mertools.corpus import Target, Terms
from mertools.errors import CorpusError

CLASSES = ("positive", "negative")
AGREEING = {"five": 882, "four": 1_116, "three": 1_269}
LABELS = {"positive": "positive", "negative": "negative", "1": "positive", "0": "negative", "-1": "negative"}
LICENCE = "research only; rights in the images remain with their authors"
_HEADERS = ("gt", "label", "sentiment")


@dataclass(frozen=True)
class Twitter1Options:
    """What may be chosen.

    Attributes:
        agree: how many of five people have to agree at least: ``five``, ``four`` or ``three``.
    """

    agree: str = "three"


@CORPORA.register(
    "twitter1",
    licence=LICENCE,
    summary="Twitter I: 1,269 images of tweets, positive or negative; five, four or three agree",
)
class Twitter1(Maker):
    """The corpus ``twitter1``."""

    Options = Twitter1Options
    counts: ClassVar[dict[str, int]] = {"": AGREEING["three"]}

    def expected(self, options: Twitter1Options) -> Mapping[str, int]:
        """Images on which so many people agree."""
        return {"": AGREEING[options.agree]}

    def fake(self, raw: Path) -> dict[str, str]:
        """Four images, three lists of them; see `Maker.fake`."""
        lines = [f"image_{index}.jpg {index % 2}\n" for index in range(4)]
        for index in range(4):
            fake_image(raw / "images" / f"image_{index}.jpg", shade=20 * index)
        for n, agree in ((2, "five"), (3, "at_least_four"), (4, "at_least_three")):
            fake_text(raw / f"{agree}_agree.txt", "".join(lines[:n]))
        return {}

    def make(self, raw: Path, out: Path, options: Twitter1Options) -> Prepared:
        """Read the list of so many agreeing people, else folders; see `Maker.make`."""
        agree = choice("agree", options.agree, tuple(AGREEING))
        images = find_images(raw)
        lists = [path for path in images.tables if any(word in path.stem.lower() for word in AGREEING)]
        chosen = [path for path in lists if agree in path.stem.lower()]
        if len(chosen) > 1:
            raise CorpusError(
                "MER-C293", f"two lists of '{agree}': {chosen[0]} and {chosen[1]}.", "Keep the one that is meant."
            )
        if not chosen and (lists or agree != "three"):
            raise CorpusError(
                "MER-C282", f"{raw} has no list with '{agree}' in its name.", f"Expected e.g. {agree}_agree.txt."
            )
        found = _listed(images, chosen[0]) if chosen else _folders(images)
        if not found.clips:
            raise unknown_layout("Twitter I", raw, images, "lists such as five_agree.txt beside the images")
        return _prepared("twitter1", raw, out, found)


@CORPORA.register("twitter2", licence=LICENCE, summary="Twitter II: 603 images of tweets, positive or negative")
class Twitter2(Maker):
    """The corpus ``twitter2``."""

    counts: ClassVar[dict[str, int]] = {"": 603}

    def fake(self, raw: Path) -> dict[str, str]:
        """Four images, one list; see `Maker.fake`."""
        for index in range(4):
            fake_image(raw / "images" / f"{index}.jpg", shade=20 * index)
        fake_text(raw / "labels.csv", "name,gt\n" + "".join(f"{i}.jpg,{CLASSES[i % 2]}\n" for i in range(4)))
        return {}

    def make(self, raw: Path, out: Path, options: NoOptions) -> Prepared:
        """Read the one list, else folders; see `Maker.make`."""
        images = find_images(raw)
        folders = _folders(images)
        lists = [] if folders.clips else [p for p in images.tables if p.suffix.lower() in (".csv", ".txt")]
        lists = [p for p in lists if "readme" not in p.stem.lower()]
        if len(lists) > 1:
            named = [path for path in lists if "label" in path.stem.lower() or "truth" in path.stem.lower()]
            if len(named) != 1:
                raise CorpusError(
                    "MER-C293",
                    f"several lists: {lists[0]}, {lists[1]}.",
                    "Keep the one with the labels beside the images.",
                )
            lists = named
        found = _listed(images, lists[0]) if lists else folders
        if not found.clips:
            raise unknown_layout(
                "Twitter II", raw, images, "folders positive/ and negative/, or a list of names and labels"
            )
        return _prepared("twitter2", raw, out, found)


def _listed(images: Images, path: Path) -> Found:
    clips, absent = [], []
    listed = _labels_of(path)
    for name, label in listed.items():
        image = images.named(name)
        if image is None:
            absent.append(name)
        else:
            clips.append(still(image.stem, "train", image, discrete=label))
    return Found(clips, [*images.warnings, *without_image(absent, path, len(listed))])


def _labels_of(path: Path) -> dict[str, str]:
    """Image name to class, in file order.

    Raises:
        CorpusError: ``MER-C285`` for an unknown label, ``MER-C287`` for a name that stands twice.
    """
    found: dict[str, str] = {}
    first: dict[str, int] = {}
    for number, name, label in _pairs_of_csv(path) if path.suffix.lower() == ".csv" else pairs_of(path):
        if number == 1 and label.lower() in _HEADERS:
            continue
        where = f"{path}, row {number}"
        if name in first:
            raise CorpusError(
                "MER-C287", f"{where}: '{name}' stands in row {first[name]} already.", "Keep one row per image."
            )
        first[name] = number
        found[name] = class_of(label, LABELS, where)
    return found


def _pairs_of_csv(path: Path) -> Iterator[tuple[int, str, str]]:
    """The first two cells of every row; further columns (answers of a model) do not matter."""
    return ((number, cells[0], cells[1]) for number, cells in enumerate(lines_of(path), start=1) if len(cells) > 1)


def _folders(images: Images) -> Found:
    found, others = sort_by_folder(images, {label: label for label in CLASSES})
    clips = [still(image.path.stem, "train", image.path, discrete=image.label) for image in found]
    return Found(clips, [*images.warnings, *(not_sorted(others) if found else ())])


def _prepared(name: str, raw: Path, out: Path, found: Found) -> Prepared:
    return prepared(name, raw, out, found, [Target("discrete", "classes", classes=CLASSES)], Terms(licence=LICENCE))
