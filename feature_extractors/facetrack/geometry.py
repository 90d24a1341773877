"""Where the faces of a clip are: boxes, landmarks, track ids per frame, and their form in the store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mertools.errors import ExtractionError

COLUMNS = 17
"""Columns of the stored form: frame, track, box (4), confidence, landmarks (10)."""

TIME_SLACK_S = 1e-6
"""Times that differ by less are those of one frame."""

_NO_FACE = -1.0
_HEADER = -2.0


@dataclass(frozen=True)
class FaceTrack:
    """One face of a clip over time; rows are in time order, frames without the face have no row.

    Attributes:
        frame: ``(T,)`` int64, position of the frame in the clip.
        times_s: ``(T,)`` float64, presentation time in seconds from the clip's start.
        box: ``(T, 4)`` float32, x1, y1, x2, y2 in pixels of the full frame; may reach beyond its edges.
        landmarks: ``(T, 5, 2)`` float32, x, y of left eye, right eye, nose, left and right mouth corner, as seen in
            the image (the left eye is the one further left).
        confidence: ``(T,)`` float32 in [0, 1].
    """

    frame: np.ndarray
    times_s: np.ndarray
    box: np.ndarray
    landmarks: np.ndarray
    confidence: np.ndarray

    def __len__(self) -> int:
        """Number of frames with the face."""
        return len(self.frame)

    @property
    def area(self) -> np.ndarray:
        """``(T,)`` area of each box in square pixels."""
        sides = np.maximum(self.box[:, 2:] - self.box[:, :2], 0)
        return np.asarray(sides.prod(axis=1))


@dataclass(frozen=True)
class Geometry:
    """All faces of one clip.

    Rows of the row arrays are in order of frame, then track.

    Attributes:
        n_frames: frames of the clip.
        width: of a frame in pixels.
        height: of a frame in pixels.
        times_s: ``(n_frames,)`` float64, presentation time of every frame, with or without a face.
        frame: ``(N,)`` int64, frame of each row.
        track: ``(N,)`` int64, identity of the face, from 0 in order of appearance.
        box: ``(N, 4)`` float32, as in `FaceTrack`.
        confidence: ``(N,)`` float32 in [0, 1].
        landmarks: ``(N, 5, 2)`` float32, as in `FaceTrack`.
    """

    n_frames: int
    width: int
    height: int
    times_s: np.ndarray
    frame: np.ndarray
    track: np.ndarray
    box: np.ndarray
    confidence: np.ndarray
    landmarks: np.ndarray

    def __len__(self) -> int:
        """Number of rows: faces summed over frames."""
        return len(self.frame)

    @property
    def tracks(self) -> list[int]:
        """Identities of the clip, ascending."""
        return [int(track) for track in np.unique(self.track)]

    @property
    def distinct(self) -> bool:
        """Whether every frame has a time of its own, so that each frame of the clip is found again by its time."""
        return bool((np.diff(self.times_s) > TIME_SLACK_S).all())

    def face(self, track: int) -> FaceTrack:
        """The rows of one identity."""
        rows = np.flatnonzero(self.track == track)
        frame = self.frame[rows]
        return FaceTrack(frame, self.times_s[frame], self.box[rows], self.landmarks[rows], self.confidence[rows])

    def to_values(self) -> tuple[np.ndarray, np.ndarray]:
        """The stored form, without loss.

        Returns:
            values: ``(N', 17)`` float32: a header row (track -2: number of frames, width, height), one row per face,
                and for a frame without any face one row with track -1, so that its time is kept.
            times_s: ``(N',)`` float64, the time of each row's frame (0 for the header).
        """
        empty = np.setdiff1d(np.arange(self.n_frames), self.frame)
        n = len(self)
        values = np.zeros((n + len(empty), COLUMNS), np.float32)
        values[:n, 0] = self.frame
        values[:n, 1] = self.track
        values[:n, 2:6] = self.box
        values[:n, 6] = self.confidence
        values[:n, 7:] = self.landmarks.reshape(n, 10)
        values[n:, 0] = empty
        values[n:, 1] = _NO_FACE
        order = np.lexsort((values[:, 1], values[:, 0]))
        header = np.zeros((1, COLUMNS), np.float32)
        header[0, :4] = self.n_frames, _HEADER, self.width, self.height
        frames = values[order, 0].astype(np.int64)
        return np.concatenate([header, values[order]]), np.concatenate([[0.0], self.times_s[frames]])

    @classmethod
    def from_values(cls, values: np.ndarray, times_s: np.ndarray) -> Geometry:
        """Read the stored form.

        Args:
            values: ``(N', 17)`` as `to_values` makes it.
            times_s: ``(N',)``.

        Raises:
            ExtractionError: if `values` is not the stored form of a geometry.
        """
        if values.ndim != 2 or values.shape[1] != COLUMNS or len(values) == 0 or values[0, 1] != _HEADER:
            raise ExtractionError(
                "MER-E201",
                f"an array of shape {values.shape} is not the geometry of a clip (expected rows of {COLUMNS} numbers "
                "after a header row).",
                "Extract the faces of this clip again, with --retry ok.",
            )
        n_frames, _, width, height = (int(number) for number in values[0, :4])
        frame = values[1:, 0].astype(np.int64)
        clip_times = np.zeros(n_frames, np.float64)
        clip_times[frame] = times_s[1:]
        rows = np.flatnonzero(values[1:, 1] >= 0)
        kept = values[1:][rows].astype(np.float32)
        return cls(
            n_frames=n_frames,
            width=width,
            height=height,
            times_s=clip_times,
            frame=frame[rows],
            track=kept[:, 1].astype(np.int64),
            box=kept[:, 2:6],
            confidence=kept[:, 6],
            landmarks=kept[:, 7:].reshape(-1, 5, 2),
        )

    @classmethod
    def of_tracks(cls, tracks: Sequence[FaceTrack], times_s: np.ndarray, width: int, height: int) -> Geometry:
        """Join tracks of one clip; their place in the sequence becomes their identity.

        Args:
            tracks: the faces; may be none.
            times_s: ``(n_frames,)`` time of every frame of the clip.
            width: of a frame in pixels.
            height: of a frame in pixels.
        """
        frame = np.concatenate([np.zeros(0, np.int64), *(face.frame for face in tracks)])
        identity = np.concatenate([np.zeros(0, np.int64), *(np.full(len(t), i) for i, t in enumerate(tracks))])
        box = np.concatenate([np.zeros((0, 4), np.float32), *(face.box for face in tracks)])
        confidence = np.concatenate([np.zeros(0, np.float32), *(face.confidence for face in tracks)])
        landmarks = np.concatenate([np.zeros((0, 5, 2), np.float32), *(face.landmarks for face in tracks)])
        order = np.lexsort((identity, frame))
        return cls(
            n_frames=len(times_s),
            width=width,
            height=height,
            times_s=np.asarray(times_s, np.float64),
            frame=frame[order],
            track=identity[order],
            box=box[order],
            confidence=confidence[order],
            landmarks=landmarks[order],
        )
