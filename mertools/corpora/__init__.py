"""Known corpora. One corpus, one module: its raw layout to a `Corpus`. `prepare` is the way in.

A module registers a `Maker` in `CORPORA`; a user's own folder of clips is the corpus ``folder``.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

from mertools.config import from_mapping
from mertools.corpus import CLIPS_FILE, CORPUS_FILE, Corpus
from mertools.errors import CorpusError
from mertools.files import write_all, write_bytes_atomically
from mertools.registry import Registry

__all__ = ["CORPORA", "Maker", "Prepared", "prepare"]


@dataclass(frozen=True)
class Prepared:
    """A corpus as it was written, and what its user should know about it.

    Attributes:
        corpus: the corpus.
        warnings: one sentence each; nothing that stops the road.
        files: further files of the corpus folder by their path within it (``/`` between its parts): tables as text
            (``pairs.csv``, labels per frame), media that the raw corpus ships inside a table or an archive as bytes.
            `prepare` writes them, the makers themselves write nothing.
    """

    corpus: Corpus
    warnings: tuple[str, ...] = ()
    files: Mapping[str, bytes | str] = field(default_factory=dict)


@dataclass(frozen=True)
class NoOptions:
    """For makers without options."""


class Maker(ABC):
    """Reads the raw layout of one corpus.

    Attributes:
        Options: dataclass of what the user may choose (``KEY=VALUE`` on the command line).
        counts: published number of clips per split (``""`` = all clips), where known; `prepare` tells a difference.
    """

    Options: ClassVar[type[Any]] = NoOptions
    counts: ClassVar[Mapping[str, int]] = {}

    @abstractmethod
    def make(self, raw: Path, out: Path, options: Any) -> Prepared:
        """Read `raw` and describe it; writes nothing.

        Args:
            raw: folder of the corpus as it is distributed, absolute; it exists.
            out: folder that the manifest is for, absolute.
            options: an instance of `Options`.

        Raises:
            CorpusError: if the layout is not the expected one.
        """

    @abstractmethod
    def fake(self, raw: Path) -> dict[str, str]:
        """Write a tiny corpus of this layout with made-up media and labels, for tests and for trying the road.

        Args:
            raw: folder to write into; it exists and is empty.

        Returns:
            Options with which `prepare` reads it (none needed: empty).
        """

    def expected(self, options: Any) -> Mapping[str, int]:
        """The published counts that hold for `options`; `counts` unless a maker knows better."""
        return self.counts


CORPORA: Registry[type[Maker]] = Registry("corpus", "mertools.corpora", plural="corpora")


def prepare(name: str, raw: Path | str, out: Path | str, /, **options: Any) -> Prepared:
    """Turn a raw corpus into a corpus folder; media are referred to, not copied.

    Args:
        name: a name from ``mertools list corpora``; ``folder`` takes any folder of clips.
        raw: folder of the raw corpus.
        out: corpus folder to write (``clips.csv``, ``corpus.yaml``, and what is no file of its own in the raw corpus).
        **options: options of that corpus; text is converted.

    Raises:
        UnknownNameError: if there is no such corpus.
        ConfigError: for an unknown option.
        CorpusError: if the raw folder is not what it should be. Nothing is written then.
    """
    maker = CORPORA.get(name)()
    chosen = from_mapping(maker.Options, options, f"corpus {name}")
    raw, out = Path(raw).resolve(), Path(out).resolve()
    if not raw.is_dir():
        fault = "is not a folder" if raw.exists() else "does not exist"
        raise CorpusError("MER-C100", f"the raw folder {raw} {fault}.", "Check --raw.")
    prepared = maker.make(raw, out, chosen)
    prepared.corpus.validate(())  # a manifest that will be refused leaves no files behind
    places = {_place(out, name): content for name, content in prepared.files.items()}
    tables = [path for path, content in places.items() if isinstance(content, str)]
    manifest = (out / CLIPS_FILE, out / CORPUS_FILE)
    before = {path: path.read_bytes() for path in (*manifest, *tables) if path.is_file()}
    contents = {path: c.encode("utf-8") if isinstance(c, str) else c for path, c in places.items()}
    write_all(contents)  # before the manifest, so that it never names a file that is not there
    prepared.corpus.write()
    differences = _differences(prepared.corpus, maker.expected(chosen))
    return replace(prepared, warnings=(*prepared.warnings, *differences, *_kept(before)))


def _place(out: Path, name: str) -> Path:
    """Where a further file goes.

    Raises:
        CorpusError: if that is outside the corpus folder (names come from the raw corpus), or the manifest itself.
    """
    path = Path(os.path.normpath(out / name))
    if path == out or not path.is_relative_to(out) or path in (out / CLIPS_FILE, out / CORPUS_FILE):
        raise CorpusError("MER-C294", f"the file '{name}' would leave the corpus folder {out}.", "Rename it.")
    return path


def _differences(corpus: Corpus, expected: Mapping[str, int]) -> list[str]:
    """Where the number of clips is not the published one: told, never fatal (people hold parts of corpora)."""
    found = Counter(clip.split for clip in corpus.clips)
    found[""] = len(corpus)
    return [
        f"{corpus.name}: {found[split]} clips{f' in split {split}' if split else ''}, published are {count}."
        for split, count in expected.items()
        if found[split] != count
    ]


def _kept(before: dict[Path, bytes]) -> list[str]:
    """Keep what was replaced by something else: people edit manifests by hand."""
    warnings = []
    for path, content in before.items():
        if path.read_bytes() != content:
            kept = path.with_name(f"{path.name}.old")
            write_bytes_atomically(kept, content)
            warnings.append(f"{path} was there and differs; what it held is kept in {kept.name}.")
    return warnings
