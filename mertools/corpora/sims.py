"""CH-SIMS (Yu et al., 2020): 2,281 Chinese clips of 60 videos, sentiment in [-1, 1], also of text, sound, picture.

Layouts: MERTools' processed folder; the authors' (``metadata/sentiment/label_M.csv`` and ``label_{T,A,V}.csv``,
``metadata/{train,val,test}_index.csv`` with positions in it, ``metadata/Translation.csv``,
``Raw/video_0001/0001.mp4``); MMSA's (``label.csv``, ``Raw/``). The official splits are by clip: all 59 source videos of
the test split are also in the training split.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from mertools.corpora import CORPORA
from mertools.corpora.fakes import fake_table, fake_video
from mertools.corpora.joining import Said
from mertools.corpora.processed import TRANSCRIPTS
from mertools.corpora.sentiment import SPLITS, UNIMODAL, Found, SentimentMaker
from mertools.corpora.tables import HUMAN, rows_of
from mertools.corpus import Terms
from mertools.errors import CorpusError

SIMS_TERMS = Terms(licence="distributed by thuiar for research; no licence text published for the videos")
ENGLISH = "translation"
"""Whether people or a machine made it is not published."""
SIMS_TEXTS: Mapping[str, Mapping[str, tuple[str, str]]] = {
    TRANSCRIPTS: {"chinese": ("text", HUMAN), "english": ("text_en", ENGLISH)},
    "transcription.csv": {"chinese": ("text", HUMAN), "english": ("text_en", ENGLISH)},
}


@CORPORA.register(
    "sims",
    licence="research use (thuiar)",
    summary="CH-SIMS: sentiment in [-1, 1], 2,281 Chinese clips of 60 videos; splits=video keeps videos apart",
)
class Sims(SentimentMaker):
    """The corpus ``sims``."""

    name = "sims"
    range = (-1.0, 1.0)
    terms = SIMS_TERMS
    processed_folder = "sims-process"
    transcripts = SIMS_TEXTS
    counts: ClassVar[dict[str, int]] = {"train": 1_368, "val": 456, "test": 457}
    signs: ClassVar[dict[str, tuple[int, int, int]]] = {
        "train": (742, 207, 419),
        "val": (248, 69, 139),
        "test": (248, 69, 140),
    }

    def expects(self) -> Sequence[str]:
        """The authors' files; see `SentimentMaker.expects`."""
        return ("metadata/sentiment/label_M.csv with Raw/",)

    def clip_name(self, video: str, clip: str) -> str:
        """``video_0018_0004``: four digits, however the table writes the number."""
        return f"{video}_{int(clip):04d}" if clip.isdecimal() else f"{video}_{clip}"

    def official(self, raw: Path) -> Found | None:
        """The authors' layout; see `SentimentMaker.official`."""
        folder = raw / "metadata"
        path = folder / "sentiment/label_M.csv"
        if not path.is_file():
            return None
        order = self._labels(path)
        found = Found(path.name)
        for split in SPLITS:
            for name, value in _chosen(folder / f"{split.name}_index.csv", order, found.said):
                found.said[name] = Said(split.name, {"valence": value, "source": name.rsplit("_", 1)[0]})
        for theirs, ours in UNIMODAL.items():
            other = path.with_name(f"{theirs}.csv")
            for name, value in self._labels(other) if other.is_file() else ():
                if name in found.said:
                    found.said[name].cells[ours] = value
        if unused := len(order) - len(found.said):
            found.warnings.append(f"{unused} clips of {path.name} are in no index file, left out.")
        translation = folder / "Translation.csv"
        for row in rows_of(translation, ("video_id", "clip_id", "Chinese", "English")) if translation.is_file() else ():
            name = self.clip_name(row["video_id"].strip(), row["clip_id"].strip())
            found.texts[name] = {"text": row["Chinese"].strip(), "text_en": row["English"].strip()}
            found.origins = {"text": HUMAN, "text_en": ENGLISH}
        found.media.add(*self.clips_by_video(raw / "Raw"))
        return found

    def _labels(self, path: Path) -> list[tuple[str, str]]:
        """Clip and value of each row, in file order: index files count rows."""
        return [
            (
                self.clip_name(row["video_id"].strip(), row["clip_id"].strip()),
                self.value(row["label"], f"{path}, row {number}"),
            )
            for number, row in enumerate(rows_of(path, ("video_id", "clip_id", "label")), start=2)
        ]

    def fake(self, raw: Path) -> dict[str, str]:
        """The authors' layout: two videos of three clips, the splits by clip; see `Maker.fake`."""
        clips = [(f"video_{v:04d}", f"{c:04d}") for v in (1, 2) for c in (1, 2, 3)]
        for letter, step in (("M", 0.2), ("T", 0.4), ("A", -0.2), ("V", 0.0)):
            rows = [
                {"video_id": v, "clip_id": int(c), "label": round(step * n - 0.4 * (step > 0), 1)}
                for n, (v, c) in enumerate(clips[:3])
            ]
            rows += [{"video_id": v, "clip_id": int(c), "label": 0.2} for v, c in clips[3:]]
            fake_table(raw / "metadata/sentiment" / f"label_{letter}.csv", rows)
        for split, indices in (("train", (0, 3)), ("val", (4, 1)), ("test", (2, 5))):
            fake_table(raw / "metadata" / f"{split}_index.csv", [{"index": n} for n in indices])
        texts = [{"video_id": v, "clip_id": int(c), "Chinese": "你好", "English": "hello"} for v, c in clips]
        fake_table(raw / "metadata/Translation.csv", texts)
        for n, (video, clip) in enumerate(clips):
            fake_video(raw / "Raw" / video / f"{clip}.mp4", shade=15 * n)
        return {}


def _chosen(path: Path, order: Sequence[tuple[str, str]], taken: Mapping[str, Said]) -> list[tuple[str, str]]:
    """The rows that an index file points at.

    Raises:
        CorpusError: ``MER-C138`` if an index is no row of the label file, or its clip is in a split already.
    """
    chosen: dict[str, str] = {}
    for number, row in enumerate(rows_of(path, ("index",)), start=2):
        cell = row["index"].strip()
        if not cell.isdecimal() or int(cell) >= len(order):
            raise CorpusError(
                "MER-C138",
                f"{path}, row {number}: the index '{cell}' is none of the {len(order)} rows of label_M.csv.",
                "Expected numbers from 0; the index and label files are of different versions.",
            )
        name, value = order[int(cell)]
        if name in taken or name in chosen:
            raise CorpusError(
                "MER-C138", f"{path}, row {number}: clip '{name}' is in a split already.", "Get the index files again."
            )
        chosen[name] = value
    return list(chosen.items())
