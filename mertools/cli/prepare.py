"""``mertools prepare``: raw layout to manifest."""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mertools.cli import Outcome, assignments, say

if TYPE_CHECKING:
    from mertools.corpus import Corpus

HELP = "a raw corpus, or any folder of clips, to a corpus folder"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the verb."""
    parser.add_argument("corpus", metavar="CORPUS", help="a name of `mertools list corpora`; `folder` takes any clips")
    parser.add_argument("--raw", type=Path, required=True, metavar="DIR", help="the raw corpus; it is only read")
    parser.add_argument("--out", type=Path, required=True, metavar="CORPUS_DIR", help="corpus folder to write")
    parser.add_argument("options", nargs="*", metavar="KEY=VALUE", help="options of that corpus, e.g. labels=my.csv")


def run(arguments: argparse.Namespace) -> Outcome:
    """Prepare a corpus and say what was found."""
    from mertools.corpora import prepare

    options = assignments(arguments.options)
    prepared = prepare(arguments.corpus, arguments.raw, arguments.out, **options)
    for warning in prepared.warnings:
        say(f"warning: {warning}")
    document = {**describe(prepared.corpus), "warnings": list(prepared.warnings)}
    return Outcome(document, _text(document))


def describe(corpus: Corpus) -> dict[str, Any]:
    """Numbers of clips, hours, media, splits and annotations of a corpus, JSON-able."""
    seconds = [float(c.cells["duration"]) for c in corpus.clips if c.cells.get("duration")]
    return {
        "corpus": corpus.name,
        "folder": str(corpus.folder),
        "clips": len(corpus),
        "hours": sum(seconds) / 3600,
        "with_video": sum(c.video is not None for c in corpus.clips),
        "with_own_audio": sum(c.audio is not None for c in corpus.clips),
        "with_text": sum(bool(c.text()) for c in corpus.clips),
        "splits": dict(Counter(c.split for c in corpus.clips)),
        "targets": {t.name: _annotated(corpus, t.name) for t in corpus.targets},
    }


def _annotated(corpus: Corpus, target: str) -> dict[str, int]:
    """Clips per class, or how many clips are annotated (per frame: how many have a file of annotations)."""
    spec = corpus.target(target)
    if spec.per != "clip":
        return {f"clips annotated per {spec.per}": sum(bool(clip.cells.get("labels")) for clip in corpus.clips)}
    found = [a for a in corpus.annotations(target, corpus.clips) if a is not None]
    if spec.kind == "classes":
        counts = Counter(found)
        return {label: counts[label] for label in spec.classes}
    return {"annotated": len(found)}


def _text(document: dict[str, Any]) -> str:
    def counts(named: dict[str, int]) -> str:
        return ", ".join(f"{name} {n}" for name, n in named.items())

    lines = [
        f"{document['corpus']}: {document['clips']} clips, {document['hours']:.2f} h, in {document['folder']}",
        f"  media    video {document['with_video']}, own audio {document['with_own_audio']}, "
        f"text {document['with_text']}",
        f"  splits   {counts(document['splits'])}",
        *(f"  {name:<8} {counts(annotated)}" for name, annotated in document["targets"].items()),
    ]
    return "\n".join(lines)
