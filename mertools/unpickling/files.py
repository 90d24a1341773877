"""Label npz files and ``.pkl`` files: their sizes are checked before their bytes are read."""

from __future__ import annotations

import ast
import zipfile
import zlib
from pathlib import Path
from typing import Any

from mertools.errors import CorpusError
from mertools.unpickling.arrays import DamagedError, NotPlainError, TooLargeError, array_of, plain_type
from mertools.unpickling.machine import unpickled

MAX_BYTES = 256 << 20
"""Most bytes of a pickle, and of all entries of an npz together once unpacked."""
MAX_RATIO = 200
"""Most bytes that one byte of an npz may unpack to, for entries above 1 MiB (deflate reaches 1,032)."""
MAX_ENTRIES = 64
MAX_HEADER = 1_000
"""Most characters of an npy header."""

_HINT = "Get the file again from its publisher; if it is genuine, ask them for plain CSV."


def read_npz(path: Path, *, max_bytes: int = MAX_BYTES) -> dict[str, Any]:
    """Entries of a label npz: an object array of no dimension gives what it holds, a plain array gives itself.

    Args:
        path: the file.
        max_bytes: most bytes of all entries together, unpacked; the declared sizes are checked before any is read.

    Returns:
        Values by entry name (without ``.npy``), in file order.

    Raises:
        CorpusError: ``MER-C120`` if it is no npz file or is damaged, ``MER-C121`` if it holds anything but plain data,
            ``MER-C122`` if it unpacks to more than labels ever need.
    """
    entry = ""
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            _check_sizes(members, max_bytes)
            values = {}
            for member in members:
                entry = member.filename
                name = entry.removesuffix(".npy")
                if name == entry or name in values or member.flag_bits & 1:
                    raise DamagedError("an npz holds npy entries of different names, not encrypted")
                values[name] = _npy(archive.read(member))
            return values
    except (OSError, zipfile.BadZipFile, NotImplementedError, EOFError, ValueError, zlib.error, DamagedError) as error:
        raise _not_readable(path, entry, error) from None
    except NotPlainError as error:
        raise _refused(path, entry, error) from None
    except TooLargeError as error:
        raise _too_large(path, entry, error) from None


def read_pickle(path: Path, *, max_bytes: int = MAX_BYTES) -> Any:
    """What a ``.pkl`` file holds; any protocol, of Python 2 or 3.

    Raises:
        CorpusError: ``MER-C120``, ``MER-C121`` or ``MER-C122`` as for `read_npz`.
    """
    try:
        if path.stat().st_size > max_bytes:
            raise TooLargeError(f"it has {path.stat().st_size:,} bytes, at most {max_bytes:,} are read")
        return unpickled(path.read_bytes())
    except (OSError, DamagedError) as error:
        raise _not_readable(path, "", error) from None
    except NotPlainError as error:
        raise _refused(path, "", error) from None
    except TooLargeError as error:
        raise _too_large(path, "", error) from None


def _check_sizes(members: list[zipfile.ZipInfo], max_bytes: int) -> None:
    if len(members) > MAX_ENTRIES:
        raise TooLargeError(f"it has {len(members)} entries, at most {MAX_ENTRIES} are read")
    total = sum(member.file_size for member in members)
    if total > max_bytes:
        raise TooLargeError(f"it would unpack to {total:,} bytes, at most {max_bytes:,} are read")
    for member in members:
        if member.file_size > max(1 << 20, MAX_RATIO * member.compress_size):
            raise TooLargeError(
                f"{member.filename} would unpack {member.compress_size:,} bytes to {member.file_size:,}, at most "
                f"{MAX_RATIO} times as many are read"
            )
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise DamagedError(f"{member.filename} is neither stored nor deflated")


def _npy(data: bytes) -> Any:
    """An npy file: a plain array, or what an object array of no dimension holds."""
    if data[:6] != b"\x93NUMPY" or len(data) < 12 or data[6] not in (1, 2, 3):
        raise DamagedError("it is not an npy file")
    width = 2 if data[6] == 1 else 4
    length, start = int.from_bytes(data[8 : 8 + width], "little"), 8 + width
    if length > MAX_HEADER:
        raise TooLargeError(f"its header has {length:,} characters, at most {MAX_HEADER:,} are read")
    try:
        header = ast.literal_eval(data[start : start + length].decode("utf-8").strip())
        descr, fortran, shape = header["descr"], header["fortran_order"], header["shape"]
    except (ValueError, SyntaxError, MemoryError, RecursionError, KeyError, TypeError):
        raise DamagedError("its npy header is not readable") from None
    body = data[start + length :]
    if descr != "|O":
        return array_of(body, plain_type(descr), shape, fortran=fortran is True)
    if shape != ():
        raise NotPlainError(f"an object array of shape {shape}; only a single object is read")
    return unpickled(body, root_object=True)


def _where(path: Path, entry: str) -> str:
    return f"{path}, entry {entry!r}" if entry else str(path)


def _not_readable(path: Path, entry: str, error: Exception) -> CorpusError:
    kind = "npz" if path.suffix == ".npz" else "pickle"
    reason = "it does not exist" if isinstance(error, FileNotFoundError) else str(error) or type(error).__name__
    return CorpusError("MER-C120", f"{_where(path, entry)} cannot be read as {kind}: {reason}.", "Get the file again.")


def _refused(path: Path, entry: str, error: NotPlainError) -> CorpusError:
    return CorpusError(
        "MER-C121",
        f"{_where(path, entry)} is refused, nothing in it was run: it holds {error}; expected dicts, lists, text and "
        "numbers only.",
        _HINT,
    )


def _too_large(path: Path, entry: str, error: TooLargeError) -> CorpusError:
    return CorpusError("MER-C122", f"{_where(path, entry)} is refused: {error}.", _HINT)
