"""One progress line on stderr: clips per second, time left, share of time spent waiting for decoders."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from types import TracebackType

from feature_extractors.engine.report import TaskReport
from feature_extractors.engine.tasks import Task

PLAIN_EVERY_S = 10.0
"""Where stderr is no terminal, a line is printed this often."""


class Progress:
    """A context manager that is told of every group that became durable.

    Args:
        tasks: all there is to do.
        quiet: print nothing.
    """

    def __init__(self, tasks: Sequence[Task], *, quiet: bool) -> None:
        self._total = sum(len(task.wanted) for task in tasks)
        self._left = {lane: sum(t.length for t in tasks if t.lane == lane) for lane in ("text", "media")}
        self._lanes = {task.index: task.lane for task in tasks}
        self._quiet = quiet or not tasks
        self._done = 0
        self._media_done = 0.0
        self._began = self._printed = time.monotonic()
        self._bar: _Bar | None = None

    def __enter__(self) -> Progress:
        if not self._quiet and sys.stderr.isatty():
            self._bar = _Bar(self._total)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.close()

    def add(self, report: TaskReport) -> None:
        """A group is durable."""
        self._done += report.n_clips
        lane = self._lanes[report.index]
        self._left[lane] -= report.length
        self._media_done += report.length if lane == "media" else 0.0
        line = self.line(report)
        if self._bar is not None:
            self._bar.show(self._done, line)
        elif not self._quiet and time.monotonic() - self._printed >= PLAIN_EVERY_S:
            self._printed = time.monotonic()
            print(f"extract: {self._done}/{self._total} clips, {line}", file=sys.stderr, flush=True)

    def line(self, report: TaskReport) -> str:
        """What is said beside the count."""
        rate = self._done / max(report.worked_s, 1e-9)
        waiting = report.waited_s / max(report.worked_s, 1e-9)
        return f"{rate:.1f} clips/s, {self._remaining(report)}, waiting for decoders {waiting:.0%}"

    def _remaining(self, report: TaskReport) -> str:
        """Media decide how long it takes; text alone is extrapolated by clips."""
        if self._media_done > 0:
            left = self._left["media"] * report.worked_s / self._media_done
        else:
            left = (self._total - self._done) * report.worked_s / max(self._done, 1)
        return f"{duration(left)} left"


class _Bar:
    """The line on a terminal."""

    def __init__(self, total: int) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
        from rich.progress import Progress as RichProgress

        self._rich = RichProgress(
            TextColumn("extract"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[line]}"),
            console=Console(stderr=True),
            transient=True,
        )
        self._rich.start()
        self._task = self._rich.add_task("extract", total=total, line="starting")

    def show(self, done: int, line: str) -> None:
        self._rich.update(self._task, completed=done, line=line)

    def close(self) -> None:
        self._rich.stop()


def duration(seconds: float) -> str:
    """A duration for people.

    Example:
        >>> duration(75.0), duration(4000.0)
        ('1 min 15 s', '1 h 7 min')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
