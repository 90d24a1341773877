"""``mertools denoise``: a denoised sound beside the original of each clip, for ``extract --column audio_denoised``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from mertools.cli import FINE, NOT_FINE, Outcome

if TYPE_CHECKING:
    from feature_extractors.audio.denoise import Denoiser

HELP = "a denoised sound for each clip, as a column of the manifest"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the verb."""
    parser.add_argument("corpus", type=Path, metavar="CORPUS_DIR", help="folder with clips.csv and corpus.yaml")
    how = parser.add_mutually_exclusive_group()
    how.add_argument(
        "--command", metavar="LINE", help="a program that reads and writes WAV, e.g. 'deep-filter {input} -o {output}'"
    )
    how.add_argument("--weights", type=Path, metavar="FILE", help="HDemucs: torchaudio's hdemucs_high_trained.pt")
    parser.add_argument("--rate", type=int, default=16_000, metavar="HZ", help="of the WAV given to --command")
    parser.add_argument("--column", default="audio_denoised", help="column to write (default: %(default)s)")
    parser.add_argument("--split", nargs="+", default=[], metavar="S", help="only these splits")
    parser.add_argument("--device", default="auto", help="for HDemucs: auto, cpu, cuda, cuda:N (default: auto)")


def run(arguments: argparse.Namespace) -> Outcome:
    """Denoise by the command, by HDemucs, or by the spectral gate if neither is named."""
    from feature_extractors.audio.denoise_corpus import denoise_corpus
    from mertools.corpus import Corpus

    corpus = Corpus.read(arguments.corpus)
    summary = denoise_corpus(corpus, _denoiser(arguments), column=arguments.column, split=arguments.split)
    counts = ", ".join(f"{status} {n}" for status, n in summary.status.items())
    lines = [
        f"{summary.clips} clips, {summary.made} sounds made now: {counts}",
        f"column {summary.column} by {summary.origin}",
    ]
    lines += [f"  {name}: {reason}" for name, reason in list(summary.problems.items())[:20]]
    return Outcome(summary.as_json(), "\n".join(lines), FINE if summary.fine else NOT_FINE)


def _denoiser(arguments: argparse.Namespace) -> Denoiser:
    from feature_extractors.audio.denoise import Command, HDemucs, SpectralGate

    if arguments.command is not None:
        return Command(arguments.command, arguments.rate)
    if arguments.weights is not None:
        from feature_extractors.engine.options import resolve_device

        return HDemucs(arguments.weights, resolve_device(arguments.device))
    return SpectralGate()
