"""What makers of image corpora share: images found in one walk, folders that name classes, clips out of images."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from mertools.corpora import Prepared
from mertools.corpora.scanning import IMAGE_SUFFIXES, some, split_named
from mertools.corpus import Clip, Corpus, Target, Terms
from mertools.errors import CorpusError, did_you_mean

STILL_SUFFIXES = (*IMAGE_SUFFIXES, ".tif", ".tiff")
TABLE_SUFFIXES = (".csv", ".txt", ".xlsx", ".xls", ".npz")
SPLIT_FOLDERS = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
}
"""Folder names, lower case, that usually name a split."""


@dataclass(frozen=True)
class Images:
    """The images below a folder.

    Attributes:
        root: the folder, absolute.
        files: all images in order of their paths, absolute; hidden ones are passed over.
        tables: all files that may hold labels, in order of their paths.
        warnings: what had to be left out.
    """

    root: Path
    files: tuple[Path, ...]
    tables: tuple[Path, ...] = ()
    warnings: tuple[str, ...] = ()

    @cached_property
    def by_tail(self) -> Mapping[str, Path]:
        """The first image of each ``name.jpg`` and ``folder/name.jpg``, lower case."""
        found: dict[str, Path] = {}
        for path in self.files:
            found.setdefault(path.name.lower(), path)
            found.setdefault(f"{path.parent.name}/{path.name}".lower(), path)
        return found

    def named(self, name: str) -> Path | None:
        """The image that a table calls ``name.jpg`` or ``folder/name.jpg``; longer paths count by their end."""
        return self.by_tail.get("/".join(name.strip().replace("\\", "/").lower().split("/")[-2:]))

    def within(self, folder: str) -> Images:
        """The images below a folder of `root`."""
        start = self.root / folder
        return replace(self, files=tuple(p for p in self.files if p.is_relative_to(start)))

    def table(self, name: str) -> Path | None:
        """The one table of that file name, any case; None if there is none.

        Raises:
            CorpusError: ``MER-C293`` if there are several.
        """
        found = [path for path in self.tables if path.name.lower() == name.lower()]
        if len(found) > 1:
            raise CorpusError(
                "MER-C293", f"two tables are called {name}: {found[0]} and {found[1]}.", "Keep the one that is meant."
            )
        return found[0] if found else None


@dataclass(frozen=True)
class Sorted:
    """An image that a folder sorts into a class."""

    path: Path
    label: str
    split: str


def find_images(raw: Path) -> Images:
    """All images and tables below `raw`, by one walk."""
    files: list[Path] = []
    tables: list[Path] = []
    strange: list[str] = []
    for folder, subfolders, names in os.walk(raw):
        subfolders[:] = sorted(s for s in subfolders if not s.startswith("."))
        for name in sorted(names):
            if name.startswith(".") or not name.lower().endswith((*STILL_SUFFIXES, *TABLE_SUFFIXES)):
                continue
            path = Path(folder, name)
            if name.lower().endswith(TABLE_SUFFIXES):
                tables.append(path)
                continue
            text = os.fsencode(path.relative_to(raw)).decode("utf-8", "replace")
            if "\ufffd" in text or not text.isprintable():
                strange.append(repr(text))
            else:
                files.append(path)
    warnings = [f"{len(strange)} images are left out, their names are not UTF-8 text: {some(strange)}."]
    return Images(raw, tuple(files), tuple(tables), tuple(warnings) if strange else ())


def sort_by_folder(
    images: Images, classes: Mapping[str, str], splits: Mapping[str, str] = SPLIT_FOLDERS, *, split: str = "train"
) -> tuple[list[Sorted], list[Path]]:
    """Images whose folder names their class, as in ``[train/]happy/*.jpg``.

    Args:
        images: the images.
        classes: folder name, lower case -> class.
        splits: folder name, lower case -> split; the innermost folder above the class folder counts.
        split: split of images that no folder gives one.

    Returns:
        The sorted images in order of their paths, and those whose folder is no class.
    """
    found, others = [], []
    for path in images.files:
        above = [part.lower() for part in path.relative_to(images.root).parts[:-1]]
        label = classes.get(above[-1]) if above else None
        if label is None:
            others.append(path)
            continue
        within = next((splits[part] for part in reversed(above[:-1]) if part in splits), split)
        found.append(Sorted(path, label, within))
    return found, others


def still(name: str, split: str, path: Path, **cells: str) -> Clip:
    """A clip that is a still image; it has no duration."""
    return Clip(name, split, path, None, {**cells, "duration": "0"})


@dataclass(frozen=True)
class Found:
    """What a reader of one layout found.

    Attributes:
        clips: the clips.
        warnings: one sentence each.
        files: as in `Prepared`.
    """

    clips: Sequence[Clip]
    warnings: Sequence[str] = ()
    files: Mapping[str, bytes] | None = None


def prepared(
    name: str, raw: Path, out: Path, found: Found, targets: Iterable[Target], terms: Terms, *, roles: str = ""
) -> Prepared:
    """The corpus of what was found.

    Args:
        name: name of the corpus.
        raw: where its media lie; where `found` holds media of its own, they lie in `out`.
        out: its folder.
        found: its clips.
        targets: what may be predicted.
        terms: what its licence allows.
        roles: comma list of the splits in their order; those without a clip are left out.

    Raises:
        CorpusError: ``MER-C281`` if two images would be one clip.
    """
    first: dict[str, Clip] = {}
    for clip in found.clips:
        taken = first.setdefault(clip.name, clip)
        if taken is not clip:
            raise CorpusError(
                "MER-C281",
                f"{name}: two images would be the clip '{clip.name}': {taken.video} and {clip.video}.",
                "Keep one copy of the images below the raw folder.",
            )
    present = Counter(clip.split for clip in found.clips)
    order = [s for s in roles.split(",") if s in present] + [s for s in present if s not in roles.split(",")]
    files = found.files or {}
    corpus = Corpus(
        name=name,
        folder=out,
        clips=tuple(found.clips),
        media_root=out if files else raw,
        splits=tuple(split_named(split) for split in order),
        targets=tuple(targets),
        terms=terms,
    )
    return Prepared(corpus, tuple(found.warnings), files)


def class_of(label: str, classes: Mapping[str, str], where: str) -> str:
    """The class that a cell names, whatever its case.

    Raises:
        CorpusError: ``MER-C285`` if it names none.
    """
    key = label.strip().lower()
    if key not in classes:
        names = list(dict.fromkeys(classes.values()))
        raise CorpusError(
            "MER-C285",
            f"{where}: '{label}' is no label of this corpus.{did_you_mean(key, classes)}",
            f"Expected one of: {', '.join(names)} (written {', '.join(classes)}).",
        )
    return classes[key]


def choice(option: str, value: str, allowed: Sequence[str]) -> str:
    """An option that has to be one of a few words.

    Raises:
        CorpusError: ``MER-C289`` if it is none of them.
    """
    if value not in allowed:
        raise CorpusError(
            "MER-C289",
            f"{option}={value} is not known.{did_you_mean(value, allowed)}",
            f"Expected {option}= one of: {', '.join(allowed)}.",
        )
    return value


def without_image(names: Sequence[str], table: Path | str, n_rows: int) -> list[str]:
    """The warning about rows of a table whose image is not there.

    Raises:
        CorpusError: ``MER-C286`` if that is so of all `n_rows` rows.
    """
    if names and len(names) == n_rows:
        raise CorpusError(
            "MER-C286",
            f"none of the {n_rows} images that {table} names is below the raw folder; it names {some(names, 3)}.",
            "Unpack the images too, and point --raw at the folder that holds both.",
        )
    return [f"{table} names {len(names)} images that are not there, left out: {some(names)}."] if names else []


def not_sorted(others: Sequence[Path], what: str = "lie in no class's folder") -> list[str]:
    """The warning about images without a label."""
    names = [path.name for path in others]
    return [f"{len(names)} images {what}, left out: {some(names)}."] if names else []


def unknown_layout(name: str, raw: Path, images: Images, expected: str) -> CorpusError:
    """The error for a folder that holds no known layout of a corpus."""
    return CorpusError(
        "MER-C280",
        f"{raw} is not {name} as it is distributed: {len(images.files)} images, no known layout.",
        f"Expected {expected}.",
    )
