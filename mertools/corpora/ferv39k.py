"""FERV39k: 38,935 clips of 22 scenes, 7 emotions, one split into train and test (Wang et al., 2022).

Known layout (the published loaders): ``4_setups/All_scenes/{train,test}_All.csv`` with lines
``Scene/Emotion/NNNN Emotion`` and the face crops in ``2_ClipsforFaceCrop/Scene/Emotion/NNNN/*.jpg``. Where the videos
lie in a copy is not documented; any file ``.../Scene/Emotion/NNNN.mp4`` is taken. A clip is called
``Scene_Emotion_NNNN``, since numbers repeat. The label is that of the list, the folder is only where the clip lies.
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from mertools.corpora import CORPORA, Maker, NoOptions, Prepared
from mertools.corpora.assembling import Row, assemble, research_only, splits_of
from mertools.corpora.fakes import fake_image, fake_text, fake_video
from mertools.corpora.lists import add_once, known_label, malformed, missing_layout, read_lines
from mertools.corpora.tree import look_through
from mertools.corpus import Corpus, Split, Target
from mertools.errors import CorpusError

EMOTIONS = {
    "Happy": "happy",
    "Sad": "sad",
    "Neutral": "neutral",
    "Angry": "angry",
    "Surprise": "surprise",
    "Disgust": "disgust",
    "Fear": "fear",
}
"""Names as the lists have them, in the index order of the published systems."""


@CORPORA.register(
    "ferv39k",
    licence="non-commercial research only, by agreement",
    summary="FERV39k: 38,935 clips of 22 scenes, 7 emotions, official train and test",
)
class Ferv39k(Maker):
    """The corpus ``ferv39k``."""

    counts: ClassVar[dict[str, int]] = {"train": 31_088, "test": 7_847}

    def fake(self, raw: Path) -> dict[str, str]:
        """Two scenes, a clip of each emotion in both splits; see `Maker.fake`."""
        for split, scene in (("train", "Crime"), ("test", "Interview")):
            places = [f"{scene}/{emotion}/{index:04d}" for index, emotion in enumerate(EMOTIONS, start=63)]
            for index, place in enumerate(places):
                fake_video(raw / "1_Clips" / f"{place}.mp4", shade=8 * index)
            fake_image(raw / "2_ClipsforFaceCrop" / places[0] / "0.jpg")
            lines = [f"{place} {place.split('/')[1]}\n" for place in places]
            fake_text(raw / "4_setups" / "All_scenes" / f"{split}_All.csv", "".join(lines))
        return {}

    def make(self, raw: Path, out: Path, options: NoOptions) -> Prepared:
        """Read the lists of all scenes; see `Maker.make`."""
        tree = look_through(raw)
        lists = {m[1].lower(): path for path, m in tree.tables_like(r"All_scenes/(train|test)_All\.csv")}
        for split in self.counts:
            if split not in lists:
                raise missing_layout("FERV39k", raw, f"4_setups/All_scenes/{split}_All.csv")
        rows = [row for split in self.counts for row in _rows(lists[split], split)]
        first: dict[str, str] = {}
        for row in rows:
            if first.setdefault(row.name, row.split) != row.split:
                raise CorpusError(
                    "MER-C209",
                    f"clip '{row.name}' stands in {lists['train']} and in {lists['test']}.",
                    "Fetch the official lists again.",
                )
        clips, warnings = assemble(rows, tree.by_clip(_name), tree, spare="are in neither list")
        corpus = Corpus(
            name="ferv39k",
            folder=out,
            clips=clips,
            media_root=raw,
            splits=splits_of(clips, (Split("train"), Split("test", "test"))),
            targets=(Target("discrete", "classes", classes=tuple(EMOTIONS.values())),),
            terms=research_only("FERV39k"),
        )
        return Prepared(corpus, tuple(warnings))


def _rows(path: Path, split: str) -> list[Row]:
    labels: dict[str, str] = {}
    for number, line in read_lines(path):
        place, _, label = line.rpartition(" ")
        name = _name(place.strip())
        if name is None:
            raise malformed(path, number, f"'{line}' is no entry of the list", "a line such as Crime/Angry/0063 Angry")
        add_once(labels, name, known_label(path, number, label, EMOTIONS), path, number)
    return [Row(name, split, {"discrete": label, "scene": name.split("_")[0]}) for name, label in labels.items()]


def _name(place: str) -> str | None:
    """``.../Scene/Emotion/NNNN`` as ``Scene_Emotion_NNNN``; None for other paths."""
    parts = place.split("/")[-3:]
    if len(parts) < 3 or parts[1] not in EMOTIONS or not parts[2].isdigit():
        return None
    return "_".join(parts)
