"""Asks for the groups of many clips one at a time; run by a test as a process that is killed in the middle."""

import sys
from pathlib import Path

from mertools.wheels.endpoint import Endpoint, ask_groups

if __name__ == "__main__":
    url, folder, n = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    names = [f"clip_{i}" for i in range(n)]
    ask_groups(
        names,
        [(f"apple{i}", "axe") for i in range(n)],
        [("bad",)] * n,
        endpoint=Endpoint(url, "tiny", "secret-key"),
        store=folder,
        runs=1,
        workers=1,
        ask=True,
    )
