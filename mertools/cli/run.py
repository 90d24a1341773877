"""``mertools run``: a recipe from raw clips to a packaged, scored submission, skipping what is done.

A stage is done when the files it writes are there and it was last run with the same command line on the same content
(`OUT/road.json` remembers both). Files changed by hand are kept, and what builds on them is done again.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mertools.cli import FINE, NOT_FINE, Outcome, assignments, execute, say
from mertools.config import fingerprint
from mertools.errors import ConfigError
from mertools.files import write_text_atomically

if TYPE_CHECKING:
    from mertools.recipe import Recipe, Stage

HELP = "prepare, extract, train, predict, package and report from a recipe, skipping what is done"

STATE = "road.json"
Execute = Callable[[Sequence[str]], Outcome]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the verb."""
    parser.add_argument("recipe", type=Path, metavar="RECIPE.yaml")
    parser.add_argument("settings", nargs="*", metavar="SECTION.KEY=VALUE", help="replace what the recipe says")
    parser.add_argument("--dry-run", action="store_true", help="show the command lines and run none of them")


def run(arguments: argparse.Namespace) -> Outcome:
    """Walk the road of a recipe."""
    from mertools.recipe import read_recipe, stages

    recipe = read_recipe(arguments.recipe, assignments(arguments.settings))
    if arguments.dry_run:
        lines = [{"name": stage.name, "command": command_line(stage)} for stage in stages(recipe)]
        document = {"out": str(recipe.out), "dry_run": True, "stages": lines}
        return Outcome(document, "\n".join(line["command"] for line in lines))
    return outcome_of(recipe, walk(recipe))


@dataclass(frozen=True)
class Passage:
    """How a stage went.

    Attributes:
        name: the stage.
        command: the command line, as a user would type it.
        fingerprint: of the command line and of everything it read.
        seconds: how long it took when it was run.
        result: what came out, one line.
        kept: whether it was done before, so that nothing was run.
        stopped: whether the road ends here, because what it found is not fine.
    """

    name: str
    command: str
    fingerprint: str
    seconds: float
    result: str
    kept: bool = False
    stopped: bool = False


def walk(recipe: Recipe, *, run_verb: Execute = execute) -> list[Passage]:
    """Walk the stages of a recipe in order; each is remembered as soon as it is done.

    Args:
        recipe: what to do.
        run_verb: what runs a command line.

    Returns:
        One passage per stage, up to the first that stopped the road.

    Raises:
        MerToolsError: from a stage; what was done before it stays done.
    """
    from mertools.recipe import stages

    road = stages(recipe)
    remembered, passages, before = _remembered(recipe.out / STATE), [], ""
    for number, stage in enumerate(road, start=1):
        mark = _fingerprint(stage, recipe.out, before)
        before = mark
        known = remembered.get(stage.name)
        if known and known.fingerprint == mark and all(path.exists() for path in stage.writes):
            passages.append(Passage(**{**asdict(known), "kept": True}))
            continue
        say(f"[{number}/{len(road)}] {command_line(stage)}")
        passage = _run(stage, mark, run_verb, made_before=known is not None)
        passages.append(passage)
        if passage.stopped:
            break
        remembered[stage.name] = passage
        _remember(recipe.out / STATE, remembered)
    return passages


def _run(stage: Stage, mark: str, run_verb: Execute, *, made_before: bool) -> Passage:
    if stage.replaces and made_before:  # never a folder that somebody else made
        shutil.rmtree(stage.replaces, ignore_errors=True)
    start = time.perf_counter()
    outcome = run_verb(stage.words)
    if stage.save and outcome.exit_code == FINE:
        write_text_atomically(
            stage.save, json.dumps(outcome.document, ensure_ascii=False, indent=2, default=str) + "\n"
        )
    stopped = outcome.exit_code != FINE and not stage.may_fall_short
    if stopped and outcome.text:
        say(outcome.text)
    seconds = time.perf_counter() - start
    return Passage(stage.name, command_line(stage), mark, seconds, summary(stage, outcome), stopped=stopped)


def command_line(stage: Stage) -> str:
    """What a user would type to do a stage by hand."""
    import shlex

    line = shlex.join(("mertools", *stage.words))
    return f"{line} --json > {shlex.quote(str(stage.save))}" if stage.save else line


def outcome_of(recipe: Recipe, passages: Sequence[Passage], *, synthetic: bool = False) -> Outcome:
    """What the walk found, as a table and as a document."""
    from mertools.recipe import stages

    done = not passages[-1].stopped and len(passages) == len(stages(recipe))
    rows = [
        (p.name, "kept" if p.kept else f"{p.seconds:.1f} s", p.result + (" [synthetic]" if synthetic else ""))
        for p in passages
    ]
    head = ("step", "time", "result")
    widths = [max(len(row[i]) for row in (head, *rows)) for i in range(2)]
    line = "  ".join("-" * width for width in (*widths, 48))
    lines = [f"{a:<{widths[0]}}  {b:>{widths[1]}}  {c}" for a, b, c in (head, *rows)]
    text = [lines[0], line, *lines[1:], "", "By hand:", *(f"  {p.command}" for p in passages)]
    if not done:
        text += ["", f"Stopped at: {passages[-1].name}."]
    document = {"out": str(recipe.out), "done": done, "synthetic": synthetic, "stages": [asdict(p) for p in passages]}
    return Outcome(document, "\n".join(text), FINE if done else NOT_FINE)


def summary(stage: Stage, outcome: Outcome) -> str:
    """One line about what a verb found."""
    document = outcome.document if isinstance(outcome.document, Mapping) else {}
    verb = stage.words[0] if stage.words[0] != "submission" else stage.words[1]
    written = str(stage.writes[-1]) if stage.writes else ""
    return _SUMMARIES[verb](document) if verb in _SUMMARIES else written


def _extracted(document: Mapping[str, Any]) -> str:
    rows = ", ".join(f"{count} {status}" for status, count in document["status"].items() if count)
    return f"{document['clips']} clips, {len(document['spaces'])} spaces: {rows}"


def _scored(document: Mapping[str, Any]) -> str:
    primary, (low, high) = document["primary"], document["interval"]
    value = document["metrics"][primary]
    interval = f", {_digits(low)} to {_digits(high)} ({document['n_groups']} groups by {document['interval_unit']})"
    others = [f"{name} {_digits(score)}" for name, score in document["metrics"].items() if name != primary]
    return f"{primary} {_digits(value)}{interval}" + (f"; {', '.join(others[:2])}" if others else "")


def _trained(document: Mapping[str, Any]) -> str:
    if "cells" in document:  # a table of runs
        metric = document["cells"][0]["metric"]
        return f"{len(document['cells'])} runs, {metric} out of fold: see table.csv"
    interval = {"interval": [document["interval"]["low"], document["interval"]["high"]]}
    kind = "OPTIMISTIC, epochs chosen on what is scored" if document.get("optimistic") else "out of fold"
    return f"{kind}: {_scored({**document, **interval})}"


def _counted(document: Mapping[str, Any]) -> str:
    labels = ", ".join(f"{label} {count}" for label, count in document["labels"].items())
    return f"{document['clips']} clips" + (f": {labels}" if labels else "")


_SUMMARIES: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "demo": lambda d: f"{d['clips']} clips, {d['speakers']} speakers",
    "prepare": lambda d: f"{d['clips']} clips",
    "extract": _extracted,
    "train": _trained,
    "predict": _counted,
    "validate": lambda d: "valid" if d["valid"] else f"not valid: {len(d['problems'])} problems",
    "package": lambda d: f"{d['out']}, {d['rows']} rows, sha256 {d['sha256'][:12]}…",
    "score": _scored,
}


def _digits(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.3f}"


# -- what is done ------------------------------------------------------------------------------------------------------


def _fingerprint(stage: Stage, out: Path, before: str) -> str:
    """Of the command line (wherever `out` lies), of everything the stage reads, and of the stage before it."""
    words = [word.replace(str(out), "OUT") for word in stage.words]
    return fingerprint([words, [_content(path) for path in stage.reads], before])


_TABLES = (".csv", ".tsv", ".txt", ".json", ".yaml", ".xlsx")


def _content(path: Path) -> Any:
    """Digest of a file; of a folder the digests of its tables and the sizes and times of its media; None if absent."""
    if path.is_dir():
        return sorted((str(p.relative_to(path)), *_facts(p)) for p in path.rglob("*") if p.is_file())
    return _digest(path) if path.is_file() else None


def _facts(path: Path) -> tuple[str, int]:
    facts = path.stat()
    return (_digest(path), 0) if path.suffix.lower() in _TABLES else (str(facts.st_size), facts.st_mtime_ns)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def _remembered(path: Path) -> dict[str, Passage]:
    """What earlier walks did; empty if there were none or the file is of another kind."""
    if not path.is_file():
        return {}
    try:
        return {entry["name"]: Passage(**entry) for entry in json.loads(path.read_text(encoding="utf-8"))}
    except (ValueError, TypeError, KeyError):
        raise ConfigError("MER-R121", f"{path} is damaged.", "Remove it; what is done is then done again.") from None


def _remember(path: Path, passages: Mapping[str, Passage]) -> None:
    write_text_atomically(path, json.dumps([asdict(p) for p in passages.values()], ensure_ascii=False, indent=1) + "\n")
