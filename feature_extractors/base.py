"""What every extractor is: a frozen configuration, facts, and `embed`, which turns a batch of inputs into rows.

The engine decodes media, asks the face track for crops, plans batches, halves them when memory runs out, joins pieces,
pools and writes. An extractor only says what it needs and computes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Literal, TypeVar

import numpy as np

from mertools.config import to_mapping

if TYPE_CHECKING:
    from feature_extractors.sampling import FrameSampler

Level = Literal["frame", "utterance"]
Precision = Literal["fp32", "bf16", "fp16"]


@dataclass(frozen=True)
class FaceCrops:
    """Crops of one face over time.

    Attributes:
        pixels: ``(T, H, W, 3)`` uint8, RGB.
        times_s: ``(T,)`` float64, presentation time of each frame in seconds from the clip's start.
        sampled_from: crops of the whole clip, if only those are here that the extractor's `sampler` wants; None if all
            are.
    """

    pixels: np.ndarray
    times_s: np.ndarray
    sampled_from: int | None = None

    def __len__(self) -> int:
        """Number of crops."""
        return len(self.times_s)

    @property
    def n_bytes(self) -> int:
        """Memory that they hold."""
        return self.pixels.nbytes

    def piece(self, start: int, stop: int) -> FaceCrops:
        """Rows ``start:stop``."""
        return FaceCrops(self.pixels[start:stop], self.times_s[start:stop], self.sampled_from)

    def places(self, sampler: FrameSampler) -> np.ndarray:
        """Where the frames lie that `sampler` asks for, ``(K,)`` int64 rows of `pixels`; a row may repeat."""
        if self.sampled_from is None:
            return sampler.places(len(self))
        wanted = sampler.wanted(self.sampled_from)
        if len(wanted) != len(self):
            raise ValueError(f"{len(self)} crops are here of the {len(wanted)} that are wanted")
        return np.searchsorted(wanted, sampler.places(self.sampled_from))


@dataclass(frozen=True, kw_only=True)
class FaceMeasurements(FaceCrops):
    """What another program measured on each frame, in place of crops; `pixels` is empty.

    Attributes:
        values: ``(T, D)`` float32.
        names: of the D columns.
        confidence: ``(T,)`` float32 in [0, 1], of the face in each frame.
        tracked: ``(T,)`` bool, whether the program says that it saw the face.
    """

    values: np.ndarray
    names: tuple[str, ...]
    confidence: np.ndarray
    tracked: np.ndarray

    @property
    def n_bytes(self) -> int:
        """Memory that they hold."""
        return self.values.nbytes

    def piece(self, start: int, stop: int) -> FaceMeasurements:
        """Rows ``start:stop``."""
        rows = slice(start, stop)
        return FaceMeasurements(
            self.pixels[rows],
            self.times_s[rows],
            values=self.values[rows],
            names=self.names,
            confidence=self.confidence[rows],
            tracked=self.tracked[rows],
        )


@dataclass(frozen=True)
class Waveform:
    """Sound of one clip: ``(N,)`` float32 in [-1, 1], mono, at `rate_hz` (16 kHz).

    The first sample lies `start_s` after the clip's start; the engine adds it to the times of the rows.
    """

    samples: np.ndarray
    rate_hz: int = 16_000
    start_s: float = 0.0

    def __len__(self) -> int:
        """Number of samples."""
        return len(self.samples)

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return len(self.samples) / self.rate_hz


Input = FaceCrops | Waveform | str
I = TypeVar("I", FaceCrops, Waveform, str)  # noqa: E741


@dataclass(frozen=True)
class Rows:
    """What an extractor returns for one input: ``values (T, D)`` float32 and ``times_s (T,)`` (NaN = no time)."""

    values: np.ndarray
    times_s: np.ndarray


@dataclass(frozen=True)
class PublishedShape:
    """What a network of the published size computes.

    Attributes:
        dim: D.
        rows: rows of the probe: one second of sound, two frames, or nine tokens.
        expected_rows: how many they must be.
        n_layers: hidden layers; None where that is no fact of the family.
        parameters: of the network, in all.
    """

    dim: int
    rows: int
    expected_rows: int
    n_layers: int | None = None
    parameters: int = 0


@dataclass(frozen=True)
class BaseConfig:
    """Options of an extractor; every field changes numbers and is part of the fingerprint."""


class TooShortError(Exception):
    """Raised by `embed` for an input that is too short for the model; the clip's status becomes ``too_short``."""

    status: ClassVar[str] = "too_short"


class NoFaceError(TooShortError):
    """Raised by `embed` for an input without a single usable face; the clip's status becomes ``no_face``."""

    status = "no_face"


class DamagedError(TooShortError):
    """Raised by `embed` for an input that lacks what the extractor needs; its status becomes ``decode_error``."""

    status = "decode_error"


class Extractor(ABC, Generic[I]):
    """Base of all extractors.

    Class attributes are facts that hold for the whole family.

    Attributes:
        modality: which input it takes.
        Config: dataclass of its options.
        revision: raised by one whenever the numbers it makes change; part of the fingerprint.
        utterance: ``mean`` if the utterance embedding is the mean of the frame rows; ``own`` if `embed` computes it
            from the whole clip.
        chunk_rows: an input longer than this is cut into consecutive pieces that are embedded independently and
            joined (image models); None if the whole clip must be seen at once.
        batch_cost: sum of `cost` that one call of `embed` may get; a single input above it goes alone.
        measured: whether it takes what another program measured (`FaceMeasurements`) in place of crops.
        torch_model: whether it runs on a device through torch. Then `load` matters and clips share batches. Others get
            one input at a time: they gain nothing from batches, and their rows never depend on a neighbour.
    """

    modality: ClassVar[Literal["face", "audio", "text"]]
    Config: ClassVar[type[BaseConfig]] = BaseConfig
    revision: ClassVar[int] = 1
    utterance: ClassVar[Literal["mean", "own"]] = "mean"
    chunk_rows: ClassVar[int | None] = None
    batch_cost: ClassVar[float] = 1.0
    torch_model: ClassVar[bool] = False
    measured: ClassVar[bool] = False

    def __init__(self, name: str, config: Any, facts: Mapping[str, Any]) -> None:
        self.name = name
        self.config = config
        self.facts = facts

    @classmethod
    def fake_weights(cls, folder: Path, facts: Mapping[str, Any]) -> dict[str, str]:
        """Write tiny random weights in the layout of the published ones, for tests and for trying the road offline.

        Args:
            folder: to write into; it exists and is empty.
            facts: of the registered name.

        Returns:
            Options with which the extractor runs on them; none where it needs no weights.
        """
        return {}

    @classmethod
    def published_shape(cls, facts: Mapping[str, Any]) -> PublishedShape | None:
        """The network at its published size, made on the meta device: no parameters, shapes only.

        Args:
            facts: of the registered name.

        Returns:
            What it computes; None where there is no network or nothing was published.
        """
        return None

    @property
    @abstractmethod
    def dim(self) -> int:
        """D, known before any clip is read (from the configuration of the weights)."""

    def dim_at(self, level: Level) -> int:
        """D at a level; the levels differ only where the utterance embedding is computed on its own (statistics)."""
        return self.dim

    @property
    def padding_invariant(self) -> bool:
        """Whether inputs of different length may share a batch without changing each other's rows."""
        return False

    def sampler(self, level: Level) -> FrameSampler | None:
        """Which crops of a clip the model sees at a level; None if all. The engine cuts no others, where it can.

        `embed` applies it: it gets all crops of a clip, or those that the sampler wants and `FaceCrops.sampled_from`.
        """
        return None

    @property
    def fixed_rows(self) -> int | None:
        """Frame rows of every clip, however long it is, where the model sees so many frames; None if rows grow with it.

        Of a clip with too few frames, some are seen more than once, and rows share their time.
        """
        return None

    def settings(self) -> dict[str, Any]:
        """Everything that changes numbers, JSON-able: options and the hash of the weights.

        Options whose field has the metadata ``recorded: False`` change no numbers and are left out.
        """
        unrecorded = {f.name for f in fields(self.config) if not f.metadata.get("recorded", True)}
        return {name: value for name, value in to_mapping(self.config).items() if name not in unrecorded}

    def load(self, device: str, precision: Precision) -> None:
        """Bring weights to a device. Called once, before `embed`; extractors without weights ignore it.

        Raises:
            ExtractionError: if weights are missing or do not fit; the message says which file and where it was sought.
        """

    def cost(self, length: int) -> float:
        """Cost of an input of `length` rows (face), samples (audio) or characters (text), in units of `batch_cost`."""
        return 1.0

    @abstractmethod
    def embed(self, batch: Sequence[I], level: Level) -> list[Rows]:
        """Embed a batch.

        Args:
            batch: inputs; of equal length unless `padding_invariant` (face pieces may always differ).
            level: ``utterance`` is only asked of extractors whose `utterance` is ``own``; it wants one row per input.

        Returns:
            One `Rows` per input, in order.

        Raises:
            TooShortError: if the only input of the batch is too short.
        """


@dataclass(frozen=True)
class FaceConfig(BaseConfig):
    """Options common to face extractors.

    Attributes:
        crop: crop policy, a name from `feature_extractors.facetrack.crops`.
        who: which face, a name from `feature_extractors.facetrack.who`; ``all`` = every face, a space for each.
        fps: frames per second to keep; None keeps every frame.
        folder: where a data set ships its crops, for the crop policy ``openface-folder``; if empty, each clip's cell
            ``faces`` says where its frames lie.
    """

    crop: str = "aligned-112"
    who: str = "largest"
    fps: float | None = None
    folder: str = field(default="", metadata={"recorded": False})


@dataclass(frozen=True)
class TextConfig(BaseConfig):
    """Options common to text extractors (the column is an option of the run and joins the fingerprint there)."""


@dataclass(frozen=True)
class WeightsConfig(BaseConfig):
    """Options of extractors with weights.

    Attributes:
        weights: a local folder, or a hub id (looked up in the local cache only, unless `download`).
        download: whether a hub id may be fetched.
    """

    weights: str = ""
    download: bool = field(default=False, metadata={"recorded": False})
