"""Crops that a data set ships: OpenFace's aligned faces as one array, or a folder of images per clip."""

from __future__ import annotations

import re
import threading
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from feature_extractors.facetrack.crops import Crops
from mertools.errors import MediaError

IMAGES = (".bmp", ".png", ".jpg", ".jpeg")

_NUMBER = re.compile(r"\d+")
ONE_AT_A_TIME = threading.Lock()
"""For reading npy files: numpy parses their header with `ast`, which CPython 3.11 cannot do in two threads at once
(SystemError: AST constructor recursion depth mismatch)."""


def read_openface_folder(
    folder: Path, name: str, *, rate_hz: float | None = None, n_frames: int | None = None
) -> Crops | None:
    """Read the crops of one clip.

    They lie in ``<folder>/<name>/``: either ``<name>.npy``, uint8 ``(T, H, W, 3)`` in BGR order as OpenCV writes it,
    or one bmp, png or jpg per frame, there or in ``<name>_aligned/``; or, as OpenFace itself writes them, in
    ``<folder>/<name>_aligned/``. Images are in the order of the numbers in their names.

    Args:
        folder: what the data set calls its face folder (``openface_face``).
        name: of the clip.
        rate_hz: frames per second of the clip's video, which the crops do not tell; None if unknown.
        n_frames: of the clip's video; None if unknown.

    Returns:
        The crops in RGB order, with times ``index / rate_hz`` (NaN if it is unknown); None if the data set says that
        the clip has no face (an empty array).

    Raises:
        MediaError: status ``missing`` if nothing is there for this clip, ``decode_error`` if it cannot be read.
    """
    files = clip_files(folder, name)
    if not files:
        raise MediaError(
            "MER-E211",
            f"no face crops of clip '{name}': neither {folder / name / name}.npy nor {' or '.join(IMAGES)} images in "
            f"{folder / name}.",
            "Check the face folder, or choose a crop policy that cuts faces from the video.",
            status="missing",
        )
    return _read(files, rate_hz, n_frames)


def read_frame_folder(place: Path, *, rate_hz: float | None = None, n_frames: int | None = None) -> Crops | None:
    """Read the frames of one clip from a folder of images, in the order of the numbers in their names.

    Args:
        place: the folder (the cell ``faces`` of a manifest).
        rate_hz: frames per second of the clip's video; None if unknown.
        n_frames: of the clip's video; None if unknown.

    Returns:
        As `read_openface_folder`.

    Raises:
        MediaError: status ``missing`` if no image is there, ``decode_error`` if one cannot be read.
    """
    files = frame_files(place)
    if not files:
        raise MediaError(
            "MER-E213", f"{place} holds no {' or '.join(IMAGES)} images.", "Unpack the frames there.", status="missing"
        )
    return _read(files, rate_hz, n_frames)


def clip_files(folder: Path, name: str) -> list[Path]:
    """The array, or the images in order, of a clip in a face folder; none if nothing is there.

    Raises:
        MediaError: if the name leads out of the folder.
    """
    place = folder / name
    if not place.resolve().is_relative_to(folder.resolve()) or place.resolve() == folder.resolve():
        raise MediaError("MER-E210", f"the clip name '{name}' leaves the face folder {folder}.", "Rename the clip.")
    array = place / f"{name}.npy"
    if array.is_file():
        return [array]
    aligned = f"{name}_aligned"
    return frame_files(place) or frame_files(place / aligned) or frame_files(folder / aligned)


def frame_files(place: Path) -> list[Path]:
    """Images of a folder, in the order of the numbers in their names: ``2.jpg`` goes before ``10.jpg``."""
    if not place.is_dir():
        return []
    images = (path for path in place.iterdir() if path.suffix.lower() in IMAGES and not path.name.startswith("."))
    return sorted(images, key=lambda path: _by_number(path.name))


def _by_number(name: str) -> tuple[list[str | int], str]:
    parts: list[str | int] = []
    for i, part in enumerate(re.split(r"(\d+)", name)):
        parts.append(int(part) if i % 2 else part)  # every second part is a number
    return parts, name


def frame_index(names: Sequence[str], n_frames: int | None) -> np.ndarray:
    """Which frame of the video each image is, counted from 0.

    Tools that lose the face write no image, so the last number of a name counts, from 0 if an image bears it and from
    1 otherwise. Where the numbers do not rise, or one lies beyond the video (or its length is unknown), the images are
    taken for consecutive frames from the first.

    Args:
        names: of the images, in order, without suffix.
        n_frames: of the video.
    """
    consecutive = np.arange(len(names), dtype=np.int64)
    numbers = [found[-1] if (found := _NUMBER.findall(name)) else "" for name in names]
    if n_frames is None or not all(numbers) or max(len(number) for number in numbers) > 12:
        return consecutive
    index = np.array([int(number) for number in numbers], np.int64)
    index -= 0 if index[0] == 0 else 1
    return index if (np.diff(index) > 0).all() and index[-1] < n_frames else consecutive


def _read(files: list[Path], rate_hz: float | None, n_frames: int | None) -> Crops | None:
    if files[0].suffix == ".npy":
        pixels = _read_array(files[0])
        index = np.arange(len(pixels), dtype=np.int64)
    else:
        pixels = _read_images(files)
        index = frame_index([path.stem for path in files], n_frames)
    if len(pixels) == 0:
        return None
    times_s = index / rate_hz if rate_hz else np.full(len(index), np.nan)
    return Crops(np.ascontiguousarray(pixels[..., ::-1]), times_s, index)


def _read_array(path: Path) -> np.ndarray:
    """The BGR array; shape ``(0,)`` stands for no face."""
    try:
        with ONE_AT_A_TIME:
            pixels: np.ndarray = np.load(path, allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise _unreadable(path, f"is not an array ({error})") from None
    if pixels.size and (pixels.ndim != 4 or pixels.shape[3] != 3 or pixels.dtype != np.uint8):
        raise _unreadable(path, f"holds {pixels.dtype} of shape {pixels.shape}, not uint8 (T, H, W, 3)")
    return pixels if pixels.size else pixels[:0]


def _read_images(paths: list[Path]) -> np.ndarray:
    images: list[np.ndarray] = []
    for path in paths:
        image = cv2.imread(str(path), cv2.IMREAD_COLOR)
        if image is None:
            raise _unreadable(path, "is not an image")
        if images and image.shape != images[0].shape:
            raise _unreadable(path, f"has shape {image.shape}, the images before it {images[0].shape}")
        images.append(image)
    return np.stack(images)


def _unreadable(path: Path, what: str) -> MediaError:
    return MediaError("MER-E212", f"{path} {what}.", "Fetch or make the crops of this clip again.")
