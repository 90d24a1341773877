"""Names of MERTools' feature folders: ``chinese-hubert-large-UTT``, ``manet_FRA``, ``eGeMAPS_noise10_UTT``, ..."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal

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
_OURS = {
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
_UNDERSCORED = frozenset(_OURS)
_MODALITIES = (
    ("audio", re.compile(r"hubert|wav2vec|wavlm|data2vec-audio|whisper|emotion2vec", re.I)),
    ("face", re.compile(r"clip|dinov2|eva02|videomae|data2vec-vision|resnet|senet", re.I)),
    (
        "text",
        re.compile(r"bert|electra|bloom|baichuan|llama|chatglm|moss|falcon|pert|vicuna|qwen|deberta|xlnet|opt-", re.I),
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
        if self.model in _OURS:
            return _OURS[self.model]
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
        theirs = {ours: name for name, ours in _OURS.items() if name != "temonet"}
        name = space.extractor.split("/", 1)[-1].replace("/", "-")
        stem = theirs.get(space.extractor, name)
        usual = "_" if stem in _UNDERSCORED else "-"
    return f"{stem}{separator or usual}{_ENDS[level]}"
