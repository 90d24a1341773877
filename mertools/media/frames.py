"""Frames of a clip: RGB, upright, with their times; native or on a regular grid; in chunks of bounded size."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mertools.errors import MediaError
from mertools.media.damage import DecodeLog, decode_packets
from mertools.media.opening import is_still, open_media, origin_s, show, video_stream
from mertools.media.orientation import Orientation, exif_orientation, frame_orientation
from mertools.media.probe import stream_duration_s
from mertools.status import Status

CHUNK_BYTES = 64 << 20
"""A chunk of frames holds no more than this (but always one frame)."""

TOLERANCE_S = 1e-3
"""Containers round timestamps to a millisecond; comparisons with a grid or a boundary allow for it."""


@dataclass(frozen=True)
class Frames:
    """Consecutive frames of one clip.

    Attributes:
        pixels: ``(T, H, W, 3)`` uint8, RGB, upright, native size.
        times_s: ``(T,)`` float64, seconds from the beginning of the clip; grid times if an fps was asked for.
        index: ``(T,)`` int64, position in the sequence that was asked for, from 0.
    """

    pixels: np.ndarray
    times_s: np.ndarray
    index: np.ndarray

    def __len__(self) -> int:
        """Number of frames."""
        return len(self.times_s)


@dataclass(frozen=True)
class _Picture:
    """One decoded frame; its pixels are converted only if it is kept."""

    time_s: float
    end_s: float
    rgb: Callable[[], np.ndarray]


def iter_frames(
    path: Path,
    *,
    fps: float | None = None,
    start_s: float | None = None,
    end_s: float | None = None,
    chunk: int = 64,
) -> Iterator[Frames]:
    """Decode the frames of a clip, in this process.

    Times are presentation times, so a variable frame rate is honoured. With `fps`, point ``k / fps`` of a regular
    grid gets the last frame that was on show then: frames repeat or drop out as needed.

    Args:
        path: video file or still image (one frame at time 0).
        fps: frames per second of the grid; None keeps every frame.
        start_s: beginning of the clip in the file, seconds.
        end_s: end of the clip in the file, seconds; a frame at that time no longer belongs to it.
        chunk: the most frames to hand out at once; fewer if they exceed `CHUNK_BYTES`.

    Raises:
        MediaError: status missing, no_video_stream, or decode_error.
        ValueError: if `fps` or `chunk` is not positive.
    """
    if chunk < 1 or (fps is not None and not fps > 0):
        raise ValueError(f"chunk and fps must be positive, not {chunk} and {fps}")
    pictures = _clip_pictures(Path(path), start_s or 0.0, end_s, lead=fps is not None)
    kept = pictures if fps is None else _on_grid(pictures, fps)
    return _chunks(kept, chunk)


def read_frames(
    path: Path, *, fps: float | None = None, start_s: float | None = None, end_s: float | None = None
) -> Frames:
    """All frames of a clip at once; see `iter_frames`."""
    parts = list(iter_frames(path, fps=fps, start_s=start_s, end_s=end_s))
    return join(parts)


def join(parts: list[Frames]) -> Frames:
    """Chunks of one clip, in order, as one."""
    return Frames(*(np.concatenate([getattr(p, name) for p in parts]) for name in ("pixels", "times_s", "index")))


def _clip_pictures(path: Path, start_s: float, end_s: float | None, *, lead: bool) -> Iterator[_Picture]:
    """Pictures of the clip with times from its beginning; with `lead` also the one on show as it begins."""
    before: _Picture | None = None
    n = 0
    last_s = 0.0
    for picture in _file_pictures(path, start_s):
        last_s = picture.end_s
        if end_s is not None and picture.time_s >= end_s - TOLERANCE_S:
            break
        moved = _Picture(picture.time_s - start_s, picture.end_s - start_s, picture.rgb)
        if moved.time_s < -TOLERANCE_S:
            before = moved
            continue
        if lead and before is not None and before.end_s > TOLERANCE_S:
            n += 1
            yield before
        before = None
        n += 1
        yield _Picture(max(moved.time_s, 0.0), moved.end_s, moved.rgb)
    if lead and before is not None and before.end_s > TOLERANCE_S:
        n += 1
        yield before
    if not n:
        stop = "its end" if end_s is None else f"{end_s:g} s"
        raise MediaError(
            "MER-M008",
            f"{show(path)} has no frame between {start_s:g} s and {stop}; its picture ends at {last_s:.3f} s.",
            "Check start and end of the clip.",
        )


def _file_pictures(path: Path, start_s: float) -> Iterator[_Picture]:
    """Pictures of a file with times from its beginning; those before the key frame that precedes `start_s` may lack."""
    with open_media(path) as container:
        stream = video_stream(container)
        if stream is None:
            raise MediaError(
                "MER-M004",
                f"{show(path)} has no video stream.",
                "Expected a video or an image.",
                Status.NO_VIDEO_STREAM,
            )
        if is_still(container):
            yield from (_Picture(start_s, start_s, p.rgb) for p in _decoded(container, stream, path, whole=False))
            return
        if start_s <= 0:
            yield from _decoded(container, stream, path, whole=True)
            return
        if _seek(container, stream, start_s):
            found = _decoded(container, stream, path, whole=False)
            first = _first(found)
            if first is not None and first.time_s <= start_s + TOLERANCE_S:
                yield first
                yield from found
                return
    # The file has no usable index, or it led past the beginning (MPEG program streams): decode from the top.
    with open_media(path) as container:
        yield from _decoded(container, video_stream(container), path, whole=True)


def _first(pictures: Iterator[_Picture]) -> _Picture | None:
    try:
        return next(pictures)
    except MediaError:
        return None


def _seek(container: Any, stream: Any, start_s: float) -> bool:
    import av

    target = int((start_s + origin_s(container)) / stream.time_base)
    try:
        container.seek(target, backward=True, stream=stream)
    except av.error.FFmpegError as error:
        if isinstance(error, MemoryError):
            raise
        return False
    return True


def _decoded(container: Any, stream: Any, path: Path, *, whole: bool) -> Iterator[_Picture]:
    """Decode a stream, skipping damaged packets; with `whole`, too much damage is an error."""
    context = stream.codec_context
    context.thread_count = 1  # several clips are decoded side by side; and damage looks the same on every machine
    origin = origin_s(container)
    tick = float(stream.time_base or 0)
    usual = 1 / float(stream.average_rate) if stream.average_rate else 0.04
    log = DecodeLog()
    next_s = 0.0
    size: tuple[int, int] | None = None
    exif = exif_orientation(path) if is_still(container) else None
    n = 0
    for frame in decode_packets(container, stream, log):
        size = size or (frame.width, frame.height)
        stamp = frame.pts if frame.pts is not None else frame.dts
        time_s = next_s if stamp is None else max(stamp * tick - origin, next_s - usual)
        next_s = time_s + (frame.duration * tick if frame.duration else usual)
        n += 1
        yield _Picture(time_s, next_s, _converter(frame, size, exif or frame_orientation(frame)))
    if not n:
        raise MediaError("MER-M006", f"no frame of {show(path)} can be decoded{log.why()}.", "Copy it again.")
    if whole:
        log.check(path, "picture", next_s, stream_duration_s(stream))


def _converter(frame: Any, size: tuple[int, int], turn: Orientation) -> Callable[[], np.ndarray]:
    return lambda: turn.applied(frame.to_ndarray(format="rgb24", width=size[0], height=size[1], threads=1))


def _on_grid(pictures: Iterator[_Picture], fps: float) -> Iterator[_Picture]:
    """The picture on show at each point ``k / fps``; points before the first picture are left out."""
    k = 0
    shown: _Picture | None = None
    for picture in pictures:
        if shown is None:
            k = max(0, math.ceil((picture.time_s - TOLERANCE_S) * fps))
        while shown is not None and k / fps < picture.time_s - TOLERANCE_S:
            yield _Picture(k / fps, (k + 1) / fps, shown.rgb)
            k += 1
        shown = picture
    if shown is None:
        return
    first = True
    # A picture without duration (still image) is on show at one point.
    while k / fps < shown.end_s - TOLERANCE_S or (first and k / fps <= shown.time_s + TOLERANCE_S):
        yield _Picture(k / fps, (k + 1) / fps, shown.rgb)
        k += 1
        first = False


def _chunks(pictures: Iterator[_Picture], chunk: int) -> Iterator[Frames]:
    """Gather pictures into arrays of at most `chunk` frames and `CHUNK_BYTES`."""
    index = 0
    times: list[float] = []
    pixels: np.ndarray | None = None
    for picture in pictures:
        rgb = picture.rgb()
        if pixels is None:
            pixels = np.empty((max(1, min(chunk, CHUNK_BYTES // rgb.nbytes)), *rgb.shape), np.uint8)
        pixels[len(times)] = rgb
        times.append(picture.time_s)
        if len(times) == len(pixels):
            yield Frames(pixels, np.array(times), np.arange(index, index + len(times)))
            index, times, pixels = index + len(times), [], None
    if pixels is not None:
        yield Frames(pixels[: len(times)].copy(), np.array(times), np.arange(index, index + len(times)))
