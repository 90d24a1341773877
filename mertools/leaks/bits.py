"""Codes: a sequence of bit words over time, some bits unknown, compared by counting bits that agree."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

MAX_BITS = 64


@dataclass(frozen=True, eq=False)
class Code:
    """What one modality of one clip looks like over time, in bits.

    Row ``t`` describes the clip around ``t / rate_hz`` seconds from its beginning.

    Attributes:
        signs: ``(T,)`` uint32 or uint64, bit ``c`` set = channel ``c`` rises.
        known: ``(T,)``, same type, bit ``c`` set = channel ``c`` says something here (not silent, not still).
        weak: ``(T,)``, same type, bit ``c`` set = a known bit that is among the first to flip under noise.
        n_bits: channels, at most 64.
        rate_hz: rows per second.
    """

    signs: np.ndarray
    known: np.ndarray
    weak: np.ndarray
    n_bits: int
    rate_hz: float

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.signs)

    @cached_property
    def n_known(self) -> int:
        """Bits that say something."""
        return int(np.bitwise_count(self.known).sum())

    def part(self, rows: slice) -> Code:
        """Some rows of the code."""
        return Code(self.signs[rows], self.known[rows], self.weak[rows], self.n_bits, self.rate_hz)

    def ternary(self) -> np.ndarray:
        """``(T, n_bits)`` int8: 1 rises, -1 falls, 0 unknown."""
        known = unpacked(self.known, self.n_bits)
        rises = unpacked(self.signs, self.n_bits)
        return np.where(known, np.where(rises, 1, -1), 0).astype(np.int8)


def coded(changes: np.ndarray, floor: np.ndarray | float, n_weak: int, rate_hz: float) -> Code:
    """The code of a sequence of changes: their signs; what does not exceed `floor` is unknown.

    Args:
        changes: ``(T, C)``, C at most 64; column by column on one scale.
        floor: changes no larger than this say nothing; broadcasts against `changes`.
        n_weak: so many smallest changes of each row, measured in medians of their columns, are marked weak.
        rate_hz: rows per second.

    Example:
        >>> coded(np.array([[2.0, -3.0, 0.1]]), 0.5, 1, 16.0).ternary()
        array([[ 1, -1,  0]], dtype=int8)
    """
    size = np.abs(changes)
    known = size > floor
    typical = np.median(size, axis=0) if len(size) else np.ones(size.shape[1])
    rank = np.argsort(np.argsort(size / np.maximum(typical, 1e-12), axis=1), axis=1)
    return Code(
        packed((changes > 0) & known), packed(known), packed((rank < n_weak) & known), changes.shape[1], rate_hz
    )


def packed(bits: np.ndarray) -> np.ndarray:
    """Rows of booleans ``(T, C)`` as words ``(T,)``: column c becomes bit c; uint32 up to 32 columns, else uint64.

    Raises:
        ValueError: for more than 64 columns.

    Example:
        >>> packed(np.array([[True, False, True]]))
        array([5], dtype=uint32)
    """
    n_rows, n_bits = bits.shape
    if n_bits > MAX_BITS:
        raise ValueError(f"at most {MAX_BITS} columns fit a word, not {n_bits}")
    width = 32 if n_bits <= 32 else 64
    padded = np.zeros((n_rows, width), bool)
    padded[:, :n_bits] = bits
    word = np.dtype(f"<u{width // 8}")
    return np.packbits(padded, axis=1, bitorder="little").view(word).reshape(n_rows).astype(word.newbyteorder("="))


def unpacked(words: np.ndarray, n_bits: int) -> np.ndarray:
    """Words ``(T,)`` as rows of booleans ``(T, n_bits)``; the inverse of `packed`."""
    little = words.astype(words.dtype.newbyteorder("<"))
    octets = np.ascontiguousarray(little).view(np.uint8).reshape(len(words), words.dtype.itemsize)
    return np.unpackbits(octets, axis=1, count=n_bits, bitorder="little").astype(bool)


def overlap(a: Code, b: Code, shift: int) -> tuple[slice, slice]:
    """Rows of `a` and rows of `b` that meet when row ``t`` of `a` lies on row ``t + shift`` of `b`; maybe none."""
    begin = max(0, -shift)
    end = max(begin, min(len(a), len(b) - shift))
    return slice(begin, end), slice(begin + shift, end + shift)


def agreement(a: Code, b: Code, shift: int) -> tuple[int, int]:
    """Compare row ``t`` of `a` with row ``t + shift`` of `b`, wherever both have rows.

    Returns:
        ``(bits that agree, bits that both know)``.
    """
    here, there = overlap(a, b, shift)
    both = a.known[here] & b.known[there]
    n_both = int(np.bitwise_count(both).sum())
    n_differ = int(np.bitwise_count((a.signs[here] ^ b.signs[there]) & both).sum())
    return n_both - n_differ, n_both
