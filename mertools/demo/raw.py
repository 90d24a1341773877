"""Writing the synthetic corpus as a researcher would find one: a folder of clips with CSV files beside them.

``RAW/clips/`` holds the clips, ``labels.csv`` (test clips carry no labels) and ``transcripts.csv``; outside the reach
of training lie ``RAW/withheld/truth.csv`` (labels of the test clips) and ``RAW/withheld/candidates.csv`` (their names).
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from mertools.config import canonical_json, to_mapping
from mertools.demo.face import film
from mertools.demo.script import TEST_SPLIT, DemoSettings, Scene, write_script
from mertools.demo.voice import RATE_HZ, Voice, speak
from mertools.files import replacing, write_text_atomically
from mertools.labels import MER_VALENCE_RANGE

REVISION = 1
"""Raised whenever the clips change for equal settings."""

PREPARE: dict[str, str | bool] = {
    "name": "demo",
    "synthetic": True,
    "valence_range": ",".join(f"{end:g}" for end in MER_VALENCE_RANGE),
    "licence": "synthetic (photograph: NASA, public domain)",
}
"""What ``prepare folder`` is told about the clips."""


@dataclass(frozen=True)
class RawFolder:
    """Where the parts of the raw corpus lie.

    Attributes:
        folder: the raw folder.
        scenes: the plan.
    """

    folder: Path
    scenes: tuple[Scene, ...]

    @property
    def clips(self) -> Path:
        """Folder of the clips with ``labels.csv`` and ``transcripts.csv``: what ``prepare folder`` is given."""
        return self.folder / "clips"

    @property
    def truth(self) -> Path:
        """Labels of the test clips."""
        return self.folder / "withheld" / "truth.csv"

    @property
    def candidates(self) -> Path:
        """Names of the test clips."""
        return self.folder / "withheld" / "candidates.csv"


def make_raw(
    folder: Path, settings: DemoSettings, progress: Callable[[int, int], None] = lambda done, total: None
) -> RawFolder:
    """Write the synthetic corpus; clips that are there already, made with the same settings, are kept.

    Args:
        folder: where to; made if absent.
        settings: size and seed.
        progress: called with the number of clips done and of all clips.

    Raises:
        MachineError: if the disk is full or the folder may not be written.
    """
    raw = RawFolder(folder, write_script(settings))
    stamp, made_with = folder / "synthetic.json", canonical_json({"revision": REVISION, **to_mapping(settings)}) + "\n"
    if not (stamp.is_file() and stamp.read_text(encoding="utf-8") == made_with):
        stamp.unlink(missing_ok=True)
        for old in raw.clips.glob("demo_*.mp4"):
            old.unlink()
        write_text_atomically(stamp, made_with)

    def make(scene: Scene) -> None:
        path = raw.clips / f"{scene.name}.mp4"
        if not path.is_file():
            _write_clip(path, scene, settings)

    with ThreadPoolExecutor() as pool:  # warping and encoding leave the interpreter's lock
        for done, _ in enumerate(pool.map(make, raw.scenes), start=1):
            progress(done, len(raw.scenes))
    _write_tables(raw)
    return raw


def _write_tables(raw: RawFolder) -> None:
    labelled = ("discrete", "valence", "openset", "caption")
    rows = []
    for scene in raw.scenes:
        row = _annotations(scene) if scene.speaker.split != TEST_SPLIT else dict.fromkeys(labelled, "")
        rows.append({"name": scene.name, "split": scene.speaker.split, **row, "speaker": scene.speaker.name})
    held_out = [s for s in raw.scenes if s.speaker.split == TEST_SPLIT]
    _write_csv(raw.clips / "labels.csv", ("name", "split", *labelled, "speaker"), rows)
    _write_csv(raw.clips / "transcripts.csv", ("name", "text"), ({"name": s.name, "text": s.text} for s in raw.scenes))
    truth = [{"name": s.name, **_annotations(s), "speaker": s.speaker.name} for s in held_out]
    _write_csv(raw.truth, ("name", *labelled, "speaker"), truth)
    _write_csv(raw.candidates, ("name",), ({"name": s.name} for s in held_out))
    _write_csv(
        raw.folder / "withheld" / "plan.csv",
        ("name", "emotion", "intensity"),
        ({"name": s.name, "emotion": s.emotion, "intensity": f"{s.intensity:.3f}"} for s in raw.scenes),
    )
    write_text_atomically(
        raw.folder / "README.txt",
        "Synthetic clips made by `mertools demo`: one public-domain photograph (NASA, shipped with scikit-image),\n"
        "warped, with a synthetic voice. Nobody acted or felt anything here. No number measured on them is a result.\n",
    )


def _annotations(scene: Scene) -> dict[str, str]:
    return {
        "discrete": scene.emotion,
        "valence": f"{scene.valence:g}",
        "openset": ", ".join(scene.openset),
        "caption": scene.caption,
    }


def _write_csv(path: Path, columns: Sequence[str], rows: Iterable[dict[str, str]]) -> None:
    out = io.StringIO()
    writer = csv.DictWriter(out, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text_atomically(path, out.getvalue())


def _write_clip(path: Path, scene: Scene, settings: DemoSettings) -> None:
    voice = speak(scene)
    n_frames = round(scene.duration_s * settings.fps)
    frames = film(scene, voice.at_frames(n_frames, settings.fps), settings.size, settings.fps)
    content = io.BytesIO()
    _encode(content, frames, voice, settings)
    with replacing(path) as file:
        file.write(content.getvalue())


def _encode(out: io.BytesIO, frames: Iterable[np.ndarray], voice: Voice, settings: DemoSettings) -> None:
    """H.264 and AAC in MP4, such that the same clip gives the same bytes.

    x264's bytes depend on the number of threads and, with macroblock-tree rate control, on how memory happens to lie.
    """
    import av

    with av.open(out, "w", format="mp4") as container:
        picture = container.add_stream("libx264", rate=settings.fps)
        picture.width = picture.height = settings.size
        picture.pix_fmt = "yuv420p"
        picture.options = {"crf": "20", "preset": "veryfast", "x264-params": "threads=1:mbtree=0"}
        sound = container.add_stream("aac", rate=RATE_HZ, layout="mono")
        sound.bit_rate = 64_000
        for index, pixels in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, settings.fps)
            container.mux(picture.encode(frame))
        container.mux(picture.encode(None))
        piece = av.AudioFrame.from_ndarray(voice.samples[None], format="fltp", layout="mono")
        piece.rate, piece.pts, piece.time_base = RATE_HZ, 0, Fraction(1, RATE_HZ)
        container.mux(sound.encode(piece))
        container.mux(sound.encode(None))


def montage(raw: RawFolder, size: int, fps: int, at_s: float = 1.2) -> np.ndarray:
    """One frame per speaker (rows) and emotion (columns) at `at_s` seconds: ``(H, W, 3)`` uint8, RGB."""
    rows: dict[str, dict[str, np.ndarray]] = {}
    for scene in raw.scenes:
        row = rows.setdefault(scene.speaker.name, {})
        if scene.emotion not in row:
            n_frames = round(at_s * fps) + 1
            envelope = speak(scene).at_frames(n_frames, fps)
            *_, row[scene.emotion] = film(scene, envelope, size, fps)
    return np.vstack([np.hstack([row[e] for e in sorted(row)]) for _, row in sorted(rows.items())])
