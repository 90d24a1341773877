"""`Problem`: one thing wrong with a submission, and the list of codes. Each code stands for one kind of problem."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from mertools.errors import SubmissionError

Severity = Literal["error", "warning"]

NOT_FOUND = "MER-S010"
NOT_UTF8 = "MER-S011"
NOT_CSV = "MER-S012"
TOO_LARGE = "MER-S013"
WRONG_LABEL = "MER-S014"
LABEL_CASE = "MER-S015"
SPACES = "MER-S016"
NO_LABEL = "MER-S017"
NOT_A_NUMBER = "MER-S018"
NO_NUMBER = "MER-S019"
INFINITE = "MER-S020"
MISSING_NAME = "MER-S021"
DUPLICATE_NAME = "MER-S022"
EXTRA_NAME = "MER-S023"
ROW_COUNT = "MER-S024"
ORDER = "MER-S025"
BYTE_ORDER_MARK = "MER-S026"
LINE_ENDS = "MER-S027"
MISSING_COLUMN = "MER-S028"
EXTRA_COLUMN = "MER-S029"
COLUMN_ORDER = "MER-S030"
REPEATED_COLUMN = "MER-S031"
CELL_COUNT = "MER-S032"
EMPTY_NAME = "MER-S033"
NAME_CASE = "MER-S034"
FILE_NAME = "MER-S035"
FOLDER_IN_ZIP = "MER-S036"
SEVERAL_FILES = "MER-S037"
JUNK_IN_ZIP = "MER-S038"
ENCRYPTED = "MER-S039"
UNSAFE_PATH = "MER-S040"
ZIP_BOMB = "MER-S041"
CONTAINER = "MER-S042"
BROKEN_ZIP = "MER-S043"
EMPTY_FILE = "MER-S044"
PREDICTIONS_FILE = "MER-S045"
SEPARATOR = "MER-S046"
HEADER_SPELLING = "MER-S047"
OUTSIDE_RANGE = "MER-S048"
CONTROL_CHARACTER = "MER-S049"
BLANK_LINES = "MER-S050"
OBJECT_ARRAY = "MER-S052"
ARRAY_FORM = "MER-S053"
ARRAY_SIZE = "MER-S054"
HEADER_LINE = "MER-S055"
FRAME_KEY = "MER-S056"
EMPTY_TEXT = "MER-S057"
TEXT_LANGUAGE = "MER-S058"
UNKNOWN_WORDS = "MER-S059"
SCORED_AS_EMPTY = "MER-S085"
WORD_SEPARATOR = "MER-S086"
WORD_BRACKETS = "MER-S087"
WORD_APOSTROPHE = "MER-S088"
WORD_LETTERS = "MER-S089"
MANY_WORDS = "MER-S090"
REPEATED_WORD = "MER-S091"
LONG_CELL = "MER-S092"
WORDS_UNREADABLE = "MER-S093"
WORD_DOT = "MER-S094"
TEXT_FILE = "MER-S095"
REPEATED_MEMBER = "MER-S096"

_FORMULA_STARTS = {*"=+-@\t\r", "\uff1d", "\uff0b", "\uff0d", "\uff20"}  # with the full-width forms (OWASP)

RUN_FIX = "or run: mertools submission validate --fix --out NEW_FILE ..."


@dataclass(frozen=True)
class Problem:
    """One thing wrong with a file.

    Attributes:
        code: stable code of the kind of problem.
        severity: ``error`` (the organisers would refuse or misread the file) or ``warning``.
        row: row of the table, the header being row 1; None if it is about the whole file.
        column: name of the column; None likewise.
        found: what stands there, exact.
        expected: what should stand there.
        mend: what to do.
        clip: name of the clip in that row, for people.
    """

    code: str
    severity: Severity
    row: int | None
    column: str | None
    found: str
    expected: str
    mend: str
    clip: str = ""

    def as_json(self) -> dict[str, Any]:
        """The object that ``submission validate --json`` prints."""
        document = asdict(self)
        del document["clip"]
        return document

    def text(self, file: str) -> str:
        """One paragraph for people; cells are made harmless for terminals and spreadsheets."""
        where = harmless(file)
        if self.row is not None:
            where += f", row {self.row}"
        if self.clip:
            where += f" ({harmless(self.clip)})"
        if self.column is not None:
            where += f", column {harmless(self.column)}"
        kind = "" if self.severity == "error" else "warning: "
        return (
            f"{self.code}  {where}: {kind}found {harmless(self.found, longest=240)}.\n"
            f"          Expected {self.expected}.\n          {self.mend}"
        )


class InvalidSubmissionError(SubmissionError):
    """A submission that cannot be packaged or mended as it is; `problems` says why."""

    def __init__(self, code: str, message: str, hint: str, problems: Sequence[Problem]) -> None:
        super().__init__(code, message, hint)
        self.problems = list(problems)

    def __reduce__(self) -> tuple[Any, ...]:
        """Keeps the problems across processes."""
        return type(self), (self.code, self.message, self.hint, self.problems)


def is_valid(problems: Iterable[Problem]) -> bool:
    """Whether none of them is an error."""
    return all(problem.severity != "error" for problem in problems)


def report(problems: Sequence[Problem], file: str, *, per_code: int = 5) -> str:
    """All problems for people: the first few of each code, and how many more there are."""
    shown: Counter[str] = Counter()
    lines = []
    for problem in problems:
        shown[problem.code] += 1
        if shown[problem.code] <= per_code:
            lines.append(problem.text(file))
    lines += [f"{code}  ... and {n - per_code} more" for code, n in shown.items() if n > per_code]
    return "\n".join(lines)


def harmless(cell: str, *, longest: int = 80) -> str:
    """A cell fit for a report: no control characters, not too long, and never the start of a spreadsheet formula.

    Example:
        >>> harmless("=1+1")
        "'=1+1"
        >>> harmless("-1.5")
        '-1.5'
    """
    text = "".join(c if unicodedata.category(c)[0] != "C" else f"\\x{ord(c):02x}" for c in cell)
    if len(text) > longest:
        text = text[:longest] + "…"
    if cell[:1] in _FORMULA_STARTS and not _is_number(cell):
        text = "'" + text
    return text


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
