"""``mfm``: multimodal factorization model (Tsai et al., ICLR 2019), as MERBench has it.

A factor per space and one that all share; what is predicted is read from the shared one, and the sequence of a space
must be rebuilt from the shared factor and its own. For one to three spaces (each has a weight of its own); the
reference has three, audio, text, video, which it goes through as text, audio, video.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from baselines import MODELS
from baselines.models.base import Batch, FusionModel
from baselines.models.dropout import Noise
from baselines.models.layers import last_rows
from baselines.models.mfn import MFN, MemoryConfig, MemoryFusion
from baselines.models.recurrent import lstm_update, two_layers
from baselines.models.sequences import Sequences, aligned, in_published_order, squared_error


@dataclass(frozen=True)
class MFMConfig(MemoryConfig):
    """Options of `MFM`.

    Attributes:
        mmd_weight: weight of the distance between latent codes and a normal distribution, at least 0 (published:
            ``lda_mmd``).
        recon_weight_1: weight of rebuilding the first space (audio; published: ``lda_xa``), at least 0.
        recon_weight_2: the same for the second space (text; ``lda_xl``).
        recon_weight_3: the same for the third space (video; ``lda_xv``).
        noise_seed: seed of the normal numbers that codes are compared with in evaluation.
    """

    mmd_weight: float = 10.0
    recon_weight_1: float = 0.1
    recon_weight_2: float = 0.1
    recon_weight_3: float = 0.1
    noise_seed: int = 0

    def __post_init__(self) -> None:
        """Check ranges."""
        super().__post_init__()
        for name in ("mmd_weight", "recon_weight_1", "recon_weight_2", "recon_weight_3", "noise_seed"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must be at least 0")

    @property
    def recon_weights(self) -> tuple[float, float, float]:
        """Of the first, second and third space."""
        return self.recon_weight_1, self.recon_weight_2, self.recon_weight_3


class Normal(Noise):
    """Standard normal numbers: fresh ones in training, the same ones in evaluation.

    Args:
        seed: of the numbers in evaluation.
    """

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.seed = seed

    def forward(self, x: Tensor) -> Tensor:
        """Of the shape of `x`."""
        fixed = torch.Generator(x.device).manual_seed(self.seed)
        return torch.empty_like(x).normal_(generator=self.generator(x.device) if self.training else fixed)


class Decoder(nn.Module):
    """A vector -> T rows: an LSTM that reads the vector at the first step and its own last state after it.

    Args:
        hidden_dim: h, of the vector and the LSTM.
        dim: D of the rows.
    """

    def __init__(self, hidden_dim: int, dim: int) -> None:
        super().__init__()
        self.cell = nn.LSTMCell(hidden_dim, hidden_dim)
        self.rows = nn.Linear(hidden_dim, dim)

    def forward(self, x: Tensor, n_rows: int) -> Tensor:
        """``(B, h)`` -> ``(B, T, D)``."""
        h, c = self.cell(x)
        hidden = [h]
        both = (self.cell.weight_ih + self.cell.weight_hh).T  # from the second step on they multiply the same state
        bias = self.cell.bias_ih + self.cell.bias_hh
        for _ in range(n_rows - 1):
            h, c = lstm_update(torch.addmm(bias, h, both), c)
            hidden.append(h)
        return self.rows(torch.stack(hidden, dim=1))


@MODELS.register("mfm", summary="shared and private factors that must rebuild the sequences (frame level, aligned)")
class MFM(FusionModel):
    """Codes z_m = W_m h_m of each space and z_y of all (`MemoryFusion`); factors f = ReLU(two layers of z).

    Fused = two layers of f_y. Auxiliary loss: ``mmd_weight`` × Σ MMD(z) + Σ ``recon_weight_m`` × MSE of the rows that a
    `Decoder` makes of [f_y; f_m]. Rows behind a clip, and spaces a clip lacks, are neither rebuilt nor compared; where
    a clip lacks a space, its rows there are zeros.
    """

    Config: ClassVar = MFMConfig
    levels: ClassVar = ("frame",)
    n_spaces: ClassVar = (1, 2, 3)
    aligned: ClassVar = True
    deviations: ClassVar = (
        "zeros stand before shorter clips, are run through the LSTMs and the memory, and must be rebuilt like rows; "
        "the inner memory network keeps its own output layers and heads, which nothing reads"
    )
    search_space: ClassVar = {
        **MFN.search_space,
        **{f"recon_weight_{m}": (0.01, 0.1, 0.5, 1.0) for m in (1, 2, 3)},
        "mmd_weight": (10.0, 50.0, 100.0),
    }

    config: MFMConfig

    def __init__(self, dims: Sequence[int], heads: Mapping[str, int], **options: Any) -> None:
        super().__init__(dims, heads, **options)
        if self.config.reference:
            h, p = self.config.hidden_dim, self.config.dropout
            unread = two_layers(self.memory.width, h, self.fused_dim, p)
            self.unread = nn.ModuleList([unread, *(nn.Linear(self.fused_dim, n) for n in heads.values())])

    @property
    def fused_dim(self) -> int:
        """F = h / 2."""
        return self.config.hidden_dim // 2

    def build(self) -> None:
        """Encoders, factors, decoders, and two layers behind the shared factor."""
        h, p, half, mem_dim = self.config.hidden_dim, self.config.dropout, self.fused_dim, self.config.mem_dim
        dims = in_published_order(self.dims)
        self.lstms = nn.ModuleList(nn.LSTM(dim, h, batch_first=True) for dim in dims)
        self.codes = nn.ModuleList(nn.Linear(h, h) for _ in dims)
        self.memory = MemoryFusion(dims, h, mem_dim, p)
        self.shared_code = nn.Linear(self.memory.width, h)
        self.factors = nn.ModuleList(nn.Sequential(two_layers(h, half, half, p), nn.ReLU()) for _ in dims)
        self.shared_factor = nn.Sequential(two_layers(h, half, half, p), nn.ReLU())
        self.decoders = nn.ModuleList(Decoder(h, dim) for dim in dims)
        self.output = two_layers(half, half, half, p)
        self.noise = Normal(self.config.noise_seed)

    def fuse(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Two layers of the shared factor, and what rebuilding and the codes cost."""
        clips = aligned(batch, through_padding=self.config.reference)
        codes = [
            code(last_rows(lstm(x)[0], clips.mask))
            for x, lstm, code in zip(clips.rows, self.lstms, self.codes, strict=True)
        ]
        shared_code = self.shared_code(self.memory(clips))
        shared = self.shared_factor(shared_code)
        auxiliary = self._mmd(codes, shared_code, clips) + self._reconstruction(codes, shared, clips)
        return self.output(shared), auxiliary

    def _mmd(self, codes: Sequence[Tensor], shared_code: Tensor, clips: Sequences) -> Tensor:
        everywhere = torch.ones_like(clips.present[:, 0])
        present = [*clips.present.unbind(1), everywhere]
        total = sum(mmd(z, self.noise(z), here) for z, here in zip([*codes, shared_code], present, strict=True))
        return self.config.mmd_weight * total

    def _reconstruction(self, codes: Sequence[Tensor], shared: Tensor, clips: Sequences) -> Tensor:
        total = shared.new_zeros(())
        weights = in_published_order(self.config.recon_weights[: len(self.dims)])
        for m, weight in enumerate(weights):
            rebuilt = self.decoders[m](torch.cat([shared, self.factors[m](codes[m])], dim=-1), clips.mask.shape[1])
            told = clips.mask & clips.present[:, m, None]
            total = total + weight * squared_error(rebuilt, clips.rows[m], told)
        return total


def mmd(z: Tensor, g: Tensor, here: Tensor) -> Tensor:
    r"""Maximum mean discrepancy of two samples of B vectors: mean k(g, g) + mean k(z, z) - 2 mean k(g, z).

    .. math:: k(x, y) = \exp(-\|x - y\|^2 / d^2)

    (the mean squared difference of the elements, divided by their number once more, as published).

    Args:
        z: ``(B, d)``.
        g: ``(B, d)``.
        here: ``(B,)`` bool, which rows count; zero without any.
    """
    weights = here.float() / here.sum().clamp(min=1)

    def mean_kernel(x: Tensor, y: Tensor) -> Tensor:
        squares = x.square().sum(1)[:, None] + y.square().sum(1) - 2 * x @ y.T  # (B, B)
        return weights @ torch.exp(-squares.clamp(min=0) / x.shape[1] ** 2) @ weights

    with torch.autocast(z.device.type, enabled=False):  # the kernel is so close to 1 that half precision sees nothing
        z, g = z.float(), g.float()
        return mean_kernel(g, g) + mean_kernel(z, z) - 2 * mean_kernel(g, z)
