"""MAFW: 10,045 clips of films and shows; 9,172 with one of 11 emotions, 8,996 with one of 43 (Liu et al., 2022).

Known layout (the published loaders and file lists): ``clips/NNNNN.mp4``;
``Train & Test Set/{single,compound}/no_caption/set_K/{train,test}.txt`` with lines ``NNNNN.mp4 emotion``, compounds
written ``anger_disgust``; some copies carry frames (``data/frames/NNNNN/``, ``clips_faces/NNNNN/``) and 16 kHz wavs.
The order of the 11 classes is that of the columns of the official annotation table, as MAE-DFER, SVFAP and HiCMAE use
it (MMA-DFER counts happiness 0, sadness 1, ...: an index means nothing without its list). The 43 are these 11 and the
32 compounds that the lists hold, ordered by their parts. Captions describe scenes, they are no transcripts; they are
not read. Speakers and sources are not published. The files ``with_caption`` are not read: their encoding is broken.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import ClassVar, Literal

from mertools.corpora import CORPORA, Maker, Prepared
from mertools.corpora.assembling import Row, assemble, research_only
from mertools.corpora.fakes import fake_image, fake_text, fake_video
from mertools.corpora.lists import Part, add_once, join_folds, known_label, malformed, missing_layout, read_lines
from mertools.corpora.tree import Tree, look_through
from mertools.corpus import Corpus, Split, Target

EMOTIONS = (
    "anger",
    "disgust",
    "fear",
    "happiness",
    "neutral",
    "sadness",
    "surprise",
    "contempt",
    "anxiety",
    "helplessness",
    "disappointment",
)
_LISTS = r"no_caption/set_([1-5])/(train|test)\.txt"


@dataclass(frozen=True)
class MafwOptions:
    """What may be chosen.

    Attributes:
        classes: ``11`` single emotions, or ``43``: single and compound ones.
    """

    classes: Literal["11", "43"] = "11"


@CORPORA.register(
    "mafw",
    licence="non-commercial research only, by agreement",
    summary="MAFW: 11 emotions, or 43 with compounds (classes=43), 5 official folds (--folds fold)",
)
class Mafw(Maker):
    """The corpus ``mafw``."""

    Options = MafwOptions
    counts: ClassVar[dict[str, int]] = {"": 9_172}

    def expected(self, options: MafwOptions) -> dict[str, int]:
        """9,172 clips have a single emotion; 8,996 are in the lists of 43."""
        return self.counts if options.classes == "11" else {"": 8_996}

    def fake(self, raw: Path) -> dict[str, str]:
        """Eleven clips in five folds of both label sets; see `Maker.fake`."""
        numbers = range(1, 12)
        for number in numbers:
            fake_video(raw / "clips" / f"{number:05d}.mp4", shade=8 * number)
        fake_image(raw / "clips_faces" / "00001" / "0.jpg")
        for kind in ("single", "compound"):
            for fold in range(1, 6):
                for part in ("test", "train"):
                    chosen = [n for n in numbers if ((n - 1) % 5 + 1 == fold) == (part == "test")]
                    lines = [f"{n:05d}.mp4 {_fake_label(n, kind)}\n" for n in chosen]
                    folder = raw / "Train & Test Set" / kind / "no_caption" / f"set_{fold}"
                    fake_text(folder / f"{part}.txt", "".join(lines))
        return {}

    def make(self, raw: Path, out: Path, options: MafwOptions) -> Prepared:
        """Read the official folder; see `Maker.make`."""
        tree = look_through(raw)
        kind = "single" if options.classes == "11" else "compound"
        listed, warnings = join_folds(_parts(tree, kind))
        classes: tuple[str, ...] = EMOTIONS
        if kind == "compound":
            seen = {label for label, _ in listed.values()} | set(EMOTIONS)
            classes = tuple(sorted(seen, key=lambda label: (label.count("_") > 0, _indices(label))))
            if len(classes) != 43:
                warnings.append(f"the lists hold {len(classes)} classes, published are 43.")
        rows = [Row(name, cells={"discrete": label, "fold": fold}) for name, (label, fold) in listed.items()]
        clips, more = assemble(rows, tree.by_clip(_name), tree, spare=f"are in no list of {kind} labels")
        corpus = Corpus(
            name="mafw",
            folder=out,
            clips=clips,
            media_root=raw,
            splits=(Split("train"),),
            targets=(Target("discrete", "classes", classes=classes),),
            terms=research_only("MAFW"),
        )
        return Prepared(corpus, (*warnings, *more))


def _parts(tree: Tree, kind: str) -> list[Part]:
    lists = tree.tables_like(f"{kind}/{_LISTS}")
    if not lists:
        raise missing_layout("MAFW", tree.root, f"Train & Test Set/{kind}/no_caption/set_1/test.txt")
    return [Part(path, m[1], m[2].lower() == "test", _labels(path, kind)) for path, m in lists]


def _labels(path: Path, kind: str) -> dict[str, str]:
    labels: dict[str, str] = {}
    for number, line in read_lines(path):
        file, _, label = line.partition(" ")
        if not file.endswith(".mp4") or not label:
            raise malformed(path, number, f"'{line}' is no entry of the list", "a line such as 00025.mp4 anger")
        emotions = label.strip().split("_") if kind == "compound" else [label.strip()]
        known = {known_label(path, number, emotion, EMOTIONS) for emotion in emotions}
        add_once(labels, file.removesuffix(".mp4"), "_".join(sorted(known, key=EMOTIONS.index)), path, number)
    return labels


def _indices(label: str) -> list[int]:
    return [EMOTIONS.index(part) for part in label.split("_")]


def _name(place: str) -> str | None:
    stem = PurePosixPath(place).name
    return stem if re.fullmatch(r"\d{5}", stem) else None


def _fake_label(number: int, kind: str) -> str:
    label = EMOTIONS[number - 1]
    return "anger_disgust" if kind == "compound" and number == 2 else label
