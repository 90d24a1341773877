"""``mertools leaks``: clips that two corpora share, found by content."""

from __future__ import annotations

import argparse
import math
import time
from pathlib import Path
from typing import TYPE_CHECKING

from mertools.cli import FINE, NOT_FINE, Outcome, say

if TYPE_CHECKING:
    from mertools.leaks import SharedClips, SharedPair
    from mertools.leaks.evidence import Agreement

HELP = "clips that two corpora share, found by content"

SHOWN = 50
EVERY_S = 5.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the verb."""
    parser.add_argument("a", type=Path, metavar="CORPUS_A", help="corpus folder")
    parser.add_argument("b", type=Path, metavar="CORPUS_B", help="another; or the same, to find clips it holds twice")
    parser.add_argument("--workers", type=int, metavar="N", help="decoder processes (default: one per core)")
    parser.add_argument(
        "--timeout", type=float, default=60.0, metavar="S", help="seconds to decode a clip (default: 60)"
    )
    parser.add_argument("--no-cache", action="store_true", help="keep no signatures in CORPUS_DIR/leaks-cache")
    parser.add_argument(
        "--write-seen-in", action="store_true", help="note the shared clips in A's corpus.yaml and clips.csv"
    )


def run(arguments: argparse.Namespace) -> Outcome:
    """Search, note what was found if asked to, and say it."""
    from mertools.corpus import Corpus
    from mertools.leaks import find_shared, write_seen_in
    from mertools.leaks.record import check_names

    a, b = Corpus.read(arguments.a), Corpus.read(arguments.b)
    if arguments.write_seen_in:
        check_names(a.name, b.name)
    found = find_shared(
        a, b, workers=arguments.workers, timeout_s=arguments.timeout, cache=not arguments.no_cache, progress=_Progress()
    )
    if arguments.write_seen_in:
        write_seen_in(a, found)
    return Outcome(found.as_json(), _text(found), NOT_FINE if found.pairs else FINE)


class _Progress:
    """A line on stderr every few seconds, and at the end of a step."""

    def __init__(self) -> None:
        self._last_s = time.monotonic()

    def __call__(self, step: str, done: int, total: int) -> None:
        now_s = time.monotonic()
        if done == total or now_s - self._last_s >= EVERY_S:
            self._last_s = now_s
            say(f"{step}: {done}/{total} clips")


def _text(found: SharedClips) -> str:
    where = f"{found.corpus_a} holds twice" if found.same else f"{found.corpus_a} and {found.corpus_b} share"
    lines = [f"{where} {found.shared} of {found.clips_a} clips ({found.clips_b} on the other side)."]
    if found.same:
        lines = [f"{where} {found.shared} of {found.clips_a} clips."]
    lines += _table("shared", found.pairs)
    if found.sound_only:
        lines += ["", "The same sound under different pictures (music, dubbing, a clip used as noise); not counted:"]
        lines += _table("sound only", found.sound_only)
    if found.name_only:
        lines += ["", f"Same name, but no shared content found; not counted: {_some(found.name_only)}"]
    if found.undecidable:
        lines += ["", f"{len(found.undecidable)} clips might be shared without being recognised:"]
        lines += [f"  {u.corpus}/{u.clip}: {u.reason}" for u in found.undecidable[:SHOWN]]
        lines += _more(len(found.undecidable))
    return "\n".join([*lines, "", _margin(found)])


def _table(title: str, pairs: tuple[SharedPair, ...]) -> list[str]:
    if not pairs:
        return []
    rows = [("A", "B", "offset", "picture", "sound", "same file", "same name", "by chance")]
    rows += [
        (
            pair.a,
            pair.b,
            f"{pair.offset_s:+.2f} s",
            _agreement(pair.picture),
            _agreement(pair.sound),
            "yes" if pair.digest else "",
            "yes" if pair.name else "",
            f"10^{pair.log_probability / math.log(10):.0f}",
        )
        for pair in pairs[:SHOWN]
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    shown = ["  " + "  ".join(f"{cell:<{w}}" for cell, w in zip(row, widths, strict=True)).rstrip() for row in rows]
    return [*shown, *_more(len(pairs))]


def _agreement(part: Agreement | None) -> str:
    return "-" if part is None else f"{1 - part.error_rate:.0%} of {part.n_bits}"


def _more(n: int) -> list[str]:
    return [f"  ... and {n - SHOWN} more (--json lists all)"] if n > SHOWN else []


def _some(names: tuple[str, ...]) -> str:
    return ", ".join(names[:10]) + (f" and {len(names) - 10} more" if len(names) > 10 else "")


def _margin(found: SharedClips) -> str:
    weakest = "none" if found.weakest_shared is None else f"{found.weakest_shared:.0f}"
    return (
        f"Evidence in nats: {found.required_exponent:.0f} required; weakest shared pair {weakest}; "
        f"strongest refused pair {found.strongest_unrelated:.0f}. {found.seconds:.1f} s."
    )
