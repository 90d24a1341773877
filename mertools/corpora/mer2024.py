"""MER2024 (IJCAI 2024): 5,030 labelled clips (all of MER2023's) and 115,595 without labels, 20,000 of them candidates.

Layouts: the challenge's (``label-disdim.csv``, ``video-labeled/``, ``video-unlabeled-with-test2noise/``) and MERTools'
processed folder (``label-6way.npz``). The file names are those that public baselines read; the name of the list of
candidates is not documented, so that any ``*candidate*.csv`` is taken. Transcripts are a recogniser's, checked by
people for the labelled clips. Audio folders are not documented; ``audio-labeled/`` and the like are taken.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from mertools.corpora import CORPORA, Maker, Prepared
from mertools.corpora.challenge import Layout, TruthOptions, expected_counts, prepare_edition
from mertools.corpora.fakes import fake_table, fake_video, fake_wav
from mertools.corpora.tables import ASR, HUMAN, TRANSLATION
from mertools.labels import MER_EMOTIONS

_MERGED = {"chinese": ("text", ASR), "english": ("text_en", TRANSLATION)}

LAYOUT = Layout(
    name="mer2024",
    folders=("mer2024-dataset",),
    train=("label-disdim.csv",),
    processed=("label-6way.npz",),
    processed_folder="mer2024-dataset-process",
    candidates=("*candidate*.csv",),
    videos=(("video-labeled",), ("video-unlabeled-with-test2noise", "video-unlabeled"), ("video",)),
    sounds=(
        ("audio-labeled", "audio-labeled_16k"),
        ("audio-unlabeled-with-test2noise", "audio-unlabeled", "audio-unlabeled_16k"),
        ("audio",),
    ),
    transcripts={
        "transcription-merge.csv": _MERGED,
        "transcription_merge.csv": _MERGED,
        "label-transcription.csv": {"chinese": ("text", HUMAN), "english": ("text_en", TRANSLATION)},
    },
    openset={"final-openset-english.csv": HUMAN, "check-openset.csv": HUMAN},
)


@CORPORA.register(
    "mer2024",
    licence="MER end-user licence: academic use, no redistribution",
    summary="MER2024 challenge: six emotions, valence; 5,030 labelled clips, 20,000 candidates, Chinese",
)
class Mer2024(Maker):
    """The corpus ``mer2024``."""

    Options = TruthOptions
    counts: ClassVar[dict[str, int]] = {"train": 5_030, "candidate": 20_000, "unlabelled": 95_595}

    def expected(self, options: TruthOptions) -> Mapping[str, int]:
        """Published counts; without those that released truth changes."""
        return expected_counts(self.counts, options)

    def fake(self, raw: Path) -> dict[str, str]:
        """Three labelled clips, two candidates, one other; see `Maker.fake`."""
        labels = zip(("a", "b", "c"), MER_EMOTIONS, ("-1.5", "", "0.25"), strict=False)
        fake_table(raw / "label-disdim.csv", [{"name": n, "discrete": e, "valence": v} for n, e, v in labels])
        fake_table(raw / "candidate_20000.csv", [{"name": name} for name in ("d", "e")])
        fake_table(raw / "final-openset-english.csv", [{"name": "a", "openset": "['glad', 'warm']"}])
        fake_table(raw / "transcription-merge.csv", [{"name": n, "chinese": "你好", "english": "hello"} for n in "abd"])
        for shade, name in enumerate("abc"):
            fake_video(raw / "video-labeled" / f"{name}.mp4", shade=20 * shade)
        for shade, name in enumerate("def"):
            fake_video(raw / "video-unlabeled-with-test2noise" / f"{name}.mp4", shade=20 * shade)
        fake_wav(raw / "audio-labeled" / "a.wav")
        return {}

    def make(self, raw: Path, out: Path, options: TruthOptions) -> Prepared:
        """Read the challenge's folder or MERTools' processed one; see `Maker.make`."""
        return prepare_edition(LAYOUT, raw, out, options)
