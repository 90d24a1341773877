"""Orders of clips beside the plain one: batches of clips alike in length."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from baselines.module import Order

BATCHES_IN_A_POOL = 16
"""From how many batches' worth of shuffled clips batches are sorted together; the more, the less padding and chance."""


class BucketedOrder(Order):
    """Shuffled clips, sorted by length within pools of batches; then the batches are shuffled.

    Args:
        lengths: ``(N,)`` rows of each clip.
        batch_size: clips per batch.
        generator: where both shufflings come from.
    """

    def __init__(self, lengths: np.ndarray, batch_size: int, generator: torch.Generator) -> None:
        super().__init__(len(lengths), batch_size, generator)
        self.lengths = torch.from_numpy(lengths)

    def __iter__(self) -> Iterator[Tensor]:
        """One epoch: every clip once, in as many batches as the plain order has."""
        shuffled = torch.randperm(self.n_clips, generator=self.generator)
        batches: list[Tensor] = []
        for pool in shuffled.split(BATCHES_IN_A_POOL * self.batch_size):
            batches += pool[torch.argsort(self.lengths[pool], stable=True)].split(self.batch_size)
        return iter([batches[i] for i in torch.randperm(len(batches), generator=self.generator)])
