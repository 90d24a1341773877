"""Open a media file so that nothing but this regular file is read: no network, no playlist, no second file."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from mertools.errors import MediaError
from mertools.status import Status

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.stream import Stream

# Demuxers that read one self-contained file. Left out on purpose: concat, hls, dash, image2, sdp, rtsp, lavfi and all
# others that open further files, addresses or devices.
STILL_DEMUXERS = tuple(
    f"{kind}_pipe" for kind in ("png", "jpeg", "bmp", "tiff", "webp", "ppm", "pgm", "pgmyuv", "pbm", "pam", "jpegxl")
)
VIDEO_DEMUXERS = (
    *("mov", "mp4", "m4a", "3gp", "3g2", "mj2", "matroska", "webm", "avi", "flv", "asf", "rm", "mxf", "wtv", "nut"),
    *("mpeg", "mpegts", "mpegvideo", "m4v", "h263", "h264", "hevc", "vc1", "av1", "obu", "ivf", "dv", "ogg"),
    *("mjpeg", "gif", "apng", "webp"),
)
AUDIO_DEMUXERS = (
    *("wav", "w64", "aiff", "au", "caf", "voc", "flac", "wv", "ape", "tta", "tak"),
    *("mp3", "aac", "ac3", "eac3", "dts", "amr", "amrnb", "amrwb", "gsm"),
)
DEMUXERS = (*STILL_DEMUXERS, *VIDEO_DEMUXERS, *AUDIO_DEMUXERS)
_ABSENT = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG)


def open_regular(path: Path) -> BinaryIO:
    """Open `path` for reading if it is a regular file; never blocks on a FIFO or a device.

    Raises:
        MediaError: MER-M001 (status missing) if there is no such file; MER-M002 (decode_error) if it is no regular
            file or may not be read.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0))
    except (OSError, ValueError) as error:
        if isinstance(error, ValueError) or error.errno in _ABSENT:
            raise MediaError(
                "MER-M001", f"{show(path)} does not exist.", "Check the path and the media root.", Status.MISSING
            ) from None
        raise MediaError(
            "MER-M002", f"{show(path)} cannot be read: {error.strerror}.", "Check its permissions."
        ) from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise MediaError("MER-M002", f"{show(path)} is not a regular file.", "Expected a media file.")
    return os.fdopen(descriptor, "rb", buffering=0)


@contextmanager
def open_media(path: Path) -> Iterator[InputContainer]:
    """Open a media file by its content; the name's extension does not matter.

    Raises:
        MediaError: see `open_regular`; MER-M003 (decode_error) if the content is no known media.
    """
    import av

    with open_regular(path) as file:
        if os.fstat(file.fileno()).st_size == 0:
            raise MediaError("MER-M003", f"{show(path)} is empty (0 bytes).", "Copy it again.")
        try:
            container = av.open(
                file,
                "r",
                metadata_errors="replace",
                buffer_size=1 << 17,
                container_options={"format_whitelist": ",".join(DEMUXERS), "protocol_whitelist": "file"},
            )
        except (av.error.FFmpegError, ValueError) as error:
            if isinstance(error, MemoryError):
                raise
            raise MediaError(
                "MER-M003", f"{show(path)} is not a readable media file ({reason(error)}).", "Copy it again."
            ) from None
        with container:
            yield container


def video_stream(container: InputContainer) -> Stream | None:
    """The stream that shows the clip: not cover art, the default one if several."""
    from av.stream import Disposition

    still = Disposition.attached_pic | Disposition.timed_thumbnails
    streams = [s for s in container.streams.video if not s.disposition & still and s.codec_context is not None]
    return min(streams, key=lambda s: (not s.disposition & Disposition.default, s.index), default=None)


def audio_stream(container: InputContainer) -> Stream | None:
    """The stream to listen to: the default one if several."""
    from av.stream import Disposition

    streams = [s for s in container.streams.audio if s.codec_context is not None]
    return min(streams, key=lambda s: (not s.disposition & Disposition.default, s.index), default=None)


def is_still(container: InputContainer) -> bool:
    """Whether the file is a still image."""
    return container.format.name in STILL_DEMUXERS


def origin_s(container: InputContainer) -> float:
    """The timestamp, in seconds, that counts as the beginning of the file: the earliest of its streams."""
    return 0.0 if container.start_time is None else container.start_time / 1_000_000


def reason(error: BaseException) -> str:
    """An FFmpeg error in few words, without numbers and addresses."""
    return str(getattr(error, "strerror", None) or error or type(error).__name__)


def show(path: Path) -> str:
    """A path for messages, also where its bytes are not UTF-8."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")
