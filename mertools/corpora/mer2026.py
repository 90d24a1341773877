"""MER2026 (ACM Multimedia 2026): 9,395 labelled clips in a pool of 132,171, open labels, preferences of descriptions.

Layouts: the organisers' (``track1_train.csv``, ``track1_track2_candidate.csv``, ``track2_train_human.csv``,
``track2_train_mercaptionplus.csv``, ``track3_*.csv``, ``subtitle_chieng.csv``, ``video/``, ``audio/``), as their data
card lists it, and MERTools' processed folder (``track1_label_6way.npz``). The labels of track 1 are the speaking
person's; what is to be predicted is the listener's. Preferences go to ``pairs.csv``: ``train`` is EmoPrefer-Data
(majority of three people), ``train_v2`` EmoPrefer-Data-V2 (one person); the candidates of track 3 keep their order, and
names repeat in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from mertools.corpora import CORPORA, Maker, Prepared
from mertools.corpora.challenge import Layout, TruthOptions, expected_counts, prepare_edition
from mertools.corpora.fakes import fake_table, fake_video, fake_wav
from mertools.corpora.mer2025 import SUBTITLES
from mertools.corpora.tables import HUMAN
from mertools.labels import MER_EMOTIONS

LAYOUT = Layout(
    name="mer2026",
    folders=("mer2026-dataset",),
    train=("track1_train.csv",),
    processed=("track1_label_6way.npz",),
    processed_folder="mer2026-dataset-process",
    candidates=("track1_track2_candidate.csv", "track_all_candidates.csv"),
    transcripts={"subtitle_chieng.csv": SUBTITLES, "track1_subtitle_chieng.csv": SUBTITLES},
    openset={"track2_train_human.csv": HUMAN, "track2_train_mercaptionplus.csv": "model"},
    pairs=(
        ("track3_emoprefer.csv", "train", True, 574),
        ("track3_emopreferv2.csv", "train_v2", True, 2_096),
        ("track3_candidate.csv", "candidate", False, 10_000),
    ),
)


@CORPORA.register(
    "mer2026",
    licence="MER end-user licence (CC BY-NC 4.0, gated): academic use, no redistribution",
    summary="MER2026 challenge: six emotions, open labels, preferences; 9,395 labelled clips of 132,171, Chinese",
)
class Mer2026(Maker):
    """The corpus ``mer2026``."""

    Options = TruthOptions
    counts: ClassVar[dict[str, int]] = {"": 132_171, "train": 9_395, "candidate": 20_000}

    def expected(self, options: TruthOptions) -> Mapping[str, int]:
        """Published counts; without those that released truth changes."""
        return expected_counts(self.counts, options)

    def fake(self, raw: Path) -> dict[str, str]:
        """Two labelled clips, two candidates, two with open labels, three pairs; see `Maker.fake`."""
        names = [f"samplenew3_{n:08d}" for n in range(7)]
        fake_table(
            raw / "track1_train.csv",
            [{"name": n, "discrete": e} for n, e in zip(names[:2], MER_EMOTIONS, strict=False)],
        )
        fake_table(raw / "track1_track2_candidate.csv", [{"name": name} for name in names[2:4]])
        fake_table(raw / "track2_train_human.csv", [{"name": n, "openset": "shocked,care"} for n in names[1:5:3]])
        fake_table(raw / "track2_train_mercaptionplus.csv", [{"name": n, "openset": "[calm]"} for n in names[4:6]])
        pair = {"a1": "He smiles.", "a2": "He is moved, and smiles."}
        fake_table(raw / "track3_emoprefer.csv", [{"name": names[5], **pair, "preference": "a2"}])
        fake_table(raw / "track3_emopreferv2.csv", [{"name": names[6], **pair, "preference": "same"}])
        fake_table(raw / "track3_candidate.csv", [{"name": names[6], **pair}])
        fake_table(raw / "subtitle_chieng.csv", [{"name": n, "chinese": "你好", "english": ""} for n in names])
        for n, name in enumerate(names):
            fake_video(raw / "video" / f"{name}.mp4", shade=20 * n)
        fake_wav(raw / "audio" / f"{names[0]}.wav")
        return {}

    def make(self, raw: Path, out: Path, options: TruthOptions) -> Prepared:
        """Read the organisers' folder or MERTools' processed one; see `Maker.make`."""
        return prepare_edition(LAYOUT, raw, out, options)
