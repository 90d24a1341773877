"""Tracks for people: what ``mertools list tracks`` prints. The facts stand in the tracks themselves."""

from __future__ import annotations

from collections import Counter
from typing import Any

from mertools.tracks.base import Source, Track

SOURCES: tuple[Source, ...] = ("official", "inferred", "unknown")


def certainty(track: Track) -> dict[str, int]:
    """How many of its rules are official, inferred and unknown."""
    count = Counter(rule.source for rule in track.rules)
    return {source: count[source] for source in SOURCES}


def summary(track: Track) -> str:
    """One line: title, metric, rows, what difference can be seen, and what is not certain."""
    facts = [track.title, track.primary or "no public scorer", _rows(track)]
    smallest = detectable(track)
    if smallest is not None:
        facts.append(f"detects {smallest:.3g}")
    if track.needs:
        facts.append("needs " + ", ".join(track.needs))
    unsure = [f"{n} {source}" for source, n in certainty(track).items() if n and source != "official"]
    return "; ".join([*facts, *([" and ".join(unsure) + " rules"] if unsure else [])])


def detectable(track: Track) -> float | None:
    """Smallest difference of the primary metric that a paired test sees with 80 % power on the scored rows.

    None where the number of scored rows or the metric is not known; the assumptions stand in `mertools.metrics.power`.
    """
    from mertools.metrics import power

    if not track.primary or track.candidates.scored is None:
        return None
    classes = [len(target.classes) for target in track.targets if target.kind == "classes"]
    sizes = {"n_classes": classes[0]} if classes else {}
    return power.detectable(track.primary, track.candidates.scored, n_targets=len(track.targets), **sizes)


def facts(track: Track) -> dict[str, Any]:
    """What ``mertools list tracks --json`` adds to the declaration."""
    return {"detectable_difference": detectable(track), "needs": list(track.needs), "certainty": certainty(track)}


def details(track: Track) -> str:
    """Everything about one track, a line per rule, each with its source."""
    upload = track.upload
    container = {"none": "the file itself", "zip": "a zip"}[upload.container]
    wide = max((len(rule.about) for rule in track.rules), default=0)
    lines = [f"{track.id}: {track.title}", f"  scored      {_metrics(track)}"]
    for target in track.targets:
        meant = ", ".join(target.classes) if target.classes else _range(target.range)
        lines.append(f"  target      {target.name} ({target.kind} per {target.per}{': ' + meant if meant else ''})")
    lines.append(f"  upload      {upload.kind}, {container}, {','.join(column.name for column in upload.columns)}")
    lines.append(f"  rows        {_rows(track)}")
    smallest = detectable(track)
    if smallest is not None:
        lines.append(
            f"  detectable  a difference of {smallest:.3g} in {track.primary}, 80 % power, paired, "
            f"{track.candidates.scored:,} rows taken as independent; smaller ones are not separable"
        )
    if track.needs:
        lines.append("  needs       " + ", ".join(f"--{name} DIR" for name in track.needs))
    lines.append("  rules")
    lines += [f"    {rule.about:<{wide}}  {rule.text}  [{rule.source}]" for rule in track.rules]
    return "\n".join(lines)


def _metrics(track: Track) -> str:
    if not track.primary:
        return "by people or by an unpublished scorer; `submission score` refuses"
    return ", ".join([f"{track.primary} (ranks)", *track.secondary, *(f"{name} (ours)" for name in track.reported)])


def _rows(track: Track) -> str:
    count, scored = track.candidates.count, track.candidates.scored
    rows = f"{count:,} rows" if count is not None else "rows as listed by the organisers"
    return rows + (f", {scored:,} scored" if scored is not None and scored != count else "")


def _range(limits: tuple[float, float] | None) -> str:
    return f"{limits[0]:g} to {limits[1]:g}" if limits else ""
