"""``mertools store``: look after an embedding store."""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mertools.cli import NOT_FINE, Outcome
from mertools.errors import ConfigError

if TYPE_CHECKING:
    from mertools.corpus import Corpus
    from mertools.store import Store

HELP = "look after an embedding store: ls, show, verify, gc, compare, import, export"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Sub-verbs and their options."""
    subs = parser.add_subparsers(dest="action", required=True, metavar="{ls,show,verify,gc,compare,import,export}")
    _sub(subs, "ls", "all spaces: clips by status, size")
    show = _sub(
        subs,
        "show",
        "a space: settings, coverage, T and D, duration, NaN and constant dimensions, size, clips that failed and why",
    )
    show.add_argument("space", metavar="SPACE", nargs="?", help="fingerprint or name (default: all spaces)")
    show.add_argument("--corpus", type=Path, metavar="DIR", help="coverage of this corpus, by split")
    verify = _sub(subs, "verify", "check the index against the shards; exit 1 if anything is wrong")
    verify.add_argument("--deep", action="store_true", help="also check every byte against its checksum")
    verify.add_argument("--rebuild", action="store_true", help="first make the index anew from the shards")
    gc = _sub(subs, "gc", "remove what no row needs: orphans of crashed writers, replaced rows")
    gc.add_argument("--dry-run", action="store_true", help="only say what would be done")
    gc.add_argument("--damaged", action="store_true", help="also drop damaged rows, so that they are extracted again")
    compare = _sub(subs, "compare", "how two spaces differ, in settings and in numbers on common clips")
    compare.add_argument("first", metavar="SPACE")
    compare.add_argument("second", metavar="SPACE")
    compare.add_argument("--other", metavar="STORE", help="the store of the second space, if it is another one")
    _add_import(subs)
    _add_export(subs)


def run(arguments: argparse.Namespace) -> Outcome:
    """Open the store and do what was asked."""
    from mertools.store import open_store

    action = arguments.action
    if action == "import":
        _check_import(arguments)
    rebuild = getattr(arguments, "rebuild", False)
    with open_store(arguments.store, create=action == "import", rebuild=rebuild) as store:
        return _ACTIONS[action](store, arguments)


def _sub(subs: Any, name: str, text: str) -> argparse.ArgumentParser:
    sub: argparse.ArgumentParser = subs.add_parser(name, help=text, description=text, allow_abbrev=False)
    sub.add_argument("store", metavar="STORE", type=Path, help="the store's folder")
    for option in ("--json", "--debug"):  # of `mertools store`; here so that they may stand at the end
        sub.add_argument(option, action="store_true", default=argparse.SUPPRESS, help=argparse.SUPPRESS)
    return sub


def _add_import(subs: Any) -> None:
    sub = _sub(
        subs,
        "import",
        "bring in other stores (shards made on other machines), or MERTools' folders of npy files, each as a space",
    )
    sub.add_argument("folders", metavar="FOLDER", type=Path, nargs="+", help="a store, or e.g. features/manet_UTT")
    sub.add_argument("--name", default="", help="extractor name of the space (default: from the folder's name)")
    sub.add_argument("--level", choices=("utterance", "frame"), help="what the folder holds, if its name does not say")
    sub.add_argument("--keep-zeros", action="store_true", help="take files of zeros for values, not for 'missing'")
    sub.add_argument("--replace", action="store_true", help="replace clips that are there otherwise")


def _add_export(subs: Any) -> None:
    sub = _sub(subs, "export", "write a space as a folder of npy files that MERTools reads")
    sub.add_argument("space", metavar="SPACE", help="fingerprint or name")
    sub.add_argument("--out", metavar="DIR", type=Path, required=True, help="the folder that gets the feature folder")
    sub.add_argument("--level", choices=("utterance", "frame"), help="utterance = mean of the rows of a frame space")
    sub.add_argument(
        "--separator", choices=("-", "_"), help="sign before UTT or FRA (default: MERTools' for the model)"
    )
    sub.add_argument("--layout", choices=("file", "folder"), default="file", help="one file per clip, or per frame")
    sub.add_argument(
        "--zeros", action="store_true", help="write zeros for clips without an embedding, as MERTools does"
    )
    sub.add_argument("--clips", nargs="+", metavar="NAME", help="these clips only")


def _ls(store: Store, arguments: argparse.Namespace) -> Outcome:
    from mertools.store.describe import size_text

    document: list[dict[str, Any]] = []
    for space in store.spaces():
        rows = store.rows(space).values()
        document.append(
            {
                "fingerprint": space.fingerprint,
                "extractor": space.extractor,
                "level": space.level,
                "dim": space.dim,
                "clips": len(rows),
                "statuses": dict(Counter(row.status for row in rows).most_common()),
                "bytes": sum(row.n_bytes for row in rows),
            }
        )
    width = max((len(one["extractor"]) for one in document), default=0)
    lines = [
        f"{one['fingerprint']}  {one['extractor']:<{width}}  {one['level']:<9}  D={one['dim']:<5}  "
        f"{size_text(one['bytes']):>9}  " + (", ".join(f"{s} {n}" for s, n in one["statuses"].items()) or "no clips")
        for one in document
    ]
    return Outcome(document, "\n".join(lines) or f"the store {store.path} has no spaces")


def _show(store: Store, arguments: argparse.Namespace) -> Outcome:
    from mertools.store.describe import as_json, as_text, describe

    corpus = _corpus(arguments.corpus)
    if arguments.space is not None:
        found = describe(store, arguments.space, corpus)
        return Outcome(as_json(found), as_text(found))
    every = [describe(store, space, corpus) for space in store.spaces()]
    text = "\n\n".join(as_text(one) for one in every)
    return Outcome([as_json(one) for one in every], text or f"the store {store.path} has no spaces")


def _corpus(folder: Path | None) -> Corpus | None:
    if folder is None:
        return None
    from mertools.corpus import Corpus

    return Corpus.read(folder)


def _verify(store: Store, arguments: argparse.Namespace) -> Outcome:
    from dataclasses import asdict

    problems = store.verify(deep=arguments.deep)
    n_errors = sum(problem.severity == "error" for problem in problems)
    counted = f"{n_errors} errors, {len(problems) - n_errors} warnings" if problems else "no problem"
    depth = "every byte was checked" if arguments.deep else "values were not read; --deep does"
    document = {"ok": not n_errors, "deep": arguments.deep, "problems": [asdict(problem) for problem in problems]}
    lines = [*map(str, problems), f"{store.path}: {counted} ({depth})"]
    return Outcome(document, "\n".join(lines), exit_code=NOT_FINE if n_errors else 0)


def _gc(store: Store, arguments: argparse.Namespace) -> Outcome:
    from mertools.store.describe import size_text

    found = store.gc(dry_run=arguments.dry_run, damaged=arguments.damaged)
    counts = {
        "unfinished files": len(found.temporary),
        "orphaned shards": len(found.orphans),
        "replaced shards": len(found.replaced),
        "shards rewritten": len(found.rewritten),
        "damaged shards set aside": len(found.damaged),
    }
    lines = [f"{n} {what}" for what, n in counts.items() if n]
    lines += [
        f"{space}: {len(clips)} clips lost: {', '.join(clips[:10])}" for space, clips in found.lost.items() if clips
    ]
    would = "would free" if arguments.dry_run else "freed"
    return Outcome(found.as_json(), "\n".join([*lines, f"{would} {size_text(found.freed_bytes)}"]))


def _compare(store: Store, arguments: argparse.Namespace) -> Outcome:
    from mertools.store import open_store
    from mertools.store.comparison import compare
    from mertools.store.describe import short

    other = open_store(arguments.other, read_only=True) if arguments.other else None
    found = compare(store, arguments.first, arguments.second, other)
    lines = [f"first   {found.first}", f"second  {found.second}", "", "settings that differ:"]
    lines += [f"  {key}: {one!r} | {two!r}" for key, (one, two) in found.settings.items()] or ["  none"]
    if found.facts:
        lines.append("recorded facts that differ:")
        lines += [f"  {key}: {short(one)} | {short(two)}" for key, (one, two) in found.facts.items()]
    lines += [
        f"clips with values: {found.n_common} in both, {len(found.only_first)} only in the first, "
        f"{len(found.only_second)} only in the second",
        f"different status: {len(found.statuses)}; different shape: {len(found.shapes)}",
    ]
    if found.numbers:
        n = found.numbers
        lines += [
            f"equal bit by bit: {n.n_equal} clips",
            f"largest difference {n.largest:.6g}, mean {n.mean:.6g}; "
            f"relative to max(1, max|first|) {n.relative:.6g} (clip {n.relative_clip})",
        ]
        if n.cosine_mean is not None:
            lines.append(f"cosine of rows: mean {n.cosine_mean:.6f}, lowest {n.cosine_lowest:.6f}")
        if n.correlation is not None:
            lines.append(f"correlation of values: {n.correlation:.6f}")
        if n.dimension is not None:
            lines.append(f"dimensions that differ: {n.n_dimensions} of {found.first.dim}, most of all {n.dimension}")
    return Outcome(found.as_json(), "\n".join(lines))


def _check_import(arguments: argparse.Namespace) -> None:
    """Refuse options that do not fit the folders, before a store is made."""
    for option in ("name", "level"):
        if getattr(arguments, option) and len(arguments.folders) > 1:
            raise ConfigError("MER-V046", f"--{option} was given for several folders.", "Import them one at a time.")
    for folder in arguments.folders:
        if not folder.is_dir():
            raise ConfigError(
                "MER-V123", f"there is no folder {folder}.", "Expected a store, or a folder of npy files."
            )
    for folder in filter(_is_store, arguments.folders):
        given = [o for o in ("name", "level", "keep_zeros") if getattr(arguments, o)]
        if given:
            option = given[0].replace("_", "-")
            raise ConfigError(
                "MER-V122", f"--{option} was given, but {folder} is a store.", "It is for folders of npy files only."
            )


def _is_store(folder: Path) -> bool:
    return (folder / "store.json").is_file()


def _import(store: Store, arguments: argparse.Namespace) -> Outcome:
    from mertools.cli import say

    document: list[dict[str, Any]] = []
    lines: list[str] = []
    for folder in arguments.folders:
        say(f"importing {folder}")
        (_import_store if _is_store(folder) else _import_npy)(store, folder, arguments, document, lines)
    failed = any(one.get("failures") or one.get("conflicts") for one in document)
    return Outcome(document, "\n".join(lines), exit_code=NOT_FINE if failed else 0)


def _import_store(
    store: Store, folder: Path, arguments: argparse.Namespace, document: list[dict[str, Any]], lines: list[str]
) -> None:
    from mertools.store import open_store
    from mertools.store.transfer import merge

    with open_store(folder, read_only=True) as other:
        merged = merge(store, other, replace=arguments.replace)
    document += [{"folder": str(folder), **one.as_json()} for one in merged]
    for one in merged:
        counts = f"{one.added} clips added, {one.replaced} replaced, {one.unchanged} unchanged"
        counts += f", {one.alike} alike within rounding" if one.alike else ""
        lines.append(f"{folder} -> {one.space} ({one.space.level}): {counts}")
        if one.conflicts:
            lines.append(f"  {len(one.conflicts)} conflicts, kept as they were here (--replace takes the others):")
            lines += [f"  {clip}: {reason}" for clip, reason in list(one.conflicts.items())[:10]]


def _import_npy(
    store: Store, folder: Path, arguments: argparse.Namespace, document: list[dict[str, Any]], lines: list[str]
) -> None:
    found = store.import_npy(
        folder,
        name=arguments.name,
        level=arguments.level,
        keep_zeros=arguments.keep_zeros,
        replace=arguments.replace,
    )
    document.append(
        {
            "folder": str(folder),
            "space": str(found.space),
            "level": found.space.level,
            "ok": found.n_ok,
            "unchanged": found.n_unchanged,
            "failures": found.failures,
        }
    )
    lines.append(
        f"{folder.name} -> {found.space} ({found.space.level}): {found.n_ok} clips, {found.n_unchanged} unchanged, "
        f"{len(found.failures)} without values"
    )
    lines += [f"  {clip}: {reason}" for clip, reason in list(found.failures.items())[:10]]


def _export(store: Store, arguments: argparse.Namespace) -> Outcome:
    found = store.export_npy(
        arguments.space,
        arguments.out,
        level=arguments.level,
        separator=arguments.separator,
        layout=arguments.layout,
        zeros=arguments.zeros,
        clips=arguments.clips,
    )
    document = {"folder": str(found.folder), "clips": found.n_clips, "absent": found.absent}
    how = "zeros were written for" if arguments.zeros else "left out"
    absent = f"; {len(found.absent)} clips have no embedding ({how})" if found.absent else ""
    return Outcome(document, f"{found.folder}: {found.n_clips} clips{absent}", NOT_FINE if found.absent else 0)


_ACTIONS = {
    "ls": _ls,
    "show": _show,
    "verify": _verify,
    "gc": _gc,
    "compare": _compare,
    "import": _import,
    "export": _export,
}
