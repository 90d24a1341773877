"""How running out of memory is told from other failures."""

from __future__ import annotations

import sys


def out_of_memory(error: BaseException) -> bool:
    """Whether `error` says that memory ran out, on a device or in this process."""
    if isinstance(error, MemoryError):
        return True
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(error, torch.OutOfMemoryError):
        return True
    # The CPU allocator raises a plain RuntimeError.
    return isinstance(error, RuntimeError) and "can't allocate memory" in str(error)


def release() -> None:
    """Give cached device memory back before a smaller batch is tried."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        torch.cuda.empty_cache()
