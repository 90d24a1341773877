"""Werewolf-XL: 14,632 speaking turns of people who play Werewolf in 30 games, three real values (Zhang et al., 2021).

The distributed layout is not documented publicly. What is known are the lists of HiCMAE, 14,457 turns in 5 folds by
game: ``split0K/{train,test}.csv`` with lines ``FRAMES WAV Y1 Y2 Y3``, absolute paths of its authors, of which the name
of the wav (``01_01_128``) is used. Media of that name are found anywhere below the raw folder. Which of the values are
valence, arousal and dominance is not stated; they are called ``value_1`` to ``value_3`` here. They lie in about
[-1.5, 2]; no range is published and none is enforced. The first field of a name is the game (the lists' folds keep it
together): it is the ``source``. What the second field counts is not stated; ``player`` is a guess, so no ``speaker``
is declared.
"""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath
from typing import ClassVar

from mertools.corpora import CORPORA, Maker, NoOptions, Prepared
from mertools.corpora.assembling import Row, assemble, research_only
from mertools.corpora.fakes import fake_image, fake_text, fake_wav
from mertools.corpora.lists import Part, add_once, join_folds, malformed, missing_layout, number_in, read_lines
from mertools.corpora.tree import look_through
from mertools.corpus import Corpus, Split, Target

VALUES = ("value_1", "value_2", "value_3")
_NAME = re.compile(r"(\d\d)_(\d\d)_(\d+)")


@CORPORA.register(
    "werewolf-xl",
    licence="academic research only, by agreement",
    summary="Werewolf-XL: turns of Werewolf players, three real values, 5 folds by game (--folds fold)",
)
class WerewolfXl(Maker):
    """The corpus ``werewolf-xl``."""

    counts: ClassVar[dict[str, int]] = {"": 14_457}

    def fake(self, raw: Path) -> dict[str, str]:
        """Five games, two turns each, in the lists of HiCMAE; see `Maker.fake`."""
        names = [f"{game:02d}_01_{turn}" for game in (1, 7, 13, 19, 25) for turn in (10, 128)]
        for index, name in enumerate(names):
            fake_wav(raw / "audio_16k" / f"{name}.wav", pitch_hz=120.0 + 10 * index)
        fake_image(raw / "openface" / names[0] / f"{names[0]}_aligned" / "frame_det_00_000001.jpg")
        for fold in range(1, 6):
            for part in ("train", "test"):
                chosen = [n for i, n in enumerate(names) if (i // 2 + 1 == fold) == (part == "test")]
                lines = [f"/data/openface/{n}/{n}_aligned /data/audio_16k/{n}.wav 0.5 0.25 -1.0\n" for n in chosen]
                fake_text(raw / f"split0{fold}" / f"{part}.csv", "".join(lines))
        return {}

    def make(self, raw: Path, out: Path, options: NoOptions) -> Prepared:
        """Read the lists and media by name; see `Maker.make`."""
        tree = look_through(raw)
        lists = tree.tables_like(r"split0?([1-5])/(train|test)\.csv")
        if not lists:
            raise missing_layout("Werewolf-XL", raw, "split01/test.csv (the lists that HiCMAE publishes)")
        parts = [Part(path, m[1], m[2].lower() == "test", _labels(path)) for path, m in lists]
        listed, warnings = join_folds(parts)
        rows = [Row(name, cells=_cells(name, values, fold)) for name, (values, fold) in listed.items()]
        clips, more = assemble(rows, tree.by_clip(_name), tree, spare="are in no list")
        corpus = Corpus(
            name="werewolf-xl",
            folder=out,
            clips=clips,
            media_root=raw,
            splits=(Split("train"),),
            targets=tuple(Target(value, "value") for value in VALUES),
            terms=research_only("Werewolf-XL"),
        )
        return Prepared(corpus, (*warnings, *more))


def _labels(path: Path) -> dict[str, str]:
    """The three values of each turn, joined by blanks."""
    labels: dict[str, str] = {}
    for number, line in read_lines(path):
        cells = line.rsplit(maxsplit=4)
        name = _name(cells[1].removesuffix(".wav")) if len(cells) == 5 else None
        if name is None:
            raise malformed(path, number, f"'{line}' is no entry of the list", "FRAMES 01_01_128.wav Y1 Y2 Y3")
        values = [number_in(path, number, cell, -10, 10) for cell in cells[2:]]
        add_once(labels, name, " ".join(values), path, number)
    return labels


def _cells(name: str, values: str, fold: str) -> dict[str, str]:
    game, player, _ = name.split("_")
    return dict(zip(VALUES, values.split(), strict=True)) | {"fold": fold, "source": game, "player": player}


def _name(place: str) -> str | None:
    stem = PurePosixPath(place).name.removesuffix("_aligned")
    return stem if _NAME.fullmatch(stem) else None
