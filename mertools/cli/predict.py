"""``mertools predict``: predictions of a run for a split of a corpus, or for media files."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from mertools.cli import FINE, NOT_FINE, Outcome
from mertools.cli.train import with_progress
from mertools.errors import ConfigError

HELP = "predict a split of a corpus, or new clips, with a run"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the verb."""
    parser.add_argument("folder", type=Path, metavar="RUN", help="run folder")
    parser.add_argument("--corpus", type=Path, metavar="DIR", help="corpus folder")
    parser.add_argument("--split", metavar="NAME", help="split to predict")
    parser.add_argument("--clips", nargs="+", type=Path, metavar="FILE", help="media files; same stem = one clip")
    parser.add_argument("--store", type=Path, metavar="DIR", help="embedding store (default: CORPUS_DIR/store)")
    parser.add_argument(
        "--with", dest="extractors", metavar="A,B", help="extractors with options for --clips, if weights moved"
    )
    parser.add_argument("--calibrate", action="store_true", help="probabilities at the temperature the run found")
    parser.add_argument(
        "--ensemble", choices=("probabilities", "logits"), default="", help="what is averaged over members"
    )
    parser.add_argument("--members", type=int, metavar="FOLD", help="only members of this fold (default: all)")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.csv", help="predictions to write")


def run(arguments: argparse.Namespace) -> Outcome:
    """Predict and write the CSV."""
    from baselines.prediction import Ensemble, predict, predict_files
    from mertools.config import parse_name_specs
    from mertools.corpus import Corpus

    of_corpus = bool(arguments.corpus and arguments.split)
    if of_corpus == bool(arguments.clips) or bool(arguments.corpus) != bool(arguments.split):
        raise ConfigError(
            "MER-T061", "predict needs either --corpus DIR and --split NAME, or --clips FILE...", "Give one of the two."
        )
    with_progress()
    ensemble = Ensemble(arguments.ensemble, arguments.members, arguments.calibrate)
    if of_corpus:
        corpus = Corpus.read(arguments.corpus)
        found = predict(arguments.folder, corpus, arguments.split, store=arguments.store, ensemble=ensemble)
        failures: Mapping[str, Mapping[str, tuple[str, str]]] = {}
        unread: tuple[str, ...] = ()
    else:
        extractors = [str(spec) for spec in parse_name_specs(arguments.extractors)] if arguments.extractors else []
        new = predict_files(arguments.folder, arguments.clips, extractors=extractors, ensemble=ensemble)
        found, failures, unread = new.predictions, new.failures, new.unread
    found.write(arguments.out)
    counts = dict(Counter(found.discrete).most_common())
    said = ", ".join(f"{label} {n}" for label, n in counts.items())
    text = f"{len(found.names)} clips predicted" + (f" ({said})" if said else "") + f": {arguments.out}"
    for clip, problems in failures.items():
        text += "".join(f"\n  {clip}: {extractor} {status}: {why}" for extractor, (status, why) in problems.items())
    if unread:
        text += f"\nNothing could be read of {', '.join(unread)}: what was written there is the prior alone."
    document = {"clips": len(found.names), "labels": counts, "out": str(arguments.out)}
    statuses = {clip: {extractor: status for extractor, (status, _) in of.items()} for clip, of in failures.items()}
    return Outcome(document | {"status": statuses, "unread": list(unread)}, text, NOT_FINE if unread else FINE)
