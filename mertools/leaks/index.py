"""An inverted index over short words of codes: which clips may hold the same moment, without comparing all pairs.

A key is a window of 12 to 24 bits of one row, the wider the more rows there are, so that a key stands in about sixteen
rows by chance. Errors gather in moments that noise covers; other moments come through whole, so even a copy with a
third of its bits wrong shares some keys. The query also tries the keys in which its weak bits are flipped. Hits vote
for a clip and a shift; chance hits scatter, hits of a shared moment agree.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from mertools.leaks.bits import Code

MIN_KEY_BITS, MAX_KEY_BITS = 12, 24
ROWS_PER_KEY_LOG2 = 4
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
        self.key_bits = min(max(n_rows.bit_length() - ROWS_PER_KEY_LOG2, MIN_KEY_BITS), MAX_KEY_BITS)
        keys, rows = [np.zeros(0, np.uint32)], [np.zeros(0, np.int64)]
        for clip, code in enumerate(codes):
            if code is not None:
                for some_keys, some_rows in self._keys_of(code, windows.stride):
                    keys.append(some_keys)
                    rows.append(some_rows + self._begins[clip])
        all_keys = np.concatenate(keys)
        # Rows in order of their keys, and where the rows of each key begin: looking a key up is one step.
        narrow = np.uint32 if self._begins[-1] < 1 << 32 else np.int64
        self._rows = np.concatenate(rows).astype(narrow)[np.argsort(all_keys, kind="stable")]
        n_keys = (int(all_keys.max(initial=0)) >> self.key_bits) + 1 << self.key_bits
        self._table = np.concatenate([[0], np.cumsum(np.bincount(all_keys, minlength=n_keys))])

    def _keys_of(self, code: Code, stride: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """``(keys, rows)`` of each window: of rows all of whose bits are known."""
        for number, start in enumerate(range(0, code.n_bits - self.key_bits + 1, self._windows.step)):
            known = _window(code.known[::stride], start, self.key_bits) == (1 << self.key_bits) - 1
            rows = np.flatnonzero(known) * stride
            yield _window(code.signs[rows], start, self.key_bits) | np.uint32(number << self.key_bits), rows

    @property
    def nbytes(self) -> int:
        """Memory that the index takes."""
        return self._rows.nbytes + self._table.nbytes + self._begins.nbytes

    def candidates(self, code: Code | None, skip: Container[int] = ()) -> list[tuple[int, int]]:
        """Clips that may share a moment with `code`, most votes first.

        Args:
            code: the query.
            skip: clips to leave out.

        Returns:
            ``(clip, shift)``: row t of the query would be row t + shift of the clip, give or take `SLACK`.
        """
        if code is None or not len(self._rows):
            return []
        probes = []
        for number, (keys, rows) in enumerate(self._keys_of(code, 1)):
            weak = _window(code.weak[rows], number * self._windows.step, self.key_bits)
            probes.append(_flipped(keys, rows, weak))
        keys = np.concatenate([p[0] for p in probes])
        query_rows = np.concatenate([p[1] for p in probes])
        inside = keys < len(self._table) - 1
        keys, query_rows = keys[inside], query_rows[inside]
        first = self._table[keys]
        count = self._table[keys + 1] - first
        count[count > MAX_POSTINGS] = 0
        places = np.repeat(first - np.cumsum(count) + count, count) + np.arange(count.sum())
        rows, query_rows = self._rows[places].astype(np.int64), np.repeat(query_rows, count)
        rows, query_rows = self._agreeing(rows, query_rows)
        clips = np.searchsorted(self._begins, rows, side="right") - 1
        shifts = rows - self._begins[clips] - query_rows
        votes, best = _most_voted((clips << 32) | ((shifts + _HALF) // _BIN))
        found = ((int(vote >> 32), int(vote & (_HALF * 2 - 1)) * _BIN - _HALF + _BIN // 2) for vote in votes[best])
        return [pair for pair in found if pair[0] not in skip][:MAX_CANDIDATES]

    def _agreeing(self, rows: np.ndarray, query_rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The hits that may matter: most are chance and fall out before the clip of each is looked up."""
        bins = (rows - query_rows + _HALF) // _BIN
        votes, best = _most_voted(bins)
        kept = np.isin(bins, votes[best[: 4 * MAX_CANDIDATES]])
        return rows[kept], query_rows[kept]


def _most_voted(ballots: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distinct ballots, and where those with `MIN_VOTES` or more stand among them, most votes first."""
    votes, counts = np.unique(ballots, return_counts=True)
    enough = np.flatnonzero(counts >= MIN_VOTES)
    return votes, enough[np.argsort(-counts[enough], kind="stable")]


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
