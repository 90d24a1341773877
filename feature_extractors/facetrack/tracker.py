"""The face tracker: faces searched on key frames, joined to tracks, and measured again on the frames in between.

A clip is worked through in windows of a fixed number of frames, whatever the size of the chunks it arrives in, so memory
is bounded and the result does not depend on chunking. In each window:

1. every `stride`-th frame (and each side of a cut, and the last frame) is searched by MTCNN, in batches;
2. where two neighbouring searched frames disagree (a face comes, goes, or moves far), the frame half-way is searched too,
   until they agree or touch: a track loses no frame at its ends;
3. in between, boxes and landmarks are interpolated, and MTCNN's last stage measures the face there; a measurement that
   contradicts the interpolation is dropped.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from feature_extractors.facetrack.associate import State, associate
from feature_extractors.facetrack.detect import MIN_FACE, NO_FACES, Detector, Faces, overlap, weights_hash
from feature_extractors.facetrack.geometry import COLUMNS, FaceTrack, Geometry
from feature_extractors.facetrack.scenes import Scenes
from feature_extractors.facetrack.shrink import Shrinker, Shrunk

if TYPE_CHECKING:
    from mertools.store import SpaceSpec

REVISION = 1
"""Raised whenever the numbers the tracker makes change."""

MIN_AGREEMENT = 0.6
"""Overlap of a face in two neighbouring searched frames, below which the frame between them is searched too."""

MIN_MEASURED = 0.7
"""Confidence of a measurement between key frames that is believed; MTCNN's own threshold of its last stage."""

MIN_CONFIDENCE = 0.95
"""A track none of whose searched frames reaches this confidence is not a face."""

_KEYS_PER_WINDOW = 16


@dataclass(frozen=True)
class _Window:
    """Consecutive frames, the first of which may have been searched with the window before."""

    small: np.ndarray  # (n, h, w, 3)
    index: np.ndarray  # (n,)
    times_s: np.ndarray  # (n,)
    scene: np.ndarray  # (n,)
    last: bool


@dataclass(frozen=True)
class _Searched:
    """Detections of one frame and their identities."""

    faces: Faces
    track: np.ndarray


@dataclass(frozen=True)
class _Rows:
    """Rows of the geometry in pixels of the small frame; `searched` tells detections from measurements."""

    frame: np.ndarray
    track: np.ndarray
    faces: Faces
    searched: np.ndarray


class FaceTracker:
    """Finds all faces of clips.

    Args:
        device: where MTCNN runs, as torch names devices.
        stride: frames from one searched frame to the next.
        side: long side in pixels of the frames it works on.
        measure: whether faces are measured between searched frames; otherwise they are interpolated only.

    Example:
        >>> tracker = FaceTracker()
        >>> tracker.shrink
        Shrinker(side=320)
    """

    def __init__(self, device: str = "cpu", stride: int = 8, side: int = 320, measure: bool = True) -> None:
        self.stride = stride
        self.side = side
        self.measure = measure
        self._detector = Detector(device)

    @property
    def shrink(self) -> Shrinker:
        """What to apply to the frames of a clip where it is decoded."""
        return Shrinker(self.side)

    def spec(self) -> SpaceSpec:
        """The space of its geometries in the store; the device is not part of it."""
        from mertools.store import SpaceSpec

        settings = {
            "stride": self.stride,
            "side": self.side,
            "measure": self.measure,
            "min_face": MIN_FACE,
            "weights": weights_hash(),
        }
        return SpaceSpec(
            extractor="face/track",
            level="geometry",
            dim=COLUMNS,
            revision=REVISION,
            settings=settings,
            modality="face",
            facts={"licence": "MIT (facenet-pytorch)", "detector": "MTCNN, facenet-pytorch 2.5.3"},
        )

    def track(self, chunks: Iterable[Shrunk]) -> Geometry:
        """Find the faces of one clip.

        Args:
            chunks: what `shrink` made of the clip's frames, in order.

        Returns:
            All faces; a clip without any has no rows.
        """
        times: list[np.ndarray] = []
        size = (0, 0, 1, 1)
        state, edge = State(), None
        rows: list[_Rows] = []

        def noted() -> Iterator[Shrunk]:
            nonlocal size
            for chunk in chunks:
                times.append(chunk.times_s)
                size = (chunk.width, chunk.height, chunk.small.shape[2], chunk.small.shape[1])
                yield chunk

        for window in _windows(noted(), self.stride * _KEYS_PER_WINDOW):
            state, searched = self._search(window, state, edge)
            rows += list(self._fill(window, searched, first=edge is None))
            edge = searched[max(searched)]
        clip_times = np.concatenate([np.zeros(0), *times])
        width, height, small_width, small_height = size
        scale = np.array([width / small_width, height / small_height])
        return Geometry.of_tracks(list(_tracks(rows, clip_times, scale)), clip_times, width, height)

    def _search(self, window: _Window, state: State, edge: _Searched | None) -> tuple[State, dict[int, _Searched]]:
        """Search a window's key frames and, half-way, between those that disagree.

        Returns:
            The state after the window's last frame, and what was found, by position in the window.
        """
        found: dict[int, Faces] = {}
        wanted = _key_positions(window, self.stride)
        if edge is not None:
            wanted.discard(0)
        while True:
            order = sorted(wanted)
            found.update(zip(order, self._detector.search(window.small[order]), strict=True))
            searched = {} if edge is None else {0: edge}
            after = state
            for position in sorted(found):
                faces = found[position]
                after, track = associate(
                    after,
                    faces,
                    window.small[position],
                    float(window.times_s[position]),
                    int(window.scene[position]),
                )
                searched[position] = _Searched(faces, track)
            wanted = _disagreements(searched, window.scene)
            if not wanted:
                return after, searched

    def _fill(self, window: _Window, searched: dict[int, _Searched], *, first: bool) -> Iterator[_Rows]:
        """Rows of a window's frames; its first frame only if no window before has given it."""
        for position, there in searched.items():
            if position or first:
                frame = np.full(len(there.track), window.index[position])
                yield _Rows(frame, there.track, there.faces, np.ones(len(frame), bool))
        position, track, between = _interpolated(searched, window.scene)
        if len(track) == 0:
            return
        if self.measure:
            between = _corrected(between, self._detector.measure(window.small, position, between.box))
        yield _Rows(window.index[position], track, between, np.zeros(len(track), bool))


def _windows(chunks: Iterable[Shrunk], step: int) -> Iterator[_Window]:
    """Windows of `step` + 1 frames, each beginning with the last frame of the one before; the last may be shorter."""
    scenes = Scenes()
    parts: list[_Window] = []
    for chunk in chunks:
        scene = np.array([scenes.add(thumbnail) for thumbnail in chunk.thumbnails], np.int64)
        parts.append(_Window(chunk.small, chunk.index, chunk.times_s, scene, last=False))
        # One frame more than the window stays behind, so that the window that ends the clip is known to be the last.
        while sum(len(part.index) for part in parts) > step + 1:
            whole = _joined(parts)
            yield _part(whole, 0, step + 1, last=False)
            parts = [_part(whole, step, len(whole.index), last=False)]
    whole = _joined(parts)
    if len(whole.index):
        yield _part(whole, 0, len(whole.index), last=True)


def _joined(parts: list[_Window]) -> _Window:
    if not parts:
        return _Window(np.zeros((0, 1, 1, 3), np.uint8), *(np.zeros(0, np.int64) for _ in range(3)), last=True)
    return _Window(
        np.concatenate([part.small for part in parts]),
        np.concatenate([part.index for part in parts]),
        np.concatenate([part.times_s for part in parts]),
        np.concatenate([part.scene for part in parts]),
        last=False,
    )


def _part(whole: _Window, start: int, stop: int, *, last: bool) -> _Window:
    piece = slice(start, stop)
    return _Window(whole.small[piece], whole.index[piece], whole.times_s[piece], whole.scene[piece], last)


def _key_positions(window: _Window, stride: int) -> set[int]:
    """Positions of every `stride`-th frame of the clip, of the last frame, and of both sides of each cut."""
    keys = set(np.flatnonzero(window.index % stride == 0).tolist())
    keys |= {0, len(window.index) - 1}
    cuts = np.flatnonzero(np.diff(window.scene)).tolist()
    return keys | set(cuts) | {cut + 1 for cut in cuts}


def _disagreements(searched: dict[int, _Searched], scene: np.ndarray) -> set[int]:
    """Positions half-way between neighbouring searched frames that do not show the same faces at like places."""
    order = sorted(searched)
    wanted = set()
    for a, b in zip(order[:-1], order[1:], strict=True):
        if b - a < 2 or scene[a] != scene[b]:
            continue
        common, rows_a, rows_b = np.intersect1d(searched[a].track, searched[b].track, return_indices=True)
        same = len(common) == len(searched[a].track) == len(searched[b].track)
        near = overlap(searched[a].faces.box[rows_a], searched[b].faces.box[rows_b]) >= MIN_AGREEMENT
        if not same or not near.all():
            wanted.add((a + b) // 2)
    return wanted


def _interpolated(searched: dict[int, _Searched], scene: np.ndarray) -> tuple[np.ndarray, np.ndarray, Faces]:
    """Faces on the frames between searched frames that both show them.

    Returns:
        Position in the window, identity, and the interpolated faces, ``n`` rows each.
    """
    order = sorted(searched)
    positions, tracks, pieces = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)], [NO_FACES]
    for a, b in zip(order[:-1], order[1:], strict=True):
        if b - a < 2 or scene[a] != scene[b]:
            continue
        common, rows_a, rows_b = np.intersect1d(searched[a].track, searched[b].track, return_indices=True)
        start, end = searched[a].faces.take(rows_a), searched[b].faces.take(rows_b)
        for position in range(a + 1, b):
            positions.append(np.full(len(common), position))
            tracks.append(common)
            pieces.append(_mixed(start, end, (position - a) / (b - a)))
    return np.concatenate(positions), np.concatenate(tracks), _concatenated(pieces)


def _mixed(a: Faces, b: Faces, share: float) -> Faces:
    """Faces of `a` and `b`, row by row, `b` with weight `share`."""
    return Faces(
        a.box + share * (b.box - a.box),
        a.confidence + share * (b.confidence - a.confidence),
        a.landmarks + share * (b.landmarks - a.landmarks),
    )


def _corrected(expected: Faces, measured: Faces) -> Faces:
    """Measurements where they are believed, else what was expected, with the lower confidence."""
    believed = (measured.confidence >= MIN_MEASURED) & (overlap(expected.box, measured.box) >= MIN_AGREEMENT)
    return Faces(
        np.where(believed[:, None], measured.box, expected.box),
        np.where(believed, measured.confidence, np.minimum(expected.confidence, measured.confidence)),
        np.where(believed[:, None, None], measured.landmarks, expected.landmarks),
    )


def _concatenated(pieces: list[Faces]) -> Faces:
    return Faces(
        np.concatenate([piece.box for piece in pieces]),
        np.concatenate([piece.confidence for piece in pieces]),
        np.concatenate([piece.landmarks for piece in pieces]),
    )


def _tracks(rows: list[_Rows], times_s: np.ndarray, scale: np.ndarray) -> Iterator[FaceTrack]:
    """Tracks that are faces, in pixels of the full frame, in order of appearance."""
    if not rows:
        return
    frame = np.concatenate([part.frame for part in rows])
    track = np.concatenate([part.track for part in rows])
    searched = np.concatenate([part.searched for part in rows])
    faces = _concatenated([part.faces for part in rows])
    for identity in np.unique(track):
        mine = np.flatnonzero(track == identity)
        if faces.confidence[mine[searched[mine]]].max() < MIN_CONFIDENCE:
            continue
        mine = mine[np.argsort(frame[mine], kind="stable")]
        face = faces.take(mine)
        yield FaceTrack(
            frame[mine],
            times_s[frame[mine]],
            (face.box * np.tile(scale, 2)).astype(np.float32),
            (face.landmarks * scale).astype(np.float32),
            face.confidence.astype(np.float32),
        )
