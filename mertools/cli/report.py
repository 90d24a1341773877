"""``mertools report``: one self-contained page about one or more runs."""

from __future__ import annotations

import argparse
from pathlib import Path

from mertools.cli import Outcome, say

HELP = "one self-contained HTML page about one or more runs"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the verb."""
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="run folder")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.html", help="page to write")
    parser.add_argument(
        "--robustness",
        nargs="+",
        type=Path,
        metavar="DIR",
        help="corrupted versions of the training corpus (`mertools corrupt`): score the run out of fold under each",
    )
    parser.add_argument("--corpus", type=Path, metavar="DIR", help="with --robustness: the corpus, if it has moved")
    parser.add_argument(
        "--store", type=Path, metavar="DIR", help="with --robustness: its store, if not CORPUS_DIR/store"
    )


def run(arguments: argparse.Namespace) -> Outcome:
    """Read the runs and write the page."""
    from mertools.files import write_text_atomically
    from mertools.report import read_run, render

    if arguments.robustness:
        for folder in arguments.runs:
            say(_robustness(folder, arguments))
    runs = [read_run(folder) for folder in arguments.runs]
    write_text_atomically(arguments.out, render(runs))
    document = {
        "out": str(arguments.out),
        "runs": [str(folder) for folder in arguments.runs],
        "synthetic": any(run.synthetic for run in runs),
        "robustness": {str(run.folder): run.robustness for run in runs if run.robustness},
        "not_shown": [gap for run in runs for gap in run.gaps],
    }
    return Outcome(document, "\n".join([f"wrote {arguments.out}", *(f"not shown: {g}" for r in runs for g in r.gaps)]))


def _robustness(folder: Path, arguments: argparse.Namespace) -> str:
    """Score a run under corrupted corpora, keep that in its folder, and show it as a table."""
    from baselines.robustness import robustness, text
    from baselines.runs import Run, write_json
    from mertools.corpus import Corpus
    from mertools.report.facts import ROBUSTNESS

    run = Run.read(folder)
    corpus = Corpus.read(arguments.corpus or run.recipe.corpus)
    store = arguments.store or (run.recipe.options or {}).get("store") or None
    found = robustness(run, corpus, arguments.robustness, store=store)
    write_json(folder / ROBUSTNESS, found)
    return f"{folder}\n{text(found)}"
