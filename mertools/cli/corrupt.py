"""``mertools corrupt``: MER-NOISE versions of clips; what is done already is not done again."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from mertools.cli import FINE, NOT_FINE, Outcome, say

if TYPE_CHECKING:
    from mertools.corruption import Settings, Summary

HELP = "MER-NOISE versions of clips: speech under noise, pictures blurred"

_PLAIN_EVERY_S = 10.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the verb."""
    parser.add_argument("corpus", type=Path, metavar="CORPUS_DIR", help="folder with clips.csv and corpus.yaml")
    parser.add_argument("--noise", type=Path, metavar="DIR", help="folder of noise (the tracks took MUSAN's speech)")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="corpus folder to write")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="decides all that is drawn (default: 0)")
    parser.add_argument("--split", nargs="+", default=[], metavar="S", help="only these splits")
    parser.add_argument(
        "--snr",
        default="5,6,7,8,9,10",
        metavar="DB,...",
        help="ratios to draw from, e.g. --snr=-5,0 (default: 5,6,7,8,9,10)",
    )
    parser.add_argument("--blur", default="1,2,4", metavar="R,...", help="blur factors to draw from (default: 1,2,4)")
    only = parser.add_mutually_exclusive_group()
    only.add_argument("--audio-only", action="store_true", help="noise, but no blur")
    only.add_argument("--blur-only", action="store_true", help="blur, but no noise")
    parser.add_argument(
        "--size",
        choices=("source", "reference"),
        default="source",
        help="of the picture: as the source (default), or grown as by the challenge's script",
    )
    parser.add_argument(
        "--audio",
        choices=("wav", "aac"),
        default="wav",
        help="wav: the noisy sound also beside the movie, exactly (default); aac: only in the movie",
    )
    parser.add_argument("--workers", type=int, default=0, metavar="N", help="processes (default: one per core)")
    parser.add_argument(
        "--timeout", type=float, default=600.0, metavar="S", help="seconds that a clip may take (default: 600)"
    )


def run(arguments: argparse.Namespace) -> Outcome:
    """Corrupt the clips and say how many."""
    from mertools.corpus import Corpus
    from mertools.corruption import corrupt

    settings = _settings(arguments)
    progress = _Progress()
    try:
        summary = corrupt(
            Corpus.read(arguments.corpus),
            arguments.out,
            settings,
            noise=arguments.noise,
            splits=arguments.split,
            workers=arguments.workers,
            timeout_s=arguments.timeout,
            progress=progress,
        )
    finally:
        progress.close()
    for warning in summary.warnings:
        say(f"warning: {warning}")
    return Outcome(summary.as_json(), _text(summary), NOT_FINE if summary.failed else FINE)


def _settings(arguments: argparse.Namespace) -> Settings:
    from mertools.corruption import Settings
    from mertools.corruption.settings import parse_blur, parse_snr

    return Settings(
        seed=arguments.seed,
        snr_db=parse_snr(arguments.snr),
        blur=parse_blur(arguments.blur),
        noise=not arguments.blur_only,
        picture=not arguments.audio_only,
        size=arguments.size,
        audio=arguments.audio,
    )


def _text(summary: Summary) -> str:
    lines = [
        f"{summary.n_clips} clips: {summary.n_done} done, {summary.n_skipped} were done already, "
        f"{len(summary.failed)} failed, {summary.seconds:.1f} s; in {summary.out}"
    ]
    failed = sorted(summary.failed.items())
    lines += [f"  {name}: {error.status}  {error}" for name, error in failed[:20]]
    if len(failed) > 20:
        lines.append(f"  ... and {len(failed) - 20} more: column corruption_reason of clips.csv")
    return "\n".join(lines)


class _Progress:
    """One line on a terminal that is written over; elsewhere a line now and then."""

    def __init__(self) -> None:
        self._terminal = sys.stderr.isatty()
        self._printed = time.monotonic()
        self._open = False

    def __call__(self, summary: Summary) -> None:
        n = summary.n_done + summary.n_skipped + len(summary.failed)
        pace = n / max(summary.seconds, 1e-9)
        left_s = round((summary.n_clips - n) / pace)
        line = (
            f"corrupt: {n}/{summary.n_clips} clips, {len(summary.failed)} failed, {pace:.1f} clips/s, {left_s} s left"
        )
        if self._terminal:
            sys.stderr.write(f"\r{line}\x1b[K")
            sys.stderr.flush()
            self._open = True
        elif time.monotonic() - self._printed >= _PLAIN_EVERY_S:
            self._printed = time.monotonic()
            say(line)

    def close(self) -> None:
        """End the line."""
        if self._open:
            say("")
