"""What CMU-MOSI and CMU-MOSEI share: the pickled label files, and how their authors lay out media.

``*_features_raw_2way.pkl`` is a tuple of seven: clip names, values, something unused and sentences by video, and the
videos of train, val and test. Clip names are ``<YouTube id>_<number>``. Speech and transcripts are English.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from mertools.corpora.joining import Said, first_folder, sounds_below, videos_below
from mertools.corpora.processed import TRANSCRIPTS, value_text
from mertools.corpora.sentiment import Found, SentimentMaker
from mertools.corpora.tables import HUMAN, TRANSLATION, first_file
from mertools.corpus import Terms
from mertools.errors import CorpusError
from mertools.unpickling import read_pickle

CMU_TERMS = Terms(licence="distributed by CMU MultiComp for research; the videos belong to their uploaders")
"""No licence text is published; what may be done with the videos is not stated, passing them on is not allowed for."""
_SEPARATOR = "___"


class CmuMaker(SentimentMaker):
    """Base of the two.

    Attributes:
        pickles: names of the label pickle.
    """

    range = (-3.0, 3.0)
    terms = CMU_TERMS
    transcripts: ClassVar[Mapping[str, Mapping[str, tuple[str, str]]]] = {
        TRANSCRIPTS: {"english": ("text", HUMAN), "chinese": ("text_zh", TRANSLATION)},
        "transcription.csv": {"english": ("text", HUMAN), "chinese": ("text_zh", TRANSLATION)},
    }
    pickles: ClassVar[tuple[str, ...]]

    def expects(self) -> Sequence[str]:
        """The label pickle; see `SentimentMaker.expects`."""
        return (f"{self.pickles[0]} with the official media",)

    def official(self, raw: Path) -> Found | None:
        """Label pickle and the authors' media folders; see `SentimentMaker.official`."""
        roots = [raw, raw / "Raw"]
        path = first_file(roots, self.pickles)
        if path is None:
            return None
        found = Found(path.name, origins={"text": HUMAN})
        for split, video, name, value, sentence in _utterances(path):
            where = f"{path}, {split} clip '{name}'"
            if name in found.said:
                raise CorpusError("MER-C137", f"{where} stands in the file twice.", "Get the file again.")
            found.said[name] = Said(split, {"valence": value_text(value, *self.range, where), "source": video})
            found.texts[name] = {"text": sentence.strip()}
        self.add_media(roots, found)
        return found

    def add_media(self, roots: Sequence[Path], found: Found) -> None:
        """Clips that are cut already: ``Video/Segmented/`` and ``Audio/WAV_16000/Segmented/``, or ``subvideo/``."""
        videos = ("Video/Segmented", "Videos/Segmented/Combined", "subvideo")
        sounds = ("Audio/WAV_16000/Segmented", "Audio/Segmented/Combined", "subaudio")
        found.media.add(
            videos_below(first_folder(root / name for name in videos for root in roots)),
            sounds_below(first_folder(root / name for name in sounds for root in roots)),
        )


def cut_by_transcripts(roots: Sequence[Path], found: Found) -> None:
    """Clips inside whole videos (``Videos/Full/Combined/``), their times from ``Transcript/Segmented/Combined/*.txt``.

    A line reads ``video___number___start___end___sentence``, times in seconds. Lines that do not are passed over with
    one warning.
    """
    whole = videos_below(first_folder(root / "Videos/Full/Combined" for root in roots))
    folder = first_folder(root / "Transcript/Segmented/Combined" for root in roots)
    if not whole or folder is None:
        return
    strange: list[str] = []
    for path in sorted(folder.glob("*.txt")):
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            parts = line.strip().split(_SEPARATOR, 4)
            times_s = _times(parts[2:4]) if len(parts) == 5 else None
            entry = found.said.get("_".join(parts[:2]))
            if times_s is None and line.strip():
                strange.append(f"{path.name}: {line.strip()[:40]}")
            elif times_s and entry and parts[0] in whole:
                found.media.video["_".join(parts[:2])] = whole[parts[0]]
                entry.cells |= {"start": f"{times_s[0]:g}", "end": f"{times_s[1]:g}"}
    if strange:
        found.warnings.append(f"{len(strange)} lines of transcripts have no usable times, e.g. '{strange[0]}'.")


def _times(cells: Sequence[str]) -> tuple[float, float] | None:
    try:
        start_s, end_s = (float(cell) for cell in cells)
    except ValueError:
        return None
    return (start_s, end_s) if 0 <= start_s < end_s < math.inf else None


def _utterances(path: Path) -> Iterator[tuple[str, str, str, Any, str]]:
    """Split, video, clip, value and sentence of each clip of a label pickle.

    Raises:
        CorpusError: ``MER-C137`` if it is not the tuple described above.
    """
    content = read_pickle(path)
    if not (isinstance(content, tuple) and len(content) == 7 and all(isinstance(content[n], dict) for n in (0, 1, 3))):
        raise CorpusError(
            "MER-C137",
            f"{path} does not hold seven parts: ids, labels, _, sentences, train, val, test.",
            "Expected the file that MERBench calls *_features_raw_2way.pkl.",
        )
    ids, values, _, sentences, *splits = content
    for split, videos in zip(("train", "val", "test"), splits, strict=True):
        for video in sorted(videos) if isinstance(videos, set | frozenset) else list(videos):
            parts = [table.get(video) for table in (ids, values, sentences)]
            if any(part is None for part in parts) or len({len(part) for part in parts}) != 1:
                raise CorpusError(
                    "MER-C137",
                    f"{path}: video '{video}' of {split} has not as many ids as labels and sentences.",
                    "Get the file again.",
                )
            for name, value, sentence in zip(*parts, strict=True):
                yield split, str(video), str(name), value, str(sentence)
