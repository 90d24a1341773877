"""`bundle`: a self-contained scoring program and its reference data, as an organiser uploads them to CodaBench.

::

    OUT/scoring_program/     metadata.yaml, score.py, track.py and the modules that these import; needs Python and numpy
    OUT/reference_data/      truth.csv, and wheels.json or groups.jsonl where the metric needs them
    OUT/scoring_program.zip, OUT/reference_data.zip     the same, the same bytes on every machine
    OUT/competition.yaml     a skeleton that names both
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mertools.errors import SubmissionError
from mertools.files import write_bytes_atomically
from mertools.tracks import Track, get_track
from submissions import scoring_program
from submissions.archive import write_zip
from submissions.closure import closure
from submissions.resources import resources_of
from submissions.scoring import require_scorer
from submissions.truth import read_truth

if TYPE_CHECKING:
    from mertools.wheels import Wheels

PROGRAM, REFERENCE = "scoring_program", "reference_data"
COMMAND = "python3 /app/program/score.py /app/input /app/output"

_START = ("submissions.scoring", "submissions.archive")
_NOT_NEEDED = ("mertools.tracks.own", "mertools.wheels.official", "mertools.wheels.builtin")
"""The track and the wheels are in the bundle as data."""

_FRONT_DOOR = '"""Modules of mertools that the scoring program imports."""\n'


@dataclass(frozen=True)
class Bundle:
    """A bundle on disk.

    Attributes:
        folder: where it stands.
        track: id of the track.
        modules: names of the modules in it.
        sha256: name of each zip -> its hash.
        notes: what an organiser must know.
    """

    folder: Path
    track: str
    modules: tuple[str, ...]
    sha256: Mapping[str, str]
    notes: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """The document of ``submission bundle --json``."""
        return {
            "track": self.track,
            "out": str(self.folder),
            "modules": list(self.modules),
            "sha256": dict(self.sha256),
            "notes": list(self.notes),
        }


def bundle(
    track: str | Track,
    truth: Path | str,
    out: Path | str,
    *,
    wheels: Path | str | Wheels | None = None,
    groups: Path | str | None = None,
) -> Bundle:
    """Write a scoring bundle.

    Args:
        track: the track or its id.
        truth: CSV with the annotations; copied as it is.
        out: a folder that is not there yet, or is empty, or holds a bundle.
        wheels: folder of emotion-wheel tables; else that of ``MERTOOLS_WHEELS``, else the built-in ones.
        groups: recorded groups of synonyms, for a track that needs them.

    Raises:
        SubmissionError: if the truth cannot be used, the track has no public scorer, or `out` holds something else.
    """
    from hashlib import sha256

    track = track if isinstance(track, Track) else get_track(track)
    require_scorer(track)
    truth, out = Path(truth), Path(out)
    read_truth(track, truth)  # an organiser hears now what participants would hear later
    found = resources_of(track, wheels, groups)
    program, modules = _program(track)
    reference = {"truth.csv": truth.read_bytes()}
    if "wheels" in found.bound:
        reference["wheels.json"] = _json(found.bound["wheels"].as_json())
    if found.groups is not None:
        reference["groups.jsonl"] = _groups(found.groups)
    _clear(out)
    hashes = {}
    for name, files in ((PROGRAM, program), (REFERENCE, reference)):
        files = dict(sorted(files.items()))
        for path, content in files.items():
            write_bytes_atomically(out / name / path, content)
        packed = write_zip(files)
        write_bytes_atomically(out / f"{name}.zip", packed)
        hashes[f"{name}.zip"] = sha256(packed).hexdigest()
    write_bytes_atomically(out / "competition.yaml", _competition(track).encode())
    return Bundle(out, track.id, modules, hashes, found.warnings)


def _program(track: Track) -> tuple[dict[str, bytes], tuple[str, ...]]:
    metrics = {getattr(metric.function, "__module__", "mertools.metrics") for metric in track.metrics}
    start = [*_START, *metrics]
    start += ["mertools.wheels.tables"] * ("wheels" in track.needs) + ["mertools.wheels"] * ("groups" in track.needs)
    modules = closure(start, without=_NOT_NEEDED)
    files = {
        "metadata.yaml": f"command: {COMMAND}\ndescription: {track.title}, scored by mertools\n".encode(),
        "score.py": Path(scoring_program.__file__).read_bytes(),
        "track.py": _track_module(track),
    }
    for name, path in modules.items():
        inside = name.replace(".", "/") + ("/__init__.py" if path.name == "__init__.py" else ".py")
        files[inside] = _FRONT_DOOR.encode() if "." not in name else path.read_bytes()
    return files, tuple(modules)


def _track_module(track: Track) -> bytes:
    """The track as Python source: a dataclass of plain values is its own source."""
    used = "Candidates, Column, ReferenceScorer, Rule, Track, Upload"
    return (
        f'"""The track {track.id}."""\n\nfrom mertools.targets import Target\n'
        f"from mertools.tracks.base import {used}\n\nTRACK = {track!r}\n__all__ = ['TRACK']\n"
        f"_ = ({used}, Target)\n"
    ).encode()


def _json(document: Any) -> bytes:
    return (json.dumps(document, ensure_ascii=False) + "\n").encode()


def _groups(groups: Any) -> bytes:
    lines = [
        json.dumps({"run": n, "name": name, "groups": found}, ensure_ascii=False)
        for n, run in enumerate(groups.runs, start=1)
        for name, found in sorted(run.items())
    ]
    return "\n".join([*lines, ""]).encode()


def _clear(out: Path) -> None:
    """Remove an older bundle; anything else stays and stops us."""
    known = {PROGRAM, REFERENCE, f"{PROGRAM}.zip", f"{REFERENCE}.zip", "competition.yaml"}
    if out.exists() and not out.is_dir():
        raise SubmissionError("MER-S166", f"{out} is a file.", "Name a folder with --out.")
    strange = sorted({path.name for path in out.iterdir()} - known) if out.is_dir() else []
    if strange:
        raise SubmissionError(
            "MER-S166", f"{out} holds {', '.join(strange[:3])}, which is no part of a bundle.", "Name another folder."
        )
    for name in (PROGRAM, REFERENCE):
        shutil.rmtree(out / name, ignore_errors=True)


def _competition(track: Track) -> str:
    columns = "\n".join(
        f"      - title: {metric.name}\n        key: {metric.name}\n        index: {i}\n"
        f"        sorting: {'desc' if metric.higher_is_better else 'asc'}"
        for i, metric in enumerate(track.metrics)
    )
    limit = f"\n    max_submissions: {track.submissions}" if track.submissions else ""
    return f"""# A skeleton: fill in dates, pages and the image, then zip it with both zips and upload.
version: 2
title: {json.dumps(track.title)}
image: logo.png
terms: terms.md
docker_image: IMAGE-WITH-PYTHON-3.11-AND-NUMPY
pages:
  - title: Overview
    file: overview.md
tasks:
  - index: 0
    name: {json.dumps(track.title)}
    scoring_program: {PROGRAM}.zip
    reference_data: {REFERENCE}.zip
phases:
  - name: Test
    start: 2000-01-01
    tasks: [0]{limit}
leaderboards:
  - title: Results
    key: results
    columns:
{columns}
"""
