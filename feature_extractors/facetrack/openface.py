"""What OpenFace 2.x writes about a clip: the table (action units, pose, gaze, landmarks, shape) and the HOG file.

Both lie in the folder that OpenFace was told to write to, as ``<name>.csv`` and ``<name>.hog``, or one folder deeper,
``<name>/<name>.csv``. A table of video mode begins with frame, face_id, timestamp, confidence, success; one of image
mode with face, confidence, and each of its rows is a face.

A run of OpenFace that was broken off leaves nothing, a header, or half a row: these are ``missing`` and
``decode_error``, never "no face".
"""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

from feature_extractors.base import FaceMeasurements
from mertools.errors import MediaError

VIDEO_COLUMNS = ("frame", "face_id", "timestamp", "confidence", "success")
IMAGE_COLUMNS = ("face", "confidence")
HOG_SHAPE = (12, 12, 31)
"""Cells and channels of the HOG of an aligned face of 112 x 112 pixels."""

_HOG_RECORD = np.dtype([("shape", "<i4", 3), ("valid", "<f4"), ("values", "<f4", int(np.prod(HOG_SHAPE)))])


def result_file(folder: Path, name: str, suffix: str) -> Path | None:
    """The file that OpenFace wrote for a clip; None if there is none.

    Raises:
        MediaError: if the name leads out of the folder.
    """
    if not (folder / name).resolve().is_relative_to(folder.resolve()) or not name.strip("."):
        raise MediaError("MER-E158", f"the clip name '{name}' leaves the folder {folder}.", "Rename the clip.")
    places = (folder / f"{name}{suffix}", folder / name / f"{name}{suffix}")
    return next((path for path in places if path.is_file()), None)


def read_table(folder: Path, name: str) -> FaceMeasurements | None:
    """Read the table of a clip.

    Of several faces (``face_id``) that of the most tracked frames is taken, of several faces in an image the one of
    the highest confidence.

    Args:
        folder: that OpenFace wrote to.
        name: of the clip.

    Returns:
        All columns behind the leading ones; None if OpenFace saw no face in any frame.

    Raises:
        MediaError: ``missing`` if there is no table, ``decode_error`` if it is not one of OpenFace's or broken off.
    """
    path = _existing(folder, name, ".csv")
    names, table = _parse(path)
    if names[: len(VIDEO_COLUMNS)] == VIDEO_COLUMNS:
        if not len(table):
            raise _broken(path, "ends before its first frame")
        tracked = table[:, 4] == 1
        if not tracked.any():
            return None
        faces, counts = np.unique(table[tracked, 1], return_counts=True)
        rows = table[:, 1] == faces[counts.argmax()]
        table, tracked = table[rows], tracked[rows]
        times_s = table[:, 2]
        if not (np.diff(times_s) > 0).all():
            raise _broken(path, "has timestamps that do not rise")
        return _measurements(names[5:], table[:, 5:], times_s, table[:, 3], tracked)
    if not len(table):
        return None
    table = table[[int(table[:, 1].argmax())]]
    return _measurements(names[2:], table[:, 2:], np.zeros(1), table[:, 1], np.ones(1, bool))


def read_hog(folder: Path, name: str, *, rate_hz: float | None = None) -> FaceMeasurements | None:
    """Read the HOG of the aligned face, 4,464 values per frame.

    Times and confidence come from the table of the clip where it lies beside and has as many rows.

    Args:
        folder: that OpenFace wrote to.
        name: of the clip.
        rate_hz: frames per second of the clip's video, for clips without a table; None if unknown.

    Returns:
        The measurements; None if OpenFace saw no face in any frame.

    Raises:
        MediaError: ``missing`` if there is no file, ``decode_error`` if it is of another size or broken off.
    """
    path = _existing(folder, name, ".hog")
    content = path.read_bytes()
    found = struct.unpack_from("<3i", content) if len(content) >= 12 else ()
    if found != HOG_SHAPE:
        raise _broken(path, f"begins with {found}, not with the size {HOG_SHAPE} of OpenFace's HOG")
    if len(content) % _HOG_RECORD.itemsize:
        raise _broken(path, f"is broken off: {len(content)} bytes, {_HOG_RECORD.itemsize} per frame")
    records = np.frombuffer(content, _HOG_RECORD)
    if (records["shape"] != HOG_SHAPE).any():
        raise _broken(path, "changes its size on the way")
    tracked = records["valid"] > 0
    if not tracked.any():
        return None
    times_s = np.arange(len(records)) / rate_hz if rate_hz else np.full(len(records), np.nan)
    confidence = tracked.astype(np.float32)
    beside = result_file(folder, name, ".csv")
    table = read_table(folder, name) if beside is not None else None
    if table is not None and len(table) == len(records):
        times_s, confidence, tracked = table.times_s, table.confidence, tracked & table.tracked
    names = tuple(f"hog_{i}" for i in range(records["values"].shape[1]))
    return _measurements(names, records["values"], times_s, confidence, tracked)


def _existing(folder: Path, name: str, suffix: str) -> Path:
    path = result_file(folder, name, suffix)
    if path is None:
        raise MediaError(
            "MER-E159",
            f"OpenFace wrote nothing about clip '{name}': {folder / name}{suffix} is not there.",
            "Run OpenFace on it, or check the folder.",
            status="missing",
        )
    return path


def _parse(path: Path) -> tuple[tuple[str, ...], np.ndarray]:
    """Names of the columns and the table ``(T, D)``."""
    try:
        header, *lines = path.read_text(encoding="utf-8-sig").splitlines() or [""]
    except UnicodeDecodeError:
        raise _broken(path, "is not a text file") from None
    names = tuple(name.strip() for name in header.split(","))
    lead = next((lead for lead in (VIDEO_COLUMNS, IMAGE_COLUMNS) if names[: len(lead)] == lead), None)
    if lead is None:
        shown = ", ".join(names[:5])[:80]
        raise _broken(path, f"begins with the columns '{shown}', not with {', '.join(VIDEO_COLUMNS)}")
    if len(set(names)) != len(names):
        raise _broken(path, "has two columns of one name")
    lines = [line for line in lines if line.strip()]
    if not lines:
        return names, np.empty((0, len(names)))
    try:
        table = np.loadtxt(lines, delimiter=",", ndmin=2, comments=None)
    except ValueError as error:
        raise _broken(path, f"is no table of numbers ({str(error).splitlines()[0].rstrip('.')})") from None
    if table.shape[1] != len(names):
        raise _broken(path, f"has {len(names)} names and {table.shape[1]} columns")
    if not np.isfinite(table[:, : len(lead)]).all():
        raise _broken(path, f"has values that are not finite in {', '.join(lead)}")
    return names, table


def _measurements(
    names: tuple[str, ...], values: np.ndarray, times_s: np.ndarray, confidence: np.ndarray, tracked: np.ndarray
) -> FaceMeasurements:
    return FaceMeasurements(
        pixels=np.empty((len(values), 0, 0, 3), np.uint8),
        times_s=times_s.astype(np.float64),
        values=np.ascontiguousarray(values, np.float32),
        names=names,
        confidence=confidence.astype(np.float32),
        tracked=tracked,
    )


def _broken(path: Path, what: str) -> MediaError:
    return MediaError("MER-E160", f"{path} {what}.", "Run OpenFace on the clip again.")
