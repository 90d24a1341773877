"""What a worker says while it works: clips that went through, clips and groups that it has made durable."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class TaskReport:
    """One task that is done.

    Attributes:
        index: of the task.
        n_rows: rows written, over all spaces asked for.
        n_bytes: bytes of values among them.
        length: seconds of media or characters of these clips.
        worked_s: seconds since the worker began, without loading of weights.
        waited_s: of these, seconds it waited for decoders.
    """

    index: int
    n_rows: int
    n_bytes: int
    length: float
    worked_s: float
    waited_s: float


@dataclass(frozen=True)
class Kept:
    """All rows of a wanted clip are durable.

    Attributes:
        task: index of its task.
    """

    task: int


@dataclass(frozen=True)
class Beat:
    """A wanted clip has gone through; its rows are not durable before it is `Kept`.

    Attributes:
        task: index of its task.
        length: seconds of media or characters.
        worked_s: seconds since the worker began, without loading of weights.
        waited_s: of these, seconds it waited for decoders.
    """

    task: int
    length: float
    worked_s: float
    waited_s: float


Said = Beat | Kept | TaskReport
"""Anything that a worker says."""
