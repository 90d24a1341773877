"""Tokens with times to words with times."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass

UNSPACED = frozenset({"zh", "ja", "th", "lo", "my", "yue"})
"""Languages written without spaces: each character is a word of its own."""


@dataclass(frozen=True)
class Word:
    """One word as spoken.

    Attributes:
        text: without the spaces around it; punctuation stays with the word before it.
        start_s: seconds from the beginning of the clip.
        end_s: seconds from the beginning of the clip.
    """

    text: str
    start_s: float
    end_s: float


def words_of(
    tokens: Sequence[int], times_s: Sequence[float], end_s: float, decode: Callable[[Sequence[int]], str], language: str
) -> list[Word]:
    """Group tokens into words.

    Args:
        tokens: of the text alone, no special ones.
        times_s: when each begins.
        end_s: when the last one ends.
        decode: gives the text of tokens; a part of a character gives U+FFFD.
        language: code; decides whether spaces part words.
    """
    pieces: list[tuple[str, float]] = []
    waiting: list[int] = []
    begin_s = 0.0
    for token, time_s in zip(tokens, times_s, strict=True):
        begin_s = begin_s if waiting else time_s
        waiting.append(token)
        text = decode(waiting)
        if "\ufffd" not in text:  # else a character that goes on in the next token
            pieces.append((text, begin_s))
            waiting = []
    if waiting:
        pieces.append((decode(waiting), begin_s))
    joined: list[tuple[str, float]] = []
    for text, time_s in pieces:
        opens = text.startswith(" ") or (language in UNSPACED and not _is_punctuation(text))
        if joined and not opens:
            joined[-1] = (joined[-1][0] + text, joined[-1][1])
        else:
            joined.append((text, time_s))
    ends = [time_s for _, time_s in joined[1:]] + [end_s] * bool(joined)
    return [
        Word(text.strip(), time_s, max(end, time_s))
        for (text, time_s), end in zip(joined, ends, strict=True)
        if text.strip()
    ]


def _is_punctuation(text: str) -> bool:
    return all(unicodedata.category(letter)[0] in "PZ" for letter in text)
