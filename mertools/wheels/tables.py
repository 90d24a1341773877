"""`Wheels`: from a word to its base form, to the labels of emotion wheels, to their clusters at two levels."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mertools.metrics.words import words_of

ENVIRONMENT = "MERTOOLS_WHEELS"
LEVELS = (1, 2)

_AS_THEY_ARE = ("forms", "synonyms", "places", "edition", "label", "warnings", "sha256")


@dataclass(frozen=True)
class Wheel:
    """One wheel: which cluster each of its labels lies in.

    Attributes:
        name: "wheel1", "plutchik", ...
        level1: label -> label of the innermost ring.
        level2: label -> label of the second ring; the same labels as in `level1`.
    """

    name: str
    level1: Mapping[str, str]
    level2: Mapping[str, str]

    @classmethod
    def from_rows(cls, name: str, rows: Sequence[tuple[str, str, str]]) -> Wheel:
        """A wheel out of its leaves ``(level1, level2, level3)``, in order; a label met again later is overwritten.

        A label of level 1 has no place at level 2: it is put into the alphabetically first label below it.

        Example:
            >>> wheel = Wheel.from_rows("w", [("sad", "lonely", "isolated"), ("sad", "hurt", "jealous")])
            >>> wheel.level1["isolated"], wheel.level2["isolated"], wheel.level2["sad"]
            ('sad', 'lonely', 'hurt')
        """
        tree: dict[str, dict[str, list[str]]] = {}
        for first, second, third in rows:
            tree.setdefault(first, {}).setdefault(second, []).append(third)
        level1, level2 = {}, {}
        for first, below in tree.items():
            level1[first], level2[first] = first, min(below)
            for second, leaves in below.items():
                for label in (second, *leaves):
                    level1[label], level2[label] = first, second
        return cls(name, level1, level2)

    @property
    def levels(self) -> tuple[Mapping[str, str], Mapping[str, str]]:
        """The maps of level 1 and level 2."""
        return self.level1, self.level2


@dataclass(frozen=True, eq=False)
class Wheels:
    """Form table, synonym table and wheels.

    Attributes:
        wheels: the wheels, in order.
        forms: form of a word (plural, adverb, noun, ..., and itself) -> words it is a form of, alphabetical.
        synonyms: word -> labels that it means, alphabetical; in the built-in tables the one word for its meaning.
        places: form -> its label on each wheel, None where it has none.
        edition: "mer2025", "mer2026", "built-in", or "unknown" if the files are not those the organisers published.
        label: what to say beside a score made with them.
        warnings: what a reader of such a score must know.
        sha256: file name -> hash; empty for the built-in ones.
    """

    wheels: tuple[Wheel, ...] = field(repr=False)
    forms: Mapping[str, tuple[str, ...]] = field(repr=False)
    synonyms: Mapping[str, tuple[str, ...]] = field(repr=False)
    places: Mapping[str, tuple[str | None, ...]] = field(repr=False)
    edition: str
    label: str
    warnings: tuple[str, ...] = ()
    sha256: Mapping[str, str] = field(default_factory=dict, repr=False)

    @staticmethod
    def read(folder: Path | str) -> Wheels:
        """The organisers' tables: ``format.csv``, ``synonym.xlsx`` and ``wheel1.xlsx`` to ``wheel5.xlsx`` of a folder.

        Their ``wheel_mapping.npz`` holds pickles and is never opened; it follows from these files. Tables once read are
        kept in memory as long as the files stay the same.

        Args:
            folder: ``emotion_wheel`` of a MERTools checkout, or a folder that contains it.

        Raises:
            SubmissionError: if a file is missing, too large, damaged, or lacks a sheet, a column or a cell.
        """
        from mertools.wheels.official import read_folder

        return read_folder(Path(folder))

    @staticmethod
    def builtin() -> Wheels:
        """The wheels of this package, after Plutchik, Parrott and Willcox; scores made with them are not official."""
        from mertools.wheels.builtin import builtin_wheels

        return builtin_wheels()

    @classmethod
    def find(cls, folder: Path | str | None = None) -> Wheels:
        """The tables of `folder`, else of the folder that ``MERTOOLS_WHEELS`` names, else the built-in ones.

        Raises:
            SubmissionError: as `read` does; a named folder is never passed over.
        """
        folder = folder or os.environ.get(ENVIRONMENT) or None
        return cls.builtin() if folder is None else cls.read(folder)

    def as_json(self) -> dict[str, Any]:
        """Everything as JSON-able data, for a scoring program that has neither the files nor openpyxl."""
        wheels = {w.name: {label: [w.level1[label], w.level2[label]] for label in w.level1} for w in self.wheels}
        rest = {name: getattr(self, name) for name in _AS_THEY_ARE}
        return {"wheels": wheels, **rest}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Wheels:
        """What `as_json` gave."""
        wheels = tuple(
            Wheel(name, {label: a for label, (a, _) in levels.items()}, {label: b for label, (_, b) in levels.items()})
            for name, levels in document["wheels"].items()
        )
        forms, synonyms, places = (
            {key: tuple(value) for key, value in document[name].items()} for name in ("forms", "synonyms", "places")
        )
        edition, label, warnings, sha256 = (document[name] for name in ("edition", "label", "warnings", "sha256"))
        return cls(wheels, forms, synonyms, places, edition, label, tuple(warnings), sha256)

    @property
    def official(self) -> bool:
        """Whether these are, byte for byte, tables that a challenge was scored with."""
        return self.edition not in ("built-in", "unknown")

    def warnings_for(self, edition: str) -> tuple[str, ...]:
        """The warnings, and one more if a track of `edition` was scored with other tables than these.

        Example:
            >>> Wheels.builtin().warnings_for("mer2026")
            ('scored with the wheels built-in (Plutchik, Parrott, Willcox): not official',)
        """
        if self.official and edition in ("mer2025", "mer2026") and edition != self.edition:
            other = f"these are the tables of {self.edition}; {edition} was scored with others (format.csv differs)"
            return (*self.warnings, other)
        return self.warnings

    def __contains__(self, word: str) -> bool:
        """Whether a word is a known form."""
        return fold(word) in self.forms

    def base(self, word: str) -> str | None:
        """The word that `word` is a form of, the alphabetically first of several; None if it is unknown."""
        return self.forms.get(fold(word), (None,))[0]

    def synonym(self, word: str) -> str | None:
        """The first label that the base of `word` means, whatever the wheel; None if it is unknown."""
        base = self.base(word)
        return None if base is None else next(iter(self.synonyms.get(base, ())), None)

    def cluster(self, word: str, wheel: int, level: int) -> str | None:
        """The cluster of a word.

        Args:
            word: any case, blanks around it allowed.
            wheel: position of the wheel, from 0.
            level: 1 or 2.

        Returns:
            The label of the cluster; None if the word is unknown or has no place on that wheel.
        """
        place = self.places.get(fold(word), (None,) * len(self.wheels))[wheel]
        return None if place is None else self.wheels[wheel].levels[level - 1][place]

    def masks(self, column: npt.ArrayLike) -> npt.NDArray[np.uint64]:
        """The clusters of each row's words as bits.

        Args:
            column: ``(N,)`` object, a collection of words per row.

        Returns:
            ``(N, W, 2, B)``: a bit per cluster of each of W wheels and two levels, in B words of 64 bits.

        Raises:
            ShapeError: if a row is not a collection of words.
        """
        rows = np.asarray(column, dtype=object)
        index, masks = self._bits
        unknown = len(masks) - 1
        known: dict[str, int] = {}
        flat: list[int] = []
        starts = np.empty(len(rows), dtype=np.int64)
        for i, words in enumerate(rows):
            starts[i] = len(flat)
            flat.append(unknown)  # no row is without a word, which `reduceat` could not do
            for word in words_of(words):
                row = known.get(word)
                if row is None:
                    row = known[word] = index.get(fold(word), unknown)
                flat.append(row)
        if not len(rows):
            return np.zeros((0, *masks.shape[1:]), dtype=np.uint64)
        joined: npt.NDArray[np.uint64] = np.bitwise_or.reduceat(masks[flat], starts, axis=0)
        return joined

    @cached_property
    def _bits(self) -> tuple[dict[str, int], npt.NDArray[np.uint64]]:
        """Form -> row, and the bits of each row ``(F + 1, W, 2, B)``; the last row is that of unknown words."""
        codes = [
            [{cluster: n for n, cluster in enumerate(dict.fromkeys(level.values()))} for level in wheel.levels]
            for wheel in self.wheels
        ]
        most = max(len(code) for levels in codes for code in levels)
        masks = np.zeros((len(self.places) + 1, len(self.wheels), len(LEVELS), -(-most // 64)), dtype=np.uint64)
        index = {form: row for row, form in enumerate(self.places)}
        for row, places in enumerate(self.places.values()):
            for w, place in enumerate(places):
                if place is not None:
                    for n, level in enumerate(self.wheels[w].levels):
                        bit = codes[w][n][level[place]]
                        masks[row, w, n, bit // 64] = np.uint64(1 << bit % 64)
        return index, masks


def fold(word: str) -> str:
    """A word as the tables have it: no blanks around it, lower case."""
    return word.strip().lower()
