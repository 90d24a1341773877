"""Clips with a known face: the astronaut's photo (public domain) moved over a background."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import pytest

from feature_extractors.facetrack import FaceTracker, Geometry, Shrinker, Shrunk


@dataclass(frozen=True)
class Chunk:
    """Frames as a decoder's session hands them over."""

    pixels: np.ndarray
    times_s: np.ndarray
    index: np.ndarray


@dataclass(frozen=True)
class Clip:
    """All frames of a clip in memory."""

    frames: np.ndarray
    rate_hz: float = 25.0

    def chunks(self, size: int = 64) -> Iterator[Chunk]:
        for start in range(0, len(self.frames), size):
            index = np.arange(start, min(start + size, len(self.frames)))
            yield Chunk(self.frames[start : start + size], index / self.rate_hz, index)

    def shrunk(self, shrink: Shrinker, size: int = 64) -> Iterator[Shrunk]:
        return (shrink(chunk) for chunk in self.chunks(size))


@pytest.fixture(scope="session")
def portrait() -> np.ndarray:
    """Head and shoulders, (180, 160, 3)."""
    from skimage.data import astronaut

    return np.ascontiguousarray(astronaut()[20:200, 140:300])


@pytest.fixture(scope="session")
def tracker() -> FaceTracker:
    return FaceTracker()


@pytest.fixture(scope="session")
def find(tracker: FaceTracker) -> Callable[[Clip], Geometry]:
    return lambda clip: tracker.find(clip.shrunk)


Place = tuple[float, float] | None


@pytest.fixture(scope="session")
def paint(portrait: np.ndarray) -> Callable[..., Clip]:
    """Make a clip: per portrait, where its left upper corner is in every frame (None: absent)."""

    def make(*paths: Sequence[Place], width: int = 400, height: int = 240, scale: float = 1.0) -> Clip:
        noise = np.random.default_rng(0).integers(90, 130, (height // 8 + 1, width // 8 + 1, 3), np.uint8)
        background = cv2.resize(noise, (width, height), interpolation=cv2.INTER_LINEAR)
        frames = np.repeat(background[None], len(paths[0]), axis=0)
        for number, path in enumerate(paths):
            # Every second face is mirrored and of another colour, so that two faces can be told apart.
            image = portrait if number % 2 == 0 else np.ascontiguousarray(portrait[:, ::-1, ::-1])
            for frame, place in zip(frames, path, strict=True):
                if place is not None:
                    matrix = np.array([[scale, 0, place[0]], [0, scale, place[1]]])
                    cv2.warpAffine(image, matrix, (width, height), dst=frame, borderMode=cv2.BORDER_TRANSPARENT)
        return Clip(frames)

    return make


@pytest.fixture(scope="session")
def face_box(portrait: np.ndarray) -> np.ndarray:
    """The face in the portrait as facenet-pytorch finds it in the still at full size: x1, y1, x2, y2."""
    from facenet_pytorch import MTCNN

    boxes, probabilities = MTCNN(keep_all=True).detect(np.pad(portrait, ((40, 40), (40, 40), (0, 0))))
    assert probabilities[0] > 0.99
    return np.asarray(boxes[0], np.float64) - 40


@pytest.fixture(scope="session")
def chunk_of() -> Callable[..., Chunk]:
    """Frames ``start:stop`` of an array as a chunk of a clip with 25 frames per second."""

    def make(frames: np.ndarray, start: int = 0, stop: int | None = None) -> Chunk:
        index = np.arange(len(frames))[start:stop]
        return Chunk(frames[start:stop], index / 25, index)

    return make
