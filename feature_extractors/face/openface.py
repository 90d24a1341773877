"""What OpenFace 2.x (Baltrusaitis et al., 2018) measured: action units, head pose, gaze, landmarks, HOG.

OpenFace runs elsewhere; its output folder is the input here: ``face/openface:folder=DIR``. Frames that it could not
track are left out, by default as its ``success`` says: their numbers are those of a face that is not there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from feature_extractors import EXTRACTORS
from feature_extractors.base import (
    DamagedError,
    Extractor,
    FaceConfig,
    FaceCrops,
    FaceMeasurements,
    Level,
    NoFaceError,
    Rows,
)
from mertools.errors import ExtractionError

_INTENSITIES = ("01", "02", "04", "05", "06", "07", "09", "10", "12", "14", "15", "17", "20", "23", "25", "26", "45")
_PRESENCES = (*_INTENSITIES[:-1], "28", "45")


def _numbered(prefix: str, axes: str, n: int) -> tuple[str, ...]:
    return tuple(f"{prefix}{axis}_{i}" for axis in axes for i in range(n))


PARTS: dict[str, tuple[str, ...]] = {
    "gaze": (
        *(f"gaze_{eye}_{axis}" for eye in (0, 1) for axis in "xyz"),
        *("gaze_angle_x", "gaze_angle_y"),
    ),
    "eyes": _numbered("eye_lmk_", "xyXYZ", 56),
    "pose": tuple(f"pose_{kind}{axis}" for kind in "TR" for axis in "xyz"),
    "landmarks": _numbered("", "xy", 68),
    "landmarks3d": _numbered("", "XYZ", 68),
    "shape": ("p_scale", "p_rx", "p_ry", "p_rz", "p_tx", "p_ty", *(f"p_{i}" for i in range(34))),
    "au": (*(f"AU{n}_r" for n in _INTENSITIES), *(f"AU{n}_c" for n in _PRESENCES)),
}
"""Columns of each part of a table, in OpenFace's order; 709 in all."""

HOG_DIM = 4464


@dataclass(frozen=True)
class OpenFaceConfig(FaceConfig):
    """Options of `OpenFace`.

    Attributes:
        crop: what is read; follows from `parts`.
        parts: of the table, joined by ``+``: ``au`` (17 intensities 0-5 and 18 presences 0/1), ``pose`` (mm and
            radians), ``gaze``, ``eyes``, ``landmarks``, ``landmarks3d``, ``shape``; or ``all`` of these; or ``hog``
            alone.
        tracked: leave out frames whose ``success`` is 0; MERTools keeps them.
        min_confidence: leave out frames of lower confidence, 0 to 1; None keeps them.
    """

    crop: str = ""
    parts: str = "au+pose+gaze"
    tracked: bool = True
    min_confidence: float | None = None


@EXTRACTORS.register(
    "face/openface",
    summary="output folders of OpenFace 2.x: action units, pose, gaze, landmarks, HOG; needs folder=DIR",
    licence="OpenFace (CMU): academic and non-commercial research use only",
    dim=49,
    rate_hz=None,
    hub_id="",
    padding_invariant=True,
    trained_on=["BP4D", "SEMAINE", "DISFA", "FERA2011", "UNBC", "CK+", "Bosphorus", "MPIIGaze"],
    defaults={},
)
class OpenFace(Extractor[FaceCrops]):
    """The chosen columns of OpenFace, one row per usable frame, at its timestamp."""

    modality = "face"
    Config = OpenFaceConfig
    batch_cost = 1024.0
    measured = True
    config: OpenFaceConfig

    def __init__(self, name: str, config: OpenFaceConfig, facts: dict[str, Any]) -> None:
        parts = tuple(PARTS) if config.parts == "all" else tuple(config.parts.split("+"))
        hog = parts == ("hog",)
        unknown = [part for part in parts if part not in PARTS and not hog]
        if unknown or len(set(parts)) != len(parts):
            raise ExtractionError(
                "MER-E161",
                f"{name}: parts={config.parts}: '{(unknown or list(parts))[0]}' is unknown, named twice, or does not "
                "go with others.",
                f"Expected some of {', '.join(PARTS)} joined by '+', or 'all', or 'hog' alone.",
            )
        if config.min_confidence is not None and not 0 <= config.min_confidence <= 1:
            raise ExtractionError(
                "MER-E162", f"{name}: min_confidence is {config.min_confidence:g}.", "Expected 0 to 1."
            )
        source = "openface-hog" if hog else "openface-csv"
        if config.crop not in ("", source) or config.fps is not None:
            raise ExtractionError(
                "MER-E163", f"{name}: OpenFace's frames are taken as they are.", "Leave crop and fps out."
            )
        self._columns = () if hog else tuple(column for part in PARTS if part in parts for column in PARTS[part])
        written = "hog" if hog else "+".join(part for part in PARTS if part in parts)
        super().__init__(
            name, replace(config, crop=source, parts=written), {**facts, "dimension_names": list(self._columns)}
        )

    @property
    def dim(self) -> int:
        """Number of columns of the chosen parts."""
        return len(self._columns) or HOG_DIM

    @property
    def padding_invariant(self) -> bool:
        """Nothing is computed over frames."""
        return True

    def cost(self, length: int) -> float:
        """One unit per frame."""
        return float(length)

    def embed(self, batch: Sequence[FaceCrops], level: Level) -> list[Rows]:
        """One row per usable frame, columns in the table's order whatever the order of `parts`.

        Raises:
            NoFaceError: if no frame is tracked well enough.
            DamagedError: if the table lacks a column, as one of a run with fewer outputs does.
        """
        return [self._rows(measured) for measured in batch]

    def _rows(self, measured: FaceCrops) -> Rows:
        if not isinstance(measured, FaceMeasurements):
            raise ExtractionError(
                "MER-E164", f"{self.name} got crops.", "It takes what OpenFace wrote (read_table, read_hog)."
            )
        values = self._chosen(measured)
        usable = np.isfinite(values).all(axis=1) & (measured.confidence >= np.float32(self.config.min_confidence or 0))
        if self.config.tracked:
            usable &= measured.tracked
        if not usable.any():
            raise NoFaceError(
                f"none of {len(usable)} frames is usable: {int(measured.tracked.sum())} are tracked, the highest "
                f"confidence is {measured.confidence.max(initial=0):g}."
            )
        return Rows(values[usable], measured.times_s[usable])

    def _chosen(self, measured: FaceMeasurements) -> np.ndarray:
        if not self._columns:
            return measured.values
        place = {name: i for i, name in enumerate(measured.names)}
        missing = [name for name in self._columns if name not in place]
        if missing:
            raise DamagedError(
                f"OpenFace's table has no column {missing[0]} ({len(missing)} of {len(self._columns)} are missing); "
                "run OpenFace with all outputs, or name fewer parts."
            )
        return measured.values[:, [place[name] for name in self._columns]]
