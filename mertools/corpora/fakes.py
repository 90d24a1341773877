"""Tiny made-up media and tables, out of which makers of corpora build a fake of their layout (`Maker.fake`)."""

from __future__ import annotations

import csv
import wave
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np


def fake_wav(path: Path, *, seconds: float = 0.3, pitch_hz: float = 220.0, rate_hz: int = 16_000) -> Path:
    """Write a mono 16-bit tone; folders are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    times_s = np.arange(int(seconds * rate_hz)) / rate_hz
    samples = (8_000 * np.sin(2 * np.pi * pitch_hz * times_s)).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        file.writeframes(samples.tobytes())
    return path


def fake_video(path: Path, *, n_frames: int = 5, fps: int = 25, side: int = 64, shade: int = 0) -> Path:
    """Write a silent video of moving bars (MPEG-4 Part 2, whatever container the suffix names); folders are made."""
    import av

    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=Fraction(fps))
        stream.width = stream.height = side
        stream.pix_fmt = "yuv420p"
        for index in range(n_frames):
            picture = fake_picture(side=side, shade=shade + 8 * index)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    return path


def fake_image(path: Path, *, side: int = 48, shade: int = 0) -> Path:
    """Write a still image of the format that the suffix names; folders are made."""
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(fake_picture(side=side, shade=shade)).save(path)
    return path


def fake_picture(*, side: int, shade: int = 0) -> np.ndarray:
    """An RGB picture ``(side, side, 3)`` uint8 of diagonal bars that `shade` moves."""
    y, x = np.mgrid[:side, :side]
    bars = ((x + y + shade) * 255 // (2 * side)) % 256
    return np.stack([bars, 255 - bars, np.full_like(bars, shade % 256)], axis=-1).astype(np.uint8)


def fake_table(path: Path, rows: Sequence[Mapping[str, object]], *, delimiter: str = ",") -> Path:
    """Write rows as CSV with a header; folders are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(dict.fromkeys(key for row in rows for key in row)), delimiter=delimiter)
        writer.writeheader()
        writer.writerows(rows)
    return path


def fake_text(path: Path, text: str) -> Path:
    """Write a text file (UTF-8); folders are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def fake_pickle(path: Path, content: object) -> Path:
    """Write a pickle of plain data as Python 2 wrote them (protocol 2); folders are made. Nothing here reads one."""
    from pickle import dumps

    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(dumps(content, protocol=2))
    return path
