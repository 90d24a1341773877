"""Extended Cohn-Kanade (CK+): posed expressions from neutral to apex, 123 people (Lucey et al., 2010).

Known layouts: the official one (``cohn-kanade-images/S010/004/S010_004_00000019.png`` beside
``Emotion/S010/004/S010_004_00000019_emotion.txt``, 327 of 593 sequences labelled), and the class folders that go round
as "CK+48" (``happy/S010_004_00000017.png``). As in those and in the benchmark of GPT-4V, a labelled sequence gives its
last three frames: 981 images. The classes are in the index order of the official label files (1 = anger), where the
benchmark's list has the same order.
"""

from __future__ import annotations

import re
from collections import defaultdict
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
    find_images,
    not_sorted,
    prepared,
    sort_by_folder,
    still,
    unknown_layout,
    without_image,
)
from mertools.corpora.scanning import some
from mertools.corpus import Clip, Target, Terms
from mertools.errors import CorpusError

CLASSES = ("anger", "contempt", "disgust", "fear", "happy", "sadness", "surprise")
"""Codes 1 to 7 of the official label files."""
NEUTRAL = "neutral"
FOLDERS = {
    **{name: name for name in (*CLASSES, NEUTRAL)},
    **{"angry": "anger", "happiness": "happy", "sad": "sadness", "surprised": "surprise", "fearful": "fear"},
}
_IMAGE = re.compile(r"(S\d+)_(\d+)_(\d+)")


@dataclass(frozen=True)
class CkplusOptions:
    """What may be chosen.

    Attributes:
        frames: how many frames at the end of each labelled sequence are clips.
        neutral: ``none``, or ``first``: the first frame of each labelled sequence too, as class neutral.
    """

    frames: int = 3
    neutral: str = "none"


@CORPORA.register(
    "ck+",
    licence="research only, by agreement (Lucey et al., 2010)",
    summary="CK+: 327 posed expressions, last 3 frames each (981 images), 7 classes; leave speakers out",
)
class Ckplus(Maker):
    """The corpus ``ck+``."""

    Options = CkplusOptions
    counts: ClassVar[dict[str, int]] = {"": 981}

    def expected(self, options: CkplusOptions) -> Mapping[str, int]:
        """327 labelled sequences times the frames asked for."""
        return {"": 327 * (options.frames + (options.neutral == "first"))}

    def fake(self, raw: Path) -> dict[str, str]:
        """One labelled sequence per class and one without a label, of two people; see `Maker.fake`."""
        for code in range(len(CLASSES) + 1):
            person, sequence = f"S{10 + code % 2:03}", f"{code + 1:03}"
            names = [f"{person}_{sequence}_{frame:08}" for frame in range(1, 5)]
            for frame, name in enumerate(names):
                fake_image(raw / "cohn-kanade-images" / person / sequence / f"{name}.png", shade=9 * code + frame)
            if code:
                label = raw / "Emotion" / person / sequence / f"{names[-1]}_emotion.txt"
                fake_text(label, f"   {code:.7e}\n")
        return {}

    def make(self, raw: Path, out: Path, options: CkplusOptions) -> Prepared:
        """Read the official folders or class folders; see `Maker.make`."""
        choice("neutral", options.neutral, ("none", "first"))
        if options.frames < 1:
            raise CorpusError("MER-C289", f"frames={options.frames} is not known.", "Expected frames= 1 or more.")
        images = find_images(raw)
        labels = [path for path in images.tables if path.name.endswith("_emotion.txt")]
        found = _official(images, labels, options) if labels else _class_folders(images)
        if not found.clips:
            raise unknown_layout(
                "CK+",
                raw,
                images,
                "cohn-kanade-images/ with Emotion/ (its *_emotion.txt), or one folder per class with images "
                "such as S010_004_00000017.png",
            )
        seen = {clip.cells["discrete"] for clip in found.clips}
        classes = (*CLASSES, *((NEUTRAL,) if NEUTRAL in seen else ()))
        terms = Terms(licence="research only, by agreement (Lucey et al., 2010)")
        return prepared("ck+", raw, out, found, [Target("discrete", "classes", classes=classes)], terms)


def _official(images: Images, labels: list[Path], options: CkplusOptions) -> Found:
    sequences: dict[str, list[Path]] = defaultdict(list)
    for path in images.files:
        if match := _IMAGE.fullmatch(path.stem):
            sequences[f"{match[1]}_{match[2]}"].append(path)
    clips: list[Clip] = []
    absent = []
    for path in labels:
        name = path.name.removesuffix("_emotion.txt")
        match = _IMAGE.fullmatch(name)
        if match is None:
            raise CorpusError(
                "MER-C285", f"{path} is not named as a frame of CK+.", "Expected S010_004_00000019_emotion.txt."
            )
        frames = sorted(sequences.get(f"{match[1]}_{match[2]}", ()), key=lambda frame: frame.stem)
        if not frames:
            absent.append(name)
            continue
        label = _label(path)
        clips += [_clip(frame, label) for frame in frames[-options.frames :]]
        if options.neutral == "first" and len(frames) > options.frames:
            clips.append(_clip(frames[0], NEUTRAL))
    warnings = without_image(absent, "Emotion/", len(labels))
    clips.sort(key=lambda clip: clip.name)
    return Found(clips, [*images.warnings, *warnings])


def _class_folders(images: Images) -> Found:
    found, others = sort_by_folder(images, FOLDERS)
    strange = [image.path.name for image in found if not _IMAGE.match(image.path.stem)]
    warnings = [*images.warnings, *(not_sorted(others) if found else ())]
    if strange:
        warnings.append(f"{len(strange)} names do not say whose face it is, so speaker is empty: {some(strange)}.")
    return Found([_clip(image.path, image.label) for image in found], warnings)


def _clip(path: Path, label: str) -> Clip:
    match = _IMAGE.match(path.stem)
    speaker, source = (match[1], f"{match[1]}_{match[2]}") if match else ("", "")
    return still(path.stem, "train", path, discrete=label, speaker=speaker, source=source)


def _label(path: Path) -> str:
    text = path.read_text(encoding="utf-8", errors="replace").strip()
    try:
        code = float(text)
    except ValueError:
        code = 0.0
    if code not in range(1, len(CLASSES) + 1):
        raise CorpusError(
            "MER-C285",
            f"{path}: '{text[:40]}' is no emotion code.",
            "Expected a number from 1 (anger) to 7 (surprise), such as 3.0000000e+00.",
        )
    return CLASSES[int(code) - 1]
