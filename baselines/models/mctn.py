"""``mctn``: multimodal cyclic translation network (Pham et al., AAAI 2019), over time.

One space is translated to another and back, what stands between the two (the joint sequence) to a third one; the
prediction is read from the last joint sequence. Predictions thus depend on the source alone, the other spaces teach.

* Three spaces (published, named audio, text, video): the second is the source, text → video → text, joint → audio.
* Two spaces: the first is the source, the second the target.

There is no ``reference=True``. The published code runs its LSTMs over the clips of a batch instead of their rows, so
that what it predicts for a clip depends on the others; it also never hands on the decoder's state and always shows the
decoder the true rows. Copying that would reproduce nobody's number.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import linear, pad

from baselines import MODELS
from baselines.models.base import Batch, FusionConfig, FusionModel
from baselines.models.dropout import Noise
from baselines.models.layers import Dropout, LSTMEncoder
from baselines.models.recurrent import BiLSTM
from baselines.models.sequences import aligned, squared_error


@dataclass(frozen=True)
class MCTNConfig(FusionConfig):
    """Options of `MCTN`.

    Attributes:
        hidden_dim: width h of the joint sequences.
        dropout: probability p of dropping an element of a joint sequence, and before the last linear layer.
        teacher_forcing: probability, in [0, 1], that a decoder in training reads the true row before instead of the one
            it made; in evaluation it always reads what it made.
        loss_weight: weight of the translations, at least 0.
        reference: not offered, see `baselines.models.mctn`.
    """

    dropout: float = 0.2
    teacher_forcing: float = 0.5
    loss_weight: float = 0.3

    def __post_init__(self) -> None:
        """Check ranges."""
        super().__post_init__()
        if not 0 <= self.teacher_forcing <= 1:
            raise ValueError("teacher_forcing must lie in [0, 1]")
        if self.loss_weight < 0:
            raise ValueError("loss_weight must be at least 0")
        if self.reference:
            raise ValueError("reference is not offered: the published code mixes the clips of a batch")


class Coin(Noise):
    """Throws of a coin in training.

    Args:
        heads: probability of heads, in [0, 1].
    """

    def __init__(self, heads: float) -> None:
        super().__init__()
        self.heads = heads

    def forward(self, like: Tensor) -> Tensor:
        """True for heads, of the shape of `like`; no heads in evaluation."""
        if not self.training:
            return torch.zeros_like(like, dtype=torch.bool)
        drawn = torch.empty(like.shape, device=like.device)
        return drawn.bernoulli_(self.heads, generator=self.generator(like.device)).bool()


class Translator(nn.Module):
    """Sequence to sequence with additive attention; source and target have one T.

    Args:
        dim: D of the source.
        target_dim: D of the target.
        hidden_dim: h.
        dropout: p of dropping elements of the joint sequence.
        forcing: probability that the decoder reads the true row in training.
    """

    def __init__(self, dim: int, target_dim: int, hidden_dim: int, dropout: float, forcing: float) -> None:
        super().__init__()
        h = hidden_dim
        self.encoder = BiLSTM(dim, h)
        self.dropout = Dropout(dropout)
        self.start = nn.Linear(h, h, bias=False)
        self.match = nn.Linear(2 * h, h, bias=False)
        self.score = nn.Linear(h, 1, bias=False)
        self.cells = nn.ModuleList(nn.LSTMCell(target_dim + h, h) for _ in range(2))
        self.output = nn.Linear(2 * h, target_dim)
        self.coin = Coin(forcing)

    def encode(self, x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """``(B, T, D)``, ``(B, T)`` -> joint sequence ``(B, T, h)`` and the decoder's first state ``(B, h)``."""
        states, last = self.encoder(x, mask)
        return self.dropout(states), torch.tanh(self.start(last))

    def decode(self, joint: Tensor, state: Tensor, target: Tensor, mask: Tensor) -> Tensor:
        """The translation, ``(B, T, D)``.

        With s the state, step t reads e_t = Σ_j α_j joint_j, α = softmax_j(v · tanh(W [s; joint_j])), and the row
        before (zeros at the first step); the decoder's two LSTMs (the directions of a bidirectional one, whose sequence
        is one step long) go on from their own states, which start from s and a cell of zeros.

        Args:
            joint: ``(B, T, h)``.
            state: ``(B, h)``.
            target: true rows ``(B, T, D)``, read where the coin says so.
            mask: ``(B, T)``.
        """
        of_state, of_joint = self.match.weight.chunk(2, dim=1)
        keys = linear(joint, of_joint)  # (B, T, h)
        shown = self.coin(mask).unsqueeze(-1)  # (B, T, 1)
        states = [(state, torch.zeros_like(state))] * 2
        row, rows = torch.zeros_like(target[:, 0]), []
        for t in range(mask.shape[1]):
            scores = self.score(torch.tanh(linear(state, of_state).unsqueeze(1) + keys)).squeeze(-1)  # (B, T)
            alpha = scores.masked_fill(~mask, float("-inf")).softmax(dim=-1)
            context = torch.bmm(alpha.unsqueeze(1), joint).squeeze(1)  # (B, h)
            states = [cell(torch.cat([row, context], dim=-1), s) for cell, s in zip(self.cells, states, strict=True)]
            state = states[0][0] + states[1][0]
            rows.append(self.output(torch.cat([state, context], dim=-1)))
            row = torch.where(shown[:, t], target[:, t], rows[-1])
        return torch.stack(rows, dim=1)


@MODELS.register(
    "mctn", summary="one space translated to the others and back (frame level, aligned, predicts from one)"
)
class MCTN(FusionModel):
    """Fused = `LSTMEncoder` of the last joint sequence.

    Rows are filled with zeros to the widest space, Dmax. One `Translator` translates source to target and (what it
    made of it) back, another one the joint sequence of the first pass to the third space. Auxiliary loss:
    ``loss_weight`` × the sum of the translations' mean squared errors, each over the clips that have the source and the
    other space it is about. Where a clip lacks a space, its rows there are zeros.
    """

    Config: ClassVar = MCTNConfig
    levels: ClassVar = ("frame",)
    n_spaces: ClassVar = (2, 3)
    aligned: ClassVar = True
    search_space: ClassVar = {
        "hidden_dim": (64, 128, 256),
        "dropout": (0.0, 0.1, 0.2, 0.3),
        "teacher_forcing": (0.3, 0.5),
        "loss_weight": (0.1, 0.3, 0.5, 0.8, 1.0),
        "lr": (1e-3, 1e-4),
        "grad_clip": (0.6, 0.8, 1.0),
    }

    config: MCTNConfig

    @property
    def fused_dim(self) -> int:
        """F = h."""
        return self.config.hidden_dim

    @property
    def predicts_from(self) -> tuple[int, ...]:
        """The source alone."""
        return (1,) if len(self.dims) == 3 else (0,)

    def build(self) -> None:
        """Translators and the encoder of the last joint sequence."""
        h, p, forcing = self.config.hidden_dim, self.config.dropout, self.config.teacher_forcing
        self.widest = max(self.dims)
        self.first = Translator(self.widest, self.widest, h, p, forcing)
        if len(self.dims) == 3:
            self.second = Translator(h, self.widest, h, p, forcing)
        self.encoder = LSTMEncoder(h, h, p)

    def fuse(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Encoding of the last joint sequence, and what the translations cost."""
        clips = aligned(batch)  # text, audio, video; or two as they are
        rows = [pad(x, (0, self.widest - x.shape[-1])) for x in clips.rows]
        source, target, mask = rows[0], rows[-1], clips.mask
        taught = [mask & (clips.present[:, 0] & here)[:, None] for here in clips.present.unbind(1)]
        joint, state = self.first.encode(source, mask)
        there = self.first.decode(joint, state, target, mask)
        back = self.first.decode(*self.first.encode(there, mask), source, mask)
        cost = squared_error(there, target, taught[-1]) + squared_error(back, source, taught[-1])
        if len(rows) == 3:
            joint, state = self.second.encode(joint, mask)
            cost = cost + squared_error(self.second.decode(joint, state, rows[1], mask), rows[1], taught[1])
        return self.encoder(joint, mask), self.config.loss_weight * cost
