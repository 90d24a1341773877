"""Members whose tensors stand stacked in memory and go through each step together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from baselines.members import decode
from baselines.population.adam import MemberAdam
from baselines.population.material import Takers
from baselines.population.seats import Seat
from baselines.population.steps import Steps, stacked


class Block:
    """G members of one shape.

    Args:
        seats: the members.
        steps: what they compute.
    """

    def __init__(self, seats: Sequence[Seat], steps: Steps) -> None:
        self.seats = list(seats)
        self.steps = steps
        self.device = seats[0].material.device
        self.weights = [stacked(w) for w in zip(*(s.weights for s in seats), strict=True)]
        self.moments = [[stacked(m) for m in zip(*(s.moments[i] for s in seats), strict=True)] for i in range(2)]
        for k, seat in enumerate(seats):
            seat.weights = [w[k] for w in self.weights]
            seat.moments = ([m[k] for m in self.moments[0]], [m[k] for m in self.moments[1]])
        self.takers = Takers([s.view for s in seats])
        self.adam = MemberAdam(self.seats)
        self.value_weights = torch.tensor([s.how.value_weight for s in seats], device=self.device)
        self.levels = [torch.from_numpy(np.stack([s.levels[i] for s in seats])).to(self.device) for i in range(2)]

    def prepare(self) -> None:
        """Record what the members will compute, unless that is done; nothing moves."""
        lengths = {(len(part), len(held)) for part in self._parts() if (held := self.seats[part[0]].held) is not None}
        known = (len(self.seats), frozenset(lengths))
        if known in self.steps.prepared:
            return
        self.steps.prepared.add(known)
        n_layers = self.levels[0].shape[1]
        index = torch.stack([torch.full((s.batch_rows,), s.view.nobody) for s in self.seats]).to(self.device)
        keys = torch.zeros((len(self.seats), n_layers, 2), dtype=torch.int32, device=self.device)
        self.steps.gradients(self.weights, (keys, *self.levels, self.value_weights, *self.takers.take(index)))
        for part in self._parts():
            self._scores(part)

    def epoch(self) -> None:
        """Train every member for an epoch, and score those that watch clips."""
        n_steps = max(seat.epoch_steps for seat in self.seats)
        index = torch.stack([seat.next_order(n_steps) for seat in self.seats]).to(self.device)
        keys = torch.from_numpy(np.stack([seat.next_keys(n_steps) for seat in self.seats])).to(self.device)
        total = torch.zeros(len(self.seats), device=self.device)
        for step in range(n_steps):
            active = [k for k, seat in enumerate(self.seats) if step < seat.epoch_steps]
            inputs = (keys[:, step], *self.levels, self.value_weights, *self.takers.take(index[:, step]))
            *gradients, losses = self.steps.gradients(self.weights, inputs)
            total += losses
            self.adam.step(gradients, active)
        for seat, loss in zip(self.seats, total.tolist(), strict=True):
            seat.end_epoch(loss)
        for part in self._parts():
            for k, score in zip(part, self._scores(part), strict=True):
                self.seats[k].note(score, self.seats[k].weights)

    def release(self) -> list[Seat]:
        """Give the members back, each with tensors of its own."""
        for seat in self.seats:
            seat.weights = [w.clone() for w in seat.weights]
            seat.moments = ([m.clone() for m in seat.moments[0]], [m.clone() for m in seat.moments[1]])
        return self.seats

    def _parts(self) -> list[list[int]]:
        """Members that are scored at once: one on CPU; on a GPU all that watch about equally many clips."""
        by_length: dict[int, list[int]] = {}
        for k, seat in enumerate(self.seats):
            if seat.held is not None and seat.error is None:
                by_length.setdefault(len(seat.held), []).append(k)
        return [[k] for found in by_length.values() for k in found] if self.device == "cpu" else [*by_length.values()]

    def _scores(self, members: list[int]) -> list[float]:
        seats = [self.seats[k] for k in members]
        first, last = members[0], members[-1] + 1
        everyone = last - first == len(members)
        weights = [w[first:last] if everyone else w[members] for w in self.weights]
        takers = Takers([s.view for s in seats])
        index = torch.stack([s.held for s in seats if s.held is not None])
        watch = seats[0].job.watch
        if watch is None or watch.measure is None:
            inputs = takers.take(index)
            return (-self.steps.losses(weights, (self.value_weights[members], *inputs))[0]).tolist()
        inputs = takers.take(index)[: -len(takers.goals)]
        heads = self.steps.outputs(weights, inputs)
        return [_goodness(seat, [h[k] for h in heads], inputs[-1][k]) for k, seat in enumerate(seats)]


def _goodness(seat: Seat, heads: list[Tensor], present: Tensor) -> float:
    job, watch = seat.job, seat.job.watch
    assert watch is not None  # noqa: S101 - asked of those that watch clips with a measure
    assert watch.measure is not None  # noqa: S101
    n_clips = len(watch.rows)
    unseen = ~present[:n_clips].any(dim=1).cpu().numpy()
    named = {t: h[:n_clips] for t, h in zip(seat.model.targets, heads, strict=True)}
    annotations = {target: column[watch.rows] for target, column in job.table.annotations.items()}
    return watch.measure.goodness(annotations, decode(named, job.fitted, unseen, job.task.targets))
