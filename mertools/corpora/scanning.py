"""What makers of corpora share: media found in a folder, tables keyed by clip name, durations."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from mertools.corpus import Clip, Split, separated_by, with_cells
from mertools.errors import CorpusError, MediaError
from mertools.labels import MER_EMOTIONS

VIDEO_SUFFIXES = (".mp4", ".mkv", ".avi", ".mov", ".mpg", ".mpeg", ".webm", ".m4v")
IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp")
AUDIO_SUFFIXES = (".wav", ".flac", ".mp3", ".m4a", ".ogg", ".opus", ".aac")


@dataclass(frozen=True)
class MediaFiles:
    """The media of one clip; at least one of the two."""

    video: Path | None = None
    audio: Path | None = None


def find_media(raw: Path) -> tuple[dict[str, MediaFiles], list[str]]:
    """Media below `raw` by stem, in order of name; files of the same stem are one clip. Hidden files are passed over.

    Returns:
        The files, and warnings about files that had to be left out.

    Raises:
        CorpusError: ``MER-C101`` if there are none, ``MER-C102`` if one stem has two videos or two sounds.
    """
    found: dict[str, dict[str, Path]] = {}
    warnings: list[str] = []
    for path in _files(raw):
        role = _role(path)
        if role is None:
            continue
        if not _speakable(path.relative_to(raw)):
            warnings.append(f"{os.fsencode(path)!r} is left out: its name is not UTF-8 text. Rename it.")
            continue
        taken = found.setdefault(path.stem, {}).setdefault(role, path)
        if taken != path:
            raise CorpusError(
                "MER-C102",
                f"two files would be the {role} of clip '{path.stem}': {taken} and {path}.",
                "The stem of a file is the clip's name; rename one of them.",
            )
    if not found:
        raise CorpusError(
            "MER-C101",
            f"no clips in {raw}.",
            f"Expected files that end in {', '.join(s[1:] for s in (*VIDEO_SUFFIXES, *AUDIO_SUFFIXES))} or an image.",
        )
    return {stem: MediaFiles(**found[stem]) for stem in sorted(found)}, warnings


def read_table(path: Path) -> list[dict[str, str]]:
    """Rows of a CSV keyed by ``name``; names with a media suffix lose it.

    Raises:
        CorpusError: ``MER-C103`` if it cannot be read or lacks the column, ``MER-C104`` for an empty or repeated name.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, restval="", strict=True)
            columns = list(reader.fieldnames or ())
            if "name" not in columns:
                raise CorpusError(
                    "MER-C103",
                    f"{path}, row 1: there is no column 'name'; found: {', '.join(columns) or 'nothing'}.",
                    "Expected a header with name and, e.g., discrete, valence or text" + separated_by(columns),
                )
            rows = list(reader)
    except FileNotFoundError:
        raise CorpusError("MER-C103", f"{path} does not exist.", "Check the path.") from None
    except (csv.Error, UnicodeDecodeError) as error:
        raise CorpusError("MER-C103", f"{path} is not a UTF-8 CSV file: {error}.", "Save it as UTF-8.") from None
    first: dict[str, int] = {}
    for number, row in enumerate(rows, start=2):
        if None in row:
            raise CorpusError(
                "MER-C103", f"{path}, row {number}: more cells than columns.", "Quote cells that hold commas."
            )
        row["name"] = _without_suffix(row["name"].strip())
        if not row["name"]:
            raise CorpusError("MER-C104", f"{path}, row {number}: the name is empty.", "Name the clip.")
        if row["name"] in first:
            raise CorpusError(
                "MER-C104",
                f"{path}, row {number}: '{row['name']}' stands in row {first[row['name']]} already.",
                "Keep one row per clip.",
            )
        first[row["name"]] = number
    return rows


def with_durations(clips: Sequence[Clip]) -> tuple[tuple[Clip, ...], list[str]]:
    """Clips with a ``duration`` cell in seconds, read from the media's headers; empty where that fails.

    Returns:
        The clips, and a warning if some media could not be read (extraction will give those clips their status).
    """
    with ThreadPoolExecutor(max_workers=min(8, (os.cpu_count() or 1) * 2)) as pool:
        durations = list(pool.map(_duration, clips))
    unreadable = [clip.name for clip, duration in zip(clips, durations, strict=True) if duration == ""]
    warnings = []
    if unreadable:
        warnings.append(
            f"{len(unreadable)} clip{'s' * (len(unreadable) > 1)} cannot be opened and will end with a status: "
            f"{some(unreadable)}."
        )
    return tuple(with_cells(c, duration=d) for c, d in zip(clips, durations, strict=True)), warnings


def in_label_order(labels: Iterable[str]) -> tuple[str, ...]:
    """Classes seen, in MER's index order if they are MER's labels, else alphabetically.

    Example:
        >>> in_label_order(["sad", "happy", "sad"])
        ('happy', 'sad')
    """
    seen = set(labels)
    if seen <= set(MER_EMOTIONS):
        return tuple(label for label in MER_EMOTIONS if label in seen)
    return tuple(sorted(seen))


def split_named(name: str) -> Split:
    """A split whose role follows from its name; anything unknown is a training split.

    Example:
        >>> split_named("test2").role
        'test'
    """
    roles: Mapping[str, str] = {
        "test": "test",
        "val": "validation",
        "dev": "validation",
        "candidate": "candidate",
        "unlabel": "unlabelled",
    }
    role = next((role for start, role in roles.items() if name.lower().startswith(start)), "train")
    return Split(name, role)  # type: ignore[arg-type]


def some(names: Sequence[str], n: int = 5) -> str:
    """The first few names, and how many more there are."""
    more = f" and {len(names) - n} more" if len(names) > n else ""
    return ", ".join(names[:n]) + more


def _files(raw: Path) -> Iterator[Path]:
    for folder, subfolders, names in os.walk(raw):
        subfolders[:] = sorted(s for s in subfolders if not s.startswith("."))
        yield from (Path(folder, name) for name in sorted(names) if not name.startswith("."))


def _role(path: Path) -> str | None:
    suffix = path.suffix.lower()
    if suffix in VIDEO_SUFFIXES or suffix in IMAGE_SUFFIXES:
        return "video"
    return "audio" if suffix in AUDIO_SUFFIXES else None


def _speakable(path: Path) -> bool:
    try:
        return str(path).encode("utf-8").decode().isprintable()
    except UnicodeEncodeError:
        return False


def _without_suffix(name: str) -> str:
    suffixes = (*VIDEO_SUFFIXES, *IMAGE_SUFFIXES, *AUDIO_SUFFIXES)
    return Path(name).stem if name.lower().endswith(suffixes) else name


def _duration(clip: Clip) -> str:
    """Seconds as text; empty if the media cannot be opened or do not say. A still image lasts as long as its sound."""
    from mertools.media import probe

    try:
        for path in (clip.video, clip.audio):
            if path is not None and (duration_s := probe(path).duration_s) is not None:
                return f"{duration_s:.3f}"
    except MediaError:
        return ""
    return "0"
