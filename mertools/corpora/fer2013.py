"""FER2013: 35,887 grey faces of 48 x 48 pixels from the web, 7 classes (Goodfellow et al., 2013).

Known layouts: the table ``fer2013.csv`` (or Kaggle's ``icml_face_data.csv``) with columns ``emotion, pixels, Usage``;
Kaggle's challenge files ``train.csv`` and ``test.csv`` (no labels: split candidate); archives ``fer2013_*.npz`` with
``name, label, classes, offsets, jpeg``; folders ``train/angry/*.jpg``. Pixels that lie in a table or an archive are
written as images into the corpus folder. Training is the split train, PublicTest validation, PrivateTest test.

In archives and folders two names stand for two different images each (``Training_52789098`` and ``Training_8475486``);
the second one's clip is called ``..._2``. The classes are in the official index order (0 = angry). The benchmark of
GPT-4V calls its FER+ data "fer2013"; those eight labels are the corpus ``ferplus``.
"""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from mertools.corpora import CORPORA, Maker, NoOptions, Prepared
from mertools.corpora.fakes import fake_picture, fake_table
from mertools.corpora.images import (
    Found,
    Images,
    class_of,
    find_images,
    not_sorted,
    prepared,
    sort_by_folder,
    still,
    unknown_layout,
)
from mertools.corpora.sheets import rows_of
from mertools.corpus import Clip, Target, Terms
from mertools.errors import CorpusError

CLASSES = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
USAGES = {"training": "train", "publictest": "validation", "privatetest": "test"}
TABLES = ("fer2013.csv", "icml_face_data.csv")
SIDE = 48
_CODES = {str(code): label for code, label in enumerate(CLASSES)}
_FOLDERS = {label: label for label in CLASSES} | {
    **{"anger": "angry", "happiness": "happy", "sadness": "sad", "surprised": "surprise", "fearful": "fear"},
    **{"disgusted": "disgust"},
}


@dataclass(frozen=True)
class Face:
    """A row of FER2013's table.

    Attributes:
        name: ``fer0000000`` and on, by its place in the table, as FER+ names them.
        usage: ``training``, ``publictest``, ``privatetest``, or empty.
        emotion: the code as it stands there; empty if the table has none.
        png: the image.
        number: row number in the table.
    """

    name: str
    usage: str
    emotion: str
    png: bytes
    number: int


def faces_of(path: Path) -> Iterator[Face]:
    """Rows of FER2013's table, one at a time (the table has 300 MB).

    Raises:
        CorpusError: ``MER-C290`` for pixels that are not 2,304 numbers from 0 to 255; and as `rows_of`.
    """
    columns = {"pixels": ("pixels",)}
    optional = {"emotion": ("emotion",), "usage": ("Usage",)}
    for index, row in enumerate(rows_of(path, columns, optional)):
        png = _png(row["pixels"], f"{path}, row {row.number}")
        yield Face(f"fer{index:07}", row["usage"].lower(), row["emotion"], png, row.number)


def pixel_table(images: Images) -> Path | None:
    """The table of FER2013 that holds the pixels."""
    return next((found for name in TABLES if (found := images.table(name))), None)


@CORPORA.register(
    "fer2013",
    licence="research use; images of the web (Goodfellow et al., 2013)",
    summary="FER2013: 35,887 grey faces 48 x 48, 7 classes; train, validation, test",
)
class Fer2013(Maker):
    """The corpus ``fer2013``."""

    counts: ClassVar[dict[str, int]] = {"train": 28_709, "validation": 3_589, "test": 3_589}

    def fake(self, raw: Path) -> dict[str, str]:
        """A table with each class once per split; see `Maker.fake`."""
        fake_table(raw / "fer2013.csv", fake_fer2013_rows())
        return {}

    def make(self, raw: Path, out: Path, options: NoOptions) -> Prepared:
        """Read a table, archives or class folders; see `Maker.make`."""
        images = find_images(raw)
        archives = [path for path in images.tables if path.suffix.lower() == ".npz"]
        if table := pixel_table(images):
            found = _from_tables([(table, "")], out)
        elif train := images.table("train.csv"):
            test = images.table("test.csv")
            found = _from_tables([(train, "train"), *([(test, "candidate")] if test else [])], out)
        elif archives:
            found = _from_archives(archives, out)
        else:
            found = _from_folders(images)
        if not found.clips:
            expected = f"{' or '.join(TABLES)}, or folders train/angry ... test/neutral"
            raise unknown_layout("FER2013", raw, images, expected)
        terms = Terms(licence="research use; images of the web (Goodfellow et al., 2013)")
        target = Target("discrete", "classes", classes=CLASSES)
        return prepared("fer2013", raw, out, found, [target], terms, roles="train,validation,test,candidate")


def fake_fer2013_rows() -> list[dict[str, object]]:
    """Rows of a made-up table: each class once per split."""
    return [
        {
            "emotion": code,
            "pixels": " ".join(map(str, fake_picture(side=SIDE, shade=9 * code)[:, :, 0].ravel())),
            "Usage": usage,
        }
        for usage in ("Training", "PublicTest", "PrivateTest")
        for code in range(len(CLASSES))
    ]


def _from_tables(tables: list[tuple[Path, str]], out: Path) -> Found:
    clips, files = [], {}
    for path, split in tables:
        prefix = "test_" if split == "candidate" else ""
        for face in faces_of(path):
            where = f"{path}, row {face.number}"
            name = f"images/{prefix}{face.name}.png"
            files[name] = face.png
            within = split or class_of(face.usage, USAGES, f"{where}, column Usage")
            label = "" if split == "candidate" else class_of(face.emotion, _CODES, f"{where}, column emotion")
            clips.append(still(prefix + face.name, within, out / name, discrete=label))
    return Found(clips, files=files)


def _from_archives(paths: list[Path], out: Path) -> Found:
    clips: list[Clip] = []
    files: dict[str, bytes] = {}
    taken: Counter[str] = Counter()
    for path in paths:
        for image, split, label, jpeg in _archive(path):
            clip_name = _unique(image, taken)
            name = f"images/{clip_name}.jpg"
            files[name] = jpeg
            clips.append(still(clip_name, split, out / name, discrete=label))
    return Found(clips, files=files)


def _archive(path: Path) -> Iterator[tuple[str, str, str, bytes]]:
    import numpy as np

    try:
        with np.load(path, allow_pickle=False) as archive:
            names, labels, classes = (archive[key].tolist() for key in ("name", "label", "classes"))
            offsets, content = archive["offsets"].tolist(), archive["jpeg"].tobytes()
    except (OSError, ValueError, KeyError, EOFError) as error:
        raise CorpusError(
            "MER-C292", f"{path} cannot be read: {error}.", "Expected arrays name, label, classes, offsets, jpeg."
        ) from None
    if not len(names) == len(labels) == len(offsets) - 1:
        raise CorpusError(
            "MER-C292",
            f"{path}: {len(names)} names, {len(labels)} labels, {len(offsets)} offsets.",
            "Expected as many labels as names, and one offset more.",
        )
    for name, label, start, end in zip(names, labels, offsets, offsets[1:], strict=False):
        word = classes[label] if 0 <= label < len(classes) else str(label)
        yield name, _split_of(name, path.stem), class_of(word, _FOLDERS, f"{path}, image '{name}'"), content[start:end]


def _from_folders(images: Images) -> Found:
    found, others = sort_by_folder(images, _FOLDERS)
    taken: Counter[str] = Counter()
    clips = [_face(image.path, _split_of(image.path.stem, image.split), image.label, taken) for image in found]
    return Found(clips, [*images.warnings, *(not_sorted(others) if found else ())])


def _face(path: Path, split: str, label: str, taken: Counter[str]) -> Clip:
    # Copies exist that number the images anew in every class and split, so the name alone is not unique.
    known = path.stem.lower().startswith(tuple(USAGES))
    name = _unique(path.stem if known else f"{split}_{label}_{path.stem}", taken)
    return still(name, split, path, discrete=label)


def _unique(name: str, taken: Counter[str]) -> str:
    taken[name] += 1
    return name if taken[name] == 1 else f"{name}_{taken[name]}"


def _split_of(name: str, otherwise: str) -> str:
    """The split that a name such as ``PublicTest_10014592`` tells, else what folder or archive tell."""
    usage = next((split for start, split in USAGES.items() if name.lower().startswith(start)), None)
    known: Mapping[str, str] = {"val": "validation", "test": "test"}
    return usage or next((split for word, split in known.items() if word in otherwise), "train")


def _png(pixels: str, where: str) -> bytes:
    from PIL import Image

    try:
        values = bytes(map(int, pixels.split()))
    except ValueError:
        values = b""
    if len(values) != SIDE * SIDE:
        found = f"{len(pixels.split())} pixels" if values or not pixels else f"'{pixels[:40]}...'"
        raise CorpusError(
            "MER-C290", f"{where}: {found}, expected {SIDE * SIDE} numbers from 0 to 255.", "Download the table again."
        )
    buffer = io.BytesIO()
    image: Any = Image.frombytes("L", (SIDE, SIDE), values)
    image.save(buffer, "PNG")
    return buffer.getvalue()
