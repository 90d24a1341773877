"""Seeded streams of random numbers: folds, initialisation, order and dropout never draw from each other."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import torch

Stream = Literal["fold", "selection", "initialisation", "order", "dropout"]
_INDEX: dict[str, int] = {"fold": 0, "selection": 1, "initialisation": 2, "order": 3, "dropout": 4}


@dataclass(frozen=True)
class Streams:
    """The streams of one seed.

    Attributes:
        seed: seed of every stream that `overrides` does not name.
        overrides: seeds of single streams.
    """

    seed: int
    overrides: dict[Stream, int] = field(default_factory=dict)

    def numpy(self, stream: Stream, *key: int) -> np.random.Generator:
        """A numpy generator for `stream`; `key` tells uses apart (the fold's number)."""
        return np.random.default_rng(self._sequence(stream, key))

    def torch(self, stream: Stream, *key: int, device: str = "cpu") -> torch.Generator:
        """A torch generator for `stream` on `device`."""
        return torch.Generator(device).manual_seed(self._number(stream, key))

    def number(self, stream: Stream, *key: int) -> int:
        """A seed in [0, 2^63) for what is not drawn from a generator."""
        return self._number(stream, key)

    @contextmanager
    def initialising(self, *key: int) -> Iterator[None]:
        """Torch's global generator draws from the stream ``initialisation`` inside, and is as before afterwards."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self._number("initialisation", key))
            yield

    def _sequence(self, stream: Stream, key: tuple[int, ...]) -> np.random.SeedSequence:
        return np.random.SeedSequence(self.overrides.get(stream, self.seed), spawn_key=(_INDEX[stream], *key))

    def _number(self, stream: Stream, key: tuple[int, ...]) -> int:
        return int(self._sequence(stream, key).generate_state(1, np.uint64)[0] >> np.uint64(1))
