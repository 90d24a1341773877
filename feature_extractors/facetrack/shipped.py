"""Crops that a data set ships: OpenFace's aligned faces as one array or a folder of images per clip."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from feature_extractors.facetrack.crops import Crops
from mertools.errors import MediaError

IMAGES = (".bmp", ".png")


def read_openface_folder(folder: Path, name: str, *, rate_hz: float | None = None) -> Crops | None:
    """Read the crops of one clip.

    They lie in ``<folder>/<name>/``: either ``<name>.npy``, uint8 ``(T, H, W, 3)`` in BGR order as OpenCV writes it,
    or one bmp or png per frame, in file-name order, there or in ``<name>_aligned/``.

    Args:
        folder: what the data set calls its face folder (``openface_face``).
        name: of the clip.
        rate_hz: frames per second of the clip's video, which the crops do not tell; None if unknown.

    Returns:
        The crops in RGB order, with times ``index / rate_hz`` (NaN if it is unknown); None if the data set says that
        the clip has no face (an empty array).

    Raises:
        MediaError: status ``missing`` if nothing is there for this clip, ``decode_error`` if it cannot be read.
    """
    place = folder / name
    if not place.resolve().is_relative_to(folder.resolve()) or place.resolve() == folder.resolve():
        raise MediaError("MER-E210", f"the clip name '{name}' leaves the face folder {folder}.", "Rename the clip.")
    array = place / f"{name}.npy"
    images = [] if array.is_file() else _images(place) or _images(place / f"{name}_aligned")
    if not array.is_file() and not images:
        raise MediaError(
            "MER-E211",
            f"no face crops of clip '{name}': neither {array} nor {' or '.join(IMAGES)} images in {place}.",
            "Check the face folder, or choose a crop policy that cuts faces from the video.",
            status="missing",
        )
    pixels = _read_array(array) if not images else _read_images(images)
    if len(pixels) == 0:
        return None
    index = np.arange(len(pixels), dtype=np.int64)
    times_s = index / rate_hz if rate_hz else np.full(len(index), np.nan)
    return Crops(np.ascontiguousarray(pixels[..., ::-1]), times_s, index)


def _images(place: Path) -> list[Path]:
    if not place.is_dir():
        return []
    return sorted((path for path in place.iterdir() if path.suffix.lower() in IMAGES), key=lambda path: path.name)


def _read_array(path: Path) -> np.ndarray:
    """The BGR array; shape ``(0,)`` stands for no face."""
    try:
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
