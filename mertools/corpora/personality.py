"""Personality from video: ChaLearn First Impressions V2 and the personality track of MER2025 (MDPE).

ChaLearn (Ponce-López et al., 2016; Escalante et al., 2018): 10,000 clips of 15 s, 6,000/2,000/2,000. Known layout:
``annotation_{training,validation,test}.pkl``, each ``{trait: {file: value}}`` for five traits and ``interview``, in
[0, 1], and ``transcription_....pkl``, ``{file: text}``; the videos, ``YOUTUBEID.NNN.mp4``, in any folders. The same
content as json, or annotations as csv (``name`` and the traits), is read too. ``source`` is the YouTube video.

MER2025's track, on MDPE (Cai et al., 2024): ``label_personality*.csv`` (``id`` and the traits, with the published
spelling ``Conscientiousnes``), ``partition*.csv`` (``id``, then train or val),
``{deception,emotion}/raw_video/ID/*.mp4`` and ``raw_audio/ID/*.wav``, as published loaders read them. Traits belong
to a person: every clip of a person carries them, ``speaker`` and ``id`` are the person, predictions are averaged over
a person's clips. People without a row in the label file are the split ``test``,
without labels.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar, Literal

from mertools.corpora import CORPORA, Maker, NoOptions, Prepared
from mertools.corpora.assembling import Row, assemble, research_only, splits_of
from mertools.corpora.fakes import fake_table, fake_text, fake_video, fake_wav
from mertools.corpora.lists import add_once, known_label, malformed, missing_layout, number_in, read_rows
from mertools.corpora.scanning import some
from mertools.corpora.tree import Tree, look_through
from mertools.corpus import Corpus, Split, Target
from mertools.errors import CorpusError
from mertools.labels import TRAITS
from mertools.unpickling import read_pickle

IMPRESSIONS = ("extraversion", "agreeableness", "conscientiousness", "neuroticism", "openness", "interview")
"""What ChaLearn annotates: five traits, and whether one would invite the person to an interview."""

PARTS = {"training": "train", "validation": "val", "test": "test"}
_PERSON = re.compile(r"(?:^|/)(deception|emotion)/raw_(?:video|audio)/(\d+)/([^/]+)$", re.IGNORECASE)


@CORPORA.register(
    "chalearn-fi",
    licence="research only, by agreement (ChaLearn LAP)",
    summary="ChaLearn First Impressions V2: five traits and interview in [0, 1], official train, val and test",
)
class ChalearnFi(Maker):
    """The corpus ``chalearn-fi``."""

    counts: ClassVar[dict[str, int]] = {"train": 6_000, "val": 2_000, "test": 2_000}

    def fake(self, raw: Path) -> dict[str, str]:
        """Two clips of each part, annotations as json; see `Maker.fake`."""
        for index, part in enumerate(PARTS):
            names = [f"-abc_{index}efgh.{piece:03d}.mp4" for piece in (0, 3)]
            for piece, name in enumerate(names):
                fake_video(raw / part / name, shade=16 * index + 8 * piece)
            content = {trait: dict.fromkeys(names, 0.25 * (index + 1)) for trait in IMPRESSIONS}
            fake_text(raw / "annotation" / f"annotation_{part}.json", json.dumps(content))
            fake_text(raw / "annotation" / f"transcription_{part}.json", json.dumps({names[0]: "Hello there."}))
        return {}

    def make(self, raw: Path, out: Path, options: NoOptions) -> Prepared:
        """Read annotations and transcripts of every part that is there; see `Maker.make`."""
        tree = look_through(raw)
        rows: dict[str, Row] = {}
        for part, split in PARTS.items():
            for path in _files(tree, f"annotation_{part}", "pkl|json|csv"):
                for name, cells in _impressions(path).items():
                    row = rows.setdefault(name, Row(name, split, {**cells, "source": name.rsplit(".", 1)[0]}))
                    if row.split != split:
                        raise CorpusError(
                            "MER-C209",
                            f"clip '{name}' stands in the annotations of {row.split} and in {path}.",
                            "Fetch the official annotations again.",
                        )
        if not rows:
            raise missing_layout("ChaLearn First Impressions", raw, "annotation_training.pkl (or json, or csv)")
        texts = _texts(tree)
        spoken = [
            Row(name, row.split, {**row.cells, **({"text": texts[name]} if name in texts else {})})
            for name, row in sorted(rows.items())
        ]
        clips, warnings = assemble(spoken, tree.by_clip(lambda place: PurePosixPath(place).name), tree)
        splits = (Split("train"), Split("val", "validation"), Split("test", "test"))
        corpus = Corpus(
            name="chalearn-fi",
            folder=out,
            clips=clips,
            media_root=raw,
            splits=splits_of(clips, splits),
            targets=tuple(Target(trait, "value", range=(0.0, 1.0)) for trait in IMPRESSIONS),
            terms=research_only("ChaLearn First Impressions"),
            transcripts={"text": "human"} if texts else {},
        )
        return Prepared(corpus, tuple(warnings))


def _files(tree: Tree, stem: str, suffixes: str) -> list[Path]:
    """The file of that stem, plain formats first."""
    return sorted((p for p, _ in tree.tables_like(rf"{stem}\.(?:{suffixes})")), key=lambda p: p.suffix == ".pkl")[:1]


def _impressions(path: Path) -> dict[str, dict[str, str]]:
    """Cells by clip."""
    clips: dict[str, dict[str, str]] = {}
    if path.suffix == ".csv":
        for number, row in read_rows(path, ("name", *IMPRESSIONS[:-1])):
            name = row["name"].removesuffix(".mp4")
            if name in clips:
                raise CorpusError(
                    "MER-C204", f"{path}, line {number}: clip '{name}' stands there already.", "Keep one row per clip."
                )
            clips[name] = {t: number_in(path, number, row[t], 0, 1) for t in IMPRESSIONS if row.get(t)}
        return clips
    content = _load(path)
    for trait in IMPRESSIONS:
        values = content.get(trait)
        if values is None and trait == "interview":
            continue
        if not isinstance(values, Mapping):
            raise CorpusError(
                "MER-C202",
                f"{path} has no annotations of '{trait}'; it has: {some([str(key) for key in content])}.",
                "Expected {trait: {file: value}} for the five traits.",
            )
        for file, value in values.items():
            clips.setdefault(str(file).removesuffix(".mp4"), {})[trait] = _score(path, trait, file, value)
    return clips


def _score(path: Path, trait: str, file: Any, value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise CorpusError("MER-C205", f"{path}: {trait} of '{file}' is {value!r}.", "Expected a number from 0 to 1.")
    return str(value)


def _texts(tree: Tree) -> dict[str, str]:
    texts = {}
    for part in PARTS:
        for path in _files(tree, f"transcription_{part}", "pkl|json"):
            for file, text in _load(path).items():
                texts[str(file).removesuffix(".mp4")] = " ".join(str(text).split())
    return texts


def _load(path: Path) -> Mapping[Any, Any]:
    """The mapping in a json file, or in a pickle, which is read without running anything in it."""
    if path.suffix == ".pkl":
        content = read_pickle(path)
    else:
        try:
            content = json.loads(path.read_text(encoding="utf-8-sig"))
        except ValueError as error:
            raise CorpusError("MER-C201", f"{path} is not JSON: {error}.", "Fetch or convert it again.") from None
    if not isinstance(content, Mapping):
        raise CorpusError("MER-C201", f"{path} holds a {type(content).__name__}.", "Expected a mapping.")
    return content


@dataclass(frozen=True)
class Mer25PersonalityOptions:
    """What may be chosen.

    Attributes:
        part: recordings of ``deception`` (the baseline's), ``emotion``, or ``both``.
    """

    part: Literal["deception", "emotion", "both"] = "deception"


@CORPORA.register(
    "mer25-personality",
    licence="CC BY-NC-SA 4.0 (MDPE), by agreement",
    summary="MER2025 personality track (MDPE): five traits per person, train, val and test",
)
class Mer25Personality(Maker):
    """The corpus ``mer25-personality``."""

    Options = Mer25PersonalityOptions

    def fake(self, raw: Path) -> dict[str, str]:
        """Four people: two to train, one in val, one in test; two recordings each; see `Maker.fake`."""
        people = ("001", "002", "130", "194")
        for index, person in enumerate(people):
            for question in (1, 2):
                name = f"{int(person)}-{question}-1"
                fake_video(raw / "deception" / "raw_video" / person / f"{name}.mp4", shade=16 * index + 8 * question)
                fake_wav(raw / "deception" / "raw_audio" / person / f"{name}.wav", pitch_hz=120.0 + 20 * index)
        traits = [{"id": int(p), **dict.fromkeys(TRAITS, 0.2 * i)} for i, p in enumerate(people[:3])]
        fake_table(raw / "label_personality_normalized3.csv", traits)
        parts = zip(people[:3], ("train", "train", "val"), strict=True)
        fake_table(raw / "partition3.csv", [{"id": int(p), "partition": part} for p, part in parts])
        return {}

    def make(self, raw: Path, out: Path, options: Mer25PersonalityOptions) -> Prepared:
        """Read people's labels and their recordings; see `Maker.make`."""
        tree = look_through(raw)
        people = _people(tree)
        parts = _partition(tree)
        found = tree.by_clip(lambda place: _recording(place, options.part))
        if not found:
            where = "deception" if options.part == "both" else options.part
            raise missing_layout(
                "MER2025's personality track", raw, f"recording such as {where}/raw_video/001/NAME.mp4"
            )
        rows = []
        for name in sorted(found):
            folder = _folder_of(name)
            person = str(int(folder))
            split = parts.get(person, "train") if person in people else "test"
            rows.append(Row(name, split, {**people.get(person, {}), "speaker": person, "id": folder}))
        clips, warnings = assemble(rows, found, tree)
        lost = sorted(set(people) - {clip.cells["speaker"] for clip in clips}, key=int)
        if lost:
            warnings.append(f"{len(lost)} labelled people have no recordings: {some(lost)}.")
        unplaced = sorted(set(people) - set(parts), key=int)
        if unplaced:
            warnings.append(
                f"{len(unplaced)} labelled people stand in no partition file, put in train: {some(unplaced)}."
            )
        values = [float(cell) for cells in people.values() for cell in cells.values()]
        unit = bool(values) and min(values) >= 0 and max(values) <= 1
        scored = any(clip.split == "test" and clip.cells["speaker"] in people for clip in clips)
        splits = (Split("train"), Split("val", "validation"), Split("test", "test" if scored else "candidate"))
        corpus = Corpus(
            name="mer25-personality",
            folder=out,
            clips=clips,
            media_root=raw,
            splits=splits_of(clips, splits),
            targets=tuple(Target(trait, "value", range=(0.0, 1.0) if unit else None) for trait in TRAITS),
            terms=research_only("MDPE (CC BY-NC-SA 4.0)"),
        )
        return Prepared(corpus, tuple(warnings))


def _people(tree: Tree) -> dict[str, dict[str, str]]:
    """Traits by person, whose number is written without leading zeros."""
    files = tree.tables_like(r"(?:all_)?label_personality[^/]*\.csv")
    if not files:
        raise missing_layout("MER2025's personality track", tree.root, "label_personality*.csv")
    path = min((p for p, _ in files), key=lambda p: ("normalized" not in p.name, str(p)))
    people: dict[str, dict[str, str]] = {}
    for number, row in read_rows(path, ("id",)):
        row.setdefault("Conscientiousnes", row.get("Conscientiousness", ""))
        absent = [trait for trait in TRAITS if not row.get(trait)]
        if absent:
            raise CorpusError(
                "MER-C202", f"{path}, line {number}: there is no '{absent[0]}'.", f"Expected {', '.join(TRAITS)}."
            )
        person = _number(path, number, row["id"])
        if person in people:
            raise CorpusError(
                "MER-C204", f"{path}, line {number}: person {person} stands there already.", "Keep one row per person."
            )
        people[person] = {trait: number_in(path, number, row[trait], -1e6, 1e6) for trait in TRAITS}
    return people


def _partition(tree: Tree) -> dict[str, str]:
    parts: dict[str, str] = {}
    for path, _ in tree.tables_like(r"partition[^/]*\.csv")[:1]:
        for number, row in read_rows(path, ("id", "partition")):
            part = known_label(path, number, row["partition"], ("train", "val", "test"))
            add_once(parts, _number(path, number, row["id"]), part, path, number)
    return parts


def _number(path: Path, number: int, cell: str) -> str:
    if not re.fullmatch(r"\d+", cell):
        raise malformed(path, number, f"'{cell}' is no person", "a number in the column id")
    return str(int(cell))


def _recording(place: str, part: str) -> str | None:
    """``PART-PERSON-STEM``: the stems of the two parts, and of two people, may repeat."""
    match = _PERSON.search(place)
    if not match or part not in (match[1].lower(), "both"):
        return None
    return f"{match[1].lower()}-{match[2]}-{match[3]}"


def _folder_of(name: str) -> str:
    return name.split("-")[1]
