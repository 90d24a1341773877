"""The feature sets of openSMILE (Eyben et al., 2010), computed by the package ``opensmile`` in this process.

Frame level: the low-level descriptors and, where the set has them, their deltas behind, one row every 10 ms.
Utterance level: the set's functionals of the whole clip, not the mean of the rows. Nothing is written to disk on the
way, no program is started, and a clip fails alone.

openSMILE is free for private and research use only: the extra ``audio-smile`` brings it.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np

from feature_extractors import EXTRACTORS
from feature_extractors.base import BaseConfig, Extractor, Level, Rows, TooShortError, Waveform
from mertools.errors import ExtractionError

RATE_HZ = 16_000
_HOP_S = 0.010
_FACTS: dict[str, Any] = {
    "licence": "openSMILE (audEERING): private and research use only, not commercial",
    "packages": ("opensmile",),
    "extra": "audio-smile",
    "rate_hz": 100.0,
    "hub_id": "",
    "padding_invariant": True,
    "trained_on": [],
    "defaults": {},
}
_EGEMAPS = {"v01a": 23, "v01b": 23, "v02": 25}  # low-level descriptors


@dataclass(frozen=True)
class OpenSmileConfig(BaseConfig):
    """The sets have no options: their configuration files are part of openSMILE."""


@dataclass(frozen=True)
class EgemapsConfig(OpenSmileConfig):
    """Options of `Egemaps`.

    Attributes:
        version: ``v01a``, which MERTools uses, ``v01b`` or ``v02``; each has 88 functionals, with other numbers.
    """

    version: str = "v01a"


@EXTRACTORS.register(
    "audio/is09",
    summary="INTERSPEECH 2009 emotion challenge: 384 functionals; 16 descriptors and deltas per frame",
    dim=384,
    frame_dim=32,
    set="IS09",
    **_FACTS,
)
@EXTRACTORS.register(
    "audio/is10",
    summary="INTERSPEECH 2010 paralinguistic challenge: 1,582 functionals; 38 descriptors and deltas per frame",
    dim=1582,
    frame_dim=76,
    set="IS10",
    **_FACTS,
)
@EXTRACTORS.register(
    "audio/is13",
    summary="INTERSPEECH 2013 ComParE challenge: 6,373 functionals; 65 descriptors and deltas per frame",
    dim=6373,
    frame_dim=130,
    set="IS13",
    **_FACTS,
)
@EXTRACTORS.register(
    "audio/compare",
    summary="ComParE 2016: 6,373 functionals; 65 descriptors and deltas per frame",
    dim=6373,
    frame_dim=130,
    set="ComParE_2016",
    **_FACTS,
)
class OpenSmile(Extractor[Waveform]):
    """One of openSMILE's sets; the fact ``set`` is its name in the package ``opensmile``."""

    modality = "audio"
    Config: ClassVar[type[BaseConfig]] = OpenSmileConfig
    utterance = "own"
    batch_cost = 60.0

    @property
    def set_name(self) -> str:
        """Name of the set in the package ``opensmile``."""
        return str(self.facts["set"])

    @property
    def dim(self) -> int:
        """Number of functionals."""
        return int(self.facts["dim"])

    def dim_at(self, level: Level) -> int:
        """Functionals, or low-level descriptors with their deltas."""
        return self.dim if level == "utterance" else int(self.facts["frame_dim"])

    @property
    def padding_invariant(self) -> bool:
        """Every clip is computed on its own."""
        return True

    def cost(self, length: int) -> float:
        """Seconds of sound."""
        return length / RATE_HZ

    def embed(self, batch: Sequence[Waveform], level: Level) -> list[Rows]:
        """Functionals of each clip, or its descriptors at the times at which their windows begin.

        Raises:
            TooShortError: if the set's longest window (25 to 60 ms) does not fit into the sound.
        """
        return [self._functionals(wave) if level == "utterance" else self._descriptors(wave) for wave in batch]

    def _functionals(self, wave: Waveform) -> Rows:
        values = self._process(wave, "Functionals")
        return Rows(values, np.full(1, wave.duration_s / 2))

    def _descriptors(self, wave: Waveform) -> Rows:
        values = self._process(wave, "LowLevelDescriptors")
        if values.shape[1] < self.dim_at("frame"):
            # Deltas are a regression over five frames and outlast the descriptors by two rows.
            deltas = self._process(wave, "LowLevelDescriptors_Deltas")
            values = np.concatenate([values, deltas[: len(values)]], axis=1)
        # Not the package's own times: it gives the last rows of some sets the same one.
        return Rows(values, np.arange(len(values)) * _HOP_S)

    def _process(self, wave: Waveform, level: str) -> np.ndarray:
        if wave.rate_hz != RATE_HZ:
            raise ExtractionError(
                "MER-E150", f"{self.name} got sound at {wave.rate_hz} Hz.", f"Resample to {RATE_HZ} Hz first."
            )
        if len(wave) < RATE_HZ // 40:  # 25 ms, the shortest window of any set
            raise TooShortError(f"{len(wave)} samples of sound; one window of 25 ms has {RATE_HZ // 40}")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of sounds that are too short, which become a status here
            table = _smile(self.set_name, level).process_signal(wave.samples, wave.rate_hz)
        values: np.ndarray = table.to_numpy(np.float32)
        if np.isnan(values).all():
            raise TooShortError(f"{len(wave)} samples of sound are too few for the longest window of {self.set_name}")
        return values


@EXTRACTORS.register(
    "audio/egemaps",
    summary="extended Geneva minimalistic acoustic parameter set: 88 functionals; 23 descriptors per frame",
    dim=88,
    frame_dim=23,
    set="eGeMAPSv01a",
    **_FACTS,
)
class Egemaps(OpenSmile):
    """eGeMAPS (Eyben et al., 2016); it has no deltas."""

    Config = EgemapsConfig
    config: EgemapsConfig

    def __init__(self, name: str, config: EgemapsConfig, facts: dict[str, Any]) -> None:
        if config.version not in _EGEMAPS:
            raise ExtractionError(
                "MER-E151", f"{name}: there is no version '{config.version}'.", f"Expected {', '.join(_EGEMAPS)}."
            )
        super().__init__(
            name, config, {**facts, "set": f"eGeMAPS{config.version}", "frame_dim": _EGEMAPS[config.version]}
        )


@lru_cache(maxsize=16)
def _smile(set_name: str, level: str) -> Any:
    """The package's extractor; made once per process, since that reads the set's configuration files."""
    import opensmile

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the package advises against the old versions that published numbers use
        return opensmile.Smile(opensmile.FeatureSet[set_name], opensmile.FeatureLevel[level])
