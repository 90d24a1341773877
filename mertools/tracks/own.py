"""Tracks of users: a YAML file with the fields of `Track`, read strictly.

``mertools submission score --track my.yaml ...`` takes the file itself; the files of the folder that the environment
variable ``MERTOOLS_TRACKS`` names stand in ``mertools list tracks`` and are found by their ids.
"""

from __future__ import annotations

import os
from pathlib import Path

from mertools.config import from_mapping, load_yaml
from mertools.errors import ConfigError, did_you_mean
from mertools.metrics import METRICS
from mertools.targets import Kind
from mertools.tracks.base import Track, add_track

VARIABLE = "MERTOOLS_TRACKS"


def read_track(path: Path) -> Track:
    """The track that a YAML file describes.

    Raises:
        ConfigError: if the file is missing, is not YAML, has an unknown or a lacking key, names a metric that does not
            exist or that compares something else than its targets, or whose columns do not hold its targets.
    """
    values = load_yaml(path)
    if not isinstance(values, dict):
        raise ConfigError("MER-R020", f"{path} is not a mapping.", "Expected the keys id, edition, title, targets, ...")
    track = from_mapping(Track, values, f"track {path}")
    for problem in _problems(track):
        raise ConfigError("MER-R021", f"track {path}: {problem}", "Mend the file; see docs/tracks.md.")
    return track


def add_own_tracks(folder: Path) -> list[Track]:
    """Register every ``*.yaml`` of a folder.

    Raises:
        ConfigError: if one is no track, or has the id of another.
    """
    found = []
    for path in sorted(folder.glob("*.y*ml")):
        track = read_track(path)
        try:
            found.append(add_track(track))
        except ValueError:
            raise ConfigError(
                "MER-R022", f"{path}: there is a track '{track.id}' already.", "Give it another id."
            ) from None
    return found


def _problems(track: Track) -> list[str]:
    """What the types alone do not say."""
    problems = []
    columns = {column.target or column.name: column for column in track.upload.columns if column.kind != "key"}
    if not track.upload.keys:
        problems.append("none of its columns is of kind key.")
    for target in track.targets:
        column = columns.get(target.name)
        if column is None:
            problems.append(f"target '{target.name}' has no column; columns: {', '.join(columns)}.")
        elif column.kind in ("label", "preference") and target.classes and len(column.allowed) != len(target.classes):
            problems.append(
                f"column '{column.name}' allows {len(column.allowed)} values for {len(target.classes)} classes."
            )
    inputs = list(track.inputs)
    for name in (track.primary, *track.secondary, *track.reported):
        if name and name not in METRICS:
            problems.append(f"there is no metric '{name}'.{did_you_mean(name, METRICS.names())}")
        elif name and not set(METRICS.get(name).inputs) <= set(inputs):
            wanted: tuple[Kind | str, ...] = METRICS.get(name).inputs
            problems.append(f"metric '{name}' compares {', '.join(wanted)}, its targets are {', '.join(inputs)}.")
    return problems


if os.environ.get(VARIABLE):
    _folder = Path(os.environ[VARIABLE])
    if not _folder.is_dir():
        raise ConfigError("MER-R023", f"{VARIABLE} names {_folder}, which is not a folder.", "Name a folder of YAMLs.")
    add_own_tracks(_folder)
