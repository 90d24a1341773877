"""Names of MERTools' feature folders: ``chinese-hubert-large-UTT``, ``manet_FRA``, ``eGeMAPS_noise10_UTT``, ..."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from mertools.errors import StoreError
from mertools.store.records import Level, Space

Separator = Literal["-", "_"]
ORIGIN = "mertools-npy"
"""The setting ``origin`` of spaces that were imported."""

_LEVELS: dict[str, Level] = {"UTT": "utterance", "FRA": "frame"}
_ENDS: dict[Level, str] = {"utterance": "UTT", "frame": "FRA"}
_FOLDER = re.compile(r"(?P<model>.+)(?P<separator>[-_])(?P<end>UTT|FRA)")
_VARIANTS = {
    "noise": re.compile(r"[-_]noise(?P<value>[^-_]+)$"),
    "tts": re.compile(r"-tts(?P<value>chi|eng)$"),
    "punctuation": re.compile(r"-punc(?P<value>[^-_]+)$"),
    "language": re.compile(r"-lang(?P<value>eng)$"),
    "last_layers": re.compile(r"-(?P<value>4)$"),
}
_SUNLICAI = "sunlicai-"
"""Before the name of a VideoMAE whose embeddings were made with ``sampling=two-windows``."""
_HYPHENATED = {
    "data2vec-vision-base-ft1k": "face/data2vec-vision-base",
    "eva02_base_patch14_224": "face/eva02-base",
    "videomae-base-VoxCeleb2-99": "face/videomae-base-voxceleb2",
    "videomae-base-K400-mer2023-299": "face/videomae-base-k400-mer2023",
    "data2vec-audio-base-960h": "audio/data2vec-audio-base",
    "emotion2vec-finetune": "audio/emotion2vec-finetuned",
}
_UNDERSCORED = {
    "manet": "face/manet",
    "emonet": "face/emonet",
    "temonet": "face/emonet",
    "resnet50face": "face/resnet50-ferplus",
    "senet50face": "face/senet50-ferplus",
    "msceleb": "face/msceleb-resnet18",
    "imagenet": "face/imagenet-resnet18",
    "vggish": "audio/vggish",
    "IS09": "audio/is09",
    "IS10": "audio/is10",
    "IS13": "audio/is13",
    "eGeMAPS": "audio/egemaps",
}
_SPELT = {  # models that MERTools spells with capitals, or whose modality the name hides
    "taiyi-clip-roberta-chinese": "text/taiyi-clip-roberta-chinese",
    "Baichuan-7B": "text/baichuan-7b",
    "Baichuan-13B-Base": "text/baichuan-13b-base",
    "Baichuan2-7B-Base": "text/baichuan2-7b-base",
    "Baichuan2-13B-Base": "text/baichuan2-13b-base",
    "Llama-2-13b-hf": "text/llama-2-13b-hf",
}
_OURS = {**_UNDERSCORED, **_HYPHENATED}
_ENGLISH = re.compile(r"(.+[_-])?en(g|glish)?")
"""Columns that hold an English transcript."""
_MODALITIES = (
    ("audio", re.compile(r"hubert|wav2vec|wavlm|data2vec-audio|whisper|emotion2vec|audiomae", re.I)),
    ("face", re.compile(r"clip|dinov2|eva02|videomae|data2vec-vision|resnet|senet", re.I)),
    (
        "text",
        re.compile(
            r"bert|electra|bloom|baichuan|llama|chatglm|moss|falcon|pert|lert|vicuna|qwen|deberta|xlnet|opt-|gpt|stablelm|alpaca|mpnet|^t5-",
            re.I,
        ),
    ),
)


@dataclass(frozen=True)
class FolderName:
    """The parts of a folder's name.

    Attributes:
        stem: everything before the separator, e.g. ``chinese-hubert-large-noise10``.
        level: what the folder holds.
        separator: ``-`` or ``_``, the sign before ``UTT`` or ``FRA``.
        model: the stem without variants, e.g. ``chinese-hubert-large``.
        variants: noise case, language, ... as the name says.
    """

    stem: str
    level: Level
    separator: Separator
    model: str
    variants: dict[str, str] = field(default_factory=dict)

    @property
    def extractor(self) -> str:
        """Our name of the model; ``imported/MODEL`` where the modality cannot be told from the name."""
        if self.model in _OURS or self.model in _SPELT:
            return (_OURS | _SPELT)[self.model]
        modality = next((name for name, pattern in _MODALITIES if pattern.search(self.model)), "imported")
        return f"{modality}/{self.model}"


def parse_folder(name: str, level: Level | None = None) -> FolderName:
    """Take the name of a feature folder apart.

    Args:
        name: the folder's name.
        level: what it holds, for folders whose name does not say.

    Raises:
        StoreError: ``MER-V040`` if neither the name nor `level` says what the folder holds.

    Example:
        >>> parse_folder("eGeMAPS_noise10_UTT")
        FolderName(stem='eGeMAPS_noise10', level='utterance', separator='_', model='eGeMAPS', variants={'noise': '10'})
    """
    match = _FOLDER.fullmatch(name)
    if match is None and level is None:
        raise StoreError(
            "MER-V040",
            f"the folder name '{name}' does not end in -UTT, -FRA, _UTT or _FRA.",
            "Say what it holds: --level utterance or --level frame.",
        )
    stem = match["model"] if match else name
    variants: dict[str, str] = {}
    model = stem
    for kind, pattern in _VARIANTS.items():
        found = pattern.search(model)
        if found:
            variants[kind] = found["value"]
            model = model[: found.start()]
    if model.startswith(_SUNLICAI):
        variants["sampling"] = "two-windows"
        model = model.removeprefix(_SUNLICAI)
    separator: Separator = "_" if match and match["separator"] == "_" else "-"
    return FolderName(stem, level or _LEVELS[match["end"] if match else ""], separator, model, variants)


def folder_of(space: Space, level: Level, separator: Separator | None = None) -> str:
    """The name of the folder that a space is exported to; for an imported space, the one it came from.

    Args:
        space: the space.
        level: ``utterance`` or ``frame``.
        separator: the sign before ``UTT`` or ``FRA``; MERTools' own choice for the model if None.
    """
    settings = space.spec.settings
    if settings.get("origin") == ORIGIN:
        stem, usual = str(settings["folder"]), str(space.spec.facts.get("separator", "-"))
    else:
        theirs = {ours: name for name, ours in (_OURS | _SPELT).items() if name != "temonet"}
        name = space.extractor.split("/", 1)[-1].replace("/", "-")
        stem = theirs.get(space.extractor, name)
        if settings.get("sampling") == "two-windows":
            stem = _SUNLICAI + stem
        usual = "_" if stem in _UNDERSCORED else "-"
        if space.extractor.startswith("text/"):
            stem += _text_variant(settings)
    return f"{stem}{separator or usual}{_ENDS[level]}"


def _text_variant(settings: Mapping[str, Any]) -> str:
    """What follows the name of a text model: the English column, or the MER2023 edition's number of layers.

    MERTools has one such ending at a time; MER2023 had no English transcripts.
    """
    if _ENGLISH.fullmatch(str(settings.get("column", "text"))):
        return "-langeng"
    return "-4" if settings.get("edition") == "mer2023" and settings.get("layers") == "last4" else ""
