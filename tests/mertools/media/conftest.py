"""Media made on the spot, sound and broken."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import av
import numpy as np
import pytest

from mertools.media import DecoderPool

IMPORTABLE = Path(__file__).parent / "importable"


def ramp(n: int, height: int = 48, width: int = 64) -> np.ndarray:
    """Frames whose grey rises by 8 each, with a white block at the upper left."""
    pixels = np.zeros((n, height, width, 3), np.uint8)
    pixels[:] = (np.arange(n) * 8 % 200)[:, None, None, None]
    pixels[:, : height // 4, : width // 4] = 255
    return pixels


def tone(n: int, rate: int, channels: int = 1, hz: float = 440.0) -> np.ndarray:
    """A sine of amplitude 0.5, ``(channels, n)`` float32."""
    return np.tile(0.5 * np.sin(2 * np.pi * hz * np.arange(n) / rate), (channels, 1)).astype(np.float32)


def write_media(
    path: Path,
    frames: np.ndarray | None = None,
    sound: np.ndarray | None = None,
    *,
    times_ms: list[int] | None = None,
    rotation: int = 0,
    rate: int = 44100,
    video_codec: str = "libx264",
    audio_codec: str = "aac",
    pix_fmt: str = "yuv420p",
    sample_format: str = "fltp",
    fmt: str | None = None,
    options: dict[str, str] | None = None,
    fps: int = 25,
    gop: int = 12,
    layout: str | None = None,
) -> Path:
    """Encode frames ``(T, H, W, 3)`` and sound ``(C, N)`` into one file."""
    with av.open(str(path), "w", format=fmt, options=options or {}) as out:
        video = audio = None
        if frames is not None:
            video = out.add_stream(video_codec, rate=fps)
            video.height, video.width, video.pix_fmt = frames.shape[1], frames.shape[2], pix_fmt
            if video_codec == "libx264":
                video.options = {"crf": "10", "g": str(gop)}
            if times_ms:
                video.codec_context.time_base = Fraction(1, 1000)
            if rotation:
                video.set_display_rotation(rotation)
        if sound is not None:
            layout = layout or {1: "mono", 2: "stereo", 6: "5.1"}[len(sound)]
            audio = out.add_stream(audio_codec, rate=rate, layout=layout)
        if video is not None:
            for i, pixels in enumerate(frames):
                frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
                if times_ms:
                    frame.pts, frame.time_base = times_ms[i], Fraction(1, 1000)
                out.mux(video.encode(frame))
            out.mux(video.encode())
        if audio is not None:
            resampler = av.AudioResampler(format=sample_format, layout=layout, rate=rate)
            for at in range(0, max(sound.shape[1], 1), 1024):
                block = np.ascontiguousarray(sound[:, at : at + 1024])
                frame = av.AudioFrame.from_ndarray(block, format="fltp", layout=layout)
                frame.sample_rate, frame.pts = rate, at
                for piece in resampler.resample(frame):
                    out.mux(audio.encode(piece))
            out.mux(audio.encode())
    return path


@pytest.fixture
def make() -> SimpleNamespace:
    """The makers of this file: ``make.media``, ``make.ramp``, ``make.tone``."""
    return SimpleNamespace(media=write_media, ramp=ramp, tone=tone)


@pytest.fixture
def fakes(monkeypatch: pytest.MonkeyPatch):
    """The module of functions that child processes can import."""
    monkeypatch.syspath_prepend(str(IMPORTABLE))
    import fake_decoders

    return fake_decoders


@pytest.fixture
def pool(fakes) -> Iterator[DecoderPool]:
    """A pool of one worker with a generous limit."""
    with DecoderPool(1, timeout_s=60) as decoders:
        yield decoders


@pytest.fixture
def clip_path(tmp_path: Path) -> Path:
    """Two seconds, 64 x 48, 25 fps, with a tone in stereo."""
    return write_media(tmp_path / "clip.mp4", ramp(50), tone(88200, 44100, 2))
