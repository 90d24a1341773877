"""An inverted index over short words of codes: which clips may hold the same moment, without comparing all pairs.

A key is a window of 14 to 24 bits of one row, the wider the more rows there are, so that a key stands in about one row
by chance. Errors gather in moments that noise covers; other moments come through whole, so even a copy with a third of
its bits wrong shares some keys. The query also tries the keys in which its weak bits are flipped. Hits vote for a clip
and a shift; chance hits scatter, hits of a shared moment agree.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from mertools.leaks.bits import Code

MIN_KEY_BITS, MAX_KEY_BITS = 14, 24
MAX_FLIPS = 7
MIN_VOTES = 3
MAX_CANDIDATES = 100
MAX_POSTINGS = 2000
"""Keys that stand in more rows than this tell nothing and are passed over."""

SLACK = 2
"""A candidate's shift is right within this many rows."""

_BIN = 4
_HALF = 1 << 31


@dataclass(frozen=True)
class Windows:
    """Which keys of a modality are indexed.

    Attributes:
        step: windows begin at every so many bits.
        stride: every how many rows of the indexed clips have keys (queries use every row).
    """

    step: int
    stride: int


PICTURE_WINDOWS = Windows(step=8, stride=1)
SOUND_WINDOWS = Windows(step=4, stride=2)


class KeyIndex:
    """Keys of many codes of one modality.

    Args:
        codes: one per clip; None has no keys.
        windows: which keys.
    """

    def __init__(self, codes: Sequence[Code | None], windows: Windows) -> None:
        self._windows = windows
        lengths = [0 if code is None else len(code) for code in codes]
        self._begins = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        n_rows = max(1, int(self._begins[-1]) // windows.stride)
        self.key_bits = min(max(n_rows.bit_length(), MIN_KEY_BITS), MAX_KEY_BITS)
        keys, rows = [], []
        for clip, code in enumerate(codes):
            if code is not None:
                for some_keys, some_rows in self._keys_of(code, windows.stride):
                    keys.append(some_keys)
                    rows.append(some_rows + self._begins[clip])
        all_keys = np.concatenate(keys) if keys else np.zeros(0, np.uint32)
        all_rows = np.concatenate(rows) if rows else np.zeros(0, np.int64)
        order = np.argsort(all_keys, kind="stable")
        self._keys = all_keys[order]
        narrow = np.uint32 if self._begins[-1] < 1 << 32 else np.int64
        self._rows = all_rows[order].astype(narrow)

    def _keys_of(self, code: Code, stride: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """``(keys, rows)`` of each window: of rows all of whose bits are known."""
        for number, start in enumerate(range(0, code.n_bits - self.key_bits + 1, self._windows.step)):
            known = _window(code.known[::stride], start, self.key_bits) == (1 << self.key_bits) - 1
            rows = np.flatnonzero(known) * stride
            yield _window(code.signs[rows], start, self.key_bits) | np.uint32(number << MAX_KEY_BITS), rows

    @property
    def nbytes(self) -> int:
        """Memory that the index takes."""
        return self._keys.nbytes + self._rows.nbytes + self._begins.nbytes

    def candidates(self, code: Code | None, skip: Iterable[int] = ()) -> list[tuple[int, int]]:
        """Clips that may share a moment with `code`, most votes first.

        Args:
            code: the query.
            skip: clips to leave out.

        Returns:
            ``(clip, shift)``: row t of the query would be row t + shift of the clip, give or take `SLACK`.
        """
        if code is None or not len(self._keys):
            return []
        probes = []
        for number, (keys, rows) in enumerate(self._keys_of(code, 1)):
            weak = _window(code.weak[rows], number * self._windows.step, self.key_bits)
            probes.append(_flipped(keys, rows, weak))
        keys = np.concatenate([p[0] for p in probes])
        query_rows = np.concatenate([p[1] for p in probes])
        order = np.argsort(keys)  # in order, so that the search walks through memory
        keys, query_rows = keys[order], query_rows[order]
        first = np.searchsorted(self._keys, keys, side="left")
        count = np.searchsorted(self._keys, keys, side="right") - first
        count[count > MAX_POSTINGS] = 0
        places = np.repeat(first - np.cumsum(count) + count, count) + np.arange(count.sum())
        rows = self._rows[places].astype(np.int64)
        clips = np.searchsorted(self._begins, rows, side="right") - 1
        shifts = rows - self._begins[clips] - np.repeat(query_rows, count)
        votes, counts = np.unique((clips << 32) | ((shifts + _HALF) // _BIN), return_counts=True)
        enough = np.flatnonzero(counts >= MIN_VOTES)
        best = enough[np.argsort(-counts[enough], kind="stable")]
        left_out = set(skip)
        found = ((int(vote >> 32), int(vote & (_HALF * 2 - 1)) * _BIN - _HALF + _BIN // 2) for vote in votes[best])
        return [pair for pair in found if pair[0] not in left_out][:MAX_CANDIDATES]


def _window(words: np.ndarray, start: int, n_bits: int) -> np.ndarray:
    """Bits `start` to ``start + n_bits`` of each word."""
    bits: np.ndarray = ((words >> words.dtype.type(start)) & words.dtype.type((1 << n_bits) - 1)).astype(np.uint32)
    return bits


def _flipped(keys: np.ndarray, rows: np.ndarray, weak: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Keys with all combinations of their weak bits flipped, at most `MAX_FLIPS` of them, and their rows."""
    for _ in range(MAX_FLIPS):
        lowest = weak & (~weak + np.uint32(1))
        some = lowest != 0
        keys = np.concatenate([keys, keys[some] ^ lowest[some]])
        rows = np.concatenate([rows, rows[some]])
        rest = weak ^ lowest
        weak = np.concatenate([rest, rest[some]])
    return keys, rows
