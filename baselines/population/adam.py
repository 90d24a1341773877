"""Adam for the members of a block: torch's own fused kernel, with each member's step size, penalty and step count."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from baselines.population.seats import Seat


class MemberAdam:
    """One call per group of members with the same settings.

    The kernel sees each member's parameter as a tensor of its own, so what it computes does not depend on the stack.

    Args:
        seats: members whose weights and moments are updated in place.
    """

    def __init__(self, seats: Sequence[Seat]) -> None:
        self.seats = seats
        self.counts = [torch.tensor(float(seat.steps), device=seat.weights[0].device) for seat in seats]
        self._groups: dict[tuple[int, ...], list[list[int]]] = {}

    @torch.no_grad()
    def step(self, gradients: Sequence[Tensor], active: Sequence[int]) -> None:
        """Move the weights of the `active` members.

        Args:
            gradients: per parameter ``(G, ...)``.
            active: positions of members.
        """
        # The kernel takes numbers in the order of memory; gradients of some products (einsum) lie in another one.
        by_member = list(zip(*(g.contiguous().unbind() for g in gradients), strict=True))
        for members in self._grouped(tuple(active)):
            how = self.seats[members[0]].how
            grads = [g for k in members for g in by_member[k]]
            if how.grad_clip >= 0:
                torch._foreach_clamp_min_(grads, -how.grad_clip)
                torch._foreach_clamp_max_(grads, how.grad_clip)
            torch._foreach_add_([self.counts[k] for k in members], 1)
            torch._fused_adam_(
                [w for k in members for w in self.seats[k].weights],
                grads,
                [m for k in members for m in self.seats[k].moments[0]],
                [m for k in members for m in self.seats[k].moments[1]],
                [],
                [self.counts[k] for k in members for _ in self.seats[k].weights],
                lr=how.lr,
                beta1=0.9,
                beta2=0.999,
                weight_decay=how.weight_decay,
                eps=1e-8,
                amsgrad=False,
                maximize=False,
            )

    def _grouped(self, active: tuple[int, ...]) -> list[list[int]]:
        if active not in self._groups:
            groups: dict[tuple[float, float, float], list[int]] = {}
            for k in active:
                how = self.seats[k].how
                groups.setdefault((how.lr, how.weight_decay, how.grad_clip), []).append(k)
            self._groups[active] = list(groups.values())
        return self._groups[active]
