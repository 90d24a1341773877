"""``mertools submission``: is a file fit to send, the file to send, and its score."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mertools.cli import FINE, NOT_FINE, Outcome, say
from mertools.errors import ConfigError

if TYPE_CHECKING:
    from submissions import Problem, Score

HELP = "validate, package and score a submission"

ACTIONS = ("validate", "package", "score")
_TAKES = {
    "candidates": ACTIONS,
    "truth": ("score",),
    "against": ("score",),
    "fix": ("validate", "package"),
    "out": ("validate", "package"),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the verb."""
    parser.add_argument("action", choices=ACTIONS)
    parser.add_argument("file", type=Path, metavar="FILE", help="the upload (csv or zip) or a predictions CSV")
    parser.add_argument("--track", required=True, metavar="ID", help="see: mertools list tracks")
    parser.add_argument("--candidates", type=Path, metavar="CSV", help="clips to predict; replaces the official list")
    parser.add_argument("--truth", type=Path, metavar="CSV", help="score: true labels, column name and the targets")
    parser.add_argument("--against", type=Path, metavar="FILE", help="score: another submission, for a paired test")
    parser.add_argument("--fix", action="store_true", help="mend what is certain; validate writes the copy to --out")
    parser.add_argument("--out", type=Path, metavar="PATH", help="where to write; package has the track's own name")


def run(arguments: argparse.Namespace) -> Outcome:
    """Do one of the three."""
    for option, actions in _TAKES.items():
        if getattr(arguments, option) and arguments.action not in actions:
            raise ConfigError(
                "MER-S083", f"submission {arguments.action} takes no --{option}.", f"It is for: {', '.join(actions)}."
            )
    return {"validate": _validate, "package": _package, "score": _score}[arguments.action](arguments)


def _validate(arguments: argparse.Namespace) -> Outcome:
    from submissions import InvalidSubmissionError, is_valid, mend, validate

    if not arguments.fix:
        if arguments.out:
            raise ConfigError("MER-S083", "submission validate writes nothing without --fix.", "Add --fix.")
        problems = validate(arguments.track, arguments.file, arguments.candidates)
        return _verdict(problems, arguments.file)
    if not arguments.out:
        raise ConfigError("MER-S083", "--fix needs --out.", "Name the mended copy: --out NEW_FILE.")
    try:
        mended = mend(arguments.track, arguments.file, arguments.out, arguments.candidates)
    except InvalidSubmissionError as error:
        return _refused(error)
    document = {
        "valid": is_valid(mended.remaining),
        "problems": [p.as_json() for p in mended.remaining],
        "mended": [p.as_json() for p in mended.mended],
        "out": mended.file,
    }
    for problem in mended.mended:
        say("mended: " + problem.text(arguments.file.name))
    return Outcome(document, f"{mended.file}: valid; {len(mended.mended)} problems mended")


def _package(arguments: argparse.Namespace) -> Outcome:
    from mertools.tracks import get_track
    from submissions import InvalidSubmissionError, package
    from submissions.packaging import default_out

    out = arguments.out or default_out(get_track(arguments.track))
    try:
        receipt = package(arguments.track, arguments.file, out, candidates=arguments.candidates, fix=arguments.fix)
    except InvalidSubmissionError as error:
        return _refused(error)
    path = out / receipt.file if out.is_dir() else out
    lines = [f"{path}: {receipt.rows} rows, {receipt.bytes} bytes, sha256 {receipt.sha256}"]
    for column, counts in receipt.labels.items():
        lines.append(f"  {column}: " + ", ".join(f"{label} {n}" for label, n in counts.items()))
    if receipt.dropped:
        lines.append("  dropped columns: " + ", ".join(receipt.dropped))
    lines += [f"  not confirmed by the organisers: {rule}" for rule in receipt.unconfirmed]
    return Outcome(receipt.as_json() | {"out": str(path)}, "\n".join(lines))


def _score(arguments: argparse.Namespace) -> Outcome:
    from submissions import score
    from submissions.problems import report

    if not arguments.truth:
        raise ConfigError("MER-S083", "submission score needs --truth.", "Name a CSV with the true labels.")
    scored = score(
        arguments.track,
        arguments.file,
        arguments.truth,
        against=arguments.against,
        candidates=arguments.candidates,
    )
    if scored.warnings:
        say(report(scored.warnings, arguments.file.name))
    return Outcome(scored.as_json(), _score_text(scored))


def _score_text(scored: Score) -> str:
    bounds = scored.interval
    lines = [
        f"{scored.track}: {scored.primary} = {scored.value!r} on {scored.n} clips",
        f"  {bounds.level:.0%} interval [{bounds.low:.4f}, {bounds.high:.4f}] "
        f"({bounds.method}, unit {bounds.unit}, {bounds.n_groups} groups)",
        "  " + ", ".join(f"{name} {value:.4f}" for name, value in scored.metrics.items()),
        "  floors: " + ", ".join(f"{name} {floor.value:.4f}" for name, floor in scored.floors.items()),
    ]
    if scored.per_class:
        lines.append(f"  {'class':<10}{'true':>7}{'said':>7}{'precision':>11}{'recall':>8}{'F1':>8}")
        lines += [
            f"  {r.label:<10}{r.support:>7}{r.predicted:>7}{r.precision:>11.3f}{r.recall:>8.3f}{r.f1:>8.3f}"
            for r in scored.per_class
        ]
        lines.append("  confusion (rows true, columns predicted): " + ", ".join(scored.labels))
        lines += ["    " + "".join(f"{n:>7}" for n in row) for row in scored.confusion]
    if scored.against:
        test = scored.against.test
        lines.append(
            f"  against {scored.against.file}: difference {test.difference:+.4f}, p = {test.p:.4f} "
            f"({test.n_swaps} swaps of {test.n_groups} groups, unit {test.unit})"
            + ("" if test.p < 0.05 else "; not separable")
        )
    return "\n".join(lines)


def _verdict(problems: list[Problem], file: Path) -> Outcome:
    from submissions import is_valid
    from submissions.problems import report

    valid = is_valid(problems)
    n_errors = sum(p.severity == "error" for p in problems)
    summary = "valid" if valid else f"not valid, {n_errors} errors"
    if len(problems) > n_errors:
        summary += f", {len(problems) - n_errors} warnings"
    text = "\n".join([*([report(problems, file.name)] if problems else []), f"{file}: {summary}"])
    return Outcome(_document(problems), text, FINE if valid else NOT_FINE)


def _refused(error: Any) -> Outcome:
    say(f"{error.code}  {error.message}\n          {error.hint}")
    return Outcome(_document(error.problems) | {"valid": False}, "", NOT_FINE)


def _document(problems: list[Problem]) -> dict[str, Any]:
    from submissions import is_valid

    return {"valid": is_valid(problems), "problems": [p.as_json() for p in problems]}
