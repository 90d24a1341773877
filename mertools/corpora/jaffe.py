"""Japanese Female Facial Expression (JAFFE): 213 images of 10 women, 7 posed expressions (Lyons et al., 1998).

A file name such as ``KA.AN1.39.tiff`` says person (KA), expression (AN), take and number. The images lie in one folder
as distributed; class folders of the same names go round and are read the same way. The classes have no official index
order; the one here is that of the letters (AN, DI, FE, HA, NE, SA, SU).
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import ClassVar

from mertools.corpora import CORPORA, Maker, NoOptions, Prepared
from mertools.corpora.fakes import fake_image
from mertools.corpora.images import Found, find_images, not_sorted, prepared, still, unknown_layout
from mertools.corpus import Target, Terms

EMOTIONS = {
    "AN": "anger",
    "DI": "disgust",
    "FE": "fear",
    "HA": "happiness",
    "NE": "neutral",
    "SA": "sadness",
    "SU": "surprise",
}
_NAME = re.compile(r"([A-Z]{2})\.(AN|DI|FE|HA|NE|SA|SU)(\d+)\.(\d+)")


@CORPORA.register(
    "jaffe",
    licence="non-commercial research, images not to be passed on (Lyons et al., 1998)",
    summary="JAFFE: 213 grey images of 10 women, 7 posed expressions; leave one speaker out",
)
class Jaffe(Maker):
    """The corpus ``jaffe``."""

    counts: ClassVar[dict[str, int]] = {"": 213}

    def fake(self, raw: Path) -> dict[str, str]:
        """Two people with all expressions; see `Maker.fake`."""
        for start, person in ((1, "KA"), (40, "YM")):
            for shade, code in enumerate(EMOTIONS):
                fake_image(raw / "jaffe" / f"{person}.{code}1.{start + shade}.tiff", shade=9 * shade + start)
        return {}

    def make(self, raw: Path, out: Path, options: NoOptions) -> Prepared:
        """Read the images by their names; see `Maker.make`."""
        images = find_images(raw)
        clips, others = [], []
        for path in images.files:
            match = _NAME.fullmatch(path.stem)
            if match is None:
                others.append(path)
                continue
            clips.append(still(path.stem, "train", path, discrete=EMOTIONS[match[2]], speaker=match[1]))
        if not clips:
            raise unknown_layout("JAFFE", raw, images, "images named like KA.AN1.39.tiff")
        found = Found(clips, [*images.warnings, *not_sorted(others, "are not named as in JAFFE")])
        terms = Terms(licence="non-commercial research, images not to be passed on (Lyons et al., 1998)")
        target = Target("discrete", "classes", classes=tuple(EMOTIONS.values()))
        return prepared("jaffe", raw, out, found, [target], terms)
