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

from mertools.corpus import Clip, Corpus
from mertools.errors import ConfigError, MediaError
from mertools.leaks.bits import Code
from mertools.leaks.cache import FOLDER, SignatureCache
from mertools.leaks.compare import SHIFTS_PER_ROW, Comparison, bound, compare
from mertools.leaks.evidence import ALPHA, capacity, log_probability, required_exponent
from mertools.leaks.found import SharedClips, SharedPair, Undecidable
from mertools.leaks.index import PICTURE_WINDOWS, SOUND_WINDOWS, KeyIndex
from mertools.leaks.signature import Signature, clip_key, sign
from mertools.media import DecoderPool

DIGEST_BITS = 128
"""Length of a media digest: two different files share one with probability 2^-128."""

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
    if workers is not None and workers < 1:
        raise ConfigError("MER-C380", f"{workers} decoder processes were asked for.", "Ask for 1 or more.")
    if not timeout_s > 0:
        raise ConfigError("MER-C380", f"a time limit of {timeout_s:g} s was asked for.", "Ask for more than 0 s.")
    began = time.monotonic()
    n_workers = workers or os.cpu_count() or 1
    caches = [SignatureCache(corpus.folder / FOLDER if cache else None) for corpus in (a, b)]
    with DecoderPool(n_workers, timeout_s, hold_bytes=0) as pool:
        signatures_a = _signatures(a, pool, n_workers, caches[0], progress)
        signatures_b = signatures_a if a.folder == b.folder else _signatures(b, pool, n_workers, caches[1], progress)
    return _Search(a, b, signatures_a, signatures_b).run(progress, began, n_workers)


def _signatures(
    corpus: Corpus, pool: DecoderPool, workers: int, kept: SignatureCache, progress: Progress
) -> list[Signature]:
    """Signatures of all clips, in order."""
    done, lock = 0, threading.Lock()

    def signature(clip: Clip) -> Signature:
        nonlocal done
        found = _signature(clip, pool, kept)
        with lock:
            done += 1
            progress(f"read {corpus.name}", done, len(corpus))
        return found

    threads = ThreadPoolExecutor(workers)
    try:
        return list(threads.map(signature, corpus.clips))
    finally:
        threads.shutdown(cancel_futures=True)  # an interruption does not wait for all the clips to come
        kept.flush()


def _signature(clip: Clip, pool: DecoderPool, kept: SignatureCache) -> Signature:
    if clip.sound is None:
        return Signature("", problems=("the clip has neither video nor audio",))
    try:
        key = clip_key(clip, kept.digest)
    except MediaError as error:
        return Signature("", problems=(f"{error.status}: {error.message}",))
    known = kept.get(key)
    if known is not None:
        return known
    signature = sign(pool, clip, key)
    kept.put(signature)
    return signature


@dataclass(frozen=True)
class _Match:
    """Two clips, by number, and how they compare."""

    a: int
    b: int
    comparison: Comparison
    digest: bool = False

    @property
    def counts(self) -> bool:
        """Whether it is a shared clip, not merely a shared sound."""
        return self.digest or not self.comparison.sound_only


class _Search:
    """One search over signatures that are there."""

    def __init__(self, a: Corpus, b: Corpus, signatures_a: Sequence[Signature], signatures_b: Sequence[Signature]):
        self.a, self.b = a, b
        self.signatures_a, self.signatures_b = signatures_a, signatures_b
        self.same = a.folder == b.folder
        self.n_pairs = len(a) * (len(a) - 1) // 2 if self.same else len(a) * len(b)

    def run(self, progress: Progress, began: float, n_workers: int) -> SharedClips:
        """Propose, compare, decide."""
        indexes = {
            "picture": KeyIndex([s.picture for s in self.signatures_b], PICTURE_WINDOWS),
            "sound": KeyIndex([s.sound for s in self.signatures_b], SOUND_WINDOWS),
        }
        needed = self.required(_longest(self.signatures_a) + _longest(self.signatures_b))
        matches = {(m.a, m.b): m for m in self._digest_matches()}
        strongest_unrelated = 0.0
        for number, proposed in enumerate(self._proposed(indexes, needed, n_workers)):
            for match in proposed:
                if self._log_probability(match) > math.log(ALPHA):
                    strongest_unrelated = max(strongest_unrelated, match.comparison.exponent)
                else:
                    matches.setdefault((match.a, match.b), match)
            progress("search", number + 1, len(self.signatures_a))
        in_order = [match for _, match in sorted(matches.items())]
        shared = tuple(self._pair(match) for match in in_order if match.counts)
        return SharedClips(
            corpus_a=self.a.name,
            corpus_b=self.b.name,
            same=self.same,
            clips_a=len(self.a),
            clips_b=len(self.b),
            pairs=shared,
            sound_only=tuple(self._pair(match) for match in in_order if not match.counts),
            name_only=self._name_only(shared),
            undecidable=tuple(self._undecidable(needed, set(matches))),
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
                    yield _Match(number, other, compare(signature, twin, modality, 0), digest=True)

    def _proposed(self, indexes: dict[str, KeyIndex], needed: float, n_workers: int) -> Iterator[list[_Match]]:
        """For each clip of A in turn, its comparisons with the clips of B that the indexes propose."""
        threads = ThreadPoolExecutor(n_workers)  # sorting and looking up leave the interpreter's lock
        try:
            yield from threads.map(lambda n: self._matches(n, indexes, needed), range(len(self.signatures_a)))
        finally:
            threads.shutdown(cancel_futures=True)

    def _matches(self, number: int, indexes: dict[str, KeyIndex], needed: float) -> list[_Match]:
        """The best comparison of one clip of A with each clip that the indexes propose."""
        signature = self.signatures_a[number]
        skip = range(number + 1) if self.same else ()
        best: dict[int, Comparison] = {}
        for modality, index in indexes.items():
            code: Code | None = getattr(signature, modality)
            for other, shift in index.candidates(code, skip):
                twin = self.signatures_b[other]
                if bound(signature, twin, modality, shift) < needed:
                    continue
                found = compare(signature, twin, modality, shift)
                if other not in best or found.exponent > best[other].exponent:
                    best[other] = found
        return [_Match(number, other, comparison) for other, comparison in best.items()]

    def required(self, n_rows: int) -> float:
        """The exponent that proves a pair of clips of `n_rows` rows together."""
        return required_exponent(self.n_pairs * max(1, n_rows) * SHIFTS_PER_ROW)

    def _log_probability(self, match: _Match) -> float:
        if match.digest:
            return min(0.0, math.log(max(self.n_pairs, 1)) - DIGEST_BITS * math.log(2))
        n_rows = _rows(self.signatures_a[match.a]) + _rows(self.signatures_b[match.b])
        return log_probability(match.comparison.exponent, self.n_pairs * max(1, n_rows) * SHIFTS_PER_ROW)

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

    def _undecidable(self, needed: float, found: set[tuple[int, int]]) -> Iterator[Undecidable]:
        """Clips that a damaged copy could not be recognised by, or that are broken, unless found all the same."""
        settled_a, settled_b = {a for a, _ in found}, {b for _, b in found}
        sides = [(self.a, self.signatures_a, settled_a), (self.b, self.signatures_b, settled_b)]
        if self.same:
            sides = [(self.a, self.signatures_a, settled_a | settled_b)]
        for corpus, signatures, settled in sides:
            for number, (clip, signature) in enumerate(zip(corpus.clips, signatures, strict=True)):
                proof = capacity(signature.picture, "picture") + capacity(signature.sound, "sound")
                if (proof < needed or signature.problems) and number not in settled:
                    yield Undecidable(corpus.name, clip.name, signature.reason, proof)


def _rows(signature: Signature) -> int:
    return max(0 if code is None else len(code) for code in (signature.picture, signature.sound))


def _longest(signatures: Iterable[Signature]) -> int:
    return max(map(_rows, signatures), default=0)
