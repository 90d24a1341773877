"""Looks at the truth, counted: a test set that was looked at often is no longer a test set.

Whoever scores predictions of a run against a truth adds a line to ``RUN/looks.jsonl``: training, for the labelled test
splits it predicts, and ``mertools submission score``.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mertools.files import disk_problem

LOOKS = "looks.jsonl"
"""File in a run's folder, one JSON object per line."""


def append_event(path: Path, event: Mapping[str, Any]) -> None:
    """One more line at the end, written at once and synced; a line that was cut off before stays apart from it.

    Raises:
        MachineError: if it cannot be written.
    """
    dated = {"date": datetime.now(UTC).isoformat(timespec="seconds"), **event}
    line = json.dumps(dated, ensure_ascii=False, allow_nan=False) + "\n"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
        try:
            size = os.lseek(descriptor, 0, os.SEEK_END)
            whole = size == 0 or (os.lseek(descriptor, -1, os.SEEK_END) >= 0 and os.read(descriptor, 1) == b"\n")
            os.write(descriptor, ("" if whole else "\n").encode() + line.encode("utf-8"))
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise disk_problem(error, path) from error
