"""Filling the page's template."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

from mertools import __version__
from mertools.report import charts
from mertools.report.facts import RunFacts

_NONE = "\N{EN DASH}"


def render(
    runs: Sequence[RunFacts],
    *,
    comparison: Mapping[str, Any] | None = None,
    published: Mapping[str, Sequence[Mapping[str, Any]]] | None = None,
    made: datetime.datetime | None = None,
) -> str:
    """The HTML page of one or more runs.

    Args:
        runs: facts of the runs, in the order to show them.
        comparison: the document of `baselines.comparison.Comparison`.
        published: per folder of a run the published rows that stand beside it (`baselines.published.Beside`).
        made: time stamp of the page; None = now.

    Returns:
        A complete document without scripts, addresses or references to other files. Whatever stood in names,
        transcripts or settings is escaped.
    """
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"number": _number, "flat": _flat}
    environment.globals |= {
        name: getattr(charts, name) for name in charts.__dict__ if name.endswith(("_chart", "_bar"))
    }
    environment.globals["known"] = lambda floors: {name: value for name, value in floors.items() if value is not None}
    template = environment.from_string((files("mertools.report") / "page.html").read_text(encoding="utf-8"))
    stamp = made or datetime.datetime.now(datetime.UTC)
    return template.render(
        runs=runs,
        comparison=comparison,
        published=published or {},
        version=__version__,
        made=stamp.strftime("%Y-%m-%d %H:%M UTC"),
        synthetic=any(r.synthetic for r in runs),
    )


def _number(value: float | None, digits: int = 3) -> str:
    """A number, or a dash where there is none."""
    return _NONE if value is None else f"{value:.{digits}f}"


def _flat(value: Any) -> str:
    """A setting as one short line."""
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {_flat(item)}" for key, item in value.items()) or _NONE
    if isinstance(value, list | tuple):
        return ", ".join(map(_flat, value)) or _NONE
    return _NONE if value is None or value == "" else str(value)
