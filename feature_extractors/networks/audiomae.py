"""AudioMAE (Huang et al., 2022): a vision transformer over the log-mel spectrogram of 10.24 s.

Names of modules are those of the released state dicts (facebookresearch/AudioMAE), which are also those of timm's
vision transformer; the decoder of pre-training and the classifier are left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

PATCH = 16
FRAMES, BANDS = 1024, 128
_HEAD_DIM = 64


@dataclass(frozen=True)
class AudioMaeSizes:
    """Sizes of the network; the defaults are those of the base encoder.

    Attributes:
        dim: D.
        depth: blocks.
        hidden: width inside a block.
        fine_tuned: whether the norm is that of the mean of the patches (``fc_norm``), not that of each (``norm``).
    """

    dim: int = 768
    depth: int = 12
    hidden: int = 3072
    fine_tuned: bool = False

    @classmethod
    def of(cls, state: Mapping[str, Tensor]) -> AudioMaeSizes:
        """Sizes of released parameters.

        Raises:
            KeyError: naming a parameter that is not there.
        """
        hidden, dim = state["blocks.0.mlp.fc1.weight"].shape
        depth = len({key.split(".")[1] for key in state if key.startswith("blocks.")})
        return cls(dim, depth, hidden, "fc_norm.weight" in state)


class AudioMae(nn.Module):
    """The encoder: a spectrogram ``(B, 1024, 128)`` in, a row for every 16 frames out."""

    def __init__(self, sizes: AudioMaeSizes | None = None) -> None:
        super().__init__()
        from timm.layers import PatchEmbed
        from timm.models.vision_transformer import Block

        sizes = sizes or AudioMaeSizes()
        self.dim, self.n_layers = sizes.dim, sizes.depth
        norm = partial(nn.LayerNorm, eps=1e-6)
        self.patch_embed = PatchEmbed((FRAMES, BANDS), PATCH, 1, sizes.dim)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, sizes.dim))
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + (FRAMES // PATCH) * (BANDS // PATCH), sizes.dim))
        heads = max(1, sizes.dim // _HEAD_DIM)
        self.blocks = nn.ModuleList(
            Block(sizes.dim, heads, sizes.hidden / sizes.dim, qkv_bias=True, norm_layer=norm)
            for _ in range(sizes.depth)
        )
        self.norm = nn.Identity() if sizes.fine_tuned else norm(sizes.dim)
        self.fc_norm = norm(sizes.dim) if sizes.fine_tuned else nn.Identity()

    def forward(self, spectrogram: Tensor) -> Tensor:
        """Embed ``(B, 1024, 128)``: ``(B, 64, D)``, the mean over the frequency patches of every 16 frames."""
        x = self.patch_embed(spectrogram[:, None]) + self.pos_embed[:, 1:]  # (B, 64 * 8, D), time first
        first = (self.cls_token + self.pos_embed[:, :1]).expand(len(x), -1, -1)
        x = torch.cat([first.to(x.dtype), x], dim=1)
        for block in self.blocks:
            x = block(x)
        patches = self.norm(x)[:, 1:].float().unflatten(1, (FRAMES // PATCH, BANDS // PATCH))
        return self.fc_norm(patches.mean(2))
