"""eNTERFACE'05: 43 people speak five sentences for each of 6 emotions, 1,287 clips (Martin et al., 2006).

Known layout: ``subject N/emotion/sentence M/*.avi``, blanks or underscores. The folders say who, what and which; the
file names do not (those of subject 11 begin with ``s12``), so a clip is called ``subject_11_anger_1``. Subject 6 has
one uncut video per emotion and is left out, as in every protocol; subject 23 lacks clips of happiness. Folds are those
of MAE-DFER: subjects 1-10 (without 6), 11-19, 20-28, 29-37, 38-44.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from pathlib import Path
from typing import ClassVar

from mertools.corpora import CORPORA, Maker, NoOptions, Prepared
from mertools.corpora.assembling import Row, assemble
from mertools.corpora.fakes import fake_video
from mertools.corpora.scanning import some
from mertools.corpora.tree import look_through
from mertools.corpus import Corpus, Split, Target, Terms
from mertools.errors import CorpusError

EMOTIONS = ("anger", "disgust", "fear", "happiness", "sadness", "surprise")
LAST_OF_FOLD = (10, 19, 28, 37, 44)
"""Last subject of folds 1, 2, ..."""

_PLACE = re.compile(rf"(?:^|/)subject[ _]?(\d+)/({'|'.join(EMOTIONS)})/(?:sentence[ _]?([1-5])/)?[^/]+$", re.IGNORECASE)


@CORPORA.register(
    "enterface",
    licence="research use; no licence text is published",
    summary="eNTERFACE'05: 43 people, 6 emotions, 5 folds by subject (--folds fold)",
)
class Enterface(Maker):
    """The corpus ``enterface``."""

    counts: ClassVar[dict[str, int]] = {"": 1_287}

    def fake(self, raw: Path) -> dict[str, str]:
        """Two subjects of different folds, one sentence, all emotions; see `Maker.fake`."""
        for subject in (1, 12):
            for index, emotion in enumerate(EMOTIONS):
                folder = raw / f"subject {subject}" / emotion / "sentence 1"
                fake_video(folder / f"s{subject}_{emotion[:2]}_1.avi", shade=16 * index)
        return {}

    def make(self, raw: Path, out: Path, options: NoOptions) -> Prepared:
        """Read media by folder; see `Maker.make`."""
        tree = look_through(raw)
        found = tree.by_clip(_name)
        if not found:
            raise CorpusError(
                "MER-C207",
                f"no eNTERFACE'05 clips in {raw}: no media lie in folders like 'subject 1/anger/sentence 1'.",
                "Point --raw at the folder that holds the subjects.",
            )
        uncut = [p for p in map(tree.within, tree.media) if (m := _PLACE.search(p)) and m[3] is None]
        warnings = [f"{len(uncut)} videos are not cut into sentences, left out: {some(uncut)}."] if uncut else []
        names = sorted(found, key=lambda name: (int(name.split("_")[1]), name))
        clips, more = assemble([Row(name, cells=_cells(name)) for name in names], found, tree)
        corpus = Corpus(
            name="enterface",
            folder=out,
            clips=clips,
            media_root=raw,
            splits=(Split("train"),),
            targets=(Target("discrete", "classes", classes=EMOTIONS),),
            terms=Terms(licence="research use; no licence text is published"),
        )
        return Prepared(corpus, (*warnings, *more))


def _name(place: str) -> str | None:
    match = _PLACE.search(place)
    if not match or match[3] is None or not 1 <= int(match[1]) <= LAST_OF_FOLD[-1]:
        return None
    return f"subject_{int(match[1])}_{match[2].lower()}_{match[3]}"


def _cells(name: str) -> dict[str, str]:
    _, subject, emotion, sentence = name.split("_")
    fold = bisect_left(LAST_OF_FOLD, int(subject)) + 1
    return {"discrete": emotion, "fold": str(fold), "speaker": subject, "sentence": sentence}
