"""EmoNet: two stacked hourglasses that find 68 landmarks, and a trunk that reads the emotion off what they see.

Toisoul et al., "Estimation of continuous valence and arousal levels from faces in naturalistic conditions", Nature
Machine Intelligence 2021; the hourglasses are those of FAN (Bulat and Tzimiropoulos, 2017). Parameter names are those
of the authors' ``emonet/models/emonet.py`` (repository face-analysis/emonet). What their code calls instance norm is
batch norm: they put one class of PyTorch in place of the other for the whole process. Here it is batch norm by name.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.functional import interpolate, max_pool2d

_DEPTH = 4  # levels of an hourglass
_STACK = 2  # hourglasses
_LANDMARKS = 68
_TRUNK = 4  # convolution blocks of the emotion trunk


class ConvBlock(nn.Module):
    """Three convolutions, each before an activated norm of the last; their results side by side plus the input."""

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        half, quarter = n_out // 2, n_out // 4
        self.bn1 = nn.BatchNorm2d(n_in)
        self.conv1 = nn.Conv2d(n_in, half, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(half)
        self.conv2 = nn.Conv2d(half, quarter, 3, 1, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(quarter)
        self.conv3 = nn.Conv2d(quarter, quarter, 3, 1, 1, bias=False)
        self.downsample: nn.Sequential | None = None
        if n_in != n_out:
            self.downsample = nn.Sequential(nn.BatchNorm2d(n_in), nn.ReLU(), nn.Conv2d(n_in, n_out, 1, bias=False))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``(B, n_in, H, W)`` to ``(B, n_out, H, W)``."""
        first = self.conv1(self.bn1(x).relu())
        second = self.conv2(self.bn2(first).relu())
        third = self.conv3(self.bn3(second).relu())
        return torch.cat([first, second, third], dim=1) + (self.downsample(x) if self.downsample else x)


class Hourglass(nn.Module):
    """Down to a sixteenth of the side and up again, with a side branch at every level."""

    def __init__(self, n_channels: int) -> None:
        super().__init__()
        for level in range(_DEPTH, 0, -1):
            for branch in ("b1", "b2", "b3"):
                self.add_module(f"{branch}_{level}", ConvBlock(n_channels, n_channels))
        self.b2_plus_1 = ConvBlock(n_channels, n_channels)

    def forward(self, x: torch.Tensor, level: int = _DEPTH) -> torch.Tensor:
        """``(B, C, H, W)``, same shape."""
        side = self.get_submodule(f"b1_{level}")(x)
        low = self.get_submodule(f"b2_{level}")(max_pool2d(x, 2))
        low = self.forward(low, level - 1) if level > 1 else self.b2_plus_1(low)
        low = self.get_submodule(f"b3_{level}")(low)
        up: torch.Tensor = side + interpolate(low, scale_factor=2, mode="nearest")
        return up


class EmoNet(nn.Module):
    """EmoNet.

    Args:
        n_expressions: classes of the head, beside which it has valence and arousal; 0 for no head, then `forward` gives
            the embedding.
        width: channels of the first convolution; 64 as published.
    """

    def __init__(self, n_expressions: int = 0, width: int = 64) -> None:
        super().__init__()
        self.dim = c = 4 * width
        self.conv1 = nn.Conv2d(3, width, 7, 2, 3)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = ConvBlock(width, 2 * width)
        self.conv3 = ConvBlock(2 * width, 2 * width)
        self.conv4 = ConvBlock(2 * width, c)
        for i in range(_STACK):
            self.add_module(f"m{i}", Hourglass(c))
            self.add_module(f"top_m_{i}", ConvBlock(c, c))
            self.add_module(f"conv_last{i}", nn.Conv2d(c, c, 1))
            self.add_module(f"bn_end{i}", nn.BatchNorm2d(c))
            self.add_module(f"l{i}", nn.Conv2d(c, _LANDMARKS, 1))
        self.bl0 = nn.Conv2d(c, c, 1)
        self.al0 = nn.Conv2d(_LANDMARKS, c, 1)
        self.conv1x1_input_emo_2 = nn.Conv2d((1 + _STACK) * c, c, 1)
        trunk: list[nn.Module] = []
        for _ in range(_TRUNK):
            trunk += [ConvBlock(c, c), nn.MaxPool2d(2)]
        self.emo_net_2 = nn.Sequential(*trunk)
        if n_expressions:
            self.emo_fc_2 = nn.Sequential(
                nn.Linear(c, c // 2), nn.BatchNorm1d(c // 2), nn.ReLU(), nn.Linear(c // 2, n_expressions + 2)
            )
        self.n_expressions = n_expressions

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Images ``(B, 3, 256, 256)`` in [0, 1] to embeddings ``(B, dim)``.

        Where there is a head: scores of the expressions, then valence and arousal, ``(B, n_expressions + 2)``.
        """
        x = self.bn1(self.conv1(images)).relu()
        x = self.conv4(self.conv3(max_pool2d(self.conv2(x), 2)))  # (B, C, 64, 64)
        first, heat = self._hourglass(0, x)
        first = self.bl0(first)
        second, heat = self._hourglass(1, x + first + self.al0(heat))
        attention = heat.sum(1, keepdim=True)  # (B, 1, 64, 64): where the landmarks are
        seen = torch.cat([x, first * attention, second * attention], dim=1)
        embedding = self.emo_net_2(self.conv1x1_input_emo_2(seen)).mean((2, 3), dtype=torch.float32)
        return self.emo_fc_2(embedding) if self.n_expressions else embedding

    def _hourglass(self, i: int, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """What hourglass `i` sees ``(B, C, H, W)``, and its maps of the landmarks ``(B, 68, H, W)``."""
        seen = self.get_submodule(f"top_m_{i}")(self.get_submodule(f"m{i}")(x))
        seen = self.get_submodule(f"bn_end{i}")(self.get_submodule(f"conv_last{i}")(seen)).relu()
        return seen, self.get_submodule(f"l{i}")(seen)
