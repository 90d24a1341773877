"""The picture of a clip, blurred and encoded where it is decoded: in a decoder process that may hang or crash."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

from mertools.corruption.blurring import blurred, fitted, output_size
from mertools.media import Frames, probe
from mertools.media.writing import COPYABLE, EncodedFrame, VideoEncoder


@dataclass(frozen=True)
class PicturePart:
    """What became of one chunk of frames.

    Attributes:
        kind: ``encoded``; ``still`` for an image; ``as_is`` for a stream that can be copied.
        size: width and height of what came out.
        frames: the encoded frames.
        pixels: the image.
        look: what was seen, for comparison with a copy.
    """

    kind: Literal["encoded", "still", "as_is"]
    size: tuple[int, int]
    frames: tuple[EncodedFrame, ...] = ()
    pixels: np.ndarray | None = None
    look: Look | None = None


@dataclass(frozen=True)
class Look:
    """A chunk of frames as it looks: times in seconds, checksum of the pixels."""

    times_s: tuple[float, ...]
    checksum: int

    def agrees(self, other: Look | None, tolerance_s: float = 1e-3) -> bool:
        """Whether the pixels are the same and the times nearly."""
        return (
            other is not None
            and self.checksum == other.checksum
            and len(self.times_s) == len(other.times_s)
            and all(abs(a - b) <= tolerance_s for a, b in zip(self.times_s, other.times_s, strict=True))
        )


def look(part: Frames) -> Look:
    """Look at a chunk of frames."""
    return Look(tuple(part.times_s.tolist()), zlib.crc32(np.ascontiguousarray(part.pixels).data))


@dataclass
class PictureWork:
    """Called with one chunk of frames after the other, in a decoder process; holds the encoder between them.

    Args:
        path: where the frames come from.
        factor: blur factor.
        grown: see `output_size`.
        may_copy: whether the stream may stay as it is where nothing is to be changed.
    """

    path: Path
    factor: int
    grown: bool
    may_copy: bool
    _kind: Literal["encoded", "still", "as_is"] | None = field(default=None, init=False)
    _encoder: VideoEncoder | None = field(default=None, init=False)

    def __call__(self, part: Frames) -> PicturePart:
        """Work on the next chunk.

        Raises:
            MediaError: if the encoder refuses.
        """
        import cv2

        if self._kind is None:
            cv2.setNumThreads(1)  # clips are worked on side by side
            self._kind = self._decide()
        height, width = part.pixels.shape[1:3]
        if self._kind == "as_is":
            return PicturePart("as_is", (width, height), look=look(part))
        still = self._kind == "still"
        size = output_size(height, width, self.factor, grown=self.grown, even=not still)
        pictures = (fitted(blurred(pixels, self.factor), size) for pixels in part.pixels)
        if still:
            return PicturePart("still", size[::-1], pixels=next(pictures))
        if self._encoder is None:
            self._encoder = VideoEncoder(size[1], size[0], _usual_fps(part.times_s))
        frames = tuple(map(self._encoder.encode, pictures, part.times_s.tolist()))
        return PicturePart("encoded", self._encoder.size, frames)

    def _decide(self) -> Literal["encoded", "still", "as_is"]:
        video = probe(self.path).video
        if video is not None and video.still:
            return "still"
        return "as_is" if self.may_copy and video is not None and video.codec in COPYABLE else "encoded"


def _usual_fps(times_s: np.ndarray) -> float:
    span_s = float(times_s[-1] - times_s[0]) if len(times_s) else 0.0
    return (len(times_s) - 1) / span_s if span_s > 0 else 25.0
