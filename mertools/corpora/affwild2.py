"""Aff-Wild2 as the ABAW challenges use it: expression, valence and arousal, or action units for every frame.

Known layout: annotations ``<EXPR|VA|AU>_..._Challenge/{Train_Set,Validation_Set}/VIDEO.txt`` (a header, then one line
per frame of the video), in whatever folder the challenge called ``6th ABAW Annotations`` or so; face crops
``cropped_aligned/VIDEO/00001.jpg`` (a frame without a detected face is absent); videos ``VIDEO.mp4`` or ``.avi`` in
any folder; the list of test videos ``..._test_set_release.txt``, or the sample file
``CVPR_6th_ABAW_..._test_set_sample.txt``. A video with two people has two annotations, ``VIDEO_left`` and
``VIDEO_right``, which share the file ``VIDEO``: their ``source`` is that video, ``side`` tells them apart, and only
the crops show one of the two alone.

Labels become one CSV per video, ``labels/TASK/VIDEO.csv`` in the corpus folder, named in the column ``labels``
(relative to that folder). ``frame`` counts from 1, as the crops and the upload do. Frames marked -1 (EXPR, AU) or -5
(VA) stay as rows with empty cells. Test videos have no labels.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import ClassVar, Literal

from mertools.corpora import CORPORA, Maker, Prepared
from mertools.corpora.assembling import Row, assemble, splits_of
from mertools.corpora.fakes import fake_image, fake_text, fake_video
from mertools.corpora.lists import malformed, missing_layout, number_in, read_lines
from mertools.corpora.tree import Found, Tree, look_through
from mertools.corpus import Corpus, Split, Target, Terms
from mertools.errors import CorpusError
from mertools.labels import ABAW_ACTION_UNITS, ABAW_EXPRESSIONS

SETS = {"train_set": "train", "validation_set": "val"}
VALUES = ("valence", "arousal")
HEADERS = {"expr": ABAW_EXPRESSIONS, "va": VALUES, "au": ABAW_ACTION_UNITS}
"""First line of an annotation file, by task."""

_SIDE = re.compile(r"(.+)_(left|right)")


@dataclass(frozen=True)
class Affwild2Options:
    """What may be chosen.

    Attributes:
        task: ``expr`` (8 expressions), ``va`` (valence and arousal) or ``au`` (12 action units).
    """

    task: Literal["expr", "va", "au"] = "expr"


@CORPORA.register(
    "affwild2",
    licence="Aff-Wild2 EULA: non-commercial research",
    summary="Aff-Wild2 (ABAW): labels per frame, task=expr, va or au; official train, val and test videos",
)
class Affwild2(Maker):
    """The corpus ``affwild2``."""

    Options = Affwild2Options
    counts: ClassVar[dict[str, int]] = {"": 548}

    def expected(self, options: Affwild2Options) -> Mapping[str, int]:
        """Videos of ABAW 6: 548 for EXPR, 594 for VA."""
        return {"expr": self.counts, "va": {"": 594}, "au": {}}[options.task]

    def fake(self, raw: Path) -> dict[str, str]:
        """One train, one val, one test video, and a train video of two people; see `Maker.fake`."""
        lines = {
            "expr": ["0", "4", "-1", "7"],
            "va": ["0.1,-0.2", "-5,-5", "0.5,0.25", "1,-1"],
            "au": [",".join("01"[(unit + frame) % 2] for unit in range(12)) for frame in range(4)],
        }
        folders = {"expr": "EXPR_Recognition", "va": "VA_Estimation", "au": "AU_Detection"}
        for task, folder in folders.items():
            for video, part in (
                ("1-30", "Train"),
                ("2-30_left", "Train"),
                ("2-30_right", "Train"),
                ("3", "Validation"),
            ):
                text = "\n".join([",".join(HEADERS[task]), *lines[task], ""])
                fake_text(raw / "6th ABAW Annotations" / f"{folder}_Challenge" / f"{part}_Set" / f"{video}.txt", text)
            fake_text(raw / f"{task.upper()}_test_set_release.txt", "4\n")
        for index, video in enumerate(("1-30", "2-30", "3", "4")):
            fake_video(raw / "batch1" / f"{video}.mp4", n_frames=4, shade=16 * index)
        for crop in ("1-30/00001", "1-30/00003", "2-30_left/00001", "4/00001"):
            fake_image(raw / "cropped_aligned" / f"{crop}.jpg")
        return {}

    def make(self, raw: Path, out: Path, options: Affwild2Options) -> Prepared:
        """Read one challenge's annotations; see `Maker.make`."""
        task, tree = options.task, look_through(raw)
        annotations = _annotations(tree, task)
        tests = _test_videos(tree, task)
        both = sorted(annotations.keys() & tests)
        if both:
            raise CorpusError(
                "MER-C222",
                f"the test list names '{both[0]}', which is annotated in {annotations[both[0]][0]}.",
                "Fetch the lists of one and the same challenge.",
            )
        files: dict[str, str] = {}
        rows = []
        for video, (path, split) in sorted(annotations.items()):
            labels = f"labels/{task}/{video}.csv"
            files[labels], n_annotated = _per_frame(path, task)
            rows.append(Row(video, split, {**_cells(video), "labels": labels, "n_annotated": str(n_annotated)}))
        rows += [Row(video, "test", _cells(video)) for video in sorted(tests)]
        names = {row.name for row in rows}
        clips, warnings = assemble(rows, _found(tree, names), tree)
        kept = {clip.cells.get("labels") for clip in clips}
        if not tests:
            warnings.append("there is no list of test videos (..._test_set_release.txt); the corpus has no split test.")
        corpus = Corpus(
            name="affwild2",
            folder=out,
            clips=clips,
            media_root=raw,
            splits=splits_of(clips, (Split("train"), Split("val", "validation"), Split("test", "candidate"))),
            targets=_targets(task),
            terms=Terms(licence="Aff-Wild2 EULA: non-commercial research"),
        )
        return Prepared(corpus, tuple(warnings), {name: text for name, text in files.items() if name in kept})


def _targets(task: str) -> tuple[Target, ...]:
    if task == "expr":
        return (Target("expression", "classes", classes=ABAW_EXPRESSIONS, per="frame"),)
    if task == "va":
        return tuple(Target(name, "value", range=(-1.0, 1.0), per="frame") for name in VALUES)
    return tuple(Target(name, "classes", classes=("0", "1"), per="frame") for name in ABAW_ACTION_UNITS)


def _annotations(tree: Tree, task: str) -> dict[str, tuple[Path, str]]:
    """File and split of each annotated video."""
    found: dict[str, tuple[Path, str]] = {}
    for path, match in tree.tables_like(rf"{task}_\w+_Challenge/(Train_Set|Validation_Set)/[^/]+\.txt"):
        first, _ = found.setdefault(path.stem, (path, SETS[match[1].lower()]))
        if first != path:
            raise CorpusError(
                "MER-C222",
                f"video '{path.stem}' has two annotations: {first} and {path}.",
                "Point --raw at the annotations of one challenge.",
            )
    if not found:
        expected = f"{task.upper()}_..._Challenge/Train_Set/*.txt"
        raise missing_layout(f"Aff-Wild2 with annotations for task={task}", tree.root, expected)
    return found


def _test_videos(tree: Tree, task: str) -> set[str]:
    """Test videos: names, or rows ``VIDEO/00001.jpg,...`` of a sample file."""
    pattern = rf"[^/]*(?<![a-z]){task}_(?:\w+_)?test_set_(?:release|sample)\.txt"
    names = set()
    for path, _ in tree.tables_like(pattern):
        for _, line in read_lines(path):
            if not line.startswith("image_location"):
                names.add(line.split(",")[0].split("/")[0].removesuffix(".txt"))
    return names


def _per_frame(path: Path, task: str) -> tuple[str, int]:
    """The annotations of a video as CSV text ``frame,<target>...``, and how many frames are annotated.

    Raises:
        CorpusError: ``MER-C220`` if the header is another one; ``MER-C201``, ``MER-C205``, ``MER-C221`` for a bad line.
    """
    lines = path.read_text(encoding="utf-8-sig", errors="replace").rstrip().splitlines() or [""]
    header = HEADERS[task]
    if [name.strip().lower() for name in lines[0].split(",")] != [name.lower() for name in header]:
        raise CorpusError(
            "MER-C220",
            f"{path}, line 1: the header '{lines[0][:80]}' is not that of task={task}.",
            f"Expected {','.join(header)}, in this order.",
        )
    names = ("expression",) if task == "expr" else header
    parse = {"expr": _expression, "va": _affect, "au": _unit}[task]
    n_annotated, rows = 0, [",".join(("frame", *names))]
    for frame, line in enumerate(lines[1:], start=1):
        cells = [cell.strip() for cell in line.split(",")]
        if len(cells) != len(names):
            raise malformed(
                path, frame + 1, f"'{line[:80]}' has {len(cells)} values", f"{len(names)}, one line a frame"
            )
        annotated = [parse(path, frame + 1, cell) for cell in cells]
        if task == "va" and not all(annotated):
            annotated = ["", ""]
        n_annotated += any(annotated)
        rows.append(",".join((str(frame), *annotated)))
    return "\n".join(rows) + "\n", n_annotated


def _expression(path: Path, number: int, cell: str) -> str:
    if cell == "-1":
        return ""
    if not cell.isdecimal() or int(cell) >= len(ABAW_EXPRESSIONS):
        raise _no_mark(path, number, cell, "-1 (not annotated) or 0 to 7")
    return ABAW_EXPRESSIONS[int(cell)]


def _affect(path: Path, number: int, cell: str) -> str:
    if re.fullmatch(r"-5(?:\.0+)?", cell):
        return ""
    return number_in(path, number, cell, -1, 1)


def _unit(path: Path, number: int, cell: str) -> str:
    if cell not in ("-1", "0", "1"):
        raise _no_mark(path, number, cell, "-1 (not annotated), 0 or 1")
    return "" if cell == "-1" else cell


def _no_mark(path: Path, number: int, cell: str, expected: str) -> CorpusError:
    return CorpusError("MER-C221", f"{path}, line {number}: '{cell}' is no annotation.", f"Expected {expected}.")


def _found(tree: Tree, names: set[str]) -> dict[str, Found]:
    """Media of the videos; one of two people falls back on the video that shows both."""
    wanted = names | {side[1] for side in map(_SIDE.fullmatch, names) if side}
    files = tree.by_clip(
        lambda place: stem if (stem := PurePosixPath(place).name) in wanted else None,
        lambda place: int("cropped_aligned" not in place),
    )
    found = {}
    for name in sorted(names):
        own, side = files.get(name, Found()), _SIDE.fullmatch(name)
        both = files.get(side[1], Found()) if side else own
        found[name] = Found(own.video or both.video, own.audio or both.audio, own.frames, own.n_frames)
    return found


def _cells(video: str) -> dict[str, str]:
    side = _SIDE.fullmatch(video)
    return {"source": side[1] if side else video, "side": side[2] if side else ""}
