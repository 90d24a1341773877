"""Static Facial Expressions in the Wild (SFEW 2.0): film frames, 7 classes (Dhall et al., 2011; EmotiW 2015).

Layout: ``Train/Angry/NAME.png``, ``Val/...``, and ``Test/`` without classes; the aligned faces come as
``Train_Aligned_Faces/`` and so on, with the same names. A name such as ``AlexEmma_000329240_00000004`` says the film,
its time and the frame; the film is the clip's source. The validation split (436 images) is what papers report on. The
class order is that of the folders, as in the benchmark of GPT-4V.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

from mertools.corpora import CORPORA, Maker, Prepared
from mertools.corpora.fakes import fake_image
from mertools.corpora.images import (
    SPLIT_FOLDERS,
    Found,
    Images,
    choice,
    find_images,
    not_sorted,
    prepared,
    sort_by_folder,
    still,
    unknown_layout,
)
from mertools.corpus import Clip, Target, Terms

CLASSES = ("Angry", "Disgust", "Fear", "Happy", "Neutral", "Sad", "Surprise")
TEST = "candidate"
"""Split of the test images, whose labels were never given out."""
_ALIGNED = re.compile(r"(train|val|test)_aligned_faces(?:_\w+)?$")
_FILM = re.compile(r"(.+?)_\d{6,}_\d+")


@dataclass(frozen=True)
class SfewOptions:
    """What may be chosen.

    Attributes:
        images: ``original`` frames or ``aligned`` faces, where both are there; the one that is there unless given.
    """

    images: str = ""


@CORPORA.register(
    "sfew",
    licence="research only, by agreement (Dhall et al., 2011)",
    summary="SFEW 2.0: frames of films, 7 classes; train and validation labelled, test not",
)
class Sfew(Maker):
    """The corpus ``sfew``."""

    Options = SfewOptions
    counts: ClassVar[dict[str, int]] = {"train": 958, "validation": 436, TEST: 372}

    def expected(self, options: SfewOptions) -> Mapping[str, int]:
        """Known for the original frames (fewer faces could be aligned)."""
        return {} if options.images == "aligned" else self.counts

    def fake(self, raw: Path) -> dict[str, str]:
        """One image per class and split, two test images; see `Maker.fake`."""
        for shade, (folder, film) in enumerate((("Train", "FilmOne"), ("Val", "FilmTwo"))):
            for index, label in enumerate(CLASSES):
                name = f"{film}_00032924{index}_00000004.png"
                fake_image(raw / folder / label / name, shade=10 * shade + 5 * index)
        for index in range(2):
            fake_image(raw / "Test" / f"FilmThree_00010020{index}_00000004.png", shade=90 + index)
        return {}

    def make(self, raw: Path, out: Path, options: SfewOptions) -> Prepared:
        """Read ``[Train|Val|Test]/[class]/*``; see `Maker.make`."""
        images = _of_kind(find_images(raw), options.images)
        folders = {part.lower() for path in images.files for part in path.relative_to(raw).parts[:-1]}
        splits = SPLIT_FOLDERS | {f: SPLIT_FOLDERS[m[1]] for f in folders if (m := _ALIGNED.match(f))}
        labelled, others = sort_by_folder(images, {label.lower(): label for label in CLASSES}, splits)
        if not labelled:
            raise unknown_layout("SFEW 2.0", raw, images, "Train/ and Val/ with the folders " + ", ".join(CLASSES))
        tests = {folder for folder, split in splits.items() if split == "test"}
        candidates = [p for p in others if tests & {part.lower() for part in p.relative_to(raw).parts[:-1]}]
        clips = [_clip(image.path, image.split, image.label) for image in labelled]
        clips += [_clip(path, TEST, "") for path in candidates]
        found = Found(clips, [*images.warnings, *not_sorted([p for p in others if p not in set(candidates)])])
        terms = Terms(licence="research only, by agreement (Dhall et al., 2011)")
        target = Target("discrete", "classes", classes=CLASSES)
        return prepared("sfew", raw, out, found, [target], terms, roles=f"train,validation,test,{TEST}")


def _of_kind(images: Images, kind: str) -> Images:
    """The original frames or the aligned faces, which bear the same names."""
    aligned = {path for path in images.files if _is_aligned(path.relative_to(images.root))}
    if choice("images", kind or "original", ("original", "aligned")) == "aligned":
        wanted = tuple(path for path in images.files if path in aligned)
    else:
        wanted = tuple(path for path in images.files if path not in aligned)
    if not wanted and not kind:
        wanted = images.files
    return replace(images, files=wanted)


def _is_aligned(path: Path) -> bool:
    return any("align" in part.lower() for part in path.parts[:-1])


def _clip(path: Path, split: str, label: str) -> Clip:
    film = _FILM.match(path.stem)
    return still(path.stem, split, path, discrete=label, source=film[1] if film else "")
