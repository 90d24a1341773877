"""Numpy's arrays and types as pickles write them, built from bytes whose number is checked first."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any

import numpy as np


class NotPlainError(Exception):
    """Something that this reader does not build; the message says what and where."""


class DamagedError(Exception):
    """Bytes that are no whole pickle or npy."""


class TooLargeError(Exception):
    """More bytes, values or levels than labels ever have."""


def plain_type(name: Any) -> np.dtype[Any]:
    """The numpy type called `name`: bool, integer, float, text or bytes.

    Raises:
        NotPlainError: for any other.
    """
    if not isinstance(name, str) or not re.fullmatch(r"[<>|=]?(b1|[iuf]\d{1,2}|[US]\d{1,6})", name):
        raise NotPlainError(f"an array of type {str(name)[:40]!r}")
    try:
        return np.dtype(name)
    except TypeError:
        raise NotPlainError(f"an array of type {name!r}") from None


def array_of(data: Any, dtype: np.dtype[Any], shape: Any, *, fortran: bool) -> np.ndarray:
    """The array of `shape` that `data` holds; nothing is allocated before the number of bytes is known to be right.

    Raises:
        DamagedError: if `shape` is none, or `data` is not exactly as long as it says.
        NotPlainError: if `data` is not bytes.
    """
    data = octets(data)
    if not (isinstance(shape, tuple) and len(shape) <= 32 and all(type(n) is int and n >= 0 for n in shape)):
        raise DamagedError("an array's shape is not a tuple of numbers")
    expected = math.prod(shape) * max(dtype.itemsize, 1 if math.prod(shape) > 1 else 0)
    if expected != len(data):
        raise DamagedError(
            f"an array of shape {shape} and type {dtype.str} takes {expected:,} bytes, not {len(data):,}"
        )
    values = np.frombuffer(data, dtype) if expected else np.zeros(math.prod(shape), dtype)
    return values.reshape(shape, order="F" if fortran else "C").copy()


def octets(data: Any) -> bytes:
    """Bytes, which Python 2 and the older protocols write as text of Latin-1."""
    if isinstance(data, str):
        try:
            return data.encode("latin-1")
        except UnicodeEncodeError:
            raise DamagedError("an array's bytes are text") from None
    if not isinstance(data, bytes):
        raise NotPlainError(f"an array made of {type(data).__name__}")
    return data


@dataclass
class DataType:
    """A numpy data type being read: its code, and the byte order that follows; ``O8`` may only be an npy's root."""

    code: str
    order: str = "="

    def numpy(self) -> np.dtype[Any]:
        """The finished type."""
        return plain_type(("" if self.order in "|=" else self.order) + self.code)


@dataclass
class ArrayState:
    """A numpy array being read; `value` is the array, or a list if it holds objects."""

    value: Any = None


def finish_type(target: DataType, state: Any) -> None:
    """State of a data type: ``(version, order, subarray, names, fields, size, alignment, flags, ...)``."""
    if type(state) is not tuple or len(state) < 5 or state[1] not in ("<", ">", "|", "="):
        raise NotPlainError("a data type with an unknown state")
    if any(part is not None for part in state[2:5]):
        raise NotPlainError("a data type with fields")
    target.order = state[1]


def finish_array(target: ArrayState, state: Any) -> None:
    """State of an array: ``(version, shape, data type, Fortran order, data)``."""
    if target.value is not None or type(state) is not tuple or len(state) != 5:
        raise NotPlainError("an array with an unknown state")
    _, shape, dtype, fortran, data = state
    if isinstance(dtype, DataType) and dtype.code in ("O", "O8"):
        if shape != () or type(data) is not list or len(data) != 1:
            raise NotPlainError("an array of objects")
        target.value = data
    else:
        target.value = array_of(data, as_type(dtype), shape, fortran=bool(fortran))


def as_type(value: Any) -> np.dtype[Any]:
    """The numpy type that a data type of the pickle stands for."""
    if not isinstance(value, DataType):
        raise NotPlainError("an array without a data type")
    return value.numpy()
