"""A folder of language models' answers to one table of results, each beside the published number where there is one."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from mertools.errors import SubmissionError, did_you_mean
from mertools.metrics import METRICS
from mertools.metrics.intervals import Interval, interval
from submissions.answer_benchmarks import BENCHMARKS, Benchmark, find_benchmark, get_benchmark
from submissions.published_answers import FILES, Recorded, recorded
from submissions.ranked_answers import Answers, Columns, Protocol, columns_of, get_protocol, nearly_right, read_answers

PATTERN = "label-*.csv"
PUBLISHED_MODEL = "gpt4v"
METRIC_NAMES = ("accuracy", "uar", "waf")
_ROUNDING = 0.005 + 1e-9
"""How far a value in percent may lie from its two printed decimals."""
_EXACT = 1e-9


@dataclass(frozen=True)
class Result:
    """One file scored by one protocol.

    Attributes:
        dataset: the data set, as papers write it.
        file: ``data set/file``.
        model: the column that was scored.
        protocol: the protocol.
        recognised: whether the file is a published one, by its SHA-256.
        n_clips: clips that were asked about; None if unknown.
        n_rows: rows of the file.
        n_scored: rows behind the metrics.
        n_empty: rows without an answer.
        n_dropped: rows that the protocol leaves out because of their answer.
        n_unlisted: answers that are none of the labels, scored or dropped.
        n_without_class: rows that the protocol leaves out because of their true value.
        metrics: metric -> value in [0, 1].
        headline: the metrics that the protocol reports, in order.
        intervals: of the headline metrics.
        published: headline metric -> published value in [0, 1].
        agrees: whether every published value is met; None if there is none.
        reproduced: for a published file, whether the recorded numbers come out; None for other files.
        notes: one sentence each.
    """

    dataset: str
    file: str
    model: str
    protocol: str
    recognised: bool
    n_clips: int | None
    n_rows: int
    n_scored: int
    n_empty: int
    n_dropped: int
    n_unlisted: int
    n_without_class: int
    metrics: Mapping[str, float]
    headline: tuple[str, ...]
    intervals: Mapping[str, Interval]
    published: Mapping[str, float] = field(default_factory=dict)
    agrees: bool | None = None
    reproduced: bool | None = None
    notes: tuple[str, ...] = ()

    @property
    def coverage(self) -> float | None:
        """Share of the clips asked about that were scored; None if their number is unknown."""
        return self.n_scored / self.n_clips if self.n_clips else None

    def as_json(self) -> dict[str, Any]:
        """The object of ``results --json``."""
        return {
            **{name: getattr(self, name) for name in ("dataset", "file", "model", "protocol", "recognised")},
            **{name: getattr(self, name) for name in ("n_clips", "n_rows", "n_scored", "n_empty", "n_dropped")},
            "n_unlisted": self.n_unlisted,
            "n_without_class": self.n_without_class,
            "coverage": self.coverage,
            "primary": self.headline[0],
            "headline": list(self.headline),
            "metrics": dict(self.metrics),
            "intervals": {name: [_or_none(i.low), _or_none(i.high)] for name, i in self.intervals.items()},
            "interval_unit": next(iter(self.intervals.values())).unit,
            "published": dict(self.published),
            "agrees": self.agrees,
            "reproduced": self.reproduced,
            "notes": list(self.notes),
        }


def result_table(folder: Path | str, *, dataset: str = "", protocol: str = "") -> list[Result]:
    """Score every ``label-*.csv`` of a folder of results.

    Args:
        folder: ``results/`` with one folder per data set, or the folder of one data set.
        dataset: the data set to score; all unless given.
        protocol: how to score; as each data set is published unless given.

    Raises:
        SubmissionError: ``MER-S200`` for no folder, ``MER-S202`` for no file, ``MER-S203`` for an unknown data set,
            ``MER-S205`` for an unknown protocol, ``MER-S207`` if a protocol leaves nothing to score; and as
            `read_answers` and `columns_of` for a file that is not what it should be.
    """
    chosen = get_protocol(protocol) if protocol else None
    results = []
    for name, path in _files(Path(folder), dataset):
        answers = read_answers(path)
        published = FILES.get(hashlib.sha256(path.read_bytes()).hexdigest(), "")
        benchmark = _benchmark(published.partition("/")[0] or name, answers, chosen)
        file = published or f"{benchmark.name}/{path.name}"
        for protocol_name in [chosen.name] if chosen else benchmark.protocols:
            scoring = _Scoring(benchmark, file, answers, get_protocol(protocol_name), bool(published))
            results += [scoring.result(model) for model in answers.models]
    return results


def report(results: Sequence[Result]) -> str:
    """The table as text, values in percent, notes below it."""
    header = ("data set", "file", "content", "model", "protocol", "scored", "of", "empty", "left out")
    lines = [[*header, "metric", "result", "95 % interval", "published", ""]]
    for result in results:
        for metric in result.headline:
            bounds = result.intervals[metric]
            known = result.published.get(metric)
            lines.append(
                [
                    *(result.dataset, result.file, "published" if result.recognised else "unknown", result.model),
                    *(result.protocol, str(result.n_scored), str(result.n_clips or "?"), str(result.n_empty)),
                    *(str(result.n_dropped + result.n_without_class), metric, _percent(result.metrics[metric])),
                    "-" if math.isnan(bounds.low) else f"{_percent(bounds.low)} - {_percent(bounds.high)}",
                    "-" if known is None else _percent(known),
                    _verdict(result, metric),
                ]
            )
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    numbers = {5, 6, 7, 8, 10, 12}
    text = [
        "  ".join(
            cell.rjust(width) if column in numbers else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]
    notes = list(dict.fromkeys(note for result in results for note in result.notes))
    if any(not result.recognised for result in results):
        notes.append("content unknown: by its SHA-256 the file is not a published one; it is scored as it is.")
    notes.append(f"intervals resample {next(iter(results[0].intervals.values())).unit}s: the files name no speakers.")
    return "\n".join([*text, "", *(f"- {note}" for note in notes)]).rstrip()


@dataclass(frozen=True)
class _Scoring:
    """One file about to be scored by one protocol."""

    benchmark: Benchmark
    file: str
    answers: Answers
    protocol: Protocol
    recognised: bool

    def result(self, model: str) -> Result:
        """The result of one of its models."""
        benchmark, answers = self.benchmark, self.answers
        # The labels of a published file are not ours to question.
        truths = () if self.recognised else benchmark.truths or benchmark.labels
        columns = columns_of(self.protocol, answers, model, benchmark.labels, truths)
        if not columns.truth:
            raise SubmissionError(
                "MER-S207",
                f"{answers.path}: protocol {self.protocol.name} leaves none of its {len(answers.names)} rows to score.",
                "Check the answers, or choose another --protocol.",
            )
        pair = (np.array(columns.truth), np.array(columns.prediction))
        metrics = {name: METRICS.get(name)(*pair) for name in METRIC_NAMES}
        record = recorded(self.protocol.name, self.file) if model == PUBLISHED_MODEL else None
        printed = record.published if record else {}
        reproduced = _reproduces(record, metrics, len(columns.truth)) if record and self.recognised else None
        return Result(
            dataset=benchmark.title,
            file=self.file,
            model=model,
            protocol=self.protocol.name,
            recognised=self.recognised,
            n_clips=benchmark.size(self.file),
            n_rows=len(answers.names),
            n_scored=len(columns.truth),
            n_empty=sum(not answer.strip() for answer in answers.models[model]),
            n_dropped=columns.n_dropped,
            n_unlisted=columns.n_unlisted,
            n_without_class=columns.n_without_class,
            metrics=metrics,
            headline=self.protocol.headline,
            intervals={name: interval(METRICS.get(name), pair) for name in self.protocol.headline},
            published={name: round(value / 100, 6) for name, value in printed.items()},
            agrees=all(abs(100 * metrics[n] - value) <= _ROUNDING for n, value in printed.items()) if printed else None,
            reproduced=reproduced,
            notes=tuple(self._notes(model, columns, metrics["accuracy"], reproduced)),
        )

    def _notes(self, model: str, columns: Columns, accuracy: float, reproduced: bool | None) -> Iterator[str]:
        file, answers, protocol = self.file, self.answers, self.protocol
        if reproduced is False:
            yield f"{file}, {protocol.name}: the numbers recorded of this file do not come out; report it as a fault."
        if columns.n_dropped:
            strict = accuracy * len(columns.truth) / (len(columns.truth) + columns.n_dropped)
            yield (
                f"{file}: protocol {protocol.name} leaves out {columns.n_dropped} answers that are none of the labels, "
                f"which flatters the model; with them as wrong, accuracy is {_percent(strict)}."
            )
        if self.benchmark.name == "mer2023" and protocol.name == "A":
            yield (
                "MER2023: the request says 'surprised', the truth 'surprise'; A counts these answers as wrong (the "
                "published 63.50 is this accuracy, among weighted F1s), A+alias and W count them as right."
            )
        n_clips = self.benchmark.size(file)
        if n_clips and len(answers.names) < n_clips:
            missing = n_clips - len(answers.names)
            yield f"{file}: {missing} of {n_clips} clips have no row (refused or failed requests); they are not scored."
        empty = sum(not answer.strip() for answer in answers.models[model])
        if empty and not protocol.drops_unlisted:
            yield f"{file}: {empty} empty answers count as {'wrong' if protocol.kind == 'labels' else 'negative'}."
        if protocol.kind == "labels" and (near := nearly_right(protocol, answers, model, self.benchmark.labels)):
            yield (
                f"{file}: {near} answers differ from a label in case, blanks, quotes or brackets alone, and exact "
                f"spelling counts: they are {'left out' if protocol.drops_unlisted else 'wrong'}."
            )
        if repeated := len(answers.names) - len(set(answers.names)):
            yield f"{file}: {repeated} rows repeat a name; every row is scored."


def _benchmark(name: str, answers: Answers, chosen: Protocol | None) -> Benchmark:
    """The data set of a file; one that the benchmark lacks takes its labels from the file, if a protocol is named."""
    found = find_benchmark(name)
    if found is None and (chosen is None or did_you_mean(name.lower(), BENCHMARKS)):
        return get_benchmark(name)
    return found or Benchmark(name, name, tuple(dict.fromkeys(answers.truth)), {})


def _files(folder: Path, dataset: str) -> Iterator[tuple[str, Path]]:
    """Data set and path of every file of answers.

    Raises:
        SubmissionError: if there are none.
    """
    if not folder.is_dir():
        fault = "is not a folder" if folder.exists() else "does not exist"
        raise SubmissionError("MER-S200", f"{folder} {fault}.", "Expected the folder of results.")
    found = {path.name: files for path in sorted(folder.iterdir()) if (files := sorted(path.glob(PATTERN)))}
    direct = sorted(folder.glob(PATTERN))
    if direct:
        found[folder.resolve().name if found else dataset or folder.resolve().name] = direct
    if not found:
        raise SubmissionError(
            "MER-S202",
            f"no file {PATTERN} in {folder} or in the folders below it.",
            f"Expected {folder.name}/DATASET/label-MODEL.csv with columns name, gt and MODEL.",
        )
    if dataset:
        wanted = find_benchmark(dataset)
        names = {dataset.lower(), *((wanted.name, *wanted.also) if wanted else ())}
        kept = {name: files for name, files in found.items() if name.lower() in names}
        if not kept and wanted is None:
            get_benchmark(dataset)
        if not kept:
            raise SubmissionError(
                "MER-S202", f"{folder} has no results of '{dataset}'.", f"It has: {', '.join(found)}."
            )
        found = kept
    for name, files in found.items():
        for path in files:
            yield name, path


def _reproduces(record: Recorded, metrics: Mapping[str, float], n_scored: int) -> bool:
    return n_scored == record.n_scored and all(
        abs(100 * metrics[name] - value) <= _EXACT for name, value in record.recomputed.items()
    )


def _verdict(result: Result, metric: str) -> str:
    if metric not in result.published:
        return ""
    near = abs(100 * (result.metrics[metric] - result.published[metric])) <= _ROUNDING
    return "agrees" if near else "differs"


def _percent(value: float) -> str:
    return f"{100 * value:.2f}"


def _or_none(value: float) -> float | None:
    return None if math.isnan(value) else value
