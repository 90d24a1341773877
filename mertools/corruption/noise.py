"""The noise folder: files drawn at random, joined until they outlast the clip, and cut at a random place."""

from __future__ import annotations

import hashlib
import os
import threading
import wave
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mertools.config import fingerprint
from mertools.corpora.scanning import AUDIO_SUFFIXES
from mertools.corruption.mixing import rms, to_16_bits
from mertools.corruption.settings import Draws
from mertools.errors import CorpusError, MediaError
from mertools.media import DecoderPool, MediaSource, is_silent
from mertools.media.opening import open_regular
from mertools.status import SILENCE_RMS, Status

RATE_HZ = 16_000
LEAST_NOISE_S = 0.1
"""A shorter noise file is passed over: thousands of them would be joined for one clip."""

SILENCE_16_BITS = SILENCE_RMS * 32768
MOST_TRIES = 100
_HEAD_BYTES = 1 << 16


@dataclass(frozen=True)
class NoiseCut:
    """A stretch of noise.

    Attributes:
        samples: ``(N,)`` int16 at `RATE_HZ`.
        files: what was joined, in order, as paths within the noise folder.
        offset: where the stretch begins in the joined files, samples.
    """

    samples: np.ndarray
    files: tuple[str, ...]
    offset: int


class NoisePool:
    """The usable files of a noise folder (and its subfolders); thread-safe.

    Which file is drawn depends on the sorted list of all files, so the same folder gives the same noise everywhere.
    Files that are silent (RMS below `SILENCE_RMS`), shorter than `LEAST_NOISE_S` or unreadable are passed over when
    drawn. Mono 16 kHz 16-bit WAV is read in place; anything else is decoded to that in a decoder process.

    Args:
        folder: the folder.
        decoders: processes that decode.
        hold_bytes: decoded files that are kept for the next clips.

    Raises:
        CorpusError: MER-C354 if there is no such folder, MER-C355 if it holds no sound.
    """

    def __init__(self, folder: Path, decoders: DecoderPool, hold_bytes: int = 256 << 20) -> None:
        if not folder.is_dir():
            fault = "is not a folder" if folder.exists() else "does not exist"
            raise CorpusError("MER-C354", f"the noise folder {folder} {fault}.", "Check --noise.")
        self.folder = folder
        self.names = _sound_files(folder)
        if not self.names:
            raise CorpusError(
                "MER-C355",
                f"no noise in {folder}: no file there ends in {', '.join(s[1:] for s in AUDIO_SUFFIXES)}.",
                "MER-NOISE was made with the speech part of MUSAN (openslr.org/17).",
            )
        self.passed_over: dict[str, str] = {}
        """Why files met so far are not used, by path within the folder."""
        self._decoders = decoders
        self._hold_bytes = hold_bytes
        self._lock = threading.Lock()
        self._lengths: dict[str, int] = {}
        self._decoded: OrderedDict[str, np.ndarray] = OrderedDict()

    def fingerprint(self) -> str:
        """Names the files: path, size and first 64 KiB of each."""
        return fingerprint([(name, *_head(self.folder / name)) for name in self.names])

    def check(self) -> None:
        """Make sure that at least one file can be used.

        Raises:
            CorpusError: MER-C356 with the reasons.
        """
        if not any(self._length(name) for name in self.names):
            why = "; ".join(f"{name}: {reason}" for name, reason in list(self.passed_over.items())[:5])
            raise CorpusError(
                "MER-C356",
                f"none of the {len(self.names)} files in {self.folder} can be used as noise ({why}).",
                "Expected files with audible sound.",
            )

    def cut(self, draws: Draws, n_samples: int) -> NoiseCut:
        """Join files drawn with replacement until they are longer than `n_samples`, and cut at a uniform place.

        A stretch that is silent is drawn again: there is nothing in it that could be made louder. At least one file
        must be usable (`check`).

        Raises:
            MediaError: MER-C357 (status silent) if `MOST_TRIES` stretches were silent.
        """
        for _ in range(MOST_TRIES):
            files: list[str] = []
            total = 0
            while total <= n_samples:
                name = self.names[draws.below(len(self.names))]
                if length := self._length(name):
                    files.append(name)
                    total += length
            offset = draws.below(total - n_samples + 1)
            samples = self._stretch(files, offset, n_samples)
            if rms(samples) >= SILENCE_16_BITS:
                return NoiseCut(samples, tuple(files), offset)
        raise MediaError(
            "MER-C357",
            f"{MOST_TRIES} stretches of {n_samples / RATE_HZ:.2f} s drawn from {self.folder} were all silent.",
            "Take noise without long pauses.",
            Status.SILENT,
        )

    def _stretch(self, files: list[str], offset: int, n_samples: int) -> np.ndarray:
        pieces = []
        position, end = 0, offset + n_samples
        for name in files:
            length = self._length(name)
            low, high = max(offset - position, 0), min(end - position, length)
            if low < high:
                pieces.append(self._read(name, low, high - low))
            position += length
        return np.concatenate(pieces)

    def _length(self, name: str) -> int:
        """Samples of a file; 0 if it is not to be used."""
        with self._lock:
            known = self._lengths.get(name)
        if known is not None:
            return known
        length, reason = self._looked_at(name)
        with self._lock:
            self._lengths[name] = length
            if reason:
                self.passed_over[name] = reason
        return length

    def _looked_at(self, name: str) -> tuple[int, str]:
        """Length of a file and, where it is not to be used (length 0), the reason."""
        try:
            length = _plain_length(self.folder / name)
            if length is None:
                samples, silent = self._decode(name)
                length = len(samples)
            else:
                silent = _is_plain_silent(self.folder / name, length)
        except MediaError as error:
            return 0, error.message
        if length < LEAST_NOISE_S * RATE_HZ:
            return 0, f"shorter than {LEAST_NOISE_S:g} s"
        return (0, "silent") if silent else (length, "")

    def _read(self, name: str, start: int, n_samples: int) -> np.ndarray:
        with self._lock:
            decoded = self._decoded.get(name)
            if decoded is not None:
                self._decoded.move_to_end(name)
        if decoded is None:
            if _plain_length(self.folder / name) is not None:
                with open_regular(self.folder / name) as file, wave.open(file) as sound:
                    sound.setpos(start)
                    return np.frombuffer(sound.readframes(n_samples), "<i2")
            decoded, _ = self._decode(name)
        return decoded[start : start + n_samples]

    def _decode(self, name: str) -> tuple[np.ndarray, bool]:
        """Decode a file and keep it; its samples, and whether it is silent."""
        with self._decoders.session(MediaSource(audio=self.folder / name)) as session:
            sound = session.audio(RATE_HZ)
        samples = to_16_bits(sound.samples)
        with self._lock:
            self._decoded[name] = samples
            while len(self._decoded) > 1 and sum(s.nbytes for s in self._decoded.values()) > self._hold_bytes:
                self._decoded.popitem(last=False)
        return samples, is_silent(sound)


def _sound_files(folder: Path) -> tuple[str, ...]:
    """Sorted paths, within a folder, of the sound files below it; without hidden ones and names that are not text."""
    found: list[str] = []
    for parent, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [
            Path(parent, name).relative_to(folder).as_posix()
            for name in files
            if name.lower().endswith(AUDIO_SUFFIXES) and not name.startswith(".") and _is_text(Path(parent, name))
        ]
    return tuple(sorted(found))


def _is_text(path: Path) -> bool:
    """Whether a path can be written into a manifest."""
    try:
        str(path).encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _head(path: Path) -> tuple[int, str]:
    """Size of a file and hash of its beginning; of an unreadable one, that it is."""
    try:
        with open_regular(path) as file:
            return os.fstat(file.fileno()).st_size, hashlib.blake2b(file.read(_HEAD_BYTES), digest_size=16).hexdigest()
    except (MediaError, OSError):
        return 0, "unreadable"


def _plain_length(path: Path) -> int | None:
    """Samples of a mono 16 kHz 16-bit WAV file; None if it is something else, or damaged."""
    with open_regular(path) as file:
        try:
            with wave.open(file) as sound:
                n_samples = sound.getnframes()
                plain = (sound.getnchannels(), sound.getsampwidth(), sound.getframerate()) == (1, 2, RATE_HZ)
                return n_samples if plain and 2 * n_samples < os.fstat(file.fileno()).st_size else None
        except (wave.Error, EOFError):
            return None


def _is_plain_silent(path: Path, n_samples: int) -> bool:
    """Whether a plain WAV file is silent; a loud one is known after its first seconds."""
    enough = SILENCE_16_BITS**2 * n_samples
    energy = 0.0
    with open_regular(path) as file, wave.open(file) as sound:
        while block := sound.readframes(10 * RATE_HZ):
            energy += float(np.square(np.frombuffer(block, "<i2"), dtype=np.float64).sum())
            if energy >= enough:
                return False
    return True
