"""What runs in the decoder process besides decoding: all cutters of a clip in one pass. Needs no torch."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING

from feature_extractors.facetrack.shipped import IMAGES

if TYPE_CHECKING:
    from feature_extractors.facetrack import Crops, Cutter
    from mertools.media import Frames


@dataclass(frozen=True)
class CutAll:
    """Picklable callable for ``session.map_frames``: one chunk of frames to the crops of every cutter.

    Attributes:
        cutters: of the crop policies and faces that were asked for.
    """

    cutters: tuple[Cutter, ...]

    def __call__(self, frames: Frames) -> tuple[Crops, ...]:
        """Cut one chunk."""
        return tuple(cut(frames) for cut in self.cutters)


def shipped_digest(folder: Path, clip: str) -> str:
    """Digest of the crops that a data set ships for a clip; "" if there are none."""
    place = folder / clip
    files = sorted(p for p in place.rglob("*") if p.suffix.lower() in (*IMAGES, ".npy")) if place.is_dir() else []
    if not files:
        return ""
    digest = blake2b(digest_size=16)
    for path in files:
        content = path.read_bytes()
        digest.update(f"{path.relative_to(place)}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()
