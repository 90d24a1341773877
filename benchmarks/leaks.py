"""How the search for shared clips grows: time and memory of the index and of queries, and what it recalls.

Run by hand: ``python benchmarks/leaks.py [--clips N...]``; writes ``benchmarks/results/leaks.json``.

Codes stand in for clips of 5 s: signs of smooth noise, as redundant as those of real clips, made many by flipping fixed
channels and rolling time. Queries are damaged copies (noise of the given strength on the changes, 0.3 s cut off), so
that errors gather in weak bits as they do in real ones. *Recall* counts a copy whose clip and shift the index proposes,
by picture or sound; exact comparison follows. *Query* is one clip, both modalities, with the comparisons it leads to.
Times are processor time of one thread, so that a busy machine measures the same.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
import time
from pathlib import Path

import numpy as np

from mertools.leaks.bits import Code, coded
from mertools.leaks.compare import bound, compare
from mertools.leaks.evidence import required_exponent
from mertools.leaks.index import PICTURE_WINDOWS, SLACK, SOUND_WINDOWS, KeyIndex
from mertools.leaks.signature import Signature

SECONDS = 5.0
N_BASES = 500
N_QUERIES = 100
KINDS = {"picture": (48, 16.0, 12, PICTURE_WINDOWS, 2), "sound": (32, 62.5, 6, SOUND_WINDOWS, 4)}


def main() -> None:
    """Measure and write the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, nargs="+", default=[1000, 10_000, 130_000])
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "leaks.json")
    arguments = parser.parse_args()
    result = {
        "what": "synthetic 5 s clips; see benchmarks/leaks.py",
        "command": "python benchmarks/leaks.py",
        "machine": {"cores": os.cpu_count(), "load_1_min": round(os.getloadavg()[0], 1), "numpy": np.__version__},
        "sizes": [measure(n) for n in arguments.clips],
    }
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result, indent=2))


def measure(n_clips: int) -> dict[str, object]:
    """Index `n_clips` and query it."""
    rng = np.random.default_rng(0)
    changes = {kind: [smooth(rng, kind) for _ in range(N_BASES)] for kind in KINDS}
    codes = {kind: [code(kind, c) for c in changes[kind]] for kind in KINDS}
    for kind in KINDS:
        codes[kind] += [variant(rng, codes[kind][n % N_BASES]) for n in range(n_clips - N_BASES)]
    began = time.process_time()
    indexes = {kind: KeyIndex(codes[kind], KINDS[kind][3]) for kind in KINDS}
    built_s = time.process_time() - began
    signatures = [Signature(str(n), codes["picture"][n], codes["sound"][n]) for n in range(n_clips)]
    needed = required_exponent(float(n_clips) ** 2 * 2 * SECONDS * 62.5 * 11)
    damage = {}
    for strength in (0.7, 1.4, 2.0):
        damage[f"noise {strength}"] = query_all(rng, changes, indexes, signatures, needed, strength)
    held = sum(getattr(c, p).nbytes for kind in KINDS for c in codes[kind] for p in ("signs", "known", "weak"))
    return {
        "clips": n_clips,
        "key_bits": {kind: index.key_bits for kind, index in indexes.items()},
        "index_build_cpu_s": round(built_s, 2),
        "index_mb_per_1000_clips": round(sum(i.nbytes for i in indexes.values()) / 1e3 / n_clips, 2),
        "codes_mb_per_1000_clips": round(held / 1e3 / n_clips, 2),
        "peak_rss_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "required_nats": round(needed, 1),
        "queries": damage,
    }


def query_all(
    rng: np.random.Generator,
    changes: dict[str, list[np.ndarray]],
    indexes: dict[str, KeyIndex],
    signatures: list[Signature],
    needed: float,
    strength: float,
) -> dict[str, float]:
    """Query damaged copies of some clips."""
    n_proposed = n_proven = n_compared = 0
    errors: list[float] = []
    spent_s = 0.0
    for clip in range(N_QUERIES):
        cut, worse = {}, {}
        for kind, (n_bits, rate_hz, *_rest) in KINDS.items():
            cut[kind] = round(0.3 * rate_hz)
            clean = changes[kind][clip][cut[kind] :]
            noisy = clean + strength * clean.std() * rng.normal(size=(len(clean), n_bits))
            errors.append(float((np.sign(noisy) != np.sign(clean)).mean()))
            worse[kind] = code(kind, noisy)
        query = Signature("q", worse["picture"], worse["sound"])
        began = time.process_time()
        proposed = proven = False
        for kind, index in indexes.items():
            for other, shift in index.candidates(worse[kind]):
                if bound(query, signatures[other], kind, shift) < needed:
                    continue
                n_compared += 1
                found = compare(query, signatures[other], kind, shift)
                proposed |= other == clip and abs(shift - cut[kind]) <= SLACK
                proven |= other == clip and found.exponent >= needed
        spent_s += time.process_time() - began
        n_proposed += proposed
        n_proven += proven
    return {
        "error_rate": round(float(np.mean(errors)), 3),
        "recall": n_proposed / N_QUERIES,
        "proven": n_proven / N_QUERIES,
        "query_cpu_ms": round(1e3 * spent_s / N_QUERIES, 1),
        "compared_per_query": n_compared / N_QUERIES,
    }


def smooth(rng: np.random.Generator, kind: str) -> np.ndarray:
    """Changes ``(T, C)`` of one clip."""
    n_bits, rate_hz, _, _, rows = KINDS[kind]
    noise = rng.normal(size=(round(SECONDS * rate_hz) + rows - 1, n_bits))
    return np.stack([np.convolve(channel, np.ones(rows), "valid") for channel in noise.T], axis=1)


def code(kind: str, changes: np.ndarray) -> Code:
    """Their code."""
    return coded(changes, 0.0, KINDS[kind][2], KINDS[kind][1])


def variant(rng: np.random.Generator, of: Code) -> Code:
    """Another clip: fixed channels flipped, time rolled."""
    word = of.signs.dtype.type(rng.integers(1 << of.n_bits, dtype=np.uint64))
    by = int(rng.integers(len(of)))
    return Code(np.roll(of.signs ^ word, by), of.known, np.roll(of.weak, by), of.n_bits, of.rate_hz)


if __name__ == "__main__":
    sys.exit(main())
