"""``mertools list``: what exists, whether it can be used here, and under which licence."""

from __future__ import annotations

import argparse
from typing import Any

from mertools.cli import Outcome
from mertools.errors import did_you_mean
from mertools.registry import Registry

HELP = "what exists: extractors, models, tracks, corpora, metrics"

THINGS = ("extractors", "models", "tracks", "corpora", "metrics")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the verb."""
    parser.add_argument("things", choices=THINGS)
    parser.add_argument("pattern", nargs="?", default="*", help="wildcard, e.g. '*hubert*'")


def run(arguments: argparse.Namespace) -> Outcome:
    """List the entries whose names match."""
    entries = list(registry(arguments.things).entries(arguments.pattern))
    found = [entry.as_json() | _facts(arguments.things, entry.target) for entry in entries]
    if len(entries) == 1 and arguments.things == "tracks":
        from mertools.tracks.describe import details

        return Outcome(found, details(entries[0].target))
    width = max((len(entry["name"]) for entry in found), default=0)
    lines = [
        f"{entry['name']:<{width}}  {'' if entry['available'] else 'needs: ' + entry['install'] + '  '}"
        f"{entry['summary']}  [{entry['licence']}]"
        for entry in found
    ]
    if not lines:
        lines = [f"no {arguments.things} match '{arguments.pattern}'.{_try(arguments.things, arguments.pattern)}"]
    return Outcome(found, "\n".join(lines), exit_code=0 if found else 1)


def _facts(things: str, target: Any) -> dict[str, Any]:
    """What a kind of things knows only when asked."""
    if things != "tracks":
        return {}
    from mertools.tracks import describe

    return {"summary": describe.summary(target), **describe.facts(target)}


def _try(things: str, pattern: str) -> str:
    """A pattern that finds something, where one is near: the same with wildcards around it, or a near name."""
    wider = f"*{pattern.strip('*')}*"
    known = [entry.name for entry in registry(things).entries("*")]
    return f" Did you mean '{wider}'?" if any(registry(things).entries(wider)) else did_you_mean(pattern, known)


def registry(things: str) -> Registry[Any]:
    """The registry behind a word of ``mertools list``."""
    if things == "extractors":
        from feature_extractors import EXTRACTORS

        return EXTRACTORS
    if things == "models":
        from baselines import MODELS

        return MODELS
    if things == "tracks":
        from mertools.tracks import TRACKS

        return TRACKS
    if things == "corpora":
        from mertools.corpora import CORPORA

        return CORPORA
    from mertools.metrics import METRICS

    return METRICS
