"""The plan: groups of clips, made from the whole corpus by length, never from what is left to do.

A group is the unit of work. Its batches depend on its clips alone, so that a run that was killed, resumed or split into
shards computes the very same batches as one that went through.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby


@dataclass(frozen=True)
class Measured:
    """A clip and its length (seconds of media, or characters of text)."""

    name: str
    split: str
    length: float


@dataclass(frozen=True)
class Group:
    """Clips of one split, of similar length, that are computed together."""

    index: int
    clips: tuple[str, ...]
    length: float


def make_groups(clips: Sequence[Measured], max_clips: int, max_length: float) -> list[Group]:
    """Cut a corpus into groups: per split, sorted by length, then name.

    Args:
        clips: all clips of the corpus, in any order.
        max_clips: clips per group.
        max_length: sum of lengths per group; a longer clip is a group of its own.

    Returns:
        Groups in the order of work: splits in alphabetical order, short clips first.
    """
    ordered = sorted(clips, key=lambda clip: (clip.split, clip.length, clip.name))
    groups: list[Group] = []
    for _, members in groupby(ordered, key=lambda clip: clip.split):
        names: list[str] = []
        total = 0.0
        for clip in members:
            if names and (len(names) == max_clips or total + clip.length > max_length):
                groups.append(Group(len(groups), tuple(names), total))
                names, total = [], 0.0
            names.append(clip.name)
            total += clip.length
        groups.append(Group(len(groups), tuple(names), total))
    return groups


def take_shard(groups: Sequence[Group], index: int, count: int) -> list[Group]:
    """Every `count`-th group from `index` on; neighbours are of similar length, so shards take equally long."""
    return [group for group in groups if group.index % count == index]
