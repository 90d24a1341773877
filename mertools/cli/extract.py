"""``mertools extract``: embeddings of a corpus into its store; what is there already is not computed again."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mertools.cli import FINE, NOT_FINE, Outcome

if TYPE_CHECKING:
    from feature_extractors.engine import ExtractionOptions
    from mertools.corpus import Corpus
    from mertools.store import Store

HELP = "embeddings of a corpus into its store"

_DEFAULT_EXTRACTORS = "face/hog,audio/prosody,text/ngram"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the verb."""
    parser.add_argument("corpus", type=Path, metavar="CORPUS_DIR", help="folder with clips.csv and corpus.yaml")
    parser.add_argument(
        "--with",
        dest="names",
        default=_DEFAULT_EXTRACTORS,
        metavar="A,B,C",
        help=f"extractors, NAME[:key=value...] each (default: {_DEFAULT_EXTRACTORS}, which need no download)",
    )
    parser.add_argument("--split", nargs="+", default=[], metavar="S", help="only these splits")
    parser.add_argument(
        "--column",
        nargs="+",
        default=[],
        metavar="C",
        help="another transcript (text_en) or sound (audio_denoised) of the manifest",
    )
    parser.add_argument(
        "--level", choices=("utterance", "frame"), default="utterance", help="one row per clip, or many"
    )
    parser.add_argument("--store", type=Path, metavar="DIR", help="default: CORPUS_DIR/store")
    parser.add_argument("--engine", default="local", help="who does the work: local, ray (default: local)")
    parser.add_argument("--address", default="", metavar="A", help="of the Ray cluster (default: one on this machine)")
    parser.add_argument(
        "--workers", type=int, default=0, metavar="N", help="processes that compute (default: one per device)"
    )
    parser.add_argument(
        "--spool",
        default="",
        metavar="URL",
        help="folder or URL by which workers of a cluster hand over what they made (default: the cluster itself)",
    )
    parser.add_argument(
        "--shard", default="1/1", metavar="I/N", help="only every N-th group of clips, from the I-th on"
    )
    parser.add_argument(
        "--device", default="auto", help="auto (all GPUs), cpu, cuda, cuda:N, or several: cuda:0,cuda:1 (default: auto)"
    )
    parser.add_argument("--precision", choices=("fp32", "bf16", "fp16"), help="default: fp32 on a CPU, bf16 on a GPU")
    parser.add_argument("--retry", nargs="+", default=[], metavar="STATUS", help="repeat clips with these statuses")
    parser.add_argument("--limit", type=int, metavar="N", help="at most N clips, shortest first")
    parser.add_argument(
        "--decoders", type=int, default=0, metavar="N", help="decoder processes of each worker (default: by cores)"
    )
    parser.add_argument(
        "--timeout", type=float, default=60.0, metavar="S", help="seconds to decode a clip (default: 60)"
    )
    parser.add_argument(
        "--flush", type=float, default=2.0, metavar="S", help="groups are made durable every S seconds (default: 2)"
    )
    parser.add_argument("--dry-run", action="store_true", help="say clips, hours, GB and time; write nothing")


def run(arguments: argparse.Namespace) -> Outcome:
    """Extract, or estimate what it would take."""
    from mertools.config import parse_name_specs
    from mertools.corpus import Corpus

    options = _options(arguments)
    names = [str(spec) for spec in parse_name_specs(arguments.names)]
    corpus = Corpus.read(arguments.corpus)
    folder = arguments.store or corpus.folder / "store"
    return (_estimate if arguments.dry_run else _extract)(corpus, names, folder, options)


def _options(arguments: argparse.Namespace) -> ExtractionOptions:
    from feature_extractors.engine import ExtractionOptions
    from mertools.config import from_mapping

    given: dict[str, Any] = {
        "split": arguments.split,
        "column": arguments.column,
        "level": arguments.level,
        "engine": arguments.engine,
        "address": arguments.address,
        "workers": arguments.workers,
        "spool": arguments.spool,
        "shard": arguments.shard,
        "device": arguments.device,
        "precision": arguments.precision,
        "retry": arguments.retry,
        "limit": arguments.limit,
        "decoders": arguments.decoders,
        "timeout_s": arguments.timeout,
        "flush_s": arguments.flush,
    }
    return from_mapping(ExtractionOptions, given, "extract")


def _extract(corpus: Corpus, names: list[str], folder: Path, options: ExtractionOptions) -> Outcome:
    from feature_extractors.engine import check, run
    from mertools.store import open_store

    if not folder.exists():
        check(corpus, names, options)  # a mistyped name makes no store
    with open_store(folder, create=True) as store:
        summary = run(corpus, names, store, options)
    return Outcome(summary.as_json(), summary.text(str(folder)), FINE if summary.fine else NOT_FINE)


def _estimate(corpus: Corpus, names: list[str], folder: Path, options: ExtractionOptions) -> Outcome:
    from feature_extractors.engine import estimate
    from mertools.store import open_store

    with tempfile.TemporaryDirectory(prefix="mertools-dry-run-") as empty:
        # A store that is not there yet is as good as an empty one; a dry run makes none.
        there = (folder / "store.json").is_file()
        store: Store
        with open_store(folder if there else Path(empty) / "store", create=not there) as store:
            found = estimate(corpus, names, store, options)
    return Outcome(found.as_json(), found.text())
