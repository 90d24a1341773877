"""``mertools submission``: is a file fit to send, the file to send, its score, and what organisers need."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mertools.cli import FINE, NOT_FINE, Outcome, say
from mertools.errors import ConfigError

if TYPE_CHECKING:
    from submissions import Problem, Score
    from submissions.ledger import Looks
    from submissions.scoring import Comparison

HELP = "validate, package, score, bundle, rehearse and combine submissions"

ACTIONS = ("validate", "package", "score", "bundle", "dry-run", "ensemble", "ledger")
_ALONE = ("validate", "package", "score", "dry-run")
_TAKES: dict[str, tuple[str, ...]] = {
    "candidates": _ALONE,
    "truth": ("package", "score", "bundle", "dry-run"),
    "against": ("score",),
    "wheels": ("validate", "package", "score", "bundle", "dry-run"),
    "groups": ("package", "score", "bundle", "dry-run"),
    "ask": ("score",),
    "runs": ("score",),
    "mode": ("score",),
    "bundle": ("dry-run",),
    "limit": ("dry-run",),
    "how": ("ensemble",),
    "weights": ("ensemble",),
    "threshold": ("ensemble",),
    "ledger": ("package", "score", "ledger"),
    "fix": ("validate", "package"),
    "out": ("validate", "package", "bundle", "ensemble"),
}
_SHOWN_PARTS = 16


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the verb."""
    add = parser.add_argument
    add("action", choices=ACTIONS)
    add("file", type=Path, nargs="*", metavar="FILE", help="the upload or a predictions CSV; several for ensemble")
    add("--track", required=True, metavar="ID", help="see: mertools list tracks")
    add("--candidates", type=Path, metavar="CSV", help="clips to predict; replaces the official list")
    add("--truth", type=Path, metavar="CSV", help="annotations: the track's key and its targets")
    add("--against", type=Path, nargs="+", metavar="FILE", help="score: other submissions, for paired tests")
    add("--wheels", type=Path, metavar="DIR", help="tables of emotion wheels; else MERTOOLS_WHEELS, else built-in")
    add("--groups", type=Path, metavar="DIR", help="recorded groups of synonyms (MER2024 OV)")
    add("--ask", action="store_true", help="score: let a language model make the groups that --groups lacks")
    add("--runs", type=int, metavar="N", help="score: runs of the language model, averaged (5)")
    add("--mode", choices=("reference", "strict"), help="score: undefined numbers stay undefined, or are 0")
    add("--bundle", type=Path, metavar="DIR", help="dry-run: a bundle made by `submission bundle`")
    add("--limit", type=float, metavar="SECONDS", help="dry-run: time limit of the scoring program (600)")
    add("--how", choices=("mean", "vote", "support"), help="ensemble: how labels or words are put together")
    add("--weights", metavar="W", help="ensemble: W1,W2,..., a CSV file,weight, or oof (scores of the files' runs)")
    add("--threshold", type=float, metavar="SHARE", help="ensemble: share of the weight that a word needs (0.5)")
    add("--ledger", type=Path, metavar="DIR", help="folder of the ledger; else MERTOOLS_LEDGER, else the upload's")
    add("--fix", action="store_true", help="mend what is certain; validate writes the copy to --out")
    add("--out", type=Path, metavar="PATH", help="where to write; package has the track's own name")


def run(arguments: argparse.Namespace) -> Outcome:
    """Do one of the actions."""
    action = arguments.action
    for option, actions in _TAKES.items():
        if getattr(arguments, option) not in (None, False) and action not in actions:
            raise ConfigError(
                "MER-S083", f"submission {action} takes no --{option}.", f"It is for: {', '.join(actions)}."
            )
    wanted = {"bundle": 0, "ledger": 0}.get(action, 1)
    n = len(arguments.file)
    if action != "ensemble" and n != wanted:
        what = "no FILE" if wanted == 0 else "one FILE"
        raise ConfigError("MER-S083", f"submission {action} takes {what}, found {n}.", "See --help.")
    if action in _ALONE:
        (arguments.file,) = arguments.file
    return {
        "validate": _validate,
        "package": _package,
        "score": _score,
        "bundle": _bundle,
        "dry-run": _dry_run,
        "ensemble": _ensemble,
        "ledger": _ledger,
    }[action](arguments)


def _validate(arguments: argparse.Namespace) -> Outcome:
    from submissions import InvalidSubmissionError, is_valid, mend, validate

    if not arguments.fix:
        if arguments.out:
            raise ConfigError("MER-S083", "submission validate writes nothing without --fix.", "Add --fix.")
        problems = validate(arguments.track, arguments.file, arguments.candidates, wheels=arguments.wheels)
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
    value = None
    if arguments.truth:
        scored = _scored(arguments)
        value = scored.value
    try:
        receipt = package(
            arguments.track,
            arguments.file,
            out,
            candidates=arguments.candidates,
            fix=arguments.fix,
            wheels=arguments.wheels,
            ledger=arguments.ledger,
            score=value,
        )
    except InvalidSubmissionError as error:
        return _refused(error)
    if arguments.truth:
        _looked(arguments, scored, Path(receipt.ledger).parent)
    path = out / receipt.file if out.is_dir() else out
    lines = [f"{path}: {receipt.rows} rows, {receipt.bytes} bytes, sha256 {receipt.sha256}"]
    for column, counts in receipt.labels.items():
        lines.append(f"  {column}: " + ", ".join(f"{label} {n}" for label, n in list(counts.items())[:12]))
    if receipt.dropped:
        lines.append("  dropped columns: " + ", ".join(receipt.dropped))
    if value is not None:
        lines.append(f"  score by {arguments.truth.name}: {value!r}")
    lines.append(f"  {_left(receipt.packaged, receipt.left)} ({receipt.ledger})")
    lines += [f"  not confirmed by the organisers: {rule}" for rule in receipt.unconfirmed]
    if receipt.left is not None and receipt.left <= 0:
        say(
            f"warning: the limit of uploads is {'reached' if receipt.left == 0 else 'passed'} if all packaged are sent."
        )
    return Outcome(receipt.as_json() | {"out": str(path), "score": value}, "\n".join(lines))


def _left(packaged: int, left: int | None) -> str:
    if left is None:
        return f"{packaged} different files packaged; no limit of uploads was published"
    return f"{packaged} different files packaged; {left} uploads left if every packaged file is sent"


def _score(arguments: argparse.Namespace) -> Outcome:
    from submissions.problems import report

    if not arguments.truth:
        raise ConfigError("MER-S083", "submission score needs --truth.", "Name a CSV with the true labels.")
    scored = _scored(arguments)
    looks = _looked(arguments, scored, arguments.ledger)
    if scored.warnings:
        say(report(scored.warnings, arguments.file.name))
    document = scored.as_json() | {"looks": looks.n}
    lines = [_score_text(scored)]
    if looks.n is not None:
        lines.append(f"  this truth has been looked at {looks.n} times here, with {looks.files} different files")
    return Outcome(document, "\n".join(lines))


def _scored(arguments: argparse.Namespace) -> Score:
    from mertools.tracks import get_track
    from submissions import score

    track, file = get_track(arguments.track), arguments.file
    groups: Any = arguments.groups
    if arguments.ask:
        from submissions.asking import asked_groups

        groups = asked_groups(track, file, arguments.truth, arguments.groups, runs=arguments.runs, say=say)
    return score(
        track,
        file,
        arguments.truth,
        against=arguments.against,
        candidates=arguments.candidates,
        wheels=arguments.wheels,
        groups=groups,
        mode=arguments.mode or "reference",
    )


def _looked(arguments: argparse.Namespace, scored: Score, ledger: Path | None) -> Looks:
    """Count the look at the truth."""
    from mertools.tracks import get_track
    from submissions.ledger import record_look

    track = get_track(arguments.track)
    return record_look(track, arguments.file, arguments.truth, scored.value, folder=ledger)


def _score_text(scored: Score) -> str:
    bounds = scored.interval
    what = "rows" if bounds is not None and bounds.unit in ("video", "name") else "clips"
    lines = [f"{scored.track}: {scored.primary} = {scored.value!r} on {scored.n} {what}"]
    if bounds is not None:
        lines.append(
            f"  {bounds.level:.0%} interval [{bounds.low:.4f}, {bounds.high:.4f}] "
            f"({bounds.method}, unit {bounds.unit}, {bounds.n_groups} groups)"
        )
    lines += [
        "  " + ", ".join(f"{name} {value:.4f}" for name, value in scored.metrics.items()),
        "  floors: " + ", ".join(f"{name} {floor.value:.4f}" for name, floor in scored.floors.items()),
    ]
    lines += [f"  made with {name}: {label}" for name, label in scored.resources.items()]
    lines += [f"  note: {note}" for note in scored.notes]
    for name, parts in scored.parts.items():
        shown = [f"{part} {value:.4f}" for part, value in parts.items()][:_SHOWN_PARTS]
        lines.append(f"  {name} is the mean of: " + ", ".join(shown))
    if scored.per_class:
        width = max(10, *(len(row.label) + 1 for row in scored.per_class))
        lines.append(f"  {'class':<{width}}{'true':>7}{'said':>7}{'precision':>11}{'recall':>8}{'F1':>8}")
        lines += [
            f"  {r.label:<{width}}{r.support:>7}{r.predicted:>7}{r.precision:>11.3f}{r.recall:>8.3f}{r.f1:>8.3f}"
            for r in scored.per_class
        ]
        lines.append("  confusion (rows true, columns predicted): " + ", ".join(scored.labels))
        lines += ["    " + "".join(f"{n:>7}" for n in row) for row in scored.confusion]
    lines += [_comparison_text(found) for found in scored.against]
    return "\n".join(lines)


def _comparison_text(found: Comparison) -> str:
    test = found.test
    verdict = "" if test.separable else "; not separable"
    return (
        f"  against {found.file}: difference {test.difference:+.4f} [{test.low:+.4f}, {test.high:+.4f}], "
        f"p = {test.p_adjusted:.4f} after Holm ({test.n_swaps} swaps of {test.n_groups} groups, unit {test.unit}), "
        f"detectable from {test.detectable:.4f}{verdict}"
    )


def _bundle(arguments: argparse.Namespace) -> Outcome:
    from submissions.bundle import bundle

    if not arguments.truth or not arguments.out:
        raise ConfigError(
            "MER-S083", "submission bundle needs --truth and --out.", "Name the annotations and a folder."
        )
    made = bundle(arguments.track, arguments.truth, arguments.out, wheels=arguments.wheels, groups=arguments.groups)
    lines = [
        f"{made.folder}: scoring program ({len(made.modules)} modules; needs Python 3.11 and numpy) and reference data"
    ]
    lines += [f"  {name}  sha256 {digest}" for name, digest in made.sha256.items()]
    lines += [f"  note: {note}" for note in made.notes]
    lines.append(f"  try it: mertools submission dry-run --track {arguments.track} FILE --bundle {made.folder}")
    return Outcome(made.as_json(), "\n".join(lines))


def _dry_run(arguments: argparse.Namespace) -> Outcome:
    from submissions import InvalidSubmissionError
    from submissions.rehearsal import TIME_LIMIT_S, dry_run

    try:
        found = dry_run(
            arguments.track,
            arguments.file,
            folder=arguments.bundle,
            truth=arguments.truth,
            candidates=arguments.candidates,
            wheels=arguments.wheels,
            groups=arguments.groups,
            limit_s=arguments.limit or TIME_LIMIT_S,
        )
    except InvalidSubmissionError as error:
        return _refused(error)
    lines = ["scores.json: " + ", ".join(f"{name} {value!r}" for name, value in found.scores.items())]
    lines.append(f"  the program ran {found.seconds:.1f} s" + (", on the upload packaged from it" * found.packaged))
    lines.append("  equal to `submission score`" if found.equal else f"  NOT equal to `submission score`: {found.ours}")
    return Outcome(found.as_json(), "\n".join(lines), FINE if found.equal else NOT_FINE)


def _ensemble(arguments: argparse.Namespace) -> Outcome:
    from submissions.ensemble import THRESHOLD, ensemble

    if not arguments.out:
        raise ConfigError("MER-S083", "submission ensemble needs --out.", "Name the predictions CSV to write.")
    made = ensemble(
        arguments.track,
        arguments.file,
        arguments.out,
        how=arguments.how,
        weights=arguments.weights,
        threshold=THRESHOLD if arguments.threshold is None else arguments.threshold,
    )
    lines = [f"{made.file}: {made.rows} rows of {len(made.weights)} files"]
    lines += [f"  {column}: {how}" for column, how in made.how.items()]
    lines += [f"  weight {weight:.4f}  {file}" for file, weight in made.weights.items()]
    if made.ties:
        lines.append(f"  {made.ties} rows tied; the first file among equals decided")
    return Outcome(made.as_json(), "\n".join(lines))


def _ledger(arguments: argparse.Namespace) -> Outcome:
    from mertools.tracks import get_track
    from submissions.ledger import ledger_path, read, summary

    track = get_track(arguments.track)
    path = ledger_path(track, Path("upload"), arguments.ledger)
    events, damaged = read(path)
    packaged, looks = summary(events)
    left = None if track.submissions is None else track.submissions - packaged
    document = {
        "track": track.id,
        "ledger": str(path),
        "packaged": packaged,
        "limit": track.submissions,
        "left": left,
        "looks": looks,
        "damaged_lines": damaged,
        "events": events,
    }
    lines = [f"{path}: {_left(packaged, left)}; {looks} looks at truth files"]
    for event in events:
        score = event.get("score") if event.get("event") == "package" else event.get("value")
        known = f"  {score!r}" if score is not None else ""
        lines.append(
            f"  {event.get('date', ''):<26}{event.get('event', ''):<9}"
            f"{str(event.get('sha256', ''))[:12]}  {event.get('file', '')}{known}"
        )
    if damaged:
        say(f"{damaged} damaged lines of {path} were passed over")
    return Outcome(document, "\n".join(lines))


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
