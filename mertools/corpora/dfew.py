"""DFEW: 16,372 film clips, 11,697 of them with a single label of 7 (Jiang et al., 2020); 5 official folds.

Known layout: ``EmoLabel_DataSplit/{train,test}(single-labeled)/set_K.csv`` with the columns ``video_name,label``,
labels from 1 as in the order of `EMOTIONS` (other systems' own lists count from 0 and are refused here); videos
``Clip/original/N.mp4`` and folders of face crops ``Clip/clip_224x224/0000N/``, or ``jpg_224``, ``jpg_256``. A folder
``..._16f`` holds the 16-frame version stretched in time; it is used where there is no other. A clip's name is its
number in five digits, as the face folders have it. ``fold`` is the set whose test part holds it. Speakers and films
of origin are not published.
"""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath
from typing import ClassVar

from mertools.corpora import CORPORA, Maker, NoOptions, Prepared
from mertools.corpora.assembling import Row, assemble, research_only
from mertools.corpora.fakes import fake_image, fake_table, fake_video
from mertools.corpora.lists import Part, add_once, join_folds, known_label, malformed, missing_layout, read_rows
from mertools.corpora.tree import Tree, look_through
from mertools.corpus import Corpus, Split, Target

EMOTIONS = ("happy", "sad", "neutral", "angry", "surprise", "disgust", "fear")
"""Label 1, 2, ..."""

_LIST = r"(train|test)\(single-labeled\)/set_([1-5])\.csv"


@CORPORA.register(
    "dfew",
    licence="academic research only, by agreement",
    summary="DFEW: film clips, 7 emotions, 11,697 with a single label, 5 official folds (--folds fold)",
)
class Dfew(Maker):
    """The corpus ``dfew``."""

    counts: ClassVar[dict[str, int]] = {"": 11_697}

    def fake(self, raw: Path) -> dict[str, str]:
        """Ten clips, two a fold, of which one is a folder of frames as well; see `Maker.fake`."""
        numbers = range(1, 11)
        for number in numbers:
            fake_video(raw / "Clip" / "original" / f"{number}.mp4", shade=8 * number)
        fake_image(raw / "Clip" / "clip_224x224" / "00001" / "1.jpg")
        for fold in range(1, 6):
            tested = [n for n in numbers if (n - 1) % 5 + 1 == fold]
            for part, chosen in (("test", tested), ("train", [n for n in numbers if n not in tested])):
                rows = [{"video_name": n, "label": n % 7 + 1} for n in chosen]
                fake_table(raw / "EmoLabel_DataSplit" / f"{part}(single-labeled)" / f"set_{fold}.csv", rows)
        return {}

    def make(self, raw: Path, out: Path, options: NoOptions) -> Prepared:
        """Read the official folder; see `Maker.make`."""
        tree = look_through(raw)
        listed, warnings = join_folds(_parts(tree))
        rows = [Row(name, cells={"discrete": label, "fold": fold}) for name, (label, fold) in listed.items()]
        found = tree.by_clip(_name, _rank)
        clips, more = assemble(rows, found, tree, spare="have no single label")
        stretched = [c.name for c in clips if c.video is None and _rank(c.cells.get("faces", ""))]
        if stretched:
            warnings.append(f"{len(stretched)} clips have only the 16-frame version, which is stretched in time.")
        corpus = Corpus(
            name="dfew",
            folder=out,
            clips=clips,
            media_root=raw,
            splits=(Split("train"),),
            targets=(Target("discrete", "classes", classes=EMOTIONS),),
            terms=research_only("DFEW"),
        )
        return Prepared(corpus, (*warnings, *more))


def _parts(tree: Tree) -> list[Part]:
    lists = tree.tables_like(_LIST)
    if not lists:
        raise missing_layout("DFEW", tree.root, "EmoLabel_DataSplit/test(single-labeled)/set_1.csv")
    return [Part(path, m[2], m[1].lower() == "test", _labels(path)) for path, m in lists]


def _labels(path: Path) -> dict[str, str]:
    by_number = {str(number): label for number, label in enumerate(EMOTIONS, start=1)}
    labels: dict[str, str] = {}
    for number, row in read_rows(path, ("video_name", "label")):
        name = PurePosixPath(row["video_name"]).stem
        if not re.fullmatch(r"\d{1,5}", name):
            raise malformed(path, number, f"'{row['video_name']}' is no clip number", "a number such as 2522")
        add_once(labels, f"{int(name):05d}", known_label(path, number, row["label"], by_number), path, number)
    return labels


def _name(place: str) -> str | None:
    stem = PurePosixPath(place).name
    return f"{int(stem):05d}" if re.fullmatch(r"\d{1,5}", stem) else None


def _rank(place: str) -> int:
    return int(re.search(r"(?:^|/)[^/]*_?16f/", place) is not None)
