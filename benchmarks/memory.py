"""Memory of an extraction over thousands of clips and over an hour-long one; decoding shared by several extractors.

Run by hand: ``python benchmarks/memory.py [--part short|long|decode ...] [--clips N] [--minutes N]``. Each part is
measured in a process of its own and put into ``benchmarks/results/memory.json``; other parts in that file stay.

*short*: face/hog and audio/prosody over many clips of 0.8 s. The resident memory of the extracting process (mapped
files included, decoders not) is sampled four times a second; *growth* is the median of the last tenth of the samples
less that of the second tenth: by then weights, libraries and buffers are there. *long*: each extractor by itself, at
both levels, over one clip of an hour; *peak* is the highest sample. The same over its first minute says what does not
depend on length. *decode*: CPU seconds of the decoder processes, from the first frame of the face track to the last
crop, with one face model and with three; every run fills an empty store.

Clips are made by `mertools.demo`; the face and the voice are synthetic. Distinct files are few, their hard links many:
each clip is opened, decoded and embedded by itself all the same.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

NAMES = ("face/hog", "audio/prosody")
ONE_FACE = ("face/hog",)
THREE_FACES = ("face/hog", "face/hog:orientations=6", "face/hog:cell=28")
THREE_CROPS = ("face/hog", "face/hog:crop=aligned-256", "face/hog:crop=square-union-224")
EVERY_S = 0.25
DECODE_TURNS = 5
RATE_HZ = 16_000
LONG_FPS, LONG_SIZE, LOOP_S = 10, 128, 20


def main() -> int:
    """Measure; 1 if a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", choices=tuple(PARTS), nargs="+", default=tuple(PARTS))
    parser.add_argument("--clips", type=int, default=5000)
    parser.add_argument("--minutes", type=int, default=60)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "memory.json")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)  # the process of one part
    arguments = parser.parse_args()
    if arguments.here:
        with tempfile.TemporaryDirectory(prefix="mertools-memory-") as folder:
            print(json.dumps(PARTS[arguments.part[0]](Path(folder), arguments)))
        return 0
    result: dict[str, Any] = json.loads(arguments.out.read_text()) if arguments.out.exists() else {}
    for part in arguments.part:
        options = ["--here", "--part", part, "--clips", str(arguments.clips), "--minutes", str(arguments.minutes)]
        before = machine()
        done = subprocess.run([sys.executable, __file__, *options], stdout=subprocess.PIPE, check=True)
        result[part] = {**json.loads(done.stdout), "machine": {**before, "load_at_end": round(os.getloadavg()[0], 1)}}
        print(part, json.dumps(result[part]), file=sys.stderr, flush=True)
    targets = {}
    if "short" in result:
        targets["growth below 50 MB over the short clips"] = result["short"]["growth_mb"] < 50
    if "decode" in result:
        targets["decoder CPU with three face models below 1.3 times that with one"] = (
            result["decode"]["three_to_one"] < 1.3
        )
    result = {"command": "python benchmarks/memory.py", **result, "targets_met": targets}
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))
    return 0 if all(targets.values()) else 1


def short(folder: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """Growth over many short clips."""
    corpus = linked(folder, arguments.clips)
    samples, status, seconds = extracted(corpus, NAMES, folder / "store", "utterance")
    own = [sample[0] for sample in samples]
    tenth = max(len(own) // 10, 1)
    start, end = statistics.median(own[tenth : 2 * tenth]), statistics.median(own[-tenth:])
    return {
        "clips": arguments.clips,
        "clip_s": 0.8,
        "extractors": list(NAMES),
        "status": status,
        "seconds": round(seconds, 1),
        "clips_per_s": round(arguments.clips / seconds, 1),
        "rss_mb_by_tenths": [round(statistics.median(own[i * tenth : (i + 1) * tenth]), 1) for i in range(10)],
        "growth_mb": round(end - start, 1),
        "peak_mb": round(max(own), 1),
        "decoders_peak_mb": round(max(sample[1] for sample in samples), 1),
        "samples": len(own),
    }


def long(folder: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """Peak over one long clip, and over its first minute."""
    film = long_film(folder / "long.mp4", 60 * arguments.minutes)
    found: dict[str, Any] = {
        "minutes": arguments.minutes,
        "video": f"{LONG_SIZE} x {LONG_SIZE}, {LONG_FPS} frames/s; sound 16 kHz",
        "sound_mb": round(60 * arguments.minutes * RATE_HZ * 4 / 1e6, 1),
        "runs": [],
    }
    for level in ("utterance", "frame"):
        for extractor in NAMES:
            for end_s in (60, 60 * arguments.minutes):
                before = memory_mb()[0]
                place = folder / f"{level}-{extractor.replace('/', '-')}-{end_s}"
                samples, status, seconds = extracted(of_one(folder, film, end_s), (extractor,), place, level)
                peak = max(sample[0] for sample in samples)
                found["runs"].append(
                    {
                        "extractor": extractor,
                        "level": level,
                        "minutes": end_s // 60,
                        "status": status,
                        "seconds": round(seconds, 1),
                        "rss_before_mb": round(before, 1),
                        "peak_mb": round(peak, 1),
                        "above_before_mb": round(peak - before, 1),
                        "decoders_peak_mb": round(max(sample[1] for sample in samples), 1),
                        "stored_mb": round(stored_mb(place), 1),
                    }
                )
    return found


def stored_mb(store: Path) -> float:
    """Size of the shards of a store."""
    return sum(path.stat().st_size for path in (store / "shards").rglob("*.safetensors")) / 1e6


def decode(folder: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """CPU seconds of decoders for one and for three face models."""
    corpus = linked(folder, 144, seconds=2.0, size=256, fps=25)
    found: dict[str, Any] = {"clips": len(corpus), "clip_s": 2.0, "video": "256 x 256, 25 frames/s"}
    seconds: dict[str, list[float]] = {"one": [], "three": [], "three_crops": []}
    for turn in range(DECODE_TURNS):
        for name, models in (("one", ONE_FACE), ("three", THREE_FACES), ("three_crops", THREE_CROPS)):
            began = children_s()
            extracted(corpus, models, folder / f"{name}{turn}", "utterance")
            seconds[name].append(round(children_s() - began, 4))
    one = statistics.median(seconds["one"])
    return {
        **found,
        "models": {"one": ONE_FACE, "three": THREE_FACES, "three_crops": THREE_CROPS},
        "decoder_cpu_s": seconds,  # in order of turns; the models take turns
        "three_to_one": round(statistics.median(seconds["three"]) / one, 3),
        "three_crops_to_one": round(statistics.median(seconds["three_crops"]) / one, 3),
    }


def extracted(
    corpus: Any, names: Sequence[str], store: Path, level: str
) -> tuple[list[tuple[float, float]], dict[str, int], float]:
    """Extract; memory of this process and of its decoders over time (MB), statuses, seconds.

    Raises:
        RuntimeError: if a clip failed: then less was done than the figures say. It names clips and reasons.
    """
    from feature_extractors import extract
    from mertools.store import open_store

    samples: list[tuple[float, float]] = [memory_mb()]
    ended = threading.Event()

    def sample() -> None:
        while not ended.wait(EVERY_S):
            samples.append(memory_mb())

    thread = threading.Thread(target=sample, daemon=True)
    thread.start()
    began = time.perf_counter()
    try:
        with open_store(store, create=True) as opened:
            options = {"level": level, "device": "cpu", "quiet": True, "timeout_s": 7200.0}
            summary = extract(corpus, list(names), opened, **options)
    finally:
        ended.set()
        thread.join()
    if not summary.fine:
        failed = {space.extractor: dict(space.failures) for space in summary.spaces if space.failures}
        raise RuntimeError(f"clips failed, nothing was measured: {failed}")
    return samples, summary.status, time.perf_counter() - began


def memory_mb() -> tuple[float, float]:
    """Resident memory of this process, and of its children together."""
    own = resident_mb("self")
    tasks = Path("/proc/self/task")
    return own, sum(resident_mb(pid) for task in tasks.iterdir() for pid in children_of(task))


def children_of(task: Path) -> list[str]:
    """Processes that a thread of this one has started; none if the thread has just ended."""
    try:
        return (task / "children").read_text().split()
    except OSError:
        return []


def resident_mb(process: str) -> float:
    """Resident memory of a process; 0 if it has just ended."""
    try:
        pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    except OSError:
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def children_s() -> float:
    """CPU seconds of the children that have ended: the decoders of the runs before."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def linked(folder: Path, n_clips: int, *, seconds: float = 0.8, size: int = 96, fps: int = 5) -> Any:
    """A corpus of so many clips: hard links of 48 files."""
    from mertools.corpus import Clip, Corpus, Split
    from mertools.demo import DemoSettings, make_raw

    settings = DemoSettings(speakers=4, test_speakers=1, takes=2, seconds=seconds, size=size, fps=fps)
    made = sorted(make_raw(folder / "made", settings).clips.glob("*.mp4"))
    media = folder / "media"
    media.mkdir()
    clips = []
    for i in range(n_clips):
        path = media / f"c{i:05d}.mp4"
        os.link(made[i % len(made)], path)
        clips.append(Clip(path.stem, "train", path, None, {}))
    return Corpus("memory", folder, tuple(clips), folder, (Split("train"),))


def of_one(folder: Path, film: Path, end_s: int) -> Any:
    """A corpus of one clip."""
    from mertools.corpus import Clip, Corpus, Split

    clip = Clip("long", "train", film, None, {"start": "0", "end": str(end_s)})
    return Corpus("long", folder, (clip,), folder, (Split("train"),))


def long_film(path: Path, length_s: int) -> Path:
    """A film of one speaker, `LOOP_S` seconds again and again."""
    import av

    from mertools.demo import DemoSettings, write_script
    from mertools.demo.face import film
    from mertools.demo.voice import RATE_HZ as VOICE_HZ
    from mertools.demo.voice import speak

    scene = write_script(DemoSettings(seconds=LOOP_S, size=LONG_SIZE, fps=LONG_FPS))[0]
    voice = speak(scene)
    n_loop = int(scene.duration_s * LONG_FPS)
    frames = list(film(scene, voice.at_frames(n_loop, LONG_FPS), LONG_SIZE, LONG_FPS))
    samples = voice.samples[: n_loop * VOICE_HZ // LONG_FPS]
    with av.open(path, "w") as container:
        picture = container.add_stream("libx264", rate=LONG_FPS)
        picture.width = picture.height = LONG_SIZE
        picture.pix_fmt = "yuv420p"
        picture.options = {"crf": "23", "preset": "ultrafast"}
        sound = container.add_stream("aac", rate=VOICE_HZ, layout="mono")
        for index in range(length_s * LONG_FPS):
            frame = av.VideoFrame.from_ndarray(frames[index % n_loop], format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, LONG_FPS)
            container.mux(picture.encode(frame))
            if index % n_loop == 0:
                piece = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples[None]), format="fltp", layout="mono")
                piece.rate, piece.pts, piece.time_base = VOICE_HZ, index // n_loop * len(samples), Fraction(1, VOICE_HZ)
                container.mux(sound.encode(piece))
        container.mux(picture.encode(None))
        container.mux(sound.encode(None))
    return path


def machine() -> dict[str, Any]:
    """What this was measured on."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return {
        "cpu": next((line.split(":")[1].strip() for line in lines if "model name" in line), platform.processor()),
        "cores": os.cpu_count(),
        "load_at_start": round(os.getloadavg()[0], 1),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "date": time.strftime("%Y-%m-%d"),
    }


PARTS = {"short": short, "long": long, "decode": decode}

if __name__ == "__main__":
    sys.exit(main())
