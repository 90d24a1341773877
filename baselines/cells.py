"""Which spaces are trained together in a table of runs."""

from __future__ import annotations

import hashlib
import itertools
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from mertools.config import parse_name_spec
from mertools.errors import TrainingError


@dataclass(frozen=True)
class Cell:
    """One run of a table: its folder's name and the spaces it is trained on."""

    name: str
    features: tuple[str, ...]


@dataclass(frozen=True)
class Combinations:
    """``unimodal``, ``all`` or ``topn:N``."""

    kind: Literal["unimodal", "all", "topn"]
    n: int = 0

    @classmethod
    def parse(cls, text: str) -> Combinations:
        """Read what stands after ``--combinations``.

        Raises:
            TrainingError: if it is none of the three.

        Example:
            >>> Combinations.parse("topn:3")
            Combinations(kind='topn', n=3)
        """
        if text == "unimodal":
            return cls("unimodal")
        if text == "all":
            return cls("all")
        match = re.fullmatch(r"topn:([1-9][0-9]?)", text)
        if match:
            return cls("topn", int(match[1]))
        raise TrainingError(
            "MER-T180", f"combinations '{text}' are not known.", "Expected unimodal, all, or topn:N such as topn:3."
        )

    def check(self, alone: Sequence[Cell]) -> None:
        """Refuse ``topn:N`` where a modality has fewer than N spaces."""
        for modality, cells in by_modality(cell.features[0] for cell in alone).items():
            if len(cells) < self.n:
                raise TrainingError(
                    "MER-T184",
                    f"topn:{self.n} asks for {self.n} spaces of each modality; {modality} has {len(cells)} "
                    f"({', '.join(cells)}).",
                    f"Name more features of {modality}, or a smaller N.",
                )


def by_modality(features: Iterable[str]) -> dict[str, list[str]]:
    """Spaces by the part of their name before the slash, in the order given."""
    found: dict[str, list[str]] = {}
    for feature in features:
        found.setdefault(parse_name_spec(feature).name.partition("/")[0], []).append(feature)
    return found


def unimodal(features: Sequence[str]) -> list[Cell]:
    """Each space alone."""
    return [_cell((feature,)) for feature in features]


def combined(features: Sequence[str]) -> list[Cell]:
    """One space of each modality, for every set of modalities; single spaces first.

    Example:
        >>> [cell.name for cell in combined(["audio/a", "audio/b", "text/c"])]
        ['audio-a', 'audio-b', 'text-c', 'audio-a+text-c', 'audio-b+text-c']
    """
    groups = by_modality(features)
    return [
        _cell(chosen)
        for size in range(1, len(groups) + 1)
        for modalities in itertools.combinations(groups, size)
        for chosen in itertools.product(*(groups[m] for m in modalities))
    ]


def best_of_each(ranking: Mapping[str, Sequence[str]], n: int) -> list[Cell]:
    """The `n` best spaces of each modality together, for every set of at least two modalities (or the only one).

    Args:
        ranking: per modality spaces from low to high.
        n: how many of each.
    """
    found = []
    for size in range(min(2, len(ranking)), len(ranking) + 1):
        for modalities in itertools.combinations(ranking, size):
            chosen = tuple(feature for m in modalities for feature in reversed(ranking[m][-n:]))
            digest = hashlib.blake2b("\n".join(chosen).encode(), digest_size=3).hexdigest()
            cell = Cell(f"top{n}-{'+'.join(modalities)}-{digest}", chosen)
            if len(chosen) > 1:
                found.append(cell)
    return found


def _cell(features: tuple[str, ...]) -> Cell:
    return Cell("+".join(_slug(feature) for feature in features), features)


def _slug(feature: str) -> str:
    """A folder's name for a space; whatever was typed besides the name becomes a short digest."""
    spec = parse_name_spec(feature)
    plain = re.sub(r"[^A-Za-z0-9._-]", "-", spec.name)
    if plain.replace("-", "/", 1) == feature:
        return plain
    return f"{plain}-{hashlib.blake2b(feature.encode(), digest_size=3).hexdigest()}"
