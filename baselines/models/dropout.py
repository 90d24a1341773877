"""Dropout whose masks depend on a seed, the step, the layer and the element, and on nothing else.

Masks are hashed from counters instead of drawn from a generator, so a network that is trained in a stack with others
gets the very masks it gets alone, whoever its mates are and on whatever device.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

_LEVELS = 1 << 16
"""Probabilities are multiples of 1 / 65536."""
_AGAIN = 0x1E3779B9
"""Added to the key at each further call of one layer within a step."""


class Draw(NamedTuple):
    """What the masks of one layer are made from in one step.

    Attributes:
        keys: ``(2,)`` int32, from `mask_keys`.
        threshold: ``()`` int32, from `levels`.
        scale: ``()`` float32, from `levels`.
    """

    keys: Tensor
    threshold: Tensor
    scale: Tensor


class Dropout(nn.Module):
    """Dropout of single elements.

    Args:
        p: probability of dropping an element, in [0, 1).

    Attributes:
        draw: where masks come from; None = torch's global generator. `seed_dropout` sets it, anew before each step.
    """

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p
        self.draw: Draw | None = None
        self._n_calls = 0

    def forward(self, x: Tensor) -> Tensor:
        """`x` with elements dropped and the rest scaled by 1 / (1 - p); unchanged in evaluation."""
        if not self.training:
            return x
        if self.draw is None:
            return nn.functional.dropout(x, self.p) if self.p else x
        keys = self.draw.keys + self._n_calls * _AGAIN if self._n_calls else self.draw.keys
        self._n_calls += 1
        return x * _mask(x, Draw(keys, self.draw.threshold, self.draw.scale))

    def start(self, draw: Draw | None) -> None:
        """Draw the masks of the next step from `draw`."""
        self.draw = draw
        self._n_calls = 0

    def extra_repr(self) -> str:
        """Shown by ``print(model)``."""
        return f"p={self.p}"


class Noise(Dropout):
    """Base of layers that draw other numbers than masks, in training, from a stream that no other layer disturbs.

    It is a `Dropout` so that `seed_dropout` reaches it. Its numbers come from a generator, so it cannot be stacked.
    """

    def __init__(self) -> None:
        super().__init__(0.5)

    def generator(self, device: torch.device) -> torch.Generator | None:
        """For the next numbers of this step; None = torch's global generator."""
        if self.draw is None:
            return None
        high, low = (int(key) for key in self.draw.keys)
        self._n_calls += 1
        return torch.Generator(device).manual_seed(((high & 0x7FFFFFFF) << 32) + low % (1 << 32) + self._n_calls)


def dropout_layers(model: nn.Module) -> list[Dropout]:
    """The dropout layers of a network, in the order that numbers them."""
    return [layer for layer in model.modules() if isinstance(layer, Dropout)]


def seed_dropout(layers: Sequence[Dropout], seed: int, step: int, device: torch.device | str = "cpu") -> None:
    """Set the masks of one step.

    Args:
        layers: from `dropout_layers`.
        seed: of the network's dropout.
        step: number of the step, counted from 0.
        device: of the network.
    """
    keys = torch.from_numpy(mask_keys(seed, step, 1, len(layers))[0]).to(device)
    thresholds, scales = (torch.from_numpy(v).to(device) for v in levels([layer.p for layer in layers]))
    for number, layer in enumerate(layers):
        layer.start(Draw(keys[number], thresholds[number], scales[number]) if layer.p else None)


def mask_keys(seed: int, first_step: int, n_steps: int, n_layers: int) -> np.ndarray:
    """Keys of masks, ``(n_steps, n_layers, 2)`` int32: well mixed functions of seed, step and layer."""
    steps = np.arange(first_step, first_step + n_steps, dtype=np.uint64)
    with np.errstate(over="ignore"):
        mixed = _mix(_mix(np.uint64(seed) + steps)[:, None] + np.arange(n_layers, dtype=np.uint64))
    return mixed.view(np.int32).reshape(n_steps, n_layers, 2)


def levels(probabilities: Sequence[float]) -> tuple[np.ndarray, np.ndarray]:
    """Thresholds (int32) below which an element is dropped, and scales (float32) of what is kept."""
    p = np.asarray(probabilities, np.float64)
    thresholds = np.minimum(np.rint(p * _LEVELS), _LEVELS - 1) - _LEVELS // 2
    return thresholds.astype(np.int32), (1 / (1 - p)).astype(np.float32)


def _mix(x: np.ndarray) -> np.ndarray:
    """SplitMix64's output function (Steele, Lea and Flood, 2014)."""
    x = x + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


@lru_cache(maxsize=64)
def _elements(n: int, device: torch.device) -> Tensor:
    """One well mixed number per element, ``(n,)`` int32."""
    with np.errstate(over="ignore"):
        mixed = _mix(np.arange(n, dtype=np.uint64))
    return torch.from_numpy((mixed >> np.uint64(32)).astype(np.uint32).view(np.int32)).to(device)


def _mask(x: Tensor, draw: Draw) -> Tensor:
    """Mask of the shape of `x`: 0 where an element is dropped, else the scale."""
    # Few passes over the elements, because they cost as much as a layer: numbers that are mixed already are joined with
    # the keys by two multiplications (wrapping at 32 bits), and each 32-bit number serves two elements of a row by its
    # halves, so that a row's mask does not depend on how many rows follow.
    *rows, width = x.shape
    numbers = _elements(math.prod(rows) * ((width + 1) // 2), x.device).view(*rows, (width + 1) // 2)
    mixed = (numbers ^ draw.keys[0]) * 0x2C1B3C6D
    mixed = ((mixed ^ (mixed >> 15)) ^ draw.keys[1]) * 0x297A2D39
    halves = torch.cat((mixed >> 16, (mixed << 16) >> 16), dim=-1)[..., :width]
    dropped = (halves - draw.threshold) >> 31  # -1 where below, else 0: several times faster than a comparison
    return (dropped + 1).to(x.dtype) * draw.scale
