"""Single cells: what is wrong with one, and what it can only mean."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from string import Formatter

from mertools.errors import did_you_mean
from mertools.labels import NA_WORDS
from mertools.tracks import Column, Track
from submissions import problems as codes
from submissions.names import shown
from submissions.ours import as_integer, classes_of
from submissions.problems import RUN_FIX, Problem, Severity

_LOOSE_KEY = re.compile(r"(.+)/([0-9]{1,15})(\.[A-Za-z]{3,4})?")
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
FOREIGN_SHARE = 0.2
"""A description with a larger share of letters outside English is pointed at."""

Verdict = tuple[str, Severity, str, str]
"""Code, severity, what was expected, and the mend."""


def cell_problems(
    track: Track, column: Column, cells: Sequence[str], numbers: Sequence[int], clips: Sequence[str]
) -> list[Problem]:
    """Problems of one column. Each distinct cell is judged once, so that a hundred thousand rows take a moment.

    Args:
        track: the track.
        column: the column.
        cells: its cells.
        numbers: the row of each.
        clips: the clip of each, for people.
    """
    if column.kind == "text":
        return text_problems(column, cells, numbers, clips)
    judge = _judge(track, column)
    verdicts = {cell: found for cell in set(cells) if (found := judge(cell))}
    if not verdicts:
        return []
    return [
        Problem(code, severity, number, column.name, cell, expected, mend, shown(clip))
        for cell, number, clip in zip(cells, numbers, clips, strict=True)
        if cell in verdicts
        for code, severity, expected, mend in verdicts[cell]
    ]


def _judge(track: Track, column: Column) -> Callable[[str], list[Verdict]]:
    if column.kind == "labels":
        from submissions.words import word_verdicts

        return lambda cell: word_verdicts(column, cell)
    if column.kind == "number":
        return lambda cell: number_verdicts(column, cell)
    if column.kind == "key":
        pattern = key_pattern(column)
        return lambda cell: key_verdicts(column, cell, pattern) if pattern else []
    classes = classes_of(track, column)
    return lambda cell: label_verdicts(column, cell, classes)


# -- labels ------------------------------------------------------------------------------------------------------------


def certain_label(column: Column, cell: str, classes: Sequence[str] = ()) -> str | None:
    """The one allowed value that a cell can mean; None if not certain.

    Spaces, case, known misspellings, the name of a class where its code is wanted, and ``1.0`` for ``1`` are certain.

    Example:
        >>> column = Column("discrete", "label", ("sad", "surprise"), respellings={"surprised": "surprise"})
        >>> certain_label(column, " Surprised ")
        'surprise'
    """
    word = cell.strip().lower()
    for allowed in column.allowed:
        if word == allowed.lower():
            return allowed
    for name, allowed in zip(classes, column.allowed, strict=False):
        if word == name.lower():
            return allowed
    number = as_integer(word)
    if number is not None and str(number) in column.allowed:
        return str(number)
    return (column.respellings or {}).get(word)


def label_verdicts(column: Column, cell: str, classes: Sequence[str] = ()) -> list[Verdict]:
    """What is wrong with a cell that must hold one of the allowed values."""
    if cell in column.allowed:
        return []
    severity: Severity = "error" if column.scored else "warning"
    expected = "one of: " + ", ".join(column.allowed)
    if classes and classes != column.allowed:
        expected = "one of: " + ", ".join(
            f"{code} ({name})" for code, name in zip(column.allowed, classes, strict=True)
        )
    certain = certain_label(column, cell, classes)
    if certain is None:
        code = codes.NO_LABEL if _is_nothing(cell) else codes.WRONG_LABEL
        return [
            (
                code,
                severity,
                expected,
                "Mend it by hand." + did_you_mean(cell.strip().lower(), [*column.allowed, *classes]),
            )
        ]
    if cell.strip() == certain:
        code = codes.SPACES
    else:
        code = codes.LABEL_CASE if cell.strip().lower() == certain.lower() else codes.WRONG_LABEL
    return [(code, severity, expected, f"Write '{certain}', {RUN_FIX}")]


def _is_nothing(cell: str) -> bool:
    return cell.strip() in NA_WORDS or cell.strip().lower() == "none"


# -- numbers -----------------------------------------------------------------------------------------------------------


def plain_number(cell: str) -> float | None:
    """The number in a cell; None if it holds none (``1_000`` is none)."""
    try:
        return None if "_" in cell else float(cell)
    except ValueError:
        return None


def number_verdicts(column: Column, cell: str) -> list[Verdict]:
    """What is wrong with a cell that must hold a number."""
    severity: Severity = "error" if column.scored else "warning"
    number = plain_number(cell)
    if cell.strip() in NA_WORDS or (number is not None and math.isnan(number)):
        return [(codes.NO_NUMBER, severity, "a number", "Write a number.")]
    if number is None:
        return [(codes.NOT_A_NUMBER, severity, "a number with a decimal point", "Write a number.")]
    if math.isinf(number):
        return [(codes.INFINITE, severity, "a finite number", "Write a finite number.")]
    if cell != cell.strip():
        return [(codes.SPACES, severity, f"'{cell.strip()}'", f"Delete the spaces, {RUN_FIX}")]
    if column.range and not column.range[0] <= number <= column.range[1]:
        expected = f"a value in [{column.range[0]:g}, {column.range[1]:g}]"
        return [(codes.OUTSIDE_RANGE, "warning", expected, "Check it; it is scored as it stands.")]
    return []


# -- keys --------------------------------------------------------------------------------------------------------------


def key_pattern(column: Column) -> re.Pattern[str] | None:
    """What a key that holds a frame number looks like, frames counted from 1; None for keys that are plain names."""
    parts = list(Formatter().parse(column.made_of))
    if not any(spec for _, _, spec, _ in parts):
        return None
    pattern = ""
    for literal, name, spec, _ in parts:
        pattern += re.escape(literal)
        if spec:
            n = int(spec.strip("0d") or 1)  # padded to n digits, more where they are needed, and never 0
            pattern += f"(?!0+(?![0-9]))(?:[0-9]{{{n}}}|[1-9][0-9]{{{n},}})"
        elif name:
            pattern += ".+"
    return re.compile(pattern)


def certain_key(column: Column, cell: str, pattern: re.Pattern[str] | None = None) -> str | None:
    """The key a cell can only mean: spaces, digits of the frame and a lacking suffix set right; None if not certain.

    Example:
        >>> certain_key(Column("image_location", "key", made_of="{name}/{frame:05d}.jpg"), "video7/12")
        'video7/00012.jpg'
    """
    pattern = pattern or key_pattern(column)
    if pattern is None:
        return cell.strip()
    text = cell.strip().replace("\\", "/")
    found = _LOOSE_KEY.fullmatch(text)
    if found is None or int(found[2]) < 1:
        return None
    names = [name for _, name, _, _ in Formatter().parse(column.made_of) if name]
    made = column.made_of.format(**dict(zip(names, (found[1], int(found[2])), strict=False)))
    return made if pattern.fullmatch(made) else None


def key_verdicts(column: Column, cell: str, pattern: re.Pattern[str]) -> list[Verdict]:
    """What is wrong with a key that must hold a frame number, counted from 1."""
    if pattern.fullmatch(cell):
        return []
    names = {name: ("video" if not spec else 1) for _, name, spec, _ in Formatter().parse(column.made_of) if name}
    expected = f"a key as in {column.made_of.format(**names)}, the first frame being 1"
    certain = certain_key(column, cell, pattern)
    if certain is not None and certain == cell.strip():
        return []  # spaces alone: told with the names
    return [(codes.FRAME_KEY, "error", expected, f"Write '{certain}', {RUN_FIX}" if certain else "Write the key.")]


# -- text --------------------------------------------------------------------------------------------------------------


def text_problems(column: Column, cells: Sequence[str], numbers: Sequence[int], clips: Sequence[str]) -> list[Problem]:
    """Free text: no cell may be empty, and text that is not English is counted."""
    found = []
    foreign = []
    for cell, number, clip in zip(cells, numbers, clips, strict=True):
        if _is_nothing(cell):
            found.append(
                Problem(codes.EMPTY_TEXT, "error", number, column.name, cell, "a text", "Write the text.", shown(clip))
            )
        elif foreign_share(cell) > FOREIGN_SHARE:
            foreign.append(number)
    if foreign:
        share = f"{len(foreign)} of {len(cells)} texts ({len(foreign) / len(cells):.0%}) mostly in other letters"
        mend = "The organisers ask for English; look at this row first."
        found.append(Problem(codes.TEXT_LANGUAGE, "warning", foreign[0], column.name, share, "English", mend))
    return found


def foreign_share(text: str) -> float:
    """The share of letters that English does not have, in [0, 1].

    Example:
        >>> foreign_share("sad 难过")
        0.4
    """
    if text.isascii():
        return 0.0
    letters = [c for c in text if c.isalpha()]
    return sum(not c.isascii() for c in letters) / len(letters) if letters else 0.0
