"""The face tracker: faces searched on key frames, joined to tracks, and measured again on the frames in between.

A clip is worked through in windows of a fixed number of frames, so memory is bounded and the result does not depend on
the size of the chunks it arrives in. In each window:

1. every `stride`-th frame (and each side of a cut, and the last frame) is searched by MTCNN, in batches;
2. where two neighbouring searched frames disagree (a face comes, goes, or moves far), the frame half-way is searched
   too, until they agree or touch: a track loses no frame at its ends;
3. in between, boxes and landmarks are interpolated, and MTCNN's last stage measures the face there; a measurement
   that contradicts the interpolation is dropped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from feature_extractors.facetrack.associate import State, associate
from feature_extractors.facetrack.detect import NO_FACES, Detector, Faces, overlap
from feature_extractors.facetrack.geometry import FaceTrack, Geometry
from feature_extractors.facetrack.settings import TrackerSettings
from feature_extractors.facetrack.shrink import Shrinker, Shrunk
from feature_extractors.facetrack.windows import Window, windows

if TYPE_CHECKING:
    from mertools.store import SpaceSpec

MIN_AGREEMENT = 0.6
"""Overlap of a face in two neighbouring searched frames, below which the frame between them is searched too."""

MIN_MEASURED = 0.7
"""Confidence of a measurement between key frames that is believed; MTCNN's own threshold of its last stage."""

MIN_RECOVERED = 0.9
"""Confidence of a measurement that recovers a face where a search between two sightings did not find it."""

BOX_WEIGHT = 0.5
"""Share of a measurement's departure from the interpolation that moves the box; landmarks take all of it. Measured on
real clips: boxes agree with frame-by-frame detection best at one half, landmarks at one."""

MIN_CONFIDENCE = 0.95
"""A track none of whose searched frames reaches this confidence is not a face."""

MIN_FRAMES = 3
"""A track on fewer frames than this is not a face, unless the clip itself is shorter."""

_KEYS_PER_WINDOW = 16


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


@dataclass(frozen=True)
class _Gaps:
    """Faces between two sightings, one per row: where, which, and the same face when it was seen before and after.

    `missed` rows are of gaps in which a search did not find the face; only a measurement can vouch for them.
    """

    position: np.ndarray
    before: np.ndarray
    after: np.ndarray
    track: np.ndarray
    missed: np.ndarray
    start: Faces
    end: Faces

    @property
    def share(self) -> np.ndarray:
        """How far each row is from the frame before (0) to the frame after (1)."""
        return np.asarray((self.position - self.before) / (self.after - self.before))


class FaceTracker:
    """Finds all faces of clips.

    Args:
        device: where MTCNN runs, as torch names devices.
        stride: frames from one searched frame to the next.
        side: long side in pixels of the frames it works on; a face narrower than 20 pixels there is not seen.
        closer_side: long side at which `find` looks again at a clip without faces.
        measure: whether faces are measured between searched frames; otherwise they are interpolated only.

    Example:
        >>> tracker = FaceTracker()
        >>> tracker.shrink
        Shrinker(side=320)
    """

    def __init__(
        self, device: str = "cpu", stride: int = 8, side: int = 320, closer_side: int = 640, measure: bool = True
    ) -> None:
        self.stride = stride
        self.side = side
        self.closer_side = closer_side
        self.measure = measure
        self._detector = Detector(device)

    @property
    def shrink(self) -> Shrinker:
        """What to apply to the frames of a clip where it is decoded."""
        return Shrinker(self.side)

    def spec(self) -> SpaceSpec:
        """The space of its geometries in the store; the device is not part of it."""
        return TrackerSettings(self.stride, self.side, self.closer_side, self.measure).spec()

    def find(self, shrunk: Callable[[Shrinker], Iterable[Shrunk]]) -> Geometry:
        """Find the faces of one clip; where there are none, look again at larger frames, for small faces.

        Args:
            shrunk: gives the clip's frames with a shrinker applied, ``session.map_frames`` of a decoder's session; it
                is called a second time if the first look finds no face and larger frames are to be had.

        Returns:
            All faces; a clip without any has no rows.
        """
        geometry = self.track(shrunk(self.shrink))
        if len(geometry) or max(geometry.width, geometry.height) <= self.side or self.closer_side <= self.side:
            return geometry
        return self.track(shrunk(Shrinker(self.closer_side)))

    def track(self, chunks: Iterable[Shrunk]) -> Geometry:
        """Find the faces of one clip.

        Args:
            chunks: what `shrink` (or a `Shrinker` of another side) made of the clip's frames, in order.

        Returns:
            All faces; a clip without any has no rows.
        """
        times: list[np.ndarray] = []
        size = (0, 0, 1, 1)  # width, height, and both of the small frames
        state: State = State()
        edge: _Searched | None = None
        rows: list[_Rows] = []

        def noted() -> Iterator[Shrunk]:
            nonlocal size
            for chunk in chunks:
                times.append(chunk.times_s)
                size = (chunk.width, chunk.height, chunk.small.shape[2], chunk.small.shape[1])
                yield chunk

        for window in windows(noted(), self.stride * _KEYS_PER_WINDOW):
            state, searched = self._search(window, state, edge)
            rows += list(self._fill(window, searched, first=edge is None))
            edge = searched[max(searched)]
        clip_times = np.concatenate([np.zeros(0), *times])
        width, height, small_width, small_height = size
        scale = np.array([width / small_width, height / small_height])
        return Geometry.of_tracks(list(_tracks(rows, clip_times, scale)), clip_times, width, height)

    def _search(self, window: Window, state: State, edge: _Searched | None) -> tuple[State, dict[int, _Searched]]:
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

    def _fill(self, window: Window, searched: dict[int, _Searched], *, first: bool) -> Iterator[_Rows]:
        """Rows of a window's frames; its first frame only if no window before has given it."""
        for position, there in searched.items():
            if position or first:
                frame = np.full(len(there.track), window.index[position])
                yield _Rows(frame, there.track, there.faces, np.ones(len(frame), bool))
        gaps = _gaps(searched, window.scene)
        if len(gaps.track) == 0:
            return
        between = _mixed(gaps.start, gaps.end, gaps.share)
        if self.measure:
            between = self._corrected(window.small, gaps, between)
        recovered = between.confidence >= (MIN_RECOVERED if self.measure else np.inf)
        kept = np.flatnonzero(~gaps.missed | recovered)
        frame, track = window.index[gaps.position[kept]], gaps.track[kept]
        yield _Rows(frame, track, between.take(kept), np.zeros(len(kept), bool))

    def _corrected(self, small: np.ndarray, gaps: _Gaps, expected: Faces) -> Faces:
        """Interpolated faces moved by what the last stage measures.

        Given a box that is not from the stage before it, the last stage answers with an offset of its own. It measures
        both ends as well, and only what departs from the interpolation between these is added.
        """
        measured = self._detector.measure(small, gaps.position, expected.box)
        at_start, at_end = self._measured_at_ends(small, gaps)
        usual = _mixed(at_start, at_end, gaps.share)
        box = expected.box + BOX_WEIGHT * (measured.box - usual.box)
        landmarks = expected.landmarks + measured.landmarks - usual.landmarks
        believed = (measured.confidence >= MIN_MEASURED) & (overlap(expected.box, box) >= MIN_AGREEMENT)
        return Faces(
            np.where(believed[:, None], box, expected.box),
            np.minimum(expected.confidence, measured.confidence),
            np.where(believed[:, None, None], landmarks, expected.landmarks),
        )

    def _measured_at_ends(self, small: np.ndarray, gaps: _Gaps) -> tuple[Faces, Faces]:
        """The last stage's answers at both ends of each row's gap; a searched face is measured once for all rows."""
        ends = np.concatenate([np.stack([gaps.before, gaps.track], 1), np.stack([gaps.after, gaps.track], 1)])
        boxes = np.concatenate([gaps.start.box, gaps.end.box])
        unique, first, back = np.unique(ends, axis=0, return_index=True, return_inverse=True)
        measured = self._detector.measure(small, unique[:, 0], boxes[first]).take(back.reshape(-1))
        return measured.take(np.arange(len(gaps.track))), measured.take(np.arange(len(gaps.track), len(ends)))


def _key_positions(window: Window, stride: int) -> set[int]:
    """Positions of every `stride`-th frame of the clip, of the last frame, and of both sides of each cut."""
    keys = set(np.flatnonzero(window.index % stride == 0).tolist())
    keys |= {0, len(window.index) - 1}
    cuts = np.flatnonzero(np.diff(window.scene)).tolist()
    return keys | set(cuts) | {cut + 1 for cut in cuts}


def _disagreements(searched: dict[int, _Searched], scene: np.ndarray) -> set[int]:
    """Positions half-way between neighbouring searched frames that do not show the same faces at like places."""
    order = sorted(searched)
    wanted = set()
    for a, b in pairwise(order):
        if b - a < 2 or scene[a] != scene[b]:
            continue
        common, rows_a, rows_b = np.intersect1d(searched[a].track, searched[b].track, return_indices=True)
        same = len(common) == len(searched[a].track) == len(searched[b].track)
        near = overlap(searched[a].faces.box[rows_a], searched[b].faces.box[rows_b]) >= MIN_AGREEMENT
        if not same or not near.all():
            wanted.add((a + b) // 2)
    return wanted


def _gaps(searched: dict[int, _Searched], scene: np.ndarray) -> _Gaps:
    """Faces on the frames between two sightings of the same face in one shot."""
    seen: dict[int, list[tuple[int, int]]] = {}
    for position in sorted(searched):
        for row, track in enumerate(searched[position].track.tolist()):
            seen.setdefault(track, []).append((position, row))
    numbers, starts, ends = [np.zeros((0, 5), np.int64)], [NO_FACES], [NO_FACES]
    for track, sightings in seen.items():
        for (a, row_a), (b, row_b) in pairwise(sightings):
            if b - a < 2 or (scene[a : b + 1] != scene[a]).any():
                continue
            missed = any(position in searched for position in range(a + 1, b))
            numbers.append(np.array([(position, a, b, track, missed) for position in range(a + 1, b)]))
            starts.append(searched[a].faces.take([row_a] * (b - a - 1)))
            ends.append(searched[b].faces.take([row_b] * (b - a - 1)))
    position, before, after, track, missed = np.concatenate(numbers).T
    return _Gaps(position, before, after, track, missed.astype(bool), _concatenated(starts), _concatenated(ends))


def _mixed(a: Faces, b: Faces, share: np.ndarray) -> Faces:
    """Faces between those of `a` and `b`, row by row, `b` with weight `share`."""
    return Faces(
        a.box + share[:, None] * (b.box - a.box),
        a.confidence + share * (b.confidence - a.confidence),
        a.landmarks + share[:, None, None] * (b.landmarks - a.landmarks),
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
        best = faces.confidence[mine[searched[mine]]].max()
        if best < MIN_CONFIDENCE or len(mine) < min(MIN_FRAMES, len(times_s)):
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
