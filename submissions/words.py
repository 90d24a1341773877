"""Open sets of words: what a scorer will not read as meant, which words no wheel knows, and certain mends."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from mertools.openset import PARSERS, cell_problems, format_words, words_meant
from mertools.tracks import Column
from submissions import problems as codes
from submissions.problems import RUN_FIX, Problem, Severity, harmless

if TYPE_CHECKING:
    from mertools.wheels import Wheels
    from submissions.cells import Verdict

PARSER = "mer2025"
"""How a cell is read where the column does not say."""

_CODES: Mapping[str, tuple[str, Severity]] = {
    "unreadable": (codes.WORDS_UNREADABLE, "error"),
    "scored as empty": (codes.SCORED_AS_EMPTY, "error"),
    "separator": (codes.WORD_SEPARATOR, "error"),
    "dot": (codes.WORD_DOT, "error"),
    "bracket": (codes.WORD_BRACKETS, "error"),
    "blank": (codes.SPACES, "error"),
    "apostrophe": (codes.WORD_APOSTROPHE, "warning"),
    "letters": (codes.WORD_LETTERS, "warning"),
    "many": (codes.MANY_WORDS, "warning"),
    "duplicate": (codes.REPEATED_WORD, "warning"),
    "long": (codes.LONG_CELL, "error"),
}
_CERTAIN = {"unreadable", "separator", "dot", "bracket", "blank", "apostrophe", "duplicate"}
_TOP = 10


def word_verdicts(column: Column, cell: str) -> list[Verdict]:
    """What a cell's scorer will not read as its writer meant it."""
    if not cell.strip():
        mend = "Write the words, or [] for none."
        return [(codes.SCORED_AS_EMPTY, "error" if column.words == "mer2024" else "warning", "words, or []", mend)]
    found = []
    certain = certain_words(column, cell)
    for problem in cell_problems(cell, column.words or PARSER):
        code, severity = _CODES[problem.kind]
        mend = "Mend it by hand."
        if problem.kind in _CERTAIN and certain is not None:
            mend = f"Write {harmless(certain)}, {RUN_FIX}"
        elif problem.kind == "separator":  # "happy and sad" may be meant as it stands
            severity, mend = "warning", "Split it by hand if these are several words."
        found.append((code, severity, problem.expected, mend))
    return found


def certain_words(column: Column, cell: str) -> str | None:
    """The cell that its scorer reads as the words that were meant; None where these are not certain."""
    parser = column.words or PARSER
    kinds = {problem.kind for problem in cell_problems(cell, parser)}
    if not kinds:
        return cell
    if not kinds <= _CERTAIN | {"letters", "many"} or not kinds & _CERTAIN:
        return None
    mended = format_words(words_meant(cell), parser)
    left = {problem.kind for problem in cell_problems(mended, parser)}
    return mended if not left & _CERTAIN and mended != "[]" else None


def unknown_words(column: Column, cells: Sequence[str], numbers: Sequence[int], wheels: Wheels | None) -> list[Problem]:
    """One warning about the words that the wheels do not know, and that therefore score nothing."""
    if wheels is None:
        return []
    parse = PARSERS[column.words or PARSER]
    counts: Counter[str] = Counter()
    first: dict[str, int] = {}
    for cell, number in zip(cells, numbers, strict=True):
        try:
            words = parse(cell)
        except Exception:  # noqa: S112  (an unreadable cell has its own problem)
            continue
        for word in words:
            counts[word.strip().lower()] += 1
            first.setdefault(word.strip().lower(), number)
    unknown = {word: n for word, n in counts.items() if word not in wheels}
    if not unknown:
        return []
    total = sum(counts.values())
    top = sorted(unknown.items(), key=lambda item: (-item[1], item[0]))[:_TOP]
    share = f"{sum(unknown.values())} of {total} words ({sum(unknown.values()) / total:.1%}) that no wheel knows: "
    return [
        Problem(
            codes.UNKNOWN_WORDS,
            "warning",
            first[top[0][0]],
            column.name,
            share + ", ".join(f"{word} {n}" for word, n in top),
            f"words of the wheels ({wheels.label})",
            "They score nothing; use words of the wheels' tables.",
        )
    ]
