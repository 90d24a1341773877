"""Real-world Affective Faces (RAF-DB): web faces, 7 basic or 11 compound emotions (Li et al., 2017).

Official layout: ``basic/EmoLabel/list_patition_label.txt`` (lines ``train_00001.jpg 5``), ``basic/Image/aligned/
train_00001_aligned.jpg`` and ``basic/Image/original/train_00001.jpg``; the same below ``compound/``. Also read: the
folders ``train/1 ... test/7`` of the aligned faces that go round. Classes are in the official index order 1 to 7
(1 = Surprise), as in the benchmark of GPT-4V. ``basic/Annotation/manual/*_manu_attri.txt`` gives sex, race and age
where it is there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from mertools.corpora import CORPORA, Maker, Prepared
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
from mertools.corpora.sheets import pairs_of
from mertools.corpus import Clip, Target, Terms
from mertools.errors import CorpusError

BASIC = ("Surprise", "Fear", "Disgust", "Happiness", "Sadness", "Anger", "Neutral")
COMPOUND = (
    "Happily Surprised",
    "Happily Disgusted",
    "Sadly Fearful",
    "Sadly Angry",
    "Sadly Surprised",
    "Sadly Disgusted",
    "Fearfully Angry",
    "Fearfully Surprised",
    "Angrily Surprised",
    "Angrily Disgusted",
    "Disgustedly Surprised",
)
SETS = {"basic": BASIC, "compound": COMPOUND}
LIST = "list_patition_label.txt"
"""The label file, misspelt as distributed."""
_SEXES = ("male", "female", "unsure")
_RACES = ("Caucasian", "African-American", "Asian")
_AGES = ("0-3", "4-19", "20-39", "40-69", "70+")


@dataclass(frozen=True)
class RafdbOptions:
    """What may be chosen.

    Attributes:
        emotions: ``basic`` (7) or ``compound`` (11).
        images: ``aligned`` or ``original``; those that are there unless given, aligned first.
    """

    emotions: str = "basic"
    images: str = ""


@CORPORA.register(
    "rafdb",
    licence="non-commercial research, by agreement (Li et al., 2017)",
    summary="RAF-DB: faces of the web, 7 basic emotions (or 11 compound ones), train and test",
)
class Rafdb(Maker):
    """The corpus ``rafdb``."""

    Options = RafdbOptions
    counts: ClassVar[dict[str, int]] = {"train": 12_271, "test": 3_068}

    def expected(self, options: RafdbOptions) -> Mapping[str, int]:
        """The official split of either set."""
        return self.counts if options.emotions == "basic" else {"train": 3_162, "test": 792}

    def fake(self, raw: Path) -> dict[str, str]:
        """One image per class and split, with manual attributes; see `Maker.fake`."""
        lines = []
        for split, first in (("train", 1), ("test", 1)):
            for code in range(1, len(BASIC) + 1):
                name = f"{split}_{first + code:05}"
                lines.append(f"{name}.jpg {code}")
                fake_image(raw / "basic/Image/aligned" / f"{name}_aligned.jpg", shade=code)
                attributes = "1.0 2.0\n" * 5 + "1\n2\n2\n"
                fake_text(raw / "basic/Annotation/manual" / f"{name}_manu_attri.txt", attributes)
        fake_text(raw / "basic/EmoLabel" / LIST, "\n".join(lines) + "\n")
        return {}

    def make(self, raw: Path, out: Path, options: RafdbOptions) -> Prepared:
        """Read the label list, else class folders; see `Maker.make`."""
        classes = SETS[choice("emotions", options.emotions, tuple(SETS))]
        kind = choice("images", options.images, ("", "aligned", "original"))
        images = find_images(raw)
        lists = [path for path in images.tables if path.name == LIST]
        chosen = [p for p in lists if options.emotions in (part.lower() for part in p.relative_to(raw).parts)]
        if not chosen and options.emotions == "basic":
            chosen = [p for p in lists if "compound" not in (part.lower() for part in p.relative_to(raw).parts)]
        codes = {str(code): label for code, label in enumerate(classes, start=1)}
        if len(chosen) > 1:
            raise CorpusError(
                "MER-C293", f"two label lists: {chosen[0]} and {chosen[1]}.", "Point --raw at the one that is meant."
            )
        found = _listed(images, chosen[0], codes, kind) if chosen else _class_folders(images, codes, classes)
        if not found.clips:
            raise unknown_layout(
                "RAF-DB", raw, images, f"EmoLabel/{LIST} and Image/aligned/, or folders train/1 ... test/{len(codes)}"
            )
        terms = Terms(licence="non-commercial research, by agreement (Li et al., 2017)")
        target = Target("discrete", "classes", classes=classes)
        return prepared("rafdb", raw, out, found, [target], terms, roles="train,test")


def _listed(images: Images, path: Path, codes: Mapping[str, str], kind: str) -> Found:
    suffixes = {"aligned": ("_aligned",), "original": ("",), "": ("_aligned", "")}[kind]
    top = path.parent.parent
    by_stem = {p.stem: p for p in reversed(images.files) if p.is_relative_to(top)}
    clips, absent, n_rows = [], [], 0
    for number, name, code in pairs_of(path):
        n_rows += 1
        label = class_of(code, codes, f"{path}, row {number}")
        stem = Path(name).stem
        image = next((by_stem[stem + s] for s in suffixes if stem + s in by_stem), None)
        if image is None:
            absent.append(name)
            continue
        clips.append(still(stem, _split(stem), image, discrete=label, **_attributes(top, stem)))
    listed = {clip.video for clip in clips}
    names = {clip.name for clip in clips}
    unlisted = [p for p in by_stem.values() if p not in listed and p.stem.removesuffix("_aligned") not in names]
    warnings = [*images.warnings, *without_image(absent, path, n_rows), *not_sorted(unlisted, f"have no row in {LIST}")]
    return Found(clips, warnings)


def _class_folders(images: Images, codes: Mapping[str, str], classes: tuple[str, ...]) -> Found:
    found, others = sort_by_folder(images, {**codes, **{label.lower(): label for label in classes}})
    clips = [_face(image.path, image.split, image.label) for image in found]
    return Found(clips, [*images.warnings, *(not_sorted(others) if found else ())])


def _face(path: Path, split: str, label: str) -> Clip:
    return still(path.stem.removesuffix("_aligned"), split, path, discrete=label)


def _split(stem: str) -> str:
    return "test" if stem.startswith("test") else "train"


def _attributes(top: Path, stem: str) -> dict[str, str]:
    """Sex, race and age group: the last three lines below the landmarks; nothing where they are not there."""
    path = top / "Annotation" / "manual" / f"{stem}_manu_attri.txt"
    try:
        lines = path.read_text(encoding="utf-8").split()[-3:]
        codes = [int(line) for line in lines]
    except (OSError, ValueError):
        return {}
    named = zip(("sex", "race", "age"), (_SEXES, _RACES, _AGES), codes, strict=False)
    return {column: words[code] for column, words, code in named if 0 <= code < len(words)}
