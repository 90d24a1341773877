"""IEMOCAP (Busso et al., 2008): five sessions of two actors each, English; four or six emotions by session.

Layouts: the authors' (``Session<N>/dialog/EmoEvaluation/*.txt``, ``dialog/transcriptions/*.txt``,
``sentences/wav/<dialogue>/<utterance>.wav``, ``dialog/avi/DivX/<dialogue>.avi``) and MERTools' processed folder
(``label_4way.npz``, ``label_6way.npz``, ``subvideo-tgt/``, ``subaudio/``) or its pickles.

Four classes merge excited into happy; six keep them apart. MERBench's six-way file has 53 "happy" clips that are not so
in the authors' evaluation files (648, not 595), so that the two layouts differ there; the difference is told.
An utterance such as ``Ses01F_impro01_F000`` names the session (01), the actor in the left half of the picture (F, sixth
character) and the speaker (F, fourth from the end). Folds: ``--folds session``, or ``--folds speaker``.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

from mertools.corpora import CORPORA, Maker, Prepared
from mertools.corpora.challenge import present_targets
from mertools.corpora.fakes import fake_text, fake_wav
from mertools.corpora.joining import (
    Media,
    Said,
    first_folder,
    joined,
    layout_error,
    other_class_counts,
    sounds_below,
    videos_below,
)
from mertools.corpora.processed import TRANSCRIPTS, class_name, label_file, processed_media, read_labels
from mertools.corpora.tables import HUMAN, TRANSLATION, Texts, texts_below
from mertools.corpus import Clip, Corpus, Split, Target, Terms
from mertools.errors import CorpusError
from mertools.unpickling import read_pickle

EMOTIONS = {
    4: ("happy", "sad", "neutral", "angry"),
    6: ("happy", "sad", "neutral", "angry", "excited", "frustrated"),
}
CLASSES = {
    4: {"train": dict(zip(EMOTIONS[4], (1_636, 1_084, 1_708, 1_103), strict=True))},
    6: {"train": dict(zip(EMOTIONS[6], (648, 1_084, 1_708, 1_103, 1_041, 1_849), strict=True))},
}
_CODES = {"hap": "happy", "sad": "sad", "neu": "neutral", "ang": "angry", "exc": "excited", "fru": "frustrated"}
_EVALUATED = re.compile(r"\[([\d.]+) - ([\d.]+)\]\t(\S+)\t(\S+)\t\[([\d.]+), ([\d.]+), ([\d.]+)\]")
_SPOKEN = re.compile(r"(Ses\S+) \[[\d.]+-[\d.]+\]: ?(.*)")
_NAME = re.compile(r"Ses0([1-5])([FM])_\w+_([FM])\w{3}")


@dataclass(frozen=True)
class IemocapOptions:
    """What may be chosen.

    Attributes:
        classes: 4 (happy and excited are one) or 6.
        media: ``sentence``, the cut sounds; ``dialogue``, the whole dialogue's video with start and end, which shows
            both actors (column ``side`` says where the speaker is). For the authors' layout.
    """

    classes: int = 4
    media: Literal["sentence", "dialogue"] = "sentence"


@CORPORA.register(
    "iemocap",
    licence="IEMOCAP release form (USC SAIL): research, no redistribution",
    summary="IEMOCAP: four or six emotions, five sessions of two actors, English; leave one session out",
)
class Iemocap(Maker):
    """The corpus ``iemocap``."""

    Options = IemocapOptions
    counts: ClassVar[dict[str, int]] = {"": 5_531}

    def expected(self, options: IemocapOptions) -> Mapping[str, int]:
        """Published counts of the four-way or the six-way set."""
        return {"": {4: 5_531, 6: 7_433}.get(options.classes, 0)}

    def fake(self, raw: Path) -> dict[str, str]:
        """Two sessions of one dialogue with four utterances, one of them of another emotion; see `Maker.fake`."""
        for session in (1, 2):
            dialogue = f"Ses0{session}F_impro01"
            folder = raw / f"Session{session}"
            evaluated, spoken = "% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]\n\n", ""
            for n, (who, code) in enumerate((("F", "neu"), ("M", "exc"), ("F", "sad"), ("M", "xxx"))):
                name = f"{dialogue}_{who}{n:03d}"
                evaluated += f"[{n}.0000 - {n + 1}.0000]\t{name}\t{code}\t[2.5000, {n + 1}.5000, 2.5000]\n"
                spoken += f"{name} [00{n}.0000-00{n + 1}.0000]: Excuse me.\n"
                fake_wav(folder / "sentences/wav" / dialogue / f"{name}.wav", pitch_hz=150.0 + 20 * n)
            fake_text(folder / "dialog/EmoEvaluation" / f"{dialogue}.txt", evaluated)
            fake_text(folder / "dialog/transcriptions" / f"{dialogue}.txt", spoken)
        return {}

    def make(self, raw: Path, out: Path, options: IemocapOptions) -> Prepared:
        """Read the authors' folder, MERTools' processed one, or its pickles; see `Maker.make`."""
        if options.classes not in EMOTIONS:
            raise CorpusError("MER-C143", f"classes={options.classes} is not known for iemocap.", "Expected 4 or 6.")
        classes = EMOTIONS[options.classes]
        texts: Texts
        root = first_folder(r for r in (raw, raw / "IEMOCAP_full_release") if (r / "Session1/dialog").is_dir())
        npz = label_file(raw, "iemocap-process", (f"label_{options.classes}way.npz",))
        pkl = label_file(raw, "iemocap-process", (f"IEMOCAP_features_raw_{options.classes}way.pkl",))
        warnings: list[str] = []
        if labels := npz or pkl:
            said = _labels(labels, classes)
            media = processed_media(labels.parent)
            columns = {"english": ("text", HUMAN), "chinese": ("text_zh", TRANSLATION)}
            texts, origins, warnings = texts_below(
                [labels.parent], {TRANSCRIPTS: columns, "transcription.csv": columns}
            )
            named_by = labels.name
        elif root is not None:
            said, warnings = _evaluated(root, options, raw)
            texts, origins, named_by = _spoken(root), {"text": HUMAN}, "dialog/EmoEvaluation"
            media = _media(root, said, options)
        else:
            raise layout_error(
                "iemocap",
                raw,
                ["Session1/ ... Session5/", f"label_{options.classes}way.npz (MERTools' own folder)"],
            )
        clips, more = joined(said, media, {name: texts[name] for name in said if name in texts}, named_by)
        corpus = Corpus(
            name="iemocap",
            folder=out,
            clips=clips,
            media_root=raw,
            splits=(Split("train"),),
            targets=(Target("discrete", "classes", classes=classes), *_dimensions(clips)),
            terms=Terms(licence="IEMOCAP release form (USC SAIL): research, no redistribution"),
            transcripts=origins,
        )
        counts = other_class_counts(clips, CLASSES[options.classes], "discrete")
        return Prepared(corpus, (*warnings, *more, *counts))


def _about(name: str, where: str) -> dict[str, str]:
    """What an utterance's name says.

    Raises:
        CorpusError: ``MER-C144`` if it is not named as in IEMOCAP.
    """
    match = _NAME.fullmatch(name)
    if match is None:
        raise CorpusError(
            "MER-C144", f"{where}: '{name}' is not named like Ses01F_impro01_F000.", "Get the label file again."
        )
    session, left, speaker = match.groups()
    return {
        "session": session,
        "speaker": f"Ses0{session}{speaker}",
        "sex": "male" if speaker == "M" else "female",
        "source": name.rsplit("_", 1)[0],
        "side": "left" if left == speaker else "right",
    }


def _labels(path: Path, classes: tuple[str, ...]) -> dict[str, Said]:
    """Labels of MERTools' npz, or of the six-part pickle that it was made from."""
    said: dict[str, Said] = {}
    if path.suffix == ".npz":
        codes = {name: a["emo"] for name, a in read_labels(path, {"whole_corpus": "train"})["train"].items()}
    else:
        content = read_pickle(path)
        if not (isinstance(content, tuple) and len(content) == 6 and all(isinstance(c, dict) for c in content[:2])):
            raise CorpusError(
                "MER-C137",
                f"{path} does not hold six parts: ids, labels, _, _, train, test.",
                "Expected the file that MERBench calls IEMOCAP_features_raw_*way.pkl.",
            )
        ids, emotions = content[:2]
        for dialogue in ids:
            if len(ids[dialogue]) != len(emotions.get(dialogue, ())):
                raise CorpusError(
                    "MER-C137", f"{path}: '{dialogue}' has not as many labels as ids.", "Get the file again."
                )
        codes = {name: code for d in ids for name, code in zip(ids[d], emotions[d], strict=True)}
    for name, code in codes.items():
        where = f"{path}, clip '{name}'"
        said[name] = Said("train", {"discrete": class_name(code, classes, where), **_about(name, where)})
    return said


def _evaluated(root: Path, options: IemocapOptions, raw: Path) -> tuple[dict[str, Said], list[str]]:
    """Utterances of the evaluation files whose majority emotion is one of the classes."""
    said: dict[str, Said] = {}
    others: Counter[str] = Counter()
    for path in sorted(root.glob("Session[1-5]/dialog/EmoEvaluation/Ses*.txt")):
        if path.name.startswith("."):
            continue
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            match = _EVALUATED.match(line)
            if match is None:
                continue
            start, end, name, code, valence, arousal, _ = match.groups()
            emotion = _CODES.get(code, "")
            if options.classes == 4 and emotion == "excited":
                emotion = "happy"
            if emotion not in EMOTIONS[options.classes]:
                others[code] += 1
                continue
            cells = {"discrete": emotion, "valence": valence, "arousal": arousal, **_about(name, str(path))}
            if options.media == "dialogue":
                cells |= {"start": start, "end": end}
            said[name] = Said("train", cells)
    if not said:
        raise layout_error("iemocap", raw, ["Session1/dialog/EmoEvaluation/*.txt"])
    listed = ", ".join(f"{code} {n}" for code, n in others.most_common())
    return said, [f"{others.total()} utterances of other emotions are left out: {listed}."] * bool(others)


def _spoken(root: Path) -> Texts:
    texts: Texts = {}
    for path in sorted(root.glob("Session[1-5]/dialog/transcriptions/Ses*.txt")):
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            if match := _SPOKEN.match(line):
                texts[match[1]] = {"text": match[2].strip()}
    return texts


def _media(root: Path, said: Mapping[str, Said], options: IemocapOptions) -> Media:
    media = Media()
    for session in sorted(root.glob("Session[1-5]")):
        if options.media == "sentence":
            sounds = sounds_below(first_folder([session / "sentences/wav"]))
            media.add({}, {name: path for name, path in sounds.items() if name in said})
        else:
            whole = videos_below(first_folder([session / "dialog/avi/DivX", session / "dialog/avi"]))
            media.add({n: whole[e.cells["source"]] for n, e in said.items() if e.cells["source"] in whole}, {})
    return media


def _dimensions(clips: tuple[Clip, ...]) -> tuple[Target, ...]:
    """Valence and arousal on their scale of 1 to 5; wider where the means of raters are (a few are)."""
    targets = []
    for column in ("valence", "arousal"):
        values = [float(cell) for clip in clips if (cell := clip.cells.get(column))]
        low, high = min([1.0, *values]), max([5.0, *values])
        targets.append(Target(column, "value", range=(low, high)))
    return present_targets(clips, targets)
