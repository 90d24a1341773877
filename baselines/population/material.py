"""The clips of a population: one table for all members, scaled for each of them when rows are taken."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

if TYPE_CHECKING:
    from baselines.jobs import Job


@dataclass(frozen=True)
class View:
    """How one member sees the table; a last row stands for no clip.

    Attributes:
        spaces: per space ``(N + 1, D)`` what rows are taken from: the table's own, or projected on components.
        means: per space ``(D,)``; empty if the rows are scaled already.
        scales: likewise.
        present: ``(N + 1, M)`` bool.
        goals: per target ``(N + 1,)``.
    """

    spaces: tuple[Tensor, ...]
    means: tuple[Tensor, ...]
    scales: tuple[Tensor, ...]
    present: Tensor
    goals: tuple[Tensor, ...]

    @property
    def nobody(self) -> int:
        """Position of the row without a clip."""
        return len(self.present) - 1


class Material:
    """Views of members on one table; what members share is made once."""

    def __init__(self, device: str) -> None:
        self.device = device
        self._raw: dict[int, tuple[Tensor, ...]] = {}
        self._views: dict[int, View] = {}

    def view(self, job: Job) -> View:
        """How the member of `job` sees the job's table: bit for bit as `Job.part`, but for the rounding of `pca`."""
        fitted, table = job.fitted, job.table
        found = self._views.get(id(fitted))
        if found is None:
            goals = fitted.annotations(table)
            found = View(
                *self._spaces(job),
                self._with_nobody(torch.from_numpy(table.present & np.array([p.seen for p in fitted.projections]))),
                tuple(self._without_goal(goals[target.name]) for target in job.task.targets),
            )
            self._views[id(fitted)] = found
        return found

    def _spaces(self, job: Job) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...], tuple[Tensor, ...]]:
        projections, table = job.fitted.projections, job.table
        if any(len(p.components) for p in projections):
            projected = (torch.from_numpy(p(e)) for p, e in zip(projections, table.embeddings, strict=True))
            return tuple(self._with_nobody(e) for e in projected), (), ()
        if id(table) not in self._raw:
            self._raw[id(table)] = tuple(self._with_nobody(torch.from_numpy(e)) for e in table.embeddings)
        means = tuple(torch.from_numpy(p.mean).to(self.device) for p in projections)
        scales = tuple(torch.from_numpy(p.scale).to(self.device) for p in projections)
        return self._raw[id(table)], means, scales

    def _with_nobody(self, rows: Tensor) -> Tensor:
        return torch.cat((rows, torch.zeros_like(rows[:1]))).to(self.device)

    def _without_goal(self, goals: Tensor) -> Tensor:
        missing = torch.full_like(goals[:1], -1 if goals.dtype == torch.int64 else float("nan"))
        return torch.cat((goals, missing)).to(self.device)


class Takers:
    """Takes rows for the members of a block, each by its own view.

    Args:
        views: one per member.
    """

    def __init__(self, views: Sequence[View]) -> None:
        first = views[0]
        self.shared = all(v.spaces[0] is first.spaces[0] for v in views)
        self.views = views
        self.means = tuple(torch.stack([v.means[m] for v in views])[:, None] for m in range(len(first.means)))
        self.scales = tuple(torch.stack([v.scales[m] for v in views])[:, None] for m in range(len(first.scales)))
        self.present = torch.stack([v.present for v in views])
        self.goals = tuple(torch.stack([v.goals[t] for v in views]) for t in range(len(first.goals)))
        self._members = torch.arange(len(views), device=self.present.device)[:, None]

    def take(self, index: Tensor) -> list[Tensor]:
        """Inputs and goals of the clips at ``(G, B)`` positions: spaces ``(G, B, D)``, present, goals."""
        return [*self._embeddings(index), self.present[self._members, index], *self.goals_at(index)]

    def goals_at(self, index: Tensor) -> list[Tensor]:
        """Goals only."""
        return [goal[self._members, index] for goal in self.goals]

    def _embeddings(self, index: Tensor) -> list[Tensor]:
        n_spaces, shape = len(self.views[0].spaces), index.shape
        if self.shared:
            flat = index.flatten()
            taken = [space.index_select(0, flat).view(*shape, -1) for space in self.views[0].spaces]
        else:
            taken = [
                torch.stack([v.spaces[m].index_select(0, rows) for v, rows in zip(self.views, index, strict=True)])
                for m in range(n_spaces)
            ]
        for x, mean, scale in zip(taken, self.means, self.scales, strict=False):
            x.sub_(mean).div_(scale)
        return taken


def share_fitted(jobs: Sequence[Job]) -> None:
    """Fit what several jobs would fit alike once: trials of one fold differ in other options."""
    found: dict[tuple[object, ...], Job] = {}
    for job in jobs:
        options = job.task.options
        rows = hashlib.blake2b(np.ascontiguousarray(job.rows).tobytes()).digest()
        key = (
            id(job.table),
            rows,
            options.standardise,
            options.pca,
            options.whiten,
            options.standardise_values,
            job.task.targets,
        )
        first = found.setdefault(key, job)
        if first is not job and "fitted" not in job.__dict__:
            job.__dict__["fitted"] = first.fitted  # where `cached_property` keeps it
