"""Crops cut from geometry by a named policy; every policy is an image transform per frame, so one cutter serves all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np

from feature_extractors.facetrack.geometry import TIME_SLACK_S, FaceTrack, Geometry
from mertools.errors import ExtractionError
from mertools.registry import Registry

if TYPE_CHECKING:
    from mertools.media import Frames

ARCFACE_112 = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]]
)
"""Where ArcFace (Deng et al., 2019) puts eyes, nose and mouth corners in a crop of 112 by 112 pixels."""

UNION_MARGIN = 0.2
"""Side added to the square around a union box, as a share of its side (half of it at each edge)."""

MIN_SCALE = 1e-3
"""Crop pixels per frame pixel, below which landmarks coincide rather than belong to a face."""


class Crops(NamedTuple):
    """Crops of one face.

    Attributes:
        pixels: ``(t, H, W, 3)`` uint8, RGB; black where the crop reaches beyond the frame.
        times_s: ``(t,)`` float64.
        index: ``(t,)`` int64, position among the frames they were cut from.
    """

    pixels: np.ndarray
    times_s: np.ndarray
    index: np.ndarray  # type: ignore[assignment]  # tuple.index is of no use here


@dataclass(frozen=True)
class Cutter:
    """Picklable callable for ``session.map_frames``: a chunk of frames to the crops of one face. Needs no torch.

    A frame is found again by its time, so that frames thinned to another rate meet the geometry of the native ones:
    the geometry's row is that of the last native frame not later than the frame.

    Attributes:
        size: side of the crops in pixels.
        clip_times_s: ``(n_frames,)`` time of every native frame.
        row: ``(n_frames,)`` int64, row of `matrices` for every native frame, -1 where the face is absent.
        matrices: ``(T, 2, 3)`` float64, frame coordinates to crop coordinates.
    """

    size: int
    clip_times_s: np.ndarray
    row: np.ndarray
    matrices: np.ndarray

    def __call__(self, frames: Frames) -> Crops:
        """Cut one chunk; frames without the face give no crop."""
        native = np.searchsorted(self.clip_times_s, frames.times_s + TIME_SLACK_S, side="right") - 1
        rows = np.where(native >= 0, self.row[np.maximum(native, 0)], -1)
        there = np.flatnonzero(rows >= 0)
        pixels = np.empty((len(there), self.size, self.size, 3), np.uint8)
        for i, position in enumerate(there):
            pixels[i] = cut(frames.pixels[position], self.matrices[rows[position]], self.size)
        return Crops(pixels, frames.times_s[there], frames.index[there])


@dataclass(frozen=True)
class CropPolicy:
    """How crops are cut.

    Attributes:
        size: side of the crops in pixels.
        transforms: gives the ``(T, 2, 3)`` matrices of a track, frame to crop coordinates; None if a data set ships the
            crops, which `feature_extractors.facetrack.shipped` reads.
        measured: whether what is shipped are measurements (`feature_extractors.facetrack.openface`) in place of crops.
    """

    size: int
    transforms: Callable[[FaceTrack], np.ndarray] | None
    measured: bool = False

    @property
    def shipped(self) -> bool:
        """Whether crops come from a folder and need neither decoding nor geometry."""
        return self.transforms is None


CROP_POLICIES: Registry[CropPolicy] = Registry("crop policy", (), plural="crop policies", listed=False)


def cutter(policy: str, track: FaceTrack, geometry: Geometry, only: np.ndarray | None = None) -> Cutter:
    """What cuts the crops of one face.

    Args:
        policy: name of a policy in `CROP_POLICIES`.
        track: the face.
        geometry: of the clip that the face is from.
        only: ``(K,)`` rows of `track` whose crops are wanted; None for all. It changes no crop: transforms depend on
            the whole track.

    Raises:
        UnknownNameError: if there is no such policy.
        ExtractionError: if the policy reads shipped crops and cuts none.
    """
    chosen = CROP_POLICIES.get(policy)
    if chosen.transforms is None:
        raise ExtractionError(
            "MER-E202",
            f"the crop policy '{policy}' reads crops from a folder and cuts none.",
            "Read them with read_openface_folder.",
        )
    row = np.full(geometry.n_frames, -1, np.int64)
    rows = np.arange(len(track)) if only is None else only
    row[track.frame[rows]] = rows
    return Cutter(chosen.size, geometry.times_s, row, chosen.transforms(track))


def similarity(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Least-squares similarity transforms without reflection (Umeyama, 1991) in the plane.

    Args:
        source: ``(T, K, 2)`` points.
        target: ``(K, 2)`` where they should go.

    Returns:
        ``(T, 2, 3)`` float64: rotation × scale, and translation. Points that coincide give scale 0.
    """
    source = source.astype(np.float64)
    middle, goal = source.mean(axis=1, keepdims=True), target.mean(axis=0)
    a, b = source - middle, target - goal
    spread = np.maximum((a**2).sum(axis=(1, 2)), np.finfo(np.float64).tiny)
    cosine = (a * b).sum(axis=(1, 2)) / spread
    sine = (a[..., 0] * b[:, 1] - a[..., 1] * b[:, 0]).sum(axis=1) / spread
    linear = np.stack([np.stack([cosine, -sine], -1), np.stack([sine, cosine], -1)], -2)  # (T, 2, 2)
    shift = goal - np.einsum("tij,tj->ti", linear, middle[:, 0])
    return np.concatenate([linear, shift[..., None]], axis=-1)


def smooth(landmarks: np.ndarray, frame: np.ndarray) -> np.ndarray:
    """Landmarks averaged with both neighbours in time, weights 1:2:1; rows without both neighbour frames stay.

    It takes most of the detector's jitter off and leaves steady motion untouched (3 frames, 0.1 s at 30 frames/s).

    Args:
        landmarks: ``(T, 5, 2)``.
        frame: ``(T,)`` frame of each row.
    """
    result = landmarks.astype(np.float64)
    inner = np.flatnonzero((frame[2:] - frame[:-2]) == 2) + 1
    result[inner] = (landmarks[inner - 1] + 2.0 * landmarks[inner] + landmarks[inner + 1]) / 4.0
    return result


def cut(pixels: np.ndarray, matrix: np.ndarray, size: int) -> np.ndarray:
    """One crop, bilinear; a frame that is more than twice too large is first brought down by area, against aliasing.

    Args:
        pixels: ``(H, W, 3)`` uint8.
        matrix: ``(2, 3)`` frame coordinates to crop coordinates; pixel centres are at whole numbers.
        size: side of the crop.

    Returns:
        ``(size, size, 3)`` uint8, black beyond the frame; wholly black if `matrix` shrinks everything to a point.
    """
    scale = float(np.sqrt(abs(np.linalg.det(matrix[:, :2]))))
    if scale < MIN_SCALE:
        return np.zeros((size, size, 3), np.uint8)
    shrink = int(1.0 / scale)
    if shrink >= 2:
        pixels, matrix = _reduced(pixels, matrix, size, shrink)
    return np.asarray(
        cv2.warpAffine(pixels, matrix, (size, size), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
    )


def _reduced(pixels: np.ndarray, matrix: np.ndarray, size: int, shrink: int) -> tuple[np.ndarray, np.ndarray]:
    """The part of the frame that the crop sees, `shrink` times smaller, and the matrix that goes with it."""
    height, width = pixels.shape[:2]
    corners = np.array([[-1, -1], [size, -1], [-1, size], [size, size]], np.float64)
    seen = (corners - matrix[:, 2]) @ np.linalg.inv(matrix[:, :2]).T
    low = np.clip(np.floor(seen.min(axis=0)) - shrink, 0, (width, height)).astype(int) // shrink * shrink
    high = np.clip(np.ceil(seen.max(axis=0)) + shrink, 0, (width, height)).astype(int)
    part = pixels[low[1] : high[1], low[0] : high[0]]
    part = part[: max(part.shape[0] // shrink, 1) * shrink, : max(part.shape[1] // shrink, 1) * shrink]
    if part.size == 0:
        return pixels, matrix
    target = (max(part.shape[1] // shrink, 1), max(part.shape[0] // shrink, 1))
    small = cv2.resize(part, target, interpolation=cv2.INTER_AREA)
    factor = np.array([part.shape[1] / target[0], part.shape[0] / target[1]])
    # The centre of a small pixel is at low + (i + 0.5) * factor - 0.5 in the frame.
    linear = matrix[:, :2] * factor
    shift = matrix[:, :2] @ (low + 0.5 * factor - 0.5) + matrix[:, 2]
    return small, np.concatenate([linear, shift[:, None]], axis=1)


def _aligned(size: int) -> CropPolicy:
    # Template positions are pixel centres; a template twice as large has its centres at (x + 0.5) * 2 - 0.5.
    template = (ARCFACE_112 + 0.5) * (size / 112) - 0.5
    return CropPolicy(size, _Aligned(template))


@dataclass(frozen=True)
class _Aligned:
    template: np.ndarray

    def __call__(self, track: FaceTrack) -> np.ndarray:
        return similarity(smooth(track.landmarks, track.frame), self.template)


def _square_union(track: FaceTrack) -> np.ndarray:
    """One constant transform: the square around the union of all boxes, with margin."""
    low, high = track.box[:, :2].min(axis=0).astype(np.float64), track.box[:, 2:].max(axis=0).astype(np.float64)
    side = max((high - low).max(), 1.0) * (1 + UNION_MARGIN)
    scale = 224 / side
    corner = (low + high) / 2 - side / 2
    shift = -(corner - 0.5) * scale - 0.5
    matrix = np.array([[scale, 0.0, shift[0]], [0.0, scale, shift[1]]])
    return np.broadcast_to(matrix, (len(track), 2, 3))


CROP_POLICIES.add("aligned-112", _aligned(112), summary="five landmarks on the ArcFace template, 112 pixels")
CROP_POLICIES.add("aligned-256", _aligned(256), summary="five landmarks on the ArcFace template, 256 pixels")
CROP_POLICIES.add(
    "square-union-224",
    CropPolicy(224, _square_union),
    summary="one square around all boxes of the clip with a margin of 10 % at each edge, 224 pixels",
)
CROP_POLICIES.add("openface-folder", CropPolicy(112, None), summary="crops that a data set ships, 112 pixels")
CROP_POLICIES.add("openface-csv", CropPolicy(0, None, measured=True), summary="tables of OpenFace, no crops")
CROP_POLICIES.add("openface-hog", CropPolicy(0, None, measured=True), summary="HOG files of OpenFace, no crops")
