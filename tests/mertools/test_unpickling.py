"""Pickles of strangers: plain data come out as Python's own reader gives them, everything else is refused unrun."""

from __future__ import annotations

import io
import os
import pickle
import pickletools
import struct
import zipfile
from collections import OrderedDict
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mertools.errors import CorpusError
from mertools.unpickling import DamagedError, NotPlainError, TooLargeError, read_npz, read_pickle, unpickled
from mertools.unpickling import files as unpickling_files
from mertools.unpickling import machine as unpickling_machine


class Call:
    """Pickles as a call of `function`."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> Any:
        return self.call


class Stateful:
    def __init__(self) -> None:
        self.name = "x"


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=8)
    | st.binary(max_size=8)
    | st.sampled_from([np.float32(0.25), np.float64(-3.5), np.int64(-7), np.bool_(True), np.str_("é"), np.str_("")])
)
KEYS = st.text(max_size=8) | st.integers() | st.tuples(st.text(max_size=3), st.integers())
TREES = st.recursive(
    SCALARS,
    lambda parts: (
        st.lists(parts, max_size=4)
        | st.dictionaries(KEYS, parts, max_size=4)
        | st.lists(parts, max_size=4).map(tuple)
        | st.frozensets(st.integers(), max_size=3)
        | st.frozensets(st.text(max_size=3), max_size=3).map(set)
    ),
    max_leaves=20,
)
ARRAYS = [
    np.arange(6.0).reshape(2, 3),
    np.asfortranarray(np.arange(6, dtype=np.int16).reshape(2, 3)),
    np.array(["a", "bcd", "é"]),
    np.array([b"a", b"bc"]),
    np.array([True, False]),
    np.zeros((0, 3), np.float32),
    np.array(2.5),
    np.arange(3, dtype=">i4"),
]


def same(a: Any, b: Any) -> bool:
    if type(a) is not type(b):
        return False
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and a.shape == b.shape and bool((a == b).all())
    return bool(a == b)


@given(TREES, st.integers(0, 5))
def test_plain_trees_come_back_whatever_the_protocol(tree: Any, protocol: int) -> None:
    assert same(unpickled(pickle.dumps(tree, protocol)), tree)


@given(TREES)
def test_optimised_pickles_and_pickles_of_the_slow_pickler_are_read_as_well(tree: Any) -> None:
    assert same(unpickled(pickletools.optimize(pickle.dumps(tree, 4))), tree)
    assert same(unpickled(pickle._dumps(tree, 2)), tree)


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("array", ARRAYS, ids=lambda a: f"{a.dtype.str}{a.shape}")
def test_plain_arrays_come_back(array: np.ndarray, protocol: int) -> None:
    assert same(unpickled(pickle.dumps({"a": [array]}, protocol)), {"a": [array]})


def test_arrays_of_older_and_newer_numpy_have_their_names_known() -> None:
    data = pickle.dumps(np.arange(3.0), 2)
    assert b"numpy._core" in data or b"numpy.core" in data
    older = data.replace(b"numpy._core", b"numpy.core")
    assert same(unpickled(older), np.arange(3.0))
    newer = older.replace(b"numpy.core", b"numpy._core")
    assert same(unpickled(newer), np.arange(3.0))


def test_strings_of_python_2_are_read_as_latin_1() -> None:
    protocol_0 = b"(dp0\nS'caf\\xe9'\np1\nF-1.5\ns."
    assert unpickled(protocol_0) == {"café": -1.5} == pickle.loads(protocol_0, encoding="latin1")
    assert unpickled(b"S'a\\qb'\n.") == "a\\qb", "an unknown escape stays as it is"
    protocol_2 = b"\x80\x02}q\x00U\x04caf\xe9q\x01G\xbf\xf8\x00\x00\x00\x00\x00\x00s."
    assert unpickled(protocol_2) == {"café": -1.5}
    array = (  # numpy's array of Python 2: its bytes are a string
        b"\x80\x02cnumpy.core.multiarray\n_reconstruct\nq\x00cnumpy\nndarray\nq\x01K\x00\x85U\x01b\x87Rq\x02(K\x01"
        b"K\x02\x85cnumpy\ndtype\nq\x03U\x02f8K\x00K\x01\x87R(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
        b"\x89U\x10" + struct.pack("<2d", 1.5, -2.0) + b"tb."
    )
    assert same(unpickled(array), np.array([1.5, -2.0]))
    assert same(pickle.loads(array, encoding="latin1"), np.array([1.5, -2.0])), "the example is what it says"


def test_sets_of_python_2_are_read(tmp_path: Path) -> None:
    (tmp_path / "labels.pkl").write_bytes(pickle.dumps(({"v": ["a"]}, {"v"}, frozenset({"w"})), 2))
    assert read_pickle(tmp_path / "labels.pkl") == ({"v": ["a"]}, {"v"}, frozenset({"w"}))


# -- hostile ones ----------------------------------------------------------------------------------------------------


def hostile(canary: Path) -> dict[str, bytes]:
    command = f"touch {canary}"
    code = f"open({str(canary)!r}, 'w').close()"
    nested = np.empty(1, dtype=object)
    nested[0] = "plain"
    return {
        "reduce to os.system": pickle.dumps(Call(os.system, command)),
        "reduce deep inside": pickle.dumps({"clip": {"emo": "sad", "val": [1, (Call(os.system, command),)]}}),
        "reduce as a key": pickle.dumps({Call(os.system, command): 1}),
        "reduce with protocol 0": pickle.dumps(Call(os.system, command), 0),
        "eval": pickle.dumps(Call(eval, code)),
        "exec by global": b"cbuiltins\nexec\n(V" + code.encode() + b"\ntR.",
        "stack global": b"\x80\x04\x8c\x05posix\x8c\x06system\x93\x8c"
        + bytes([len(command)])
        + command.encode()
        + b"\x85R.",
        "inst": b"(S'" + command.encode() + b"'\nios\nsystem\n.",
        "obj": b"(cos\nsystem\nS'" + command.encode() + b"'\no.",
        "newobj": pickle.dumps(Stateful(), 2),
        "newobj of a known name": b"\x80\x02cnumpy\nndarray\n)\x81.",
        "build on a dict": b"}}b.",
        "build with setstate": pickle.dumps(Stateful()),
        "attribute of a known name": b"\x80\x04\x8c\x05numpy\x8c\x10ndarray.__init__\x93.",
        "ordered dict": pickle.dumps(OrderedDict(a=1)),
        "ext 1": b"\x82\x01.",
        "ext 2": b"\x83\x01\x00.",
        "ext 4": b"\x84\x01\x00\x00\x00.",
        "persistent id": b"Pfile\n.",
        "binary persistent id": b"K\x01Q.",
        "buffer from elsewhere": b"\x80\x05\x97.",
        "array of objects": pickle.dumps(nested),
        "array of objects in a dict": pickle.dumps({"a": nested}),
        "object dtype of no dimension in a dict": pickle.dumps({"a": np.array({"b": 1}, dtype=object)}),
        "structured dtype": pickle.dumps(np.zeros(1, [("a", "f8")])),
        "dates": pickle.dumps(np.array(["2020-01-01"], "datetime64[D]")),
        "complex": pickle.dumps(np.zeros(1, complex)),
        "a bare known name": b"cnumpy\nndarray\n.",
        "a data type": pickle.dumps(np.dtype("f8")),
        "codecs with another codec": b"c_codecs\nencode\n(V1\nVrot13\ntR.",
        "bytes from a number": b"cbuiltins\nbytes\n(I1000000000000\ntR.",
        "set of lists": b"\x80\x04\x8f(]\x90.",
    }


@pytest.mark.parametrize("case", sorted(hostile(Path("canary"))))
def test_what_is_not_plain_data_is_refused_and_nothing_runs(case: str, tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    data = hostile(canary)[case]
    with pytest.raises(NotPlainError):
        unpickled(data)
    (tmp_path / "labels.pkl").write_bytes(data)
    with pytest.raises(CorpusError, match="nothing in it was run") as raised:
        read_pickle(tmp_path / "labels.pkl")
    assert raised.value.code == "MER-C121"
    assert not canary.exists()


def test_the_canary_would_have_sung(tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    pickle.loads(hostile(canary)["reduce to os.system"])
    assert canary.exists()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b".",
        b"N",
        b"\x80\x09N.",
        b"\xff.",
        b"K.",
        b"h\x07.",
        b"t.",
        b"NNa.",
        b"]Ns.",
        b"}(Nu.",
        b"}]Ns.",
        b"S'x\n.",
        b"U\xffabc.",
        b"X\xff\xff\xff\x7fabc.",
        b"L" + b"9" * 5000 + b"L\n.",
        b"\x80\x04\x95\xff\xff\xff\xff\xff\xff\xff\xff.",
    ],
)
def test_damaged_pickles_are_told_apart_from_hostile_ones(data: bytes) -> None:
    with pytest.raises((DamagedError, NotPlainError)):
        unpickled(data)


@given(st.binary(max_size=60))
def test_random_bytes_end_in_one_of_our_errors_or_a_value(data: bytes) -> None:
    with suppress(DamagedError, NotPlainError, TooLargeError):
        unpickled(data)


@given(st.data())
def test_a_flipped_byte_ends_in_one_of_our_errors_or_a_value(data: st.DataObject) -> None:
    good = bytearray(pickle.dumps({"clip": {"emo": "sad", "val": np.float64(1), "a": np.arange(3)}}, 2))
    good[data.draw(st.integers(0, len(good) - 1))] = data.draw(st.integers(0, 255))
    with suppress(DamagedError, NotPlainError, TooLargeError):
        unpickled(bytes(good))


def test_an_array_that_lies_about_its_size_is_refused_before_it_is_made() -> None:
    honest = pickle.dumps(np.arange(4, dtype=np.uint8), 2)
    lying = honest.replace(b"K\x04\x85", b"J\xff\xff\xff\x7f\x85")
    assert lying != honest
    with pytest.raises(DamagedError, match="takes 2,147,483,647 bytes, not 4"):
        unpickled(lying)


def test_empty_text_cannot_make_a_huge_array() -> None:
    data = (
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\nt\x43\x01btR(I1\n(I1000000000\ntcnumpy\ndtype\n"
        b"(VU0\ntRI00\n\x43\x00tb."
    )
    with pytest.raises(DamagedError, match="bytes"):
        unpickled(data)


def test_depth_number_and_sharing_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    assert unpickled(b"]" * 30 + b"a" * 29 + b".") != []
    for deep in (b"]" * 100_000 + b"a" * 99_999 + b".", b")" + b"\x85" * 100_000 + b"."):
        with pytest.raises(TooLargeError, match="levels"):
            unpickled(deep)
    with pytest.raises(NotPlainError, match="key"):
        unpickled(b"})" + b"\x85" * 100_000 + b"Ns.")
    with pytest.raises(TooLargeError):
        unpickled(b"]q\x00h\x00a.")  # a list that holds itself
    monkeypatch.setattr(unpickling_machine, "MAX_NODES", 10_000)
    laughs = (
        b"]q\x00("
        + b"N" * 10
        + b"e"
        + b"".join(b"]q" + bytes([i]) + b"(" + (b"h" + bytes([i - 1])) * 10 + b"e" for i in range(1, 10))
    )
    with pytest.raises(TooLargeError, match="10,000 values"):
        unpickled(laughs + b".")
    monkeypatch.setattr(unpickling_machine, "MAX_OPCODES", 1_000)
    with pytest.raises(TooLargeError, match="opcodes"):
        unpickled(b"N0" * 1_000 + b"N.")


# -- npz -------------------------------------------------------------------------------------------------------------


def npz_of(path: Path, entries: dict[str, bytes], **options: Any) -> Path:
    with zipfile.ZipFile(path, "w", options.get("compression", zipfile.ZIP_DEFLATED)) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return path


def npy_of(descr: str, shape: tuple[int, ...], body: bytes, *, length: int | None = None) -> bytes:
    header = f"{{'descr': {descr!r}, 'fortran_order': False, 'shape': {shape!r}, }}\n".encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header) if length is None else length) + header + body


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_label_files_as_mertools_writes_them_are_read(tmp_path: Path, save: Any) -> None:
    train = {f"sample_{i:08d}": {"emo": "sad", "val": np.float64(i / 4)} for i in range(50)}
    test = {"sample_1": {"emo": 0, "val": np.float32(-0.2)}, "sample_0": {"emo": 3, "val": -10}}
    save(tmp_path / "label.npz", train_corpus=train, test_corpus=test, n=np.arange(3), words=np.array(["a", "b"]))
    read = read_npz(tmp_path / "label.npz")
    assert list(read) == ["train_corpus", "test_corpus", "n", "words"]
    assert same(read["train_corpus"], train)
    assert same(read["test_corpus"], test)
    assert read["n"].tolist() == [0, 1, 2]
    assert read["words"].tolist() == ["a", "b"]
    with np.load(tmp_path / "label.npz", allow_pickle=True) as file:
        assert same(read["train_corpus"], file["train_corpus"].item())


def test_a_hostile_entry_of_an_npz_is_named_and_not_run(tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    clips = {"clip": {"emo": Call(os.system, f"touch {canary}"), "val": 0}}
    np.savez_compressed(tmp_path / "label.npz", train_corpus={"a": {"emo": "sad"}}, test_corpus=clips)
    with pytest.raises(CorpusError, match=r"test_corpus\.npy.*'posix\.system'") as raised:
        read_npz(tmp_path / "label.npz")
    assert raised.value.code == "MER-C121"
    assert not canary.exists()


def test_object_arrays_with_a_dimension_or_inside_are_refused(tmp_path: Path) -> None:
    inner = np.array([{"emo": 1}, "x"], dtype=object)
    for n, content in enumerate((inner, {"clip": inner})):
        np.savez(tmp_path / f"{n}.npz", whole_corpus=content)
        with pytest.raises(CorpusError) as raised:
            read_npz(tmp_path / f"{n}.npz")
        assert raised.value.code == "MER-C121"


def test_a_bomb_is_refused_by_its_declared_size(tmp_path: Path) -> None:
    bomb = npz_of(tmp_path / "bomb.npz", {"a.npy": npy_of("|u1", (4 << 20,), bytes(4 << 20))})
    assert bomb.stat().st_size < 10_000
    with pytest.raises(CorpusError, match="times as many") as raised:
        read_npz(bomb)
    assert raised.value.code == "MER-C122"
    with pytest.raises(CorpusError, match="would unpack to") as raised:
        read_npz(npz_of(tmp_path / "many.npz", {f"{i}.npy": bytes(900_000) for i in range(20)}), max_bytes=1 << 20)
    assert raised.value.code == "MER-C122"
    with pytest.raises(CorpusError, match="entries"):
        read_npz(npz_of(tmp_path / "entries.npz", {f"{i}.npy": b"" for i in range(unpickling_files.MAX_ENTRIES + 1)}))


def test_a_bomb_that_lies_about_its_size_gives_no_more_than_it_declares(tmp_path: Path) -> None:
    content = npy_of("|u1", (1 << 20,), bytes(1 << 20))
    path = npz_of(tmp_path / "lie.npz", {"a.npy": content})
    lying = path.read_bytes().replace(struct.pack("<I", len(content)), struct.pack("<I", 200))
    path.write_bytes(lying)
    with pytest.raises(CorpusError) as raised:
        read_npz(path)
    assert raised.value.code == "MER-C120"


@pytest.mark.parametrize(
    ("entry", "code"),
    [
        (npy_of("<f8", (10**12,), b"\0" * 8), "MER-C120"),
        (npy_of("<f8", (-1,), b"\0" * 8), "MER-C120"),
        (npy_of("|O", (), b""), "MER-C120"),
        (npy_of("|O", (), pickle.dumps({"not": "an array"})), "MER-C121"),
        (npy_of("|O", (), pickle.dumps(np.arange(3))), "MER-C121"),
        (npy_of("<M8[D]", (1,), b"\0" * 8), "MER-C121"),
        (npy_of("<f8", (1,), b"\0" * 8, length=60_000), "MER-C122"),
        (npy_of("<f8", (1,), b"\0" * 8, length=10), "MER-C120"),
        (b"\x93NUMPY\x01\x00" + struct.pack("<H", 900) + b"(" * 900, "MER-C120"),
        (b"\x93NUMPY\x09\x00\x10\x00" + bytes(20), "MER-C120"),
        (b"not an npy", "MER-C120"),
        (b"", "MER-C120"),
    ],
)
def test_a_header_that_lies_is_refused(tmp_path: Path, entry: bytes, code: str) -> None:
    with pytest.raises(CorpusError) as raised:
        read_npz(npz_of(tmp_path / "label.npz", {"whole_corpus.npy": entry}))
    assert raised.value.code == code
    assert "whole_corpus.npy" in raised.value.message


def test_files_that_are_no_npz_or_pickle_say_so(tmp_path: Path) -> None:
    (tmp_path / "a.npz").write_bytes(b"PK\x03\x04 truncated")
    (tmp_path / "a.pkl").write_bytes(b"plain text")
    np.savez(tmp_path / "b.npz", a={"x": 1})
    whole = (tmp_path / "b.npz").read_bytes()
    (tmp_path / "c.npz").write_bytes(whole[: len(whole) // 2])
    for name in ("a.npz", "c.npz", "none.npz"):
        with pytest.raises(CorpusError, match=name) as raised:
            read_npz(tmp_path / name)
        assert raised.value.code == "MER-C120"
    for name in ("a.pkl", "none.pkl"):
        with pytest.raises(CorpusError, match=name):
            read_pickle(tmp_path / name)
    with pytest.raises(CorpusError, match="at most 4") as raised:
        read_pickle(tmp_path / "a.pkl", max_bytes=4)
    assert raised.value.code == "MER-C122"
    npz_of(tmp_path / "twice.npz", {"a.txt": b"x"})
    with pytest.raises(CorpusError, match="npy entries"):
        read_npz(tmp_path / "twice.npz")


@given(st.data())
def test_a_flipped_byte_of_an_npz_gives_a_value_or_a_corpus_error(data: st.DataObject) -> None:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, train_corpus={"clip": {"emo": "sad", "val": 0.25}})
    good = bytearray(buffer.getvalue())
    good[data.draw(st.integers(0, len(good) - 1))] ^= data.draw(st.integers(1, 255))
    with suppress(CorpusError):
        read_npz(InMemory(bytes(good)))  # type: ignore[arg-type]


class InMemory(io.BytesIO):
    """A file without a disk; zipfile takes it for an open file."""

    suffix = ".npz"
