"""CMU-MOSEI (Zadeh et al., 2018): 22,856 clips of 3,225 English YouTube videos, sentiment in [-3, 3].

Layouts: MERTools' processed folder; MMSA's (``label.csv``, ``Raw/``); a label pickle with whole videos
(``Videos/Full/Combined/``) and transcripts that have the times (``Transcript/Segmented/Combined/``): clips are then
parts of the whole videos, by ``start`` and ``end``.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from mertools.corpora import CORPORA
from mertools.corpora.cmu import CmuMaker, cut_by_transcripts
from mertools.corpora.fakes import fake_pickle, fake_text, fake_video
from mertools.corpora.sentiment import Found


@CORPORA.register(
    "cmumosei",
    licence="research use (CMU MultiComp); YouTube videos",
    summary="CMU-MOSEI: sentiment in [-3, 3], 22,856 clips of 3,225 English videos, official splits",
)
class CmuMosei(CmuMaker):
    """The corpus ``cmumosei``."""

    name = "cmumosei"
    processed_folder = "cmumosei-process"
    pickles = ("CMUMOSEI_features_raw_2way.pkl",)
    counts: ClassVar[dict[str, int]] = {"train": 16_326, "val": 1_871, "test": 4_659}
    signs: ClassVar[dict[str, tuple[int, int, int]]] = {
        "train": (4_738, 3_540, 8_048),
        "val": (506, 433, 932),
        "test": (1_350, 1_025, 2_284),
    }

    def add_media(self, roots: Sequence[Path], found: Found) -> None:
        """Cut clips if they are there, else parts of whole videos; see `CmuMaker.add_media`."""
        super().add_media(roots, found)
        if not found.media.video:
            cut_by_transcripts(roots, found)

    def fake(self, raw: Path) -> dict[str, str]:
        """A label pickle, a whole video per split and its transcript; see `Maker.fake`."""
        videos = ("-aBc_1", "dEf", "gHi")
        ids = {video: [f"{video}_0", f"{video}_1"] for video in videos}
        values = {video: [-1.0, 0.5] for video in videos}
        sentences = {video: ["bad", "rather good"] for video in videos}
        labels = (ids, values, {}, sentences, *({video} for video in videos))
        fake_pickle(raw / "CMUMOSEI_features_raw_2way.pkl", labels)
        for n, video in enumerate(videos):
            fake_video(raw / "Videos/Full/Combined" / f"{video}.mp4", n_frames=20, shade=40 * n)
            lines = [f"{video}___{i}___{0.3 * i:g}___{0.3 * i + 0.3:g}___{s}\n" for i, s in enumerate(sentences[video])]
            fake_text(raw / "Transcript/Segmented/Combined" / f"{video}.txt", "".join(lines))
        return {}
