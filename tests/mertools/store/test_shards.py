"""Malformed, hostile and damaged shards are refused with a reason, never believed, never a crash."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mertools.errors import StoreError
from mertools.store import shards
from mertools.store.shards import Record, Shard, encode, parse, rate_of

SPACE = "0123456789abcdef"


def records() -> list[Record]:
    values = np.arange(15, dtype=np.float16).reshape(3, 5)
    return [
        Record("a", "ok", "", "m", 1, values, np.arange(3.0)),
        Record("b", "no_face", "none", "m", 2),
        Record("c", "ok", "", "", 3, values.astype(np.float32)[:1], np.zeros(1)),
    ]


def shard_bytes() -> bytes:
    return b"".join(bytes(piece) for piece in encode(SPACE, records())[1])


def split(content: bytes) -> tuple[dict[str, Any], bytes]:
    (length,) = struct.unpack("<Q", content[:8])
    return json.loads(content[8 : 8 + length]), content[8 + length :]


def joined(header: Any, data: bytes, *, checked: bool = True) -> bytes:
    text = json.dumps(header).encode() if not isinstance(header, bytes) else header
    head = struct.pack("<Q", len(text)) + text
    return head + (data[:-4] + struct.pack("<I", zlib.crc32(head)) if checked else data)


def test_every_tensor_starts_at_a_multiple_of_eight_and_lies_beside_its_times() -> None:
    header, data = split(shard_bytes())
    assert header["a/times_s"]["data_offsets"][1] == header["a/values"]["data_offsets"][0]
    assert all(entry["data_offsets"][0] % 8 == 0 for key, entry in header.items() if key.endswith(("s", "s_s")))
    assert header["a/pad"]["shape"] == [2]
    (length,) = struct.unpack("<Q", shard_bytes()[:8])
    assert (length + 8) % 64 == 0
    assert len(data) == max(entry["data_offsets"][1] for key, entry in header.items() if key != "__metadata__")


def edit(change: Callable[[dict[str, Any]], Any]) -> Callable[[bytes], bytes]:
    def mutate(content: bytes) -> bytes:
        header, data = split(content)
        replaced = change(header)
        return joined(header if replaced is None else replaced, data)

    return mutate


def edit_rows(change: Callable[[list[dict[str, Any]]], Any]) -> Callable[[bytes], bytes]:
    def mutate(header: dict[str, Any]) -> None:
        rows = json.loads(header["__metadata__"]["rows"])
        replaced = change(rows)
        header["__metadata__"]["rows"] = json.dumps(rows if replaced is None else replaced)

    return edit(mutate)


def put(key: str, field: str, value: Any) -> Callable[[bytes], bytes]:
    return edit(lambda header: header[key].__setitem__(field, value))


def put_row(n: int, field: str, value: Any) -> Callable[[bytes], bytes]:
    return edit_rows(lambda rows: rows[n].__setitem__(field, value))


ATTACKS: dict[str, Callable[[bytes], bytes]] = {
    "empty file": lambda content: b"",
    "seven bytes": lambda content: content[:7],
    "header length only": lambda content: content[:8],
    "header longer than the file": lambda content: struct.pack("<Q", len(content)) + content[8:],
    "header of 2^64-1 bytes": lambda content: b"\xff" * 8 + content[8:],
    "header above the limit": lambda content: struct.pack("<Q", shards.HEADER_LIMIT + 1) + content[8:],
    "truncated data": lambda content: content[:-9],
    "junk at the end": lambda content: content + b"junk",
    "header not JSON": lambda content: joined(b"{" * 100, split(content)[1]),
    "header deeply nested": lambda content: joined(b"[" * 50_000, split(content)[1]),
    "header not UTF-8": lambda content: joined(b'{"\xff": 1}', split(content)[1]),
    "header a list": edit(lambda header: [header]),
    "a name twice": lambda content: joined(
        json.dumps(split(content)[0])[:-1].encode() + b', "a/values": 1}', split(content)[1]
    ),
    "no metadata": edit(lambda header: {k: v for k, v in header.items() if k != "__metadata__"}),
    "metadata a text": edit(lambda header: header.__setitem__("__metadata__", "x")),
    "another format": edit(lambda header: header["__metadata__"].__setitem__("format", "mertools-shard-9")),
    "no checksum": edit(lambda header: header.__delitem__("header_crc32") or header),
    "wrong checksum": lambda content: joined(*split(content), checked=False),
    "overlap": put("c/times_s", "data_offsets", [0, 8]),
    "gap": edit(lambda header: header.__delitem__("a/pad")),
    "beyond the end": put("header_crc32", "data_offsets", [10**9, 10**9 + 4]),
    "negative offsets": put("a/times_s", "data_offsets", [-24, 0]),
    "end before start": put("a/times_s", "data_offsets", [24, 0]),
    "three offsets": put("a/times_s", "data_offsets", [0, 12, 24]),
    "offsets no numbers": put("a/times_s", "data_offsets", [0.0, 24.0]),
    "offsets true and false": put("a/times_s", "data_offsets", [False, True]),
    "shape overflows": put("a/values", "shape", [2**62, 2**62]),
    "shape negative": put("a/values", "shape", [-3, -5]),
    "shape too deep": put("a/values", "shape", [3, 5, 1]),
    "shape disagrees": put("a/values", "shape", [3, 6]),
    "unknown dtype": put("a/values", "dtype", "I8"),
    "dtype no text": put("a/values", "dtype", ["F16"]),
    "extra key": put("a/values", "extra", 1),
    "entry no object": edit(lambda header: header.__setitem__("a/values", [1])),
    "times not F64": edit(lambda header: header["a/times_s"].update(dtype="F32", shape=[6])),
    "rows no JSON": edit(lambda header: header["__metadata__"].__setitem__("rows", "[")),
    "rows no list": edit_rows(lambda rows: 5),
    "rows of numbers": edit_rows(lambda rows: [1, 2]),
    "a row less": edit_rows(lambda rows: rows[1:]),
    "a row twice": edit_rows(lambda rows: [*rows, rows[1]]),
    "a clip renamed": put_row(0, "clip", "z"),
    "a clip with half a surrogate": put_row(1, "clip", "\ud800"),
    "a clip that is a number": put_row(1, "clip", 5),
    "an unknown status": put_row(1, "status", "fine"),
    "a failure that has values": put_row(0, "status", "silent"),
    "values for a failure": put_row(1, "status", "ok"),
    "a checksum too large": put_row(0, "crc32", 2**32),
    "a checksum that is text": put_row(0, "crc32", "1"),
    "written before time": put_row(0, "written_ns", -1),
    "written after all time": put_row(0, "written_ns", 2**63),
    "an endless rate": put_row(0, "rate_hz", float("inf")),
    "a rate that is text": put_row(0, "rate_hz", "25"),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_malformed_shard_is_refused_with_a_reason(attack: str, tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(shard_bytes())
    assert [row.clip for row in Shard(path).header().rows] == ["a", "b", "c"]
    path.write_bytes(ATTACKS[attack](shard_bytes()))
    with pytest.raises(StoreError, match=r"x\.safetensors: the file is not a sound shard") as caught:
        Shard(path).header()
    assert caught.value.code == "MER-V021"


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_no_bytes_whatever_bring_the_parser_down(data: st.DataObject) -> None:
    sound = shard_bytes()
    content = bytearray(sound)
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(content) - 1))
        content[start : start + data.draw(st.integers(0, 8))] = data.draw(st.binary(max_size=12))
    head = bytes(content)
    try:
        header = parse(head, len(head))
    except StoreError:
        return
    for row in header.rows:
        assert 0 <= row.offset <= row.offset + row.n_bytes <= len(head)


def test_a_header_that_would_be_too_large_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards, "HEADER_LIMIT", 300)
    with pytest.raises(StoreError) as caught:
        encode(SPACE, records())
    assert caught.value.code == "MER-V020"


@pytest.mark.parametrize(
    ("times", "rate"),
    [
        ([], None),
        ([1.0], None),
        ([0.0, 0.04, 0.08], 25.0),
        ([1.0, 1.0], None),
        ([0.0, np.nan], None),
        ([2.0, 1.0], None),
    ],
)
def test_the_rate_comes_from_the_times(times: list[float], rate: float | None) -> None:
    found = rate_of(np.array(times, dtype=np.float64))
    assert found == (None if rate is None else pytest.approx(rate))


def test_times_that_rise_by_a_denormal_number_have_no_rate() -> None:
    from mertools.store.shards import rate_of

    assert rate_of(np.array([-5e-324, 0.0, 0.0])) is None
