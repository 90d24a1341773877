"""Which face of a clip is the one to embed: named policies."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from feature_extractors.facetrack.geometry import FaceTrack, Geometry
from feature_extractors.facetrack.synchrony import Synchrony
from mertools.errors import MediaError
from mertools.registry import Registry
from mertools.status import Status


@dataclass(frozen=True)
class WhoPolicy:
    """How the face is picked.

    Attributes:
        pick: takes the geometry of a clip and how well its mouths go with its voice; returns the identity of the chosen
            face, or None if no face will do. Raises `MediaError` (``ambiguous_speaker``) where it cannot tell.
        listens: whether `pick` needs the synchrony as soon as a clip has two faces; the others are given None.
    """

    pick: Callable[[Geometry, Synchrony | None], int | None]
    listens: bool = False


RANKS = ("largest", "second", "third")
"""Policies that pick a face by its size, in this order."""

EVERY_FACE = "all"
"""The word for every face of a clip: each of `RANKS` in a space of its own (``no_face`` where there are fewer)."""

WHO_POLICIES: Registry[WhoPolicy] = Registry("who policy", (), plural="who policies", listed=False)


def choose(geometry: Geometry, who: str = "largest", synchrony: Synchrony | None = None) -> FaceTrack | None:
    """The face that a policy picks.

    Args:
        geometry: all faces of a clip.
        who: name of a policy in `WHO_POLICIES`.
        synchrony: how well each face's mouth goes with the voice (`feature_extractors.facetrack.synchrony.measure`);
            only policies that listen look at it, and only where there are two faces or more.

    Returns:
        The face's track, or None if the clip has no face or the policy picks none.

    Raises:
        UnknownNameError: if there is no such policy.
        MediaError: status ``ambiguous_speaker``, if it cannot be told who speaks.
    """
    track = WHO_POLICIES.get(who).pick(geometry, synchrony)
    return None if track is None else geometry.face(track)


def needs_synchrony(geometry: Geometry, who: str) -> bool:
    """Whether `choose` needs the mouths and the voice of this clip."""
    return WHO_POLICIES.get(who).listens and len(geometry.tracks) > 1


def by_size(geometry: Geometry) -> list[int]:
    """Identities of all faces, the greatest mean area × presence first; of equal ones the earlier first."""
    tracks = geometry.tracks
    # Mean area × share of frames = area summed over frames, up to the number of frames.
    sizes = [geometry.face(track).area.sum(dtype=np.float64) for track in tracks]
    return [tracks[i] for i in np.argsort(-np.array(sizes), kind="stable")]


@dataclass(frozen=True)
class _Nth:
    """The face of a rank by size; each rank is a space of its own, so that every face of a clip can be embedded."""

    rank: int

    def __call__(self, geometry: Geometry, _: Synchrony | None) -> int | None:
        tracks = by_size(geometry)
        return tracks[self.rank] if self.rank < len(tracks) else None


def _speaker(geometry: Geometry, synchrony: Synchrony | None) -> int | None:
    """The face whose mouth goes with the voice; a face that is alone is taken to speak."""
    tracks = geometry.tracks
    if len(tracks) < 2:
        return tracks[0] if tracks else None
    if synchrony is None:
        raise _doubt("its mouths and its voice were not compared")
    if synchrony.speaker is None:
        raise _doubt(synchrony.reason)
    return synchrony.speaker


def _listener(geometry: Geometry, synchrony: Synchrony | None) -> int | None:
    """The other face; of several others the largest. A face that is alone has no listener."""
    speaker = _speaker(geometry, synchrony)
    return next((track for track in by_size(geometry) if track != speaker), None)


def _doubt(reason: str) -> MediaError:
    return MediaError(
        "MER-E230",
        f"it cannot be told which face speaks: {reason}.",
        "Take another face policy for this clip, e.g. who=largest.",
        Status.AMBIGUOUS_SPEAKER,
    )


WHO_POLICIES.add("largest", WhoPolicy(_Nth(0)), summary="largest and most persistent: box area summed over frames")
WHO_POLICIES.add("second", WhoPolicy(_Nth(1)), summary="the second by that measure")
WHO_POLICIES.add("third", WhoPolicy(_Nth(2)), summary="the third by that measure")
WHO_POLICIES.add("speaker", WhoPolicy(_speaker, listens=True), summary="the face whose mouth goes with the voice")
WHO_POLICIES.add(
    "listener", WhoPolicy(_listener, listens=True), summary="the largest face beside the speaker's; none if alone"
)
