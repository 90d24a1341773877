"""What some metrics need besides the two columns: tables of emotion wheels, and groups of synonyms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mertools.errors import SubmissionError
from mertools.tracks import Track

if TYPE_CHECKING:
    from mertools.wheels import Groups


@dataclass(frozen=True)
class Resources:
    """Resources of a track's metrics.

    Attributes:
        bound: name (``wheels``) -> what metrics are bound to.
        groups: groups of synonyms; None if the track needs none.
        labels: name -> what a reader of the score must know of it.
        warnings: what makes the number differ from the organisers'.
    """

    bound: Mapping[str, Any] = field(default_factory=dict)
    groups: Groups | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


def resources_of(track: Track, wheels: Path | str | Any | None, groups: Path | str | Groups | None) -> Resources:
    """Find what the track's metrics need.

    Args:
        track: the track.
        wheels: folder of tables, or the tables; else those of ``MERTOOLS_WHEELS``, else the built-in ones.
        groups: recorded groups (folder, zip or JSON lines), or the groups.

    Raises:
        SubmissionError: if groups are needed and not given, or a folder cannot be read.
    """
    bound: dict[str, Any] = {}
    labels: dict[str, str] = {}
    warnings: tuple[str, ...] = ()
    if "wheels" in track.needs:
        from mertools.wheels import Wheels

        found = wheels if isinstance(wheels, Wheels) else Wheels.find(Path(wheels) if wheels else None)
        bound["wheels"], labels["wheels"] = found, found.label
        warnings = found.warnings_for(track.edition)
    recorded = None
    if "groups" in track.needs:
        from mertools.wheels import Groups

        if groups is None:
            raise SubmissionError(
                "MER-S162",
                f"{track.id} is scored after grouping synonyms, and no groups were given.",
                "Name the recorded ones with --groups DIR, or have a language model make them with --groups DIR --ask.",
            )
        recorded = groups if isinstance(groups, Groups) else Groups.read(Path(groups))
        labels["groups"] = recorded.label
    return Resources(bound, recorded, labels, warnings)
