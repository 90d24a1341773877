"""Decoding past damage: packets that do not decode are skipped and counted, and too many of them are an error."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mertools.errors import MediaError
from mertools.media.opening import reason, show

LEAST_DECODED = 0.9
"""A clip of which less than this part can be decoded is damaged; a smaller loss is borne, as players do."""

LEAST_LOSS_S = 0.25
"""Headers round and encoders pad: a stream that ends this much early is not short."""


@dataclass
class DecodeLog:
    """What was met while decoding one stream: packets read, packets that did not decode, the last reason."""

    n_packets: int = 0
    n_damaged: int = 0
    last: str = ""

    def note(self, error: BaseException) -> None:
        """Count one damaged packet."""
        self.n_damaged += 1
        self.last = reason(error)

    def why(self) -> str:
        """The last reason in brackets, or nothing."""
        return f" ({self.last})" if self.last else ""

    def check(self, path: Path, what: str, decoded_s: float, declared_s: float | None) -> None:
        """Refuse a stream that was decoded to its end but is short of what its header declares.

        Raises:
            MediaError: MER-M007 (status decode_error).
        """
        if self.n_damaged > (1 - LEAST_DECODED) * self.n_packets:
            raise MediaError(
                "MER-M007",
                f"{self.n_damaged} of {self.n_packets} packets of the {what} of {show(path)} are damaged{self.why()}.",
                "Copy it again.",
            )
        if declared_s and decoded_s < min(LEAST_DECODED * declared_s, declared_s - LEAST_LOSS_S):
            raise MediaError(
                "MER-M007",
                f"the {what} of {show(path)} is cut short: {decoded_s:.2f} s of {declared_s:.2f} s decode{self.why()}.",
                "Copy it again.",
            )


def decode_packets(container: Any, stream: Any, log: DecodeLog) -> Iterator[Any]:
    """Decoded frames of a stream from where the container stands; damage is noted in `log`.

    Raises:
        MemoryError: if memory runs out.
    """
    import av

    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets)
        except StopIteration:
            return
        except av.error.FFmpegError as error:
            if isinstance(error, MemoryError):
                raise
            log.note(error)
            return
        log.n_packets += bool(packet.size)
        try:
            frames = packet.decode()
        except av.error.EOFError:
            continue
        except av.error.FFmpegError as error:
            if isinstance(error, MemoryError):
                raise
            log.note(error)
            continue
        yield from frames
