"""The closed list of statuses a clip can end with, per space (DESIGN §5)."""

from enum import StrEnum


class Status(StrEnum):
    """How the extraction of one clip into one space ended. Everything but `OK` carries a reason and no values."""

    OK = "ok"
    MISSING = "missing"
    NO_VIDEO_STREAM = "no_video_stream"
    NO_AUDIO_STREAM = "no_audio_stream"
    NO_FACE = "no_face"
    AMBIGUOUS_SPEAKER = "ambiguous_speaker"
    NO_TEXT = "no_text"
    SILENT = "silent"
    TOO_SHORT = "too_short"
    DECODE_ERROR = "decode_error"
    TIMEOUT = "timeout"
    CRASH = "crash"
    OOM = "oom"


SILENCE_RMS = 1e-3
"""A signal in [-1, 1] whose root mean square lies below this is silent."""
