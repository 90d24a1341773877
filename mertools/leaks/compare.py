"""Exact comparison of two signatures around a proposed offset."""

from __future__ import annotations

from dataclasses import dataclass

from mertools.leaks.bits import Code, agreement, overlap
from mertools.leaks.evidence import Agreement, Repetition, evidence
from mertools.leaks.index import SLACK
from mertools.leaks.picture import RATE_HZ as PICTURE_HZ
from mertools.leaks.signature import Signature
from mertools.leaks.sound import RATE_HZ as SOUND_HZ

SOUND_SEARCH = 5
"""Rows of sound (16 ms) tried around an offset that comes from the picture, on either side: 80 ms, more than a row."""

PICTURE_SEARCH = 1
"""Rows of picture (62.5 ms) tried around an offset that comes from the sound."""

SHIFTS_PER_ROW = 2 * SOUND_SEARCH + 1
"""Bound on how many alignments of the other modality are tried for each shift of one."""


@dataclass(frozen=True)
class Comparison:
    """How two clips agree at their best alignment.

    Attributes:
        picture: agreement of their pictures; None if one has no code or they do not overlap.
        sound: agreement of their sounds, likewise.
        offset_s: what is at t seconds in the first clip is at t + offset_s in the second.
    """

    picture: Agreement | None = None
    sound: Agreement | None = None
    offset_s: float = 0.0

    @property
    def exponent(self) -> float:
        """Sum of the exponents of picture and sound, nats."""
        return sum(part.exponent for part in (self.picture, self.sound) if part is not None)

    @property
    def sound_only(self) -> bool:
        """Whether the sounds agree, but the pictures, which move enough to tell, do not."""
        return self.picture is not None and self.sound is not None and self.picture.denies


def compare(a: Signature, b: Signature, modality: str, shift: int) -> Comparison:
    """Compare two clips near a shift of one modality, and the other modality at the offset that comes out.

    Args:
        a: first clip.
        b: second clip.
        modality: "picture" or "sound", whose rows `shift` counts.
        shift: row t of `a` is row t + shift of `b`, within `SLACK`.
    """
    sounds, pictures = (a.sound, b.sound), (a.picture, b.picture)
    if modality == "sound":
        sound, sound_shift = _best("sound", *sounds, shift, SLACK)
        offset_s = sound_shift / SOUND_HZ
        picture, _ = _best("picture", *pictures, round(offset_s * PICTURE_HZ), PICTURE_SEARCH)
    else:
        picture, picture_shift = _best("picture", *pictures, shift, SLACK)
        offset_s = picture_shift / PICTURE_HZ
        sound, sound_shift = _best("sound", *sounds, round(offset_s * SOUND_HZ), SOUND_SEARCH)
        if sound is not None and sound.supports:
            offset_s = sound_shift / SOUND_HZ  # the finer measure of the two
    return Comparison(picture, sound, offset_s)


def _best(modality: str, a: Code | None, b: Code | None, shift: int, reach: int) -> tuple[Agreement | None, int]:
    """The best agreement within `reach` rows of `shift`, and where; the nearest shift wins a draw."""
    if a is None or b is None:
        return None, shift
    nearest = sorted(range(-reach, reach + 1), key=abs)
    counts = {shift + step: agreement(a, b, shift + step) for step in nearest}
    shift = max(counts, key=lambda s: _gain(*counts[s]))
    n_same, n_bits = counts[shift]
    if not n_bits:
        return None, shift
    # Measured on the rows that overlap alone: a clip may hum for a second and talk for the rest.
    here, there = overlap(a, b, shift)
    redundancy = Repetition.of(a.part(here)).redundancy(Repetition.of(b.part(there)))
    return Agreement(modality, n_bits, n_bits / redundancy, 1 - n_same / n_bits), shift


def _gain(n_same: int, n_bits: int) -> float:
    """What so many agreements of independent bits prove, nats; negative below one half, the worse the lower."""
    if not n_bits:
        return float("-inf")
    rate = 1 - n_same / n_bits
    return n_bits * (evidence(rate, 0.5) - evidence(1 - rate, 0.5))


def bound(a: Signature, b: Signature, modality: str, shift: int) -> float:
    """The exponent of one modality near a shift if its bits were independent: at least what `compare` can find."""
    first: Code | None = getattr(a, modality)
    second: Code | None = getattr(b, modality)
    if first is None or second is None:
        return 0.0
    return max(0.0, *(_gain(*agreement(first, second, s)) for s in range(shift - SLACK, shift + SLACK + 1)))
