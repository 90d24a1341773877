"""`Clip` and `Corpus`: the manifest that every verb reads.

A corpus folder holds ``clips.csv`` (one row per clip) and ``corpus.yaml`` (name, media root, splits, targets, terms).
Media are referred to, never copied: paths in the CSV are relative to the media root and may not leave it.
"""

from __future__ import annotations

import csv
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from mertools.config import dump_yaml, from_mapping, load_yaml
from mertools.errors import ConfigError, CorpusError, did_you_mean
from mertools.files import write_text_atomically
from mertools.targets import Target, finite

__all__ = ["Clip", "Corpus", "Split", "Target", "Terms", "with_cells"]

CLIPS_FILE = "clips.csv"
CORPUS_FILE = "corpus.yaml"
REQUIRED_COLUMNS = ("name", "split")
MEDIA_COLUMNS = ("video", "audio")


@dataclass(frozen=True)
class Split:
    """A named part of a corpus.

    Attributes:
        name: "train", "test1", ...
        role: ``train``, ``validation`` and ``test`` may have labels; ``candidate`` and ``unlabelled`` never have
            (not a placeholder either).
    """

    name: str
    role: Literal["train", "validation", "test", "candidate", "unlabelled"] = "train"

    @property
    def labelled(self) -> bool:
        """Whether clips of this split may carry annotations."""
        return self.role not in ("candidate", "unlabelled")


@dataclass(frozen=True)
class Terms:
    """What a corpus's licence allows; verbs that would break it refuse with the reason."""

    licence: str = "unknown"
    may_edit: bool = True
    may_upload: bool = False
    closed_models: bool = False


@dataclass(frozen=True)
class Clip:
    """One clip.

    Attributes:
        name: unique within the corpus; the key of everything else.
        split: name of its split.
        video: video file or still image, absolute; None if there is none.
        audio: audio file, absolute; None means the sound of `video`, if it has any.
        cells: every column of its row, as text, in file order.
    """

    name: str
    split: str
    video: Path | None = None
    audio: Path | None = None
    cells: Mapping[str, str] = field(default_factory=dict)

    @property
    def sound(self) -> Path | None:
        """The file that holds the clip's sound: `audio`, else `video`."""
        return self.audio or self.video

    @property
    def start_s(self) -> float | None:
        """Where the clip starts in its media, seconds; None = at the beginning."""
        return float(self.cells["start"]) if self.cells.get("start") else None

    @property
    def end_s(self) -> float | None:
        """Where the clip ends in its media, seconds; None = at the end."""
        return float(self.cells["end"]) if self.cells.get("end") else None

    def text(self, column: str = "text") -> str:
        """The transcript in `column`, stripped; empty if there is none."""
        return self.cells.get(column, "").strip()


@dataclass(frozen=True)
class Corpus:
    """A named set of clips with splits and targets.

    Attributes:
        name: name of the corpus.
        folder: where ``clips.csv`` and ``corpus.yaml`` lie.
        clips: all clips in file order.
        media_root: folder that media paths are relative to, absolute.
        splits: the declared splits.
        targets: what may be predicted.
        terms: what its licence allows.
        seen_in: other corpora that contain these clips.
        transcripts: origin of each transcript column, ``human`` or ``asr`` or a recogniser's name.
        synthetic: whether the clips were generated; every number measured on them is stamped so.
    """

    name: str
    folder: Path
    clips: tuple[Clip, ...]
    media_root: Path
    splits: tuple[Split, ...] = ()
    targets: tuple[Target, ...] = ()
    terms: Terms = Terms()
    seen_in: tuple[str, ...] = ()
    transcripts: Mapping[str, str] = field(default_factory=dict)
    synthetic: bool = False

    # -- reading and writing -------------------------------------------------------------------------------------

    @classmethod
    def read(cls, folder: Path | str) -> Corpus:
        """Read and validate a corpus folder.

        Raises:
            CorpusError: if a file or column is missing, a name repeats, a path leaves the media root, a split is
                undeclared, or an annotation is not a value of its target. All problems are reported at once.
        """
        folder = Path(folder).resolve()
        header = _read_header(folder)
        media_root = Path(os.path.normpath(folder / header.media_root))
        rows, columns = _read_rows(folder / CLIPS_FILE)
        clips = tuple(_clip(row, media_root) for row in rows)
        corpus = cls(
            name=header.name,
            folder=folder,
            clips=clips,
            media_root=media_root,
            splits=header.splits or tuple(Split(s) for s in dict.fromkeys(c.split for c in clips)),
            targets=header.targets,
            terms=header.terms,
            seen_in=header.seen_in,
            transcripts=header.transcripts,
            synthetic=header.synthetic,
        )
        corpus.validate(columns)
        return corpus

    def write(self) -> None:
        """Write ``clips.csv`` and ``corpus.yaml`` into `folder`, each atomically.

        Raises:
            CorpusError: if the corpus is not valid; nothing is written then.
        """
        rows = [self._row(clip) for clip in self.clips]
        columns = list(dict.fromkeys([*REQUIRED_COLUMNS, *MEDIA_COLUMNS, *(c for row in rows for c in row)]))
        self.validate(columns)
        self.folder.mkdir(parents=True, exist_ok=True)
        header: dict[str, Any] = {"name": self.name, "media_root": _relative(self.media_root, self.folder)}
        header["splits"] = [{"name": s.name, "role": s.role} for s in self.splits]
        header["targets"] = [_plain(t) for t in self.targets]
        header["terms"] = _plain(self.terms)
        header["seen_in"] = list(self.seen_in)
        header["transcripts"] = dict(self.transcripts)
        if self.synthetic:
            header["synthetic"] = True
        write_text_atomically(self.folder / CORPUS_FILE, dump_yaml(header))
        write_text_atomically(self.folder / CLIPS_FILE, _csv_text(columns, rows))

    def validate(self, columns: Sequence[str]) -> None:
        """Check names, splits, paths and annotations; report all problems in one error.

        Raises:
            CorpusError: if anything is wrong.
        """
        where = self.folder / CLIPS_FILE
        problems = [
            *self._name_problems(),
            *self._split_problems(),
            *self._path_problems(),
            *self._label_problems(columns),
            *self._time_problems(),
        ]
        if problems:
            shown = problems[:20]
            more = f"\n  ... and {len(problems) - len(shown)} more" if len(problems) > len(shown) else ""
            codes = {code for code, _ in problems}
            raise CorpusError(
                problems[0][0] if len(codes) == 1 else "MER-C001",
                f"{where} has {len(problems)} problem{'s' * (len(problems) > 1)}:\n  "
                + "\n  ".join(text for _, text in shown)
                + more,
                "Mend the rows named above.",
            )

    # -- looking things up ---------------------------------------------------------------------------------------

    def select(self, splits: Iterable[str]) -> tuple[Clip, ...]:
        """Clips of the named splits, in file order; no names = all clips.

        Raises:
            CorpusError: for a split that the corpus does not have.
        """
        wanted = set(splits)
        known = [s.name for s in self.splits]
        for name in sorted(wanted - set(known)):
            raise CorpusError(
                "MER-C002",
                f"corpus '{self.name}' has no split '{name}'.{did_you_mean(name, known)}",
                f"Splits: {', '.join(known)}.",
            )
        return tuple(c for c in self.clips if not wanted or c.split in wanted)

    def clip(self, name: str) -> Clip:
        """The clip called `name`.

        Raises:
            KeyError: if there is none.
        """
        return self._by_name[name]

    def split(self, name: str) -> Split:
        """The split called `name`; see `select` for the error."""
        self.select([name])
        return next(s for s in self.splits if s.name == name)

    def target(self, name: str) -> Target:
        """The target called `name`.

        Raises:
            CorpusError: if the corpus declares none of that name.
        """
        known = {t.name: t for t in self.targets}
        if name not in known:
            raise CorpusError(
                "MER-C003",
                f"corpus '{self.name}' has no target '{name}'.{did_you_mean(name, known)}",
                f"Targets: {', '.join(known) or 'none (declare them in corpus.yaml)'}.",
            )
        return known[name]

    def annotations(self, target: str, clips: Iterable[Clip]) -> list[str | float | tuple[str, ...] | None]:
        """Parsed annotations of `clips` for a target, in order; None where there is none."""
        spec = self.target(target)
        return [spec.parse(clip.cells.get(target, "")) for clip in clips]

    def __len__(self) -> int:
        """Number of clips."""
        return len(self.clips)

    @property
    def _by_name(self) -> dict[str, Clip]:
        cached: dict[str, Clip] | None = self.__dict__.get("_index")
        if cached is None:
            cached = {clip.name: clip for clip in self.clips}
            object.__setattr__(self, "_index", cached)
        return cached

    def _row(self, clip: Clip) -> dict[str, str]:
        row = dict(clip.cells) | {"name": clip.name, "split": clip.split}
        for column in MEDIA_COLUMNS:
            path: Path | None = getattr(clip, column)
            if path is not None:
                row[column] = _relative(path, self.media_root)
        return row

    # -- problems ------------------------------------------------------------------------------------------------

    def _name_problems(self) -> Iterator[tuple[str, str]]:
        if not self.clips:
            yield "MER-C004", "no clips: expected at least one row below the header"
        first: dict[str, int] = {}
        for row, clip in enumerate(self.clips, start=2):
            if not clip.name:
                yield "MER-C005", f"row {row}: the name is empty"
            elif clip.name in first:
                yield (
                    "MER-C006",
                    f"row {row}: the name '{clip.name}' stands in row {first[clip.name]} already; names must be unique",
                )
            elif any(c in clip.name for c in "/\\\0\n\r") or clip.name in (".", ".."):
                yield "MER-C007", f"row {row}: the name {clip.name!r} holds a path separator or control character"
            first.setdefault(clip.name, row)

    def _split_problems(self) -> Iterator[tuple[str, str]]:
        known = {s.name for s in self.splits}
        for row, clip in enumerate(self.clips, start=2):
            if clip.split not in known:
                yield (
                    "MER-C008",
                    f"row {row} ('{clip.name}'): split '{clip.split}' is not declared; "
                    f"splits: {', '.join(sorted(known))}",
                )

    def _path_problems(self) -> Iterator[tuple[str, str]]:
        for row, clip in enumerate(self.clips, start=2):
            for column in MEDIA_COLUMNS:
                path: Path | None = getattr(clip, column)
                if path is not None and not _inside(path, self.media_root):
                    yield (
                        "MER-C009",
                        f"row {row} ('{clip.name}'): {column} '{path}' leaves the media root {self.media_root}",
                    )

    def _label_problems(self, columns: Sequence[str]) -> Iterator[tuple[str, str]]:
        unlabelled = {s.name for s in self.splits if not s.labelled}
        for target in self.targets:
            if target.kind == "classes" and not target.classes:
                yield "MER-C010", f"{CORPUS_FILE}: target '{target.name}' is of kind classes but lists no classes"
                continue
            if target.per != "clip":
                continue
            for row, clip in enumerate(self.clips, start=2):
                cell = clip.cells.get(target.name, "")
                if clip.split in unlabelled:
                    if cell.strip():
                        yield (
                            "MER-C011",
                            f"row {row} ('{clip.name}'): split '{clip.split}' has no labels, but column "
                            f"{target.name} holds '{cell}'; leave it empty (never a placeholder)",
                        )
                    continue
                try:
                    target.parse(cell)
                except ValueError as error:
                    yield "MER-C012", f"row {row} ('{clip.name}'), column {target.name}: {error}"

    def _time_problems(self) -> Iterator[tuple[str, str]]:
        for row, clip in enumerate(self.clips, start=2):
            times_s = {"start": 0.0}
            for column in ("start", "end"):
                try:
                    if cell := clip.cells.get(column):
                        times_s[column] = finite(cell)
                    if times_s.get(column, 0.0) < 0:
                        raise ValueError("is negative")
                except ValueError as error:
                    yield "MER-C013", f"row {row} ('{clip.name}'), column {column}: {error}"
                    break
            else:
                if "end" in times_s and times_s["end"] <= times_s["start"]:
                    yield (
                        "MER-C013",
                        f"row {row} ('{clip.name}'): it ends at {times_s['end']:g} s, but starts at "
                        f"{times_s['start']:g} s",
                    )


@dataclass(frozen=True)
class _Header:
    """``corpus.yaml`` as it stands in the file."""

    name: str
    media_root: str = "."
    splits: tuple[Split, ...] = ()
    targets: tuple[Target, ...] = ()
    terms: Terms = Terms()
    seen_in: tuple[str, ...] = ()
    transcripts: dict[str, str] = field(default_factory=dict)
    synthetic: bool = False


def _read_header(folder: Path) -> _Header:
    path = folder / CORPUS_FILE
    if not path.is_file():
        raise CorpusError(
            "MER-C014",
            f"{folder} is not a corpus folder: it has no {CORPUS_FILE}.",
            f"Make one from raw clips with: mertools prepare folder --raw CLIPS --out {folder}",
        )
    try:
        values = load_yaml(path)
        if not isinstance(values, dict):
            raise ConfigError("MER-R007", f"{path} is not a mapping.", "Expected keys such as name, splits, targets.")
        return from_mapping(_Header, values, str(path))
    except ConfigError as error:
        raise CorpusError("MER-C015", error.message, error.hint) from None


def _read_rows(path: Path) -> tuple[list[dict[str, str]], list[str]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            columns = list(reader.fieldnames or ())
            missing = [c for c in REQUIRED_COLUMNS if c not in columns]
            if missing:
                raise CorpusError(
                    "MER-C016",
                    f"{path}, row 1: no column {' and no column '.join(missing)}; "
                    f"found: {', '.join(columns) or 'an empty file'}.",
                    "Expected at least name, split and one of video, audio, text" + separated_by(columns),
                )
            repeated = [c for c, n in Counter(columns).items() if n > 1]
            if repeated:
                raise CorpusError(
                    "MER-C017", f"{path}, row 1: column {', '.join(repeated)} stands twice.", "Rename one."
                )
            rows = []
            for row in reader:
                if None in row or None in row.values():
                    raise CorpusError(
                        "MER-C018",
                        f"{path}, line {reader.line_num}: found {_n_cells(row)} cells, expected {len(columns)}.",
                        "Quote cells that hold commas.",
                    )
                rows.append(row)
            return rows, columns
    except FileNotFoundError:
        raise CorpusError("MER-C019", f"{path} does not exist.", "Run mertools prepare again.") from None
    except (csv.Error, UnicodeDecodeError) as error:
        raise CorpusError("MER-C020", f"{path} is not a UTF-8 CSV file: {error}.", "Save it as UTF-8.") from None


def separated_by(columns: Sequence[str]) -> str:
    """The end of a hint about a CSV header: that it is separated by something else than commas, if it looks so.

    Example:
        >>> separated_by(["name;split"])
        ", separated by commas, not by ';'."
    """
    for sign, called in ((";", "';'"), ("\t", "tabs")):
        if len(columns) == 1 and sign in columns[0]:
            return f", separated by commas, not by {called}."
    return "."


def _n_cells(row: Mapping[str | None, Any]) -> int:
    return sum(1 for key, cell in row.items() if key is not None and cell is not None) + len(row.get(None) or ())


def _clip(row: Mapping[str, str], media_root: Path) -> Clip:
    paths = {c: _resolve(row[c], media_root) for c in MEDIA_COLUMNS if row.get(c)}
    return Clip(name=row["name"], split=row["split"], cells=dict(row), **paths)


def _resolve(cell: str, media_root: Path) -> Path:
    return Path(os.path.normpath(media_root / PurePosixPath(cell)))


def _inside(path: Path, root: Path) -> bool:
    return Path(os.path.normpath(path)).is_relative_to(root)


def _relative(path: Path, start: Path) -> str:
    return PurePosixPath(os.path.relpath(path, start)).as_posix()


def _plain(value: Any) -> dict[str, Any]:
    defaults = type(value)(**{f: getattr(value, f) for f in ("name", "kind") if hasattr(value, f)})
    return {
        f: list(v) if isinstance(v := getattr(value, f), tuple) else v
        for f in value.__dataclass_fields__
        if f in ("name", "kind", "licence") or getattr(value, f) != getattr(defaults, f)
    }


def _csv_text(columns: Sequence[str], rows: Iterable[Mapping[str, str]]) -> str:
    lines = [columns, *([row.get(column, "") for column in columns] for row in rows)]
    return "".join(",".join(map(_quoted, line)) + "\n" for line in lines)


def _quoted(cell: str) -> str:
    # csv.writer leaves a lone carriage return bare when rows end in "\n", and csv.reader then sees two rows.
    return '"' + cell.replace('"', '""') + '"' if any(c in cell for c in ',"\r\n') else cell


def with_cells(clip: Clip, **cells: str) -> Clip:
    """A copy of `clip` with some cells replaced.

    Example:
        >>> with_cells(Clip("a", "train"), text="hello").text()
        'hello'
    """
    return replace(clip, cells={**clip.cells, **cells})
