"""Corpora of the published sizes and classes, without media: no warning about counts, every clip in its split."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mertools import Corpus
from mertools.corpora import prepare
from mertools.corpora.fakes import fake_table
from mertools.labels import MER_EMOTIONS

MER2023 = {
    "train": (871, 822, 689, 383, 462, 146),
    "test1": (88, 105, 93, 50, 57, 18),
    "test2": (123, 98, 87, 40, 52, 12),
    "test3": (166, 183, 169, 257, 45, 14),
}
MELD = {
    "train": (1109, 1743, 683, 4710, 271, 268, 1205),
    "val": (153, 163, 111, 470, 22, 40, 150),
    "test": (345, 402, 208, 1256, 68, 50, 281),
}
SIGNS = {
    "cmumosi": {"train": (552, 53, 679), "val": (92, 13, 124), "test": (379, 30, 277)},
    "sims": {"train": (742, 207, 419), "val": (248, 69, 139), "test": (248, 69, 140)},
    "simsv2": {"train": (1310, 318, 1094), "val": (325, 92, 230), "test": (488, 123, 423)},
}


def labels_of(counts: Mapping[str, tuple[int, ...]], annotations: list[dict[str, Any]], name: str) -> dict[str, Any]:
    """Entries of a label npz with so many clips of each annotation; `name` is filled with split and number."""
    return {
        f"{split}_corpus": {
            name.format(split=split, n=n): annotation
            for n, annotation in enumerate(a for a, k in zip(annotations, numbers, strict=True) for _ in range(k))
        }
        for split, numbers in counts.items()
    }


def write(raw: Path, npz: str, entries: dict[str, Any]) -> None:
    raw.mkdir()
    np.savez_compressed(raw / npz, **entries)
    rows = [{"name": n, "chinese": "好", "english": "good"} for clips in entries.values() for n in clips]
    fake_table(raw / "transcription-engchi-polish.csv", rows)


def check(name: str, tmp_path: Path, sizes: Mapping[str, int], **options: Any) -> Corpus:
    made = prepare(name, tmp_path / "raw", tmp_path / "out", **options)
    assert not any("published" in warning for warning in made.warnings), made.warnings
    assert Counter(clip.split for clip in made.corpus.clips) == sizes
    return made.corpus


def test_mer2023(tmp_path: Path) -> None:
    annotations = [{"emo": emotion, "val": -10} for emotion in MER_EMOTIONS]
    write(tmp_path / "raw", "label-6way.npz", labels_of(MER2023, annotations, "{split}_{n}"))
    corpus = check("mer2023", tmp_path, {"train": 3373, "test1": 411, "test2": 412, "test3": 834})
    assert len(corpus) == 5030


def test_meld(tmp_path: Path) -> None:
    annotations = [{"emo": code, "val": -10} for code in range(7)]
    write(tmp_path / "raw", "label.npz", labels_of(MELD, annotations, "{split}_dia{n}_utt0"))
    assert len(check("meld", tmp_path, {"train": 9989, "val": 1109, "test": 2610})) == 13708


@pytest.mark.parametrize(
    ("classes", "counts"), [(4, (1636, 1084, 1708, 1103)), (6, (648, 1084, 1708, 1103, 1041, 1849))]
)
def test_iemocap(tmp_path: Path, classes: int, counts: tuple[int, ...]) -> None:
    annotations = [{"emo": code, "val": -10} for code in range(classes)]
    entries = labels_of({"whole": counts}, annotations, "Ses01F_impro{n}_F000")
    write(tmp_path / "raw", f"label_{classes}way.npz", entries)
    check("iemocap", tmp_path, {"train": sum(counts)}, classes=classes)


@pytest.mark.parametrize("name", sorted(SIGNS))
def test_sentiment(tmp_path: Path, name: str) -> None:
    annotations = [{"emo": 0, "val": np.float64(value)} for value in (-0.4, 0.0, 0.6)]
    write(tmp_path / "raw", "label.npz", labels_of(SIGNS[name], annotations, "{split}_{n}"))
    check(name, tmp_path, {split: sum(counts) for split, counts in SIGNS[name].items()})
