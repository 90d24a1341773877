"""Speed of validating and scoring submissions. ``python benchmarks/scoring.py`` writes results/scoring.json.

Wall and processor seconds, the best of several repeats; on a busy machine compare the processor seconds.
"""

from __future__ import annotations

import json
import os
import platform
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from mertools.labels import MER_EMOTIONS
from mertools.metrics import METRICS, power
from mertools.metrics.intervals import interval, paired_test
from submissions import package, score, validate
from submissions.floors import floors

REPEATS = 5


def best(action: Callable[[], Any]) -> dict[str, float]:
    """Least wall and processor seconds of several repeats."""
    wall, cpu = [], []
    for _ in range(REPEATS):
        start, start_cpu = time.perf_counter(), time.process_time()
        action()
        wall.append(time.perf_counter() - start)
        cpu.append(time.process_time() - start_cpu)
    return {"wall_s": round(min(wall), 4), "cpu_s": round(min(cpu), 4)}


def peak_megabytes(action: Callable[[], Any]) -> float:
    """Most memory that Python and numpy hold at once above what they held before."""
    tracemalloc.start()
    action()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return round(peak / 1e6, 1)


def all_detectable() -> None:
    """What a list of tracks asks for, none of it remembered from before."""
    power._variance.cache_clear()
    for name in METRICS.names():
        power.detectable(name, 411)


def write(path: Path, names: list[str], labels: np.ndarray, valence: np.ndarray | None = None) -> Path:
    """A submission or truth file."""
    header = "name,discrete" + (",valence" if valence is not None else "")
    rest = [""] * len(names) if valence is None else [f",{v:.3f}" for v in valence]
    rows = [f"{n},{MER_EMOTIONS[k]}{r}" for n, k, r in zip(names, labels, rest, strict=True)]
    path.write_text("\n".join([header, *rows, ""]))
    return path


def main() -> None:
    """Measure and write the results."""
    rng = np.random.default_rng(0)
    folder = Path(tempfile.mkdtemp())
    n = 132_171
    names = [f"sample_{i:08d}" for i in rng.permutation(n)]
    large = write(folder / "large.csv", names, rng.integers(0, 6, n), rng.uniform(-5, 5, n))
    bad = folder / "bad.csv"
    bad.write_text(large.read_text().replace("surprise", "Surprise"))
    listed = folder / "candidates.csv"
    listed.write_text("\n".join(["name", *sorted(names), ""]))
    some = names[:20_000]
    true = rng.integers(0, 6, len(some))
    said = [np.where(rng.random(len(some)) < share, true, rng.integers(0, 6, len(some))) for share in (0.7, 0.69)]
    files = [write(folder / f"p{i}.csv", some, labels) for i, labels in enumerate(said)]
    truth = write(folder / "truth.csv", some, true)
    waf, speakers = METRICS.get("waf"), rng.integers(0, 300, len(some))
    first, second = [true, said[0]], [true, said[1]]
    n_frames = 1_000_000
    videos, affect = rng.integers(0, 500, n_frames), rng.normal(size=(n_frames, 2))
    frames = rng.integers(0, 8, n_frames)
    guessed = [np.where(rng.random(n_frames) < 0.5, frames, rng.integers(0, 8, n_frames)) for _ in range(2)]
    expressions = [[frames, labels] for labels in guessed]
    circumplex = [affect, affect + rng.normal(size=affect.shape)]
    units = [rng.integers(0, 2, (n_frames, 12)) for _ in range(2)]
    macro_f1, mean_ccc, au_f1 = (METRICS.get(name) for name in ("macro_f1", "mean_ccc", "au_f1"))
    actions: dict[str, Callable[[], Any]] = {
        # one entry, one line; the emotion wheels have their own benchmark beside this one
        "validate 132171 rows": lambda: validate("mer2023-semi", large),
        "validate 132171 rows against candidates": lambda: validate("mer2023-semi", large, listed),
        "validate 132171 rows, every sixth wrong": lambda: validate("mer2023-semi", bad, listed),
        "package 132171 rows": lambda: package("mer2023-semi", large, folder / "up.csv", candidates=listed),
        "WAF of 20000 rows, 1000 draws of clips": lambda: interval(waf, first),
        "WAF of 20000 rows, 1000 draws of 300 speakers": lambda: interval(waf, first, speakers),
        "paired test of 20000 rows, 9999 swaps of clips": lambda: paired_test(waf, first, second),
        "paired test of 20000 rows, 9999 swaps of 300 speakers": lambda: paired_test(waf, first, second, speakers),
        "macro F1 of 1 M frames, 1000 draws of 500 videos": lambda: interval(macro_f1, expressions[0], videos),
        "mean CCC of 1 M frames, 1000 draws of 500 videos": lambda: interval(mean_ccc, circumplex, videos),
        "F1 of 12 action units, 1 M frames, 1000 draws of 500 videos": lambda: interval(au_f1, units, videos),
        "paired test of 1 M frames, 9999 swaps of 500 videos": lambda: paired_test(macro_f1, *expressions, videos),
        "floors of 20000 rows": lambda: floors(waf, {"classes": (true, said[0])}),
        "smallest detectable difference of all metrics": all_detectable,
        "score 20000 rows": lambda: score("mer2024-semi", files[0], truth),
        "score 20000 rows against another": lambda: score("mer2024-semi", files[0], truth, against=files[1]),
    }
    results = {
        "machine": {"processor": platform.machine(), "cores": os.cpu_count(), "load": round(os.getloadavg()[0], 1)},
        "versions": {"python": platform.python_version(), "numpy": np.__version__},
        "repeats": REPEATS,
        "seconds": {name: best(action) for name, action in actions.items()},
        "peak_megabytes": {name: peak_megabytes(action) for name, action in actions.items() if "1 M frames" in name},
    }
    target = Path(__file__).parent / "results" / "scoring.json"
    target.parent.mkdir(exist_ok=True)
    target.write_text(json.dumps(results, indent=2) + "\n")
    print(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
