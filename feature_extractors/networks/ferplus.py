"""ResNet-50 and SE-ResNet-50 with the layout and the parameter names of their imports from MatConvNet.

He et al., 2016, and Hu et al., 2018, in the Caffe layout of VGGFace2 (Cao et al., 2018): the first 1 x 1 convolution of
a block has the stride, and the first pooling has no padding but rounds up. Albanie et al., "Emotion Recognition in
Speech using Cross-Modal Transfer in the Wild", 2018, trained them on FER+. Parameter names are those of the modules
``resnet50_ferplus_dag.py`` and ``senet50_ferplus_dag.py`` that pytorch-mcn generates, as found in public copies: all in
one flat module.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import nn

Layer = Literal["conv5_3_3x3_relu", "pool5_7x7_s1"]

_BLOCKS = {2: 3, 3: 4, 4: 6, 5: 3}  # stage: blocks
_SQUEEZE = 16  # reduction of the channel attention


class FerPlusResNet50(nn.Module):
    """ResNet-50 as `pytorch-mcn` imports it.

    Args:
        squeeze: whether blocks weigh their channels (SE-ResNet-50).
        n_classes: of the head; 0 for none, then `forward` gives the embedding.
        layer: of the embedding: ``conv5_3_3x3_relu``, the middle of the last block, mean over its 7 x 7 places, or
            ``pool5_7x7_s1``, the pooled output of the last block.
        width: channels of the first convolution; 64 as published.
    """

    def __init__(
        self, *, squeeze: bool, n_classes: int = 0, layer: Layer = "conv5_3_3x3_relu", width: int = 64
    ) -> None:
        super().__init__()
        self.squeeze, self.n_classes, self.layer = squeeze, n_classes, layer
        self.dim = (8 if layer == "conv5_3_3x3_relu" else 32) * width
        self._add("conv1_7x7_s2", 3, width, 7, 2)
        n_in = width
        for stage, n_blocks in _BLOCKS.items():
            inside = width * 2 ** (stage - 2)
            for block in range(1, n_blocks + 1):
                self._add_block(f"conv{stage}_{block}", n_in, inside, 2 if block == 1 and stage > 2 else 1, block == 1)
                n_in = 4 * inside
        self.pool1_3x3_s2 = nn.MaxPool2d(3, 2, ceil_mode=True)
        if n_classes:
            self.classifier = nn.Conv2d(n_in, n_classes, 1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Images ``(B, 3, 224, 224)`` to embeddings ``(B, dim)``, or to scores where there is a head.

        The images have values from 0 to 255, less the mean of VGGFace2's.
        """
        x = self.pool1_3x3_s2(self._conv("conv1_7x7_s2", images).relu())
        middle = x
        for stage, n_blocks in _BLOCKS.items():
            for block in range(1, n_blocks + 1):
                x, middle = self._block(f"conv{stage}_{block}", x)
        if self.n_classes:
            scores: torch.Tensor = self.classifier(x.mean((2, 3), keepdim=True))[:, :, 0, 0]
            return scores
        return (middle if self.layer == "conv5_3_3x3_relu" else x).mean((2, 3), dtype=torch.float32)

    def _add(self, name: str, n_in: int, n_out: int, size: int, stride: int = 1) -> None:
        self.add_module(name, nn.Conv2d(n_in, n_out, size, stride, size // 2, bias=False))
        self.add_module(f"{name}_bn", nn.BatchNorm2d(n_out))

    def _add_block(self, name: str, n_in: int, inside: int, stride: int, first: bool) -> None:
        n_out = 4 * inside
        self._add(f"{name}_1x1_reduce", n_in, inside, 1, stride)
        self._add(f"{name}_3x3", inside, inside, 3)
        self._add(f"{name}_1x1_increase", inside, n_out, 1)
        if self.squeeze:
            self.add_module(f"{name}_1x1_down", nn.Conv2d(n_out, n_out // _SQUEEZE, 1))
            self.add_module(f"{name}_1x1_up", nn.Conv2d(n_out // _SQUEEZE, n_out, 1))
        if first:
            self._add(f"{name}_1x1_proj", n_in, n_out, 1, stride)

    def _conv(self, name: str, x: torch.Tensor) -> torch.Tensor:
        """A convolution and its norm."""
        normed: torch.Tensor = self.get_submodule(f"{name}_bn")(self.get_submodule(name)(x))
        return normed

    def _block(self, name: str, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The output of a block, and what its 3 x 3 convolution gave."""
        middle = self._conv(f"{name}_3x3", self._conv(f"{name}_1x1_reduce", x).relu()).relu()
        out = self._conv(f"{name}_1x1_increase", middle)
        if self.squeeze:
            weights = self.get_submodule(f"{name}_1x1_down")(out.mean((2, 3), keepdim=True)).relu()
            out = out * self.get_submodule(f"{name}_1x1_up")(weights).sigmoid()
        side = self._conv(f"{name}_1x1_proj", x) if hasattr(self, f"{name}_1x1_proj") else x
        return (out + side).relu(), middle
