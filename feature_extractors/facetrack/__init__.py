"""Faces over time: detection, tracks, geometry in the store, crops cut from geometry.

The road of one clip: `FaceTracker.find` has frames shrunk where the clip is decoded and makes a `Geometry` of all
faces, `choose` takes one of them by a named policy, and `cutter` makes the callable that cuts its
crops where the clip is decoded. Only the tracker needs torch; everything that runs beside the decoder does without.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from feature_extractors.facetrack.crops import CROP_POLICIES, Crops, Cutter, cutter
from feature_extractors.facetrack.geometry import FaceTrack, Geometry
from feature_extractors.facetrack.settings import TrackerSettings
from feature_extractors.facetrack.shipped import read_openface_folder
from feature_extractors.facetrack.shrink import Shrinker, Shrunk
from feature_extractors.facetrack.who import WHO_POLICIES, choose

if TYPE_CHECKING:
    from feature_extractors.facetrack.tracker import FaceTracker

__all__ = [
    "CROP_POLICIES",
    "WHO_POLICIES",
    "Crops",
    "Cutter",
    "FaceTrack",
    "FaceTracker",
    "Geometry",
    "Shrinker",
    "Shrunk",
    "TrackerSettings",
    "choose",
    "cutter",
    "read_openface_folder",
]


def __getattr__(name: str) -> Any:
    """`FaceTracker` brings torch, so it is imported when it is asked for."""
    if name != "FaceTracker":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from feature_extractors.facetrack.tracker import FaceTracker

    return FaceTracker
