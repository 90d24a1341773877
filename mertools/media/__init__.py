"""Media: probe, frames, sound; in this process, or in child processes that may hang or crash without harm."""

from mertools.media.audio import Audio, is_silent, read_audio
from mertools.media.digest import media_digest
from mertools.media.frames import Frames, iter_frames, read_frames
from mertools.media.pool import DecoderPool, Session
from mertools.media.probe import AudioStream, MediaInfo, VideoStream, probe
from mertools.media.source import MediaSource

__all__ = [
    "Audio",
    "AudioStream",
    "DecoderPool",
    "Frames",
    "MediaInfo",
    "MediaSource",
    "Session",
    "VideoStream",
    "is_silent",
    "iter_frames",
    "media_digest",
    "probe",
    "read_audio",
    "read_frames",
]
