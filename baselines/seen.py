"""What a score must not have seen: clips that an extractor was trained on, and clips that the track itself scores."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

from mertools.corpora.editions import scored_in
from mertools.errors import TrainingError

if TYPE_CHECKING:
    from baselines.spaces import Feature
    from mertools.corpus import Clip, Corpus
    from mertools.tracks import Track

log = logging.getLogger(__name__)

SEEN_COLUMN = "seen_in"
"""Column of ``clips.csv`` in which ``mertools leaks --write-seen-in`` notes the corpora that hold a clip, too."""


def refuse_scored(corpus: Corpus, track: Track, clips: Sequence[Clip], allow: bool) -> None:
    """Refuse to train on clips that the track scores.

    They are known by their split (the track's own corpus), by the column ``seen_in`` of the manifest, or by the known
    chain of editions, whose clips are renamed from year to year.

    Args:
        corpus: what is trained on.
        track: what will be scored.
        clips: the training clips.
        allow: whether it was accepted (then it is a warning).

    Raises:
        TrainingError: if there are any and `allow` is False.
    """
    found = _scored(corpus, track, clips)
    if not found:
        if track.edition in corpus.seen_in and not any(clip.cells.get(SEEN_COLUMN) for clip in clips):
            log.warning(
                "clips of '%s' also stand in %s, whose track is trained for; which of them it scores is not known: "
                "`mertools leaks --write-seen-in` finds out",
                corpus.name,
                track.edition,
            )
        return
    if allow:
        log.warning("track %s scores clips that are trained on (%s): its score says nothing", track.id, found)
        return
    raise TrainingError(
        "MER-T041",
        f"track {track.id} scores clips that corpus '{corpus.name}' would be trained on: {found}. Such a score says "
        "nothing about new clips.",
        "Name other splits with train_splits=A,B, leave those clips out, or accept it with --allow-seen.",
    )


def _scored(corpus: Corpus, track: Track, clips: Sequence[Clip]) -> str:
    """Which training clips the track scores, in words; empty if none is known."""
    if corpus.name == track.edition:
        splits = dict.fromkeys(clip.split for clip in clips if clip.split in track.test_splits)
        return "split " + ", ".join(splits) if splits else ""
    noted = sum(track.edition in _names(clip.cells.get(SEEN_COLUMN, "")) for clip in clips)
    if noted:
        return f"{noted} clips that the column {SEEN_COLUMN} finds in {track.edition}"
    return scored_in(corpus.name, track.edition)


def _names(cell: str) -> set[str]:
    return {name.strip() for name in cell.split(";")}


def refuse_seen(corpus: Corpus, features: Sequence[Feature], allow: bool) -> None:
    """Refuse to score clips that an extractor was trained on.

    The fact ``trained_on`` of a space lists corpora; `Corpus.seen_in` lists corpora that contain these clips.

    Raises:
        TrainingError: if they meet and `allow` is False (otherwise a warning).
    """
    here = {name.casefold(): name for name in (corpus.name, *corpus.seen_in)}
    for feature in features:
        stated = feature.facts.get("trained_on")
        seen = [stated] if isinstance(stated, str) else list(stated or ())
        met = [here[name.casefold()] for name in seen if name.casefold() in here]
        if met and not allow:
            raise TrainingError(
                "MER-T034",
                f"{feature.label} was trained on {', '.join(met)}, which holds the clips of corpus '{corpus.name}'; "
                "scores on them say nothing about new clips.",
                "Leave the space out, or accept that with --allow-seen.",
            )
        if met:
            log.warning("%s was trained on %s: scores are optimistic", feature.label, ", ".join(met))
        elif stated is None and corpus.seen_in and "weights" in feature.settings:
            log.warning(
                "it is not recorded what %s was trained on; these clips also stand in %s",
                feature.label,
                ", ".join(corpus.seen_in),
            )
