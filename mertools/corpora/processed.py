"""MERTools' processed layout (``*-process``), as MERBench and the MER baselines lay corpora out.

``label*.npz`` holds, per split, a pickled dict ``clip -> {"emo": class name or index, "val": number}`` (-10 = no
valence); media lie in ``video/`` or ``subvideo/`` and ``audio/`` or ``subaudio/``; transcripts in a CSV file
``name,chinese,english``. Read by `mertools.unpickling`, so nothing in the npz can run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mertools.corpora.joining import Media, first_folder, sounds_below, videos_below
from mertools.corpora.tables import checked_class, checked_value
from mertools.errors import CorpusError
from mertools.unpickling import read_npz

Labels = dict[str, dict[str, Mapping[str, Any]]]

TRANSCRIPTS = "transcription-engchi-polish.csv"
VIDEO_FOLDERS = ("subvideo-tgt", "subvideo", "video")
AUDIO_FOLDERS = ("subaudio", "audio")


def label_file(raw: Path, folder: str, names: Sequence[str]) -> Path | None:
    """The label npz in `raw`, or in its subfolder `folder` (e.g. ``meld-process``); None if there is none."""
    return next((p for root in (raw, raw / folder) for name in names if (p := root / name).is_file()), None)


def read_labels(path: Path, corpora: Mapping[str, str]) -> Labels:
    """Annotations by split and clip.

    Args:
        path: the npz.
        corpora: entry of the npz -> our split.

    Raises:
        CorpusError: ``MER-C120`` … ``MER-C122`` if the file is damaged, hostile or too large, ``MER-C136`` if an entry
            is missing or is not a dict of dicts, or a clip stands in two splits.
    """
    entries = read_npz(path)
    labels: Labels = {}
    split_of: dict[str, str] = {}
    for entry, split in corpora.items():
        if entry not in entries:
            raise CorpusError(
                "MER-C136",
                f"{path}: there is no entry '{entry}'; found: {', '.join(entries) or 'none'}.",
                f"Expected the entries {', '.join(corpora)}.",
            )
        clips = entries[entry]
        if not isinstance(clips, dict):
            raise CorpusError("MER-C136", f"{path}, entry '{entry}' is not a dict of clips.", "Get the file again.")
        for name, annotation in clips.items():
            if not isinstance(name, str) or not isinstance(annotation, dict) or "emo" not in annotation:
                raise CorpusError(
                    "MER-C136",
                    f"{path}, entry '{entry}', clip {str(name)[:60]!r}: expected a dict with 'emo' and 'val'.",
                    "Get the file again.",
                )
            if split_of.setdefault(name, split) != split:
                raise CorpusError(
                    "MER-C136", f"{path}: clip '{name}' stands in {split_of[name]} and {split}.", "Remove one of them."
                )
        labels[split] = clips
    return labels


def class_name(value: Any, classes: Sequence[str], where: str) -> str:
    """The class that a label names or counts.

    Raises:
        CorpusError: ``MER-C133`` if it is neither one of `classes` nor an index into them.
    """
    if isinstance(value, int | np.integer) and not isinstance(value, bool) and 0 <= int(value) < len(classes):
        return classes[int(value)]
    return checked_class(str(value), classes, where)


def value_text(value: Any, low: float, high: float, where: str) -> str:
    """A value as text, as short as it is exact; empty for None, the empty text and -10.

    Raises:
        CorpusError: ``MER-C142`` if it is no number in [low, high].
    """
    return "" if value is None else checked_value(str(value), low, high, where)


def processed_media(folder: Path) -> Media:
    """Media of a processed folder; of several video folders the first that MERBench prefers."""
    return Media(
        videos_below(first_folder(folder / name for name in VIDEO_FOLDERS)),
        sounds_below(first_folder(folder / name for name in AUDIO_FOLDERS)),
    )
