"""``mertools report``: runs beside each other and beside published numbers, as text and as one self-contained page."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mertools.cli import Outcome
from mertools.errors import ConfigError

if TYPE_CHECKING:
    from mertools.report import RunFacts

HELP = "runs side by side, compared, and beside published numbers; one self-contained HTML page with --out"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the verb."""
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="run folder, or a folder of --combinations")
    parser.add_argument("--out", type=Path, metavar="FILE.html", help="page to write")
    parser.add_argument("--compare", action="store_true", help="test the differences (same clips and folds needed)")
    parser.add_argument(
        "--metric", metavar="NAME", default="", help="compare by this metric (default: the primary one)"
    )
    parser.add_argument("--margin", type=float, metavar="M", help="also test: not worse by M or more")
    parser.add_argument("--reference", type=Path, metavar="RUN", help="compare each of the others with this run only")
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
    """Read the runs, compare them if asked, and write the page."""
    from baselines.grid import cells_of
    from mertools.files import write_text_atomically
    from mertools.report import read_run, render

    wishes = [f"--{name}" for name in ("metric", "margin", "reference") if getattr(arguments, name) not in ("", None)]
    if wishes and not arguments.compare:
        raise ConfigError("MER-R130", f"{', '.join(wishes)} without --compare does nothing.", "Add --compare.")
    folders = [folder for given in arguments.runs for folder in cells_of(given) or [given]]
    tables = [_robustness(folder, arguments) for folder in folders] if arguments.robustness else []
    runs = [read_run(folder) for folder in folders]
    comparison = _compared(folders, arguments) if arguments.compare else None
    published = _published(runs)
    document: dict[str, Any] = {
        "out": str(arguments.out) if arguments.out else None,
        "runs": [str(folder) for folder in folders],
        "synthetic": any(run.synthetic for run in runs),
        "published": published,
        "comparison": comparison,
        "robustness": {str(run.folder): run.robustness for run in runs if run.robustness},
        "not_shown": [gap for run in runs for gap in run.gaps],
    }
    text = [side_by_side(runs)]
    if comparison:
        text += ["", compared_text(comparison)]
    text += [""] * bool(any(published.values())) + _published_text(published)
    text += [line for table in tables for line in ("", table)]
    if arguments.out:
        write_text_atomically(arguments.out, render(runs, comparison=comparison, published=published))
        text += ["", f"wrote {arguments.out}", *(f"not shown: {gap}" for run in runs for gap in run.gaps)]
    return Outcome(document, "\n".join(text))


def side_by_side(runs: Sequence[RunFacts]) -> str:
    """One line per run, out of fold; without any claim about differences."""
    head = ("run", "model", "seeds", "metric", "single", "ensemble", "of logits", "fold spread")
    rows = [head]
    for run in runs:
        m, primary = run.metrics, run.metrics.get("primary", "")
        numbers = [
            (m.get(key) or {}).get(primary)
            for key in ("metrics", "ensemble_probabilities", "ensemble_logits", "fold_spread")
        ]
        marks = " [synthetic]" * run.synthetic + " [optimistic]" * bool(m.get("optimistic"))
        rows.append((run.title + marks, m["model"], str(len(m.get("seeds", ()))), primary, *map(_number, numbers)))
    return "\n".join([*_columns(rows, left=(0, 1, 3)), "Fold spread is no standard error."])


def compared_text(found: Mapping[str, Any]) -> str:
    """A comparison for people."""
    better = "higher" if found["higher_is_better"] else "lower"
    lines = [f"{found['metric']} ({better} is better) of {found['n_clips']} clips, out of fold, means over seeds"]
    with_margin = found["pairs"][0]["margin"] is not None
    rows: list[tuple[str, ...]] = [
        ("first - second", "difference", "low", "high", "p", "p (Holm)", *(["not inferior"] if with_margin else []))
    ]
    for pair in found["pairs"]:
        said = "yes" if pair["not_inferior"] else "not shown"
        rows.append(
            (
                f"{pair['first']} - {pair['second']}",
                *(_number(pair[key]) for key in ("value", "low", "high", "p", "p_adjusted")),
                *([f"{said} (p {_number(pair['p_not_inferior'])}, margin {pair['margin']:g})"] if with_margin else []),
            )
        )
    lines += _columns(rows, left=(0,))
    lines.append(
        f"95 % intervals resample {found['n_groups']} groups by {found['unit']} and the seeds of each run; "
        f"p adjusted over {len(found['pairs'])} comparison{'s' * (len(found['pairs']) > 1)}"
    )
    return "\n".join([*lines, *(f"warning: {warning}" for warning in found["warnings"])])


def _compared(folders: Sequence[Path], arguments: argparse.Namespace) -> dict[str, Any]:
    from baselines.comparison import compare

    found = compare(folders, metric=arguments.metric, margin=arguments.margin, reference=arguments.reference).document()
    return dict(found)


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


def _published(runs: Sequence[RunFacts]) -> dict[str, list[dict[str, Any]]]:
    """Per folder of a run the published rows of the same features, model and track."""
    from dataclasses import asdict

    from baselines.published import beside

    return {str(run.folder): [asdict(row) for row in beside(run.metrics, run.recipe)] for run in runs}


def _published_text(published: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[str]:
    from baselines.published import Beside, as_text

    return [as_text(Beside(**row), folder) for folder, rows in published.items() for row in rows]


def _columns(rows: Sequence[Sequence[str]], *, left: Sequence[int]) -> list[str]:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return [
        "  ".join(
            f"{cell:<{w}}" if i in left else f"{cell:>{w}}" for i, (cell, w) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"
