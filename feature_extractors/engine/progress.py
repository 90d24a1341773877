"""One progress line on stderr: clips per second, time left, share of time spent waiting for decoders."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from types import TracebackType

from feature_extractors.engine.report import Beat, Kept, Said, TaskReport
from feature_extractors.engine.tasks import Task

PLAIN_EVERY_S = 10.0
"""Where stderr is no terminal, a line is printed this often."""


class Progress:
    """A context manager that is told of every clip that went through and every clip that became durable.

    Transcripts take no time beside media: where both are read, the line is about media.

    Args:
        tasks: all there is to do.
        quiet: print nothing.
    """

    def __init__(self, tasks: Sequence[Task], *, quiet: bool) -> None:
        lane = "media" if any(task.lane == "media" for task in tasks) else "text"
        counted = [task for task in tasks if task.lane == lane]
        self._counted = {task.index for task in counted}
        self._n_clips = sum(len(task.wanted) for task in counted)
        self._length = sum(task.length for task in counted)
        self._n_read = self._n_kept = 0
        self._length_read = self._before_s = 0.0
        self._quiet = quiet or not tasks
        self._printed = time.monotonic()
        self._bar: _Bar | None = None

    def __enter__(self) -> Progress:
        if not self._quiet and sys.stderr.isatty():
            self._bar = _Bar(self._n_clips)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.close()

    def add(self, said: Said) -> None:
        """Take in what a worker said."""
        if isinstance(said, TaskReport):
            return
        if isinstance(said, Kept):
            self._n_kept += said.task in self._counted
            return
        if said.task not in self._counted:
            self._before_s = said.worked_s
            return
        self._n_read += 1
        self._length_read += said.length
        if self._bar is not None:
            self._bar.show(self._n_read, self.line(said))
        elif not self._quiet and time.monotonic() - self._printed >= PLAIN_EVERY_S:
            self._printed = time.monotonic()
            print(f"extract: {self._n_read}/{self._n_clips} clips, {self.line(said)}", file=sys.stderr, flush=True)

    def line(self, beat: Beat) -> str:
        """What is said beside the count."""
        worked_s = max(beat.worked_s - self._before_s, 1e-9)
        done = self._length_read / self._length if self._length else self._n_read / self._n_clips
        left = f"{duration(worked_s * (1 - done) / done)} left" if done else "time left unknown"
        return (
            f"{self._n_kept} in the store, {self._n_read / worked_s:.1f} clips/s, {left}, "
            f"waiting for decoders {beat.waited_s / max(beat.worked_s, 1e-9):.0%}"
        )


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
        ('1 min 15 s', '1 h 6 min')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
