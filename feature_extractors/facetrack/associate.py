"""Which detection is which face: detections of searched frames joined to tracks, frame after frame."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import linear_sum_assignment

from feature_extractors.facetrack.detect import Faces

MAX_GAP_S = 2.0
"""A face unseen for longer than this starts a new track."""

MAX_SHIFT = 0.75
"""Largest distance between the predicted and the found middle of a face, in widths of the face."""

MAX_GROWTH = 2.0
"""Largest ratio of a face's sizes in two consecutive searched frames."""

_MOTION_MEMORY = 0.5
_MAX_PREDICTION_S = 0.4
_APPEARANCE_WEIGHT = 0.5
_LOOK = 16


@dataclass(frozen=True)
class Known:
    """What is known of a track when it was last seen."""

    track: int
    time_s: float
    scene: int
    box: np.ndarray
    speed: np.ndarray
    look: np.ndarray


@dataclass(frozen=True)
class State:
    """Tracks that may go on, and the next identity. Immutable, so that a stretch of a clip can be gone over again."""

    known: tuple[Known, ...] = ()
    next_track: int = 0


def associate(state: State, faces: Faces, frame: np.ndarray, time_s: float, scene: int) -> tuple[State, np.ndarray]:
    """Give each detection of one frame its identity.

    Cost of a pair: distance from the predicted place, change of size, and unlikeness of the two patches of image; the
    assignment with the least total cost is taken (Hungarian method).

    Args:
        state: after the searched frame before this one.
        faces: detections of this frame.
        frame: ``(h, w, 3)`` uint8, the small frame.
        time_s: of this frame.
        scene: the shot this frame belongs to; a track goes on only within its scene.

    Returns:
        The state after this frame, and ``(n,)`` int64 identities of the detections.
    """
    known = [k for k in state.known if time_s - k.time_s <= MAX_GAP_S]
    looks = [_look(frame, box) for box in faces.box]
    cost = np.full((len(known), len(faces)), np.inf)
    for i, candidate in enumerate(known):
        if candidate.scene == scene:
            cost[i] = [_cost(candidate, box, look, time_s) for box, look in zip(faces.box, looks, strict=True)]
    # A forbidden pair costs more than any number of allowed ones, so that it never displaces one of them.
    pairs = zip(*linear_sum_assignment(np.where(np.isfinite(cost), cost, 1e6)), strict=True)
    taken = {int(column): known[row] for row, column in pairs if np.isfinite(cost[row, column])}
    identities = np.zeros(len(faces), np.int64)
    seen: list[Known] = []
    next_track = state.next_track
    for column in range(len(faces)):
        before = taken.get(column)
        if before is None:
            track, speed, next_track = next_track, np.zeros(2), next_track + 1
        else:
            track, speed = before.track, _speed(before, faces.box[column], time_s)
        identities[column] = track
        seen.append(Known(track, time_s, scene, faces.box[column], speed, looks[column]))
    unseen = [k for k in known if k.track not in {s.track for s in seen}]
    return replace(state, known=(*seen, *unseen), next_track=next_track), identities


def _cost(track: Known, box: np.ndarray, look: np.ndarray, time_s: float) -> float:
    """Cost of going on with a detection; infinite if it is too far off."""
    ahead_s = min(time_s - track.time_s, _MAX_PREDICTION_S)
    sizes = _size(track.box), _size(box)
    shift = np.linalg.norm(_middle(track.box) + track.speed * ahead_s - _middle(box)) / (sum(sizes) / 2)
    growth = abs(np.log(sizes[1] / sizes[0]))
    if shift > MAX_SHIFT or growth > np.log(MAX_GROWTH):
        return float("inf")
    return float(shift + growth + _APPEARANCE_WEIGHT * (1 - (track.look * look).sum()))


def _speed(before: Known, box: np.ndarray, time_s: float) -> np.ndarray:
    elapsed_s = max(time_s - before.time_s, 1e-3)
    now = (_middle(box) - _middle(before.box)) / elapsed_s
    return np.asarray(_MOTION_MEMORY * before.speed + (1 - _MOTION_MEMORY) * now)


def _look(frame: np.ndarray, box: np.ndarray) -> np.ndarray:
    """The patch of image under a box, 16 × 16, mean 0 and norm 1, so that a product of two is their correlation."""
    import cv2

    height, width = frame.shape[:2]
    x1, y1 = np.clip(box[:2].astype(int), 0, (width - 1, height - 1))
    x2, y2 = np.clip(box[2:].astype(int), (x1 + 1, y1 + 1), (width, height))
    patch = cv2.resize(frame[y1:y2, x1:x2], (_LOOK, _LOOK), interpolation=cv2.INTER_AREA).astype(np.float64)
    patch -= patch.mean()
    return np.asarray(patch / max(float(np.linalg.norm(patch)), 1e-9))


def _middle(box: np.ndarray) -> np.ndarray:
    return np.asarray((box[:2] + box[2:]) / 2)


def _size(box: np.ndarray) -> float:
    """Side of the square of the same area, at least one pixel."""
    return float(np.sqrt(max((box[2] - box[0]) * (box[3] - box[1]), 1.0)))
