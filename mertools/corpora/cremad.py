"""CREMA-D: 7,442 clips of 91 actors, 12 sentences, 6 emotions, with crowd votes (Cao et al., 2014).

Names say actor, sentence, intended emotion and intensity (``1001_IEO_ANG_HI``). Layout: ``AudioWAV/``, ``AudioMP3/``
(the wav is preferred), ``VideoFlash/*.flv`` (or converted videos), and the tables ``VideoDemographics.csv`` and
``processedResults/tabulatedVotes.csv``, anywhere below the raw folder. The first column of the votes counts stimuli,
100,000 and more by voice, 200,000 by face, 300,000 by both. Folds are those of MAE-DFER and HiCMAE: actors 1001-1018,
-1036, -1054, -1072, -1091. The authors name four clips as broken (`BROKEN`); HiCMAE leaves them out and a fifth
(``1040_ITH_SAD_XX``), MAE-DFER does not.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import ClassVar, Literal

from mertools.corpora import CORPORA, Maker, Prepared
from mertools.corpora.assembling import Row, assemble
from mertools.corpora.fakes import fake_table, fake_video, fake_wav
from mertools.corpora.lists import malformed, missing_layout, number_in, read_rows
from mertools.corpora.scanning import some
from mertools.corpora.tree import Tree, look_through
from mertools.corpus import Corpus, Split, Target, Terms
from mertools.errors import CorpusError

EMOTIONS = {
    "ANG": "anger",
    "DIS": "disgust",
    "FEA": "fear",
    "HAP": "happiness",
    "NEU": "neutral",
    "SAD": "sadness",
}
FOUR = ("anger", "happiness", "neutral", "sadness")
SENTENCES = {
    "IEO": "It's eleven o'clock.",
    "TIE": "That is exactly what happened.",
    "IOM": "I'm on my way to the meeting.",
    "IWW": "I wonder what this is about.",
    "TAI": "The airplane is almost full.",
    "MTI": "Maybe tomorrow it will be cold.",
    "IWL": "I would like a new alarm clock.",
    "ITH": "I think I have a doctor's appointment.",
    "DFA": "Don't forget a jacket.",
    "ITS": "I think I've seen this before.",
    "TSI": "The surface is slick.",
    "WSI": "We'll stop in a couple of minutes.",
}
BROKEN = ("1076_MTI_NEU_XX", "1076_MTI_SAD_XX", "1064_TIE_SAD_XX", "1064_IEO_DIS_MD")
MODES = {"1": "voice", "2": "face", "3": "both"}
"""First digit of a stimulus: what the raters were given."""

_NAME = re.compile(r"(10[0-8]\d|109[01])_([A-Z]{3})_(ANG|DIS|FEA|HAP|NEU|SAD)_(LO|MD|HI|XX)")
_DEMOGRAPHICS = {"Age": "age", "Sex": "sex", "Race": "race", "Ethnicity": "ethnicity"}


@dataclass(frozen=True)
class CremadOptions:
    """What may be chosen.

    Attributes:
        labels: ``intended`` emotion, or what most raters who saw and heard the clip chose (``votes``; a tie is empty).
        classes: ``6``, or ``4`` (anger, happiness, neutral, sadness; other clips are left out).
        broken: ``keep`` or ``drop`` the four clips that the authors name as broken.
    """

    labels: Literal["intended", "votes"] = "intended"
    classes: Literal["6", "4"] = "6"
    broken: Literal["keep", "drop"] = "keep"


@CORPORA.register(
    "cremad",
    licence="ODbL 1.0 (contents DbCL 1.0)",
    summary="CREMA-D: 91 actors, 6 emotions, intended or voted labels, 5 actor-independent folds (--folds fold)",
)
class Cremad(Maker):
    """The corpus ``cremad``."""

    Options = CremadOptions
    counts: ClassVar[dict[str, int]] = {"": 7_442}

    def expected(self, options: CremadOptions) -> Mapping[str, int]:
        """7,442 clips; unknown for four classes by votes."""
        if options.classes == "6":
            return self.counts if options.broken == "keep" else {"": 7_438}
        return {}

    def fake(self, raw: Path) -> dict[str, str]:
        """Two actors of different folds, all emotions, votes; see `Maker.fake`."""
        votes: list[dict[str, object]] = []
        for pitch_hz, actor in ((140.0, "1001"), (220.0, "1020")):
            for index, emotion in enumerate(EMOTIONS):
                name = f"{actor}_DFA_{emotion}_XX"
                fake_wav(raw / "AudioWAV" / f"{name}.wav", pitch_hz=pitch_hz)
                fake_video(raw / "VideoFlash" / f"{name}.mp4", shade=16 * index)
                for mode in MODES:
                    counts = {letter: 6 if letter == emotion[0] else 1 for letter in "ADFHNS"}
                    votes.append({"": f"{mode}{len(votes):05d}", **counts, "fileName": name})
        fake_table(raw / "processedResults" / "tabulatedVotes.csv", votes)
        people = [{"ActorID": actor, "Age": 30, "Sex": "Female", "Race": "Unknown"} for actor in ("1001", "1020")]
        fake_table(raw / "VideoDemographics.csv", [{**p, "Ethnicity": "Not Hispanic"} for p in people])
        return {}

    def make(self, raw: Path, out: Path, options: CremadOptions) -> Prepared:
        """Read media by name and the tables beside them; see `Maker.make`."""
        tree = look_through(raw)
        found = tree.by_clip(_name)
        if options.broken == "drop":
            found = {name: media for name, media in found.items() if name not in BROKEN}
        if not found:
            raise CorpusError(
                "MER-C207",
                f"no CREMA-D clips in {raw}: no media are named like 1001_IEO_ANG_HI.wav.",
                "Point --raw at the folder that holds AudioWAV/ and VideoFlash/.",
            )
        people = _people(tree)
        votes = _votes(tree)
        if options.labels == "votes" and not votes:
            raise missing_layout("CREMA-D with votes", raw, "processedResults/tabulatedVotes.csv")
        cells = {name: _cells(name, people) | votes.get(name, {}) for name in sorted(found)}
        warnings = []
        if options.labels == "votes":
            for name in cells:
                cells[name]["discrete"] = _majority(votes.get(name, {}))
            tied = [name for name in cells if not cells[name]["discrete"]]
            if tied:
                warnings.append(f"{len(tied)} clips have no single most voted emotion, left empty: {some(tied)}.")
        classes = FOUR if options.classes == "4" else tuple(EMOTIONS.values())
        if options.classes == "4":
            cells = {name: row for name, row in cells.items() if row["discrete"] in FOUR}
        rows = [Row(name, cells=row) for name, row in cells.items()]
        clips, more = assemble(rows, {name: found[name] for name in cells}, tree)
        corpus = Corpus(
            name="cremad",
            folder=out,
            clips=clips,
            media_root=raw,
            splits=(Split("train"),),
            targets=(Target("discrete", "classes", classes=classes),),
            terms=Terms(licence="ODbL 1.0 (contents DbCL 1.0)", may_upload=True, closed_models=True),
            transcripts={"text": "human"},
        )
        return Prepared(corpus, (*warnings, *more))


def _name(place: str) -> str | None:
    stem = re.sub(r"_X$", "_XX", PurePosixPath(place).name)  # the wav of 1040_ITH_SAD_XX is called ..._X in some copies
    return stem if _NAME.fullmatch(stem) else None


def _cells(name: str, people: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    actor, sentence, emotion, intensity = name.split("_")
    return {
        "discrete": EMOTIONS[emotion],
        "intended": EMOTIONS[emotion],
        "fold": str(min((int(actor) - 1001) // 18, 4) + 1),
        "speaker": actor,
        **people.get(actor, {}),
        "sentence": sentence,
        "intensity": {"LO": "low", "MD": "medium", "HI": "high"}.get(intensity, ""),
        "text": SENTENCES.get(sentence, ""),
    }


def _people(tree: Tree) -> dict[str, dict[str, str]]:
    """Demographics by actor; empty if the table is not there."""
    people = {}
    for path, _ in tree.tables_like(r"VideoDemographics\.csv"):
        for _, row in read_rows(path, ("ActorID", *_DEMOGRAPHICS)):
            people[row["ActorID"]] = {ours: row[theirs].lower() for theirs, ours in _DEMOGRAPHICS.items()}
    return people


def _votes(tree: Tree) -> dict[str, dict[str, str]]:
    """Shares of the votes by clip, as cells ``votes_<mode>_<emotion>`` with four digits; empty without the table."""
    letters = {emotion[0]: name for emotion, name in EMOTIONS.items()}
    votes: dict[str, dict[str, str]] = {}
    for path, _ in tree.tables_like(r"tabulatedVotes\.csv"):
        for number, row in read_rows(path, ("", *letters, "fileName")):
            mode = MODES.get(row[""][:1])
            if mode is None or len(row[""]) != 6:
                raise malformed(path, number, f"'{row['']}' is no stimulus number", "100001 to 307442")
            counts = {name: float(number_in(path, number, row[letter], 0, 1e6)) for letter, name in letters.items()}
            total = sum(counts.values()) or 1.0
            cells = votes.setdefault(row["fileName"], {})
            cells |= {f"votes_{mode}_{name}": f"{count / total:.4f}" for name, count in counts.items()}
    return votes


def _majority(votes: Mapping[str, str]) -> str:
    """The emotion most voted by those who saw and heard; empty for a tie and without votes."""
    shares = {name: float(votes.get(f"votes_both_{name}") or 0) for name in EMOTIONS.values()}
    best = [name for name, share in shares.items() if share == max(shares.values())]
    return best[0] if len(best) == 1 else ""
