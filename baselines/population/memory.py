"""How many members fit into memory."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import torch

from baselines.population.seats import ROWS_OF_EVALUATION

if TYPE_CHECKING:
    from baselines.jobs import Job

COPIES_OF_WEIGHTS = 7
"""Weights, gradients and two moments; the network itself; the best weights; and one more while a block is repacked."""
COPIES_OF_INPUTS = 4
"""Rows as taken, masks, masked rows, and what the layers make of them."""


def bytes_per_member(job: Job) -> int:
    """What one more member of this shape takes, at most."""
    parameters = list(job.network().parameters())
    n_weights = sum(p.numel() for p in parameters)
    n_rows = job.task.options.batch_size
    if job.watch and job.task.options.device != "cpu":  # on CPU members are scored one at a time
        n_rows = max(n_rows, len(job.watch.rows) + ROWS_OF_EVALUATION)
    width = sum(job.dims) + 8 * sum(p.shape[0] for p in parameters if p.dim() > 1)
    n_clips = len(job.table)
    return 4 * (COPIES_OF_WEIGHTS * n_weights + COPIES_OF_INPUTS * n_rows * width) + n_clips * 16 * len(job.task.heads)


def budget_bytes(job: Job) -> int:
    """What a stack may take: the option `memory`, else half of the memory of the device."""
    options = job.task.options
    if options.memory:
        return int(options.memory * 1e9)
    if options.device == "cuda":
        return torch.cuda.get_device_properties(0).total_memory // 2
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2


def largest_stack(job: Job) -> int:
    """Most members in a stack of this shape: the memory's, or fewer if the option `stack` says so; at least 1."""
    shared = sum(e.nbytes for e in job.table.embeddings)
    fitting = max(1, (budget_bytes(job) - shared) // bytes_per_member(job))
    return min(fitting, job.task.options.stack or fitting)
