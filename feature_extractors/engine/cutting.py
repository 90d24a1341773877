"""What runs in the decoder process besides decoding: all cutters of a clip in one pass. Needs no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

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
