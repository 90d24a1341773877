"""Folders that several trainings fill: what was asked for is written first, and nothing else may be added later."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from baselines.runs import write_json
from mertools.errors import TrainingError


def start_folder(out: Path, name: str, request: Mapping[str, Any], fresh: Mapping[str, Any]) -> None:
    """Make `out` with a document that holds `request`, or make sure that it was made for the same one.

    Args:
        out: the folder.
        name: of the document in it.
        request: what was asked for, as plain data.
        fresh: what else a new document holds.

    Raises:
        TrainingError: if `out` was made for another request (the message names what differs) or by something else.
    """
    path = out / name
    if path.is_file():
        before = read_document(path).get("request") or {}
        for key, now in request.items():
            then = before.get(key)
            if then == now:
                continue
            if isinstance(now, dict) and isinstance(then, dict):
                keys = {**then, **now}
                key = next(k for k in keys if then.get(k) != now.get(k))
                then, now = then.get(key), now.get(key)
            raise TrainingError(
                "MER-T181",
                f"{out} was made with another {key}: {then!r} then, {now!r} now.",
                "Choose another --out, or repeat what it was made with.",
            )
        return
    if out.is_file() or (out.is_dir() and any(out.iterdir())):
        raise TrainingError(
            "MER-T182", f"{out} exists and has no {name}; nothing is overwritten.", "Choose another --out."
        )
    out.mkdir(parents=True, exist_ok=True)
    write_json(path, {"request": dict(request), **fresh})


def read_document(path: Path) -> dict[str, Any]:
    """The document of such a folder.

    Raises:
        TrainingError: if it cannot be read.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise TrainingError("MER-T183", f"{path} cannot be read: {error}.", "Choose another --out.") from None
    if not isinstance(document, dict):
        raise TrainingError("MER-T183", f"{path} holds no mapping.", "Choose another --out.")
    return document


def digest_of(path: Path) -> str:
    """Short digest of a file's content."""
    return hashlib.blake2b(path.read_bytes(), digest_size=8).hexdigest()
