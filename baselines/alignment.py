"""Rows of several spaces over time, brought to lengths that a model can take: the three rules of ``alignment=``.

* ``time``: all spaces in common windows of `step_s` seconds, by the times that the store holds.
* ``reference``: what the MER2023-MER2026 baseline does, by position alone and with zero rows (`reference_rule`).
* ``none``: each space by itself, with neighbouring rows averaged where a clip has more than `max_rows`.

Everything here is numpy on one clip: ``(T, D)`` arrays, an empty one where the clip has no embedding in a space.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

Kind = Literal["time", "reference", "none"]

ALIGNED_SCALE, UNALIGNED_SCALE = 6, 12
"""How many rows become one under ``reference``, for models that need one length for all spaces and for others."""


@dataclass(frozen=True)
class Alignment:
    """What a run records of how rows were brought together.

    Attributes:
        kind: the rule.
        aligned: whether all spaces of a clip come out with one length.
        step_s: length of a window in seconds (``time``).
        max_rows: most rows of a clip in a space (``time`` widens windows, ``none`` averages neighbours).
        leader: position of the space whose length the others take (``reference``, aligned): the text; None = the one
            with the fewest rows in each clip.
    """

    kind: Kind = "none"
    aligned: bool = False
    step_s: float = 0.25
    max_rows: int = 128
    leader: int | None = None

    def __call__(self, values: Sequence[np.ndarray], times_s: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Rows of one clip, brought together.

        Args:
            values: per space ``(T_m, D_m)``; ``(0, D_m)`` where the clip has no embedding.
            times_s: per space ``(T_m,)`` seconds from the clip's start; NaN = no time.

        Returns:
            Per space float32 rows; where nothing was given, nothing comes out.
        """
        if self.kind == "time":
            found = in_windows(values, times_s, self.step_s, self.max_rows)
        elif self.kind == "reference":
            found = as_reference(values, self.leader) if self.aligned else [_shrunk(v, UNALIGNED_SCALE) for v in values]
        else:
            found = [pooled(v, self.max_rows) for v in values]
        return [np.asarray(rows, np.float32) for rows in found]


def pooled(values: np.ndarray, max_rows: int) -> np.ndarray:
    """At most `max_rows` rows, each the mean of neighbours; groups of neighbours differ by one row at most.

    Args:
        values: ``(T, D)``; returned as it is if T ≤ `max_rows`.
        max_rows: at least 1.
    """
    if len(values) <= max_rows:
        return values
    edges = np.arange(max_rows + 1) * len(values) // max_rows
    return _means(values, edges)


def in_windows(
    values: Sequence[np.ndarray], times_s: Sequence[np.ndarray], step_s: float, max_rows: int
) -> list[np.ndarray]:
    """Means of all spaces in common windows of time, with one length K for all spaces.

    Window k spans ``[k, k + 1) · step_s``. A window that no space has a row in is left out. A space without a row in a
    window that another space has one in takes its row (or mean of rows at one time) nearest to the window's middle, the
    earlier of two equally near: nothing is invented and nothing is zero. Rows without a time (tokens of a text) are
    spread evenly over the clip: until the end of the last timed row of any space. Where no space has times, row i of T
    lies at ``(i + ½) / T`` of a clip with one window per row of the longest space.

    Args:
        values: per space ``(T_m, D_m)``, ``(0, D_m)`` where there is none.
        times_s: per space ``(T_m,)``.
        step_s: length of a window; longer ones are taken where a clip would have more than `max_rows`.
        max_rows: most windows.
    """
    times = _completed(times_s, step_s)
    last = max((float(t.max()) for t in times if len(t)), default=0.0)
    width = step_s if last < max_rows * step_s else np.nextafter(last, np.inf) / max_rows
    windows = [np.minimum((t / width).astype(np.int64), max_rows - 1) for t in times]
    used = np.unique(np.concatenate([*windows, np.zeros(0, np.int64)]))
    return [
        _per_window(v, t, w, used, (used + 0.5) * width) if len(v) else v
        for v, t, w in zip(values, times, windows, strict=True)
    ]


def reference_rule(values: np.ndarray, length: int) -> np.ndarray:
    """M(x, L) of the reference: `length` rows out of T by position alone.

    T < L: zero rows first. T > L: windows of ``ceil(T / L)`` rows, filled up with zero rows at the front, are averaged,
    zeros included; so for T = L + 1 nearly half of what comes out may be zero.

    Args:
        values: ``(T, D)``, T ≥ 1.
        length: L ≥ 1.
    """
    n_rows, dim = values.shape
    width = -(-n_rows // length)
    filled = np.concatenate([np.zeros((width * length - n_rows, dim)), values])
    if n_rows == length:
        return values
    means: np.ndarray = filled.reshape(length, width, dim).mean(axis=1)
    return means


def as_reference(values: Sequence[np.ndarray], leader: int | None) -> list[np.ndarray]:
    """The reference's aligned level: each space shortened by 6, then all brought to the length of the text.

    Args:
        values: per space ``(T_m, D_m)``.
        leader: position of the text; None, or a clip without it: the shortest space of the clip.
    """
    short = [_shrunk(v, ALIGNED_SCALE) for v in values]
    lengths = [len(s) for s in short if len(s)]
    if not lengths:
        return short
    length = len(short[leader]) if leader is not None and len(short[leader]) else min(lengths)
    return [reference_rule(s, length) if len(s) else s for s in short]


def _shrunk(values: np.ndarray, scale: int) -> np.ndarray:
    return reference_rule(values, -(-len(values) // scale)) if len(values) else values


def _completed(times_s: Sequence[np.ndarray], step_s: float) -> list[np.ndarray]:
    """The same times without NaN and without negative ones, see `in_windows`."""
    ends = [_end(t[np.isfinite(t)]) for t in times_s if np.isfinite(t).any()]
    duration = max(ends) if ends else step_s * max((len(t) for t in times_s), default=0)
    completed = []
    for times in times_s:
        known = np.isfinite(times)
        position = np.arange(len(times))
        if not known.any():
            times = (position + 0.5) * duration / max(len(times), 1)
        elif not known.all():
            times = np.interp(position, position[known], times[known])
        completed.append(np.maximum(times, 0.0))
    return completed


def _end(times: np.ndarray) -> float:
    """Where the last row ends: one usual distance of rows behind its time."""
    gaps = np.diff(np.sort(times))
    gaps = gaps[gaps > 0]
    return float(times.max() + (np.median(gaps) if len(gaps) else 0.0))


def _per_window(
    values: np.ndarray, times: np.ndarray, windows: np.ndarray, used: np.ndarray, middles: np.ndarray
) -> np.ndarray:
    """Rows of one space for the windows `used`."""
    order = np.argsort(times, kind="stable")
    values, times, windows = values[order], times[order], windows[order]
    own, first = np.unique(windows, return_index=True)
    found = np.empty((len(used), values.shape[1]))
    found[np.searchsorted(used, own)] = _means(values, np.append(first, len(values)))
    empty = np.flatnonzero(~np.isin(used, own))
    if len(empty):
        moments, start = np.unique(times, return_index=True)
        at_moment = np.append(start, len(values))
        after = np.searchsorted(moments, middles[empty]).clip(1, max(len(moments) - 1, 1))
        before = after - 1
        after = np.minimum(after, len(moments) - 1)
        later = np.abs(moments[after] - middles[empty]) < np.abs(moments[before] - middles[empty])
        for window, moment in zip(empty, np.where(later, after, before), strict=True):
            found[window] = values[at_moment[moment] : at_moment[moment + 1]].mean(axis=0, dtype=np.float64)
    return found


def _means(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Mean of the rows between neighbouring edges, each pair at least one row apart, in float64."""
    sums = np.add.reduceat(values.astype(np.float64), edges[:-1], axis=0)
    means: np.ndarray = sums / np.diff(edges)[:, None]
    return means
