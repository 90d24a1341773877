"""What every fusion model is: embeddings of M spaces in, one output per target out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from mertools.config import from_mapping
from mertools.errors import ConfigError


@dataclass(frozen=True)
class Batch:
    """Embeddings of B clips from M spaces.

    Attributes:
        embeddings: M tensors, each ``(B, D_m)`` at utterance level, ``(B, T_m, D_m)`` at frame level, where shorter
            clips are followed by zeros.
        present: ``(B, M)`` bool; False where a clip has no embedding in a space. What stands in `embeddings` there is
            never looked at.
        masks: at frame level M tensors ``(B, T_m)`` bool, True for the rows that belong to the clip (the first ones);
            empty at utterance level. Aligned sequences have one T and one mask for all spaces.
    """

    embeddings: tuple[Tensor, ...]
    present: Tensor
    masks: tuple[Tensor, ...] = ()

    def __len__(self) -> int:
        """Number of clips."""
        return len(self.present)

    def rows(self, index: Tensor | slice) -> Batch:
        """Some of the clips."""
        return Batch(
            tuple(e[index] for e in self.embeddings), self.present[index], tuple(mask[index] for mask in self.masks)
        )

    def to(self, device: torch.device | str) -> Batch:
        """The same on another device."""
        return Batch(
            tuple(e.to(device) for e in self.embeddings),
            self.present.to(device),
            tuple(mask.to(device) for mask in self.masks),
        )


@dataclass(frozen=True)
class Output:
    """What a model says about B clips.

    Attributes:
        fused: ``(B, F)``, what the heads read.
        heads: per target: logits ``(B, C)`` for classes, ``(B, 1)`` for a value.
        auxiliary: scalar loss of the model itself, weights included; zero for most models.
    """

    fused: Tensor
    heads: dict[str, Tensor]
    auxiliary: Tensor


@dataclass(frozen=True)
class FusionConfig:
    """Options that most fusion models share.

    Attributes:
        hidden_dim: width h of the encoders.
        dropout: probability p of dropping an input of an encoder, in [0, 1).
        reference: whether to do what the published code does where that differs from what it says or means to do;
            `FusionModel.deviations` tells what that is. For reproducing published numbers only.
    """

    hidden_dim: int = 128
    dropout: float = 0.5
    reference: bool = False

    def __post_init__(self) -> None:
        """Check ranges.

        Raises:
            ValueError: if a value is out of range (reported as a wrong option).
        """
        if self.hidden_dim < 1:
            raise ValueError("hidden_dim must be at least 1")
        if not 0 <= self.dropout < 1:
            raise ValueError("dropout must lie in [0, 1)")


class FusionModel(nn.Module, ABC):
    """Base of all fusion models: a subclass makes `fused_dim` numbers per clip, one linear head per target reads them.

    Args:
        dims: D of each space, M ≥ 1 of them.
        heads: per target the number of outputs: classes, or 1 for a value.
        level: one of `levels`; empty = the first.
        **options: fields of `Config`; text is converted.

    A model of level utterance is trained in stacks (``torch.func.vmap`` over members), so its forward pass has no
    branch on values of tensors, no ``.item()``, changes no input in place, and draws random numbers through
    `baselines.models.layers.Dropout` only.

    Attributes:
        Config: dataclass of the options.
        levels: what one clip can be to the model: ``utterance`` ``(D,)``, ``frame`` ``(T, D)``.
        n_spaces: numbers of spaces it can fuse; empty = any number.
        aligned: whether its frames must be aligned: one T for all spaces.
        search_space: option -> values that a random search draws from.
        deviations: what ``reference=True`` changes; empty = nothing.
    """

    Config: ClassVar[type[FusionConfig]] = FusionConfig
    levels: ClassVar[tuple[str, ...]] = ("utterance",)
    n_spaces: ClassVar[tuple[int, ...]] = ()
    aligned: ClassVar[bool] = False
    search_space: ClassVar[Mapping[str, Sequence[Any]]] = {}
    deviations: ClassVar[str] = ""

    def __init__(self, dims: Sequence[int], heads: Mapping[str, int], *, level: str = "", **options: Any) -> None:
        super().__init__()
        if not dims:
            raise ValueError("a fusion model needs at least one space")
        self.level = level or self.levels[0]
        if self.level not in self.levels:
            raise ConfigError(
                "MER-T002",
                f"{type(self).__name__} works at level {' or '.join(self.levels)}, not '{self.level}'.",
                "Leave level out, or choose another model.",
            )
        if self.n_spaces and len(dims) not in self.n_spaces:
            counts = " or ".join(map(str, self.n_spaces))
            raise ConfigError(
                "MER-T009",
                f"{type(self).__name__} fuses {counts} spaces, and {len(dims)} are given.",
                f"Name {counts} spaces with --features, or choose another model.",
            )
        self.config = from_mapping(self.Config, options, f"model {type(self).__name__}")
        self.dims = tuple(dims)
        self.build()
        self.targets = tuple(heads)
        self.heads = nn.ModuleList(nn.Linear(self.fused_dim, n) for n in heads.values())

    @property
    @abstractmethod
    def fused_dim(self) -> int:
        """F, the width that `fuse` returns."""

    @property
    def predicts_from(self) -> tuple[int, ...]:
        """Positions of the spaces that predictions depend on; the others, if any, only help in training."""
        return tuple(range(len(self.dims)))

    @abstractmethod
    def build(self) -> None:
        """Make the layers from ``self.dims`` and ``self.config``."""

    @abstractmethod
    def fuse(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Fused embeddings ``(B, F)`` and the auxiliary loss (scalar)."""

    def forward(self, batch: Batch) -> Output:
        """Outputs for a batch; each clip's row depends on that clip alone."""
        fused, auxiliary = self.fuse(batch)
        heads = {target: head(fused) for target, head in zip(self.targets, self.heads, strict=True)}
        return Output(fused, heads, auxiliary)


def config_fields(model: type[FusionModel]) -> tuple[str, ...]:
    """Names of the options of a model class."""
    return tuple(f.name for f in fields(model.Config))
