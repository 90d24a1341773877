"""Writing media: H.264 and AAC in MP4, 16-bit WAV, PNG; streamed, so that no clip is held whole.

Encoding and muxing are apart: frames may be encoded in a decoder process (`VideoEncoder` gives out every frame at once,
as bytes that travel well), and be muxed where the sound is (`write_movie`).
"""

from __future__ import annotations

import heapq
import wave
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from mertools.errors import MediaError
from mertools.media.opening import open_media, origin_s, reason, show, video_stream

CLOCK_HZ = 90_000
"""Frames are stamped in ticks of this clock, so that a variable frame rate survives."""

QUALITY = {
    "crf": "15",
    "preset": "superfast",
    "tune": "zerolatency",
    "x264-params": "threads=1:mbtree=0",
}
"""Settings of x264. With them the encoder itself does not blur: of three real clips (360 x 288 to 720 x 1280) it keeps
99 to 105 % of the energy of the luma's Laplacian, at a PSNR of 48.7 to 50.8 dB. The preset ``veryfast`` saves a third
of the bytes at that PSNR and takes one and a half times as long. ``zerolatency`` gives each frame out at once. One
thread and no macroblock tree: the same frames give the same bytes, and several clips are encoded side by side."""

COPYABLE = ("h264", "hevc", "mpeg4", "av1", "vp9")
"""Video codecs that players expect in MP4."""

_SOUND_BITS_PER_S = 64_000
_BT601, _STUDIO_RANGE = 6, 1  # what swscale makes of RGB; untagged HD video would be shown with the matrix of BT.709


@dataclass(frozen=True)
class Sound:
    """Sound to be written.

    Attributes:
        samples: ``(N,)`` int16, mono.
        rate_hz: samples per second.
    """

    samples: np.ndarray
    rate_hz: int = 16_000


@dataclass(frozen=True)
class EncodedFrame:
    """One frame as H.264: its bytes, its time in ticks of `CLOCK_HZ`, whether it stands alone."""

    data: bytes
    ticks: int
    key: bool


class VideoEncoder:
    """H.264, one frame in, one frame out.

    Args:
        width: pixels, even.
        height: pixels, even.
        fps: usual frames per second; the times given with the frames hold.

    Raises:
        MediaError: MER-M200 if the encoder does not take pictures of this size.
    """

    def __init__(self, width: int, height: int, fps: float = 25.0) -> None:
        import av

        context: Any = av.CodecContext.create("libx264", "w")
        context.width, context.height, context.pix_fmt = width, height, "yuv420p"
        context.time_base = Fraction(1, CLOCK_HZ)
        context.framerate = Fraction(min(max(fps, 1.0), 240.0)).limit_denominator(1001)
        context.colorspace, context.color_range = _BT601, _STUDIO_RANGE
        context.options = dict(QUALITY)
        try:
            context.open()
        except (av.error.FFmpegError, ValueError) as error:
            raise MediaError(
                "MER-M200", f"pictures of {width} x {height} cannot be encoded ({reason(error)}).", "Scale the clip."
            ) from None
        self.size = (width, height)
        self._context = context
        self._last = -1

    def encode(self, pixels: np.ndarray, time_s: float) -> EncodedFrame:
        """Encode one frame.

        Args:
            pixels: ``(H, W, 3)`` uint8, RGB.
            time_s: when it is shown; never before the frame encoded last (equal times are moved by one tick).
        """
        import av

        frame: Any = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
        frame = frame.reformat(format="yuv420p", threads=1)
        self._last = max(round(time_s * CLOCK_HZ), self._last + 1)
        frame.pts, frame.time_base = self._last, Fraction(1, CLOCK_HZ)
        (packet,) = self._context.encode(frame)
        return EncodedFrame(bytes(packet), packet.pts, packet.is_keyframe)


def write_movie(
    file: BinaryIO, frames: Iterable[EncodedFrame], size: tuple[int, int], sound: Sound | None = None
) -> None:
    """Mux encoded frames and sound (encoded here as AAC) into MP4; frames are drawn as they are needed.

    Args:
        file: binary and seekable.
        frames: from one `VideoEncoder`, in order.
        size: width and height in pixels.
        sound: begins with the first frame's clip, at time 0; None = a silent film.

    Raises:
        MediaError: MER-M201 if the muxer refuses.
        OSError: if `file` cannot be written.
    """
    with _output(file) as container:
        picture = container.add_mux_stream(
            "h264", rate=Fraction(25), width=size[0], height=size[1], time_base=Fraction(1, CLOCK_HZ)
        )
        _mux(container, _frame_packets(frames, picture), sound)


def copy_movie(file: BinaryIO, source: Path, sound: Sound | None = None) -> None:
    """Mux the picture of `source`, as it is encoded there, with other sound into MP4.

    What comes out should be looked at: containers can ask for things (edits, say) that a copied stream does not carry.

    Args:
        file: binary and seekable.
        source: a video file whose codec is in `COPYABLE`.
        sound: begins where `source` begins; None = a silent film.

    Raises:
        MediaError: if `source` cannot be read; MER-M201 if its stream cannot be put into MP4.
        OSError: if `file` cannot be written.
    """
    with open_media(source) as original:
        template = video_stream(original)
        if template is None:
            raise MediaError("MER-M201", f"{show(source)} has no video stream to copy.", "", "no_video_stream")
        with _output(file) as container:
            stream = container.add_stream_from_template(template, opaque=True)
            _mux(container, _copied_packets(original, template, stream), sound)


def write_wav(file: BinaryIO, sound: Sound) -> None:
    """Write 16-bit PCM WAV; the samples come back as they are."""
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(sound.rate_hz)
        out.writeframes(np.ascontiguousarray(sound.samples, "<i2").tobytes())


def write_png(file: BinaryIO, pixels: np.ndarray) -> None:
    """Write a picture ``(H, W, 3)`` uint8, RGB, without loss."""
    from PIL import Image

    Image.fromarray(np.ascontiguousarray(pixels)).save(file, format="PNG")


@contextmanager
def _output(file: BinaryIO) -> Iterator[Any]:
    """An MP4 container on an open file; FFmpeg's complaints become `MediaError`, those of the file pass through."""
    import av

    target = _Target(file)
    try:
        with av.open(target, "w", format="mp4") as container:
            yield container
    except av.error.FFmpegError as error:
        if target.error is not None:
            raise target.error from None
        if isinstance(error, MemoryError):
            raise
        raise MediaError(
            "MER-M201", f"the clip cannot be written as MP4 ({reason(error)}).", "Convert it to H.264 first."
        ) from error


class _Target:
    """An open file that remembers why it could not be written; FFmpeg does not always pass that on."""

    def __init__(self, file: BinaryIO) -> None:
        self.error: OSError | None = None
        self.seek, self.tell = file.seek, file.tell
        self._write = file.write

    def write(self, content: bytes) -> int:
        """Write."""
        try:
            return self._write(content)
        except OSError as error:
            self.error = self.error or error
            raise


def _mux(container: Any, picture: Iterator[tuple[float, Any]], sound: Sound | None) -> None:
    """Mux packets by time."""
    streams = [picture]
    if sound is not None and len(sound.samples):
        streams.append(_sound_packets(container, sound))
    for _, packet in heapq.merge(*streams, key=lambda timed: timed[0]):
        container.mux(packet)


def _frame_packets(frames: Iterable[EncodedFrame], stream: Any) -> Iterator[tuple[float, Any]]:
    """Packets with their times; a frame lasts until the next one, the last one as long as the one before."""
    import av

    def packet(frame: EncodedFrame, duration: int) -> tuple[float, Any]:
        made = av.Packet(frame.data)
        made.pts = made.dts = frame.ticks
        made.duration, made.is_keyframe = duration, frame.key
        made.time_base, made.stream = Fraction(1, CLOCK_HZ), stream
        return frame.ticks / CLOCK_HZ, made

    waiting: EncodedFrame | None = None
    duration = CLOCK_HZ // 25
    for frame in frames:
        if waiting is not None:
            duration = frame.ticks - waiting.ticks
            yield packet(waiting, duration)
        waiting = frame
    if waiting is not None:
        yield packet(waiting, duration)


def _copied_packets(original: Any, template: Any, stream: Any) -> Iterator[tuple[float, Any]]:
    """Packets of a stream with times from the beginning of its file."""
    shift = round(origin_s(original) / template.time_base)
    for packet in original.demux(template):
        if packet.dts is None:
            continue
        packet.dts -= shift
        if packet.pts is not None:
            packet.pts -= shift
        time_s = float(packet.dts * packet.time_base)
        packet.stream = stream
        yield time_s, packet


def _sound_packets(container: Any, sound: Sound) -> Iterator[tuple[float, Any]]:
    """AAC packets with their times. The stream is added at once, before anything is muxed."""
    stream = container.add_stream("aac", rate=sound.rate_hz, layout="mono")
    stream.bit_rate = _SOUND_BITS_PER_S
    return _encoded_sound(stream, sound)


def _encoded_sound(stream: Any, sound: Sound) -> Iterator[tuple[float, Any]]:
    import av

    block = 1 << 16
    for start in range(0, len(sound.samples), block):
        piece = sound.samples[start : start + block].astype(np.float32) / 32768.0
        frame: Any = av.AudioFrame.from_ndarray(piece[None], format="fltp", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = sound.rate_hz, start, Fraction(1, sound.rate_hz)
        for packet in stream.encode(frame):
            yield float(packet.dts * packet.time_base), packet
    for packet in stream.encode(None):
        yield float(packet.dts * packet.time_base), packet
