"""One clip: its sound under noise, its picture blurred, both written, then noted in the journal."""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import BinaryIO

import numpy as np

from mertools.config import fingerprint
from mertools.corpus import Clip
from mertools.corruption.journal import Finished, Journal
from mertools.corruption.mixing import mix, to_16_bits
from mertools.corruption.noise import RATE_HZ, NoisePool
from mertools.corruption.picture import Look, PicturePart, PictureWork, look
from mertools.corruption.settings import REVISION, Drawn, Draws, Settings, draw
from mertools.errors import MediaError
from mertools.files import replacing
from mertools.media import DecoderPool, MediaSource, is_silent, media_digest
from mertools.media.writing import Sound, copy_movie, write_movie, write_png, write_wav
from mertools.status import Status

MEDIA_FOLDER = "media"
MOVIE, SOUND, IMAGE = ".mp4", ".wav", ".png"


@dataclass(frozen=True)
class Workshop:
    """What all clips of a run share.

    Attributes:
        corpus: name of the corpus they come from.
        settings: how they are corrupted.
        decoders: processes for decoding, blur and encoding.
        noise: the noise; None if none is added.
        noise_fingerprint: what `NoisePool.fingerprint` said; empty if there is none.
        journal: of the output folder.
    """

    corpus: str
    settings: Settings
    decoders: DecoderPool
    noise: NoisePool | None
    noise_fingerprint: str
    journal: Journal


def corrupt_clip(clip: Clip, shop: Workshop) -> bool:
    """Corrupt a clip unless it is done already.

    Returns:
        Whether there was anything to do.

    Raises:
        MediaError: with the status that the clip ends with.
        MachineError: if the output folder cannot be written.
    """
    drawn = draw(clip.name, shop.settings)
    digest = _source_digest(clip)
    key = _key(clip, drawn, digest, shop)
    known = shop.journal.finished.get(clip.name)
    if known is not None and known.key == key and known.complete(shop.journal.folder):
        return False
    sound, cells = _noisy(clip, drawn, shop)
    shop.journal.forget(clip.name)
    video, audio = _write(clip, drawn, sound, shop)
    if clip.video is not None and not video:
        reasons = (cells.get("corruption_reason", ""), "no picture: only sound is written")
        cells["corruption_reason"] = "; ".join(filter(None, reasons))
    cells |= {
        "blur": str(drawn.blur) if shop.settings.picture and video else "",
        "seed": str(shop.settings.seed),
        "corrupted_from": f"{shop.corpus}/{clip.name}",
        "source_digest": digest,
    }
    folder = shop.journal.folder
    files = {path: (folder / path).stat().st_size for path in (video, audio) if path}
    shop.journal.add(Finished(clip.name, key, files, video, audio, cells))
    for suffix in (MOVIE, SOUND, IMAGE):
        if (path := _path(clip, suffix)) not in files:
            (folder / path).unlink(missing_ok=True)  # of an earlier run with other options
    return True


def _path(clip: Clip, suffix: str) -> str:
    return f"{MEDIA_FOLDER}/{clip.name}{suffix}"


def _source_digest(clip: Clip) -> str:
    """One digest of the clip's media."""
    return fingerprint([_file_digest(path) if path is not None else "" for path in (clip.video, clip.audio)])


def _file_digest(path: Path) -> str:
    """The digest of a file; many clips may be parts of one long film, which is read once."""
    try:
        found = path.stat()
    except OSError:
        return media_digest(path)  # which says what is wrong
    return _digest(path, found.st_size, found.st_mtime_ns)


@lru_cache(maxsize=256)
def _digest(path: Path, size: int, changed_ns: int) -> str:
    return media_digest(path)


def _key(clip: Clip, drawn: Drawn, digest: str, shop: Workshop) -> str:
    """Names everything that decides how a clip comes out."""
    settings = shop.settings
    return fingerprint(
        {
            "revision": REVISION,
            "snr_db": float(drawn.snr_db) if settings.noise else None,
            "blur": drawn.blur,
            "seed": settings.seed,
            "picture": settings.picture,
            "size": settings.size,
            "audio": settings.audio,
            "noise": shop.noise_fingerprint,
            "source": [shop.corpus, digest, clip.start_s, clip.end_s],
        }
    )


# -- sound -------------------------------------------------------------------------------------------------------


def _noisy(clip: Clip, drawn: Drawn, shop: Workshop) -> tuple[Sound | None, dict[str, str]]:
    """The clip's sound with noise, from the clip's beginning on, and what to write into the manifest."""
    if clip.sound is None:
        return None, {"corruption_reason": "no media"}
    source = MediaSource(clip.video, clip.audio, clip.start_s, clip.end_s)
    try:
        with shop.decoders.session(source) as session:
            heard = session.audio(RATE_HZ)
    except MediaError as error:
        if error.status == Status.NO_AUDIO_STREAM and clip.audio is None:
            return None, {"corruption_reason": "no sound: only the picture is corrupted"}
        raise
    clean = to_16_bits(heard.samples)
    before = np.zeros(round(heard.start_s * RATE_HZ), np.int16)  # where the sound starts after the picture
    if shop.noise is None:
        return Sound(np.concatenate([before, clean]), RATE_HZ), {}
    if is_silent(heard) or not clean.any():
        return Sound(np.concatenate([before, clean]), RATE_HZ), {
            "corruption_reason": "silent: its sound is left as it is"
        }
    cut = shop.noise.cut(Draws(shop.settings.seed, clip.name, "noise"), len(clean))
    mixed = mix(clean, cut.samples, drawn.snr_db)
    return Sound(np.concatenate([before, mixed.samples]), RATE_HZ), {
        "snr_db": f"{drawn.snr_db:g}",
        "noise_files": ";".join(cut.files),
        "noise_offset": str(cut.offset),
        "gain": repr(mixed.gain),
        "clipped": "true" if mixed.clipped else "false",
        "scale": repr(mixed.scale),
        "measured_snr_db": f"{mixed.snr_db:.4f}",
    }


# -- writing -----------------------------------------------------------------------------------------------------


def _write(clip: Clip, drawn: Drawn, sound: Sound | None, shop: Workshop) -> tuple[str, str]:
    """Write the clip's media; its video and its audio within the folder (empty = none).

    A film that turns out to hold only sound is treated as sound: raw corpora have such files.
    """
    video = audio = ""
    if clip.video is not None:
        try:
            video = _write_picture(_Picture(clip, clip.video, drawn.blur, sound, shop))
        except MediaError as error:
            if error.status != Status.NO_VIDEO_STREAM or sound is None:
                raise
    if sound is not None and (shop.settings.audio == "wav" or not video.endswith(MOVIE)):
        audio = _path(clip, SOUND)
        with replacing(shop.journal.folder / audio) as file:
            write_wav(file, sound)
    return video, audio


@dataclass(frozen=True)
class _Picture:
    """A picture to be written, with the sound that goes into its movie."""

    clip: Clip
    source: Path
    blur: int
    sound: Sound | None
    shop: Workshop

    def parts(self, may_copy: bool) -> Generator[PicturePart, None, None]:
        """Blur and encode in a decoder process."""
        work = PictureWork(self.source, self.blur, self.shop.settings.size == "reference", may_copy)
        source = MediaSource(self.source, None, self.clip.start_s, self.clip.end_s)
        with self.shop.decoders.session(source) as session:
            yield from session.map_frames(work)

    def file(self, suffix: str) -> AbstractContextManager[BinaryIO]:
        """The file to write."""
        return replacing(self.shop.journal.folder / _path(self.clip, suffix))


def _write_picture(picture: _Picture) -> str:
    """Write movie or image; its path within the folder.

    Where the picture is to stay as it is, its stream is copied, and the copy kept if it looks the same frame by frame.
    """
    clip = picture.clip
    if picture.blur == 1 and clip.start_s is None and clip.end_s is None:
        return _encoded_or_copied(picture, may_copy=True) or _encoded_or_copied(picture, may_copy=False)
    return _encoded_or_copied(picture, may_copy=False)


def _encoded_or_copied(picture: _Picture, *, may_copy: bool) -> str:
    """Write movie or image; its path within the folder, empty if a copy does not look like its source."""
    with closing(picture.parts(may_copy)) as parts:
        first = next(parts)
        suffix = IMAGE if first.pixels is not None else MOVIE
        if first.kind != "as_is":
            with picture.file(suffix) as file:
                if first.pixels is not None:
                    write_png(file, first.pixels)
                else:
                    frames = (frame for part in chain([first], parts) for frame in part.frames)
                    write_movie(file, frames, first.size, picture.sound)
            return _path(picture.clip, suffix)
        looks = [part.look for part in chain([first], parts)]
    return _path(picture.clip, suffix) if _copied(picture, looks) else ""


def _copied(picture: _Picture, looks: list[Look | None]) -> bool:
    """Copy the picture's stream; whether the copy looks the same. If not, nothing is left of it."""
    try:
        with picture.file(MOVIE) as file:
            copy_movie(file, picture.source, picture.sound)
            file.flush()
            with picture.shop.decoders.session(MediaSource(Path(os.fsdecode(file.name)))) as session:
                found: list[Look] = list(session.map_frames(look))
            if len(found) != len(looks) or not all(map(Look.agrees, found, looks)):
                raise _UnlikeError
    except (_UnlikeError, MediaError):
        return False
    return True


class _UnlikeError(Exception):
    """A copied picture does not look like its source."""
