"""Any folder of clips: files of one stem are one clip; ``labels.csv`` and ``transcripts.csv`` are optional."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from mertools.corpora import CORPORA, Maker, Prepared
from mertools.corpora.fakes import fake_table, fake_video, fake_wav
from mertools.corpora.scanning import (
    MediaFiles,
    find_media,
    in_label_order,
    read_table,
    some,
    split_named,
    with_durations,
)
from mertools.corpus import Clip, Corpus, Target, Terms
from mertools.errors import CorpusError
from mertools.labels import MER_EMOTIONS

UNLABELLED = "unlabelled"
TRANSCRIPT_COLUMNS = {"sentence": "text", "transcript": "text", "chinese": "text", "english": "text_en"}
"""Column names of published transcript files, and ours."""


@dataclass(frozen=True)
class FolderOptions:
    """What may be chosen.

    Attributes:
        labels: CSV keyed by ``name``; ``labels.csv`` in the raw folder unless given.
        transcripts: CSV keyed by ``name``; ``transcripts.csv`` in the raw folder unless given.
        name: name of the corpus; the raw folder's name unless given.
        valence_range: lowest and highest value of valence and arousal, as ``-5,5``; open unless given.
        transcript_origin: who wrote the transcripts: ``human``, ``asr`` or a recogniser's name.
        synthetic: whether the clips are made up; every number made with them then says so.
        licence: licence of the clips.
    """

    labels: Path | None = None
    transcripts: Path | None = None
    name: str = ""
    valence_range: str = ""
    transcript_origin: str = "human"
    synthetic: bool = False
    licence: str = "unknown"


@CORPORA.register(
    "folder",
    licence="that of your clips",
    summary="any folder of clips (same stem = one clip), with optional labels.csv and transcripts.csv",
)
class Folder(Maker):
    """The corpus ``folder``."""

    Options = FolderOptions

    def fake(self, raw: Path) -> dict[str, str]:
        """Two videos with a sound of their own, one sound alone; labels and transcripts; see `Maker.fake`."""
        names = ("first", "second", "third")
        for index, name in enumerate(names):
            fake_wav(raw / f"{name}.wav", pitch_hz=150.0 + 50 * index)
            if name != "third":
                fake_video(raw / f"{name}.mp4", shade=40 * index)
        rows = [{"name": n, "discrete": label} for n, label in zip(names, MER_EMOTIONS, strict=False)]
        fake_table(raw / "labels.csv", rows)
        fake_table(raw / "transcripts.csv", [{"name": name, "text": f"this is the {name}"} for name in names])
        return {}

    def make(self, raw: Path, out: Path, options: FolderOptions) -> Prepared:
        """Read a folder of clips; see `Maker.make`."""
        media, warnings = find_media(raw)
        labels, label_warnings = _table(raw, "labels.csv", options.labels, media)
        spoken, text_warnings = _table(raw, "transcripts.csv", options.transcripts, media)
        clips = [_clip(name, files, labels, spoken) for name, files in media.items()]
        known, duration_warnings = with_durations(clips)
        columns = list(dict.fromkeys(column for clip in known for column in clip.cells))
        targets = tuple(_targets(known, columns, _range(options.valence_range)))
        _check_labels(options.labels or raw / "labels.csv", labels or {}, media, targets)
        corpus = Corpus(
            name=options.name or raw.name,
            folder=out,
            clips=known,
            media_root=raw,
            splits=tuple(split_named(s) for s in dict.fromkeys(c.split for c in known)),
            targets=targets,
            transcripts={c: options.transcript_origin for c in columns if c == "text" or c.startswith("text_")},
            terms=Terms(licence=options.licence),
            synthetic=options.synthetic,
        )
        return Prepared(corpus, (*warnings, *label_warnings, *_doubtful(targets), *text_warnings, *duration_warnings))


def _table(
    raw: Path, usual: str, given: Path | None, media: dict[str, MediaFiles]
) -> tuple[dict[str, dict[str, str]] | None, list[str]]:
    """Rows by clip; None if there is no table."""
    path = given or raw / usual
    if given is None and not path.is_file():
        return None, []
    rows = {row["name"]: row for row in read_table(path)}
    unknown = [name for name in rows if name not in media]
    if rows and len(unknown) == len(rows):
        raise CorpusError(
            "MER-C105",
            f"none of the {len(rows)} names in {path} is a clip; it names {some(unknown, 3)}, the clips are "
            f"{some(list(media), 3)}.",
            "A name is the stem of a media file.",
        )
    warnings = []
    if unknown:
        warnings.append(f"{path.name} names {len(unknown)} clips that have no media, left out: {some(unknown)}.")
    absent = [name for name in media if name not in rows]
    if absent:
        warnings.append(f"{path.name} has no row for {len(absent)} of {len(media)} clips: {some(absent)}.")
    return rows, warnings


def _clip(
    name: str,
    files: MediaFiles,
    labels: dict[str, dict[str, str]] | None,
    spoken: dict[str, dict[str, str]] | None,
) -> Clip:
    row = dict((labels or {}).get(name, {}))
    split = row.pop("split", "").strip() or ("train" if labels is None or name in labels else UNLABELLED)
    for column, cell in (spoken or {}).get(name, {}).items():
        row.setdefault(TRANSCRIPT_COLUMNS.get(column, column), cell)
    cells = {c: cell for c, cell in row.items() if c not in ("name", "video", "audio")}
    return Clip(name, split, files.video, files.audio, cells)


def _targets(clips: Iterable[Clip], columns: list[str], value_range: tuple[float, float] | None) -> Iterable[Target]:
    if "discrete" in columns:
        seen = in_label_order(c.cells["discrete"].strip() for c in clips if c.cells.get("discrete", "").strip())
        if seen:
            yield Target("discrete", "classes", classes=seen)
    for column in ("valence", "arousal"):
        if column in columns:
            yield Target(column, "value", range=value_range)
    if "openset" in columns:
        yield Target("openset", "labels")


def _check_labels(
    path: Path, labels: Mapping[str, Mapping[str, str]], media: Mapping[str, MediaFiles], targets: Iterable[Target]
) -> None:
    """Name the user's own file and row for a cell that is no annotation (the manifest is not written yet)."""
    problems = []
    for target in targets:
        for row, (name, cells) in enumerate(labels.items(), start=2):
            try:
                target.parse(cells.get(target.name, "") if name in media else "")
            except ValueError as error:
                problems.append(f"row {row} ('{name}'), column {target.name}: {error}")
    if problems:
        raise CorpusError(
            "MER-C012",
            f"{path}: " + "\n  ".join(problems[:20]),
            f"Mend {len(problems)} cell{'s' * (len(problems) > 1)}.",
        )


def _doubtful(targets: Iterable[Target]) -> Iterable[str]:
    """Classes that look like another one or like an emotion of MER, written differently."""
    for target in targets:
        for label in target.classes:
            others = {other.casefold(): other for other in (*MER_EMOTIONS, *target.classes) if other != label}
            near = get_close_matches(label.casefold(), others, n=1, cutoff=0.85)
            if near and label not in MER_EMOTIONS:
                yield (
                    f"column {target.name} has a class '{label}'. Did you mean '{others[near[0]]}'? "
                    "Each is a class of its own."
                )


def _range(text: str) -> tuple[float, float] | None:
    if not text:
        return None
    try:
        low, high = (float(part) for part in text.split(","))
    except ValueError:
        low, high = 0.0, 0.0
    if not low < high:
        raise CorpusError(
            "MER-C106", f"valence_range={text} is not a range.", "Expected LOW,HIGH, e.g. valence_range=-5,5."
        )
    return low, high
