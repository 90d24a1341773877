"""Import and export of MERTools' folders of npy files.

A folder holds one ``CLIP.npy`` per clip (``[D]``, ``[1, D]`` or ``[T, D]``), or one folder ``CLIP/`` of npy files, one
per frame, in order of name. Nothing is ever unpickled, and a file's size is checked before its values are read.
"""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Literal
from uuid import uuid4

import numpy as np

from mertools.errors import StoreError
from mertools.files import disk_problem, sync_folder
from mertools.status import Status
from mertools.store.folders import ORIGIN, FolderName, Separator, folder_of, parse_folder
from mertools.store.records import Embedding, Level, Space, SpaceSpec

if TYPE_CHECKING:
    from mertools.store.store import Store


@dataclass
class Imported:
    """What `import_npy` did.

    Attributes:
        space: where the embeddings are now.
        n_ok: clips that were added or replaced.
        n_unchanged: clips that were there with the same values.
        failures: reason by clip, for clips that became failures.
    """

    space: Space
    n_ok: int = 0
    n_unchanged: int = 0
    failures: dict[str, str] = field(default_factory=dict)


@dataclass
class Exported:
    """What `export_npy` did.

    Attributes:
        folder: the folder it made.
        n_clips: clips with values.
        absent: clips without; they have a file of zeros if that was asked for, else none.
    """

    folder: Path
    n_clips: int
    absent: list[str]


def import_npy(
    store: Store,
    folder: Path,
    *,
    name: str = "",
    level: Level | None = None,
    keep_zeros: bool = False,
    replace: bool = False,
) -> Imported:
    """Bring a folder of npy files into the store, as a space of its own.

    Rows get no times (NaN): the files have none. A file of zeros only, or without rows, is how MERTools writes "there
    was no face" or "no text": it becomes a failure ``missing``. A file that cannot be used becomes a failure
    ``decode_error``.

    Args:
        store: the store.
        folder: the folder, e.g. ``features/manet_UTT``.
        name: extractor name of the space; made from the folder's name if empty.
        level: ``utterance`` or ``frame``; read from the folder's name if None.
        keep_zeros: take zeros for values.
        replace: replace clips that are there with other values.

    Raises:
        StoreError: ``MER-V040`` for the folder's name, ``MER-V041`` if it is no folder of npy files, ``MER-V042``
            if a clip is there with other values and `replace` is not given; nothing is imported then.
    """
    parsed = parse_folder(folder.absolute().name, level)
    sources = _sources(folder)
    shapes, failures = _shapes(sources)
    if not shapes:
        reason = next(iter(failures.values()), "it holds no npy file")
        raise StoreError("MER-V041", f"nothing can be imported from {folder}: {reason}.", "Check the path.")
    dim = Counter(shape[-1] for shape in shapes.values()).most_common(1)[0][0]
    space = store.declare(_spec(parsed, name, dim, folder))
    summary = Imported(space, failures=failures)
    if not replace:
        _refuse_other_values(store, space, sources, summary.failures)
    there = store.read_all(space)
    with store.writer(space) as writer:
        for clip, source in sources.items():
            try:
                values = _values(source, dim, parsed.level)
            except ValueError as error:
                failures[clip] = str(error)
            if clip in failures:
                writer.fail(clip, Status.DECODE_ERROR, failures[clip])
            elif not len(values) or (not keep_zeros and not values.any()):
                failures[clip] = "the file has no rows" if not len(values) else "the file holds zeros only"
                writer.fail(clip, Status.MISSING, failures[clip])
            elif clip in there and _same(there[clip], values):
                summary.n_unchanged += 1
            else:
                writer.add(clip, values, np.full(len(values), np.nan))
                summary.n_ok += 1
    return summary


def export_npy(
    store: Store,
    space: str | Space,
    out: Path,
    *,
    level: Level | None = None,
    separator: Separator | None = None,
    layout: Literal["file", "folder"] = "file",
    zeros: bool = False,
    clips: Iterable[str] | None = None,
) -> Exported:
    """Write a space as MERTools reads it. The folder appears complete or not at all.

    Args:
        store: the store.
        space: the space.
        out: the folder that gets the feature folder (MERTools' ``features``).
        level: ``utterance`` averages the rows of a frame space; the space's own level if None.
        separator: ``-`` or ``_`` before ``UTT`` or ``FRA``; MERTools' choice for the model if None.
        layout: one file per clip, or one folder per clip with a file per frame.
        zeros: write zeros for clips that are in the space as failures, as MERTools does; they are left out otherwise.
        clips: names; all clips of the space if None.

    Raises:
        StoreError: ``MER-V043`` if the level cannot be made, ``MER-V044`` if the folder exists, ``MER-V045`` if the
            name of a clip cannot be a file name.
        MachineError: if the disk is full; nothing is left behind.
    """
    found = store.space(space)
    level = level or found.level
    _check_level(found, level)
    target = out / folder_of(found, level, separator)
    if target.exists():
        raise StoreError("MER-V044", f"{target} is there already.", "Move it away, or choose another --out.")
    rows = store.rows(found)
    names = list(rows if clips is None else clips)
    _check_names(names)
    embeddings = store.read_all(found, names)
    absent = [name for name in names if name not in embeddings]
    temporary = out / f".{target.name}.{uuid4().hex}.tmp"
    try:
        temporary.mkdir(parents=True)
        for name in names:
            if name in embeddings:
                values = _at_level(embeddings[name].values, found.level, level)
            elif zeros:
                values = np.zeros((1, found.dim), dtype=np.float32)
            else:
                continue
            _save(temporary, name, values, level, layout)
        temporary.rename(target)
        sync_folder(out)
    except OSError as error:
        raise disk_problem(error, target) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return Exported(target, len(embeddings), absent)


def _sources(folder: Path) -> dict[str, Path]:
    """Clips by name: a file ``CLIP.npy``, which goes before a folder ``CLIP``, as with MERTools."""
    try:
        entries = sorted(folder.iterdir())
    except OSError as error:
        raise StoreError("MER-V041", f"{folder} cannot be listed: {error.strerror}.", "Check the path.") from None
    entries = [path for path in entries if not path.name.startswith(".")]
    found = {path.name: path for path in entries if path.is_dir()}
    found.update({path.stem: path for path in entries if path.suffix == ".npy" and path.is_file()})
    return found


def _shapes(sources: Mapping[str, Path]) -> tuple[dict[str, tuple[int, ...]], dict[str, str]]:
    """Shape of each clip's (first) file, from the header alone, and the reason for those that have none."""
    shapes, failures = {}, {}
    for clip, source in sources.items():
        try:
            first = _frames(source)[0] if source.is_dir() else source
            with first.open("rb") as file:
                shape = _npy_header(file)[0]
            if not shape:
                raise ValueError("the array has no axis")
            shapes[clip] = shape
        except (ValueError, OSError) as error:
            failures[clip] = str(error)
    return shapes, failures


def _frames(folder: Path) -> list[Path]:
    frames = sorted(path for path in folder.iterdir() if path.suffix == ".npy")
    if not frames:
        raise ValueError("the clip's folder holds no npy file")
    return frames


def _values(source: Path, dim: int, level: Level) -> np.ndarray:
    """Values ``(T, D)`` of one clip, in the type they were stored in."""
    if source.is_dir():
        values = np.concatenate([_rows(_load(path), dim) for path in _frames(source)])
    else:
        values = _rows(_load(source), dim)
    if level == "utterance" and len(values) > 1:
        raise ValueError(f"it has {len(values)} rows; the utterance level has one")
    return values


def _rows(array: np.ndarray, dim: int) -> np.ndarray:
    """``[D]``, ``[1, D]``, ``[T, D]``, ``[1, T, D]``, ``[T, 1, D]`` as ``[T, D]``."""
    others = [n for n in array.shape[:-1] if n != 1]
    if array.ndim == 0 or array.shape[-1] != dim or len(others) > 1:
        raise ValueError(f"it has the shape {array.shape}; the others have D = {dim}")
    return array.reshape(-1, dim)


def _load(path: Path) -> np.ndarray:
    with path.open("rb") as file:
        shape, fortran, dtype = _npy_header(file)
        array = np.fromfile(file, dtype=dtype)
    return array.reshape(shape, order="F" if fortran else "C")


def _npy_header(file: BinaryIO) -> tuple[tuple[int, ...], bool, np.dtype]:
    """Shape, order and type; the file must be exactly as long as they say.

    Raises:
        ValueError: if it is not an npy file of floating-point numbers.
    """
    version = np.lib.format.read_magic(file)
    readers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    if version not in readers:
        raise ValueError(f"npy version {version} is not known")
    shape, fortran, dtype = readers[version](file)
    if dtype.name not in ("float16", "float32", "float64"):
        raise ValueError(f"it holds {dtype}, not floating-point numbers")
    expected = dtype.itemsize
    for n in shape:
        expected *= int(n)
    if os.fstat(file.fileno()).st_size - file.tell() != expected:
        raise ValueError(f"it is not as long as its header says ({shape}, {dtype})")
    return shape, fortran, dtype


def _spec(parsed: FolderName, name: str, dim: int, folder: Path) -> SpaceSpec:
    extractor = name or parsed.extractor
    modality = extractor.split("/", 1)[0]
    return SpaceSpec(
        extractor=extractor,
        level=parsed.level,
        dim=dim,
        revision=1,
        settings={"origin": ORIGIN, "folder": parsed.stem},
        modality=modality if modality in ("face", "audio", "text") else "",
        facts={"separator": parsed.separator, "variants": parsed.variants, "imported_from": folder.name},
    )


def _refuse_other_values(store: Store, space: Space, sources: Mapping[str, Path], failures: Mapping[str, str]) -> None:
    for clip, embedding in store.read_all(space, sources).items():
        try:
            same = clip in failures or _same(embedding, _values(sources[clip], space.dim, space.level))
        except ValueError:
            same = False
        if not same:
            raise StoreError(
                "MER-V042",
                f"{space} has clip '{clip}' already, with other values than {sources[clip]}.",
                "Give --name another name, or --replace to take the new values.",
            )


def _same(embedding: Embedding, values: np.ndarray) -> bool:
    there = embedding.values
    return there.dtype == values.dtype and there.shape == values.shape and there.tobytes() == values.tobytes()


def _check_level(space: Space, level: Level) -> None:
    derived = level == "utterance" and space.level == "frame" and space.spec.utterance == "mean"
    if level == "geometry" or not (level == space.level or derived):
        raise StoreError(
            "MER-V043",
            f"{space} has the level {space.level} and cannot be exported at level {level}.",
            "Levels that can: utterance and frame; utterance from frame where the mean is allowed.",
        )


def _check_names(names: Iterable[str]) -> None:
    for name in names:
        if name.startswith(".") or "/" in name or "\\" in name or len(f"{name}.npy".encode()) > 255:
            raise StoreError(
                "MER-V045", f"the clip name {name!r} cannot be a file name.", "Export other clips (--clips)."
            )


def _at_level(values: np.ndarray, have: Level, want: Level) -> np.ndarray:
    return values.mean(axis=0, keepdims=True, dtype=np.float32) if have == "frame" and want == "utterance" else values


def _save(folder: Path, name: str, values: np.ndarray, level: Level, layout: str) -> None:
    if layout == "folder":
        (folder / name).mkdir()
        for n, row in enumerate(values):
            np.save(folder / name / f"{n:06d}.npy", row, allow_pickle=False)
    else:
        np.save(folder / f"{name}.npy", values[0] if level == "utterance" else values, allow_pickle=False)
