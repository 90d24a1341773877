"""Finding one space by fingerprint or name."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mertools.errors import StoreError, did_you_mean
from mertools.store.records import Level, Space

_SHORTEST_PREFIX = 4


def find_space(spaces: Sequence[Space], wanted: str, level: Level | None, store: Path) -> Space:
    """The one space that `wanted` means.

    Args:
        spaces: the spaces of the store.
        wanted: fingerprint, start of one, ``NAME@FINGERPRINT`` or name.
        level: look among spaces of this level only.
        store: the store's folder, for messages.

    Raises:
        StoreError: ``MER-V007`` if there is none, ``MER-V008`` if there are several.
    """
    name, _, prefix = wanted.partition("@")
    candidates = [space for space in spaces if level in (None, space.level)]
    found = [s for s in candidates if s.extractor == name and s.fingerprint.startswith(prefix)]
    if not found and not prefix and len(name) >= _SHORTEST_PREFIX:
        found = [s for s in candidates if s.fingerprint.startswith(name)]
    if len(found) == 1:
        return found[0]
    if not found:
        raise _none(spaces, wanted, name, level, store)
    raise StoreError(
        "MER-V008",
        f"'{wanted}' means {len(found)} spaces of the store {store}: {'; '.join(_told_apart(found))}.",
        f"Choose one by its fingerprint, e.g. {found[0]}.",
    )


def _none(spaces: Sequence[Space], wanted: str, name: str, level: Level | None, store: Path) -> StoreError:
    known = sorted({space.extractor for space in spaces})
    shown = f"It has: {', '.join(str(s) + ' (' + s.level + ')' for s in spaces)}." if spaces else "It is empty."
    return StoreError(
        "MER-V007",
        f"the store {store} has no space '{wanted}'"
        + (f" of level {level}." if level else ".")
        + did_you_mean(name, known),
        f"{shown} Make it with: mertools extract CORPUS_DIR --with {name}",
    )


def _told_apart(found: Sequence[Space]) -> list[str]:
    """Each space with what sets it apart from the others."""
    flat = [flatten(space.spec.identity()) for space in found]
    keys = sorted({key for one in flat for key in one})
    differing = [key for key in keys if len({repr(one.get(key)) for one in flat}) > 1]
    return [
        f"{space} (" + ", ".join(f"{key.removeprefix('settings.')}={one.get(key)!r}" for key in differing) + ")"
        for space, one in zip(found, flat, strict=True)
    ]


def flatten(value: Any, path: str = "") -> dict[str, Any]:
    """Nested mappings as one mapping with dotted keys.

    Example:
        >>> flatten({"a": {"b": 1}, "c": [2]})
        {'a.b': 1, 'c': [2]}
    """
    if not isinstance(value, dict) or not value:
        return {path: value}
    found: dict[str, Any] = {}
    for key, inner in value.items():
        found.update(flatten(inner, f"{path}.{key}" if path else str(key)))
    return found
