"""Speed of the emotion-wheel score. ``python benchmarks/wheels.py [--wheels DIR]`` writes results/wheels.json.

Wall and processor seconds, the best of several repeats; on a busy machine compare the processor seconds. Without
``--wheels`` five wheels of the official size are made of made-up words. ``--example`` adds how well scores of 50 made
systems by the built-in wheels agree with those by the tables of ``--wheels``.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from mertools.metrics import METRICS
from mertools.metrics.intervals import interval
from mertools.metrics.wheel import wheel_rows
from mertools.openset import format_words, read_column
from mertools.wheels import Groups, Wheel, Wheels
from mertools.wheels.official import read_folder

REPEATS = 5
N_CLIPS = 20_000
N_FORMS = 7_386
FINALS = ("ew2025_f1", "ew2026_level1_f1")


def main() -> None:
    """Measure and write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--wheels", type=Path, help="folder of official tables")
    parser.add_argument("--example", type=Path, help="MER2024's ov_store: how the built-in wheels agree with --wheels")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "wheels.json")
    arguments = parser.parse_args()
    wheels = made_wheels() if arguments.wheels is None else Wheels.read(arguments.wheels)
    names = [f"clip_{n:05d}" for n in range(N_CLIPS)]
    truth, said = (cells(list(wheels.forms), names, seed) for seed in (0, 1))
    columns = [read_column(side, names) for side in (truth, said)]
    score = METRICS.get("ew2025_f1").bind(wheels=wheels)
    actions: dict[str, Callable[[], Any]] = {
        "parse 2 x 20000 cells": lambda: [read_column(side, names) for side in (truth, said)],
        "EW of 20000 clips, five wheels, both levels": lambda: score(*columns),
        "the same, first time after reading the tables": lambda: wheel_rows(*columns, wheels=forgetful(wheels)),
        "interval of EW, 1000 draws of clips": lambda: interval(score, columns),
        "groups without a language model, 20000 clips": lambda: Groups.offline(names, *columns, wheels),
        "built-in wheels, read": first_builtin,
    }
    if arguments.wheels is not None:
        actions["official tables, read"] = lambda: first_read(arguments.wheels)
    result: dict[str, Any] = {
        "command": "python benchmarks/wheels.py [--wheels DIR] [--example DIR]",
        "wheels": wheels.label,
        "n_clips": N_CLIPS,
        "words_per_clip": round(sum(map(len, columns[1])) / N_CLIPS, 2),
        "distinct_words": len({word for row in columns[1] for word in row}),
        "repeats": REPEATS,
        "seconds": {name: best(action) for name, action in actions.items()},
        "machine": machine(),
    }
    if arguments.example is not None and arguments.wheels is not None:
        result["agreement"] = agreement(arguments.example, wheels)
    arguments.out.parent.mkdir(exist_ok=True)
    arguments.out.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result, indent=2))


def best(action: Callable[[], Any]) -> dict[str, float]:
    """Least wall and processor seconds of several repeats."""
    wall, cpu = [], []
    for _ in range(REPEATS):
        start, start_cpu = time.perf_counter(), time.process_time()
        action()
        wall.append(time.perf_counter() - start)
        cpu.append(time.process_time() - start_cpu)
    return {"wall_s": round(min(wall), 4), "cpu_s": round(min(cpu), 4)}


def cells(forms: list[str], names: list[str], seed: int) -> dict[str, str]:
    """One to eight random words per clip, one of ten unknown."""
    rng = np.random.default_rng(seed)
    words = np.array([*forms, *(f"unknown{n}" for n in range(len(forms) // 9))])
    return {name: format_words(rng.choice(words, rng.integers(1, 9))) for name in names}


def made_wheels() -> Wheels:
    """Five wheels of 6 and 48 clusters, and as many forms as the official tables have."""
    rng = np.random.default_rng(0)
    wheels = tuple(
        Wheel.from_rows(f"wheel{w}", [(f"a{n // 8}", f"b{n}", f"leaf{n}w{w}") for n in range(48)]) for w in range(5)
    )
    labels = [list(wheel.level1) for wheel in wheels]
    forms = {f"word{n}": (f"word{n}",) for n in range(N_FORMS)}
    places = {form: tuple(str(rng.choice(some)) if rng.random() < 0.6 else None for some in labels) for form in forms}
    return Wheels(wheels, forms, forms, places, "unknown", "made up")


def agreement(folder: Path, official: Wheels) -> dict[str, object]:
    """Official and built-in scores of 50 made systems: words kept at one rate, random words added at another."""
    from scipy.stats import spearmanr

    sides = []
    for file in ("check", "predict"):
        with (folder / f"{file}-openset.csv").open() as opened:
            sides.append({row["name"]: row["openset"] for row in csv.DictReader(opened)})
    names = sorted(sides[0])
    truth, said = (read_column(side, names) for side in sides)
    pool = np.array(sorted({word for row in (*truth, *said) for word in row}))
    found: dict[str, object] = {"n_clips": len(names)}
    for spread, (keep, more) in {"wide": ((0, 1), (0, 3)), "narrow": ((0.35, 0.65), (0.5, 1.5))}.items():
        rng = np.random.default_rng(0)
        scores = []
        for _ in range(50):
            kept, extra, source = rng.uniform(*keep), rng.uniform(*more), truth if rng.random() < 0.5 else said
            rows = [(*(w for w in row if rng.random() < kept), *rng.choice(pool, rng.poisson(extra))) for row in source]
            made = np.empty(len(rows), dtype=object)
            made[:] = rows
            both = (official, Wheels.builtin())
            scores.append([[METRICS.get(m).bind(wheels=w)(truth, made) for w in both] for m in FINALS])
        for metric, (theirs, ours) in zip(FINALS, np.array(scores).transpose(1, 2, 0), strict=True):
            found[f"{metric}, {spread}"] = {
                "spearman": round(float(spearmanr(theirs, ours)[0]), 4),
                "mean_absolute_difference": round(float(np.abs(theirs - ours).mean()), 4),
                "official_range": [round(float(theirs.min()), 3), round(float(theirs.max()), 3)],
            }
    return found


def forgetful(wheels: Wheels) -> Wheels:
    """The same tables with nothing worked out yet."""
    return Wheels(wheels.wheels, wheels.forms, wheels.synonyms, wheels.places, wheels.edition, wheels.label)


def first_read(folder: Path) -> Wheels:
    """Tables read as in a fresh process."""
    from mertools.wheels import official

    official._read.cache_clear()
    return read_folder(folder)


def first_builtin() -> Wheels:
    """Built-in tables made as in a fresh process."""
    from mertools.wheels.builtin import builtin_wheels

    builtin_wheels.cache_clear()
    return builtin_wheels()


def machine() -> dict[str, object]:
    """What this was measured on."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    model = next((line.split(":")[1].strip() for line in lines if "model name" in line), platform.processor())
    return {
        "cpu": model,
        "cores": os.cpu_count(),
        "load_1_min": round(os.getloadavg()[0], 1),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "numpy": np.__version__,
        "date": time.strftime("%Y-%m-%d"),
    }


if __name__ == "__main__":
    main()
