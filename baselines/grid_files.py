"""Tables of runs on disk: the CSV and the ranking."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from baselines.cells import Cell, by_modality
from baselines.runs import Run
from baselines.scoring import measures_of
from mertools.config import load_yaml
from mertools.errors import TrainingError
from mertools.files import write_text_atomically
from mertools.tracks import get_track

Ranking = dict[str, list[tuple[str, float | None]]]


def table_of(runs: Mapping[Cell, Run]) -> list[dict[str, Any]]:
    """One row per run: what it was trained on, its out-of-fold scores, and its scores of test splits."""
    modalities = list(by_modality(f for cell in runs for f in cell.features))
    rows = []
    for cell, run in runs.items():
        m = run.metrics
        primary, own = m["primary"], by_modality(cell.features)
        row: dict[str, Any] = {"cell": cell.name}
        row |= {modality: " ".join(own.get(modality, ())) for modality in modalities}
        row |= {"model": m["model"], "n_clips": m["n_clips"], "seeds": len(m["seeds"])}
        row |= {"optimistic": bool(m.get("optimistic")), "metric": primary, "single": m["metrics"][primary]}
        row |= {"low": m["interval"]["low"], "high": m["interval"]["high"]}
        for key in ("ensemble_probabilities", "ensemble_logits", "fold_mean", "fold_spread"):
            row[key] = (m.get(key) or {}).get(primary)
        row |= {f"single_{name}": value for name, value in m["metrics"].items() if name != primary}
        for split, found in m["splits"].items():
            row |= {f"{split}_{name}": value for name, value in found["metrics"].items()}
        rows.append(row)
    return rows


def write_table(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows as CSV, full precision, empty where there is no number."""
    columns = list(dict.fromkeys(key for row in rows for key in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows({k: "" if v is None else v for k, v in row.items()} for row in rows)
    write_text_atomically(path, text.getvalue())


def ranking_of(runs: Sequence[Run], cells: Sequence[Cell]) -> Ranking:
    """Spaces per modality from low to high, by the primary out-of-fold score of their unimodal runs.

    A run without a score comes first; equal scores keep the order of `cells`.
    """
    scores: dict[str, float | None] = {}
    for run, cell in zip(runs, cells, strict=True):
        scores[cell.features[0]] = run.metrics["metrics"][run.metrics["primary"]]
    track = get_track(runs[0].recipe.track) if runs[0].recipe.track else None
    sign = 1.0 if measures_of(runs[0].design.targets, track)[0].metric.higher_is_better else -1.0

    def height(feature: str) -> float:
        value = scores[feature]
        return float("-inf") if value is None else sign * value

    return {
        modality: [(feature, scores[feature]) for feature in sorted(features, key=height)]
        for modality, features in by_modality(scores).items()
    }


def read_ranking(path: Path | str) -> Ranking:
    """Read a ``ranking.yaml``: per modality spaces and their scores, from low to high.

    Raises:
        TrainingError: if it is not one.
        ConfigError: if it is missing or not YAML.
    """
    document = load_yaml(Path(path))
    try:
        return {
            str(modality): [(str(entry["features"]), entry["score"]) for entry in entries]
            for modality, entries in document["ranking"].items()
        }
    except (KeyError, TypeError, AttributeError):
        raise TrainingError(
            "MER-T185", f"{path} is not a ranking.", "Make one with: mertools train --combinations unimodal ..."
        ) from None


def top(ranking: Ranking, n: int) -> list[str]:
    """The `n` best spaces of each modality, the best first.

    Raises:
        TrainingError: if a modality has fewer.
    """
    for modality, found in ranking.items():
        if not 1 <= n <= len(found):
            raise TrainingError(
                "MER-T184", f"the ranking has {len(found)} spaces of {modality}; {n} were asked for.", "Take another N."
            )
    return [feature for found in ranking.values() for feature, _ in reversed(found[-n:])]
