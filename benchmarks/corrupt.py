"""Speed of `mertools corrupt`, side by side with the loop that one would write.

Run by hand: ``python benchmarks/corrupt.py --clips DIR --noise DIR``; writes ``benchmarks/results/corrupt.json``.

The loop is one process that does the same to each clip with the same libraries and the same quality: decode with PyAV,
pyramid with OpenCV, H.264 and AAC with PyAV, noise mixed in numpy, the sound also as WAV. ``loop`` leaves the number of
threads to the libraries (decoder, pyramid and encoder then share the cores); ``loop_one_thread`` gives each of them
one. Two tasks: ``all_blurred`` (factors 2 and 4: every frame is decoded, blurred and encoded by all contenders) and
``default`` (factors 1, 2 and 4: where nothing is to be blurred the loop encodes again, as the challenge's script does,
and ours copies the stream and checks the copy). Contenders take turns; figures are medians over the rounds. CPU seconds
count children too. Clips per second are of all clips, whatever their length.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from fractions import Fraction
from functools import partial
from importlib.metadata import version
from pathlib import Path

import av
import cv2
import numpy as np

from mertools import Corpus
from mertools.corpora import prepare
from mertools.corpora.scanning import AUDIO_SUFFIXES
from mertools.corruption import Settings, corrupt, draw
from mertools.machine import available_cores
from mertools.media.writing import QUALITY, Sound, write_wav

TASKS = {"all_blurred": (2, 4), "default": (1, 2, 4)}
GOAL = 1.5


def main() -> int:
    """Measure and write the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=Path, required=True, help="folder of clips")
    parser.add_argument("--noise", type=Path, required=True, help="folder of noise")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "corrupt.json")
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp())
    try:
        result = measure(folder, arguments.clips, arguments.noise, arguments.rounds)
    finally:
        shutil.rmtree(folder)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result, indent=2))
    return 0


def measure(folder: Path, clips: Path, noise: Path, n_rounds: int) -> dict[str, object]:
    """All contenders on all tasks, in turns."""
    corpus = prepare("folder", clips, folder / "corpus").corpus
    noises = sorted(path for path in noise.rglob("*") if path.suffix.lower() in AUDIO_SUFFIXES)
    table: dict[str, dict[str, dict[str, list[float]]]] = {}
    for turn in range(n_rounds):
        for task, factors in TASKS.items():
            settings = Settings(seed=1, blur=factors)
            out = folder / f"{task}{turn}"
            contenders: dict[str, Callable[[], object]] = {
                "loop": partial(loop, corpus, noises, out / "loop", settings, n_threads=0),
                "loop_one_thread": partial(loop, corpus, noises, out / "one", settings, n_threads=1),
                "ours": partial(corrupt, corpus, out / "ours", settings, noise=noise),
            }
            for name, work in contenders.items():
                wall_s, cpu_s = timed(work)
                row = table.setdefault(task, {}).setdefault(name, {"wall_s": [], "cpu_s": []})
                row["wall_s"].append(wall_s)
                row["cpu_s"].append(cpu_s)
                print(f"{task} {name}: {wall_s:.1f} s, {cpu_s:.1f} s CPU", file=sys.stderr)
            shutil.rmtree(out)
    figures = {task: {name: summary(row, len(corpus)) for name, row in rows.items()} for task, rows in table.items()}
    return {
        "what": "noise and blur on a folder of clips; medians; see benchmarks/corrupt.py",
        "command": "python benchmarks/corrupt.py --clips DIR --noise DIR",
        "n_clips": len(corpus),
        "seconds_of_clips": round(sum(float(clip.cells["duration"]) for clip in corpus.clips), 1),
        "n_rounds": n_rounds,
        "workers": available_cores(),
        "speedup": {
            task: {
                f"over_{name}": round(rows[name]["wall_s"] / rows["ours"]["wall_s"], 2)
                for name in ("loop", "loop_one_thread")
            }
            for task, rows in figures.items()
        },
        "goal": GOAL,
        "contenders": figures,
        "machine": machine(),
    }


def summary(row: dict[str, list[float]], n_clips: int) -> dict[str, float]:
    """Medians of one contender."""
    wall_s = statistics.median(row["wall_s"])
    cpu_s = statistics.median(row["cpu_s"])
    return {
        "wall_s": round(wall_s, 2),
        "cpu_s": round(cpu_s, 2),
        "clips_per_s": round(n_clips / wall_s, 2),
        "cores_busy": round(cpu_s / wall_s, 2),
    }


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Seconds by the clock, and of all processors (this process and children that have ended)."""

    def cpu_s() -> float:
        usage = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        return sum(u.ru_utime + u.ru_stime for u in usage)

    start, start_cpu = time.perf_counter(), cpu_s()
    work()
    return time.perf_counter() - start, cpu_s() - start_cpu


# -- the loop ------------------------------------------------------------------------------------------------------


def loop(corpus: Corpus, noises: list[Path], out: Path, settings: Settings, *, n_threads: int) -> None:
    """One clip after the other; `n_threads` per library, 0 = as many as it likes."""
    out.mkdir(parents=True)
    cv2.setNumThreads(n_threads or os.cpu_count() or 1)
    rng = np.random.default_rng(1)
    for clip in corpus.clips:
        drawn = draw(clip.name, settings)
        sound = heard(clip.video)
        if sound is not None and sound.any():
            noise = np.zeros(0, np.int16)
            while len(noise) <= len(sound):
                noise = np.concatenate([noise, heard(noises[rng.integers(len(noises))])])
            start = rng.integers(len(noise) - len(sound) + 1)
            sound = noisy(sound, noise[start : start + len(sound)], drawn.snr_db)
        film(clip.video, out / f"{clip.name}.mp4", drawn.blur.bit_length() - 1, sound, n_threads)
        if sound is not None:
            with (out / f"{clip.name}.wav").open("wb") as file:
                write_wav(file, Sound(sound))


def heard(path: Path) -> np.ndarray | None:
    """Sound as 16-bit mono at 16 kHz."""
    with av.open(str(path)) as container:
        if not container.streams.audio:
            return None
        resampler = av.AudioResampler(format="s16", layout="mono", rate=16_000)
        pieces = [out.to_ndarray()[0] for frame in container.decode(audio=0) for out in resampler.resample(frame)]
        pieces += [out.to_ndarray()[0] for out in resampler.resample(None)]
    return np.concatenate(pieces)


def noisy(clean: np.ndarray, noise: np.ndarray, snr_db: float) -> np.ndarray:
    """The mixture."""
    x, n = clean.astype(np.float64), noise.astype(np.float64)
    y = x + n * np.sqrt(np.mean(x**2)) / 10 ** (snr_db / 20) / np.sqrt(np.mean(n**2))
    if y.max() > 32767 or y.min() < -32768:
        y *= 32767 / y.max() if y.max() >= abs(y.min()) else -32768 / y.min()
    return y.astype(np.int16)


def film(source: Path, target: Path, levels: int, sound: np.ndarray | None, n_threads: int) -> None:
    """Decode, blur, encode, mux."""
    with av.open(str(source)) as original, av.open(str(target), "w") as made:
        decoded = original.streams.video[0]
        decoded.codec_context.thread_type, decoded.codec_context.thread_count = "AUTO", n_threads
        picture = made.add_stream("libx264", rate=Fraction(decoded.average_rate))
        picture.width, picture.height = (side // 2 * 2 for side in (decoded.width, decoded.height))
        picture.pix_fmt = "yuv420p"
        picture.options = {"crf": QUALITY["crf"], "preset": QUALITY["preset"]}
        if n_threads:
            picture.options = {**picture.options, "threads": str(n_threads)}
        if sound is not None:
            voice = made.add_stream("aac", rate=16_000, layout="mono")
            voice.bit_rate = 64_000
        for frame in original.decode(decoded):
            pixels = frame.to_ndarray(format="rgb24")
            for _ in range(levels):
                pixels = cv2.pyrDown(pixels)
            for _ in range(levels):
                pixels = cv2.pyrUp(pixels)
            pixels = np.ascontiguousarray(pixels[: picture.height, : picture.width])
            made.mux(picture.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        made.mux(picture.encode())
        if sound is not None:
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(sound[None]), format="s16", layout="mono")
            frame.sample_rate, frame.pts = 16_000, 0
            made.mux(voice.encode(frame))
            made.mux(voice.encode())


def machine() -> dict[str, object]:
    """What this was measured on."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    return {
        "cpu": next((line.split(":")[1].strip() for line in lines if "model name" in line), platform.processor()),
        "cores": available_cores(),
        "load_at_end": round(os.getloadavg()[0], 2),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "versions": {name: version(name) for name in ("av", "opencv-python-headless", "numpy")},
        "date": time.strftime("%Y-%m-%d"),
    }


if __name__ == "__main__":
    sys.exit(main())
