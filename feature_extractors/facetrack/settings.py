"""Settings of the face tracker and the space they make; known without torch."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from feature_extractors.facetrack.geometry import COLUMNS

if TYPE_CHECKING:
    from mertools.store import SpaceSpec

REVISION = 1
"""Raised whenever the numbers the tracker makes change."""

MIN_FACE = 20
"""Side of the smallest face that is searched, in pixels of the small frame; MTCNN's own default."""


@dataclass(frozen=True)
class TrackerSettings:
    """Everything that changes the numbers of the tracker; the device does not.

    Attributes:
        stride: frames from one searched frame to the next.
        side: long side in pixels of the frames it works on; a face narrower than 20 pixels there is not seen.
        closer_side: long side at which `FaceTracker.find` looks again at a clip without faces.
        measure: whether faces are measured between searched frames; otherwise they are interpolated only.
    """

    stride: int = 8
    side: int = 320
    closer_side: int = 640
    measure: bool = True

    def spec(self) -> SpaceSpec:
        """The space of the tracker's geometries in the store."""
        from mertools.store import SpaceSpec

        return SpaceSpec(
            extractor="face/track",
            level="geometry",
            dim=COLUMNS,
            revision=REVISION,
            settings={**asdict(self), "min_face": MIN_FACE, "weights": weights_hash()},
            modality="face",
            facts={"licence": "MIT (facenet-pytorch)", "detector": "MTCNN, facenet-pytorch 2.5.3"},
        )


def weights_hash() -> str:
    """Hash of MTCNN's weights in the installed wheel, 16 hexadecimal digits; torch is not loaded."""
    spec = find_spec("facenet_pytorch")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("facenet_pytorch")
    digest = hashlib.blake2b(digest_size=8)
    for name in ("pnet.pt", "rnet.pt", "onet.pt"):
        digest.update((Path(spec.origin).parent / "data" / name).read_bytes())
    return digest.hexdigest()
