"""The signature of a clip: digest of its media, code of its picture, code of its sound."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mertools.corpus import Clip
from mertools.errors import MediaError
from mertools.leaks.bits import Code
from mertools.leaks.picture import block_means, picture_code
from mertools.leaks.sound import sound_code
from mertools.media import DecoderPool, MediaSource
from mertools.status import Status

REVISION = 1
"""Raised whenever equal media get another signature."""

_LACKS = {Status.NO_VIDEO_STREAM, Status.NO_AUDIO_STREAM}


@dataclass(frozen=True, eq=False)
class Signature:
    """What is compared of a clip.

    Attributes:
        key: digest of the media and the part of them that the clip is; the key of the cache. Equal keys mean equal
            clips, byte by byte. Empty if no file can be read.
        picture: code of its moving picture; None if it has none or nothing moves.
        sound: code of its sound; None if it has none or is silent.
        problems: what could not be decoded, one line each; a clip that merely lacks a modality has none.
    """

    key: str
    picture: Code | None = None
    sound: Code | None = None
    problems: tuple[str, ...] = ()

    @property
    def reason(self) -> str:
        """Why there is nothing to compare, or little."""
        if self.problems:
            return "; ".join(self.problems)
        seen = "no moving picture" if self.picture is None else "too little moves in its picture"
        heard = "no sound" if self.sound is None else "too little sound"
        return f"{seen}, and {heard}"


def clip_key(clip: Clip, digest: Callable[[Path], str]) -> str:
    """The key of a clip's signature.

    Args:
        clip: the clip.
        digest: gives the digest of a file.

    Raises:
        MediaError: if a file of the clip is missing or may not be read.
    """
    parts = [str(REVISION), clip.cells.get("start", ""), clip.cells.get("end", "")]
    parts += [f"{role}={digest(path)}" for role, path in (("v", clip.video), ("a", clip.audio)) if path is not None]
    return hashlib.blake2b("|".join(parts).encode(), digest_size=16).hexdigest()


def sign(pool: DecoderPool, clip: Clip, key: str) -> Signature:
    """Decode a clip in a child process and code it.

    Media that cannot be decoded are a line of `Signature.problems`, never an error.
    """
    source = MediaSource(clip.video, clip.audio, clip.start_s, clip.end_s)
    problems: list[str] = []
    picture = sound = None
    with pool.session(source) as session:
        if clip.video is not None:
            try:
                parts = list(session.map_frames(block_means))
                picture = picture_code(np.concatenate([p[0] for p in parts]), np.concatenate([p[1] for p in parts]))
            except MediaError as error:
                problems += _told(error)
        if clip.sound is not None:
            try:
                sound = sound_code(session.audio())
            except MediaError as error:
                problems += _told(error)
    return Signature(key, picture, sound, tuple(dict.fromkeys(problems)))


def _told(error: MediaError) -> list[str]:
    return [] if error.status in _LACKS else [f"{error.status}: {error.message}"]
