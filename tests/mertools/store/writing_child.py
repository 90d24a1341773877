"""A process that writes to a store until it is killed: ``writing_child.py STORE TAG [FSIZE]``.

After each flush it prints the names that are now durable. With FSIZE no file may grow beyond that many bytes.
"""

from __future__ import annotations

import itertools
import resource
import sys
from pathlib import Path

import numpy as np

from mertools.errors import MachineError
from mertools.store import SpaceSpec, open_store

SPEC = SpaceSpec("audio/prosody", "frame", 16, 1, {})


def values_of(clip: str) -> np.ndarray:
    """What a clip's embedding must be: everybody can compute it from the name."""
    rng = np.random.default_rng(list(clip.encode()))
    return rng.standard_normal((rng.integers(1, 200), 16)).astype(np.float32)


def main(folder: Path, tag: str, fsize: int) -> None:
    store = open_store(folder, create=True)
    writer = store.writer(store.declare(SPEC))
    if fsize:
        resource.setrlimit(resource.RLIMIT_FSIZE, (fsize, resource.RLIM_INFINITY))
    pending: list[str] = []
    for n in itertools.count():
        clip = f"{tag}_{n}"
        if n % 7 == 6:
            writer.fail(clip, "silent", "by rule")
        else:
            writer.add(clip, values := values_of(clip), np.arange(len(values)) / 100)
        pending.append(clip)
        if len(pending) == 8 << (n // 400 if fsize else 0):
            try:
                writer.flush()
            except MachineError as error:
                print(error.code, flush=True)
                resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
                writer.flush()
                print(*pending, "again", flush=True)
                return
            print(*pending, flush=True)
            pending = []


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]) if len(sys.argv) > 3 else 0)
