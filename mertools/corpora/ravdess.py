"""RAVDESS: 24 actors speak (1,440 clips, 8 emotions) and sing (1,012 clips, 6 emotions) (Livingstone & Russo, 2018).

A name such as ``01-01-06-01-02-01-12`` says modality (01 audio-visual, 02 video alone, 03 audio alone), channel
(01 speech, 02 song), emotion, intensity, statement, repetition and actor. The clip is what they share: the video is the
audio-visual file, else the silent one; the sound is the wav (48 kHz), else that of the video. Archives unpack to
``Video_Speech_Actor_01/Actor_01/`` or ``Actor_01/``, which does not matter here. Folds are those of MAE-DFER and
HiCMAE: four actors each, 1-4, 5-8, ...
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import ClassVar, Literal

from mertools.corpora import CORPORA, Maker, Prepared
from mertools.corpora.assembling import Row, assemble
from mertools.corpora.fakes import fake_video, fake_wav
from mertools.corpora.scanning import some
from mertools.corpora.tree import Found, Tree, look_through
from mertools.corpus import Corpus, Split, Target, Terms
from mertools.errors import CorpusError

EMOTIONS = ("neutral", "calm", "happy", "sad", "angry", "fearful", "disgust", "surprised")
"""Third field of a name, 01, 02, ...; the first six are sung."""

STATEMENTS = {"01": "Kids are talking by the door.", "02": "Dogs are sitting by the door."}
CHANNELS = {"speech": "01", "song": "02"}
_NAME = re.compile(r"(0[123])-(0[12])-(0[1-8])-(0[12])-(0[12])-(0[12])-(0[1-9]|1\d|2[0-4])")


@dataclass(frozen=True)
class RavdessOptions:
    """What may be chosen.

    Attributes:
        channel: ``speech`` or ``song``.
    """

    channel: Literal["speech", "song"] = "speech"


@CORPORA.register(
    "ravdess",
    licence="CC BY-NC-SA 4.0",
    summary="RAVDESS: 24 actors, 8 emotions, speech or song, 6 folds of unseen actors (--folds fold)",
)
class Ravdess(Maker):
    """The corpus ``ravdess``."""

    Options = RavdessOptions
    counts: ClassVar[dict[str, int]] = {"": 1_440}

    def expected(self, options: RavdessOptions) -> Mapping[str, int]:
        """1,440 clips of speech, 1,012 of song."""
        return self.counts if options.channel == "speech" else {"": 1_012}

    def fake(self, raw: Path) -> dict[str, str]:
        """Two actors of different folds: videos and their wavs; see `Maker.fake`."""
        for actor in ("01", "06"):
            for index in range(1, 9):
                name = f"01-{index:02d}-01-01-01-{actor}"
                folder = f"Actor_{actor}"
                fake_video(raw / f"Video_Speech_{folder}" / folder / f"01-{name}.mp4", shade=8 * index)
                fake_wav(raw / "Audio_Speech_Actors_01-24" / folder / f"03-{name}.wav", pitch_hz=100.0 + 20 * index)
        return {}

    def make(self, raw: Path, out: Path, options: RavdessOptions) -> Prepared:
        """Read media by name; see `Maker.make`."""
        tree = look_through(raw)
        found = _pairs(tree, CHANNELS[options.channel])
        if not found:
            raise CorpusError(
                "MER-C207",
                f"no RAVDESS clips of {options.channel} in {raw}: no media are named like "
                f"01-{CHANNELS[options.channel]}-06-01-02-01-12.mp4.",
                "Point --raw at the folder that holds the unpacked archives.",
            )
        strange = [tree.within(p) for p in tree.media if not _NAME.fullmatch(p.stem)]
        warnings = [f"{len(strange)} files are not named as in RAVDESS, left out: {some(strange)}."] if strange else []
        clips, more = assemble([Row(name, cells=_cells(name)) for name in sorted(found)], found, tree)
        classes = EMOTIONS if options.channel == "speech" else EMOTIONS[:6]
        corpus = Corpus(
            name="ravdess",
            folder=out,
            clips=clips,
            media_root=raw,
            splits=(Split("train"),),
            targets=(Target("discrete", "classes", classes=classes),),
            terms=Terms(licence="CC BY-NC-SA 4.0", may_upload=True, closed_models=True),
            transcripts={"text": "human"},
        )
        return Prepared(corpus, (*warnings, *more))


def _pairs(tree: Tree, channel: str) -> dict[str, Found]:
    """Media of a channel by clip (``01-`` and the fields that its files share)."""
    modes: dict[str, dict[str, Found]] = {}
    for name, media in tree.by_clip(lambda place: _channel_name(place, channel)).items():
        modes.setdefault(f"01{name[2:]}", {})[name[:2]] = media
    nothing = Found()
    return {
        name: Found(
            video=files.get("01", nothing).video or files.get("02", nothing).video,
            audio=files.get("03", nothing).audio or files.get("01", nothing).audio,
        )
        for name, files in modes.items()
        if any(media.video or media.audio for media in files.values())
    }


def _channel_name(place: str, channel: str) -> str | None:
    match = _NAME.fullmatch(PurePosixPath(place).name)
    return match[0] if match and match[2] == channel else None


def _cells(name: str) -> dict[str, str]:
    _, _, emotion, intensity, statement, repetition, actor = name.split("-")
    return {
        "discrete": EMOTIONS[int(emotion) - 1],
        "fold": str((int(actor) - 1) // 4 + 1),
        "speaker": actor,
        "sex": "male" if int(actor) % 2 else "female",
        "intensity": "normal" if intensity == "01" else "strong",
        "statement": statement,
        "repetition": repetition,
        "text": STATEMENTS[statement],
    }
