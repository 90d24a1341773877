"""Shards: immutable safetensors files that hold the embeddings of many clips of one space.

For every clip the file holds the tensors ``CLIP/times_s`` and ``CLIP/values`` side by side, then, where needed,
``CLIP/pad`` so that everything starts at a multiple of eight bytes. Failures have no tensors. The header's metadata
carry every row (clip, status, reason, media digest, checksum, time of writing), so that the index can be made anew from
the shards alone. The last tensor, ``header_crc32``, is the checksum of the header: together with the checksum of each
row it covers every byte of the file. The official safetensors reader opens these files.
"""

from __future__ import annotations

import errno
import json
import math
import mmap
import os
import struct
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mertools.errors import StoreError
from mertools.status import Status

HEADER_LIMIT = 100_000_000
"""Largest header that is read or written, in bytes (that of the official reader)."""
SHARD_FORMAT = "mertools-shard-1"
DTYPES = {"F16": "float16", "F32": "float32", "F64": "float64"}
_CODES = {name: code for code, name in DTYPES.items()}
_SIZES = {"F16": 2, "F32": 4, "F64": 8, "U8": 1, "U32": 4}
_CHECK = "header_crc32"
_IN_MEMORY = 1 << 18


@dataclass(frozen=True)
class Record:
    """One clip on its way into a shard, or a failure.

    Attributes:
        clip: name of the clip.
        status: a value of `mertools.status.Status`.
        reason: why, if the status is not ``ok``.
        media: digest of the media.
        written_ns: order of replacement.
        values: ``(T, D)``, little-endian and contiguous; None for failures.
        times_s: ``(T,)`` float64; None for failures.
    """

    clip: str
    status: str
    reason: str
    media: str
    written_ns: int
    values: np.ndarray | None = None
    times_s: np.ndarray | None = None


@dataclass(frozen=True)
class Placed:
    """Where and what one row of a shard is, as its header says."""

    clip: str
    status: str
    reason: str
    media: str
    written_ns: int
    crc32: int
    n_rows: int = 0
    dim: int = 0
    dtype: str = ""
    rate_hz: float | None = None
    offset: int = 0
    n_bytes: int = 0


@dataclass(frozen=True)
class Header:
    """A shard's header after all checks.

    Attributes:
        space: fingerprint of the space.
        rows: the rows in file order.
        size: length of the file in bytes.
        crc32: checksum of the header (its length field included).
    """

    space: str
    rows: tuple[Placed, ...]
    size: int
    crc32: int


def encode(space: str, records: Sequence[Record]) -> tuple[Header, list[bytes | memoryview]]:
    """Lay out a shard.

    Args:
        space: fingerprint.
        records: the rows, each clip once.

    Returns:
        The header as a reader will see it, and the file's bytes in pieces.

    Raises:
        StoreError: if the header would exceed `HEADER_LIMIT`.
    """
    tensors: dict[str, Any] = {}
    rows: list[dict[str, Any]] = []
    body: list[bytes | memoryview] = []
    position = 0
    for record in records:
        pieces = _pieces(record)
        crc = 0
        for piece in pieces:
            crc = zlib.crc32(piece, crc)
        rows.append(_row_metadata(record, crc))
        for (key, dtype, shape), piece in zip(_tensors(record), pieces, strict=True):
            tensors[f"{record.clip}/{key}"] = _tensor(dtype, shape, position, len(piece))
            position += len(piece)
        body.extend(pieces)
    tensors[_CHECK] = _tensor("U32", [1], position, 4)
    metadata = {"format": SHARD_FORMAT, "space": space, "rows": json.dumps(rows, ensure_ascii=False)}
    text = json.dumps({"__metadata__": metadata, **tensors}, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-(len(text) + 8) % 64)
    if len(text) > HEADER_LIMIT:
        raise StoreError(
            "MER-V020", f"a shard of {len(records)} clips would need a header of {len(text)} bytes.", "Flush earlier."
        )
    head = struct.pack("<Q", len(text)) + text
    tail = struct.pack("<I", zlib.crc32(head))
    header = parse(head, len(head) + position + 4)
    return header, [head, *body, tail]


def parse(head: bytes | memoryview, size: int) -> Header:
    """Check a header and list its rows. Never allocates more than the header's own size.

    Args:
        head: the first bytes of the file: the length field and the header.
        size: length of the whole file.

    Raises:
        StoreError: ``MER-V021`` if the file is not a sound shard; the message says what is wrong.
    """
    length = header_length(head[:8], size)
    if len(head) < 8 + length:
        raise _unsound("it ends within its header")
    head = head[: 8 + length]
    header = _load_json(bytes(head[8:]))
    metadata = header.pop("__metadata__", None)
    if not isinstance(metadata, dict) or metadata.get("format") != SHARD_FORMAT:
        raise _unsound(f"its metadata do not say format {SHARD_FORMAT}")
    spans = _checked_tensors(header, size - 8 - length)
    if spans.get(_CHECK, (None,))[0] != "U32":
        raise _unsound("it has no checksum of its header")
    rows = _placed_rows(metadata, spans, 8 + length)
    return Header(str(metadata.get("space")), rows, size, zlib.crc32(head))


def header_length(first: bytes | memoryview, size: int) -> int:
    """Length of the header, from the first eight bytes of a file of `size` bytes, checked against both limits."""
    if size < 8 or len(first) < 8:
        raise _unsound(f"it has only {size} bytes")
    length: int = struct.unpack("<Q", first)[0]
    if length > HEADER_LIMIT:
        raise _unsound(f"it claims a header of {length} bytes (at most {HEADER_LIMIT} are allowed)")
    if length > size - 8:
        raise _unsound(f"it claims a header of {length} bytes but has {size} bytes in all")
    return length


class Shard:
    """An open shard: its bytes, mapped into memory (small files are read instead).

    Args:
        path: the file.

    Raises:
        FileNotFoundError: if there is none.
        StoreError: if it is too short to be a shard, or too many files are open.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self.bytes, self.size = _contents(path)
        except OSError as error:
            if error.errno != errno.EMFILE:
                raise
            self.bytes, self.size = _with_more_files(path)
        with self._named():
            self._head_end = 8 + header_length(self.bytes[:8], self.size)

    def header_crc32(self) -> int:
        """Checksum of the header as it now is."""
        return zlib.crc32(memoryview(self.bytes)[: self._head_end])

    def header(self) -> Header:
        """The header, fully checked, its checksum included.

        Raises:
            StoreError: ``MER-V021`` if anything is wrong.
        """
        with self._named():
            header = parse(memoryview(self.bytes)[: self._head_end], self.size)
            noted: int = struct.unpack("<I", self.bytes[-4:])[0]
            if noted != header.crc32:
                raise _unsound("the checksum of its header does not match")
        return header

    def crc32(self, offset: int, n_bytes: int) -> int:
        """Checksum of a range of bytes."""
        return zlib.crc32(memoryview(self.bytes)[offset : offset + n_bytes])

    @contextmanager
    def _named(self) -> Iterator[None]:
        """Errors say which file they are about."""
        try:
            yield
        except StoreError as error:
            raise StoreError(error.code, f"{self.path}: {error.message}", error.hint) from None


def _contents(path: Path) -> tuple[mmap.mmap | bytes, int]:
    """The bytes of a file and their number; the map of a large one costs a file descriptor as long as it is in use."""
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size <= _IN_MEMORY:
            return file.read(), size
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ), size


def _with_more_files(path: Path) -> tuple[mmap.mmap | bytes, int]:
    """The same, after asking the system for all the file descriptors that this process may have."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    try:
        return _contents(path)
    except OSError as error:
        if error.errno != errno.EMFILE:
            raise
        raise StoreError(
            "MER-V022",
            f"{path} cannot be opened beside the {max(soft, hard)} files that are open ({error.strerror}).",
            "Read fewer clips at once, raise `ulimit -n`, or run `mertools store gc` to join small shards.",
        ) from None


def write(descriptor: int, pieces: Iterable[bytes | memoryview]) -> None:
    """Write all pieces to an open file and force them to disk."""
    for piece in _joined(pieces):
        rest = memoryview(piece).cast("B")
        while len(rest):
            rest = rest[os.write(descriptor, rest) :]
    os.fdatasync(descriptor)


def _joined(pieces: Iterable[bytes | memoryview], at_least: int = 1 << 20) -> Iterator[bytes | memoryview]:
    """Small pieces joined, so that a shard of many small rows needs few system calls."""
    waiting: list[bytes | memoryview] = []
    n_bytes = 0
    for piece in pieces:
        waiting.append(piece)
        n_bytes += len(piece)
        if n_bytes >= at_least:
            yield waiting[0] if len(waiting) == 1 else b"".join(waiting)
            waiting, n_bytes = [], 0
    yield b"".join(waiting)


def _pieces(record: Record) -> list[bytes | memoryview]:
    if record.values is None or record.times_s is None:
        return []
    times, values = _bytes_of(record.times_s), _bytes_of(record.values)
    return [times, values, b"\0" * (-len(values) % 8)] if len(values) % 8 else [times, values]


def _bytes_of(array: np.ndarray) -> memoryview | bytes:
    return array.reshape(-1).view(np.uint8).data if array.size else b""


def _tensors(record: Record) -> list[tuple[str, str, list[int]]]:
    if record.values is None or record.times_s is None:
        return []
    n_rows, dim = record.values.shape
    tensors = [("times_s", "F64", [n_rows]), ("values", _CODES[record.values.dtype.name], [n_rows, dim])]
    pad = -record.values.nbytes % 8
    return [*tensors, ("pad", "U8", [pad])] if pad else tensors


def _tensor(dtype: str, shape: list[int], start: int, n_bytes: int) -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, start + n_bytes]}


def _row_metadata(record: Record, crc: int) -> dict[str, Any]:
    return {
        "clip": record.clip,
        "status": record.status,
        "reason": record.reason,
        "media": record.media,
        "written_ns": record.written_ns,
        "crc32": crc,
        "rate_hz": None if record.times_s is None else rate_of(record.times_s),
    }


def rate_of(times_s: np.ndarray) -> float | None:
    """Rows per second; None if there are fewer than two rows, or the times do not rise by more than rounding.

    Example:
        >>> rate_of(np.array([0.0, 0.5, 1.0]))
        2.0
    """
    if len(times_s) < 2:
        return None
    span = float(times_s[-1]) - float(times_s[0])
    if not (math.isfinite(span) and span > 0):
        return None
    rate = (len(times_s) - 1) / span  # infinite where the span is a denormal number
    return rate if math.isfinite(rate) else None


def _unsound(what: str) -> StoreError:
    return StoreError(
        "MER-V021",
        f"the file is not a sound shard: {what}.",
        "Run `mertools store gc STORE --damaged`, then extract again.",
    )


def _load_json(text: bytes) -> dict[str, Any]:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            raise ValueError("a name occurs twice")
        return found

    try:
        value = json.loads(text.decode("utf-8"), object_pairs_hook=once)
    except (ValueError, RecursionError) as error:
        raise _unsound(f"its header is not JSON ({error})") from None
    if not isinstance(value, dict):
        raise _unsound("its header is not a JSON object")
    return value


def _checked_tensors(header: dict[str, Any], n_data: int) -> dict[str, tuple[str, tuple[int, ...], int, int]]:
    """Every tensor as dtype, shape, start, stop; together they cover the data exactly, without gap or overlap."""
    spans = {}
    for key, entry in header.items():
        if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
            raise _unsound(f"the entry of tensor {key!r} is malformed")
        dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
        if not isinstance(dtype, str) or dtype not in _SIZES:
            raise _unsound(f"tensor {key!r} has the unknown dtype {dtype!r}")
        if not _counts(shape) or not _counts(offsets) or len(offsets) != 2:
            raise _unsound(f"shape or offsets of tensor {key!r} are malformed")
        start, stop = offsets
        if not start <= stop <= n_data:
            raise _unsound(f"tensor {key!r} lies outside the file")
        if len(shape) > 2 or math.prod(shape) * _SIZES[dtype] != stop - start:
            raise _unsound(f"shape and length of tensor {key!r} do not agree")
        spans[key] = (dtype, tuple(shape), start, stop)
    position = 0
    for key, (_, _, start, stop) in sorted(spans.items(), key=lambda item: item[1][2:]):
        if start != position:
            raise _unsound(f"tensor {key!r} overlaps another one or leaves a gap before it")
        position = stop
    if position != n_data:
        raise _unsound(f"its tensors end at byte {position} of {n_data}")
    return spans


def _counts(value: Any) -> bool:
    return isinstance(value, list) and all(type(n) is int and n >= 0 for n in value)


def _placed_rows(metadata: dict[str, Any], spans: dict[str, Any], data_start: int) -> tuple[Placed, ...]:
    try:
        rows = json.loads(metadata["rows"])
        placed = [_placed(row, spans, data_start) for row in rows]
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise _unsound(f"the list of rows in its metadata is malformed ({error!r})") from None
    keys = [f"{row.clip}/{key}" for row in placed if row.dtype for key in ("times_s", "values", "pad")]
    n_tensors = 1 + sum(key in spans for key in keys)
    if n_tensors != len(spans) or len({row.clip for row in placed}) != len(placed):
        raise _unsound("its tensors and its list of rows do not agree")
    return tuple(placed)


def _placed(row: dict[str, Any], spans: dict[str, Any], data_start: int) -> Placed:
    clip, rate = row["clip"], row["rate_hz"]
    texts = (clip, row["reason"], row["media"])
    for text in texts:
        text.encode()  # neither another type nor half a surrogate pair gets past this
    for key, bits in (("crc32", 32), ("written_ns", 63)):
        if type(row[key]) is not int or not 0 <= row[key] < 1 << bits:
            raise ValueError(f"{key} is not a number of {bits} bits")
    if rate is not None and not (type(rate) is float and 0 < rate < math.inf):
        raise ValueError("rate_hz is not a rate")
    status = str(Status(row["status"]))
    common = (clip, status, row["reason"], row["media"], row["written_ns"], row["crc32"])
    if status != Status.OK:
        return Placed(*common)
    times, values = spans[f"{clip}/times_s"], spans[f"{clip}/values"]
    pad = spans.get(f"{clip}/pad", ("U8", (0,), values[3], values[3]))
    (n_rows,), (n_values, dim) = times[1], values[1]
    if times[0] != "F64" or values[0] not in DTYPES or n_rows != n_values:
        raise ValueError(f"times and values of clip {clip!r} do not belong together")
    if times[2] % 8 or times[3] != values[2] or values[3] != pad[2]:
        raise ValueError(f"times and values of clip {clip!r} do not lie side by side")
    return Placed(*common, n_rows, dim, DTYPES[values[0]], rate, data_start + times[2], pad[3] - times[2])
