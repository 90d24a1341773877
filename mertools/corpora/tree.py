"""One walk over a raw folder: what media, folders of frames and tables it holds, and which clip each belongs to."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from mertools.corpora.scanning import AUDIO_SUFFIXES, IMAGE_SUFFIXES, VIDEO_SUFFIXES, some
from mertools.errors import CorpusError

VIDEOS = (*VIDEO_SUFFIXES, ".flv")
TABLES = (".csv", ".txt", ".json", ".pkl")


@dataclass(frozen=True)
class Found:
    """What lies in the raw folder for one clip.

    Attributes:
        video: its video file.
        audio: its sound, if that is a file of its own.
        frames: folder with one image per frame (face crops, as a rule).
        n_frames: images in `frames`.
    """

    video: Path | None = None
    audio: Path | None = None
    frames: Path | None = None
    n_frames: int = 0

    def __bool__(self) -> bool:
        """Whether there is anything at all."""
        return bool(self.video or self.audio or self.frames)


@dataclass(frozen=True)
class Tree:
    """The content of a raw folder, in order of path; hidden files are passed over.

    Attributes:
        root: the raw folder.
        media: videos and sounds.
        frames: folders that hold images, and how many each.
        tables: csv, txt, json and pkl files.
        warnings: one sentence about files whose names are not text.
    """

    root: Path
    media: tuple[Path, ...]
    frames: dict[Path, int]
    tables: tuple[Path, ...]
    warnings: tuple[str, ...] = ()

    def within(self, path: Path) -> str:
        """`path` relative to the raw folder, with slashes."""
        return path.relative_to(self.root).as_posix()

    def tables_like(self, pattern: str) -> list[tuple[Path, re.Match[str]]]:
        """Tables whose path within the raw folder ends as the regular expression says; case does not matter."""
        ending = re.compile(rf"(?:^|/)(?:{pattern})$", re.IGNORECASE)
        matches = ((path, ending.search(self.within(path))) for path in self.tables)
        return [(path, match) for path, match in matches if match]

    def by_clip(
        self, name_of: Callable[[str], str | None], frames_rank: Callable[[str], int] = lambda _: 0
    ) -> dict[str, Found]:
        """Media and frames of each clip, in order of path.

        Args:
            name_of: clip that a path belongs to; it is given the path within the raw folder, a file's without suffix.
            frames_rank: of several frame folders of a clip, the one of the lowest rank is taken.

        Raises:
            CorpusError: ``MER-C210`` if a clip has two videos, or two sounds, of one format.
        """
        files: dict[str, list[Path]] = {}
        for path in self.media:
            name = name_of(self.within(path.with_suffix("")))
            if name is not None:
                files.setdefault(name, []).append(path)
        frames: dict[str, list[Path]] = {}
        for path in self.frames:
            name = name_of(self.within(path))
            if name is not None:
                frames.setdefault(name, []).append(path)
        found = {}
        for name in dict.fromkeys([*files, *frames]):
            folder = min(frames.get(name, ()), key=lambda p: frames_rank(self.within(p)), default=None)
            found[name] = Found(
                _only(name, files.get(name, ()), "video", VIDEOS),
                _only(name, files.get(name, ()), "audio", AUDIO_SUFFIXES),
                folder,
                self.frames[folder] if folder else 0,
            )
        return found


def look_through(raw: Path) -> Tree:
    """Walk once over `raw`; images are counted, not remembered (a corpus may have millions)."""
    media: list[Path] = []
    tables: list[Path] = []
    strange: list[str] = []
    frames: dict[Path, int] = {}
    for folder, subfolders, names in os.walk(raw):
        subfolders[:] = sorted(s for s in subfolders if not s.startswith("."))
        n_images = 0
        for name in sorted(names):
            suffix = os.path.splitext(name)[1].lower()
            if name.startswith(".") or suffix not in _KNOWN:
                continue
            if suffix in IMAGE_SUFFIXES:
                n_images += 1
            elif not _is_text(name) or not _is_text(folder):
                strange.append(repr(os.fsencode(name)))
            else:
                (tables if suffix in TABLES else media).append(Path(folder, name))
        if n_images and _is_text(folder):
            frames[Path(folder)] = n_images
    warnings = [f"{len(strange)} files have names that are not text and are left out: {some(strange)}."]
    return Tree(raw, tuple(media), frames, tuple(tables), tuple(warnings if strange else ()))


_KNOWN = frozenset((*VIDEOS, *AUDIO_SUFFIXES, *IMAGE_SUFFIXES, *TABLES))


def _is_text(name: str) -> bool:
    return name.isprintable()  # surrogates, which stand for bytes that are not UTF-8, are not


def _only(name: str, files: Sequence[Path], role: str, suffixes: Sequence[str]) -> Path | None:
    """The file of the preferred format."""
    ranked = sorted(
        (suffixes.index(path.suffix.lower()), str(path), path) for path in files if path.suffix.lower() in suffixes
    )
    if len(ranked) > 1 and ranked[0][0] == ranked[1][0]:
        raise CorpusError(
            "MER-C210",
            f"two files would be the {role} of clip '{name}': {ranked[0][2]} and {ranked[1][2]}.",
            "Move one of them out of --raw, or point --raw at one copy of the corpus.",
        )
    return ranked[0][2] if ranked else None
