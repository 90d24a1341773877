"""One stack, trained in one Lightning run."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import torch
from lightning import LightningModule

from baselines.module import run_trainer
from baselines.population.block import Block
from baselines.population.material import Material
from baselines.population.seats import Seat
from baselines.population.steps import Steps
from mertools.machine import available_cores

if TYPE_CHECKING:
    from baselines.jobs import Job

log = logging.getLogger("baselines")

BLOCK_SIZES = (8, 4, 2, 1)
"""Members that go through a step together on CPU: enough to spread the overhead, few enough for their weights and
moments to stay in the cache; on a GPU all do."""
SECONDS_BETWEEN_WORDS = 10.0


class Stack(LightningModule):
    """Members of one shape; each of Lightning's epochs is one epoch of every member that is not done.

    Args:
        jobs: of one shape.
        shape: what tells shapes apart.
        threads: among how many the blocks are shared, on CPU.
    """

    def __init__(self, jobs: Sequence[Job], shape: tuple[object, ...], threads: int) -> None:
        super().__init__()
        self.automatic_optimization = False
        options = jobs[0].task.options
        material = Material(options.device)
        self.everyone = [Seat(job, number, material) for number, job in enumerate(jobs)]
        self.steps = Steps(shape, self.everyone[0].model)
        self.threads = threads if options.device == "cpu" else 1
        self.sizes = BLOCK_SIZES if options.device == "cpu" else (len(jobs), *BLOCK_SIZES)
        self.blocks = self._seated(self.everyone)
        self._said = self._began = time.monotonic()
        self._trained = 0

    def training_step(self, _: int) -> None:
        """One epoch of every member in training, then those that are done leave."""
        if self.threads > 1:
            with ThreadPoolExecutor(self.threads, initializer=_settle_thread) as pool:
                list(pool.map(Block.epoch, self.blocks))
        else:
            for block in self.blocks:
                block.epoch()
        self._trained += sum(len(block.seats) for block in self.blocks)
        thinned = [block for block in self.blocks if any(seat.is_done for seat in block.seats)]
        if thinned:
            released = [seat for block in thinned for seat in block.release()]
            staying = [seat for seat in released if not seat.is_done]
            for seat in released:
                if seat.is_done:
                    seat.moments = ([], [])
            self.blocks = [b for b in self.blocks if b not in thinned] + self._seated(staying)
        self.trainer.should_stop = not self.blocks
        self._say()

    def configure_optimizers(self) -> None:
        """None of Lightning's; blocks move their weights themselves."""

    def _seated(self, seats: Sequence[Seat]) -> list[Block]:
        seats = sorted(seats, key=lambda s: (s.epoch_steps, s.number))
        blocks, share = [], math.ceil(len(seats) / self.threads)  # so that every thread has something to do
        while seats:
            size = next(size for size in self.sizes if size <= min(share, len(seats)))
            blocks.append(Block(seats[:size], self.steps))
            blocks[-1].prepare()
            seats = seats[size:]
        return blocks

    def _say(self) -> None:
        now = time.monotonic()
        if now - self._said < SECONDS_BETWEEN_WORDS and self.blocks:
            return
        if not self.blocks and self._said == self._began:
            return  # it was over before there was anything to say
        self._said = now
        staying = [seat for block in self.blocks for seat in block.seats]
        speed = self._trained / (now - self._began)
        most_left = sum(seat.job.epochs - seat.epochs for seat in staying) / speed
        log.info(
            "stack: %d/%d members done, %.1f epochs/s, at most %d s left",
            len(self.everyone) - len(staying),
            len(self.everyone),
            speed,
            most_left,
        )


def train_stack(jobs: Sequence[Job], shape: tuple[object, ...]) -> list[Seat]:
    """Train jobs of one shape together.

    Returns:
        The members, in the order of the jobs; those that failed carry their error.
    """
    options = jobs[0].task.options
    before = torch.get_num_threads()
    torch.set_num_threads(1)  # threads share members, not operations
    try:
        stack = Stack(jobs, shape, min(options.threads or available_cores(), max(1, len(jobs))))
        run_trainer(stack, _Epochs(), epochs=max(job.epochs for job in jobs), device=options.device)
    finally:
        torch.set_num_threads(before)
    return stack.everyone


class _Epochs:
    """One item per epoch: what a step of a stack trains on, it knows itself."""

    def __len__(self) -> int:
        return 1

    def __iter__(self) -> Iterator[Any]:
        return iter((0,))


def _settle_thread() -> None:
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
