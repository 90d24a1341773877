"""What a run of the engine may be told, checked before any clip is touched."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from feature_extractors.base import Level, Precision
from mertools.errors import ExtractionError, MachineError, did_you_mean
from mertools.status import Status


@dataclass(frozen=True)
class ExtractionOptions:
    """Options of `feature_extractors.extract`.

    Attributes:
        split: splits to extract; none means all.
        column: columns of the manifest to take instead of the defaults: one whose name starts with ``audio`` replaces
            the sound, any other replaces the transcript ``text``.
        level: what the rows of the spaces are.
        engine: who does the work.
        address: of the cluster, for an engine that has one; empty means one on this machine.
        workers: processes that compute; 0 means one per device.
        spool: folder or URL (fsspec) by which the workers of a cluster hand over what they made; empty means over the
            cluster's own object store.
        shard: ``I/N``: only every N-th group of clips, beginning with the I-th (from 1).
        device: ``auto`` (all GPUs if there are any), ``cpu``, ``cuda``, ``cuda:1``, or several: ``cuda:0,cuda:1``.
        precision: of the arithmetic; None means fp32 on a CPU and bf16 on a GPU.
        retry: statuses that do not count as done.
        limit: at most this many clips, the first in the order of work (shortest first).
        decoders: decoder processes of each worker; 0 chooses by the number of cores.
        timeout_s: seconds after which a decoder that does not answer is given up.
        group_clips: clips whose batches are planned, and whose rows are made durable, together. Another value gives
            other batches, hence values that differ in the last bits.
        group_s: the same bound in seconds of media.
        flush_s: groups that end within so many seconds of each other are made durable together.
        quiet: no progress line.
    """

    split: tuple[str, ...] = ()
    column: tuple[str, ...] = ()
    level: Level = "utterance"
    engine: str = "local"
    address: str = ""
    workers: int = 0
    spool: str = ""
    shard: str = "1/1"
    device: str = "auto"
    precision: Precision | None = None
    retry: tuple[str, ...] = ()
    limit: int | None = None
    decoders: int = 0
    timeout_s: float = 60.0
    group_clips: int = 32
    group_s: float = 256.0
    flush_s: float = 2.0
    quiet: bool = False

    def __post_init__(self) -> None:
        """Check what the types do not say.

        Raises:
            ExtractionError: for an unknown status, a shard that is not I/N, or a number out of range.
        """
        known = [status.value for status in Status]
        for status in self.retry:
            if status not in known:
                raise ExtractionError(
                    "MER-E002",
                    f"retry: there is no status '{status}'.{did_you_mean(status, known)}",
                    f"Statuses: {', '.join(known)}.",
                )
        for name in ("address", "spool"):
            if getattr(self, name) and self.engine == "local":
                raise ExtractionError(
                    "MER-E013",
                    f"{name} '{getattr(self, name)}' was given, but the engine 'local' has none.",
                    "Leave it out, or choose the engine of a cluster: --engine ray.",
                )
        _ = self.shard_of
        for name, lowest in (
            ("limit", 1),
            ("decoders", 0),
            ("workers", 0),
            ("timeout_s", 0.001),
            ("group_clips", 1),
            ("group_s", 0),
            ("flush_s", 0),
        ):
            value = getattr(self, name)
            if value is not None and value < lowest:
                raise ExtractionError("MER-E004", f"{name} is {value}; expected at least {lowest}.")

    @property
    def shard_of(self) -> tuple[int, int]:
        """The shard as (index from 0, number of shards)."""
        index, slash, count = self.shard.partition("/")
        if slash and index.isdecimal() and count.isdecimal() and 1 <= int(index) <= int(count):
            return int(index) - 1, int(count)
        raise ExtractionError(
            "MER-E003", f"'{self.shard}' is not a shard.", "Expected I/N with I from 1 to N, e.g. 2/8."
        )

    @property
    def audio_column(self) -> str:
        """The column that names the sound."""
        return self._column([name for name in self.column if name.startswith("audio")], "audio")

    @property
    def text_column(self) -> str:
        """The column that holds the transcript."""
        return self._column([name for name in self.column if not name.startswith("audio")], "text")

    def _column(self, chosen: list[str], default: str) -> str:
        if len(chosen) > 1:
            raise ExtractionError(
                "MER-E005", f"columns {' and '.join(chosen)} were both chosen.", "Choose one sound and one transcript."
            )
        return chosen[0] if chosen else default


class LazyDevices:
    """The torch devices to use, found out when they are first asked for: that imports torch, which takes seconds.

    Args:
        asked: ``auto``, ``cpu``, ``cuda``, ``cuda:1``, ... or several with commas between them.
        workers: how many share them; 0 means one each.
        find: finds the devices out, as `resolve_devices`.

    Raises:
        MachineError: if a device that was named is not there. That is told at once.
    """

    def __init__(self, asked: str, workers: int = 0, find: Callable[[str], tuple[str, ...]] | None = None) -> None:
        self._asked, self._workers, self._find = asked, workers, find or resolve_devices
        self._found = self._find(asked) if asked not in ("auto", "cpu") else ()

    @property
    def name(self) -> str:
        """The first of them, as torch names it; all are of one kind."""
        return "cpu" if self._asked == "cpu" else self.names[0]

    @property
    def names(self) -> tuple[str, ...]:
        """The device of each worker."""
        self._found = self._found or self._find(self._asked)
        n_workers = self._workers or len(self._found)
        return tuple(self._found[i % len(self._found)] for i in range(n_workers))


def resolve_devices(asked: str) -> tuple[str, ...]:
    """The torch devices of this machine to use; ``auto`` means all GPUs, or the CPU if there are none.

    Raises:
        MachineError: if a device is not there.
        ExtractionError: if a device is named twice, or devices of several kinds are.
    """
    if asked == "auto":
        import torch

        n_gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
        return tuple(f"cuda:{i}" for i in range(n_gpus)) if n_gpus > 1 else (resolve_device(asked),)
    names = [name.strip() for name in asked.split(",")]
    if len(set(names)) < len(names) or len({name.partition(":")[0] for name in names}) > 1:
        raise ExtractionError(
            "MER-E060",
            f"device '{asked}' names a device twice, or devices of several kinds.",
            "Expected e.g. cuda:0,cuda:1. Several processes on one device: --workers N.",
        )
    return tuple(resolve_device(name) for name in names)


def resolve_device(device: str) -> str:
    """The torch device to use; ``auto`` is a GPU if there is one.

    Raises:
        MachineError: if the device is not there.
    """
    if device == "cpu":
        return device
    import torch

    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:  # torch asserts that it was built with CUDA
        known = device.partition(":")[0] in ("cpu", "cuda")
        reason = str(error).strip().splitlines()[0].rstrip(".") if known else "there is no such device"
        raise MachineError(
            "MER-O020", f"device '{device}' cannot be used: {reason}.", "Expected auto, cpu, cuda or cuda:N."
        ) from None
    return device


def resolve_precision(precision: Precision | None, device: str) -> Precision:
    """The precision to use: as asked, else fp32 on a CPU and bf16 on a GPU."""
    if precision is not None:
        return precision
    return "fp32" if device == "cpu" else "bf16"
