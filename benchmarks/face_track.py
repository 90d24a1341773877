"""Speed and accuracy of the face track against MTCNN called frame by frame, on the same decoded frames in one run.

Usage: python benchmarks/face_track.py CLIPS_FOLDER [--out FILE.json] [--threads 2]
       [--device cpu]

The reference is `facenet_pytorch.MTCNN(keep_all=True).detect` at native size, else default parameters. Its face of a
frame is the largest with probability of at least 0.9, or the most probable one if none reaches that. Ours is the face
that the policy `largest` chooses. Times are of finding faces alone (ours: with shrinking); decoding is in neither.
On a machine that does other work too, set OMP_WAIT_POLICY=passive: threads that spin at barriers distort both sides.
`--reference-cache FILE.npz` keeps the reference's boxes and times between runs; the results then say so.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import av
import numpy as np
import torch
from facenet_pytorch import MTCNN

from feature_extractors.facetrack import FaceTracker, Geometry, Shrinker, Shrunk, choose
from feature_extractors.facetrack.detect import overlap

SUFFIXES = (".mp4", ".mpg", ".mov")
SURE = 0.9
CHUNK = 64
TARGETS = {"speedup": 5.0, "median_iou": 0.9, "p5_iou": 0.75, "lost_share": 0.01, "identity_switches": 0}


@dataclass(frozen=True)
class Chunk:
    """Frames as the decoder's session hands them to a shrinker."""

    pixels: np.ndarray
    times_s: np.ndarray
    index: np.ndarray


@dataclass(frozen=True)
class Reference:
    """The reference's face per frame (NaN: none) and the time it took."""

    box: np.ndarray
    wall_s: float
    cpu_s: float


def main() -> int:
    """Run the benchmark; 1 if a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "face_track.json")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cpu", help="for both sides")
    parser.add_argument("--reference-cache", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    cached = _load(arguments.reference_cache)
    mtcnn, tracker = MTCNN(keep_all=True, device=arguments.device), FaceTracker(arguments.device)
    names = sorted(path.name for path in arguments.folder.iterdir() if path.suffix in SUFFIXES)
    warm = decode(arguments.folder / names[0])[:16]
    reference(mtcnn, warm)
    ours(tracker, warm)
    table, overlaps, references = [], [], {}
    for name in names:
        frames = decode(arguments.folder / name)
        theirs = references[name] = cached.get(name) or reference(mtcnn, frames)
        row, iou = compare(tracker, name, frames, theirs)
        table.append(row)
        overlaps.append(iou)
        print(json.dumps(row), file=sys.stderr, flush=True)
    _save(arguments.reference_cache, references)
    grid = [name for name in names if name.startswith("grid_")]
    pairs = [pair(tracker, arguments.folder, *two, references) for two in zip(grid[::2], grid[1::2], strict=False)]
    result = summary(table, np.concatenate(overlaps), pairs)
    result["machine"] = machine()
    result["reference"] = "cached" if cached else "measured in this run"
    result["settings"] = {"stride": tracker.stride, "side": tracker.side, "closer_side": tracker.closer_side}
    arguments.out.write_text(json.dumps({**result, "pairs": pairs, "clips": table}, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=1))
    return 0 if all(result["targets_met"].values()) else 1


def decode(path: Path) -> np.ndarray:
    """All frames, ``(T, H, W, 3)`` uint8, RGB."""
    with av.open(str(path)) as container:
        container.streams.video[0].thread_type = "AUTO"
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


def reference(mtcnn: MTCNN, frames: np.ndarray) -> Reference:
    """MTCNN frame by frame."""
    box = np.full((len(frames), 4), np.nan)
    wall, cpu = time.perf_counter(), time.process_time()
    found = [mtcnn.detect(frame, landmarks=True) for frame in frames]
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    for i, (boxes, probabilities, _) in enumerate(found):
        if boxes is not None:
            boxes, sure = np.asarray(boxes, np.float64), np.asarray(probabilities, np.float64)
            kept = boxes[sure >= SURE] if (sure >= SURE).any() else boxes[[int(sure.argmax())]]
            box[i] = kept[np.argmax((kept[:, 2] - kept[:, 0]) * (kept[:, 3] - kept[:, 1]))]
    return Reference(box, wall, cpu)


def ours(tracker: FaceTracker, frames: np.ndarray) -> Geometry:
    """The face track on frames that are decoded already."""

    def shrunk(shrink: Shrinker) -> Iterator[Shrunk]:
        for start in range(0, len(frames), CHUNK):
            index = np.arange(start, min(start + CHUNK, len(frames)))
            yield shrink(Chunk(frames[start : start + CHUNK], index / 25, index))

    return tracker.find(shrunk)


def compare(
    tracker: FaceTracker, name: str, frames: np.ndarray, theirs: Reference
) -> tuple[dict[str, Any], np.ndarray]:
    """One row of the table, and the overlap on every frame where both have a face."""
    wall, cpu = time.perf_counter(), time.process_time()
    geometry = ours(tracker, frames)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    face = choose(geometry)
    box = np.full((len(frames), 4), np.nan)
    if face is not None:
        box[face.frame] = face.box
    there, found = ~np.isnan(theirs.box[:, 0]), ~np.isnan(box[:, 0])
    iou = overlap(box[there & found], theirs.box[there & found])
    row = {
        "clip": name,
        "width": frames.shape[2],
        "height": frames.shape[1],
        "frames": len(frames),
        "reference_faces": int(there.sum()),
        "lost": int((there & ~found).sum()),
        "false": int((found & ~there).sum()),
        "tracks": len(geometry.tracks),
        "median_iou": round(float(np.median(iou)), 4) if len(iou) else None,
        "p5_iou": round(float(np.percentile(iou, 5)), 4) if len(iou) else None,
        "reference_wall_s": round(theirs.wall_s, 3),
        "ours_wall_s": round(wall, 3),
        "reference_cpu_s": round(theirs.cpu_s, 3),
        "ours_cpu_s": round(cpu, 3),
        "speedup": round(theirs.wall_s / wall, 2),
    }
    return row, iou


def pair(tracker: FaceTracker, folder: Path, left: str, right: str, references: dict[str, Reference]) -> dict[str, Any]:
    """Two clips side by side: does every face keep its identity?

    A frame counts as a switch where the track that covers a reference face is not the one that covered it before.
    """
    sides = [decode(folder / left), decode(folder / right)]
    count = min(len(side) for side in sides)
    geometry = ours(tracker, np.concatenate([side[:count] for side in sides], axis=2))
    switches, lost, faces = 0, 0, 0
    for name, shift in ((left, 0), (right, sides[0].shape[2])):
        before = None
        for i in range(count):
            box = references[name].box[i] + np.array([shift, 0, shift, 0])
            if np.isnan(box[0]):
                continue
            faces += 1
            rows = np.flatnonzero(geometry.frame == i)
            rows = rows[overlap(geometry.box[rows], np.broadcast_to(box, (len(rows), 4))) > 0.5]
            if len(rows) != 1:
                lost += 1
                continue
            track = int(geometry.track[rows[0]])
            switches += before is not None and track != before
            before = track
    tracks = len(geometry.tracks)
    return {"left": left, "right": right, "faces": faces, "lost": lost, "switches": switches, "tracks": tracks}


def summary(table: list[dict[str, Any]], iou: np.ndarray, pairs: list[dict[str, Any]]) -> dict[str, Any]:
    """The numbers of the whole run, and which targets they meet."""
    total = {key: sum(row[key] for row in table) for key in ("frames", "reference_faces", "lost", "false")}
    seconds = {key: sum(row[key] for row in table) for key in table[0] if key.endswith("_s")}
    numbers = {
        **total,
        "reference_fps": round(total["frames"] / seconds["reference_wall_s"], 2),
        "ours_fps": round(total["frames"] / seconds["ours_wall_s"], 2),
        "speedup": round(seconds["reference_wall_s"] / seconds["ours_wall_s"], 2),
        "cpu_speedup": round(seconds["reference_cpu_s"] / seconds["ours_cpu_s"], 2),
        "median_iou": round(float(np.median(iou)), 4),
        "p5_iou": round(float(np.percentile(iou, 5)), 4),
        "lost_share": round(total["lost"] / total["reference_faces"], 5),
        "identity_switches": sum(row["switches"] for row in pairs),
    }
    met = {
        key: bool(numbers[key] >= goal if key in ("speedup", "median_iou", "p5_iou") else numbers[key] <= goal)
        for key, goal in TARGETS.items()
    }
    return {**numbers, "targets": TARGETS, "targets_met": met}


def machine() -> dict[str, Any]:
    """What the times depend on."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(encoding="utf-8").splitlines() if cpuinfo.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return {
        "cpu": models[0] if models else platform.processor(),
        "cores": os.cpu_count(),
        "load_at_end": round(os.getloadavg()[0], 2),
        "torch_threads": torch.get_num_threads(),
        "omp_wait_policy": os.environ.get("OMP_WAIT_POLICY", "default"),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in ("torch", "facenet-pytorch", "numpy", "opencv-python-headless")},
    }


def _load(path: Path | None) -> dict[str, Reference]:
    if path is None or not path.exists():
        return {}
    with np.load(path, allow_pickle=False) as data:
        names = [key.removesuffix(":box") for key in data if key.endswith(":box")]
        return {name: Reference(data[f"{name}:box"], *data[f"{name}:seconds"].tolist()) for name in names}


def _save(path: Path | None, references: dict[str, Reference]) -> None:
    if path is not None:
        arrays = {f"{name}:box": r.box for name, r in references.items()}
        seconds = {f"{name}:seconds": np.array([r.wall_s, r.cpu_s]) for name, r in references.items()}
        np.savez(path, **arrays, **seconds)


if __name__ == "__main__":
    raise SystemExit(main())
