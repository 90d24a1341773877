"""The pickle machine for plain data: opcodes in, values out, without imports and without calls."""

from __future__ import annotations

import pickletools
import warnings
from codecs import escape_decode
from collections.abc import Callable, Iterator
from enum import Enum
from io import BytesIO
from typing import Any, NoReturn

import numpy as np

from mertools.unpickling.arrays import (
    ArrayState,
    DamagedError,
    DataType,
    NotPlainError,
    TooLargeError,
    array_of,
    as_type,
    finish_array,
    finish_type,
    octets,
)

MAX_DEPTH = 32
MAX_NODES = 5_000_000
"""Most values of one pickle, each counted as often as it is reached."""
MAX_OPCODES = 2 * MAX_NODES


def unpickled(data: bytes, *, root_object: bool = False) -> Any:
    """The value of a pickle.

    Args:
        data: the pickle.
        root_object: whether it is an object array of no dimension, as npy files hold it, whose object is wanted.

    Example:
        >>> import pickle
        >>> unpickled(pickle.dumps({"clip": {"emo": "sad", "val": -1.25}}))
        {'clip': {'emo': 'sad', 'val': -1.25}}

    Raises:
        NotPlainError: if it holds anything but plain data.
        DamagedError: if it is not a whole pickle.
        TooLargeError: if it is nested too deeply or holds too many values.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # unknown escapes in strings of protocol 0
        root = _Machine(data).run()
    if root_object:
        if not isinstance(root, ArrayState) or type(root.value) is not list:
            raise NotPlainError("an object array that is not written as numpy writes it")
        root = root.value[0]
    return _Plain().of(root)


class _Name(Enum):
    """Names that a pickle of plain data may call; inert: what a call of them means is written in `_call`."""

    RECONSTRUCT = "an empty array"
    FROM_BUFFER = "an array from bytes"
    SCALAR = "a number of numpy"
    NDARRAY = "the array type"
    DTYPE = "a data type"
    ENCODE = "bytes written as text"
    BYTES = "bytes"
    SET = "a set"
    FROZENSET = "a frozen set"


_NAMES = {
    **{f"numpy.{core}.multiarray _reconstruct": _Name.RECONSTRUCT for core in ("core", "_core")},
    **{f"numpy.{core}.numeric _frombuffer": _Name.FROM_BUFFER for core in ("core", "_core")},
    **{f"numpy.{core}.multiarray scalar": _Name.SCALAR for core in ("core", "_core")},
    "numpy ndarray": _Name.NDARRAY,
    "numpy dtype": _Name.DTYPE,
    "_codecs encode": _Name.ENCODE,
    **{f"{builtins} bytes": _Name.BYTES for builtins in ("builtins", "__builtin__")},
    **{f"{builtins} set": _Name.SET for builtins in ("builtins", "__builtin__")},
    **{f"{builtins} frozenset": _Name.FROZENSET for builtins in ("builtins", "__builtin__")},
}


_SCALARS = (str, bytes, bool, int, float, type(None), np.generic)
_OPCODES = {opcode.code.encode("latin-1"): opcode for opcode in pickletools.opcodes}
_CONSTANTS: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_LIST": list,
    "EMPTY_TUPLE": tuple,
    "EMPTY_DICT": dict,
    "EMPTY_SET": set,
}
_LITERALS = frozenset(
    {
        *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"),
        *("STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"),
        *("BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"),
    }
)


class _Machine:
    """The pickle machine for plain data: a stack, a memo and marks, without imports and without calls."""

    def __init__(self, data: bytes) -> None:
        self.stack: list[Any] = []
        self.below: list[list[Any]] = []
        self.memo: dict[int, Any] = {}
        self.data = data

    def run(self) -> Any:
        """The value that the pickle leaves.

        Raises:
            NotPlainError: at the first opcode that does not build plain data.
            DamagedError: if the stack or the bytes run out.
        """
        name = "it"
        try:
            for name, argument in self._opcodes():
                if name == "STOP":
                    return self.stack.pop()
                self._do(name, argument)
        except (IndexError, KeyError, TypeError, ValueError, OverflowError) as error:
            raise DamagedError(f"{name} cannot be followed ({type(error).__name__})") from None
        raise TooLargeError(f"it has more than {MAX_OPCODES:,} opcodes")

    def _opcodes(self) -> Iterator[tuple[str, Any]]:
        stream = BytesIO(self.data)
        for _ in range(MAX_OPCODES):
            code = stream.read(1)
            if not code:
                raise DamagedError("it ends in the middle")
            opcode = _OPCODES.get(code)
            if opcode is None:
                raise DamagedError(f"byte {code!r} at {stream.tell() - 1} is no opcode")
            if opcode.name == "STRING":  # the library's own reader takes ASCII only
                yield opcode.name, _quoted(stream.readline())
            else:
                yield opcode.name, opcode.arg.reader(stream) if opcode.arg else None

    def _do(self, name: str, argument: Any) -> None:
        if name in _LITERALS:
            self.stack.append(bytes(argument) if isinstance(argument, bytearray) else argument)
        elif name in _CONSTANTS:
            self.stack.append(_CONSTANTS[name]())
        elif name == "GLOBAL":
            self.stack.append(_known(argument))
        else:
            step: Callable[[Any], None] | None = getattr(self, f"_{name.lower()}", None)
            if step is None:
                _refuse_opcode(name)
            step(argument)

    def _gathered(self) -> list[Any]:
        """What stands above the last mark; the stack below it is current again."""
        gathered, self.stack = self.stack, self.below.pop()
        return gathered

    # What follows are the opcodes by name; `_do` finds them. An opcode that is not here is refused.

    def _proto(self, version: int) -> None:
        if version > 5:
            raise DamagedError(f"pickle protocol {version} is not known")

    def _frame(self, _: int) -> None:
        pass

    def _mark(self, _: None) -> None:
        self.below.append(self.stack)
        self.stack = []

    def _pop(self, _: None) -> None:
        if self.stack:
            self.stack.pop()
        else:
            self._gathered()

    def _pop_mark(self, _: None) -> None:
        self._gathered()

    def _dup(self, _: None) -> None:
        self.stack.append(self.stack[-1])

    def _put(self, index: int) -> None:
        self.memo[index] = self.stack[-1]

    _binput = _long_binput = _put

    def _memoize(self, _: None) -> None:
        self.memo[len(self.memo)] = self.stack[-1]

    def _get(self, index: int) -> None:
        self.stack.append(self.memo[index])

    _binget = _long_binget = _get

    def _tuple(self, _: None) -> None:
        gathered = tuple(self._gathered())
        self.stack.append(gathered)

    def _tuple1(self, _: None) -> None:
        self._last_as_tuple(1)

    def _tuple2(self, _: None) -> None:
        self._last_as_tuple(2)

    def _tuple3(self, _: None) -> None:
        self._last_as_tuple(3)

    def _last_as_tuple(self, n: int) -> None:
        if len(self.stack) < n:
            raise IndexError
        self.stack[-n:] = [tuple(self.stack[-n:])]

    def _list(self, _: None) -> None:
        gathered = self._gathered()
        self.stack.append(gathered)

    def _append(self, _: None) -> None:
        self._extend([self.stack.pop()])

    def _appends(self, _: None) -> None:
        self._extend(self._gathered())

    def _extend(self, values: list[Any]) -> None:
        target = self.stack[-1]
        if type(target) is not list:
            raise TypeError
        target.extend(values)

    def _dict(self, _: None) -> None:
        gathered = self._gathered()
        self.stack.append({})
        self._update(gathered)

    def _setitem(self, _: None) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self._update([key, value])

    def _setitems(self, _: None) -> None:
        self._update(self._gathered())

    def _update(self, values: list[Any]) -> None:
        target = self.stack[-1]
        if type(target) is not dict or len(values) % 2:
            raise TypeError
        for key, value in zip(values[::2], values[1::2], strict=True):
            target[_hashable(key)] = value

    def _additems(self, _: None) -> None:
        items = [_hashable(item) for item in self._gathered()]
        if type(self.stack[-1]) is not set:
            raise TypeError
        self.stack[-1].update(items)

    def _frozenset(self, _: None) -> None:
        items = frozenset(_hashable(item) for item in self._gathered())
        self.stack.append(items)

    def _stack_global(self, _: None) -> None:
        name, module = self.stack.pop(), self.stack.pop()
        self.stack.append(_known(f"{module} {name}"))

    def _reduce(self, _: None) -> None:
        arguments, called = self.stack.pop(), self.stack.pop()
        if not isinstance(called, _Name):
            raise NotPlainError(f"a call of {type(called).__name__}")
        if type(arguments) is not tuple:
            raise TypeError
        self.stack.append(_call(called, arguments))

    def _build(self, _: None) -> None:
        state, target = self.stack.pop(), self.stack[-1]
        if isinstance(target, DataType):
            finish_type(target, state)
        elif isinstance(target, ArrayState):
            finish_array(target, state)
        else:
            raise NotPlainError(f"the state of {type(target).__name__}")


def _quoted(line: bytes) -> str:
    text = line.rstrip(b"\r\n")
    if not line.endswith(b"\n") or len(text) < 2 or text[:1] not in b"'\"" or text[:1] != text[-1:]:
        raise DamagedError("a string is not quoted")
    return escape_decode(text[1:-1])[0].decode("latin-1")


def _known(name: str) -> _Name:
    if name not in _NAMES:
        raise NotPlainError(f"the name {name.replace(' ', '.')[:80]!r}, which a file of labels has no use for")
    return _NAMES[name]


def _refuse_opcode(name: str) -> NoReturn:
    raise NotPlainError(f"the opcode {name}, which makes objects or fetches them from elsewhere")


def _hashable(key: Any) -> Any:
    """A key; tuples may not be nested, because hashing goes as deep as they do."""
    parts = key if type(key) is tuple else (key,)
    if not all(isinstance(part, _SCALARS) for part in parts):
        raise NotPlainError(f"a key of type {type(key).__name__}")
    return key


def _call(name: _Name, arguments: tuple[Any, ...]) -> Any:
    """What a call of a known name gives; the arguments are checked, nothing foreign is called."""
    if name is _Name.RECONSTRUCT and arguments[0] is _Name.NDARRAY and arguments[1] == (0,):
        return ArrayState()
    if name is _Name.FROM_BUFFER and len(arguments) == 4:
        data, dtype, shape, order = arguments
        return ArrayState(array_of(data, as_type(dtype), shape, fortran=order == "F"))
    if name is _Name.SCALAR and len(arguments) == 2:
        return array_of(arguments[1], as_type(arguments[0]), (), fortran=False)[()]
    if name is _Name.DTYPE and isinstance(arguments[0], str):
        return DataType(arguments[0])
    if name is _Name.ENCODE and len(arguments) == 2 and arguments[1] in ("latin1", "latin-1"):
        return octets(arguments[0])
    if name is _Name.BYTES and arguments == ():
        return b""
    if name in (_Name.SET, _Name.FROZENSET) and len(arguments) == 1 and type(arguments[0]) is list:
        items = [_hashable(item) for item in arguments[0]]
        return set(items) if name is _Name.SET else frozenset(items)
    raise NotPlainError(f"{name.value} with other arguments than numpy and Python write")


class _Plain:
    """Turns what the machine left into plain values, and bounds depth and number on the way."""

    def __init__(self) -> None:
        self.n_nodes = 0

    def of(self, value: Any, depth: int = 0) -> Any:
        """The plain value."""
        self.n_nodes += 1
        if self.n_nodes > MAX_NODES:
            raise TooLargeError(f"it holds more than {MAX_NODES:,} values")
        if depth > MAX_DEPTH:
            raise TooLargeError(f"it is nested more than {MAX_DEPTH} levels deep")
        if isinstance(value, (*_SCALARS, set, frozenset)):
            return value
        if isinstance(value, dict):
            return {key: self.of(part, depth + 1) for key, part in value.items()}
        if isinstance(value, list):
            return [self.of(part, depth + 1) for part in value]
        if isinstance(value, tuple):
            return tuple(self.of(part, depth + 1) for part in value)
        if isinstance(value, ArrayState) and isinstance(value.value, np.ndarray):
            return value.value
        kind = "an array of objects" if isinstance(value, ArrayState) else f"{type(value).__name__.strip('_').lower()}"
        raise NotPlainError(f"{kind} where plain data should be")
