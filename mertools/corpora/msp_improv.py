"""MSP-IMPROV: 8,438 turns of 12 actors in 6 dyadic sessions, 4 emotions and three dimensions (Busso et al., 2017).

Known layout (the published loaders): ``Evaluation.txt``, where a block begins with a line such as
``UTD-IMPROV-S01A-F01-P-FM01.avi; N; A:2.8; V:3.0; D:3.2 ; N:4.0;``, and media ``session1/S01A/P/MSP-IMPROV-S01A-...``
(``avi`` and ``wav``), in any folders; transcripts ``Text/MSP-IMPROV-....txt`` where there are. The labels say UTD,
the file names MSP. Letters A, H, N, S are the four classes; turns of another emotion (O) or without agreement (X)
keep their dimensions and have no class. Ratings lie in 1 to 5; ``arousal`` is 6 - A, since the file counts activation
from high to low, according to the published loaders that say anything about it (``activation=stored`` keeps A). The
speaker and the session stand in the name: ``F01`` is the woman of session 1. Folds leave a session out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import ClassVar, Literal

from mertools.corpora import CORPORA, Maker, Prepared
from mertools.corpora.assembling import Row, assemble, research_only
from mertools.corpora.fakes import fake_text, fake_video, fake_wav
from mertools.corpora.lists import known_label, malformed, missing_layout, number_in, read_lines
from mertools.corpora.tree import Tree, look_through
from mertools.corpus import Corpus, Split, Target
from mertools.errors import CorpusError

EMOTIONS = {"A": "anger", "H": "happiness", "N": "neutral", "S": "sadness"}
LETTERS = EMOTIONS | {"O": "", "X": ""}
DIMENSIONS = {"V": "valence", "A": "arousal", "D": "dominance"}
_TURN = r"S(\d\d)([AHNS])-([FM])(\d\d)-([PRST])-[A-Z0-9]+"
_NAME = re.compile(f"MSP-IMPROV-{_TURN}")
_LINE = re.compile(rf"UTD-IMPROV-({_TURN})\.avi\s*;\s*(\w)\s*;(.*)")


@dataclass(frozen=True)
class MspImprovOptions:
    """What may be chosen.

    Attributes:
        activation: ``flipped`` to arousal that grows with activation, or as ``stored``.
    """

    activation: Literal["flipped", "stored"] = "flipped"


@CORPORA.register(
    "msp-improv",
    licence="academic licence, by agreement (UT Dallas)",
    summary="MSP-IMPROV: 12 actors, 4 emotions, valence, arousal, dominance; leave a session out (--folds session)",
)
class MspImprov(Maker):
    """The corpus ``msp-improv``."""

    Options = MspImprovOptions
    counts: ClassVar[dict[str, int]] = {"": 8_438}

    def fake(self, raw: Path) -> dict[str, str]:
        """Two sessions, a turn of each letter; see `Maker.fake`."""
        lines = []
        for session in (1, 2):
            for turn, letter in enumerate(LETTERS, start=1):
                name = f"S01A-F0{session}-P-FM{turn:02d}"
                folder = raw / f"session{session}" / "S01A" / "P"
                fake_video(folder / f"MSP-IMPROV-{name}.avi", shade=8 * turn)
                fake_wav(folder / f"MSP-IMPROV-{name}.wav", pitch_hz=150.0 + 10 * turn)
                lines.append(f"UTD-IMPROV-{name}.avi; {letter}; A:2.{turn}; V:3.{turn}; D:NaN ; N:4.0;")
                lines.append(f"rater-1; {letter}; ; A:3; V:3; D:3; N:4;\n")
        lines[0] = lines[0].replace("NaN", "3.5")
        fake_text(raw / "Evaluation.txt", "\n".join(lines))
        return {}

    def make(self, raw: Path, out: Path, options: MspImprovOptions) -> Prepared:
        """Read the evaluation file and media by name; see `Maker.make`."""
        tree = look_through(raw)
        files = tree.tables_like(r"Evaluation\.txt|Evalution\.txt")
        if not files:
            raise missing_layout("MSP-IMPROV", raw, "Evaluation.txt")
        rows = _rows(files[0][0], _texts(tree), flip=options.activation == "flipped")
        clips, warnings = assemble(rows, tree.by_clip(_name), tree, spare="are not in the evaluation file")
        spoken = any(clip.text() for clip in clips)
        corpus = Corpus(
            name="msp-improv",
            folder=out,
            clips=clips,
            media_root=raw,
            splits=(Split("train"),),
            targets=(
                Target("discrete", "classes", classes=tuple(EMOTIONS.values())),
                *(Target(name, "value", range=(1.0, 5.0)) for name in DIMENSIONS.values()),
            ),
            terms=research_only("MSP-IMPROV"),
            transcripts={"text": "human"} if spoken else {},
        )
        return Prepared(corpus, tuple(warnings))


def _rows(path: Path, texts: dict[str, str], *, flip: bool) -> list[Row]:
    rows: dict[str, Row] = {}
    for number, line in read_lines(path):
        if not line.startswith("UTD-IMPROV-"):
            continue  # what each rater said
        match = _LINE.fullmatch(line)
        if not match:
            raise malformed(
                path,
                number,
                f"'{line}' is no result",
                "UTD-IMPROV-S01A-F01-P-FM01.avi; N; A:2.8; V:3.0; D:3.2 ; N:4.0;",
            )
        turn, sentence, intended, sex, session, scenario, letter, ratings = match.groups()
        name = f"MSP-IMPROV-{turn}"
        if name in rows:
            raise CorpusError(
                "MER-C204", f"{path}, line {number}: turn '{turn}' stands there already.", "Keep one block per turn."
            )
        cells = {
            "discrete": known_label(path, number, letter, LETTERS),
            **_ratings(path, number, ratings, flip=flip),
            "agreed": letter,
            "intended": EMOTIONS[intended],
            "sentence": sentence,
            "scenario": scenario,
            "session": str(int(session)),
            "speaker": f"{sex}{session}",
            "sex": "female" if sex == "F" else "male",
        }
        if name in texts:
            cells["text"] = texts[name]
        rows[name] = Row(name, cells=cells)
    if not rows:
        raise malformed(path, 1, "no line begins with UTD-IMPROV-", "the results of MSP-IMPROV")
    return [rows[name] for name in sorted(rows)]


def _ratings(path: Path, number: int, text: str, *, flip: bool) -> dict[str, str]:
    given = dict(re.findall(r"([AVD])\s*:\s*([^;\s]+)", text))
    cells = {}
    for letter, column in DIMENSIONS.items():
        cell = given.get(letter, "NaN")
        value = "" if cell == "NaN" else number_in(path, number, cell, 1, 5)
        cells[column] = f"{6 - float(value):g}" if value and letter == "A" and flip else value
    return cells


def _texts(tree: Tree) -> dict[str, str]:
    """Transcripts, one text file a turn, where they are there."""
    return {
        path.stem: " ".join(line for _, line in read_lines(path))
        for path in tree.tables
        if path.suffix.lower() == ".txt" and _NAME.fullmatch(path.stem)
    }


def _name(place: str) -> str | None:
    stem = PurePosixPath(place).name.removesuffix("_aligned")
    return stem if _NAME.fullmatch(stem) else None
