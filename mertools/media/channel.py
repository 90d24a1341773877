"""Messages between the parent and a decoder process: arrays beside the pickle, every read with a deadline.

Arrays travel as raw buffers and are read straight into their final memory, so one copy goes through the socket and none
is made on either side. Shared memory would save that copy, but a killed process would leave its blocks behind.
"""

from __future__ import annotations

import pickle
import select
import socket
import struct
import time
from typing import Any

_COUNT = struct.Struct("!I")
_MOST_PARTS = 1 << 20
BUFFER_BYTES = 4 << 20


class Channel:
    """One end of a pair of connected sockets.

    Args:
        end: the socket; the channel owns it.
    """

    def __init__(self, end: socket.socket) -> None:
        self._socket = end
        for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
            end.setsockopt(socket.SOL_SOCKET, option, BUFFER_BYTES)

    @classmethod
    def from_descriptor(cls, descriptor: int) -> Channel:
        """The channel behind an inherited file descriptor."""
        return cls(socket.socket(fileno=descriptor))

    def fileno(self) -> int:
        """The file descriptor."""
        return self._socket.fileno()

    def close(self) -> None:
        """Close this end; the other end sees the end of the stream."""
        self._socket.close()

    def readable(self) -> bool:
        """Whether a message, or the end of the stream, waits."""
        return bool(select.select([self._socket], [], [], 0)[0])

    def send(self, message: Any, timeout_s: float | None = None) -> None:
        """Send one message.

        Raises:
            OSError: if the other end is gone; TimeoutError if it does not read in time.
        """
        buffers: list[pickle.PickleBuffer] = []
        body = pickle.dumps(message, protocol=5, buffer_callback=buffers.append)
        parts = [memoryview(body), *(b.raw() for b in buffers)]
        head = _COUNT.pack(len(parts)) + struct.pack(f"!{len(parts)}Q", *(p.nbytes for p in parts))
        self._socket.settimeout(timeout_s)
        self._socket.sendall(head)
        for part in parts:
            self._socket.sendall(part)

    def receive(self, timeout_s: float | None = None) -> Any:
        """Wait for one message and return it.

        Raises:
            TimeoutError: if it is not complete after `timeout_s` seconds.
            EOFError: if the other end is gone.
        """
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        (n_parts,) = _COUNT.unpack(self._read(_COUNT.size, deadline))
        if n_parts > _MOST_PARTS:
            raise EOFError("not a message")
        sizes = struct.unpack(f"!{n_parts}Q", self._read(8 * n_parts, deadline))
        parts = [self._read(size, deadline) for size in sizes]
        return pickle.loads(parts[0], buffers=parts[1:])  # noqa: S301  (from our own child, over a private socket)

    def _read(self, size: int, deadline: float | None) -> bytearray:
        buffer = bytearray(size)
        view = memoryview(buffer)
        while view:
            if deadline is not None:
                self._socket.settimeout(max(deadline - time.monotonic(), 1e-6))
            else:
                self._socket.settimeout(None)
            try:
                n = self._socket.recv_into(view)
            except ConnectionError as error:
                raise EOFError("the other end is gone") from error
            if not n:
                raise EOFError("the other end is gone")
            view = view[n:]
        return buffer
