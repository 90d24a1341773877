"""Cells that hold an open set of words: read as each challenge's scorer reads them, written so that all read the same.

Two ways of reading exist. ``mer2024`` wants a list in brackets and quotes, ``['happy', 'sad']``; ``mer2025`` (MER2025
and MER2026) splits at commas and quotes and takes brackets off the two ends. Both keep what they do not understand as
part of a word, which no wheel and no group then knows: `cell_problems` finds such cells before the organisers do.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from mertools.errors import SubmissionError
from mertools.labels import NA_WORDS

Parser = Callable[[object], tuple[str, ...]]

EMPTY = "[]"
"""The cell that says "no word" to every scorer."""
CURLY = "\u2019"
"""The apostrophe of the wheels' tables; a straight one is a quote to every scorer and splits the word."""
MANY_WORDS = 10
MAX_CHARACTERS = 4_000
"""A longer cell is not looked at beyond this by `cell_problems`."""

_BRACKETS = re.compile(r"[\[\]]")
_QUOTES = re.compile(r"['\"]")
_QUOTES_AND_COMMAS = re.compile(r"['\",]")
_SEPARATORS = re.compile(r"[;/|\n\r\t\u3001\uff0c\uff1b]| and | & ")
_MEANT_SEPARATORS = re.compile(r"[,;/|\n\r\t\u3001\uff0c\uff1b\"\[\](){}]|(?<!\w)'|'(?!\w)")
_ONE_LIST = re.compile(r"\s*\[[^\[\]]*\]\s*")
_APOSTROPHE = re.compile(r"\w'\w")
_SHOWN = 60


class CellProblem(NamedTuple):
    """Something odd about a cell.

    Attributes:
        kind: ``unreadable`` (the scorer stops), ``scored as empty``, ``separator``, ``dot``, ``bracket``,
            ``apostrophe``, ``blank`` (stays part of the word), ``letters`` (not English), ``many``, ``duplicate``,
            ``long``.
        found: what was found, at most a few words of it.
        expected: what would be read as meant.
    """

    kind: str
    found: str
    expected: str


def parse_mer2024(cell: object) -> tuple[str, ...]:
    """The words of a cell as MER2024's scorer reads it.

    Only what stands between the first ``[`` and the next bracket counts; it is split at every quote, and pieces other
    than blanks and lone commas are the words, not stripped.

    Args:
        cell: text, or a list of words, which is taken as it is; None and NaN are empty.

    Raises:
        SubmissionError: for text without a bracket, at which that scorer stops.

    Example:
        >>> parse_mer2024("['happy', 'sad']"), parse_mer2024("[happy, sad]")
        (('happy', 'sad'), ('happy, sad',))
    """
    text = _text(cell)
    if not isinstance(text, str):
        return text
    _, bracket, rest = text.partition("[")
    if not bracket:
        raise SubmissionError(
            "MER-S130",
            f"the cell {_shown(text)} has no brackets, and MER2024's scorer stops; expected ['word', 'word'].",
            "Write the words as a list, [] for none.",
        )
    pieces = _QUOTES.split(_BRACKETS.split(rest, maxsplit=1)[0])
    return tuple(piece for piece in pieces if piece.strip() not in ("", ","))


def parse_mer2025(cell: object) -> tuple[str, ...]:
    """The words of a cell as the scorers of MER2025 and MER2026 read it.

    One ``[`` at the very start and one ``]`` at the very end go; the rest is split at quotes and commas, stripped, and
    blanks are dropped.

    Args:
        cell: text, or a list of words, which is taken as it is; None and NaN are empty.

    Raises:
        SubmissionError: for a lone ``[``, at which those scorers stop.

    Example:
        >>> parse_mer2025("happy, sad"), parse_mer2025("['happy', 'sad']")
        (('happy', 'sad'), ('happy', 'sad'))
    """
    text = _text(cell)
    if not isinstance(text, str):
        return text
    if text == "[":
        raise SubmissionError(
            "MER-S131",
            "the cell '[' is half a list, and the scorer stops; expected words with commas between them.",
            "Write the words, or [] for none.",
        )
    text = text.removeprefix("[").removesuffix("]")
    return tuple(word for piece in _QUOTES_AND_COMMAS.split(text) if (word := piece.strip()))


PARSERS: dict[str, Parser] = {"mer2024": parse_mer2024, "mer2025": parse_mer2025}
"""Whose way of reading -> cell to words; MER2026 reads as MER2025 does."""


def read_column(
    cells: Mapping[str, object], names: Sequence[str], parser: str = "mer2025", *, whose: str = "predicted"
) -> np.ndarray:
    """Cells by clip name as a ``labels`` column.

    Args:
        cells: clip name -> cell.
        names: the clips wanted, in order.
        parser: a name of `PARSERS`.
        whose: "true" or "predicted", for messages.

    Returns:
        ``(N,)`` object, a tuple of words per row.

    Raises:
        SubmissionError: if a clip has no cell (the organisers' scorers stop there), or a cell at which they stop.
    """
    read = PARSERS[parser]
    column = np.empty(len(names), dtype=object)
    for row, name in enumerate(names):
        if name not in cells:
            raise SubmissionError(
                "MER-S132", f"clip {_shown(name)} has no {whose} words, and the scorer stops.", "Predict every clip."
            )
        try:
            column[row] = read(cells[name])
        except SubmissionError as error:
            raise SubmissionError(error.code, f"clip {_shown(name)}: {error.message}", error.hint) from None
    return column


def words_meant(cell: object) -> tuple[str, ...]:
    r"""What the writer of a cell must have meant: a forgiving reading, for mending; no scorer reads like this.

    Commas, semicolons, slashes, bars, line ends, tabs, brackets and double quotes all separate; quotes around words and
    dots behind them go; an apostrophe within a word becomes a curly one, the only kind that a wheel's tables have;
    lower case, each word once.

    Example:
        >>> words_meant("['Happy'; 'can't stand'].")
        ('happy', 'can’t stand')
    """
    text = _text(cell)
    pieces = _MEANT_SEPARATORS.split(text.replace("\\'", "'")) if isinstance(text, str) else text
    found = (" ".join(piece.replace("'", CURLY).split()).strip(" .!?:").lower() for piece in pieces)
    return tuple(dict.fromkeys(word for word in found if word))


def format_words(words: Iterable[str], parser: str = "mer2025") -> str:
    """A cell that the scorer reads as exactly these words.

    Args:
        words: each word or phrase; cleaned by `words_meant`, so that one with a comma becomes two.
        parser: a name of `PARSERS`: whose scorer will read it.

    Returns:
        ``happy, sad``, for MER2024 ``['happy', 'sad']``; ``[]`` if there is no word, or none but one that CSV readers
        take for "nothing" (``none``, ``null``, ``nan``).

    Example:
        >>> format_words(["Happy", "sad.", "happy"]), format_words(["happy"], "mer2024"), format_words(["None"])
        ('happy, sad', "['happy']", '[]')
    """
    clean = tuple(dict.fromkeys(clean for word in words for clean in words_meant(str(word))))
    if parser == "mer2024":
        return "[" + ", ".join(f"'{word}'" for word in clean) + "]"
    cell = ", ".join(clean)
    return EMPTY if _is_nothing(cell) else cell


def cell_problems(cell: str, parser: str = "mer2025") -> list[CellProblem]:
    """Everything about a cell that its scorer will not read as meant, each kind once; time bounded for any cell.

    Args:
        cell: the text of the cell.
        parser: a name of `PARSERS`.

    Example:
        >>> [problem.kind for problem in cell_problems("happy; sad.")]
        ['separator', 'dot']
    """
    problems = []
    if len(cell) > MAX_CHARACTERS:
        problems.append(CellProblem("long", f"{len(cell)} characters", f"at most {MAX_CHARACTERS}"))
        cell = cell[:MAX_CHARACTERS].rpartition(",")[0] or cell[:MAX_CHARACTERS]
        if cell.startswith("["):
            cell += "]"
    try:
        words = PARSERS[parser](cell)
    except SubmissionError as error:
        return [
            *problems,
            CellProblem("unreadable", _shown(cell), error.message.rpartition("expected ")[2].rstrip(".")),
        ]
    if _is_nothing(cell.strip()) or (not words and cell.strip() not in ("[]", "")):
        return [*problems, CellProblem("scored as empty", _shown(cell), "words, or [] for none")]
    return problems + _word_problems(cell, words, parser)


def _word_problems(cell: str, words: tuple[str, ...], parser: str) -> list[CellProblem]:
    separator = "['word', 'word']" if parser == "mer2024" else "a comma between words"
    tests: tuple[tuple[str, Callable[[str], Any], str], ...] = (
        ("separator", lambda w: _SEPARATORS.search(w) or (parser == "mer2024" and "," in w), separator),
        ("dot", lambda w: w.rstrip("]")[-1:] in (".", "!", "?", ":"), "the word alone"),
        ("bracket", lambda w: parser != "mer2024" and re.search(r"[\[\](){}]", w), "brackets at the two ends or none"),
        ("blank", lambda w: parser == "mer2024" and w != w.strip(), "no blanks inside the quotes"),
        ("letters", lambda w: any(c.isalpha() and not c.isascii() for c in w), "English words"),
    )
    problems = []
    for kind, fails, expected in tests:
        wrong = next((word for word in words if fails(word)), None)
        if wrong is not None:
            problems.append(CellProblem(kind, _shown(wrong), expected))
    if parser == "mer2024" and not _ONE_LIST.fullmatch(cell):
        problems.append(CellProblem("bracket", _shown(cell), "one list and nothing around it"))
    apostrophe = _APOSTROPHE.search(cell)
    if apostrophe:
        around = cell[max(apostrophe.start() - 20, 0) : apostrophe.end() + 20]
        problems.append(CellProblem("apostrophe", _shown(around), f"{CURLY} within a word: a straight one splits it"))
    folded = [word.strip().lower() for word in words]
    if len(set(folded)) < len(folded):
        twice = next(word for word, n in Counter(folded).items() if n > 1)
        problems.append(CellProblem("duplicate", _shown(twice), "each word once"))
    if len(words) > MANY_WORDS:
        problems.append(CellProblem("many", f"{len(words)} words", f"at most about {MANY_WORDS}"))
    return problems


def _text(cell: object) -> str | tuple[str, ...]:
    """Text to parse, or the words of a cell that needs no parsing."""
    if cell is None or (isinstance(cell, float) and cell != cell):
        return ()
    if isinstance(cell, str):
        return () if cell in NA_WORDS else cell
    if isinstance(cell, Iterable):
        return tuple(str(word) for word in cell)
    raise SubmissionError("MER-S133", f"{cell!r} is no open set of words.", "Expected text or a list of words.")


def _is_nothing(cell: str) -> bool:
    return not cell or cell.lower() in _NOTHING


def _shown(text: str) -> str:
    return repr(text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "...")


_NOTHING = frozenset(word.lower() for word in NA_WORDS) | {"none"}
