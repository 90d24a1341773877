"""Which face of a clip is the one to embed: named policies."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from feature_extractors.facetrack.geometry import FaceTrack, Geometry
from mertools.registry import Registry

WhoPolicy = Callable[[Geometry], int | None]
"""Takes the geometry of a clip, returns the identity of the chosen face, or None if no face will do."""

WHO_POLICIES: Registry[WhoPolicy] = Registry("who policy", (), plural="who policies", listed=False)


def choose(geometry: Geometry, who: str = "largest") -> FaceTrack | None:
    """The face that a policy picks.

    Args:
        geometry: all faces of a clip.
        who: name of a policy in `WHO_POLICIES`.

    Returns:
        The face's track, or None if the clip has no face or the policy picks none.

    Raises:
        UnknownNameError: if there is no such policy.
    """
    track = WHO_POLICIES.get(who)(geometry)
    return None if track is None else geometry.face(track)


@WHO_POLICIES.register("largest", summary="largest and most persistent: box area summed over frames")
def largest(geometry: Geometry) -> int | None:
    """The identity with the greatest mean area × presence; the earlier one if two are equal."""
    tracks = geometry.tracks
    if not tracks:
        return None
    # Mean area × share of frames = area summed over frames, up to the number of frames.
    return tracks[int(np.argmax([geometry.face(track).area.sum(dtype=np.float64) for track in tracks]))]
