"""`Groups`: for each clip, which of its words are synonyms (MER2024 OV), recorded from runs of a language model.

A recorded run is a folder or zip of ``<name>.npy``, each a text such as ``[['happy', 'joyful'], ['sad']]``; several
runs are folders ``run1``, ``run2``, ...; the official score is the mean over five. Our own form is one file of JSON
lines ``{"run": 1, "name": ..., "groups": [[...], ...]}``, which `Groups.write` makes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from mertools.errors import SubmissionError
from mertools.files import write_text_atomically
from mertools.metrics.base import Runs

if TYPE_CHECKING:
    from mertools.wheels.tables import Wheels

Grouping = tuple[tuple[str, ...], ...]
"""The groups of one clip in one run; each group a tuple of words, the first standing for all."""

OFFLINE = "synonyms from the wheels, without a language model: not official"


class Grouped(NamedTuple):
    """Words with synonyms mapped to one word.

    Attributes:
        rows: positions of the clips that have groups, in the order of the names given; only these are scored.
        truth: true words of these rows, ``(len(rows),)`` object; `Runs` per row if there are several runs.
        prediction: predicted words, same form.
        without: names that have no recorded groups.
    """

    rows: np.ndarray
    truth: np.ndarray
    prediction: np.ndarray
    without: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Groups:
    """Groups of synonyms of some clips.

    Attributes:
        runs: per run, clip name -> groups.
        label: what to say beside a score made with them.
        source: where they came from, for messages.
    """

    runs: tuple[Mapping[str, Grouping], ...]
    label: str
    source: str = "the recording"

    @staticmethod
    def read(path: Path | str) -> Groups:
        """Recorded groups: a folder or zip of ``.npy`` texts, in runs or not, or a file of JSON lines.

        Raises:
            SubmissionError: if it is missing, damaged, too large, holds pickles, or its runs cover different clips.
        """
        from mertools.wheels.recorded import read_runs

        runs = read_runs(Path(path))
        first = set(runs[0])
        for n, run in enumerate(runs[1:], start=2):
            apart = sorted(first ^ set(run))
            if apart:
                raise SubmissionError(
                    "MER-S144",
                    f"{path}: runs 1 and {n} differ in {len(apart)} clips, first '{apart[0]}'; expected the same.",
                    "Complete the runs, or name the folder of one.",
                )
        n = len(runs)
        return Groups(runs, f"recorded groups, {n} run{'s' * (n > 1)} over {len(first)} clips", str(path))

    @staticmethod
    def offline(
        names: Sequence[str],
        truth: Sequence[Collection[str]],
        prediction: Sequence[Collection[str]],
        wheels: Wheels,
    ) -> Groups:
        """Groups without a language model: words in the same cluster of level 1 on most wheels are synonyms.

        Deterministic; scores made with them are not official. Of the rules tried on MER2024's example, this one came
        nearest to the recorded groups (score 0.574 with the built-in wheels, 0.540 with the recorded groups).

        Args:
            names: clip names.
            truth: true words of each.
            prediction: predicted words of each.
            wheels: the tables.
        """
        run = {}
        for name, true, said in zip(names, truth, prediction, strict=True):
            words = sorted({word.lower() for word in (*true, *said)})
            run[name] = _alike(words, wheels)
        return Groups((run,), f"{OFFLINE} ({wheels.label})", "the wheels")

    def write(self, path: Path) -> None:
        """Write them as JSON lines; `read` gives them back."""
        lines = [
            json.dumps({"run": n, "name": name, "groups": groups}, ensure_ascii=False)
            for n, run in enumerate(self.runs, start=1)
            for name, groups in run.items()
        ]
        write_text_atomically(path, "\n".join([*lines, ""]))

    def columns(
        self, names: Sequence[str], truth: Sequence[Collection[str]], prediction: Sequence[Collection[str]]
    ) -> Grouped:
        """Words with synonyms mapped to the first word of their group, as MER2024's scorer does it.

        Labels are made lower case, group words are not (a group word with a capital never matches); of several groups
        with a word the last one counts; words of no group stay. Clips without groups are left out.

        Args:
            names: clip names, the clips to score.
            truth: true words of each.
            prediction: predicted words of each.

        Raises:
            SubmissionError: if no clip has groups, or a clip has groups and is not among `names` (that scorer stops).
        """
        recorded = self.runs[0]
        unknown = sorted(set(recorded).difference(names))
        if unknown:
            raise SubmissionError(
                "MER-S145",
                f"{self.source} has groups for {len(unknown)} clips that the truth lacks, first '{unknown[0]}'; "
                "MER2024's scorer stops there.",
                "Score the truth that the groups were made for, or remove those clips from the groups.",
            )
        rows = [row for row, name in enumerate(names) if name in recorded]
        if not rows:
            raise SubmissionError(
                "MER-S146", f"{self.source} has groups for none of the {len(names)} clips.", "Check the folder."
            )
        columns = (np.empty(len(rows), dtype=object), np.empty(len(rows), dtype=object))
        for i, row in enumerate(rows):
            maps = [_mapping(run[names[row]]) for run in self.runs]
            for column, words in zip(columns, (truth[row], prediction[row]), strict=True):
                mapped = [tuple(synonym.get(w, w) for w in map(str.lower, words)) for synonym in maps]
                column[i] = mapped[0] if len(mapped) == 1 else Runs(mapped)
        without = tuple(name for name in names if name not in recorded)
        return Grouped(np.array(rows), *columns, without)


def parse_groups(text: str) -> Grouping:
    """The groups in the answer of a language model, as MER2024's scorer reads them.

    Split at every bracket, then at quotes; pieces other than blanks and lone commas are words, not stripped.

    Example:
        >>> parse_groups("[['a', 'b'], ['c']]")
        (('a', 'b'), ('c',))
    """
    groups = (
        tuple(piece for piece in re.split(r"['\"]", part) if piece.strip() not in ("", ","))
        for part in re.split(r"[\[\]]", text)
    )
    return tuple(group for group in groups if group)


def _mapping(groups: Grouping) -> dict[str, str]:
    return {word: group[0] for group in groups for word in group}


def _alike(words: Sequence[str], wheels: Wheels) -> Grouping:
    """Words in groups; a word joins the first group whose first word shares its cluster on most wheels."""
    n = len(wheels.wheels)
    groups: list[tuple[list[str | None], list[str]]] = []
    for word in words:
        mine = [wheels.cluster(word, wheel, 1) for wheel in range(n)]
        for theirs, group in groups:
            if 2 * sum(a == b for a, b in zip(mine, theirs, strict=True) if a is not None) > n:
                group.append(word)
                break
        else:
            groups.append((mine, [word]))
    return tuple(tuple(group) for _, group in groups)
