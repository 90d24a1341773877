"""Answers of a language model: one ranked list of labels per clip, and the protocols by which they are scored.

A protocol turns true labels and answers into two columns and names the metrics to compute. The six are those behind
the published numbers of "GPT-4V with Emotion" (Lian et al., 2023) and of the authors' later scorer; all look at the
first listed label only.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from mertools.errors import SubmissionError, did_you_mean
from mertools.targets import finite

KEYS = ("name", "gt")
POLARITY = ("positive", "negative")
POSITIVE_CATEGORIES = frozenset({"amusement", "awe", "content", "contentment", "excitement"})
UNLISTED = "(none of the labels)"


@dataclass(frozen=True)
class Answers:
    """A file of answers.

    Attributes:
        path: the file.
        names: names of the clips.
        truth: their true labels, as they stand in the file.
        models: column -> the answers of that model, each a comma list, best first.
        rows: line numbers in the file.
    """

    path: Path
    names: Sequence[str]
    truth: Sequence[str]
    models: Mapping[str, Sequence[str]]
    rows: Sequence[int]


@dataclass(frozen=True)
class Columns:
    """What a protocol makes of a file.

    Attributes:
        truth: true classes of the scored rows.
        prediction: predicted classes.
        n_dropped: rows that the protocol leaves out because of their answer.
        n_without_class: rows that it leaves out because of their true value (0 under S).
        n_unlisted: answers whose first label is neither a label of the request nor a true one, scored or dropped.
    """

    truth: Sequence[str]
    prediction: Sequence[str]
    n_dropped: int
    n_without_class: int
    n_unlisted: int


@dataclass(frozen=True)
class Protocol:
    """How answers are scored.

    Attributes:
        name: the name users type.
        summary: one sentence.
        headline: the metrics that are reported, in order; `METRICS` names.
        kind: what classes are: the ``labels`` themselves, ``polarity`` of a category, or ``sign`` of a number.
        aliases: spellings that count as another label, in truth and answer.
        drops_unlisted: whether answers outside the labels are left out (else they are wrong).
    """

    name: str
    summary: str
    headline: tuple[str, ...]
    kind: Literal["labels", "polarity", "sign"] = "labels"
    aliases: Mapping[str, str] = field(default_factory=dict)
    drops_unlisted: bool = False


_SURPRISE = {"surprised": "surprise"}
PROTOCOLS = {
    protocol.name: protocol
    for protocol in (
        Protocol("A", "accuracy of the first label, exact spelling, all rows; other answers are wrong", ("accuracy",)),
        Protocol("A+alias", "as A, with 'surprised' taken for 'surprise'", ("accuracy",), aliases=_SURPRISE),
        Protocol(
            "B",
            "as A, but answers outside the labels are left out; WAR and UAR",
            ("accuracy", "uar"),
            drops_unlisted=True,
        ),
        Protocol("P", "accuracy of positive against negative categories, all rows", ("accuracy",), kind="polarity"),
        Protocol("S", "weighted F1 of values above and below 0, rows of 0 left out", ("waf",), kind="sign"),
        Protocol("W", "weighted F1, with 'surprised' taken for 'surprise'", ("waf",), aliases=_SURPRISE),
    )
}


def get_protocol(name: str) -> Protocol:
    """The protocol of that name, any case.

    Raises:
        SubmissionError: ``MER-S205`` if there is none.
    """
    found = {key.lower(): protocol for key, protocol in PROTOCOLS.items()}.get(name.lower())
    if found is None:
        raise SubmissionError(
            "MER-S205",
            f"there is no protocol '{name}'.{did_you_mean(name, PROTOCOLS)}",
            "Protocols: " + "; ".join(f"{p.name} ({p.summary})" for p in PROTOCOLS.values()) + ".",
        )
    return found


def read_answers(path: Path) -> Answers:
    """Read a file ``name,gt,MODEL``; every further column is a model of its own.

    Raises:
        SubmissionError: ``MER-S201`` if there is no column of a model, ``MER-S208`` if it is no CSV in UTF-8,
            ``MER-S209`` if it holds nothing, ``MER-S210`` if it lacks a column, ``MER-S211`` for a row of another
            width.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            lines = [(reader.line_num, cells) for cells in reader if cells]
    except (csv.Error, UnicodeDecodeError) as error:
        raise SubmissionError("MER-S208", f"{path} is not CSV in UTF-8: {error}.", "Save it again.") from None
    if len(lines) < 2:
        found = "a header and no rows" if lines else "nothing"
        raise SubmissionError("MER-S209", f"{path} holds {found}.", "Expected name, gt and the model's answers.")
    header = lines[0][1]
    lacking = [column for column in KEYS if column not in header]
    if lacking:
        raise SubmissionError(
            "MER-S210",
            f"{path}: there is no column {' and no column '.join(lacking)}; found: {', '.join(header)}.",
            "Expected name, gt and a column named after the model, separated by commas.",
        )
    models = [column for column in dict.fromkeys(header) if column not in KEYS]
    if not models:
        raise SubmissionError(
            "MER-S201",
            f"{path}: there is no column with answers, only {', '.join(header)}.",
            "Expected name, gt and a column named after the model, such as gpt4v.",
        )
    for number, cells in lines[1:]:
        if len(cells) != len(header):
            raise SubmissionError(
                "MER-S211",
                f"{path}, line {number}: {len(cells)} cells, expected {len(header)}.",
                "Quote the list of labels.",
            )
    columns = {column: [cells[header.index(column)] for _, cells in lines[1:]] for column in (*KEYS, *models)}
    return Answers(path, columns["name"], columns["gt"], {m: columns[m] for m in models}, [n for n, _ in lines[1:]])


def first_label(answer: str) -> str:
    """What stands before the first comma, as it is written there.

    Example:
        >>> first_label("happy,sad, neutral")
        'happy'
    """
    return answer.split(",")[0]


def columns_of(
    protocol: Protocol, answers: Answers, model: str, labels: Sequence[str], truths: Sequence[str]
) -> Columns:
    """Truth and prediction of one model under a protocol.

    Args:
        protocol: the protocol.
        answers: the file.
        model: which of its columns.
        labels: labels of the request.
        truths: labels that the column ``gt`` may hold; empty = not checked.

    Raises:
        SubmissionError: ``MER-S204`` for a true label that is none, ``MER-S206`` for a true value that is no number.
    """
    truth = _truth(protocol, answers, POLARITY if truths and protocol.kind == "polarity" else truths)
    alias = protocol.aliases
    listed = {alias.get(label, label) for label in labels}
    known = listed | {alias.get(value, value) for value in truth if value is not None}
    scored: list[tuple[str, str]] = []
    n_dropped = n_without_class = n_unlisted = 0
    for value, answer in zip(truth, answers.models[model], strict=True):
        said = alias.get(first_label(answer), first_label(answer))
        n_unlisted += said not in known
        if value is None:
            n_without_class += 1
        elif protocol.drops_unlisted and said not in listed:
            n_dropped += 1
        else:
            scored.append((alias.get(value, value), _CLASS_OF[protocol.kind](said, known)))
    return Columns([t for t, _ in scored], [p for _, p in scored], n_dropped, n_without_class, n_unlisted)


def nearly_right(protocol: Protocol, answers: Answers, model: str, labels: Sequence[str]) -> int:
    """How many first labels are none of `labels` but would be, were case, blanks, quotes and brackets forgiven."""
    listed = {protocol.aliases.get(label, label) for label in labels}
    folded = {_fold(label) for label in labels}
    firsts = [first_label(answer) for answer in answers.models[model]]
    return sum(protocol.aliases.get(said, said) not in listed and _fold(said) in folded for said in firsts)


def _truth(protocol: Protocol, answers: Answers, allowed: Sequence[str]) -> list[str | None]:
    """True classes; None where the row has none under this protocol."""
    found: list[str | None] = []
    for row, name, cell in zip(answers.rows, answers.names, answers.truth, strict=True):
        if protocol.kind == "sign":
            value = _value(answers.path, row, name, cell)
            found.append(None if value == 0 else POLARITY[value < 0])
        elif allowed and cell not in allowed:
            raise SubmissionError(
                "MER-S204",
                f"{answers.path}, line {row} ('{name}'): the true label '{cell}' is not one of the labels."
                + did_you_mean(cell, allowed),
                f"Expected one of: {', '.join(allowed)}.",
            )
        else:
            found.append(cell)
    return found


def _value(path: Path, row: int, name: str, cell: str) -> float:
    try:
        return finite(cell)
    except ValueError as error:
        raise SubmissionError(
            "MER-S206",
            f"{path}, line {row} ('{name}'), column gt: {error}",
            "Protocol S needs numbers: above 0 positive, below 0 negative.",
        ) from None


def _label(said: str, known: set[str]) -> str:
    # One class for all other answers changes no metric, and keeps the confusion matrix small.
    return said if said in known else UNLISTED


def _polarity(said: str, known: set[str]) -> str:
    return POLARITY[said.lower() not in POSITIVE_CATEGORIES]


def _sign(said: str, known: set[str]) -> str:
    # In the authors' order; an answer that is neither is not positive.
    return POLARITY["negative" in said or "positive" not in said]


_CLASS_OF: Mapping[str, Callable[[str, set[str]], str]] = {"labels": _label, "polarity": _polarity, "sign": _sign}


def _fold(label: str) -> str:
    return label.strip(" \t'\"[]").lower()
