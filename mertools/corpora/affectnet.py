"""AffectNet: web faces with 8 expressions, valence and arousal (Mollahosseini et al., 2017).

Known layouts: the full release (``training.csv`` and ``validation.csv`` with ``subDirectory_filePath``, ``expression``,
``valence``, ``arousal``, beside ``Manually_Annotated_Images/``); the release of the eight labels
(``train_set/images/0.jpg`` with ``train_set/annotations/0_exp.npy``, ``0_val.npy``, ``0_aro.npy``, and ``val_set/``);
and class folders (``train/happy/*.jpg`` or ``train/1/*.jpg``). The official test part was never given out: papers
report on the validation split (500 images per class). Codes 8 to 10 (none, uncertain, no face) are left out, as is
contempt with ``classes=7``. The classes are in the official index order (0 = Neutral); the benchmark of GPT-4V sent
the same eight words in another order (Surprise, Contempt, Happiness, Anger, Neutral, Sadness, Fear, Disgust).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from mertools.corpora import CORPORA, Maker, Prepared
from mertools.corpora.fakes import fake_image
from mertools.corpora.images import (
    Found,
    Images,
    find_images,
    not_sorted,
    prepared,
    sort_by_folder,
    still,
    unknown_layout,
    without_image,
)
from mertools.corpora.scanning import some
from mertools.corpora.sheets import rows_of, whole_number
from mertools.corpus import Clip, Target, Terms
from mertools.errors import CorpusError

CLASSES = ("Neutral", "Happiness", "Sadness", "Surprise", "Fear", "Disgust", "Anger", "Contempt")
NO_EXPRESSION = ("None", "Uncertain", "No-Face")
"""Codes 8, 9 and 10."""
TABLES = {"training.csv": "train", "validation.csv": "validation"}
SETS = {"train_set": "train", "val_set": "validation"}
RANGE = (-1.0, 1.0)
NO_VALUE = -2.0
_CODES = (*CLASSES, *NO_EXPRESSION)
_FOLDERS = {label.lower(): label for label in CLASSES} | {
    **{str(code): label for code, label in enumerate(CLASSES)},
    **{"happy": "Happiness", "sad": "Sadness", "angry": "Anger", "surprised": "Surprise", "fearful": "Fear"},
    **{"disgusted": "Disgust"},
}


@dataclass(frozen=True)
class AffectnetOptions:
    """What may be chosen.

    Attributes:
        classes: 8, or 7 without contempt.
    """

    classes: int = 8


@CORPORA.register(
    "affectnet",
    licence="non-commercial research, by agreement (Mollahosseini et al., 2017)",
    summary="AffectNet: faces of the web, 8 (or 7) expressions, valence and arousal; train and validation",
)
class Affectnet(Maker):
    """The corpus ``affectnet``."""

    Options = AffectnetOptions
    counts: ClassVar[dict[str, int]] = {"train": 287_651, "validation": 4_000}

    def expected(self, options: AffectnetOptions) -> Mapping[str, int]:
        """Manually annotated images with one of the eight or seven expressions."""
        return self.counts if options.classes == 8 else {"train": 283_901, "validation": 3_500}

    def fake(self, raw: Path) -> dict[str, str]:
        """The release of the eight labels, one image per class and split; see `Maker.fake`."""
        import numpy as np

        for folder in SETS:
            for code in range(len(CLASSES)):
                fake_image(raw / folder / "images" / f"{code}.jpg", shade=7 * code)
                annotations = raw / folder / "annotations"
                annotations.mkdir(exist_ok=True)
                values = {"exp": str(code), "val": str(code / 10 - 0.5), "aro": str(code / 10)}
                for kind, value in values.items():
                    np.save(annotations / f"{code}_{kind}.npy", np.array(value))
        return {}

    def make(self, raw: Path, out: Path, options: AffectnetOptions) -> Prepared:
        """Read the tables, the annotation files or class folders; see `Maker.make`."""
        if options.classes not in (7, 8):
            raise CorpusError("MER-C289", f"classes={options.classes} is not known.", "Expected classes= 7 or 8.")
        classes = CLASSES[: options.classes]
        images = find_images(raw)
        tables = {path: split for name, split in TABLES.items() if (path := images.table(name))}
        annotated = [p for p in images.files if p.parent.name == "images" and p.parent.parent.name in SETS]
        if tables:
            found = _full(images, tables, classes)
        elif annotated:
            found = _annotation_files(images, annotated, classes)
        else:
            found = _class_folders(images, classes)
        if not found.clips:
            expected = "training.csv and validation.csv with the images, train_set/ and val_set/, or class folders"
            raise unknown_layout("AffectNet", raw, images, expected)
        terms = Terms(licence="non-commercial research, by agreement (Mollahosseini et al., 2017)")
        targets = [Target("discrete", "classes", classes=classes)]
        valued = [name for name in ("valence", "arousal") if any(clip.cells.get(name) for clip in found.clips)]
        targets += [Target(name, "value", range=RANGE) for name in valued]
        return prepared("affectnet", raw, out, found, targets, terms, roles="train,validation,test")


def _full(images: Images, tables: Mapping[Path, str], classes: tuple[str, ...]) -> Found:
    columns = {name: (name,) for name in ("expression", "valence", "arousal")}
    columns["path"] = ("subDirectory_filePath",)
    clips: dict[str, Clip] = {}
    absent, repeated, others = [], [], Counter[str]()
    for table, split in tables.items():
        for row in rows_of(table, columns):
            where = f"{table}, row {row.number}"
            label = _label(row["expression"], f"{where}, column expression")
            if label not in classes:
                others[label] += 1
                continue
            path = images.named(row["path"])
            if path is None:
                absent.append(row["path"])
                continue
            name = f"{path.parent.name}_{path.stem}"
            if name in clips:
                repeated.append(row["path"])
                continue
            values = {kind: _value(row[kind], f"{where}, column {kind}") for kind in ("valence", "arousal")}
            clips[name] = still(name, split, path, discrete=label, **values)
    warnings = [
        *images.warnings,
        *without_image(absent, " and ".join(p.name for p in tables), len(absent) + len(clips)),
    ]
    if repeated:
        warnings.append(f"{len(repeated)} images stand in two rows, the first one counts: {some(repeated)}.")
    return Found(list(clips.values()), [*warnings, *_other_codes(others)])


def _annotation_files(images: Images, paths: list[Path], classes: tuple[str, ...]) -> Found:
    clips, absent, others = [], [], Counter[str]()
    for path in paths:
        top = path.parent.parent
        start = top / "annotations" / path.stem
        split = SETS[top.name]
        code = _array(Path(f"{start}_exp.npy"))
        if not code:
            absent.append(path)
            continue
        label = _label(code, f"{start}_exp.npy")
        if label not in classes:
            others[label] += 1
            continue
        values = {
            kind: _value(_array(Path(f"{start}_{end}.npy")), f"{start}_{end}.npy")
            for kind, end in (("valence", "val"), ("arousal", "aro"))
        }
        clips.append(still(f"{top.name.removesuffix('_set')}_{path.stem}", split, path, discrete=label, **values))
    clips.sort(key=lambda clip: (clip.split != "train", _natural(clip.name)))
    warnings = [*images.warnings, *not_sorted(absent, "have no annotation")]
    return Found(clips, [*warnings, *_other_codes(others)])


def _class_folders(images: Images, classes: tuple[str, ...]) -> Found:
    found, others = sort_by_folder(images, _FOLDERS)
    dropped = Counter(image.label for image in found if image.label not in classes)
    clips = [
        # Copies exist that number the images anew in every folder.
        still(f"{image.split}_{image.label.lower()}_{image.path.stem}", image.split, image.path, discrete=image.label)
        for image in found
        if image.label in classes
    ]
    return Found(clips, [*images.warnings, *(not_sorted(others) if found else ()), *_other_codes(dropped)])


def _label(cell: str, where: str) -> str:
    try:
        return _CODES[whole_number(cell, where, range(len(_CODES)))]
    except CorpusError as error:
        words = ", ".join(f"{code} {label}" for code, label in enumerate(_CODES))
        raise CorpusError("MER-C285", error.message, f"Expected a code: {words}.") from None


def _value(cell: str, where: str) -> str:
    """A value as it stands there; empty for -2, which says that there is none.

    Raises:
        CorpusError: ``MER-C288`` if it is no number in the range.
    """
    try:
        value = float(cell) if cell else NO_VALUE
    except ValueError:
        value = float("nan")
    if value == NO_VALUE:
        return ""
    if not RANGE[0] <= value <= RANGE[1]:
        raise CorpusError(
            "MER-C288", f"{where}: '{cell[:40]}' is not a number from -1 to 1.", "Mend it; -2 says that there is none."
        )
    return f"{value:g}"


def _array(path: Path) -> str:
    """The text of an annotation file; empty if there is no such file.

    Raises:
        CorpusError: ``MER-C292`` if it holds something else than one number.
    """
    import numpy as np

    try:
        return str(np.load(path, allow_pickle=False).item()).strip()
    except FileNotFoundError:
        return ""
    except (OSError, ValueError, EOFError) as error:
        raise CorpusError("MER-C292", f"{path} cannot be read: {error}.", "Expected one number as npy.") from None


def _other_codes(others: Counter[str]) -> list[str]:
    if not others:
        return []
    counts = ", ".join(f"{label} {n}" for label, n in sorted(others.items()))
    return [f"{others.total()} images are no class of this choice, left out: {counts}."]


def _natural(name: str) -> tuple[int, str]:
    digits = name.rpartition("_")[2]
    return (int(digits) if digits.isdigit() else -1, name)
