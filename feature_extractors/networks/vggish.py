"""VGGish (Hershey et al., 2017): a VGG network over log-mel patches of 0.96 s.

Names of modules are those of the torch port of the published TensorFlow checkpoint (harritaylor/torchvggish).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor, nn

FRAMES, BANDS = 96, 64
_CONVOLUTIONS = (0, 3, 6, 8, 11, 13)  # their places in `features`; between them ReLU and pooling
_POOLED = (0, 3, 8, 13)  # convolutions that are followed by pooling
_LINEARS = (0, 2, 4)


@dataclass(frozen=True)
class VggishSizes:
    """Sizes of the network; the defaults are the published ones.

    Attributes:
        channels: of the six convolutions.
        widths: of the three linear layers; the last is D.
    """

    channels: tuple[int, ...] = (64, 128, 256, 256, 512, 512)
    widths: tuple[int, ...] = (4096, 4096, 128)

    @classmethod
    def of(cls, state: Mapping[str, Tensor]) -> VggishSizes:
        """Sizes of released parameters.

        Raises:
            KeyError: naming a parameter that is not there.
        """
        return cls(
            tuple(state[f"features.{i}.weight"].shape[0] for i in _CONVOLUTIONS),
            tuple(state[f"embeddings.{i}.weight"].shape[0] for i in _LINEARS),
        )


class Vggish(nn.Module):
    """Patches ``(B, 96, 64)`` in, embeddings ``(B, D)`` out, none negative (they are after a ReLU)."""

    def __init__(self, sizes: VggishSizes | None = None) -> None:
        super().__init__()
        sizes = sizes or VggishSizes()
        layers: list[nn.Module] = []
        for n_in, n_out in zip((1, *sizes.channels), sizes.channels, strict=False):
            pooled = len(layers) in _POOLED
            layers += [nn.Conv2d(n_in, n_out, 3, padding=1), nn.ReLU()]
            layers += [nn.MaxPool2d(2)] if pooled else []
        self.features = nn.Sequential(*layers)
        linears: list[nn.Module] = []
        entering = (sizes.channels[-1] * (FRAMES // 16) * (BANDS // 16), *sizes.widths)
        for n_in, n_out in zip(entering, sizes.widths, strict=False):
            linears += [nn.Linear(n_in, n_out), nn.ReLU()]
        self.embeddings = nn.Sequential(*linears)
        self.dim = sizes.widths[-1]

    def forward(self, patches: Tensor) -> Tensor:
        """Embed log-mel patches ``(B, 96, 64)``."""
        x = self.features(patches[:, None])  # (B, C, 6, 4)
        return self.embeddings(x.permute(0, 2, 3, 1).flatten(1))  # channels last, as TensorFlow lays them out
