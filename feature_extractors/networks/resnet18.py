"""ResNet-18 (He et al., 2016), with the parameter names of torchvision, and the blocks that MA-Net shares with it."""

from __future__ import annotations

import torch
from torch import nn


class BasicBlock(nn.Module):
    """Two 3 x 3 convolutions beside a shortcut."""

    def __init__(self, n_in: int, n_out: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(n_in, n_out, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(n_out)
        self.conv2 = nn.Conv2d(n_out, n_out, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(n_out)
        self.downsample = shortcut(n_in, n_out, stride)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``(B, n_in, H, W)`` to ``(B, n_out, H / stride, W / stride)``."""
        out = self.bn1(self.conv1(x)).relu()
        out = self.bn2(self.conv2(out))
        return (out + (self.downsample(x) if self.downsample else x)).relu()


def shortcut(n_in: int, n_out: int, stride: int) -> nn.Sequential | None:
    """What brings the input of a block to the shape of its output; None where it has that shape."""
    if stride == 1 and n_in == n_out:
        return None
    return nn.Sequential(nn.Conv2d(n_in, n_out, 1, stride, bias=False), nn.BatchNorm2d(n_out))


class Stem(nn.Module):
    """What comes before the four stages: an image to a quarter of its side. Subclasses add the stages."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.maxpool = nn.MaxPool2d(3, 2, 1)

    def stem(self, images: torch.Tensor) -> torch.Tensor:
        """``(B, 3, H, W)`` to ``(B, width, H / 4, W / 4)``."""
        pooled: torch.Tensor = self.maxpool(self.bn1(self.conv1(images)).relu())
        return pooled


class ResNet18(Stem):
    """ResNet-18.

    Args:
        n_classes: of the head; 0 for none, then `forward` gives the embedding.
        width: channels of the first stage; 64 as published.
    """

    def __init__(self, n_classes: int = 0, width: int = 64) -> None:
        super().__init__(width)
        self.dim = 8 * width
        self.layer1 = nn.Sequential(BasicBlock(width, width), BasicBlock(width, width))
        self.layer2 = nn.Sequential(BasicBlock(width, 2 * width, 2), BasicBlock(2 * width, 2 * width))
        self.layer3 = nn.Sequential(BasicBlock(2 * width, 4 * width, 2), BasicBlock(4 * width, 4 * width))
        self.layer4 = nn.Sequential(BasicBlock(4 * width, 8 * width, 2), BasicBlock(8 * width, 8 * width))
        if n_classes:
            self.fc = nn.Linear(self.dim, n_classes)
        self.n_classes = n_classes

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Images ``(B, 3, H, W)`` to embeddings ``(B, dim)``, or to scores ``(B, n_classes)`` where there is a head."""
        x = self.layer4(self.layer3(self.layer2(self.layer1(self.stem(images)))))
        embedding: torch.Tensor = x.mean((2, 3), dtype=torch.float32)
        return self.fc(embedding) if self.n_classes else embedding
