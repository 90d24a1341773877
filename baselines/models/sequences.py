"""Sequences of embeddings as frame-level models read them: clean, in the published order, with one mask."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import torch
from torch import Tensor

from baselines.models.layers import to_front_padding

if TYPE_CHECKING:
    from baselines.models.base import Batch

X = TypeVar("X")


@dataclass(frozen=True)
class Sequences:
    """Aligned sequences of B clips from M spaces, in the published order.

    Attributes:
        rows: M tensors ``(B, T, D_m)``; exactly zero behind a clip and where an embedding is missing.
        mask: ``(B, T)`` bool, True for the rows of the clip, at least one.
        present: ``(B, M)`` bool.
    """

    rows: tuple[Tensor, ...]
    mask: Tensor
    present: Tensor


def in_published_order(spaces: Sequence[X]) -> list[X]:
    """Something per space in the order in which the published models concatenate spaces.

    Spaces are named audio, text, video; the models of this family start with the text. Other numbers of spaces than
    three stay as they are.

    Example:
        >>> in_published_order(["audio", "text", "video"])
        ['text', 'audio', 'video']
    """
    order = (1, 0, 2) if len(spaces) == 3 else range(len(spaces))
    return [spaces[m] for m in order]


def aligned(batch: Batch, *, through_padding: bool = False) -> Sequences:
    """The sequences of a batch whose spaces have one T.

    A clip without rows is one row of zeros; where a clip lacks a space, its rows there are zeros.

    Args:
        batch: of level frame, aligned; anything, NaN included, may stand where an embedding is missing.
        through_padding: whether zeros stand before shorter clips and count as rows of the clip, as in the published
            code; then a clip's prediction depends on the longest clip of its batch.
    """
    mask = at_least_one_row(batch.masks[0])
    rows = [_clean(x, batch.masks[0] & here[:, None]) for x, here in _spaces(batch)]
    if through_padding:
        rows = [to_front_padding(x, mask) for x in rows]
        mask = torch.ones_like(mask)
    present = torch.stack(in_published_order(batch.present.unbind(1)), dim=1)
    return Sequences(tuple(in_published_order(rows)), mask, present)


def unaligned(batch: Batch, *, through_padding: bool = False) -> list[tuple[Tensor, Tensor]]:
    """Rows ``(B, T_m, D_m)`` and mask ``(B, T_m)`` of each space, in the published order.

    What a clip lacks, be it rows or the whole space, is one row of zeros.

    Args:
        batch: of level frame; anything, NaN included, may stand where an embedding is missing.
        through_padding: as for `aligned`.
    """
    spaces = []
    for (x, here), given in zip(_spaces(batch), batch.masks, strict=True):
        mask = given & here[:, None]
        rows, mask = _clean(x, mask), at_least_one_row(mask)
        if through_padding:
            rows, mask = to_front_padding(rows, mask), torch.ones_like(mask)
        spaces.append((rows, mask))
    return in_published_order(spaces)


def at_least_one_row(mask: Tensor) -> Tensor:
    """``(B, T)`` with True in the first column."""
    return torch.cat([torch.ones_like(mask[:, :1]), mask[:, 1:]], dim=1)


def reversed_rows(x: Tensor, mask: Tensor) -> Tensor:
    """``(B, T, D)`` with the rows of each clip in reverse; what stands behind them becomes copies of rows."""
    last = mask.sum(dim=1, keepdim=True) - 1  # (B, 1)
    source = (last - torch.arange(x.shape[1], device=x.device)).clamp(min=0)  # (B, T)
    return x.gather(1, source.unsqueeze(-1).expand_as(x))


def squared_error(x: Tensor, y: Tensor, mask: Tensor) -> Tensor:
    """Mean of (x - y)² over the elements of the rows in `mask`; zero without any.

    Args:
        x: ``(B, T, D)``.
        y: ``(B, T, D)``.
        mask: ``(B, T)`` bool.
    """
    total = torch.where(mask.unsqueeze(-1), x - y, 0.0).square().sum()
    return total / (mask.sum() * x.shape[-1]).clamp(min=1)


def _spaces(batch: Batch) -> list[tuple[Tensor, Tensor]]:
    return list(zip(batch.embeddings, batch.present.unbind(1), strict=True))


def _clean(x: Tensor, mask: Tensor) -> Tensor:
    return torch.where(mask.unsqueeze(-1), x, 0.0)
