"""Where the media of one clip lie."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class MediaSource:
    """The media of one clip.

    Attributes:
        video: video file or still image; None if the clip has none.
        audio: file with its sound; None means the sound of `video`.
        start_s: beginning of the clip in its media, seconds; None = at the beginning.
        end_s: end of the clip in its media, seconds; None = at the end.
    """

    video: Path | None = None
    audio: Path | None = None
    start_s: float | None = None
    end_s: float | None = None
