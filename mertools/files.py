"""Writing files so that a reader sees the old content or the new one, never a part."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from mertools.errors import MachineError


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Open a temporary file beside `path`; on success it is synced and takes the place of `path`.

    Raises:
        MachineError: if the disk is full or the folder may not be written; the old file stays as it was.
    """
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name[:40]}.", delete=False) as file:
            temporary = Path(file.name)
            yield file  # type: ignore[misc]
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        raise disk_problem(error, path) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def write_text_atomically(path: Path, text: str) -> None:
    """Replace the content of `path` by `text` (UTF-8, no newline translation)."""
    with replacing(path) as file:
        file.write(text.encode("utf-8"))


def write_bytes_atomically(path: Path, content: bytes) -> None:
    """Replace the content of `path` by `content`."""
    with replacing(path) as file:
        file.write(content)


def write_all(contents: Mapping[Path, bytes]) -> None:
    """Write many files, each replaced as a whole, made durable together: one sync instead of one per file.

    A file that has its content already is left alone.

    Raises:
        MachineError: if the disk is full or a folder may not be written; what was replaced before stays.
    """
    new = [path for path, content in contents.items() if not path.is_file() or path.read_bytes() != content]
    for path in new:
        temporary = path.with_name(f".{path.name}.part")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                temporary.write_bytes(contents[path])
                temporary.replace(path)
            finally:
                temporary.unlink(missing_ok=True)
        except OSError as error:
            raise disk_problem(error, path) from error
    if new and hasattr(os, "sync"):
        os.sync()


def sync_folder(folder: Path) -> None:
    """Make renames in `folder` durable (fsync of the directory, where the system has it)."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def disk_problem(error: OSError, path: Path) -> MachineError:
    """The error to raise for an `OSError` met while writing `path`."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return MachineError(
            "MER-O002",
            f"the disk is full: {path} could not be written ({error.strerror}).",
            "Free space and run again; nothing reported done is lost.",
        )
    if isinstance(error, IsADirectoryError):
        return MachineError("MER-O003", f"{path} could not be written: it is a folder.", "Name a file.")
    if isinstance(error, FileExistsError | NotADirectoryError):
        return MachineError(
            "MER-O003", f"{path} could not be written: a file is where a folder should be.", "Name another."
        )
    return MachineError(
        "MER-O003", f"{path} could not be written: {error.strerror or error}.", "Check the folder and its permissions."
    )


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
