"""Inception-ResNet v1 (Szegedy et al., 2017) as FaceNet uses it, with the parameter names of facenet-pytorch 2.5.3."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn.functional import max_pool2d, normalize

_EPSILON = 0.001  # of the norms, as in the TensorFlow original
Kernel = int | tuple[int, int]
Branch = Sequence[tuple[int, Kernel]]
"""Convolutions one after the other: channels of the published width, and kernel; "valid" where it has a stride."""


class Conv(nn.Module):
    """A convolution, its norm and ReLU."""

    def __init__(self, n_in: int, n_out: int, kernel: Kernel, stride: int = 1, *, pad: bool = True) -> None:
        super().__init__()
        size = (kernel, kernel) if isinstance(kernel, int) else kernel
        padding = (size[0] // 2, size[1] // 2) if pad else 0
        self.conv = nn.Conv2d(n_in, n_out, size, stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(n_out, eps=_EPSILON)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``(B, n_in, H, W)`` to ``(B, n_out, H', W')``."""
        activated: torch.Tensor = self.bn(self.conv(x)).relu()
        return activated


class Residual(nn.Module):
    """Branches side by side, brought back to the width of the input, scaled and added to it."""

    def __init__(self, n_channels: int, branches: Sequence[Branch], scale: float, *, activated: bool = True) -> None:
        super().__init__()
        for i, branch in enumerate(branches):
            self.add_module(f"branch{i}", _branch(n_channels, branch))
        self.n_branches = len(branches)
        self.conv2d = nn.Conv2d(sum(branch[-1][0] for branch in branches), n_channels, 1)
        self.scale, self.activated = scale, activated

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``(B, C, H, W)``, same shape."""
        inside = torch.cat([self.get_submodule(f"branch{i}")(x) for i in range(self.n_branches)], dim=1)
        out: torch.Tensor = self.conv2d(inside) * self.scale + x
        return out.relu() if self.activated else out


class Reduction(nn.Module):
    """Branches that end with a stride of 2, and a pooling, side by side."""

    def __init__(self, n_channels: int, branches: Sequence[Branch]) -> None:
        super().__init__()
        for i, branch in enumerate(branches):
            self.add_module(f"branch{i}", _branch(n_channels, branch, reduce=True))
        self.n_branches = len(branches)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``(B, C, H, W)`` to ``(B, C', H', W')`` of half the side."""
        results = [self.get_submodule(f"branch{i}")(x) for i in range(self.n_branches)]
        return torch.cat([*results, max_pool2d(x, 3, 2)], dim=1)


def _branch(n_in: int, branch: Branch, *, reduce: bool = False) -> nn.Module:
    """A single convolution stands alone, several in a row are numbered, as in the published names."""
    convs = []
    for i, (n_out, kernel) in enumerate(branch):
        last = reduce and i == len(branch) - 1
        convs.append(Conv(n_in, n_out, kernel, 2 if last else 1, pad=not last))
        n_in = n_out
    return convs[0] if len(convs) == 1 else nn.Sequential(*convs)


class InceptionResnetV1(nn.Module):
    """Inception-ResNet v1.

    Args:
        n_classes: of the head (``logits``); 0 for none, then `forward` gives the embedding.
        normalised: whether embeddings have unit length, as facenet-pytorch gives them.
        width: channels of the first convolution; 32 as published, else a divisor of it that is at least 2.
    """

    def __init__(self, n_classes: int = 0, *, normalised: bool = True, width: int = 32) -> None:
        super().__init__()

        def c(published: int) -> int:
            return published * width // 32

        def chain(*convs: tuple[int, Kernel]) -> Branch:
            return [(c(n), kernel) for n, kernel in convs]

        self.n_classes, self.normalised = n_classes, normalised
        self.dim = c(512)
        self.conv2d_1a = Conv(3, c(32), 3, 2, pad=False)
        self.conv2d_2a = Conv(c(32), c(32), 3, pad=False)
        self.conv2d_2b = Conv(c(32), c(64), 3)
        self.conv2d_3b = Conv(c(64), c(80), 1)
        self.conv2d_4a = Conv(c(80), c(192), 3, pad=False)
        self.conv2d_4b = Conv(c(192), c(256), 3, 2, pad=False)
        block35 = [chain((32, 1)), chain((32, 1), (32, 3)), chain((32, 1), (32, 3), (32, 3))]
        block17 = [chain((128, 1)), chain((128, 1), (128, (1, 7)), (128, (7, 1)))]
        block8 = [chain((192, 1)), chain((192, 1), (192, (1, 3)), (192, (3, 1)))]
        self.repeat_1 = nn.Sequential(*(Residual(c(256), block35, 0.17) for _ in range(5)))
        self.mixed_6a = Reduction(c(256), [chain((384, 3)), chain((192, 1), (192, 3), (256, 3))])
        self.repeat_2 = nn.Sequential(*(Residual(c(896), block17, 0.10) for _ in range(10)))
        self.mixed_7a = Reduction(
            c(896), [chain((256, 1), (384, 3)), chain((256, 1), (256, 3)), chain((256, 1), (256, 3), (256, 3))]
        )
        self.repeat_3 = nn.Sequential(*(Residual(c(1792), block8, 0.20) for _ in range(5)))
        self.block8 = Residual(c(1792), block8, 1.0, activated=False)
        self.last_linear = nn.Linear(c(1792), self.dim, bias=False)
        self.last_bn = nn.BatchNorm1d(self.dim, eps=_EPSILON)
        if n_classes:
            self.logits = nn.Linear(self.dim, n_classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Images ``(B, 3, 160, 160)`` in [-1, 1] to embeddings ``(B, dim)``, or to scores where there is a head."""
        x = max_pool2d(self.conv2d_2b(self.conv2d_2a(self.conv2d_1a(images))), 3, 2)
        x = self.conv2d_4b(self.conv2d_4a(self.conv2d_3b(x)))
        x = self.repeat_2(self.mixed_6a(self.repeat_1(x)))
        x = self.block8(self.repeat_3(self.mixed_7a(x)))
        embedding: torch.Tensor = self.last_bn(self.last_linear(x.mean((2, 3), dtype=torch.float32)))
        if self.n_classes:
            return self.logits(embedding)
        return normalize(embedding, dim=1) if self.normalised else embedding
