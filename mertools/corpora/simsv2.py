"""CH-SIMS v2 (Liu et al., 2022), supervised part: 4,403 Chinese clips of 145 videos, sentiment in [-1, 1].

Layouts: MERTools' processed folder; the authors' (``meta.csv``, ``Raw/<video_id>/<clip_id>.mp4``). It holds the clips
of CH-SIMS. The official splits are by clip: 128 of the 145 source videos of the test split are also in the training
split.
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from mertools.corpora import CORPORA
from mertools.corpora.fakes import fake_table, fake_video
from mertools.corpora.sentiment import Found, SentimentMaker
from mertools.corpora.sims import SIMS_TERMS, SIMS_TEXTS


@CORPORA.register(
    "simsv2",
    licence="research use (thuiar)",
    summary="CH-SIMS v2 (supervised): sentiment in [-1, 1], 4,403 Chinese clips; splits=video keeps videos apart",
)
class SimsV2(SentimentMaker):
    """The corpus ``simsv2``."""

    name = "simsv2"
    range = (-1.0, 1.0)
    terms = SIMS_TERMS
    processed_folder = "simsv2-process"
    transcripts = SIMS_TEXTS
    table = "meta.csv"
    counts: ClassVar[dict[str, int]] = {"train": 2_722, "val": 647, "test": 1_034}
    signs: ClassVar[dict[str, tuple[int, int, int]]] = {
        "train": (1_310, 318, 1_094),
        "val": (325, 92, 230),
        "test": (488, 123, 423),
    }

    def official(self, raw: Path) -> Found | None:
        """The authors' layout is the table's; a folder ``ch-simsv2s`` is stepped into."""
        return self.from_table(raw / "ch-simsv2s") if (raw / "ch-simsv2s").is_dir() else None

    def fake(self, raw: Path) -> dict[str, str]:
        """One video in all splits, one in train only; see `Maker.fake`."""
        rows = []
        for n, (video, clip, mode) in enumerate(
            (("video_0001", "0001", "train"), ("video_0001", "0002", "valid"), ("aqgyN", "5", "test"))
        ):
            rows.append({"video_id": video, "clip_id": clip, "text": "你好", "label": 0.2 * n - 0.2, "mode": mode})
            fake_video(raw / "Raw" / video / f"{clip}.mp4", shade=30 * n)
        fake_table(raw / "meta.csv", rows)
        return {}
