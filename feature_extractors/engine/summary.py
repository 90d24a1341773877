"""What a run did, for people and for ``--json``."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mertools.status import Status

if TYPE_CHECKING:
    from feature_extractors.engine.asked import Asked
    from mertools.store import Store

_SHOWN = 5
"""Failed clips named per status."""


@dataclass(frozen=True)
class SpaceSummary:
    """One space after the run.

    Attributes:
        extractor: that fills it.
        fingerprint: of the space.
        level: of its rows.
        dim: values per row.
        status: rows per status, over the clips that the run answers for.
        failures: per status other than ``ok``, clips and reasons, in the order of work.
    """

    extractor: str
    fingerprint: str
    level: str
    dim: int
    status: Mapping[str, int]
    failures: Mapping[str, Sequence[tuple[str, str]]] = field(default_factory=dict)


@dataclass(frozen=True)
class ExtractionSummary:
    """A run of the engine.

    Attributes:
        clips: that the run answers for (selection, shard, limit).
        seconds: that it took.
        spaces: one entry per space.
        extracted: clips that were read in this run; the others were done before.
        rows: rows written in this run.
        derived: of these, utterance rows that were made from frame rows in the store.
        waiting: share of the time that the extractors waited for decoders, 0 to 1.
    """

    clips: int
    seconds: float
    spaces: tuple[SpaceSummary, ...]
    extracted: int
    rows: int
    derived: int
    waiting: float

    @property
    def status(self) -> dict[str, int]:
        """Rows per status, over all spaces."""
        total: Counter[str] = Counter()
        for space in self.spaces:
            total.update(space.status)
        return {status.value: total[status] for status in Status if total[status]}

    @property
    def fine(self) -> bool:
        """Whether every row is ``ok``."""
        return set(self.status) <= {Status.OK}

    def as_json(self) -> dict[str, Any]:
        """The document of ``mertools extract --json``."""
        return {
            "clips": self.clips,
            "seconds": round(self.seconds, 3),
            "spaces": [
                {
                    "name": space.extractor,
                    "fingerprint": space.fingerprint,
                    "level": space.level,
                    "dim": space.dim,
                    "status": dict(space.status),
                }
                for space in self.spaces
            ],
            "status": self.status,
            "extracted": self.extracted,
            "rows": self.rows,
            "derived": self.derived,
            "waiting": round(self.waiting, 4),
        }

    def text(self, store: str) -> str:
        """The table of statuses, and some failed clips of each status.

        Args:
            store: the store's folder, for the command that shows all failures.
        """
        statuses = list(self.status)
        width = max((len(space.extractor) for space in self.spaces), default=0)
        lines = [f"{'':{width}}" + "".join(f"  {status:>{max(len(status), 6)}}" for status in statuses)]
        lines += [
            f"{space.extractor:<{width}}"
            + "".join(f"  {space.status.get(status, 0):>{max(len(status), 6)}}" for status in statuses)
            for space in self.spaces
        ]
        for space in self.spaces:
            for status, failed in space.failures.items():
                lines.append(f"\n{space.extractor}: {len(failed)} {status}")
                lines += [f"  {clip}: {reason}" for clip, reason in failed[:_SHOWN]]
                if len(failed) > _SHOWN:
                    show = f"mertools store show {shlex.quote(store)} {space.extractor}@{space.fingerprint}"
                    lines.append(f"  ... and {len(failed) - _SHOWN} more; all of them: {show}")
        done = "nothing was left to extract" if not self.rows else f"{self.extracted} read, {self.rows} rows written"
        derived = f" ({self.derived} from frame rows in the store)" if self.derived else ""
        lines.append(f"\n{self.clips} clips in {self.seconds:.1f} s: {done}{derived}; store: {store}")
        return "\n".join(lines)


def summarise_space(store: Store, asked: Asked, clips: Sequence[str]) -> SpaceSummary:
    """Statuses of `clips` in a space of the store."""
    rows = store.rows(asked.spec.fingerprint)
    found = Counter(rows[name].status for name in clips if name in rows)
    failures: dict[str, list[tuple[str, str]]] = {}
    for name in clips:
        if name in rows and rows[name].status != Status.OK:
            failures.setdefault(rows[name].status, []).append((name, rows[name].reason))
    return SpaceSummary(
        extractor=asked.extractor.name,
        fingerprint=asked.spec.fingerprint,
        level=asked.level,
        dim=asked.spec.dim,
        status={status.value: found[status] for status in Status if found[status]},
        failures=failures,
    )
