"""How much of the road a folder of somebody's own clips allows."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mertools.corpus import Clip, Corpus
from mertools.files import write_text_atomically
from mertools.recipe import Package, Predict, Recipe, Train
from mertools.status import Status
from mertools.store import open_store
from mertools.tracks import Track

MODEL = "attention"


@dataclass(frozen=True)
class Possible:
    """What can be done with a corpus.

    Attributes:
        recipe: the recipe with all stages that are possible.
        remarks: one sentence for each part that is not, and why.
    """

    recipe: Recipe
    remarks: tuple[str, ...] = ()


def extend(recipe: Recipe, corpus: Corpus, features: Sequence[str], track: Track) -> Possible:
    """A recipe of the data stages, with the stages behind them that labels and embeddings allow.

    Args:
        recipe: prepares and extracts.
        corpus: what was prepared.
        features: extractors that gave at least one embedding.
        track: the track to take if the labels fit it.
    """
    remarks = _lacking(recipe, features)
    labelled = _labelled(corpus)
    groups = {clip.cells.get("speaker") or clip.name for clip in labelled}
    if not labelled:
        remarks.append(
            "Your clips have no labels, so the embeddings are all there is to make. For a model, put a labels.csv "
            "beside the clips: name,discrete (and valence, split, speaker where known)."
        )
    elif len(groups) < 2:
        remarks.append(f"{len(labelled)} labelled clips of one speaker are too few for folds; nothing was trained.")
    elif not features:
        remarks.append("No clip gave an embedding, so nothing was trained.")
    if not labelled or len(groups) < 2 or not features:
        return Possible(recipe, tuple(remarks))
    on_track = _fits(corpus, track)
    if not on_track:
        remarks.append(
            f"Trained without a track, so there is no submission: {track.id} needs the six MER labels, valence, "
            f"and splits {', '.join((*track.train_splits, *track.test_splits))}."
        )
    targets = () if on_track else _targets(corpus)
    folds = str(min(5, len(groups)))
    train = Train(MODEL, track.id if on_track else "", targets, tuple(features), folds=folds, seed=0)
    others = tuple(s.name for s in corpus.splits if s.name not in {clip.split for clip in labelled})
    predict = Predict((*track.test_splits, *(s for s in others if s not in track.test_splits)) if on_track else others)
    package = _package(recipe.out, corpus, track) if on_track else None
    return Possible(replace(recipe, train=train, predict=predict if others else None, package=package), tuple(remarks))


def with_embeddings(corpus: Corpus, extractors: Sequence[str]) -> tuple[str, ...]:
    """Those of `extractors` that gave an embedding for at least one training clip with labels (any clip without)."""
    names = {clip.name for clip in _labelled(corpus) or corpus.clips}
    found = set()
    with open_store(corpus.folder / "store", read_only=True) as store:
        for space in store.spaces():
            status = store.status(space)
            if any(status[name][0] == Status.OK for name in names & set(status)):
                found.add(space.extractor)
    return tuple(name for name in extractors if name in found)


def _targets(corpus: Corpus) -> tuple[str, ...]:
    """Emotion and valence if they are there, else everything that can be learnt from utterances."""
    usable = [t.name for t in corpus.targets if t.kind in ("classes", "value") and t.per == "clip"]
    return tuple(t for t in ("discrete", "valence") if t in usable) or tuple(usable)


def _labelled(corpus: Corpus) -> list[Clip]:
    training = {s.name for s in corpus.splits if s.role in ("train", "validation")}
    columns = _targets(corpus)
    return [c for c in corpus.clips if c.split in training and any(c.cells.get(t, "").strip() for t in columns)]


def _fits(corpus: Corpus, track: Track) -> bool:
    known = {t.name: t for t in corpus.targets}
    alike = all(t.name in known and known[t.name].classes == t.classes for t in track.targets)
    return alike and {s.name for s in corpus.splits} >= {*track.train_splits, *track.test_splits}


def _lacking(recipe: Recipe, features: Sequence[str]) -> list[str]:
    asked = recipe.extract.extractors if recipe.extract else ()
    lacking = [name for name in asked if name not in features]
    return [f"No clip to learn from gave an embedding in {', '.join(lacking)}; it is left out."] if lacking else []


def _package(out: Path, corpus: Corpus, track: Track) -> Package:
    """The upload for the corpus's own test split, scored if all of it is annotated."""
    split = track.test_splits[0]
    clips = corpus.select([split])
    names = [t.name for t in track.targets]
    candidates, truth = out / "own" / "candidates.csv", out / "own" / "truth.csv"
    _write(candidates, ("name",), [(clip.name,) for clip in clips])
    rows = [
        (clip.name, *(clip.cells.get(t, "").strip() for t in names), clip.cells.get("speaker", "")) for clip in clips
    ]
    if not all(all(row[1:-1]) for row in rows):
        return Package(split, candidates=candidates)
    speakers = all(row[-1] for row in rows)
    _write(truth, ("name", *names, *(("speaker",) if speakers else ())), rows if speakers else [r[:-1] for r in rows])
    return Package(split, candidates=candidates, truth=truth)


def _write(path: Path, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    write_text_atomically(path, text.getvalue())
