"""`dry_run`: what a scoring program makes of a file, in the layout of the platform, and whether that is our number."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mertools.errors import SubmissionError
from mertools.tracks import Track, get_track
from submissions.archive import MAX_RATIO, is_zip, open_members, open_zip
from submissions.bundle import PROGRAM, REFERENCE, bundle
from submissions.formats import format_of, npz
from submissions.packaging import package
from submissions.reading import read_table
from submissions.scoring import score
from submissions.scoring_program import read_wheels

TIME_LIMIT_S = 600.0
TOLERANCE = 1e-12


@dataclass(frozen=True)
class DryRun:
    """A rehearsed upload.

    Attributes:
        scores: what the program wrote; empty if it gave no score.
        ours: what `score` gives for the same file, undefined numbers as 0.
        equal: whether both agree to 1e-12.
        seconds: how long the program ran.
        output: what it printed, the end of it.
        packaged: whether the file was a predictions CSV and was packaged first.
    """

    scores: Mapping[str, float]
    ours: Mapping[str, float]
    equal: bool
    seconds: float
    output: str
    packaged: bool

    def as_json(self) -> dict[str, Any]:
        """The document of ``submission dry-run --json``."""
        return {
            "scores": dict(self.scores),
            "score": dict(self.ours),
            "equal": self.equal,
            "seconds": round(self.seconds, 3),
            "output": self.output,
            "packaged": self.packaged,
        }


def dry_run(
    track: str | Track,
    file: Path | str,
    *,
    folder: Path | str | None = None,
    truth: Path | str | None = None,
    candidates: Path | str | None = None,
    wheels: Path | str | None = None,
    groups: Path | str | None = None,
    limit_s: float = TIME_LIMIT_S,
) -> DryRun:
    """Lay a file out as the platform does and run the scoring program on it in a process of its own.

    Args:
        track: the track or its id.
        file: the upload; a predictions CSV is packaged first.
        folder: a bundle; made for the occasion from `truth` if none is given.
        truth: CSV with the annotations, where there is no bundle.
        candidates: CSV with the clips to predict, for packaging.
        wheels: folder of emotion-wheel tables, for a bundle made here.
        groups: recorded groups of synonyms, for a bundle made here.
        limit_s: seconds after which the program is stopped.

    Raises:
        SubmissionError: if there is neither a bundle nor a truth, the bundle is incomplete, the file cannot be
            unpacked, or the program gives no score or takes too long.
        InvalidSubmissionError: if the predictions cannot be packaged.
    """
    track = track if isinstance(track, Track) else get_track(track)
    path = Path(file)
    with tempfile.TemporaryDirectory() as scratch:
        here = Path(scratch)
        if folder is None:
            if truth is None:
                raise SubmissionError("MER-S190", "a dry run needs a bundle or a truth.", "Add --bundle or --truth.")
            folder = bundle(track, truth, here / "bundle", wheels=wheels, groups=groups).folder
        program, reference = Path(folder) / PROGRAM, Path(folder) / REFERENCE
        if not (program / "score.py").is_file() or not (reference / "truth.csv").is_file():
            raise SubmissionError(
                "MER-S191", f"{folder} holds no {PROGRAM} and {REFERENCE}.", "Make it with: mertools submission bundle"
            )
        ours = read_table(path, track).ours
        if ours:
            upload = here / f"upload{'.zip' if track.upload.kind == 'texts' else track.upload.suffix}"
            package(track, path, upload, candidates=candidates, ledger=here)
            path = upload
        _lay_out(track, path, reference, here / "input")
        scores, seconds, output = _run(program, here / "input", here / "output", limit_s)
        recorded = reference / "groups.jsonl"
        expected = score(
            track,
            path,
            reference / "truth.csv",
            wheels=read_wheels(reference / "wheels.json"),
            groups=recorded if recorded.is_file() else None,
            mode="strict",
            n_draws=0,
        ).metrics
    equal = scores.keys() == expected.keys() and all(
        math.isclose(scores[name], expected[name], rel_tol=0, abs_tol=TOLERANCE) for name in expected
    )
    return DryRun(scores, dict(expected), equal, seconds, output, ours)


def _lay_out(track: Track, file: Path, reference: Path, target: Path) -> None:
    """``input/ref`` and ``input/res`` as the platform makes them: a zip is unpacked, any other file copied."""
    results = target / "res"
    results.mkdir(parents=True)
    (target / "ref").symlink_to(reference.resolve(), target_is_directory=True)
    content = file.read_bytes()
    form = format_of(track.upload)
    if file.suffix.lower() != ".zip" or not is_zip(content):
        (results / file.name).write_bytes(content)
        return
    if form.is_container:
        opened = open_members(content, track.upload.suffix, max_members=60_000)
    else:
        suffix = "." + track.upload.suffix.rpartition(".")[2]
        opened = open_zip(content, suffix, max_ratio=npz.MAX_RATIO if form.kind == "npz" else MAX_RATIO)
    if not opened.contents:
        found = opened.problems[0]
        raise SubmissionError(found.code, f"{file}: found {found.found}; expected {found.expected}.", found.mend)
    for member, inner in opened.contents.items():
        place = results / member  # members with unsafe paths are never read
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(inner)


def _run(program: Path, source: Path, out: Path, limit_s: float) -> tuple[dict[str, float], float, str]:
    """Scores, seconds, and the end of what the program printed."""
    out.mkdir()
    words = [sys.executable, "-I", str((program / "score.py").resolve()), str(source), str(out)]
    kept = {name: os.environ[name] for name in ("PATH", "SYSTEMROOT", "LANG") if name in os.environ}
    start = time.perf_counter()
    try:
        done = subprocess.run(words, capture_output=True, timeout=limit_s, env=kept, cwd=out, check=False)
    except subprocess.TimeoutExpired:
        raise SubmissionError(
            "MER-S192", f"the scoring program ran longer than {limit_s:g} s and was stopped.", "See --limit."
        ) from None
    seconds = time.perf_counter() - start
    output = (done.stdout + done.stderr).decode("utf-8", "replace")[-4000:].strip()
    written = out / "scores.json"
    if done.returncode or not written.is_file():
        raise SubmissionError(
            "MER-S193", f"the scoring program gave no score (exit code {done.returncode}): {output}", "Mend the upload."
        )
    return json.loads(written.read_text(encoding="utf-8")), seconds, output
