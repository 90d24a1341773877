"""What MER2024, MER2025 and MER2026 share: a training table, 20,000 candidates in a large pool, truth that came later.

A clip is in one split: ``train`` (the training table of the discrete track), ``train_openset`` (open-vocabulary labels
only), ``candidate`` (to be predicted, never a label), ``test`` (candidates whose truth the organisers released and the
user gives as ``truth1``/``truth2``), ``unlabelled`` (the rest of the pool). MERTools' processed folder is read as
well; the placeholder ``neutral`` that it gives every candidate is dropped.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mertools.corpora import Prepared
from mertools.corpora.editions import seen_in
from mertools.corpora.joining import (
    Media,
    Said,
    first_folder,
    joined,
    layout_error,
    sounds_below,
    videos_below,
)
from mertools.corpora.pairs import PAIRS_FILE, Pair, pairs_of, pairs_text
from mertools.corpora.processed import class_name, label_file, read_labels, value_text
from mertools.corpora.scanning import some
from mertools.corpora.tables import HUMAN, by_name, checked_class, checked_value, first_file, texts_below
from mertools.corpus import Clip, Corpus, Split, Target, Terms
from mertools.errors import CorpusError
from mertools.labels import MER_EMOTIONS, MER_VALENCE_RANGE

MER_TERMS = Terms(
    licence="end-user licence agreement of the MER organisers (Hugging Face card: CC BY-NC 4.0, gated): academic use, "
    "no redistribution, no modification",
    may_edit=False,
    may_upload=False,
    closed_models=False,
)
"""As published on the gated pages of MERChallenge: no changes, no passing on; generative tracks take open models."""

SPLITS = (
    Split("train"),
    Split("train_openset"),
    Split("test", "test"),
    Split("candidate", "candidate"),
    Split("unlabelled", "unlabelled"),
)
DISCRETE = Target("discrete", "classes", classes=MER_EMOTIONS)
VALENCE = Target("valence", "value", range=MER_VALENCE_RANGE)
OPENSET = Target("openset", "labels")


@dataclass(frozen=True)
class TruthOptions:
    """What may be chosen.

    Attributes:
        truth1: CSV ``name,discrete`` that the organisers released after the challenge; its clips become split ``test``.
        truth2: CSV ``name,openset``, likewise.
        candidates: CSV ``name`` of the clips to predict; the official file in the raw folder unless given.
    """

    truth1: Path | None = None
    truth2: Path | None = None
    candidates: Path | None = None


@dataclass(frozen=True)
class Layout:
    """Where an edition keeps what; of several names the first that is there counts.

    Attributes:
        name: the edition.
        folders: subfolders of the raw folder that are taken for it if they are there.
        train: the training table ``name,discrete[,valence]``.
        processed: the label npz of MERTools' processed folder.
        processed_folder: its usual name.
        candidates: the list of candidates.
        videos: groups of video folders, the first of each group that is there counts.
        sounds: groups of audio folders.
        transcripts: transcript file -> its columns -> (our column, its origin).
        openset: tables ``name,openset`` and who made them, the better ones first.
        descriptions: tables ``name,reason``.
        pairs: tables ``name,a1,a2,preference``, their split, whether they are labelled, and how many are published.
    """

    name: str
    folders: tuple[str, ...]
    train: tuple[str, ...]
    processed: tuple[str, ...]
    processed_folder: str
    candidates: tuple[str, ...]
    transcripts: Mapping[str, Mapping[str, tuple[str, str]]]
    videos: tuple[tuple[str, ...], ...] = (("video",),)
    sounds: tuple[tuple[str, ...], ...] = (("audio",),)
    openset: Mapping[str, str] = field(default_factory=dict)
    descriptions: tuple[str, ...] = ()
    pairs: tuple[tuple[str, str, bool, int], ...] = ()


def expected_counts(published: Mapping[str, int], options: TruthOptions) -> Mapping[str, int]:
    """Published counts; released truth takes clips out of the candidates, how many is the user's file to say."""
    released = options.truth1 or options.truth2
    return {s: n for s, n in published.items() if not (released and s in ("candidate", "unlabelled"))}


def prepare_edition(layout: Layout, raw: Path, out: Path, options: TruthOptions) -> Prepared:
    """Read an edition.

    Raises:
        CorpusError: ``MER-C130`` if neither layout is there, ``MER-C139`` if a clip is to be learned from and to be
            predicted, ``MER-C140`` if a truth file has nothing to do with the clips, and as the readers say.
    """
    roots = [raw, *(raw / folder for folder in (*layout.folders, layout.processed_folder) if (raw / folder).is_dir())]
    said, named_by, warnings = _labels(layout, raw, roots)
    warnings += _add_candidates(layout, roots, options, said, named_by)
    warnings += _add_openset(layout, roots, said)
    media = _media(layout, roots)
    for name in sorted({*media.video, *media.audio} - said.keys()):
        said[name] = Said("unlabelled")
    warnings += _add_truth(options, raw, said)
    texts, origins, text_warnings = texts_below(roots, layout.transcripts)
    clips, join_warnings = joined(said, media, texts, named_by)
    pairs, pair_warnings = _pairs(layout, roots, clips)
    present = {clip.split for clip in clips}
    corpus = Corpus(
        name=layout.name,
        folder=out,
        clips=clips,
        media_root=raw,
        splits=tuple(split for split in SPLITS if split.name in present),
        targets=present_targets(clips, (DISCRETE, VALENCE, OPENSET)),
        terms=MER_TERMS,
        seen_in=seen_in(layout.name),
        transcripts=origins,
    )
    warnings += [*text_warnings, *join_warnings, *pair_warnings]
    return Prepared(corpus, tuple(warnings), {PAIRS_FILE: pairs_text(pairs)} if pairs else {})


def present_targets(clips: Sequence[Clip], targets: Sequence[Target]) -> tuple[Target, ...]:
    """Those that at least one clip is annotated for."""
    return tuple(t for t in targets if any(clip.cells.get(t.name) for clip in clips))


def open_labels(cell: str) -> str:
    """A cell of open-vocabulary labels as a comma list, whether it was written as a list, with quotes or without.

    Example:
        >>> open_labels("['happy', 'self-deprecating']"), open_labels("[concern, pessimism]"), open_labels("[]")
        ('happy, self-deprecating', 'concern, pessimism', '')
    """
    words = (word.strip().strip("'\"").strip() for word in cell.strip().strip("[]").split(","))
    return ", ".join(word for word in words if word)


def _labels(layout: Layout, raw: Path, roots: Sequence[Path]) -> tuple[dict[str, Said], str, list[str]]:
    """Clips of the training table, or of a processed folder, and the file that names them."""
    table = first_file(roots, layout.train)
    if table is not None:
        said = {}
        for name, row in by_name(table, ("discrete",)).items():
            cells = {"discrete": checked_class(row["discrete"], MER_EMOTIONS, row.where)}
            if "valence" in row:
                cells["valence"] = checked_value(row["valence"], *MER_VALENCE_RANGE, row.where)
            said[name] = Said("train", cells)
        return said, table.name, []
    npz = label_file(raw, layout.processed_folder, layout.processed)
    if npz is None:
        expected = [f"{layout.train[0]} with {layout.videos[0][0]}/", f"{layout.processed[0]} (MERTools' own folder)"]
        raise layout_error(layout.name, raw, expected)
    labels = read_labels(npz, {"train_corpus": "train", "test1_corpus": "candidate"})
    said = {}
    for name, annotation in labels["train"].items():
        where = f"{npz}, clip '{name}'"
        cells = {"discrete": class_name(annotation["emo"], MER_EMOTIONS, where)}
        if valence := value_text(annotation.get("val"), *MER_VALENCE_RANGE, where):
            cells["valence"] = valence
        said[name] = Said("train", cells)
    said |= {name: Said("candidate") for name in labels["candidate"]}
    warnings = []
    if len({str(annotation["emo"]) for annotation in labels["candidate"].values()}) > 1:
        warnings.append(
            f"the labels that {npz.name} gives the candidates are left out; if they are the organisers' truth, give "
            "their CSV as truth1=FILE."
        )
    return said, npz.name, warnings


def _add_candidates(
    layout: Layout, roots: Sequence[Path], options: TruthOptions, said: dict[str, Said], named_by: str
) -> list[str]:
    path = given_file(options.candidates, roots[0]) if options.candidates else first_file(roots, layout.candidates)
    if path is None:
        if any(entry.split == "candidate" for entry in said.values()):
            return []
        return [f"no list of candidates ({layout.candidates[0]}) is there; name it with candidates=FILE."]
    names = by_name(path)
    for name in said:  # a processed folder may hold a larger pool than the list
        if said[name].split == "candidate" and name not in names:
            said[name] = Said("unlabelled")
    both = [name for name in names if said.get(name, Said("candidate")).split == "train"]
    if both:
        raise CorpusError(
            "MER-C139",
            f"{len(both)} clips stand in {named_by} and among the candidates of {path.name}: {some(both)}.",
            "A clip is either learned from or predicted; the two files are of different editions or were swapped.",
        )
    said |= {name: Said("candidate") for name in names}
    return []


def _add_openset(layout: Layout, roots: Sequence[Path], said: dict[str, Said]) -> list[str]:
    """Open-vocabulary labels and descriptions; candidates get none."""
    refused: set[str] = set()
    tables = [(file, "openset", origin) for file, origin in layout.openset.items()]
    tables += [(file, "reason", "") for file in layout.descriptions]
    for file, column, origin in tables:
        path = first_file(roots, (file,))
        if path is None:
            continue
        for name, row in by_name(path, (column,)).items():
            entry = said.setdefault(name, Said("train_openset"))
            if entry.split == "candidate":
                refused.add(name)
            elif column == "reason":
                entry.cells.setdefault("description", row["reason"].strip())
            elif "openset" not in entry.cells and (labels := open_labels(row["openset"])):
                entry.cells |= {"openset": labels, "openset_origin": origin}
    if not refused:
        return []
    return [f"{len(refused)} candidates stand in tables to learn from, which is passed over: {some(sorted(refused))}."]


def _add_truth(options: TruthOptions, raw: Path, said: dict[str, Said]) -> list[str]:
    """Released truth: candidates that it names become test clips; training clips keep their split and their labels."""
    warnings: list[str] = []
    released: set[str] = set()
    for option, column, given in (("truth1", "discrete", options.truth1), ("truth2", "openset", options.truth2)):
        if given is None:
            continue
        path = given_file(given, raw)
        rows = by_name(path, (column,))
        known = [name for name in rows if name in said]
        if not known:
            raise CorpusError(
                "MER-C140",
                f"none of the {len(rows)} names in {path} ({option}) is a clip of this corpus: {some(list(rows), 3)}.",
                "Names change between editions: give the truth of this one.",
            )
        ours = []
        for name in known:
            entry, cell = said[name], rows[name][column]
            truth = open_labels(cell) if column == "openset" else checked_class(cell, MER_EMOTIONS, rows[name].where)
            if entry.split in ("candidate", "unlabelled"):
                entry.split = "test"
                released.add(name)
            elif entry.split != "test":
                ours.append(name)
                truth = entry.cells.get(column) or truth
            entry.cells[column] = truth
            if column == "openset":
                entry.cells.setdefault("openset_origin", HUMAN)
        if ours:
            warnings.append(f"{len(ours)} clips of {option} are training clips and stay where they are: {some(ours)}.")
        if len(known) < len(rows):
            strange = [name for name in rows if name not in said]
            warnings.append(f"{len(strange)} names in {option} are no clips of this corpus: {some(strange)}.")
    if released:
        warnings.append(
            f"{len(released)} candidates now carry the organisers' truth (split test); looks at it are counted: choose "
            "models on the training clips, and score on test seldom."
        )
    return warnings


def given_file(path: Path, raw: Path) -> Path:
    """A file that the user named, relative to where they are or else to the raw folder."""
    return raw / path if not path.exists() and (raw / path).is_file() else path


def _media(layout: Layout, roots: Sequence[Path]) -> Media:
    media = Media()
    for group in layout.videos:
        media.add(videos_below(first_folder(root / name for name in group for root in roots)), {})
    for group in layout.sounds:
        media.add({}, sounds_below(first_folder(root / name for name in group for root in roots)))
    return media


def _pairs(layout: Layout, roots: Sequence[Path], clips: Sequence[Clip]) -> tuple[list[Pair], list[str]]:
    pairs: list[Pair] = []
    warnings = []
    for file, split, labelled, published in layout.pairs:
        path = first_file(roots, (file,))
        if path is None:
            continue
        found = pairs_of(path, split, labelled=labelled)
        if len(found) != published:
            warnings.append(f"{file} holds {len(found)} pairs, {published} are published.")
        pairs += found
    names = {clip.name for clip in clips}
    absent = sorted({pair.name for pair in pairs} - names)
    if absent:
        warnings.append(
            f"{len(absent)} clips of {PAIRS_FILE} are not in {layout.name} as it lies here: {some(absent)}."
        )
    return pairs, warnings
