"""Berlin Database of Emotional Speech (EmoDB): 10 actors, 10 sentences, 7 emotions (Burkhardt et al., 2005).

A file name such as ``03a01Fa.wav`` says speaker (03), sentence (a01), emotion (F) and take (a).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from mertools.corpora import CORPORA, Maker, Prepared
from mertools.corpora.fakes import fake_wav
from mertools.corpora.scanning import some, with_durations
from mertools.corpus import Clip, Corpus, Split, Target, Terms
from mertools.errors import CorpusError, did_you_mean

EMOTIONS = {
    "N": "neutral",
    "W": "anger",
    "F": "happiness",
    "T": "sadness",
    "A": "fear",
    "E": "disgust",
    "L": "boredom",
}
"""Sixth letter of a file name (of the German words Neutral, Wut/Ärger, Freude, Trauer, Angst, Ekel, Langeweile)."""

SENTENCES = {
    "a01": "Der Lappen liegt auf dem Eisschrank.",
    "a02": "Das will sie am Mittwoch abgeben.",
    "a04": "Heute abend könnte ich es ihm sagen.",
    "a05": "Das schwarze Stück Papier befindet sich da oben neben dem Holzstück.",
    "a07": "In sieben Stunden wird es soweit sein.",
    "b01": "Was sind denn das für Tüten, die da unter dem Tisch stehen?",
    "b02": "Sie haben es gerade hochgetragen und jetzt gehen sie wieder runter.",
    "b03": "An den Wochenenden bin ich jetzt immer nach Hause gefahren und habe Agnes besucht.",
    "b09": "Ich will das eben wegbringen und dann mit Karl was trinken gehen.",
    "b10": "Die wird auf dem Platz sein, wo wir sie immer hinlegen.",
}
MEN = ("03", "10", "11", "12", "15")
_NAME = re.compile(r"(\d\d)([ab]\d\d)([NWFTAEL])([a-z])")


@dataclass(frozen=True)
class EmodbOptions:
    """What may be chosen.

    Attributes:
        classes: comma list of emotions to keep; all that the folder holds unless given.
    """

    classes: str = ""


@CORPORA.register(
    "emodb",
    licence="free for research (Burkhardt et al., 2005)",
    summary="Berlin Database of Emotional Speech: 10 actors, 7 emotions, German; leave one speaker out",
)
class Emodb(Maker):
    """The corpus ``emodb``."""

    Options = EmodbOptions
    counts: ClassVar[dict[str, int]] = {"": 535}

    def expected(self, options: EmodbOptions) -> Mapping[str, int]:
        """535 recordings, known for the whole set only."""
        return {} if options.classes else self.counts

    def fake(self, raw: Path) -> dict[str, str]:
        """Two speakers, one sentence, all emotions; see `Maker.fake`."""
        for pitch_hz, speaker in ((120.0, "03"), (220.0, "08")):
            for letter in EMOTIONS:
                fake_wav(raw / "wav" / f"{speaker}a01{letter}a.wav", pitch_hz=pitch_hz)
        return {}

    def make(self, raw: Path, out: Path, options: EmodbOptions) -> Prepared:
        """Read ``RAW/wav/*.wav`` (or ``RAW/*.wav``); see `Maker.make`."""
        wanted = _wanted(options.classes)
        folder = raw / "wav" if (raw / "wav").is_dir() else raw
        files = sorted(p for p in folder.iterdir() if p.suffix.lower() == ".wav" and not p.name.startswith("."))
        strange = [p.name for p in files if not _NAME.fullmatch(p.stem)]
        clips = [_clip(p) for p in files if _NAME.fullmatch(p.stem)]
        clips = [c for c in clips if c.cells["discrete"] in wanted]
        if not clips:
            examples = f" ({some(strange, 3)})" if strange else ""
            raise CorpusError(
                "MER-C110",
                f"no EmoDB recordings in {folder}: {len(strange)} of {len(files)} wav files are not named like "
                f"03a01Fa.wav{examples}.",
                "Point --raw at the folder that holds wav/.",
            )
        known, warnings = with_durations(clips)
        if strange:
            warnings.append(f"{len(strange)} wav files are not named as in EmoDB, left out: {some(strange)}.")
        present = {c.cells["discrete"] for c in known}
        corpus = Corpus(
            name="emodb",
            folder=out,
            clips=known,
            media_root=raw,
            splits=(Split("train"),),
            targets=(Target("discrete", "classes", classes=tuple(e for e in EMOTIONS.values() if e in present)),),
            terms=Terms(licence="free for research (Burkhardt et al., 2005)"),
            transcripts={"text": "human"},
        )
        return Prepared(corpus, tuple(warnings))


def _wanted(classes: str) -> set[str]:
    names = [name.strip() for name in classes.split(",") if name.strip()]
    for name in names:
        if name not in EMOTIONS.values():
            raise CorpusError(
                "MER-C111",
                f"EmoDB has no emotion '{name}'.{did_you_mean(name, EMOTIONS.values())}",
                f"Emotions: {', '.join(EMOTIONS.values())}.",
            )
    return set(names or EMOTIONS.values())


def _clip(path: Path) -> Clip:
    match = _NAME.fullmatch(path.stem)
    assert match is not None  # noqa: S101  (the caller has checked)
    speaker, sentence, letter, _ = match.groups()
    cells = {
        "discrete": EMOTIONS[letter],
        "speaker": speaker,
        "sex": "male" if speaker in MEN else "female",
        "sentence": sentence,
        "text": SENTENCES.get(sentence, ""),
    }
    return Clip(path.stem, "train", None, path, cells)
