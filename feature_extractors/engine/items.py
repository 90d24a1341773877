"""What travels from a feeder to the model: pieces of input, their ends, and the clip they belong to."""

from __future__ import annotations

from dataclasses import dataclass, field

from feature_extractors.base import FaceCrops, Waveform
from feature_extractors.engine.asked import InputKey
from feature_extractors.engine.sources import ClipSource
from feature_extractors.engine.tasks import Task
from mertools.status import Status


@dataclass(frozen=True)
class Piece:
    """A part of an input, in order."""

    key: InputKey
    payload: FaceCrops | Waveform | str

    @property
    def n_bytes(self) -> int:
        """Memory that it holds."""
        if isinstance(self.payload, FaceCrops):
            return self.payload.n_bytes
        return self.payload.samples.nbytes if isinstance(self.payload, Waveform) else len(self.payload)


@dataclass(frozen=True)
class End:
    """No more pieces of this input. A status other than ``ok`` says why there is none."""

    key: InputKey
    status: str = Status.OK
    reason: str = ""


class Done:
    """Nothing more of this clip."""


@dataclass
class ClipJob:
    """One clip of a task on its way through a feeder.

    Attributes:
        stream: its number, counting in plan order.
        task: that it belongs to.
        source: of its inputs.
        keys: the inputs that somebody needs.
        last: whether it is the last of its task.
        media: digest per input, set before the first item of the input is put.
    """

    stream: int
    task: Task
    source: ClipSource
    keys: tuple[InputKey, ...]
    last: bool
    media: dict[InputKey, str] = field(default_factory=dict)
