"""MTCNN on small frames: search whole frames in batches, or measure again where a face is expected."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from facenet_pytorch import MTCNN

from feature_extractors.facetrack.settings import MIN_FACE

_BATCH = 16
_ONET_SIDE = 48


@dataclass(frozen=True)
class Faces:
    """Faces, one per row, in pixels of the small frame.

    Attributes:
        box: ``(n, 4)`` float64, x1, y1, x2, y2.
        confidence: ``(n,)`` float64 in [0, 1].
        landmarks: ``(n, 5, 2)`` float64.
    """

    box: np.ndarray
    confidence: np.ndarray
    landmarks: np.ndarray

    def __len__(self) -> int:
        """Number of faces."""
        return len(self.confidence)

    def take(self, rows: np.ndarray | Sequence[int]) -> Faces:
        """Some of the faces."""
        rows = np.asarray(rows, dtype=np.int64)
        return Faces(self.box[rows], self.confidence[rows], self.landmarks[rows])


NO_FACES = Faces(np.zeros((0, 4)), np.zeros(0), np.zeros((0, 5, 2)))


class Detector:
    """facenet-pytorch's MTCNN with the weights of its wheel.

    Args:
        device: where it runs, as torch names devices.
    """

    def __init__(self, device: str) -> None:
        self.device = torch.device(device)
        self.mtcnn = MTCNN(keep_all=True, min_face_size=MIN_FACE, device=self.device).eval()

    def search(self, frames: np.ndarray) -> list[Faces]:
        """Find all faces of each frame.

        Args:
            frames: ``(B, h, w, 3)`` uint8, RGB.

        Returns:
            The faces of each frame, most confident first.
        """
        found: list[Faces] = []
        for start in range(0, len(frames), _BATCH):
            found += self._search_batch(frames[start : start + _BATCH])
        return found

    def _search_batch(self, frames: np.ndarray) -> list[Faces]:
        if min(frames.shape[1:3]) < MIN_FACE:
            return [NO_FACES] * len(frames)
        try:
            with torch.inference_mode():
                boxes, confidences, points = self.mtcnn.detect(frames, landmarks=True)
        except (IndexError, RuntimeError) as error:
            # A candidate that the cascade moves entirely out of its frame leaves facenet-pytorch 2.5.3 with fewer
            # crops than boxes; the whole batch then fails. The frame at fault alone has no faces.
            if not _is_lost_candidate(error):
                raise
            return (
                [NO_FACES]
                if len(frames) == 1
                else [self._search_batch(frames[i : i + 1])[0] for i in range(len(frames))]
            )
        return [_faces(*frame) for frame in zip(boxes, confidences, points, strict=True)]

    def measure(self, frames: np.ndarray, which: np.ndarray, boxes: np.ndarray) -> Faces:
        """Run the cascade's last stage (O-Net) on places where faces are expected.

        Args:
            frames: ``(B, h, w, 3)`` uint8, RGB.
            which: ``(n,)`` int64, frame of each expected face.
            boxes: ``(n, 4)`` where it is expected.

        Returns:
            One row per expected face: the measured box and landmarks, and the confidence that a face is there (0 if
            the box lies outside the frame).
        """
        height, width = frames.shape[1:3]
        squares = _squares(boxes)
        # Cut and normalised as the cascade does: whole pixels, clipped at the frame, area-resized.
        whole = np.trunc(squares).astype(int)
        low, high = np.maximum(whole[:, :2] - 1, 0), np.minimum(whole[:, 2:], (width, height))
        inside = np.flatnonzero((high > low).all(axis=1))
        crops = np.empty((len(inside), _ONET_SIDE, _ONET_SIDE, 3), np.uint8)
        for i, row in enumerate(inside):
            part = frames[which[row], low[row, 1] : high[row, 1], low[row, 0] : high[row, 0]]
            cv2.resize(part, (_ONET_SIDE, _ONET_SIDE), dst=crops[i], interpolation=cv2.INTER_AREA)
        shift, points, score = self._onet(crops)
        sides = squares[inside, 2:] - squares[inside, :2] + 1
        box, confidence, landmarks = boxes.astype(np.float64), np.zeros(len(boxes)), np.zeros((len(boxes), 5, 2))
        box[inside] = squares[inside] + shift * np.tile(sides, 2)
        confidence[inside] = score
        landmarks[inside] = points * sides[:, None] + squares[inside, None, :2] - 1
        return Faces(box, confidence, landmarks)

    def _onet(self, crops: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Box shift ``(n, 4)`` and landmarks ``(n, 5, 2)`` in units of the box, and confidence ``(n,)``."""
        shifts, points, scores = [np.zeros((0, 4))], [np.zeros((0, 10))], [np.zeros(0)]
        for start in range(0, len(crops), 128):
            pixels = torch.from_numpy(crops[start : start + 128]).to(self.device).permute(0, 3, 1, 2).float()
            with torch.inference_mode():
                shift, point, score = self.mtcnn.onet((pixels - 127.5) * 0.0078125)
            shifts.append(shift.cpu().numpy())
            points.append(point.cpu().numpy())
            scores.append(score[:, 1].cpu().numpy())
        landmarks = np.concatenate(points).reshape(-1, 2, 5).transpose(0, 2, 1)
        return np.concatenate(shifts), landmarks, np.concatenate(scores)


def overlap(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Intersection over union of boxes ``(..., 4)``, row by row."""
    low, high = np.maximum(a[..., :2], b[..., :2]), np.minimum(a[..., 2:], b[..., 2:])
    common = np.maximum(high - low, 0).prod(axis=-1)
    areas = [np.maximum(box[..., 2:] - box[..., :2], 0).prod(axis=-1) for box in (a, b)]
    return np.asarray(common / np.maximum(areas[0] + areas[1] - common, np.finfo(np.float64).tiny))


def _faces(box: np.ndarray | None, confidence: np.ndarray, points: np.ndarray) -> Faces:
    if box is None or len(box) == 0:
        return NO_FACES
    order = np.argsort(-np.asarray(confidence, np.float64), kind="stable")
    return Faces(
        np.asarray(box, np.float64)[order],
        np.asarray(confidence, np.float64)[order],
        np.asarray(points, np.float64)[order],
    )


def _is_lost_candidate(error: Exception) -> bool:
    text = str(error)
    return "does not match the shape of the indexed tensor" in text or "expected a non-empty list of Tensors" in text


def _squares(boxes: np.ndarray) -> np.ndarray:
    """Boxes grown to squares about their middle, as the cascade does before its last stage."""
    middle = (boxes[:, :2] + boxes[:, 2:]) / 2
    half = (boxes[:, 2:] - boxes[:, :2]).max(axis=1, keepdims=True) / 2
    return np.concatenate([middle - half, middle + half], axis=1)
