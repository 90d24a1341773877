"""Clips made on the spot, and an independent degrader: blur, noise, cuts, other sizes, lower quality."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

RATE_HZ = 16_000


@dataclass(frozen=True)
class Damage:
    """What happens to a clip on its way into the other corpus."""

    blur: int = 4
    snr_db: float | None = 5.0
    trim_s: float = 0.0
    scale: float = 1.0
    crop: float = 0.0
    letterbox: float = 0.0
    codec: str = "mpeg4"
    options: tuple[tuple[str, str], ...] = ()
    gain: float = 1.0
    fps: float | None = None
    most_s: float = 6.0


def write_clip(
    path: Path,
    frames: Sequence[np.ndarray] | None,
    sound: np.ndarray | None,
    *,
    fps: float = 25.0,
    codec: str = "libx264",
    options: dict[str, str] | None = None,
) -> Path:
    """Encode RGB frames and 16 kHz mono sound."""
    import av

    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as out:
        if frames is not None:
            picture = out.add_stream(codec, rate=Fraction(fps).limit_denominator(1001))
            picture.height, picture.width = frames[0].shape[0] // 2 * 2, frames[0].shape[1] // 2 * 2
            picture.pix_fmt = "yuv420p"
            picture.options = options or {}
        if sound is not None:
            voice = out.add_stream("aac", rate=RATE_HZ, layout="mono")
        if frames is not None:
            for pixels in frames:
                kept = np.ascontiguousarray(pixels[: picture.height, : picture.width])
                out.mux(picture.encode(av.VideoFrame.from_ndarray(kept, format="rgb24")))
            out.mux(picture.encode())
        if sound is not None:
            block = av.AudioFrame.from_ndarray(np.ascontiguousarray(sound[None], np.float32), "fltp", "mono")
            block.sample_rate, block.pts = RATE_HZ, 0
            out.mux(voice.encode(block))
            out.mux(voice.encode())
    return path


def degrade(source: Path, target: Path, damage: Damage, noise: np.ndarray | None = None) -> Path:
    """Write a worse copy of a clip; `noise` is mixed in at the damage's signal-to-noise ratio."""
    from mertools.errors import MediaError
    from mertools.media import probe, read_audio, read_frames

    fps = damage.fps or probe(source).video.fps
    end_s = damage.trim_s + damage.most_s
    film = read_frames(source, fps=fps, end_s=end_s)
    frames = [_worse(pixels, damage) for pixels, t in zip(film.pixels, film.times_s, strict=True) if t >= damage.trim_s]
    try:
        audio = read_audio(source, end_s=end_s)
    except MediaError:
        return write_clip(target, frames, None, fps=fps, codec=damage.codec, options=dict(damage.options))
    sound = np.concatenate([np.zeros(round(audio.start_s * RATE_HZ), np.float32), audio.samples])
    sound = sound[round(damage.trim_s * RATE_HZ) :]
    level = float(np.sqrt(np.mean(sound**2)))
    if damage.snr_db is not None and noise is not None and level > 1e-6:
        masker = np.resize(noise, len(sound))
        sound = sound + masker * level / np.sqrt(np.mean(masker**2)) / 10 ** (damage.snr_db / 20)
        sound = sound / max(1.0, float(np.abs(sound).max()))
    return write_clip(target, frames, sound * damage.gain, fps=fps, codec=damage.codec, options=dict(damage.options))


def _worse(pixels: np.ndarray, damage: Damage) -> np.ndarray:
    import cv2

    height, width = pixels.shape[:2]
    dy, dx = round(height * damage.crop / 2), round(width * damage.crop / 2)
    pixels = pixels[dy : height - dy, dx : width - dx]
    if damage.scale != 1.0:
        pixels = cv2.resize(pixels, None, fx=damage.scale, fy=damage.scale, interpolation=cv2.INTER_AREA)
    for _ in range(damage.blur.bit_length() - 1):
        pixels = cv2.pyrDown(pixels)
    for _ in range(damage.blur.bit_length() - 1):
        pixels = cv2.pyrUp(pixels)
    bar = round(pixels.shape[0] * damage.letterbox)
    return np.pad(pixels, ((bar, bar), (0, 0), (0, 0))) if bar else pixels


def babble(sounds: Sequence[np.ndarray], n: int, rng: np.random.Generator) -> np.ndarray:
    """Two voices out of `sounds` at random places, and a little hiss."""
    total = rng.normal(0, 0.01, n)
    for index in rng.choice(len(sounds), size=min(2, len(sounds)), replace=False):
        voice = sounds[index]
        total = total + np.roll(np.resize(voice, max(n, len(voice))), int(rng.integers(len(voice))))[:n]
    return total.astype(np.float32)


@pytest.fixture(scope="session")
def making() -> SimpleNamespace:
    """The makers of this file; test files cannot import them."""
    return SimpleNamespace(
        Damage=Damage,
        babble=babble,
        degrade=degrade,
        film=film,
        voice=voice,
        write_clip=write_clip,
        write_corpus=write_corpus,
    )


# -- corpora of clips made on the spot ---------------------------------------------------------------------------------


def film(rng: np.random.Generator, seconds: float, *, fps: float = 25.0, side: int = 96) -> list[np.ndarray]:
    """Three soft blobs that wander over a gradient."""
    n = round(seconds * fps)
    y, x = np.mgrid[:side, :side] / side
    paths = np.cumsum(rng.normal(0, 0.035, (n, 3, 2)), axis=0) + rng.uniform(0.2, 0.8, (3, 2))
    tones = rng.uniform(60, 160, 3)
    frames = []
    for places in paths:
        grey = 40 + 60 * x
        for (cx, cy), tone in zip(places % 1.0, tones, strict=True):
            grey = grey + tone * np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / 0.02)
        frames.append(np.repeat(np.clip(grey, 0, 255).astype(np.uint8)[..., None], 3, axis=2))
    return frames


def voice(rng: np.random.Generator, seconds: float) -> np.ndarray:
    """Syllables of filtered noise, ``(N,)`` float32."""
    n = round(seconds * RATE_HZ)
    total = np.zeros(n)
    for start in range(0, n - 2400, 2400):
        hz = rng.uniform(400, 4500, 4)
        t = np.arange(3000) / RATE_HZ
        sound = sum(np.sin(2 * np.pi * (f + rng.uniform(-2000, 2000) * t) * t) for f in hz) * np.hanning(3000)
        end = min(n, start + 3000)
        total[start:end] += sound[: end - start]
    return (0.2 * total / np.abs(total).max() + rng.normal(0, 0.002, n)).astype(np.float32)


def write_corpus(folder: Path, rows: Sequence[dict[str, str]], name: str = "") -> Path:
    """A corpus folder whose media lie beside its manifest."""
    columns = list(dict.fromkeys(["name", "split", "video", "audio", *(c for row in rows for c in row)]))
    lines = [",".join(columns), *(",".join(({"split": "train"} | row).get(c, "") for c in columns) for row in rows)]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "clips.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (folder / "corpus.yaml").write_text(
        f"name: {name or folder.name}\nmedia_root: .\nsplits:\n- {{name: train, role: train}}\n", encoding="utf-8"
    )
    return folder


@dataclass(frozen=True)
class Shelf:
    """Two corpora of synthetic clips; `copies` says of which clip of A a clip of B was made, and seconds cut off."""

    a: Path
    b: Path
    copies: dict[str, tuple[str, float]]


@pytest.fixture(scope="session")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Shelf:
    """A: four clips. B: damaged copies of two of them under other names, and two clips of its own."""
    rng = np.random.default_rng(7)
    folder = tmp_path_factory.mktemp("shelf")
    a, b = folder / "alpha", folder / "beta"
    for name in ("one", "two", "three", "four"):
        write_clip(a / f"{name}.mp4", film(rng, 4.0), voice(rng, 4.0))
    for name in ("own1", "own2"):
        write_clip(b / f"{name}.mp4", film(rng, 4.0), voice(rng, 4.0))
    noise = voice(rng, 5.0)
    degrade(a / "two.mp4", b / "x7.mp4", Damage(trim_s=0.3), noise)
    degrade(a / "four.mp4", b / "x9.mkv", Damage(scale=0.75, codec="libx264", options=(("crf", "32"),)), noise)
    write_corpus(a, [{"name": n, "video": f"{n}.mp4"} for n in ("one", "two", "three", "four")])
    write_corpus(b, [{"name": n.split(".")[0], "video": n} for n in ("own1.mp4", "x9.mkv", "own2.mp4", "x7.mp4")])
    return Shelf(a, b, {"x7": ("two", 0.3), "x9": ("four", 0.0)})
