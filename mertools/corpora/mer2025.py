"""MER2025 (ACM Multimedia 2025): 7,369 labelled clips in a pool of 132,171, 20,000 candidates, open-vocabulary labels.

Layouts: the organisers' (``track1_train_disdim.csv``, ``track_all_candidates.csv``, ``subtitle_chieng.csv``,
``track2_train_*.csv`` with open labels, ``track3_train_*.csv`` with descriptions, ``video/``, ``audio/``), as their
data card lists it, and MERTools' processed folder (``track1_label_6way.npz``). ``openset_origin`` says whether people
(OV-MERD) or a model with human help (MER-Caption+) gave the open labels. Who wrote the subtitles is not stated: they
are recorded as a recogniser's.
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

SUBTITLES = {"chinese": ("text", ASR), "english": ("text_en", TRANSLATION)}

LAYOUT = Layout(
    name="mer2025",
    folders=("mer2025-dataset",),
    train=("track1_train_disdim.csv",),
    processed=("track1_label_6way.npz",),
    processed_folder="mer2025-dataset-process",
    candidates=("track_all_candidates.csv",),
    transcripts={"subtitle_chieng.csv": SUBTITLES, "track1_subtitle_chieng.csv": SUBTITLES},
    openset={"track2_train_ovmerd.csv": HUMAN, "track2_train_mercaptionplus.csv": "model"},
    descriptions=("track3_train_ovmerd.csv", "track3_train_mercaptionplus.csv"),
)


@CORPORA.register(
    "mer2025",
    licence="MER end-user licence (CC BY-NC 4.0, gated): academic use, no redistribution",
    summary="MER2025 challenge: six emotions, open labels; 7,369 labelled clips of 132,171, 20,000 candidates, Chinese",
)
class Mer2025(Maker):
    """The corpus ``mer2025``."""

    Options = TruthOptions
    counts: ClassVar[dict[str, int]] = {"": 132_171, "train": 7_369, "candidate": 20_000}

    def expected(self, options: TruthOptions) -> Mapping[str, int]:
        """Published counts; without those that released truth changes."""
        return expected_counts(self.counts, options)

    def fake(self, raw: Path) -> dict[str, str]:
        """Two labelled clips, two candidates, two with open labels only; see `Maker.fake`."""
        labels = zip(("sample_a", "sample_b"), MER_EMOTIONS, ("-1.5", "0.25"), strict=False)
        fake_table(raw / "track1_train_disdim.csv", [{"name": n, "discrete": e, "valence": v} for n, e, v in labels])
        fake_table(raw / "track_all_candidates.csv", [{"name": name} for name in ("sample_c", "sample_d")])
        fake_table(raw / "track2_train_ovmerd.csv", [{"name": "sample_a", "openset": "['glad']"}])
        fake_table(raw / "track2_train_mercaptionplus.csv", [{"name": "sample_e", "openset": "[calm, kind]"}])
        fake_table(raw / "track3_train_ovmerd.csv", [{"name": "sample_a", "reason": "A smile."}])
        names = [f"sample_{letter}" for letter in "abcdef"]
        fake_table(raw / "subtitle_chieng.csv", [{"name": n, "chinese": "你好", "english": "hello"} for n in names])
        for n, name in enumerate(names):
            fake_video(raw / "video" / f"{name}.mp4", shade=20 * n)
        fake_wav(raw / "audio" / "sample_a.wav")
        return {}

    def make(self, raw: Path, out: Path, options: TruthOptions) -> Prepared:
        """Read the organisers' folder or MERTools' processed one; see `Maker.make`."""
        return prepare_edition(LAYOUT, raw, out, options)
