"""MA-Net: global multi-scale and local attention branches over a shared ResNet-18 stem.

Zhao, Liu and Wang, "Learning Deep Global Multi-scale and Local Attention Features for Facial Expression Recognition in
the Wild", IEEE TIP 2021; the attention is CBAM (Woo et al., 2018). Parameter names are those of the authors'
``model/manet.py`` (repository zengqunzhao/MA-Net) and of the CBAM it imports, as found in public copies.
"""

from __future__ import annotations

import torch
from torch import nn

from feature_extractors.networks.resnet18 import BasicBlock, Stem, shortcut

_SCALES = 4  # groups of channels in a multi-scale block
_REDUCTION = 16  # of the channel attention


class MultiScaleBlock(nn.Module):
    """A convolution, then two chains of small convolutions over four groups of its channels, beside a shortcut.

    Args:
        n_in: channels.
        n_out: channels.
        stride: of the first convolution.
        opposite: whether the second chain starts from the last group, as in the authors' repository today. The
            extraction scripts of MERTools start both from the first.
    """

    def __init__(self, n_in: int, n_out: int, stride: int, opposite: bool) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(n_in, n_out, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(n_out)
        group = n_out // _SCALES
        for chain in (1, 2):
            for scale in range(1, _SCALES + 1):
                self.add_module(f"conv{chain}_2_{scale}", nn.Conv2d(group, group, 3, 1, 1, bias=False))
                self.add_module(f"bn{chain}_2_{scale}", nn.BatchNorm2d(group))
        self.downsample = shortcut(n_in, n_out, stride)
        self.opposite = opposite

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``(B, n_in, H, W)`` to ``(B, n_out, H / stride, W / stride)``."""
        groups = self.bn1(self.conv1(x)).relu().chunk(_SCALES, dim=1)
        out = self._chain(1, groups, range(_SCALES))
        out = out + self._chain(2, groups, range(_SCALES)[:: -1 if self.opposite else 1])
        return (out + (self.downsample(x) if self.downsample else x)).relu()

    def _chain(self, chain: int, groups: tuple[torch.Tensor, ...], order: range) -> torch.Tensor:
        """Each group plus the activated result of the one before it, through a convolution of its own."""
        results: dict[int, torch.Tensor] = {}
        previous: torch.Tensor | None = None
        for place in order:
            inside = groups[place] if previous is None else previous.relu() + groups[place]
            conv, norm = (self.get_submodule(f"{kind}{chain}_2_{place + 1}") for kind in ("conv", "bn"))
            previous = results[place] = norm(conv(inside))
        return torch.cat([results[place] for place in range(_SCALES)], dim=1)


class ChannelGate(nn.Module):
    """Weights for channels, from their mean and their maximum."""

    def __init__(self, n_channels: int) -> None:
        super().__init__()
        hidden = max(n_channels // _REDUCTION, 1)
        self.mlp = nn.Sequential(nn.Flatten(), nn.Linear(n_channels, hidden), nn.ReLU(), nn.Linear(hidden, n_channels))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``(B, C, H, W)``, same shape."""
        weights = self.mlp(x.mean((2, 3), dtype=torch.float32)) + self.mlp(x.amax((2, 3)))
        return x * weights.sigmoid()[:, :, None, None]


class _Spatial(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 1, 7, 1, 3, bias=False)
        self.bn = nn.BatchNorm2d(1, momentum=0.01)


class SpatialGate(nn.Module):
    """Weights for places, from the maximum and the mean over channels."""

    def __init__(self) -> None:
        super().__init__()
        self.spatial = _Spatial()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``(B, C, H, W)``, same shape."""
        seen = torch.stack([x.amax(1), x.mean(1)], dim=1)
        return x * self.spatial.bn(self.spatial.conv(seen)).sigmoid()


class AttentionBlock(BasicBlock):
    """A basic block whose result passes a channel and a spatial gate before the shortcut is added."""

    def __init__(self, n_in: int, n_out: int, stride: int = 1) -> None:
        super().__init__(n_in, n_out, stride)
        self.cbam = nn.Module()
        self.cbam.ChannelGate = ChannelGate(n_out)
        self.cbam.SpatialGate = SpatialGate()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``(B, n_in, H, W)`` to ``(B, n_out, H / stride, W / stride)``."""
        out = self.bn1(self.conv1(x)).relu()
        out = self.bn2(self.conv2(out))
        out = self.cbam.SpatialGate(self.cbam.ChannelGate(out))
        return (out + (self.downsample(x) if self.downsample else x)).relu()


class MaNet(Stem):
    """MA-Net.

    Args:
        n_classes: of the two heads; 0 for none, then `forward` gives the embedding.
        width: channels of the first stage; 64 as published.
        opposite: see `MultiScaleBlock`.
    """

    def __init__(self, n_classes: int = 0, width: int = 64, *, opposite: bool = False) -> None:
        super().__init__(width)
        self.dim = 16 * width
        middle, wide = 4 * width, 8 * width
        self.layer1 = nn.Sequential(BasicBlock(width, width), BasicBlock(width, width))
        self.layer2 = nn.Sequential(BasicBlock(width, 2 * width, 2), BasicBlock(2 * width, 2 * width))
        for quadrant in (1, 2, 3, 4):
            third = nn.Sequential(AttentionBlock(2 * width, middle, 2), AttentionBlock(middle, middle))
            fourth = nn.Sequential(AttentionBlock(middle, wide), AttentionBlock(wide, wide))
            self.add_module(f"layer3_1_p{quadrant}", third)
            self.add_module(f"layer4_1_p{quadrant}", fourth)
        self.layer3_2 = nn.Sequential(
            MultiScaleBlock(2 * width, middle, 2, opposite), MultiScaleBlock(middle, middle, 1, opposite)
        )
        self.layer4_2 = nn.Sequential(
            MultiScaleBlock(middle, wide, 2, opposite), MultiScaleBlock(wide, wide, 1, opposite)
        )
        if n_classes:
            self.fc_1, self.fc_2 = nn.Linear(wide, n_classes), nn.Linear(wide, n_classes)
        self.n_classes = n_classes

    def forward(self, images: torch.Tensor) -> torch.Tensor | tuple[torch.Tensor, torch.Tensor]:
        """Images ``(B, 3, 224, 224)`` to embeddings ``(B, dim)``, local before global.

        Where there are heads: the scores of the local and of the global branch, ``(B, n_classes)`` each.
        """
        x = self.layer2(self.layer1(self.stem(images)))  # (B, 2 width, 28, 28)
        local, whole = self._local(x), self.layer4_2(self.layer3_2(x)).mean((2, 3), dtype=torch.float32)
        if self.n_classes:
            return self.fc_1(local), self.fc_2(whole)
        return torch.cat([local, whole], dim=1)

    def _local(self, x: torch.Tensor) -> torch.Tensor:
        """Mean of the four quadrants (left above, right above, left below, right below), each through its layers."""
        half = x.shape[-1] // 2
        quadrants = (x[..., :half, :half], x[..., :half, half:], x[..., half:, :half], x[..., half:, half:])
        results = [
            self.get_submodule(f"layer4_1_p{i}")(self.get_submodule(f"layer3_1_p{i}")(quadrant))
            for i, quadrant in enumerate(quadrants, 1)
        ]
        return torch.stack([result.mean((2, 3), dtype=torch.float32) for result in results]).mean(0)
