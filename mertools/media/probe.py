"""What a media file says about itself, from its header."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mertools.media.opening import audio_stream, is_still, open_media, video_stream


@dataclass(frozen=True)
class VideoStream:
    """The moving picture of a file.

    Attributes:
        codec: FFmpeg's name of the codec.
        width: stored width in pixels, before any rotation.
        height: stored height in pixels, before any rotation.
        fps: average frames per second; 0 if the header does not say.
        n_frames: number of frames by the header; 0 if it does not say. Decoding may find fewer.
        duration_s: seconds by the header; None if it does not say.
        still: whether the file is a still image (one frame at time 0).
    """

    codec: str
    width: int
    height: int
    fps: float = 0.0
    n_frames: int = 0
    duration_s: float | None = None
    still: bool = False


@dataclass(frozen=True)
class AudioStream:
    """The sound of a file: codec, samples per second and channels as stored, seconds by the header (or None)."""

    codec: str
    rate_hz: int
    channels: int
    duration_s: float | None = None


@dataclass(frozen=True)
class MediaInfo:
    """What a file holds.

    Attributes:
        duration_s: seconds, by the header; None if it does not say, and for still images.
        video: the moving picture; None if there is none. Cover art does not count, a still image does.
        audio: the sound; None if there is none.
    """

    duration_s: float | None
    video: VideoStream | None
    audio: AudioStream | None


def probe(path: Path) -> MediaInfo:
    """Read the header of a media file, in this process.

    Raises:
        MediaError: if it is missing (status missing), not a regular file or not media (status decode_error).
    """
    with open_media(Path(path)) as container:
        still = is_still(container)
        picture, sound = video_stream(container), audio_stream(container)
        video = None if picture is None else _video(picture, still)
        audio = None if sound is None else _audio(sound)
        lengths = [s.duration_s for s in (video, audio) if s is not None and s.duration_s is not None]
        duration = container.duration / 1_000_000 if container.duration else max(lengths, default=None)
        return MediaInfo(None if still else duration, video, audio)


def _video(stream: Any, still: bool) -> VideoStream:
    if still:
        return VideoStream(
            stream.codec_context.name, stream.codec_context.width, stream.codec_context.height, 0.0, 1, None, True
        )
    return VideoStream(
        codec=stream.codec_context.name,
        width=stream.codec_context.width,
        height=stream.codec_context.height,
        fps=float(stream.average_rate or 0),
        n_frames=stream.frames,
        duration_s=stream_duration_s(stream),
    )


def _audio(stream: Any) -> AudioStream:
    context = stream.codec_context
    return AudioStream(context.name, context.sample_rate, context.layout.nb_channels, stream_duration_s(stream))


def stream_duration_s(stream: Any) -> float | None:
    """Seconds that a stream lasts by its header; None if it does not say."""
    if not stream.duration or not stream.time_base:
        return None
    return float(stream.duration * stream.time_base)
