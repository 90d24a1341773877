"""Clips, noise and corpora made on the spot."""

from __future__ import annotations

import csv
import wave
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import av
import numpy as np
import pytest

from mertools import Corpus
from mertools.corpus import Clip, Split
from mertools.media import DecoderPool
from mertools.targets import Target

RATE_HZ = 16_000


def speech(seconds: float, seed: int = 0, rate_hz: int = RATE_HZ) -> np.ndarray:
    """Something loud and uneven, ``(N,)`` int16."""
    times_s = np.arange(round(seconds * rate_hz)) / rate_hz
    carrier = np.sin(2 * np.pi * (150 + 20 * seed) * times_s) + 0.5 * np.sin(2 * np.pi * 1730 * times_s)
    return (9000 * carrier * np.abs(np.sin(5 * times_s + seed))).astype(np.int16)


def hiss(seconds: float, seed: int = 0, level: float = 2000.0) -> np.ndarray:
    """White noise, ``(N,)`` int16."""
    return (level * np.random.default_rng(seed).standard_normal(round(seconds * RATE_HZ))).astype(np.int16)


def write_wav(path: Path, samples: np.ndarray, rate_hz: int = RATE_HZ) -> Path:
    """Write ``(N,)`` or ``(N, C)`` int16; folders are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as out:
        out.setnchannels(1 if samples.ndim == 1 else samples.shape[1])
        out.setsampwidth(2)
        out.setframerate(rate_hz)
        out.writeframes(np.ascontiguousarray(samples, "<i2").tobytes())
    return path


def read_wav(path: Path) -> np.ndarray:
    """Samples of a mono 16 kHz 16-bit file."""
    with wave.open(str(path)) as sound:
        assert (sound.getnchannels(), sound.getsampwidth(), sound.getframerate()) == (1, 2, RATE_HZ)
        return np.frombuffer(sound.readframes(sound.getnframes()), "<i2")


def pictures(n: int, height: int = 48, width: int = 64, seed: int = 0) -> np.ndarray:
    """Frames ``(n, height, width, 3)`` of coarse texture that moves."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(30, 226, (height // 8 + 2, (width + n) // 8 + 2, 3))
    large = np.kron(coarse, np.ones((8, 8, 1))).astype(np.uint8)
    return np.stack([large[:height, i : i + width] for i in range(n)])


def write_movie(
    path: Path, frames: np.ndarray, sound: np.ndarray | None = None, *, codec: str = "ffv1", fps: int = 25
) -> Path:
    """Write frames (without loss unless another codec is named) and 16 kHz sound as PCM; folders are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as out:
        video = out.add_stream(codec, rate=Fraction(fps))
        video.height, video.width = frames.shape[1:3]
        video.pix_fmt = "bgr0" if codec == "ffv1" else "yuv420p"
        audio = None if sound is None else out.add_stream("pcm_s16le", rate=RATE_HZ, layout="mono")
        for picture in frames:
            out.mux(video.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        out.mux(video.encode())
        if audio is not None:
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(sound[None], np.int16), format="s16", layout="mono")
            frame.sample_rate, frame.pts = RATE_HZ, 0
            out.mux(audio.encode(frame))
            out.mux(audio.encode())
    return path


def write_corpus(folder: Path, rows: list[dict[str, str]], media_root: Path, **facts: object) -> Corpus:
    """Write a manifest; `rows` hold at least ``name`` and paths within `media_root`."""
    clips = []
    for row in rows:
        paths = {c: media_root / row[c] for c in ("video", "audio") if row.get(c)}
        clips.append(Clip(row["name"], row.get("split", "train"), cells=row, **paths))
    splits = tuple(Split(s) for s in dict.fromkeys(c.split for c in clips))
    Corpus("made", folder, tuple(clips), media_root, splits, **facts).write()
    return Corpus.read(folder)


def manifest(folder: Path) -> dict[str, dict[str, str]]:
    """Rows of ``clips.csv`` by name."""
    with (folder / "clips.csv").open(encoding="utf-8", newline="") as file:
        return {row["name"]: row for row in csv.DictReader(file)}


@pytest.fixture(scope="session")
def make() -> SimpleNamespace:
    """The makers of this file."""
    return SimpleNamespace(
        speech=speech,
        hiss=hiss,
        wav=write_wav,
        read_wav=read_wav,
        pictures=pictures,
        movie=write_movie,
        corpus=write_corpus,
        manifest=manifest,
    )


@pytest.fixture(scope="session")
def decoders() -> Iterator[DecoderPool]:
    """One decoder process for all tests."""
    with DecoderPool(1) as pool:
        yield pool


@pytest.fixture(scope="session")
def noise(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three files of noise, in folders, shorter than most clips and of other lengths."""
    folder = tmp_path_factory.mktemp("noise")
    for index, seconds in enumerate((0.4, 0.7, 1.3)):
        write_wav(folder / f"part{index % 2}" / f"n{index}.wav", hiss(seconds, index))
    return folder


@pytest.fixture(scope="session")
def few(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """Six clips: movies with sound, a silent film, a sound alone; two splits, labels, an extra column."""
    raw, folder = tmp_path_factory.mktemp("raw"), tmp_path_factory.mktemp("corpus")
    rows = []
    for index in range(4):
        write_movie(raw / f"clip{index}.mkv", pictures(12, seed=index), speech(0.48, index))
        rows.append({"name": f"clip{index}", "split": "train" if index < 2 else "test1", "video": f"clip{index}.mkv"})
    write_movie(raw / "film.mkv", pictures(5))
    write_wav(raw / "voice.wav", speech(0.9, 7))
    rows += [
        {"name": "film", "split": "test1", "video": "film.mkv"},
        {"name": "voice", "split": "train", "audio": "voice.wav"},
    ]
    for index, row in enumerate(rows):
        row |= {"text": f"text, {index}", "discrete": "happy" if index % 2 else "sad", "mood": str(index)}
    return write_corpus(folder, rows, raw, targets=(Target("discrete", "classes", classes=("happy", "sad")),))
