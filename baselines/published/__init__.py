"""Published baselines as data: tables of numbers, rank lists and protocols, and which stand beside a run of ours.

One YAML file per edition; ``names.yaml`` maps the names that papers use to names of extractors. A number is shown
beside a run only if features, model and track are the same, and whatever else differs is said next to it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from mertools.config import from_mapping, load_yaml, parse_name_specs

NAMES = "names.yaml"
MEASURES = {"waf": 100.0, "mse": 1.0, "combined": 1.0}
"""Columns of a table and how much larger their numbers are than those of `metrics.json` (percent)."""
LABELS = {"waf": "waf", "mse": "mse", "combined": "mer2023_combined"}


@dataclass(frozen=True)
class PublishedTrack:
    """Columns of a table that belong to a track: `out_of_fold`, and per split of ours the column of its test set."""

    out_of_fold: str
    splits: dict[str, str]


@dataclass(frozen=True)
class PublishedTable:
    """One edition.

    Attributes:
        id: name of its file.
        title: for people.
        source: where the numbers stand.
        known: whether a table of numbers is known; without, `rows` is empty.
        folds: of its protocol.
        runs: how often each row was run.
        settings: options of training it states.
        tuned: options it chose from a grid, with their values.
        notes: what is to be known about the numbers.
        models: models whose rows these are.
        tracks: track id -> columns.
        aliases: names that mean another extractor here than in ``names.yaml``.
        ranking: per modality names of embeddings, from low to high.
        rows: ``features`` and per column its numbers.
    """

    id: str
    title: str
    source: str
    known: bool
    folds: int
    runs: int
    settings: dict[str, Any]
    tuned: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    tracks: dict[str, Any] = field(default_factory=dict)
    aliases: dict[str, str] = field(default_factory=dict)
    ranking: dict[str, Any] = field(default_factory=dict)
    rows: tuple[Any, ...] = ()

    def extractor(self, name: str) -> str:
        """The extractor that a published name of an embedding stands for."""
        return self.aliases.get(name) or _names()[name]

    def row(self, extractors: frozenset[str]) -> Mapping[str, Any] | None:
        """The row of exactly these extractors."""
        for row in self.rows:
            if frozenset(self.extractor(name) for name in row["features"]) == extractors:
                return dict(row)
        return None


@dataclass(frozen=True)
class Beside:
    """Published numbers beside those of a run, in the units of ``metrics.json`` (a WAF in [0, 1]).

    Attributes:
        table: id of the edition.
        source: where the numbers stand.
        features: as published.
        numbers: ``(where, metric, ours, published)``; where is ``mean of folds`` or ``split NAME``; ours is None where
            the run has no such number.
        differences: settings in which the run differs from the published protocol; empty only if all that is stated is
            the same.
        notes: of the table.
    """

    table: str
    source: str
    features: tuple[str, ...]
    numbers: tuple[tuple[str, str, float | None, float], ...]
    differences: tuple[str, ...]
    notes: tuple[str, ...]


def published_tables() -> dict[str, PublishedTable]:
    """All editions by id, in the order of their names."""
    return dict(_tables())


def beside(metrics: Mapping[str, Any], recipe: Mapping[str, Any]) -> list[Beside]:
    """Published rows of the same features, model and track as a run.

    Args:
        metrics: content of its ``metrics.json``.
        recipe: content of its ``recipe.yaml``.
    """
    found = []
    track, options = metrics.get("track"), dict(recipe.get("options") or {})
    names = [spec.name for spec in parse_name_specs(list(metrics.get("features") or ["none"]))]
    extractors = frozenset(names)
    for table in _tables().values():
        row = table.row(extractors) if track in table.tracks and metrics.get("model") in table.models else None
        if row is None or len(extractors) != len(names):
            continue
        columns = from_mapping(PublishedTrack, table.tracks[track], f"published table {table.id}")
        numbers = _numbers("mean of folds", metrics.get("fold_mean") or {}, row.get(columns.out_of_fold))
        for split, column in columns.splits.items():
            ours = (metrics.get("splits") or {}).get(split, {}).get("metrics") or {}
            numbers += _numbers(f"split {split}", ours, row.get(column))
        differences = tuple(_differences(table, metrics, options))
        found.append(Beside(table.id, table.source, tuple(row["features"]), tuple(numbers), differences, table.notes))
    return found


def as_text(found: Beside, run: str) -> str:
    """Ours beside the published numbers, for people."""
    lines = [
        f"{run} beside {' + '.join(found.features)} of {found.table} ({found.source})",
        f"  {'':<16}{'metric':<18}{'ours':>8}{'published':>11}",
    ]
    for where, metric, ours, published in found.numbers:
        lines.append(f"  {where:<16}{metric:<18}{'-' if ours is None else f'{ours:.4f}':>8}{published:>11.4f}")
    if found.differences:
        lines.append("  NOT THE SAME SETTINGS: " + "; ".join(found.differences))
    return "\n".join([*lines, *(f"  note: {note}" for note in found.notes)])


def _numbers(
    where: str, ours: Mapping[str, Any], published: Mapping[str, float] | None
) -> list[tuple[str, str, float | None, float]]:
    return [
        (where, LABELS[column], ours.get(LABELS[column]), value / MEASURES[column])
        for column, value in (published or {}).items()
    ]


def _differences(table: PublishedTable, metrics: Mapping[str, Any], options: Mapping[str, Any]) -> list[str]:
    found = []
    defaults = {"protocol": "nested"}
    for key, wanted in table.settings.items():
        own = options.get(key, defaults.get(key))
        if own != wanted:
            found.append(f"{key} is {own}, published {wanted}")
    for key, choices in table.tuned.items():
        if options.get(key) not in choices:
            found.append(f"{key} is {options.get(key)}, published the best of {', '.join(map(str, choices))}")
    n_folds = (metrics.get("protocol") or {}).get("n_folds")
    if n_folds != table.folds:
        found.append(f"{n_folds} folds, published {table.folds}")
    n_seeds = len(metrics.get("seeds") or ())
    if n_seeds != table.runs:
        found.append(f"{n_seeds} seed{'s' * (n_seeds != 1)}, published {table.runs} runs")
    if metrics.get("synthetic"):
        found.append("synthetic clips")
    elif metrics.get("corpus") != table.id:
        found.append(f"corpus '{metrics.get('corpus')}', published {table.id}")
    return found


@cache
def _names() -> dict[str, str]:
    return {str(name): str(extractor) for name, extractor in _yaml(NAMES).items()}


@cache
def _tables() -> dict[str, PublishedTable]:
    folder = files("baselines.published")
    stems = sorted(f.name for f in folder.iterdir() if f.name.endswith(".yaml") and f.name != NAMES)
    read = [from_mapping(PublishedTable, _yaml(name), f"published table {name}") for name in stems]
    return {table.id: table for table in read}


def _yaml(name: str) -> dict[str, Any]:
    found = load_yaml(Path(str(files("baselines.published") / name)))
    return dict(found)
