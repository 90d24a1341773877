"""MELD (Poria et al., 2019): 13,708 utterances of the series Friends, seven emotions, English.

Layouts: the authors' (``MELD.Raw``: ``{train,dev,test}_sent_emo.csv`` and a folder of ``dia<D>_utt<U>.mp4`` per split,
``train_splits/``, ``dev_splits_complete/``, ``output_repeated_splits_test/``) and MERTools' processed folder. Names are
``<split>_dia<D>_utt<U>``, because dialogues are numbered anew in every split. ``source`` is the episode where the table
says it, else the dialogue. The six friends speak in all splits: the splits do not keep speakers apart. The table holds
quotation marks of Windows-1252 as control characters; they are mended.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import ClassVar

from mertools.corpora import CORPORA, Maker, Prepared
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
from mertools.corpora.processed import TRANSCRIPTS, class_name, label_file, processed_media, read_labels
from mertools.corpora.tables import HUMAN, TRANSLATION, Texts, checked_class, first_file, rows_of, texts_below
from mertools.corpus import Corpus, Split, Target, Terms
from mertools.errors import CorpusError

EMOTIONS = ("anger", "joy", "sadness", "neutral", "disgust", "fear", "surprise")
SPLITS = (Split("train"), Split("val", "validation"), Split("test", "test"))
CLASSES = {
    split: dict(zip(EMOTIONS, counts, strict=True))
    for split, counts in {
        "train": (1_109, 1_743, 683, 4_710, 271, 268, 1_205),
        "val": (153, 163, 111, 470, 22, 40, 150),
        "test": (345, 402, 208, 1_256, 68, 50, 281),
    }.items()
}
_FOLDERS = {
    "train": ("train_splits", "train/train_splits", "train"),
    "dev": ("dev_splits_complete", "dev/dev_splits_complete", "dev"),
    "test": ("output_repeated_splits_test", "test/output_repeated_splits_test", "test"),
}
_COLUMNS = ("Utterance", "Speaker", "Emotion", "Dialogue_ID", "Utterance_ID")
_WINDOWS_1252 = {n: bytes([n]).decode("cp1252", "ignore") for n in range(0x80, 0xA0)}
_NAME = re.compile(r"(dia\d+)_utt\d+")


@CORPORA.register(
    "meld",
    licence="GPL-3.0 (annotations); the series belongs to its owners",
    summary="MELD: seven emotions, 13,708 utterances of Friends, English, official splits",
)
class Meld(Maker):
    """The corpus ``meld``."""

    counts: ClassVar[dict[str, int]] = {split: sum(counts.values()) for split, counts in CLASSES.items()}

    def fake(self, raw: Path) -> dict[str, str]:
        """Two utterances per split, under the same numbers; see `Maker.fake`."""
        for n, (split, folders) in enumerate(_FOLDERS.items()):
            rows = [
                {
                    **{"Utterance": f"Well, {u}\x92s it.", "Speaker": speaker, "Emotion": EMOTIONS[(2 * n + u) % 7]},
                    **{"Dialogue_ID": 0, "Utterance_ID": u, "Season": 8, "Episode": 20 + n},
                }
                for u, speaker in enumerate(("Rachel", "Joey"))
            ]
            fake_table(raw / f"{split}_sent_emo.csv", rows)
            for u in range(2):
                fake_video(raw / folders[0] / f"dia0_utt{u}.mp4", shade=40 * n + 20 * u)
        return {}

    def make(self, raw: Path, out: Path, options: object) -> Prepared:
        """Read the authors' folder or MERTools' processed one; see `Maker.make`."""
        roots = [root for root in (raw, raw / "MELD.Raw", raw / "data/MELD") if root.is_dir()]
        npz = label_file(raw, "meld-process", ("label.npz",))
        more: list[str] = []
        texts: Texts = {}
        if first_file(roots, _tables("train")) is not None:
            said, media = _authors(roots)
            named_by, origins = "*_sent_emo.csv", {"text": HUMAN}
        elif npz is not None:
            said, media, named_by = _processed(npz), processed_media(npz.parent), npz.name
            columns = {"english": ("text", HUMAN), "chinese": ("text_zh", TRANSLATION)}
            texts, origins, more = texts_below([npz.parent], {TRANSCRIPTS: columns, "transcription.csv": columns})
        else:
            raise layout_error(
                "meld", raw, ["train_sent_emo.csv with train_splits/", "label.npz (MERTools' own folder)"]
            )
        clips, warnings = joined(said, media, texts, named_by)
        corpus = Corpus(
            name="meld",
            folder=out,
            clips=clips,
            media_root=raw,
            splits=tuple(split for split in SPLITS if any(c.split == split.name for c in clips)),
            targets=(Target("discrete", "classes", classes=EMOTIONS),),
            terms=Terms(licence="GPL-3.0 (annotations); the series belongs to its owners"),
            transcripts=origins,
        )
        return Prepared(corpus, (*more, *warnings, *other_class_counts(clips, CLASSES, "discrete")))


def _tables(split: str) -> tuple[str, ...]:
    return (f"{split}_sent_emo.csv", f"{split}/{split}_sent_emo.csv", f"{split}_splits/{split}_sent_emo.csv")


def _authors(roots: list[Path]) -> tuple[dict[str, Said], Media]:
    """Tables and videos per split; a split without table is not there."""
    said: dict[str, Said] = {}
    media = Media()
    for theirs, folders in _FOLDERS.items():
        ours = "val" if theirs == "dev" else theirs
        path = first_file(roots, _tables(theirs))
        for number, row in enumerate(rows_of(path, _COLUMNS) if path else (), start=2):
            dialogue, name = f"{ours}_dia{row['Dialogue_ID'].strip()}", f"utt{row['Utterance_ID'].strip()}"
            where = f"{path}, row {number} ('{dialogue}_{name}')"
            if f"{dialogue}_{name}" in said:
                raise CorpusError("MER-C132", f"{where}: the utterance stands above already.", "Keep one of the rows.")
            season, episode = (row.get(column, "").strip() for column in ("Season", "Episode"))
            cells = {
                "discrete": checked_class(row["Emotion"], EMOTIONS, where),
                "text": row["Utterance"].translate(_WINDOWS_1252).strip(),
                "speaker": row["Speaker"].translate(_WINDOWS_1252).strip(),
                "dialogue": dialogue,
                "source": f"s{season}e{episode}" if season and episode else dialogue,
            }
            said[f"{dialogue}_{name}"] = Said(ours, cells)
        folder = first_folder(root / name for name in folders for root in roots)

        def name_of(relative: Path, split: str = ours) -> str:
            return f"{split}_{relative.stem}"

        media.add(videos_below(folder, name_of), sounds_below(folder, name_of))
    return said, media


def _processed(npz: Path) -> dict[str, Said]:
    said = {}
    for split, clips in read_labels(npz, {f"{s.name}_corpus": s.name for s in SPLITS}).items():
        for name, annotation in clips.items():
            cells = {"discrete": class_name(annotation["emo"], EMOTIONS, f"{npz}, {split} clip '{name}'")}
            if match := _NAME.search(name):
                cells["dialogue"] = cells["source"] = f"{split}_{match[1]}"
            said[name] = Said(split, cells)
    return said
