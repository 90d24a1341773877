"""Clips of frame-level models."""

from collections.abc import Callable, Sequence

import pytest
import torch

from baselines import create_model
from baselines.models.base import Batch, FusionModel

HEADS = {"discrete": 6, "valence": 1}
LENGTHS = (4, 1, 6, 3)

FrameClips = Callable[..., Batch]
MakeModel = Callable[..., FusionModel]


@pytest.fixture
def frame_clips() -> FrameClips:
    """Makes four clips of 4, 1, 6 and 3 rows in spaces of `dims`; `extra` rows more or fewer in the later spaces."""

    def make(
        dims: Sequence[int] = (5, 3, 4), lengths: Sequence[int] = LENGTHS, extra: Sequence[int] = (), seed: int = 1
    ) -> Batch:
        generator = torch.Generator().manual_seed(seed)
        counts = [torch.tensor([max(n + e, 1) for n in lengths]) for e in (*extra, *[0] * (len(dims) - len(extra)))]
        masks = tuple(torch.arange(int(n.max()))[None] < n[:, None] for n in counts)
        rows = [
            torch.randn(*mask.shape, dim, generator=generator) * mask.unsqueeze(-1)
            for mask, dim in zip(masks, dims, strict=True)
        ]
        return Batch(tuple(rows), torch.ones(len(lengths), len(dims), dtype=torch.bool), masks)

    return make


@pytest.fixture
def make_model() -> MakeModel:
    """Makes a model with seeded weights, in evaluation."""

    def make(name: str, dims: Sequence[int] = (5, 3, 4), **options: object) -> FusionModel:
        torch.manual_seed(0)
        return create_model(name, dims=dims, heads=HEADS, level="frame", **options).eval()

    return make
