"""Joins what a published corpus says about its clips with the media that are there, by name."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mertools.corpora.scanning import AUDIO_SUFFIXES, VIDEO_SUFFIXES, some, with_durations
from mertools.corpus import Clip, with_cells
from mertools.errors import CorpusError

MANY = 25_000
"""More clips than this are not opened to read their durations: `extract` finds them out anyway."""


@dataclass
class Said:
    """What a corpus's files say about one clip.

    Attributes:
        split: its split.
        cells: its further columns.
    """

    split: str
    cells: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Media:
    """Media by clip name.

    Attributes:
        video: video files.
        audio: audio files.
    """

    video: dict[str, Path] = field(default_factory=dict)
    audio: dict[str, Path] = field(default_factory=dict)

    def add(self, videos: Mapping[str, Path], sounds: Mapping[str, Path]) -> None:
        """Take in the files of another folder.

        Raises:
            CorpusError: ``MER-C135`` if a clip has another file already.
        """
        for found, into in ((videos, self.video), (sounds, self.audio)):
            for name, path in found.items():
                if into.setdefault(name, path) != path:
                    raise _two_files(name, into[name], path)

    def __contains__(self, name: str) -> bool:
        """Whether there is anything to see or to hear of a clip."""
        return name in self.video or name in self.audio


def layout_error(corpus: str, raw: Path, expected: Sequence[str]) -> CorpusError:
    """The error for a raw folder without any of the files that would say what it is."""
    shown = sorted(p.name + "/" * p.is_dir() for p in raw.iterdir() if not p.name.startswith("."))
    return CorpusError(
        "MER-C130",
        f"{raw} is not the corpus {corpus}: it holds {some(shown) or 'nothing'}.",
        f"Expected {'; or '.join(expected)}. Point --raw at the folder that holds them.",
    )


def first_folder(folders: Iterable[Path]) -> Path | None:
    """The first that exists."""
    return next((folder for folder in folders if folder.is_dir()), None)


def files_below(
    folder: Path | None, suffixes: Sequence[str], name_of: Callable[[Path], str] | None = None
) -> dict[str, Path]:
    """Files below `folder` by clip name, one walk, hidden ones passed over; empty if there is no folder.

    Args:
        folder: where to look, all subfolders included.
        suffixes: endings, lower case.
        name_of: clip name of a path that is relative to `folder`; its stem unless given.

    Raises:
        CorpusError: ``MER-C135`` if two files would be the same clip's.
    """
    found: dict[str, Path] = {}
    for parent, subfolders, names in os.walk(folder) if folder else ():
        subfolders[:] = sorted(s for s in subfolders if not s.startswith("."))
        for name in sorted(names):
            if name.startswith(".") or not name.lower().endswith(tuple(suffixes)):
                continue
            path = Path(parent, name)
            clip = name_of(Path(os.path.relpath(path, folder))) if name_of else os.path.splitext(name)[0]
            if found.setdefault(clip, path) != path:
                raise _two_files(clip, found[clip], path)
    return found


def _two_files(clip: str, first: Path, second: Path) -> CorpusError:
    return CorpusError(
        "MER-C135", f"two files would be clip '{clip}': {first} and {second}.", "Remove or rename one of them."
    )


def videos_below(folder: Path | None, name_of: Callable[[Path], str] | None = None) -> dict[str, Path]:
    """Videos below a folder by clip name; see `files_below`."""
    return files_below(folder, VIDEO_SUFFIXES, name_of)


def sounds_below(folder: Path | None, name_of: Callable[[Path], str] | None = None) -> dict[str, Path]:
    """Audio files below a folder by clip name; see `files_below`."""
    return files_below(folder, AUDIO_SUFFIXES, name_of)


def joined(
    said: Mapping[str, Said],
    media: Media,
    texts: Mapping[str, Mapping[str, str]],
    where: str,
    *,
    rest: str = "",
) -> tuple[tuple[Clip, ...], list[str]]:
    """Clips in the order of `said`, with their media and transcripts.

    A clip without media is kept for its text; without text it is left out. Media of which nothing is said are left
    out, or become clips of the split `rest`.

    Args:
        said: what is known, by clip name.
        media: what is there.
        texts: transcript cells by clip name.
        where: the file that names the clips, for messages.
        rest: split for media of which nothing is said.

    Returns:
        The clips with a ``duration`` where it is cheap to know, and warnings.

    Raises:
        CorpusError: ``MER-C134`` if nothing is left.
    """
    warnings = []
    strangers = sorted({name for name in (*media.video, *media.audio) if name not in said})
    everything = dict(said)
    if rest:
        everything |= {name: Said(rest) for name in strangers}
    elif strangers:
        warnings.append(f"{len(strangers)} media files have no label, left out: {some(strangers)}.")
    clips, lost, kept = [], [], []
    for name, entry in everything.items():
        cells = {**entry.cells, **texts.get(name, {})}
        clip = Clip(name, entry.split, media.video.get(name), media.audio.get(name), cells)
        if name in media:
            clips.append(clip)
        elif any(cell for column, cell in cells.items() if column == "text"):
            clips.append(clip)
            kept.append(name)
        else:
            lost.append(name)
    if lost or kept:
        parts = [f"{len(lost)} have no text either and are left out: {some(lost)}"] * bool(lost)
        parts += [f"{len(kept)} are kept for their text: {some(kept)}"] * bool(kept)
        warnings.append(f"{len(lost) + len(kept)} clips have no media; {'; '.join(parts)}.")
    if not clips:
        raise CorpusError(
            "MER-C134",
            f"none of the {len(said)} clips that {where} names has media or text; it names {some(list(said), 3)}, "
            f"the media are {some(strangers, 3) or 'none'}.",
            "A clip's name is the stem of its file; check that the media lie where the corpus has them.",
        )
    timed, more = with_times(clips)
    return timed, [*warnings, *more]


def with_times(clips: Sequence[Clip]) -> tuple[tuple[Clip, ...], list[str]]:
    """Clips with a ``duration`` cell: from their start and end, else from their media's headers if they are not many.

    Returns:
        The clips, and a warning about media that cannot be opened, or about durations that were not read.
    """
    cut = {c.name: f"{c.end_s - c.start_s:.3f}" for c in clips if c.start_s is not None and c.end_s is not None}
    whole = [c for c in clips if c.name not in cut and (c.video or c.audio)]
    durations, warnings = dict(cut), []
    if len(whole) > MANY:
        warnings.append(f"the durations of {len(whole)} clips are not read; extraction finds them out.")
    elif whole:
        timed, warnings = with_durations(whole)
        durations |= {c.name: c.cells["duration"] for c in timed}
    if not durations:
        return tuple(clips), warnings
    return tuple(with_cells(c, duration=durations.get(c.name, "")) for c in clips), warnings


def other_class_counts(clips: Sequence[Clip], published: Mapping[str, Mapping[str, int]], column: str) -> list[str]:
    """One sentence for each split that has its published size but other classes: labels of another version.

    Args:
        clips: the clips.
        published: number of clips by class, by split.
        column: the column of the class.
    """
    warnings = []
    for split, counts in published.items():
        found = Counter(c.cells.get(column, "") for c in clips if c.split == split)
        if found.total() == sum(counts.values()) and found != Counter(counts):
            differing = ", ".join(
                f"{label or 'none'} {found[label]} (not {counts.get(label, 0)})"
                for label in dict.fromkeys((*counts, *found))
                if found[label] != counts.get(label, 0)
            )
            warnings.append(f"split {split} has the published size but other classes than published: {differing}.")
    return warnings
