"""``mertools transcribe``: transcripts by a speech recogniser; what is there already is not recognised again."""

from __future__ import annotations

import argparse
from pathlib import Path

from mertools.cli import FINE, NOT_FINE, Outcome

HELP = "transcripts of a corpus by a speech recogniser"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the verb."""
    parser.add_argument("corpus", type=Path, metavar="CORPUS_DIR", help="folder with clips.csv and corpus.yaml")
    parser.add_argument(
        "--weights",
        default="openai/whisper-large-v2",
        metavar="DIR",
        help="Whisper in the layout of the hub: a folder, or a hub id in the local cache (default: %(default)s)",
    )
    parser.add_argument("--download", action="store_true", help="fetch the hub id if it is not in the cache")
    parser.add_argument("--language", default="", metavar="CODE", help="e.g. zh (default: heard, per clip)")
    parser.add_argument("--column", default="text_asr", help="column of clips.csv to write (default: %(default)s)")
    parser.add_argument(
        "--word-times", action="store_true", help="keep the time of each word in CORPUS_DIR/transcripts/COLUMN.jsonl"
    )
    parser.add_argument("--split", nargs="+", default=[], metavar="S", help="only these splits")
    parser.add_argument("--retry", nargs="+", default=[], metavar="STATUS", help="repeat clips with these statuses")
    parser.add_argument("--batch", type=int, default=8, metavar="N", help="clips at a time (default: %(default)s)")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:N (default: auto)")
    parser.add_argument("--precision", choices=("fp32", "bf16", "fp16"), help="default: fp32 on a CPU, bf16 on a GPU")
    parser.add_argument("--decoders", type=int, default=2, metavar="N", help="decoder processes (default: %(default)s)")
    parser.add_argument(
        "--timeout", type=float, default=60.0, metavar="S", help="seconds to decode a clip (default: 60)"
    )


def run(arguments: argparse.Namespace) -> Outcome:
    """Recognise, and say how many clips have a transcript."""
    from feature_extractors.transcription import TranscriptionOptions, transcribe
    from mertools.corpus import Corpus

    options = TranscriptionOptions(
        weights=arguments.weights,
        language=arguments.language,
        column=arguments.column,
        word_times=arguments.word_times,
        split=tuple(arguments.split),
        retry=tuple(arguments.retry),
        batch=arguments.batch,
        device=arguments.device,
        precision=arguments.precision,
        decoders=arguments.decoders,
        timeout_s=arguments.timeout,
        download=arguments.download,
    )
    summary = transcribe(Corpus.read(arguments.corpus), options)
    return Outcome(summary.as_json(), summary.text(), FINE if summary.fine else NOT_FINE)
