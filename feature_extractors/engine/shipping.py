"""Faces that come with a data set: where those of a clip lie, their digest, and reading them."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b
from pathlib import Path

from feature_extractors.base import FaceCrops
from feature_extractors.engine.asked import InputKey
from feature_extractors.engine.sources import ClipSource
from feature_extractors.facetrack.openface import read_hog, read_table, result_file
from feature_extractors.facetrack.shipped import clip_files, frame_files, read_frame_folder, read_openface_folder
from mertools.errors import MediaError
from mertools.media import probe

_SUFFIXES = {"openface-csv": (".csv",), "openface-hog": (".hog", ".csv")}


def shipped_digest(source: ClipSource, key: InputKey) -> str:
    """Digest of what a data set ships of a clip; "" if there is nothing."""
    try:
        files = _files(source, key)
    except (MediaError, OSError):
        return ""  # the clip gets its status when it is read
    return _digest(files)


def read_shipped(source: ClipSource, key: InputKey) -> FaceCrops | None:
    """Crops or measurements of a clip; None if the data set says that the clip has no face.

    Raises:
        MediaError: ``missing`` or ``decode_error``.
    """
    rate_hz, n_frames = _video_facts(source)
    if key.crop == "openface-csv":
        return read_table(Path(key.folder), source.name)
    if key.crop == "openface-hog":
        return read_hog(Path(key.folder), source.name, rate_hz=rate_hz)
    if key.folder:
        crops = read_openface_folder(Path(key.folder), source.name, rate_hz=rate_hz, n_frames=n_frames)
    elif source.faces is not None:
        crops = read_frame_folder(source.faces, rate_hz=rate_hz, n_frames=n_frames)
    else:
        raise MediaError("MER-E157", "the clip's cell 'faces' is empty.", "Fill it in.", status="missing")
    return None if crops is None else FaceCrops(crops.pixels, crops.times_s)


def _files(source: ClipSource, key: InputKey) -> list[Path]:
    if key.crop in _SUFFIXES:
        found = (result_file(Path(key.folder), source.name, suffix) for suffix in _SUFFIXES[key.crop])
        return [path for path in found if path is not None]
    if key.folder:
        return clip_files(Path(key.folder), source.name)
    return frame_files(source.faces) if source.faces is not None else []


def _digest(files: Iterable[Path]) -> str:
    digest, empty = blake2b(digest_size=16), True
    for path in files:
        content, empty = path.read_bytes(), False
        digest.update(f"{path.parent.name}/{path.name}\0{len(content)}\0".encode() + content)
    return "" if empty else digest.hexdigest()


def _video_facts(source: ClipSource) -> tuple[float | None, int | None]:
    """Frames per second of the clip's video and their number, which crops do not tell; None where unknown."""
    if source.video is None or not source.video.is_file():
        return None, None
    try:
        video = probe(source.video).video
    except MediaError:
        return None, None
    return (video.fps or None, video.n_frames or None) if video else (None, None)
