"""``mertools report``: one self-contained page about one or more runs."""

from __future__ import annotations

import argparse
from pathlib import Path

from mertools.cli import Outcome

HELP = "one self-contained HTML page about one or more runs"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the verb."""
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="run folder")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.html", help="page to write")


def run(arguments: argparse.Namespace) -> Outcome:
    """Read the runs and write the page."""
    from mertools.files import write_text_atomically
    from mertools.report import read_run, render

    runs = [read_run(folder) for folder in arguments.runs]
    write_text_atomically(arguments.out, render(runs))
    document = {
        "out": str(arguments.out),
        "runs": [str(folder) for folder in arguments.runs],
        "synthetic": any(run.synthetic for run in runs),
        "not_shown": [gap for run in runs for gap in run.gaps],
    }
    return Outcome(document, "\n".join([f"wrote {arguments.out}", *(f"not shown: {g}" for r in runs for g in r.gaps)]))
