"""AVCAffe: 106 people work in remote pairs; affect and cognitive load, as they report it (Sarkar et al., 2023).

Known layout (the authors' read-me and loader): ``videos/shorter_segments/aiim001/task_1/*.avi`` (58,112 pieces of
about 6 s), ``videos/per_participant_per_task/aiim001/`` (950 whole recordings; that their names hold ``task_1`` is
assumed), ``ground_truths/{arousal,valence,mental_demand,effort,temporal_demand}.txt`` with lines ``aiim001_task_1,
Excited``, and ``info/train.txt``, ``info/val.txt``, ``info/no_audio_files.txt``. A label holds for a person's whole
task: ``source`` is the task, ``speaker`` the person; HiCMAE averages the pieces of a task. Arousal and valence are
five words each, in the order of the loader, so they are the class targets ``arousal_class`` and ``valence_class``;
load is a number, 0 to 21 (the authors' binary classes are > 10). Published numbers are those of the part ``val``, so
its role is test here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

from mertools.corpora import CORPORA, Maker, Prepared
from mertools.corpora.assembling import Row, assemble, research_only, splits_of
from mertools.corpora.fakes import fake_text, fake_video
from mertools.corpora.lists import add_once, known_label, malformed, missing_layout, number_in, read_lines
from mertools.corpora.tree import Tree, look_through
from mertools.corpus import Corpus, Split, Target

CLASSES = {
    "arousal": ("Excited", "Wide-awake", "Neutral", "Dull", "Calm"),
    "valence": ("Pleasant", "Pleased", "Neutral", "Unsatisfied", "Unpleasant"),
}
LOADS = ("mental_demand", "effort", "temporal_demand")
FOLDERS = {"pieces": "shorter_segments", "whole": "per_participant_per_task"}
_TASK = re.compile(r"(aiim\d{3})[/_](?:.*[/_])?(task_\d+)(?:[/_]|$)")


@dataclass(frozen=True)
class AvcaffeOptions:
    """What may be chosen.

    Attributes:
        clips: ``pieces`` of about 6 s, or ``whole`` recordings, one per person and task.
    """

    clips: Literal["pieces", "whole"] = "pieces"


@CORPORA.register(
    "avcaffe",
    licence="research only, by the AVCAffe database licence",
    summary="AVCAffe: remote work in pairs; arousal, valence (5 words each), cognitive load 0-21; train and val",
)
class Avcaffe(Maker):
    """The corpus ``avcaffe``."""

    Options = AvcaffeOptions
    counts: ClassVar[dict[str, int]] = {"": 58_112}

    def expected(self, options: AvcaffeOptions) -> Mapping[str, int]:
        """58,112 pieces, 950 recordings."""
        return self.counts if options.clips == "pieces" else {"": 950}

    def fake(self, raw: Path) -> dict[str, str]:
        """Three people, one of them in val, a task of two pieces each; see `Maker.fake`."""
        people = ("aiim001", "aiim003", "aiim004")
        for index, person in enumerate(people):
            folder = raw / "videos" / "shorter_segments" / person / "task_1"
            for piece in (1, 2):
                fake_video(folder / f"{person}_task_1_{piece:03d}.avi", shade=16 * index + 8 * piece)
        for name, words in CLASSES.items():
            lines = [f"{person}_task_1, {word}\n" for person, word in zip(people, words, strict=False)]
            fake_text(raw / "ground_truths" / f"{name}.txt", "".join(lines))
        for name in LOADS:
            fake_text(raw / "ground_truths" / f"{name}.txt", "".join(f"{person}_task_1, 12\n" for person in people))
        fake_text(raw / "info" / "train.txt", "aiim003\naiim004\n")
        fake_text(raw / "info" / "val.txt", "aiim001\n")
        fake_text(raw / "info" / "no_audio_files.txt", "aiim003_task_1_002.avi\n")
        return {}

    def make(self, raw: Path, out: Path, options: AvcaffeOptions) -> Prepared:
        """Read the self-reports and media by folder; see `Maker.make`."""
        tree = look_through(raw)
        reports = {name: _reports(tree, name) for name in (*CLASSES, *LOADS)}
        parts = _parts(tree)
        silent = {Path(line).stem for path in _info(tree, "no_audio_files") for _, line in read_lines(path)}
        folder = FOLDERS[options.clips]
        found = tree.by_clip(lambda place: _clip_name(place, folder))
        tasks = {name: _task(name) for name in found}
        labelled = {task for report in reports.values() for task in report}
        rows = []
        for name in sorted(found):
            person, task = tasks[name].split("_", 1)
            if tasks[name] not in labelled:
                continue
            cells = {f"{what}_class": reports[what].get(tasks[name], "") for what in CLASSES}
            cells |= {what: reports[what].get(tasks[name], "") for what in LOADS}
            cells |= {"speaker": person, "source": tasks[name], "task": task}
            if silent:
                cells["speech"] = "no" if name.split("__")[-1] in silent else "yes"
            rows.append(Row(name, parts.get(person, "train"), cells))
        clips, warnings = assemble(rows, found, tree, spare="belong to tasks without a report")
        strangers = sorted({clip.cells["speaker"] for clip in clips} - set(parts))
        if strangers:
            warnings.append(f"{len(strangers)} people stand in no list of info/ and are in train: {strangers[0]}, ...")
        corpus = Corpus(
            name="avcaffe",
            folder=out,
            clips=clips,
            media_root=raw,
            splits=splits_of(clips, (Split("train"), Split("val", "test"))),
            targets=(
                *(Target(f"{name}_class", "classes", classes=words) for name, words in CLASSES.items()),
                *(Target(name, "value", range=(0.0, 21.0)) for name in LOADS),
            ),
            terms=research_only("AVCAffe"),
        )
        return Prepared(corpus, tuple(warnings))


def _reports(tree: Tree, what: str) -> dict[str, str]:
    files = tree.tables_like(rf"ground_truths/{what}\.txt")
    if not files:
        raise missing_layout("AVCAffe", tree.root, f"ground_truths/{what}.txt")
    path = files[0][0]
    reports: dict[str, str] = {}
    for number, line in read_lines(path):
        task, comma, cell = (part.strip() for part in line.partition(","))
        if not comma:
            continue  # the loader passes over such lines as well
        if not re.fullmatch(r"aiim\d{3}_task_\d+", task):
            raise malformed(path, number, f"'{line}' is no report", "a line such as aiim001_task_1, Excited")
        known = (
            known_label(path, number, cell, CLASSES[what]) if what in CLASSES else number_in(path, number, cell, 0, 21)
        )
        add_once(reports, task, known, path, number)
    return reports


def _parts(tree: Tree) -> dict[str, str]:
    """Part of each person."""
    parts: dict[str, str] = {}
    for part in ("train", "val"):
        files = _info(tree, part)
        if not files:
            raise missing_layout("AVCAffe", tree.root, f"info/{part}.txt")
        for number, line in read_lines(files[0]):
            person = re.match(r"aiim\d{3}", line)
            if not person:
                raise malformed(files[0], number, f"'{line}' is nobody", "a line such as aiim001")
            add_once(parts, person[0], part, files[0], number)
    return parts


def _info(tree: Tree, name: str) -> list[Path]:
    return [path for path, _ in tree.tables_like(rf"info/{name}\.txt")]


def _clip_name(place: str, folder: str) -> str | None:
    """``aiim001_task_1__STEM``: the stems of pieces need not be unique."""
    head, _, rest = place.rpartition(f"{folder}/")
    match = _TASK.search(rest) if head or place.startswith(folder) else None
    if not match:
        return None
    stem = rest.rsplit("/", 1)[-1]
    task = f"{match[1]}_{match[2]}"
    return stem if stem.startswith(task) else f"{task}__{stem}"


def _task(name: str) -> str:
    match = re.match(r"aiim\d{3}_task_\d+", name)
    return match[0] if match else name
