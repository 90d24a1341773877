"""`find_shared`: which clips two corpora share."""

from __future__ import annotations

import math
import os
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache

from mertools.corpus import Clip, Corpus
from mertools.errors import ConfigError, MediaError
from mertools.leaks.bits import Code
from mertools.leaks.cache import FOLDER, SignatureCache
from mertools.leaks.compare import SHIFTS_PER_ROW, Comparison, bound, compare
from mertools.leaks.evidence import ALPHA, Repetition, capacity, log_probability, required_exponent
from mertools.leaks.found import SharedClips, SharedPair, Undecidable
from mertools.leaks.index import PICTURE_WINDOWS, SOUND_WINDOWS, KeyIndex
from mertools.leaks.signature import Signature, clip_key, sign
from mertools.media import DecoderPool

DIGEST_BITS = 128
REMEMBERED = 20_000
"""Codes whose repetition is kept in memory while searching (10 kB each)."""

Progress = Callable[[str, int, int], None]


def find_shared(
    a: Corpus,
    b: Corpus,
    *,
    workers: int | None = None,
    timeout_s: float = 60.0,
    cache: bool = True,
    progress: Progress = lambda step, done, total: None,
) -> SharedClips:
    """Find clips that two corpora share, by content: renamed, re-encoded, blurred or drowned in noise as they may be.

    Each clip is decoded once, in a child process, into a signature; an inverted index proposes pairs; what is proposed
    is compared exactly. See `mertools.leaks.evidence` for what counts as proof.

    Args:
        a: a corpus.
        b: another; or the same, which finds clips that it holds twice.
        workers: decoder processes; default: one per core.
        timeout_s: seconds that decoding one clip may take.
        cache: keep signatures in ``leaks-cache`` beside each corpus.
        progress: called with ``(step, clips done, clips of the step)``.

    Raises:
        ConfigError: if `workers` or `timeout_s` is not positive.
        MachineError: if the cache cannot be written or decoder processes do not start.
    """
    if (workers is not None and workers < 1) or not timeout_s > 0:
        raise ConfigError(
            "MER-C380", f"workers is {workers} and timeout {timeout_s:g}.", "Both are numbers greater than 0."
        )
    began = time.monotonic()
    same = a.folder == b.folder
    with DecoderPool(workers or os.cpu_count() or 1, timeout_s, hold_bytes=0) as pool:
        signatures_a = _signatures(a, pool, workers or os.cpu_count() or 1, cache, progress)
        signatures_b = signatures_a if same else _signatures(b, pool, workers or os.cpu_count() or 1, cache, progress)
    search = _Search(a, b, signatures_a, signatures_b)
    return search.run(progress, began)


def _signatures(corpus: Corpus, pool: DecoderPool, workers: int, cache: bool, progress: Progress) -> list[Signature]:
    """Signatures of all clips, in order."""
    kept = SignatureCache(corpus.folder / FOLDER if cache else None)
    done, lock = 0, threading.Lock()

    def signature(clip: Clip) -> Signature:
        nonlocal done
        try:
            key = clip_key(clip, kept.digest)
        except MediaError as error:
            found = Signature("", problems=(f"{error.status}: {error.message}",))
        else:
            known = kept.get(key)
            found = known or sign(pool, clip, key)
            if known is None:
                kept.put(found)
        with lock:
            done += 1
            progress(f"read {corpus.name}", done, len(corpus))
        return found

    try:
        with ThreadPoolExecutor(workers) as threads:
            return list(threads.map(signature, corpus.clips))
    finally:
        kept.flush()


@dataclass(frozen=True)
class _Match:
    """Two clips, by number, and how they compare."""

    a: int
    b: int
    comparison: Comparison
    digest: bool = False


class _Search:
    """One search over signatures that are there."""

    def __init__(self, a: Corpus, b: Corpus, signatures_a: Sequence[Signature], signatures_b: Sequence[Signature]):
        self.a, self.b = a, b
        self.signatures_a, self.signatures_b = signatures_a, signatures_b
        self.same = a.folder == b.folder
        self.n_pairs = len(a) * (len(a) - 1) // 2 if self.same else len(a) * len(b)
        self.repeats = lru_cache(REMEMBERED)(Repetition.of)

    def run(self, progress: Progress, began: float) -> SharedClips:
        indexes = {
            "picture": KeyIndex([s.picture for s in self.signatures_b], PICTURE_WINDOWS),
            "sound": KeyIndex([s.sound for s in self.signatures_b], SOUND_WINDOWS),
        }
        needed = self.required(_longest(self.signatures_a) + _longest(self.signatures_b))
        matches = {(m.a, m.b): m for m in self._digest_matches()}
        strongest_unrelated = 0.0
        for number, signature in enumerate(self.signatures_a):
            for match in self._matches(number, signature, indexes, needed):
                if self._log_probability(match) > math.log(ALPHA):
                    strongest_unrelated = max(strongest_unrelated, match.comparison.exponent)
                else:
                    matches.setdefault((match.a, match.b), match)
            progress("search", number + 1, len(self.signatures_a))
        pairs = [self._pair(m) for _, m in sorted(matches.items())]
        shared = [p for p, (_, m) in zip(pairs, sorted(matches.items()), strict=True) if self._counts(m)]
        heard = [p for p, (_, m) in zip(pairs, sorted(matches.items()), strict=True) if not self._counts(m)]
        return SharedClips(
            corpus_a=self.a.name,
            corpus_b=self.b.name,
            same=self.same,
            clips_a=len(self.a),
            clips_b=len(self.b),
            pairs=tuple(shared),
            sound_only=tuple(heard),
            name_only=self._name_only(shared),
            undecidable=tuple(self._undecidable(needed, {m.a for m in matches.values() if m.digest})),
            required_exponent=needed,
            strongest_unrelated=strongest_unrelated,
            seconds=time.monotonic() - began,
        )

    # -- pairs ---------------------------------------------------------------------------------------------------

    def _digest_matches(self) -> Iterator[_Match]:
        """Clips whose media are equal byte by byte."""
        holders: dict[str, list[int]] = defaultdict(list)
        for number, signature in enumerate(self.signatures_b):
            if signature.key:
                holders[signature.key].append(number)
        for number, signature in enumerate(self.signatures_a):
            for other in holders.get(signature.key, ()):
                if not self.same or number < other:
                    twin = self.signatures_b[other]
                    modality = "picture" if signature.picture is not None else "sound"
                    yield _Match(number, other, compare(signature, twin, modality, 0, self.repeats), digest=True)

    def _matches(
        self, number: int, signature: Signature, indexes: dict[str, KeyIndex], needed: float
    ) -> Iterator[_Match]:
        """The best comparison with each clip that the indexes propose for one clip of A."""
        skip = range(number + 1) if self.same else ()
        best: dict[int, Comparison] = {}
        for modality, index in indexes.items():
            code: Code | None = getattr(signature, modality)
            for other, shift in index.candidates(code, skip):
                twin = self.signatures_b[other]
                if bound(signature, twin, modality, shift) < needed / 2:
                    continue
                found = compare(signature, twin, modality, shift, self.repeats)
                if other not in best or found.exponent > best[other].exponent:
                    best[other] = found
        for other, comparison in best.items():
            yield _Match(number, other, comparison)

    def required(self, n_rows: int) -> float:
        """The exponent that proves a pair of clips of `n_rows` rows together."""
        return required_exponent(self.n_pairs * max(1, n_rows) * SHIFTS_PER_ROW)

    def _log_probability(self, match: _Match) -> float:
        if match.digest:
            return min(0.0, math.log(max(self.n_pairs, 1)) - DIGEST_BITS * math.log(2))
        n_rows = _rows(self.signatures_a[match.a]) + _rows(self.signatures_b[match.b])
        return log_probability(match.comparison.exponent, self.n_pairs * max(1, n_rows) * SHIFTS_PER_ROW)

    def _counts(self, match: _Match) -> bool:
        return match.digest or not match.comparison.sound_only

    def _pair(self, match: _Match) -> SharedPair:
        a, b = self.a.clips[match.a].name, self.b.clips[match.b].name
        return SharedPair(
            a=a,
            b=b,
            picture=match.comparison.picture,
            sound=match.comparison.sound,
            digest=match.digest,
            name=a == b,
            offset_s=match.comparison.offset_s,
            exponent=match.comparison.exponent,
            log_probability=self._log_probability(match),
        )

    # -- the rest ------------------------------------------------------------------------------------------------

    def _name_only(self, shared: Iterable[SharedPair]) -> tuple[str, ...]:
        """Names that both corpora have, of clips that share no content as far as can be told."""
        if self.same:
            return ()
        there = {clip.name for clip in self.b.clips}
        proven = {pair.a for pair in shared if pair.name}
        return tuple(clip.name for clip in self.a.clips if clip.name in there and clip.name not in proven)

    def _undecidable(self, needed: float, settled: set[int]) -> Iterator[Undecidable]:
        """Clips that could not be recognised even if they were shared, and why."""
        sides = [(self.a, self.signatures_a)] + ([] if self.same else [(self.b, self.signatures_b)])
        for corpus, signatures in sides:
            for number, (clip, signature) in enumerate(zip(corpus.clips, signatures, strict=True)):
                proof = sum(capacity(code) for code in (signature.picture, signature.sound))
                if proof < needed and not (corpus is self.a and number in settled):
                    yield Undecidable(corpus.name, clip.name, signature.reason, proof)


def _rows(signature: Signature) -> int:
    return max(0 if code is None else len(code) for code in (signature.picture, signature.sound))


def _longest(signatures: Iterable[Signature]) -> int:
    return max(map(_rows, signatures), default=0)
