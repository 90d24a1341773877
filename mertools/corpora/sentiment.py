"""What CMU-MOSI, CMU-MOSEI, CH-SIMS and CH-SIMS v2 share: one sentiment value per clip, clips cut from longer videos.

The value is the target ``valence``; ``source`` is the video a clip was cut from. Layouts that all of them know:
MERTools' processed folder (``label.npz``), and MMSA's (``label.csv`` or ``meta.csv`` with
``video_id,clip_id,text,label,mode`` and ``Raw/<video_id>/<clip_id>.mp4``); a corpus may know more.
"""

from __future__ import annotations

from abc import abstractmethod
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import ClassVar, Literal

from mertools.corpora import Maker, Prepared
from mertools.corpora.challenge import present_targets
from mertools.corpora.editions import seen_in
from mertools.corpora.joining import Media, Said, first_folder, joined, layout_error, sounds_below, videos_below
from mertools.corpora.processed import label_file, processed_media, read_labels, value_text
from mertools.corpora.tables import HUMAN, Texts, checked_value, first_file, rows_of, texts_below
from mertools.corpus import Clip, Corpus, Split, Target, Terms
from mertools.errors import CorpusError

SPLITS = (Split("train"), Split("val", "validation"), Split("test", "test"))
MODES = {"train": "train", "valid": "val", "val": "val", "dev": "val", "test": "test"}
UNIMODAL = {"label_T": "valence_text", "label_A": "valence_audio", "label_V": "valence_video"}
"""Columns of MMSA's tables for what text, sound or picture alone say, and ours."""


@dataclass(frozen=True)
class SentimentOptions:
    """What may be chosen.

    Attributes:
        splits: ``official``, or ``video``: made here so that no source video is in two splits, sized as the official.
    """

    splits: Literal["official", "video"] = "official"


@dataclass
class Found:
    """A corpus as one of its layouts has it.

    Attributes:
        named_by: the file that names the clips.
        said: splits and cells by clip name.
        media: media by clip name.
        texts: transcripts by clip name.
        origins: who wrote each transcript column.
        warnings: one sentence each.
    """

    named_by: str
    said: dict[str, Said] = field(default_factory=dict)
    media: Media = field(default_factory=Media)
    texts: Texts = field(default_factory=dict)
    origins: dict[str, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


class SentimentMaker(Maker):
    """Base of the four.

    Attributes:
        name: the corpus.
        range: lowest and highest value.
        terms: what its licence allows.
        processed_folder: usual name of MERTools' folder.
        transcripts: transcript file -> its columns -> (our column, its origin).
        signs: published number of negative, zero and positive clips by split.
        table: MMSA's table.
    """

    Options = SentimentOptions
    name: ClassVar[str]
    range: ClassVar[tuple[float, float]]
    terms: ClassVar[Terms]
    processed_folder: ClassVar[str]
    transcripts: ClassVar[Mapping[str, Mapping[str, tuple[str, str]]]]
    signs: ClassVar[Mapping[str, tuple[int, int, int]]]
    table: ClassVar[str] = "label.csv"

    @abstractmethod
    def official(self, raw: Path) -> Found | None:
        """The corpus as its authors lay it out; None if `raw` does not hold that."""

    def expected(self, options: SentimentOptions) -> Mapping[str, int]:
        """Published sizes of the official splits."""
        return self.counts if options.splits == "official" else {}

    def make(self, raw: Path, out: Path, options: SentimentOptions) -> Prepared:
        """Read the first layout that is there; see `Maker.make`."""
        found = self._processed(raw) or self.official(raw) or self.from_table(raw)
        if found is None:
            raise layout_error(
                self.name, raw, ["label.npz (MERTools' own folder)", f"{self.table} with Raw/", *self.expects()]
            )
        shared = shared_sources(found.said)
        if options.splits == "video":
            split_by_source(found.said)
            note = ["the splits are made here by source video: numbers do not compare with published ones."]
        else:
            note = [shared] if shared else []
        clips, warnings = joined(found.said, found.media, found.texts, found.named_by)
        unimodal = tuple(Target(column, "value", range=self.range) for column in UNIMODAL.values())
        corpus = Corpus(
            name=self.name,
            folder=out,
            clips=clips,
            media_root=raw,
            splits=tuple(split for split in SPLITS if any(c.split == split.name for c in clips)),
            targets=present_targets(clips, (Target("valence", "value", range=self.range), *unimodal)),
            terms=self.terms,
            seen_in=seen_in(self.name),
            transcripts=found.origins,
        )
        signs = other_signs(clips, self.signs) if options.splits == "official" else []
        return Prepared(corpus, (*note, *found.warnings, *warnings, *signs))

    def expects(self) -> Sequence[str]:
        """Further layouts, for the message about an unknown folder."""
        return ()

    def clip_name(self, video: str, clip: str) -> str:
        """The name of a clip of a video."""
        return f"{video}_{clip}"

    def value(self, cell: str, where: str) -> str:
        """A checked value; see `checked_value`."""
        return checked_value(cell, *self.range, where)

    def from_table(self, raw: Path) -> Found | None:
        """MMSA's layout; None if the table is not there."""
        path = first_file([raw], (self.table,))
        if path is None:
            return None
        found = Found(path.name, origins={"text": HUMAN})
        for number, row in enumerate(rows_of(path, ("video_id", "clip_id", "text", "label", "mode")), start=2):
            video, clip, mode = (row[column].strip() for column in ("video_id", "clip_id", "mode"))
            where = f"{path}, row {number} ('{video}', '{clip}')"
            if mode not in MODES:
                raise CorpusError(
                    "MER-C138", f"{where}: the mode '{mode}' is unknown.", f"Expected one of: {', '.join(MODES)}."
                )
            cells = {"valence": self.value(row["label"], where), "source": video}
            for theirs, ours in UNIMODAL.items():
                if row.get(theirs, "").strip():
                    cells[ours] = self.value(row[theirs], f"{where}, column {theirs}")
            name = self.clip_name(video, clip)
            if name in found.said:
                raise CorpusError("MER-C132", f"{where}: the clip stands above already.", "Keep one row per clip.")
            found.said[name] = Said(MODES[mode], cells)
            found.texts[name] = {"text": row["text"].strip()}
        found.media.add(*self.clips_by_video(raw / "Raw"))
        return found

    def clips_by_video(self, folder: Path) -> tuple[dict[str, Path], dict[str, Path]]:
        """Videos and sounds of ``<video_id>/<clip_id>.*`` below a folder, by clip name."""
        root = first_folder([folder])

        def name_of(path: Path) -> str:
            return self.clip_name(path.parent.name, path.stem)

        return videos_below(root, name_of), sounds_below(root, name_of)

    def _processed(self, raw: Path) -> Found | None:
        path = label_file(raw, self.processed_folder, ("label.npz",))
        if path is None:
            return None
        found = Found(path.name, media=processed_media(path.parent))
        for split, clips in read_labels(path, {f"{s.name}_corpus": s.name for s in SPLITS}).items():
            for name, annotation in clips.items():
                value = value_text(annotation.get("val"), *self.range, f"{path}, {split} clip '{name}'")
                found.said[name] = Said(split, {"valence": value, "source": name.rsplit("_", 1)[0]})
        found.texts, found.origins, found.warnings = texts_below([path.parent], self.transcripts)
        return found


def shared_sources(said: Mapping[str, Said]) -> str:
    """A sentence about source videos of the test split that are also in the training split; empty if there are none."""
    videos = {s.name: {entry.cells["source"] for entry in said.values() if entry.split == s.name} for s in SPLITS}
    shared = videos["train"] & videos["test"]
    if not shared:
        return ""
    return (
        f"{len(shared)} of {len(videos['test'])} source videos of split test are also in train, so that numbers say "
        "little about new videos; splits=video makes splits without that."
    )


def split_by_source(said: Mapping[str, Said]) -> None:
    """Move clips so that every source video is in one split, the splits nearly as large as they were; deterministic."""
    wanted = Counter(entry.split for entry in said.values())
    size = Counter(entry.cells["source"] for entry in said.values())
    placed: dict[str, str] = {}
    for source in sorted(size, key=lambda s: blake2b(s.encode(), digest_size=8).digest()):
        placed[source] = max(sorted(wanted), key=lambda split: wanted[split])
        wanted[placed[source]] -= size[source]
    for entry in said.values():
        entry.split = placed[entry.cells["source"]]


def other_signs(clips: Sequence[Clip], published: Mapping[str, tuple[int, int, int]]) -> list[str]:
    """One sentence for each split of the published size whose negative, zero and positive clips are others."""
    warnings = []
    for split, counts in published.items():
        values = [float(cell) for clip in clips if clip.split == split and (cell := clip.cells["valence"])]
        found = (sum(v < 0 for v in values), sum(v == 0 for v in values), sum(v > 0 for v in values))
        if len(values) == sum(counts) and found != counts:
            warnings.append(
                f"split {split} has the published size, but {' / '.join(map(str, found))} negative / zero / positive "
                f"clips instead of {' / '.join(map(str, counts))}."
            )
    return warnings
