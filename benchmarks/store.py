"""Speed of the embedding store, side by side with numpy.memmap, npy per clip and LMDB on the same bytes.

Run by hand: ``python benchmarks/store.py [--folder DIR] [--clips N]``; writes ``benchmarks/results/store.json``.

*Random read*: one clip of 100 x 768 float16 (154 kB) in random order, every byte touched (copied into a fixed array).
``view`` is the same without touching. *Bulk read*: all clips in order of storage, every byte touched; the files are in
the page cache (warm). *Write*: flushed in batches of 64 clips, synced as each store does it. The contenders take turns
within each round; the figure is the median over the rounds. ``numpy.memmap`` is opened once and sliced: the least that
any store on mapped files can take.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

import lmdb
import numpy as np

from mertools.store import SpaceSpec, open_store

SHAPE = (100, 768)
BATCH = 64
Reader = Callable[[int], np.ndarray]


def main() -> None:
    """Measure and write the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, help="where to put the files (default: a temporary folder)")
    parser.add_argument("--clips", type=int, default=3000)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "store.json")
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(dir=arguments.folder))
    try:
        result = measure(folder, arguments.clips, arguments.rounds)
    finally:
        shutil.rmtree(folder)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result, indent=2))


def measure(folder: Path, n_clips: int, n_rounds: int) -> dict[str, object]:
    """All contenders on the same clips."""
    rng = np.random.default_rng(0)
    block = rng.standard_normal((64, *SHAPE)).astype(np.float16)
    clips = [np.ascontiguousarray(np.roll(block[n % 64], n)) for n in range(n_clips)]
    n_bytes = sum(clip.nbytes for clip in clips)
    written = {name: timed(partial(write, folder / name, clips)) for name, write in WRITERS.items()}
    readers = {name: open_reader(folder / name, n_clips) for name, open_reader in READERS.items()}
    target = np.empty(SHAPE, np.float16)
    for read in readers.values():
        for n in (0, n_clips // 2, n_clips - 1):
            assert np.array_equal(read(n), clips[n])
    order = random.Random(1).sample(range(n_clips), n_clips)
    figures: dict[str, dict[str, list[float]]] = {name: {"random": [], "view": [], "bulk": []} for name in readers}
    for turn in range(n_rounds + 1):
        for name, read in readers.items():
            times = {
                "random": timed(partial(touch, read, order, target)) / n_clips * 1e6,
                "view": timed(partial(look, read, order)) / n_clips * 1e6,
                "bulk": n_bytes / timed(partial(touch, read, range(n_clips), target)) / 1e9,
            }
            if turn:  # the first round warms the page cache
                for key, value in times.items():
                    figures[name][key].append(value)
    table = {
        name: {
            "random_read_us": round(statistics.median(one["random"]), 2),
            "random_view_us": round(statistics.median(one["view"]), 2),
            "bulk_read_gb_s": round(statistics.median(one["bulk"]), 2),
            "write_mb_s": round(n_bytes / written[name] / 1e6, 1),
        }
        for name, one in figures.items()
    }
    ours, plain = table["store"], table["memmap"]
    return {
        "what": "100 x 768 float16 clips; warm page cache; medians; see benchmarks/store.py",
        "command": "python benchmarks/store.py",
        "n_clips": n_clips,
        "n_rounds": n_rounds,
        "megabytes": round(n_bytes / 1e6, 1),
        "random_read_against_memmap": round(ours["random_read_us"] / plain["random_read_us"], 2),
        "contenders": table,
        "index": index_figures(folder / "index"),
        "machine": machine(folder),
    }


def timed(work: Callable[[], object]) -> float:
    """Seconds that `work` takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def touch(read: Reader, order: Iterable[int], target: np.ndarray) -> None:
    """Read clips and copy every byte."""
    for n in order:
        np.copyto(target, read(n))


def look(read: Reader, order: Iterable[int]) -> None:
    """Read clips without touching their bytes, where the store allows it."""
    for n in order:
        read(n)


def write_store(folder: Path, clips: list[np.ndarray]) -> None:
    """Ours."""
    times_s = np.arange(SHAPE[0]) / 25
    with open_store(folder, create=True) as store:
        space = store.declare(SpaceSpec("face/bench", "frame", SHAPE[1], 1, {}))
        with store.writer(space) as writer:
            for n, clip in enumerate(clips):
                writer.add(f"clip_{n:06d}", clip, times_s, media="0" * 32)
                if n % BATCH == BATCH - 1:
                    writer.flush()


def read_store(folder: Path, n_clips: int) -> Reader:
    """Ours, through the public interface; checks now and then whether another process has written."""
    store = open_store(folder)
    space = store.space("face/bench")
    names = [f"clip_{n:06d}" for n in range(n_clips)]
    return lambda n: store.read(space, names[n]).values


def write_memmap(folder: Path, clips: list[np.ndarray]) -> None:
    """One flat file."""
    with folder.open("wb") as file:
        for clip in clips:
            file.write(clip)
        file.flush()
        os.fsync(file.fileno())


def read_memmap(folder: Path, n_clips: int) -> Reader:
    """One numpy.memmap over all clips."""
    mapped = np.memmap(folder, np.float16, "r", shape=(n_clips, *SHAPE))
    return lambda n: mapped[n]


def write_npy(folder: Path, clips: list[np.ndarray]) -> None:
    """One npy per clip, as MERTools does it: neither synced nor renamed."""
    folder.mkdir()
    for n, clip in enumerate(clips):
        np.save(folder / f"clip_{n:06d}.npy", clip)


def read_npy(folder: Path, n_clips: int) -> Reader:
    """`numpy.load`."""
    paths = [str(folder / f"clip_{n:06d}.npy") for n in range(n_clips)]
    return lambda n: np.load(paths[n])


def write_lmdb(folder: Path, clips: list[np.ndarray]) -> None:
    """LMDB with its default durability, one transaction per batch."""
    with lmdb.open(str(folder), map_size=4 * sum(clip.nbytes for clip in clips) + (1 << 28)) as database:
        for start in range(0, len(clips), BATCH):
            with database.begin(write=True) as transaction:
                for n, clip in enumerate(clips[start : start + BATCH], start):
                    transaction.put(f"clip_{n:06d}".encode(), clip.tobytes())


def read_lmdb(folder: Path, n_clips: int) -> Reader:
    """A view of LMDB's own pages, within one long transaction."""
    database = lmdb.open(str(folder), readonly=True, lock=False)
    transaction = database.begin(buffers=True)
    names = [f"clip_{n:06d}".encode() for n in range(n_clips)]
    return lambda n: np.frombuffer(transaction.get(names[n]), np.float16).reshape(SHAPE)


WRITERS = {"store": write_store, "memmap": write_memmap, "npy_per_clip": write_npy, "lmdb": write_lmdb}
READERS: dict[str, Callable[[Path, int], Reader]] = {
    "store": read_store,
    "memmap": read_memmap,
    "npy_per_clip": read_npy,
    "lmdb": read_lmdb,
}


def index_figures(folder: Path, n_clips: int = 130_000) -> dict[str, float]:
    """A whole challenge of utterance embeddings: time to write, to open, to read all, size of the index."""
    values, times_s = np.ones((1, 64), np.float32), np.zeros(1)

    def write() -> None:
        with open_store(folder, create=True) as store:
            space = store.declare(SpaceSpec("text/bench", "utterance", 64, 1, {}))
            with store.writer(space) as writer:
                for n in range(n_clips):
                    writer.add(f"clip_{n:06d}", values, times_s)

    def first_rows() -> None:
        with open_store(folder) as store:
            assert len(store.rows("text/bench")) == n_clips

    def everything() -> None:
        with open_store(folder) as store:
            assert len(store.read_all("text/bench")) == n_clips

    def rebuild() -> None:
        with open_store(folder, rebuild=True) as store:
            assert len(store.rows("text/bench")) == n_clips

    return {
        "n_clips": n_clips,
        "write_s": round(timed(write), 2),
        "load_rows_s": round(timed(first_rows), 2),
        "read_all_s": round(timed(everything), 2),
        "rebuild_index_s": round(timed(rebuild), 2),
        "index_mb": round((folder / "index.sqlite").stat().st_size / 1e6, 1),
    }


def machine(folder: Path) -> dict[str, object]:
    """What this was measured on."""
    model = next(
        (line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line),
        platform.processor(),
    )
    from mertools.store.filesystem import file_system_of

    return {
        "cpu": model,
        "cores": os.cpu_count(),
        "load_1_min": round(os.getloadavg()[0], 1),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
        "file_system": file_system_of(folder.resolve(), Path("/proc/self/mounts").read_text().splitlines()),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "numpy": np.__version__,
        "lmdb": ".".join(map(str, lmdb.version())),
        "date": time.strftime("%Y-%m-%d"),
    }


if __name__ == "__main__":
    sys.exit(main())
