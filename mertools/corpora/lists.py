"""Label files as corpora distribute them: lines, tables with other key columns than ours, and lists of folds."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mertools.corpora.scanning import some
from mertools.errors import CorpusError, did_you_mean
from mertools.targets import finite


def read_lines(path: Path) -> list[tuple[int, str]]:
    """Lines that are not blank, stripped, with their numbers from 1.

    Raises:
        CorpusError: ``MER-C201`` if the file is not UTF-8 text.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise CorpusError("MER-C201", f"{path} is not UTF-8 text: {error}.", "Save it as UTF-8.") from None
    return [(number, line.strip()) for number, line in enumerate(lines, start=1) if line.strip()]


def read_rows(path: Path, columns: Sequence[str], delimiter: str = ",") -> list[tuple[int, dict[str, str]]]:
    """Rows of a table with a header, stripped, with their line numbers.

    Args:
        path: the table.
        columns: columns that must be there; others are kept too.
        delimiter: what separates cells.

    Raises:
        CorpusError: ``MER-C201`` if it is not such a table, ``MER-C202`` if a column is missing.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, restval="", strict=True, delimiter=delimiter, skipinitialspace=True)
            reader.fieldnames = [name.strip() for name in reader.fieldnames or ()]
            missing = [column for column in columns if column not in reader.fieldnames]
            if missing:
                raise CorpusError(
                    "MER-C202",
                    f"{path}, row 1: there is no column '{missing[0]}'; found: "
                    f"{', '.join(reader.fieldnames) or 'nothing'}.",
                    f"Expected the columns {', '.join(columns)}.",
                )
            rows = []
            for row in reader:
                if None in row:
                    raise malformed(path, reader.line_num, "more cells than columns", f"{len(reader.fieldnames)} cells")
                rows.append((reader.line_num, {key: cell.strip() for key, cell in row.items()}))
            return rows
    except (csv.Error, UnicodeDecodeError) as error:
        raise CorpusError("MER-C201", f"{path} is not a UTF-8 CSV file: {error}.", "Save it as UTF-8.") from None


def malformed(path: Path, number: int, found: str, expected: str) -> CorpusError:
    """The error (``MER-C201``) for a line that is not what the format says."""
    return CorpusError("MER-C201", f"{path}, line {number}: {found}.", f"Expected {expected}.")


def known_label(path: Path, number: int, label: str, labels: Mapping[str, str] | Sequence[str]) -> str:
    """The class that `label` stands for: its value in a mapping, itself in a sequence.

    Raises:
        CorpusError: ``MER-C203`` if it is unknown.
    """
    if label not in labels:
        raise CorpusError(
            "MER-C203",
            f"{path}, line {number}: '{label}' is no label of this corpus.{did_you_mean(label, labels)}",
            f"Expected one of: {', '.join(labels)}.",
        )
    return labels[label] if isinstance(labels, Mapping) else label


def number_in(path: Path, number: int, cell: str, low: float, high: float) -> str:
    """`cell`, if it is a number of the range.

    Raises:
        CorpusError: ``MER-C205`` if it is not.
    """
    try:
        value = finite(cell)
    except ValueError as error:
        raise CorpusError("MER-C205", f"{path}, line {number}: {error}", f"Expected {low:g} to {high:g}.") from None
    if not low <= value <= high:
        raise CorpusError(
            "MER-C205", f"{path}, line {number}: {cell} is out of range.", f"Expected {low:g} to {high:g}."
        )
    return cell


def missing_layout(title: str, raw: Path, expected: str) -> CorpusError:
    """The error (``MER-C200``) for a folder that is not the corpus, or lacks its label files."""
    return CorpusError("MER-C200", f"{raw} is not {title}: there is no {expected}.", "Point --raw at its top folder.")


@dataclass(frozen=True)
class Part:
    """One list file of a cross-validation: clip to label.

    Attributes:
        path: the file.
        fold: the fold it belongs to.
        test: whether it is the part held out.
        labels: the label of each clip, in file order.
    """

    path: Path
    fold: str
    test: bool
    labels: Mapping[str, str]


def add_once(labels: dict[str, str], name: str, label: str, path: Path, number: int) -> None:
    """Put a label under a clip's name.

    Raises:
        CorpusError: ``MER-C204`` if the file has named the clip already with another label.
    """
    if labels.setdefault(name, label) != label:
        raise CorpusError(
            "MER-C204",
            f"{path}, line {number}: clip '{name}' is '{label}' here and '{labels[name]}' above.",
            "Keep one label per clip.",
        )


def join_folds(parts: Iterable[Part]) -> tuple[dict[str, tuple[str, str]], list[str]]:
    """Label and fold of every clip; a clip's fold is the one whose test part holds it.

    Returns:
        ``{clip: (label, fold)}`` in order of name, and a warning about clips that no test part holds (fold "").

    Raises:
        CorpusError: ``MER-C204`` if two files give a clip different labels, ``MER-C209`` if two folds test on one clip
            or a fold tests on a clip that it trains on.
    """
    labels: dict[str, tuple[str, Path]] = {}
    folds: dict[str, Part] = {}
    trained: dict[str, Part] = {}
    parts = list(parts)
    for part in parts:
        for name, label in part.labels.items():
            first, path = labels.setdefault(name, (label, part.path))
            if first != label:
                raise CorpusError(
                    "MER-C204",
                    f"clip '{name}' is '{first}' in {path} and '{label}' in {part.path}.",
                    "Fetch the official lists again.",
                )
            if part.test and folds.setdefault(name, part) is not part:
                raise CorpusError(
                    "MER-C209",
                    f"clip '{name}' stands in two test lists: {folds[name].path} and {part.path}.",
                    "Fetch the official lists again; a clip is tested in one fold.",
                )
            if not part.test:
                trained[f"{part.fold}/{name}"] = part
    for name, part in folds.items():
        both = trained.get(f"{part.fold}/{name}")
        if both:
            raise CorpusError(
                "MER-C209",
                f"clip '{name}' stands in the training list {both.path} and the test list {part.path} of one fold.",
                "Fetch the official lists again.",
            )
    never = [name for name in sorted(labels) if name not in folds]
    warnings = [f"{len(never)} clips stand in no test list and have no fold: {some(never)}."] if never else []
    joined = {name: (labels[name][0], folds[name].fold if name in folds else "") for name in sorted(labels)}
    return joined, warnings
