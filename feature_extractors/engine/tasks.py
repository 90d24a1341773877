"""What is left to do: groups of the plan that hold a wanted clip, and who must be fed to compute them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from feature_extractors.engine.asked import Asked
from feature_extractors.engine.plan import Group
from feature_extractors.engine.sources import ClipSource
from mertools.status import Status

if TYPE_CHECKING:
    from mertools.store import Row

INPUT_FAILURES = frozenset(
    {
        Status.MISSING,
        Status.NO_VIDEO_STREAM,
        Status.NO_AUDIO_STREAM,
        Status.NO_FACE,
        Status.AMBIGUOUS_SPEAKER,
        Status.NO_TEXT,
        Status.SILENT,
        Status.DECODE_ERROR,
        Status.TIMEOUT,
    }
)
"""Statuses of clips that never reach an extractor: they take no part in any batch."""


@dataclass(frozen=True)
class Part:
    """What a task does for one space.

    Attributes:
        wanted: clips whose rows are written.
        fed: clips that are computed: the wanted ones and those that share batches with them.
    """

    wanted: frozenset[str]
    fed: frozenset[str]


@dataclass(frozen=True)
class Task:
    """One group to compute; everything a worker needs besides the extractors.

    Attributes:
        index: of the task in this run.
        lane: ``media`` or ``text``.
        clips: those that are fed to any space, in plan order.
        parts: by the space's place among those asked for.
        lengths: seconds of media or characters of each wanted clip.
        geometry: status and reason of clips whose face tracks are in the store.
    """

    index: int
    lane: str
    clips: tuple[ClipSource, ...]
    parts: Mapping[int, Part]
    lengths: Mapping[str, float]
    geometry: Mapping[str, tuple[str, str]] = field(default_factory=dict)

    @property
    def wanted(self) -> frozenset[str]:
        """Clips that get at least one row."""
        return frozenset(self.lengths)

    @property
    def length(self) -> float:
        """Seconds of media or characters of the wanted clips."""
        return sum(self.lengths.values())

    @property
    def n_rows(self) -> int:
        """Rows that are written, over all spaces."""
        return sum(len(part.wanted) for part in self.parts.values())


def stands(row: Row | None, media: str, retry: Collection[str]) -> bool:
    """Whether a row of the store needs no repetition.

    Args:
        row: the row; None if there is none.
        media: digest of the clip's input now; "" if it is gone (a row outlives its media).
        retry: statuses to repeat.
    """
    if row is None or row.status in retry:
        return False
    if not row.media and row.status == Status.OK:
        return True  # imported, made elsewhere: nothing says that it is stale
    return not media or row.media == media


def make_task(
    index: int,
    lane: str,
    group: Group,
    asked: Sequence[Asked],
    wanted: Sequence[Collection[str]],
    rows: Sequence[Mapping[str, Row]],
    sources: Mapping[str, ClipSource],
    lengths: Mapping[str, float],
) -> Task | None:
    """The task of one group; None if nothing in it is wanted.

    Args:
        index: of the task.
        lane: that the group was planned in.
        group: its clips.
        asked: all spaces; those of the other lane are passed over.
        wanted: per space, the clips whose rows are to be written.
        rows: per space, what the store holds.
        sources: of the clips.
        lengths: of the clips.
    """
    parts: dict[int, Part] = {}
    for place, one in enumerate(asked):
        mine = frozenset(group.clips) & frozenset(wanted[place]) if lane_of(one) == lane else frozenset()
        if not mine:
            continue
        fed = mine
        if one.extractor.torch_model:
            failed = {c for c in group.clips if (row := rows[place].get(c)) and row.status in INPUT_FAILURES}
            fed = frozenset(group.clips) - (failed - mine)
        parts[place] = Part(mine, fed)
    if not parts:
        return None
    fed_anywhere = frozenset().union(*(part.fed for part in parts.values()))
    wanted_anywhere = frozenset().union(*(part.wanted for part in parts.values()))
    return Task(
        index=index,
        lane=lane,
        clips=tuple(sources[name] for name in group.clips if name in fed_anywhere),
        parts=parts,
        lengths={name: lengths[name] for name in group.clips if name in wanted_anywhere},
    )


def narrowed(task: Task, done: Sequence[Collection[str]], asked: Sequence[Asked]) -> Task | None:
    """What is left of a task; the batches stay the same.

    Args:
        task: the task.
        done: per space asked for, the clips whose rows are there by now.
        asked: all spaces.

    Returns:
        The task without these rows; None if nothing is left.
    """
    parts: dict[int, Part] = {}
    for place, part in task.parts.items():
        wanted = part.wanted - frozenset(done[place])
        if wanted:
            parts[place] = Part(wanted, part.fed if asked[place].extractor.torch_model else wanted)
    if not parts:
        return None
    fed = frozenset().union(*(part.fed for part in parts.values()))
    wanted_anywhere = frozenset().union(*(part.wanted for part in parts.values()))
    return replace(
        task,
        clips=tuple(source for source in task.clips if source.name in fed),
        parts=parts,
        lengths={name: length for name, length in task.lengths.items() if name in wanted_anywhere},
    )


def lane_of(asked: Asked) -> str:
    """Text is planned by characters, everything else by seconds."""
    return "text" if asked.modality == "text" else "media"
