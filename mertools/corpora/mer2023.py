"""MER2023 (ACM Multimedia 2023): 5,030 labelled clips of Chinese films and series, six emotions and valence.

Layouts: the challenge's (``train/``, ``test1/``, ``test2/``, ``test3/`` with videos, and ``<split>-label.csv`` beside
or in them) and MERTools' processed folder (``label-6way.npz``, ``video/``, ``transcription-engchi-polish.csv``). test3
has no valence; its 834 labelled clips lie among 73,148, the rest of which become the split ``unlabelled``. A test split
without label file, or with the placeholders of the challenge's time (every clip neutral, no valence), is a split of
candidates. The corrected transcripts are recorded as people's, their English as a machine's.
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from mertools.corpora import CORPORA, Maker, Prepared
from mertools.corpora.challenge import DISCRETE, MER_TERMS, VALENCE, present_targets
from mertools.corpora.editions import seen_in
from mertools.corpora.fakes import fake_table, fake_video
from mertools.corpora.joining import (
    Media,
    Said,
    first_folder,
    joined,
    layout_error,
    other_class_counts,
    sounds_below,
    videos_below,
)
from mertools.corpora.processed import TRANSCRIPTS, class_name, label_file, processed_media, read_labels, value_text
from mertools.corpora.tables import (
    ASR,
    HUMAN,
    TRANSLATION,
    Row,
    by_name,
    checked_class,
    checked_value,
    first_file,
    texts_below,
)
from mertools.corpus import Corpus, Split
from mertools.errors import CorpusError
from mertools.labels import MER_EMOTIONS, MER_VALENCE_RANGE

SPLITS = ("train", "test1", "test2", "test3")
UNLABELLED = "unlabelled"
PROCESSED = "mer2023-dataset-process"
CLASSES = {
    split: dict(zip(MER_EMOTIONS, counts, strict=True))
    for split, counts in {
        "train": (871, 822, 689, 383, 462, 146),
        "test1": (88, 105, 93, 50, 57, 18),
        "test2": (123, 98, 87, 40, 52, 12),
        "test3": (166, 183, 169, 257, 45, 14),
    }.items()
}
_TEXTS = {
    TRANSCRIPTS: {"chinese": ("text", HUMAN), "english": ("text_en", TRANSLATION)},
    "transcription.csv": {"sentence": ("text", ASR), "chinese": ("text", ASR), "english": ("text_en", TRANSLATION)},
}


@CORPORA.register(
    "mer2023",
    licence="MER end-user licence: academic use, no redistribution",
    summary="MER2023 challenge: six emotions, valence; 3,373 training clips, three test sets, Chinese",
)
class Mer2023(Maker):
    """The corpus ``mer2023``."""

    counts: ClassVar[dict[str, int]] = {split: sum(counts.values()) for split, counts in CLASSES.items()}

    def fake(self, raw: Path) -> dict[str, str]:
        """Two clips per split, one without label; see `Maker.fake`."""
        for n, split in enumerate(SPLITS):
            names = [f"sample{'new' * (split == 'test3')}_{2 * n + i:08d}" for i in range(2)]
            rows = [{"name": name, "discrete": MER_EMOTIONS[(n + i) % 6]} for i, name in enumerate(names)]
            valence = {} if split == "test3" else {"valence": "-1.25"}
            fake_table(raw / f"{split}-label.csv", [row | valence for row in rows])
            for i, name in enumerate(names):
                fake_video(raw / split / f"{name}.mp4", shade=30 * n + 10 * i)
        fake_video(raw / "test3" / "samplenew_00000099.mp4")
        fake_table(raw / TRANSCRIPTS, [{"name": "sample_00000000", "chinese": "你好", "english": "hello"}])
        return {}

    def make(self, raw: Path, out: Path, options: object) -> Prepared:
        """Read the challenge's folder or MERTools' processed one; see `Maker.make`."""
        npz = label_file(raw, PROCESSED, ("label-6way.npz",))
        if first_file([raw, raw / "train"], ("train-label.csv",)) is not None or npz is None:
            said, media = _challenge(raw)
            named_by, folders = "train-label.csv", [raw, raw / PROCESSED]
        else:
            said, media = _processed(npz), processed_media(npz.parent)
            named_by, folders = npz.name, [npz.parent]
        texts, origins, text_warnings = texts_below(folders, _TEXTS)
        clips, warnings = joined(said, media, texts, named_by, rest=UNLABELLED)
        labelled = {clip.split for clip in clips if clip.cells.get("discrete")}
        splits = dict.fromkeys(clip.split for clip in clips)
        corpus = Corpus(
            name="mer2023",
            folder=out,
            clips=clips,
            media_root=raw,
            splits=tuple(_split(name, name in labelled) for name in (*SPLITS, UNLABELLED) if name in splits),
            targets=present_targets(clips, (DISCRETE, VALENCE)),
            terms=MER_TERMS,
            seen_in=seen_in("mer2023"),
            transcripts=origins,
        )
        counts = {split: counts for split, counts in CLASSES.items() if split in labelled}
        warnings += [*text_warnings, *other_class_counts(clips, counts, "discrete")]
        return Prepared(corpus, tuple(warnings))


def _split(name: str, labelled: bool) -> Split:
    if name == UNLABELLED:
        return Split(name, "unlabelled")
    if name == "train":
        return Split(name)
    return Split(name, "test" if labelled else "candidate")


def _challenge(raw: Path) -> tuple[dict[str, Said], Media]:
    """Labels of ``<split>-label.csv`` and videos of ``<split>/``."""
    said: dict[str, Said] = {}
    media = Media()
    for split in SPLITS:
        folder = first_folder([raw / split])
        videos, sounds = videos_below(folder), sounds_below(folder)
        table = first_file([raw, raw / split], (f"{split}-label.csv",))
        if table is None and split == "train":
            raise layout_error(
                "mer2023", raw, ["train-label.csv, train/, test1/, ...", "label-6way.npz (MERTools' own folder)"]
            )
        media.add(videos, sounds)
        rows = by_name(table, ("discrete",)) if table else {name: Row() for name in (videos | sounds)}
        for name, row in rows.items():
            if name in said:
                raise CorpusError(
                    "MER-C139",
                    f"clip '{name}' stands in split {said[name].split} and in split {split}.",
                    "A clip belongs to one split; the label files or the folders were mixed up.",
                )
            cells = {}
            if table:
                cells["discrete"] = checked_class(row["discrete"], MER_EMOTIONS, row.where)
                cells["valence"] = checked_value(row.get("valence", ""), *MER_VALENCE_RANGE, row.where)
            said[name] = Said(split, cells)
    return said, media


def _processed(npz: Path) -> dict[str, Said]:
    """Labels of the npz; a test split of placeholders has none."""
    labels = read_labels(npz, {f"{split}_corpus": split for split in SPLITS})
    said: dict[str, Said] = {}
    for split, clips in labels.items():
        cells = {}
        for name, annotation in clips.items():
            where = f"{npz}, {split} clip '{name}'"
            emotion = class_name(annotation["emo"], MER_EMOTIONS, where)
            cells[name] = {
                "discrete": emotion,
                "valence": value_text(annotation.get("val"), *MER_VALENCE_RANGE, where),
            }
        placeholder = split != "train" and all(c == {"discrete": "neutral", "valence": ""} for c in cells.values())
        said |= {name: Said(split, {} if placeholder else c) for name, c in cells.items()}
    return said
