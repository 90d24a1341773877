"""Tables of runs: each embedding alone, all combinations of modalities, or the best n of each modality together.

Every cell is an ordinary run folder; what is done is kept, so the same command goes on where it stopped. Which
embedding is better than another is never typed in: ``ranking.yaml`` is made from the out-of-fold scores of the unimodal
runs, not from test splits.

::

    OUT/grid.json       what was asked for, and the features of each cell
    OUT/cells/NAME/     one run folder each
    OUT/table.csv       one row per finished cell
    OUT/ranking.yaml    per modality, from low to high
"""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from baselines.cells import Cell, Combinations, best_of_each, combined, unimodal
from baselines.grid_files import ranking_of, read_ranking, table_of, top, write_table
from baselines.options import split_options
from baselines.plan import make_plan
from baselines.requests import digest_of, read_document, start_folder
from baselines.runs import Run, write_json
from baselines.spaces import find_features
from baselines.training import fusion_model, located, target_names
from mertools.config import dump_yaml, parse_name_specs, to_mapping
from mertools.corpus import CLIPS_FILE, CORPUS_FILE, Corpus
from mertools.errors import TrainingError
from mertools.files import write_text_atomically
from mertools.store import open_store

log = logging.getLogger(__name__)

__all__ = ["Grid", "cells_of", "read_ranking", "top", "train_grid"]

GRID, CELLS, TABLE, RANKING = "grid.json", "cells", "table.csv", "ranking.yaml"


@dataclass(frozen=True)
class Grid:
    """A table of runs.

    Attributes:
        folder: where it lies.
        runs: per cell its run, in the order of the table.
        rows: the table.
        ranking: per modality ``(features, score)``, from low to high.
    """

    folder: Path
    runs: dict[str, Run]
    rows: list[dict[str, Any]]
    ranking: dict[str, list[tuple[str, float | None]]]

    def document(self) -> dict[str, Any]:
        """For JSON."""
        ranking = {m: [{"features": f, "score": s} for f, s in found] for m, found in self.ranking.items()}
        return {"out": str(self.folder), "cells": self.rows, "ranking": ranking}

    def text(self) -> str:
        """For people: the table, then the ranking."""
        metric = next(iter(self.rows))["metric"] if self.rows else ""
        width = max((len(row["cell"]) for row in self.rows), default=4)
        lines = [f"{'out of fold':<{width}}  {metric:>16}  {'ensemble':>9}  {'fold spread':>11}"]
        for row in self.rows:
            numbers = [row[k] for k in ("single", "ensemble_probabilities", "fold_spread")]
            single, ensemble, spread = ("-" if n is None else f"{n:.4f}" for n in numbers)
            mark = "  optimistic" if row["optimistic"] else ""
            lines.append(f"{row['cell']:<{width}}  {single:>16}  {ensemble:>9}  {spread:>11}{mark}")
        for modality, found in self.ranking.items():
            lines.append(f"{modality}, low to high: " + ", ".join(name for name, _ in found))
        return "\n".join([*lines, f"table: {self.folder / TABLE}", f"ranking: {self.folder / RANKING}"])


def train_grid(
    corpus: Corpus,
    features: str | Sequence[str],
    model: str,
    out: Path | str,
    *,
    combinations: str,
    track: str | None = None,
    target: str | Sequence[str] = (),
    **options: Any,
) -> Grid:
    """Train a table of runs; cells that are there already are kept.

    Args:
        corpus: clips, splits and annotations.
        features: spaces, ``NAME[@FINGERPRINT][:key=value...]`` each; the modality is the part before the slash.
        model: a name from `list_models`.
        out: folder of the table; may hold an unfinished one of the same request.
        combinations: ``unimodal``: each space alone; ``all``: also one space of each modality of every set of
            modalities; ``topn:N``: each space alone, then the N best of each modality of every set of at least two.
        track: as for `train`.
        target: as for `train`.
        **options: as for `train`.

    Raises:
        TrainingError: if `out` was made from another request or holds other files, or a space is absent.
        MerToolsError: as `train` does; finished cells are kept.
    """
    from baselines import train

    wanted = Combinations.parse(combinations)
    out, specs = Path(out), [str(spec) for spec in parse_name_specs(features)]
    known = _check(corpus, specs, model, track, target, options)
    alone = unimodal(specs)
    wanted.check(alone)
    cells = alone if wanted.kind != "all" else combined(specs)
    start_folder(out, GRID, known, {"cells": {}})
    (out / CELLS).mkdir(exist_ok=True)
    runs: dict[str, Run] = {}

    def fill(more: Sequence[Cell]) -> None:
        for cell in more:
            folder = out / CELLS / cell.name
            kept = (folder / "metrics.json").is_file()
            log.info("cell %d/%d %s%s", len(runs) + 1, len(cells), cell.name, ": kept" if kept else "")
            if not kept:
                train(corpus, cell.features, model, folder, track=track, target=target, **options)
            runs[cell.name] = _checked(Run.read(folder), cell)
            _note(out, known, runs)

    fill([cell for cell in cells if len(cell.features) == 1])
    ranking = ranking_of([runs[cell.name] for cell in alone], alone)
    if wanted.kind == "topn":
        cells = [*alone, *best_of_each({m: [name for name, _ in found] for m, found in ranking.items()}, wanted.n)]
    fill([cell for cell in cells if cell.name not in runs])
    rows = table_of({cell: runs[cell.name] for cell in cells})
    write_table(out / TABLE, rows)
    first = next(iter(runs.values()))
    document = {
        "metric": first.metrics["primary"],
        "scores": "out of fold, means over seeds; no test split was looked at for this",
        "optimistic": bool(first.metrics.get("optimistic")),
        "ranking": {m: [{"features": f, "score": s} for f, s in found] for m, found in ranking.items()},
    }
    write_text_atomically(out / RANKING, "# From low to high.\n" + dump_yaml(document))
    return Grid(out, {cell.name: runs[cell.name] for cell in cells}, rows, ranking)


def cells_of(folder: Path) -> list[Path]:
    """Run folders of the finished cells of a table; empty if `folder` is no table.

    Raises:
        TrainingError: if its ``grid.json`` is damaged.
    """
    path = Path(folder) / GRID
    if not path.is_file():
        return []
    names = _cells(path)
    return [folder / CELLS / name for name in names if (folder / CELLS / name / "metrics.json").is_file()]


def _check(
    corpus: Corpus, specs: Sequence[str], model: str, track: str | None, target: str | Sequence[str], options: Any
) -> dict[str, Any]:
    """Everything that a cell would refuse later, now; and what was asked for, as plain data."""
    settings, config = split_options(options, model, fusion_model(model))
    settings = located(settings)
    plan = make_plan(corpus, track, target_names(target), settings)
    where = Path(settings.store) if settings.store else corpus.folder / "store"
    with open_store(where, read_only=True) as store:
        find_features(store, specs, corpus.folder)
    return {
        "corpus": corpus.name,
        "clips": digest_of(corpus.folder / CLIPS_FILE),
        "targets": digest_of(corpus.folder / CORPUS_FILE),
        "track": track or "",
        "target": [t.name for t in plan.targets],
        "model": model,
        "options": json.loads(json.dumps({**to_mapping(settings), **config})),
    }


def _note(out: Path, request: dict[str, Any], runs: dict[str, Run]) -> None:
    cells = {name: list(run.recipe.features) for name, run in runs.items()}
    write_json(out / GRID, {"request": request, "cells": cells})


def _checked(run: Run, cell: Cell) -> Run:
    """A run of exactly the cell's features."""
    found, asked = ([spec.name for spec in parse_name_specs(list(f))] for f in (run.recipe.features, cell.features))
    if found != asked:
        raise TrainingError(
            "MER-T181",
            f"{run.folder} was trained on {', '.join(found)}, expected {', '.join(asked)}.",
            "Remove it; it is then trained again.",
        )
    return run


def _cells(path: Path) -> dict[str, Any]:
    cells = read_document(path).get("cells")
    if not isinstance(cells, dict):
        raise TrainingError("MER-T183", f"{path} is not of a table of runs.", "Choose another --out.")
    return cells
