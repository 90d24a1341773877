"""The spaces that a run is asked to fill."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from feature_extractors.base import Extractor, FaceConfig, Level, Precision
from mertools.config import NameSpec, parse_name_spec
from mertools.errors import ExtractionError
from mertools.store import SpaceSpec

if TYPE_CHECKING:
    from feature_extractors.sampling import FrameSampler
    from mertools.corpus import Corpus

_LIBRARIES = ("torch", "transformers", "timm", "librosa", "opensmile", "numpy", "opencv-python-headless")


@dataclass(frozen=True)
class InputKey:
    """Which input of a clip; extractors with the same key share it.

    Attributes:
        modality: ``face``, ``audio`` or ``text``.
        crop: crop policy, for faces.
        who: which face.
        fps: frames per second; None for all.
        folder: of shipped crops; if empty, the clips say where theirs are.
        sampler: of the frames, where the extractor does not see all.
        shipped: whether crops come with the data set.
    """

    modality: str
    crop: str = ""
    who: str = ""
    fps: float | None = None
    folder: str = ""
    sampler: FrameSampler | None = None
    shipped: bool = False


@dataclass(frozen=True)
class Asked:
    """One space to fill.

    Attributes:
        extractor: what fills it.
        level: of its rows.
        spec: of the space.
        key: of the input it needs.
        precision: that its extractor is loaded with.
    """

    extractor: Extractor[Any]
    level: Level
    spec: SpaceSpec
    key: InputKey
    precision: Precision

    @property
    def modality(self) -> str:
        """Which input it needs."""
        return self.key.modality

    @property
    def shipped(self) -> bool:
        """Whether its crops come with the data set."""
        return self.key.shipped

    @property
    def own(self) -> bool:
        """Whether `embed` itself makes the utterance row, from the whole clip."""
        return self.level == "utterance" and self.extractor.utterance == "own"

    @property
    def tracked(self) -> bool:
        """Whether it needs the geometry of the clip."""
        return self.modality == "face" and not self.shipped

    def frame_spec(self) -> SpaceSpec | None:
        """The frame-level space that these utterance rows are the mean of; None if there is no such rule."""
        if self.level != "utterance" or self.own:
            return None
        spec = self.spec
        dim = self.extractor.dim_at("frame")
        return SpaceSpec(spec.extractor, "frame", dim, spec.revision, spec.settings)


def ask(
    corpus: Corpus,
    names: Sequence[str | NameSpec],
    *,
    level: Level,
    precision: Callable[[], Precision],
    audio_column: str,
    text_column: str,
    tracker: Callable[[], str],
) -> list[Asked]:
    """Make the extractors and say which spaces they fill; a space that is named twice is filled once.

    ``who=all`` asks for every face of a clip: one space per rank by size.

    Args:
        corpus: for the origin of transcripts.
        names: ``NAME[:key=value...]`` each.
        level: of all spaces.
        precision: gives that of extractors that run on torch; others compute in fp32.
        audio_column: where the sound is from.
        text_column: where the transcript is from.
        tracker: gives the fingerprint of the geometry that crops are cut from.

    Raises:
        MerToolsError: for an unknown extractor, option or policy, or if weights are missing.
    """
    found: dict[str, Asked] = {}
    for name in names:
        for named in _every_face(parse_name_spec(name) if isinstance(name, str) else name):
            one = _ask_one(corpus, named, level, precision, audio_column, text_column, tracker)
            found.setdefault(one.spec.fingerprint, one)
    return list(found.values())


def _every_face(named: NameSpec) -> list[NameSpec]:
    """`named` itself, or with ``who=all`` one of it per face."""
    from feature_extractors.facetrack.who import EVERY_FACE, RANKS

    if named.options.get("who") != EVERY_FACE:
        return [named]
    return [NameSpec(named.name, {**named.options, "who": rank}, named.fingerprint) for rank in RANKS]


def _ask_one(
    corpus: Corpus,
    named: NameSpec,
    level: Level,
    precision: Callable[[], Precision],
    audio_column: str,
    text_column: str,
    tracker: Callable[[], str],
) -> Asked:
    from feature_extractors import create_extractor

    if named.fingerprint:
        raise ExtractionError(
            "MER-E007",
            f"'{named}' names a space of a store; extraction takes an extractor and its options.",
            f"Expected {named.name}[:key=value...].",
        )
    extractor = create_extractor(named.name, **named.options)
    own_precision: Precision = precision() if extractor.torch_model else "fp32"
    settings: dict[str, Any] = {**extractor.settings(), "precision": own_precision}
    key = InputKey(extractor.modality)
    if extractor.modality == "face":
        key = _face_key(extractor, level, corpus)
        if not key.shipped:
            settings["tracker"] = tracker()
    elif extractor.modality == "audio":
        settings["column"] = audio_column
    else:
        settings |= {"column": text_column, "origin": corpus.transcripts.get(text_column, "unknown")}
    spec = SpaceSpec(
        extractor=named.name,
        level=level,
        dim=extractor.dim_at(level),
        revision=extractor.revision,
        settings=settings,
        modality=extractor.modality,
        utterance=extractor.utterance,
        facts=_facts(extractor),
    )
    return Asked(extractor, level, spec, key, own_precision)


def _face_key(extractor: Extractor[Any], level: Level, corpus: Corpus) -> InputKey:
    from feature_extractors.facetrack import CROP_POLICIES, WHO_POLICIES

    config = extractor.config
    if not isinstance(config, FaceConfig):
        raise TypeError(f"the options of {extractor.name} must derive from FaceConfig")
    policy = CROP_POLICIES.get(config.crop)
    if policy.measured != extractor.measured:
        raise ExtractionError(
            "MER-E156",
            f"{extractor.name}: '{config.crop}' gives {'measurements' if policy.measured else 'crops'}, and the "
            f"extractor takes {'measurements' if extractor.measured else 'crops'}.",
            "Leave crop out, or choose another.",
        )
    if policy.shipped:
        in_clips = not policy.measured and any(clip.cells.get("faces", "").strip() for clip in corpus.clips)
        if not config.folder and not in_clips:
            raise ExtractionError(
                "MER-E008",
                f"{extractor.name}: nothing says where {'OpenFace wrote' if policy.measured else 'the crops lie'}: no "
                f"folder is named{'' if policy.measured else ', and no clip has a cell faces'}.",
                f"Name it: {extractor.name}:{'' if policy.measured else f'crop={config.crop}:'}folder=DIR.",
            )
        sampler = extractor.sampler(level)
        return InputKey("face", config.crop, folder=config.folder, sampler=sampler, shipped=True)
    if config.fps is not None and not config.fps > 0:
        raise ExtractionError(
            "MER-E009", f"{extractor.name}: fps is {config.fps}.", "Expected a number of frames per second above 0."
        )
    WHO_POLICIES.get(config.who)
    return InputKey("face", config.crop, config.who, config.fps, sampler=extractor.sampler(level))


def _facts(extractor: Extractor[Any]) -> dict[str, Any]:
    from feature_extractors import EXTRACTORS

    entry = EXTRACTORS.entry(extractor.name)
    return {"licence": entry.licence, **dict(extractor.facts), "libraries": _libraries()}


def _libraries() -> dict[str, str]:
    found = {}
    for library in _LIBRARIES:
        try:
            found[library] = version(library)
        except PackageNotFoundError:
            continue
    return found
