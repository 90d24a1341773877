"""What may be chosen, and what is drawn for a clip: from seed and name alone, whatever is corrupted beside it."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from mertools.errors import ConfigError
from mertools.targets import finite

REVISION = 1
"""Raised whenever a clip comes out differently for equal settings; finished clips are then done again."""

SNR_LIMIT_DB = 60.0
"""Beyond this, one of the two is lost in 16 bits."""

BLUR_LIMIT = 64


@dataclass(frozen=True)
class Settings:
    """How clips are corrupted; the defaults are those of the MER-NOISE tracks.

    Attributes:
        seed: with the clip's name, it decides everything that is drawn.
        snr_db: signal-to-noise ratios to draw from, dB.
        blur: factors to draw from; each a power of two, 1 = the picture stays as it is.
        noise: whether noise is added.
        picture: whether pictures are blurred.
        size: ``source`` keeps the size of the picture; ``reference`` lets it grow as the challenge's script does.
        audio: ``wav`` writes the noisy sound beside the movie, exactly; ``aac`` leaves it to the movie's lossy stream.
    """

    seed: int = 0
    snr_db: tuple[float, ...] = (5, 6, 7, 8, 9, 10)
    blur: tuple[int, ...] = (1, 2, 4)
    noise: bool = True
    picture: bool = True
    size: Literal["source", "reference"] = "source"
    audio: Literal["wav", "aac"] = "wav"

    def __post_init__(self) -> None:
        """Check.

        Raises:
            ConfigError: MER-C351 for ratios, MER-C352 for factors, MER-C353 if there is nothing to do.
        """
        if not self.snr_db or not all(abs(snr) <= SNR_LIMIT_DB for snr in self.snr_db):
            raise _wrong_snr(_listed(self.snr_db))
        if not self.blur or any(f < 1 or f > BLUR_LIMIT or f & (f - 1) for f in self.blur):
            raise _wrong_blur(_listed(self.blur))
        if not self.noise and not self.picture:
            raise ConfigError("MER-C353", "neither sound nor picture is to be corrupted.", "Leave one of the two in.")


@dataclass(frozen=True)
class Drawn:
    """What was drawn for a clip: its signal-to-noise ratio in dB and its blur factor."""

    snr_db: float
    blur: int


class Draws:
    """Uniform draws that hang on a seed, a clip's name and what they are for, and on nothing else.

    Python promises that ``random.random()`` gives the same numbers for a seed in every version, and that alone.
    """

    def __init__(self, seed: int, name: str, purpose: str) -> None:
        key = "\0".join((str(seed), name, purpose)).encode("utf-8", "surrogatepass")
        self._random = random.Random(int.from_bytes(hashlib.blake2b(key, digest_size=16).digest()))  # noqa: S311

    def below(self, n: int) -> int:
        """A whole number of 0 ... n - 1."""
        return min(int(self._random.random() * n), n - 1)


def draw(name: str, settings: Settings) -> Drawn:
    """Choose for a clip. Each choice has draws of its own: leaving out the noise does not change the blur.

    Example:
        >>> draw("clip_1", Settings(seed=7)) == draw("clip_1", Settings(seed=7, noise=False))
        True
    """
    snr = settings.snr_db[Draws(settings.seed, name, "snr").below(len(settings.snr_db))]
    blur = settings.blur[Draws(settings.seed, name, "blur").below(len(settings.blur))] if settings.picture else 1
    return Drawn(snr, blur)


def parse_snr(text: str) -> tuple[float, ...]:
    """Read ``5,10,15``.

    Raises:
        ConfigError: MER-C351.
    """
    try:
        ratios = tuple(finite(part) for part in text.split(","))
    except ValueError:
        raise _wrong_snr(text) from None
    if len(set(ratios)) < len(ratios):
        raise _wrong_snr(text)
    return ratios


def parse_blur(text: str) -> tuple[int, ...]:
    """Read ``1,2,4``.

    Raises:
        ConfigError: MER-C352.
    """
    try:
        factors = tuple(int(part) for part in text.split(","))
    except ValueError:
        raise _wrong_blur(text) from None
    if len(set(factors)) < len(factors):
        raise _wrong_blur(text)
    return factors


def _listed(values: Sequence[object]) -> str:
    return ",".join(map(str, values))


def _wrong_snr(text: str) -> ConfigError:
    return ConfigError(
        "MER-C351",
        f"'{text}' is not a list of signal-to-noise ratios.",
        f"Expected different numbers of dB between -{SNR_LIMIT_DB:g} and {SNR_LIMIT_DB:g}, e.g. 5,10,15.",
    )


def _wrong_blur(text: str) -> ConfigError:
    return ConfigError(
        "MER-C352",
        f"'{text}' is not a list of blur factors.",
        f"Expected different powers of two from 1 (no blur) to {BLUR_LIMIT}, e.g. 1,2,4.",
    )
