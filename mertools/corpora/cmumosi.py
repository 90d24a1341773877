"""CMU-MOSI (Zadeh et al., 2016): 2,199 clips of 93 English YouTube monologues, sentiment in [-3, 3].

Layouts: MERTools' processed folder; MMSA's (``label.csv``, ``Raw/``); a label pickle with ``Video/Segmented/``.
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from mertools.corpora import CORPORA
from mertools.corpora.cmu import CmuMaker
from mertools.corpora.fakes import fake_table, fake_video


@CORPORA.register(
    "cmumosi",
    licence="research use (CMU MultiComp); YouTube videos",
    summary="CMU-MOSI: sentiment in [-3, 3], 2,199 clips of 93 English monologues, official splits",
)
class CmuMosi(CmuMaker):
    """The corpus ``cmumosi``."""

    name = "cmumosi"
    processed_folder = "cmumosi-process"
    pickles = ("CMUMOSI_features_raw_2way.pkl",)
    counts: ClassVar[dict[str, int]] = {"train": 1_284, "val": 229, "test": 686}
    signs: ClassVar[dict[str, tuple[int, int, int]]] = {
        "train": (552, 53, 679),
        "val": (92, 13, 124),
        "test": (379, 30, 277),
    }

    def fake(self, raw: Path) -> dict[str, str]:
        """MMSA's layout: one video per split, two clips each; see `Maker.fake`."""
        rows = []
        for n, (video, mode) in enumerate((("-aBc_1", "train"), ("dEf", "valid"), ("gHi", "test"))):
            for clip in (1, 2):
                text, label = f"words {clip}", str(clip - 1.5 - n / 2)
                rows.append({"video_id": video, "clip_id": clip, "text": text, "label": label, "mode": mode})
                fake_video(raw / "Raw" / video / f"{clip}.mp4", shade=30 * n + 10 * clip)
        fake_table(raw / "label.csv", rows)
        return {}
