"""Hashed counts of words and of character n-grams: text without weights, in any script, and without anything fitted.

Nothing is learnt from a corpus (no vocabulary, no document frequencies), so the rows of a training clip and of a test
clip cannot know of each other; a model that wants weighting fits it on its own training part.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from feature_extractors import EXTRACTORS
from feature_extractors.base import Extractor, Level, Rows, TextConfig, TooShortError
from mertools.errors import ExtractionError

# One token: a run of letters and digits of an alphabet, a single ideograph or kana, or a single mark ("!" is emotion).
_IDEOGRAPH = "\u3005\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003134f"
_TOKEN = re.compile(rf"[{_IDEOGRAPH}]|(?:(?![{_IDEOGRAPH}])\w)+(?:'(?:(?![{_IDEOGRAPH}])\w)+)*|[^\w\s]")


@dataclass(frozen=True)
class NgramConfig(TextConfig):
    """Options of `Ngram`.

    Attributes:
        size: dimensions that n-grams are hashed into.
        words: longest run of words (of ideographs in Chinese) that counts.
        shortest: shortest character n-gram inside a word with its edges marked.
        longest: longest character n-gram.
    """

    size: int = 2048
    words: int = 2
    shortest: int = 3
    longest: int = 5


@EXTRACTORS.register(
    "text/ngram",
    summary="hashed counts of words and character n-grams; nothing fitted, any language; needs no weights",
    dim=2048,
    rate_hz=None,
    hub_id="",
    padding_invariant=True,
    trained_on=[],
    defaults={},
)
class Ngram(Extractor[str]):
    """Signed hashed counts, damped by a logarithm, of unit length: one row per text, or one per token."""

    modality = "text"
    Config = NgramConfig
    utterance = "own"
    batch_cost = 1e6
    config: NgramConfig

    def __init__(self, name: str, config: NgramConfig, facts: dict[str, Any]) -> None:
        super().__init__(name, config, facts)
        if config.size < 16 or config.words < 1 or not 1 <= config.shortest <= config.longest:
            raise ExtractionError(
                "MER-E101",
                f"{name}: size={config.size}, words={config.words}, shortest={config.shortest}, "
                f"longest={config.longest} is out of range.",
                "Expected size >= 16, words >= 1 and 1 <= shortest <= longest.",
            )

    @property
    def dim(self) -> int:
        """`size`."""
        return self.config.size

    @property
    def padding_invariant(self) -> bool:
        """Every text is computed on its own."""
        return True

    def cost(self, length: int) -> float:
        """Characters."""
        return float(length)

    def embed(self, batch: Sequence[str], level: Level) -> list[Rows]:
        """One row per text (``utterance``), or one per token with what begins at it (``frame``); rows have no time."""
        return [self._rows(text, level) for text in batch]

    def _rows(self, text: str, level: Level) -> Rows:
        tokens = tokens_of(text)
        if not tokens:
            raise TooShortError("the text has no word and no mark")
        places = [list(self._ngrams(tokens, place)) for place in range(len(tokens))]
        if level == "utterance":
            places = [[ngram for place in places for ngram in place]]
        values = np.stack([self._count(ngrams) for ngrams in places])
        return Rows(values, np.full(len(values), np.nan))

    def _ngrams(self, tokens: Sequence[str], place: int) -> Iterator[str]:
        """N-grams that begin at a token; the first letter keeps words and characters apart."""
        for n in range(1, self.config.words + 1):
            if place + n <= len(tokens):
                yield "w" + " ".join(tokens[place : place + n])
        word = f"\u2402{tokens[place]}\u2403"
        if len(tokens[place]) > 1:
            for n in range(self.config.shortest, min(self.config.longest, len(word)) + 1):
                yield from ("c" + word[i : i + n] for i in range(len(word) - n + 1))

    def _count(self, ngrams: Sequence[str]) -> np.ndarray:
        row = np.zeros(self.config.size)
        for ngram, count in Counter(ngrams).items():
            place, sign = _hashed(ngram)
            row[place % self.config.size] += sign * (1.0 + np.log(count))
        length = np.linalg.norm(row)
        return (row / length if length > 0 else row).astype(np.float32)


def tokens_of(text: str) -> list[str]:
    """Words of an alphabet, single ideographs and single marks of a text, width, case and apostrophes made alike.

    Example:
        >>> tokens_of("I'm OK！你好")
        ["i'm", 'ok', '!', '你', '好']
    """
    return _TOKEN.findall(unicodedata.normalize("NFKC", text).replace("\u2019", "'").casefold())


@lru_cache(maxsize=1 << 17)
def _hashed(ngram: str) -> tuple[int, int]:
    """Place and sign of an n-gram: the same on every machine and in every run."""
    digest = int.from_bytes(hashlib.blake2b(ngram.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")
    return digest >> 1, 1 if digest & 1 else -1
